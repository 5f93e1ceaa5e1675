/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_STALL_H
#define URCU_MEMBARRIER_STALL_H

/*
 * Who keeps a grace period from its end, a heavy fence, or rcu_barrier().
 *
 * Someone who waits longer than the limit, 10 seconds if nobody says otherwise, has
 * it told: by a line on stderr for each thread that is waited for, or to a handler.
 * It is told again after twice the time, four times, and so on, up to an hour.
 * The environment's URCU_MEMBARRIER_STALL_MS sets the limit in milliseconds,
 * 0 to 86400000; 0: nothing is told. A time in which the process was stopped, or the
 * machine, does not count.
 *
 * Programs that load a filter of seccomp that kills: a report starts a thread and
 * reads a file in /proc. If the filter does not let it, turn reports off before.
 *
 * No function here changes errno. Since 0.1, all of them.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum umb_stall_kind {
	UMB_STALL_SECTION = 1,	/* the thread is in a section that began before */
	UMB_STALL_FENCE = 2,	/* it has not passed the barrier of a heavy fence */
	UMB_STALL_LEADER = 3,	/* it runs what the others wait for, and gets not on:
				   told after twice the limit, if it does not tell
				   for whom it waits itself */
	UMB_STALL_CALLBACK = 4,	/* it is in a callback that a barrier waits for */
};

/* One thread that is waited for. Later versions may append members. */
struct umb_stall {
	size_t size;			/* bytes of this struct that are there */
	enum umb_stall_kind kind;
	unsigned int index, count;	/* the first of 3 threads: 0 and 3 */
	uint64_t waited_ns;		/* so far: by who waits, not in the section */
	pid_t tid;			/* of the kernel */
	char name[16];			/* of the thread; "" where there is no /proc */
	char state;			/* as in ps(1): 'R' runs, or waits for a CPU, 'S' and
					   'D' sleep, 'T' and 't' are stopped; 'X': it
					   has ended; 0: not known */
	int blocks_signal;		/* umb_fence_signal(3)'s: 1, 0, -1 not known */
	unsigned long depth;		/* of the section */
	const void *entered;		/* where it began: in programs built with
					   DEBUG_RCU; NULL elsewhere. Or the callback */
	pid_t pid;			/* of another process, in a shared domain; else 0 */
};

#define UMB_STALL_LIMIT_MAX	86400000000000ull	/* a day */

/*
 * Tell this handler from now on (NULL: stderr), of waits longer than that many
 * nanoseconds (0: nothing; rounded up to milliseconds).
 * => The handler runs in a thread of its own, with signals blocked but for
 *    umb_fence_signal(3)'s, once for each thread that is waited for (16 at most). So it
 *    may do what it likes: take locks that the updater holds, read, wait for a grace
 *    period, end its thread. Meanwhile nobody else is told; the grace period goes on.
 * => Whoever waits makes that thread, in the middle of what it is doing (so malloc()
 *    runs there). Where none can be had the line goes to stderr. Lines are written only
 *    if stderr takes them at once.
 * => On return no other handler runs any more, so that it may be unloaded. In a
 *    handler: returns at once. Not inside a section, nor with a lock that a handler
 *    takes. Waits that have begun before may keep the old limit.
 * => 0, or -EINVAL: more than UMB_STALL_LIMIT_MAX.
 */
int umb_stall_set(void (*handler)(const struct umb_stall *stall),
		  uint64_t limit_ns);

/*
 * What the line on stderr says of it, for a program's own log: at most size - 1
 * characters, as snprintf(3). Any thread.
 */
int umb_stall_describe(const struct umb_stall *stall, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_STALL_H */
