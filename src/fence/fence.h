/* SPDX-License-Identifier: MIT */
#ifndef UMBI_FENCE_H
#define UMBI_FENCE_H

/* The heavy fence, as the rest of the library uses it. */

#include <stdint.h>

#include "urcu-membarrier/fence.h"
#include "urcu-membarrier/stats.h"

#pragma GCC visibility push(hidden)

/*
 * umb_fence_heavy(), but where threads are interrupted one by one those are
 * left alone that look offline after the call: see UMBI_ONLINE. One thread at a
 * time: the leader of a grace period.
 */
void umbi_fence_online(void);

/*
 * A heavy fence that interrupts nobody and takes tens of milliseconds; other
 * callers do not wait for it. 0 or a negative errno, where there is none.
 */
int umbi_fence_quietly(void);

/* Does the calling thread, a signal handler, lead one? */
int umbi_fence_ours(void);

/* Fill in what fences have counted. */
void umbi_fence_stats(struct umb_stats *stats);

/* Does a fence of the calling thread cost more than microseconds? */
int umbi_fence_is_slow(void);

#pragma GCC visibility pop

#endif /* UMBI_FENCE_H */
