/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

/*
 * A program that uses all of the library at once, by its public names: readers of
 * several habits, updaters of several kinds, callbacks and deferred calls. Readers
 * check that nothing is reclaimed that they see.
 */

#include <sys/types.h>

#include "urcu-membarrier/fence.h"

/* A thread each. */
enum load_part {
	/* Readers. */
	LOAD_SPINS,		/* one section after the other */
	LOAD_NAPS,		/* sleeps in some */
	LOAD_LEAVES,		/* nests, goes offline, unregisters */
	LOAD_BLOCKS,		/* blocks all signals */
	/* Those who reclaim. */
	LOAD_WAITS,		/* synchronize_rcu */
	LOAD_LIMITS,		/* with a time limit, until it succeeds */
	LOAD_POLLS,
	LOAD_QUEUES,		/* call_rcu, and rcu_barrier now and then */
	LOAD_DEFERS,
	LOAD_FENCES,		/* heavy fences, and nothing else */
	LOAD_PARTS,
	LOAD_BARRIERS = LOAD_PARTS,	/* of who queues */
	LOAD_ACTIVITIES
};

enum {
	LOAD_DEAF = 1,		/* all threads block all signals */
	LOAD_OPEN = 2,		/* none does */
	LOAD_STAYS = 4,		/* at the end, on the CPUs of the beginning */
};

#define LOAD_READERS	((1U << LOAD_WAITS) - 1)
#define LOAD_ALL	((1U << LOAD_ACTIVITIES) - 1)

/* Once a process. Nonzero: a thread was refused. */
int load_start(unsigned int flags);

/*
 * Wait until each of these activities, a bit each, has gone on from here for some
 * steps. NULL; or the name of one that has not for so many seconds.
 */
const char *load_await(unsigned int activities, unsigned int seconds);

/*
 * End it, and have everything run that was queued. NULL; or what was not right,
 * from begin to end.
 */
const char *load_stop(void);

pid_t load_tid(enum load_part part);
/* As that thread knew it after its last step. */
enum umb_fence_mode load_mode(enum load_part part);
/* Have that thread do this between two steps. Returns when it is done. */
void load_do(enum load_part part, void (*act)(void));
/* A section, with the checks of a reader's. Any thread; in signal handlers too. */
void load_read(void);

#endif /* TESTS_LOAD_H */
