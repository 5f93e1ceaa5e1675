/* SPDX-License-Identifier: MIT */
#ifndef UMBI_FENCE_H
#define UMBI_FENCE_H

/* The heavy fence, as the rest of the library uses it. */

#include <stdint.h>

#include "urcu-membarrier/fence.h"
#include "urcu-membarrier/stats.h"

#pragma GCC visibility push(hidden)

/* umb_fence_heavy(). 0, as all that engines of grace periods call. */
int umbi_fence_all(void);

/*
 * The same, but where threads are interrupted one by one those are
 * left alone that look offline after the call: see UMBI_ONLINE. One thread at a
 * time: the leader of a grace period.
 */
int umbi_fence_online(void);

/*
 * A heavy fence that interrupts nobody and takes tens of milliseconds; other
 * callers do not wait for it. 0 or a negative errno, where there is none.
 */
int umbi_fence_quietly(void);

/* Make this process one that umbi_fence_processes() reaches. 0 or a negative errno. */
int umbi_fence_join_processes(void);
/*
 * And see to it that it does, as long as nothing else ends in its memory: 0. Takes some
 * milliseconds; not beside other threads.
 */
int umbi_fence_settle_alone(void);
/* A heavy fence for all processes that have joined. 0, or a negative errno. */
int umbi_fence_processes(void);

/* Does the calling thread, a signal handler, lead one? */
int umbi_fence_ours(void);

/* Fill in what fences have counted. */
void umbi_fence_stats(struct umb_stats *stats);

/* Does a fence of the calling thread cost more than microseconds? */
int umbi_fence_is_slow(void);

#pragma GCC visibility pop

#endif /* UMBI_FENCE_H */
