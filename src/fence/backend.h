/* SPDX-License-Identifier: MIT */
#ifndef UMBI_BACKEND_H
#define UMBI_BACKEND_H

#include "urcu-membarrier/fence.h"

#pragma GCC visibility push(hidden)

/* One way to do the heavy half. Called by one thread at a time. */
struct umbi_fence_ops {
	enum umb_fence_mode mode;
	/* Make it usable. 0 or a negative errno; may be called again. */
	int (*prepare)(void);
	/* Fence all registered threads. 0 or a negative errno. */
	int (*run)(void);
};

extern const struct umbi_fence_ops umbi_fence_private_expedited;
extern const struct umbi_fence_ops umbi_fence_global_expedited;
extern const struct umbi_fence_ops umbi_fence_global;

#pragma GCC visibility pop

#endif /* UMBI_BACKEND_H */
