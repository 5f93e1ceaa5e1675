/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_RECLAIM_H
#define URCU_MEMBARRIER_RECLAIM_H

/*
 * What call_rcu has here beyond liburcu: limits to the backlog, and workers that
 * are in no hurry. umb_stats_get() has the counters.
 *
 * No function here changes errno. Since 0.1, all of them.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct call_rcu_data;

/*
 * Watermarks, for each worker's callbacks that are queued and have not run.
 * Above the high one, until the backlog is down to the low one, a lazy worker is
 * lazy no more, and callers wait where the program has turned that on.
 * => low < high, or both 0: no watermarks, as at the start. 0 or -EINVAL.
 * => Any thread; meant for the program's start.
 */
int umb_reclaim_set_watermarks(unsigned long low, unsigned long high);

/*
 * May urcu_membarrier_call_rcu() wait, outside sections and callbacks, while its
 * worker's backlog is above the high watermark? 1: yes; 0, at the start: no. The
 * backlog then stays at or below the watermark plus one for each thread that queues
 * (and what sections and callbacks queue).
 * => Only for programs whose callers hold nothing that a reader, or a callback,
 *    may wait for.
 */
void umb_reclaim_set_waiting(int on);

/*
 * A worker that is in no hurry: a batch waits, up to that many nanoseconds, for a
 * grace period that somebody else runs, and then runs one that interrupts no CPU
 * (membarrier's global command; where the kernel refuses it, as with nohz_full, an
 * ordinary one), which takes some tens of milliseconds. rcu_barrier and the high
 * watermark put an end to the waiting.
 * => 0: in a hurry, as at the start. crdp: of any worker, the default one
 *    included. 0 or -EINVAL (NULL; more than an hour).
 */
int umb_reclaim_set_lazy(struct call_rcu_data *crdp, uint64_t ns);

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_RECLAIM_H */
