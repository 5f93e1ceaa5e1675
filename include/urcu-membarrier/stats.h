/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_STATS_H
#define URCU_MEMBARRIER_STATS_H

/*
 * What the library has counted in this process. Counting costs readers nothing.
 *
 * No function here changes errno. Since 0.1, all of them.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UMB_STATS_VERSION	1

/*
 * Counts since the process began; a forked child goes on from its parent's. Exact,
 * each for itself: what had come to its end before umb_stats_get() was called is in
 * it. Where a long has 32 bits, counts come round at 2^32.
 */
struct umb_stats {
	uint64_t version;		/* UMB_STATS_VERSION of the library */

	/* Grace periods. */
	uint64_t grace_periods;		/* that are over */
	uint64_t elided;		/* those of them that found nobody online */
	uint64_t slept;			/* those that slept on readers */
	uint64_t quiet;			/* more: of lazy workers */
	uint64_t given_up;		/* times that one was left unfinished, by polls too */
	uint64_t longest_ns;		/* that one waited for readers (32 bits: up to 71 minutes) */

	/* Heavy fences. */
	uint64_t mode;			/* the calling thread's, see umb_fence_mode() */
	uint64_t fences[8];		/* by enum umb_fence_mode */
	uint64_t failures;		/* attempts that the kernel refused */
	uint64_t fallbacks;		/* fences that another mode made, for once */
	uint64_t degradations;		/* threads' steps to another mode, until that fails */

	/* Stalls. */
	uint64_t stalls;		/* that somebody was told of, repeats included; or
					   was not, as he was just being told of another */

	/* Threads, now: a look at each, while others come and go. */
	uint64_t threads;		/* registered */
	uint64_t threads_online;
	uint64_t threads_reading;	/* in a section */

	/* Callbacks, of all workers, those that are gone included. */
	uint64_t queued, run;
	uint64_t peak;			/* largest backlog of a worker, as it saw it */
	uint64_t batches;		/* grace periods that workers waited for */
	uint64_t lazy;			/* those of them that interrupted nobody */
	uint64_t hastened;		/* times that a watermark made a worker hurry */
	uint64_t waits;			/* calls that waited for the low watermark */
	uint64_t wait_ns;		/* and how long, together */
	uint64_t workers;		/* threads, now */
};

/*
 * Fill in the first size bytes: sizeof *stats. Members that this version of the
 * library does not know are 0. 0 or -EINVAL (NULL).
 * => Any thread, also inside a section. Not for signal handlers. Waits for nobody;
 *    takes some nanoseconds a registered thread.
 */
int umb_stats_get(struct umb_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_STATS_H */
