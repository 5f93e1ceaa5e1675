/* SPDX-License-Identifier: MIT */
#ifndef UMBI_FORK_H
#define UMBI_FORK_H

/*
 * The library and fork().
 *
 * No lock of ours is held over a fork. Others may take theirs after us, and wait
 * for somebody who waits for us: an allocator with its fork handlers, whose lock is
 * held by a thread in whose signal handler a first section registers; a program
 * that holds a mutex around synchronize_rcu() and takes it before fork(). So the
 * child finds everything as other threads left it, between any two instructions,
 * perhaps with a lock that nobody will let go; and each part of the library mends
 * its own. Signals are blocked from before the fork until that is done.
 */

#include <stdint.h>

#include "urcu-membarrier/fence.h"

#pragma GCC visibility push(hidden)

/*
 * How many forks lie behind this process. Who counts itself up before it sleeps, or
 * is between two steps of which the child undoes the first, does not go on with
 * the second when this has changed: it is a signal handler that has forked.
 */
extern uint32_t umbi_forks;

static inline uint32_t umbi_forks_now(void)
{
	/* Relaxed: written by a process's only thread. */
	return __atomic_load_n(&umbi_forks, __ATOMIC_RELAXED);
}

/*
 * For what a child has to know that another thread forks: is a fork going on, and how
 * many had begun; and has another one begun since?
 */
int umbi_forks_run(uint32_t *begun);
int umbi_forks_since(uint32_t begun);

/* One less, but never less than none. */
static inline void umbi_uncount(uint32_t *counter, uint32_t forks)
{
	uint32_t n = __atomic_load_n(counter, __ATOMIC_RELAXED);

	while (forks == umbi_forks_now() && n
	       && !__atomic_compare_exchange_n(counter, &n, n - 1, 1,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/*
 * Between two stores that a forked child, to whom another thread made them, must
 * find in this order: without a lock, and with one, which helps no child.
 */
static inline void umbi_in_order(void)
{
	/*
	 * fence FORK.order, light. Pairs: FORK.snapshot (full).
	 * Orders the store before it and the one after it.
	 * Without: a child finds the second made and not the first.
	 */
	umb_fence_light();
}

/* At load. */
void umbi_fork_watch(void);

/*
 * The parts, each defined in its room, and named here: so they come in the right
 * order, and an archive brings the whole library along, as copies.c needs it.
 */
void umbi_reclaim_before_fork(void);
void umbi_reclaim_after_fork(void);	/* in the parent */
void umbi_threads_forked(void);		/* in the child, and those below */
void umbi_fence_forked(void);
void umbi_gp_forked(void);
void umbi_domains_forked(void);
void umbi_reclaim_forked(void);
void umbi_stall_forked(void);

#pragma GCC visibility pop

#endif /* UMBI_FORK_H */
