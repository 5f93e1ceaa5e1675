/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ROW_H
#define TESTS_ROW_H

/*
 * One row of the torture's matrix, as a process runs it: readers, updaters, and
 * elements whose age is checked. An element's age is 0 while it can be found, 1
 * once it has been removed, and one more after each grace period that its updater
 * has waited for; at AGE_REUSE it is used again. A section that sees more than 1
 * was not waited for. The idea of the pipeline is that of the kernel's rcutorture.
 */

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "tests/lib/spoil.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define THREADS_MAX	96
#if defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define WITH_ASAN	1
# endif
#elif defined(__SANITIZE_ADDRESS__)
# define WITH_ASAN	1
#endif
/* What is free is out of bounds then, for updaters as well: nothing grows older. */
#ifdef WITH_ASAN
# define AGE_REUSE	2
#else
# define AGE_REUSE	10
#endif
#define POOL		64
#define HEADS		1000

/* What readers do besides reading. */
enum {
	OFFLINE = 1 << 0,	/* they go offline between sections */
	REGISTER = 1 << 1,	/* register and unregister by hand */
	CHURN = 1 << 2,		/* end after a few hundred sections, and read then */
	IDLES = 1 << 3,		/* take turns with an updater, and rest between */
	UPDATES = 1 << 4,	/* wait for grace periods now and then */
	FORKS = 1 << 5,		/* fork; the child does all that a process does */
	/* And everybody: */
	SIGNALS = 1 << 6,	/* handlers that read, yield and sleep, at any point */
	BLOCKS = 1 << 7,	/* all signals are blocked */
	PINNED = 1 << 8,	/* each to a CPU, in turn */
	ONE_CPU = 1 << 9,	/* all to the same */
	/* And the process: */
	FAILS = 1 << 10,	/* membarrier always has no memory */
	REFUSED = 1 << 11,	/* it is refused to the last thread for good */
	LAZY = 1 << 12,		/* the worker is in no hurry, nor is the updater */
	HURRIED = 1 << 13,	/* it waits for an hour, but for barriers */
	BOUNDED = 1 << 14,	/* callbacks have watermarks, and callers wait */
};

/* How updaters wait. */
enum {
	WAIT = 1 << 0,		/* synchronize_rcu */
	LIMIT = 1 << 1,		/* umb_synchronize_timeout_ns, more patient each time */
	POLL = 1 << 2,		/* start_poll and poll_state_synchronize_rcu */
	CALL = 1 << 3,		/* call_rcu; rcu_barrier now and then */
	DEFER = 1 << 4,		/* defer_rcu */
	OWN = 1 << 5,		/* call_rcu by a worker of one's own */
};
#define WAYS	6

struct row {
	const char *name;
	unsigned int readers, updaters;
	unsigned int depth;		/* of sections, at most */
	unsigned int spins, nap_us;	/* their length, at most */
	unsigned int habits, ways;
};

extern const struct row rows[];		/* the last one has no name */

struct element {
	struct rcu_head head;
	unsigned int age;
	unsigned int called;		/* a callback ages it, not its updater */
	unsigned int lives;		/* times it was taken */
	uint64_t canary;		/* plain, like a program's own data */
} __attribute__((aligned(64)));

/* What an updater publishes. */
struct slot {
	struct element *current;
	unsigned long steps;		/* removals that were waited for, or handed over */
	unsigned long visits;		/* by readers that take turns with it */
	unsigned long called, ran;	/* by call_rcu */
	unsigned long burst, burst_ran;	/* by defer_rcu, besides elements */
	unsigned int taken;		/* the last element, by its index */
	struct rcu_head heads[HEADS];	/* callbacks besides: a burst */
	struct element pool[POOL];
} __attribute__((aligned(128)));

/* What sections saw. Each is one thread's, or that of its handlers. */
struct sight {
	uint64_t random;
	unsigned long sections, poisoned, ages[AGE_REUSE + 1];
};

struct worker {
	pthread_t thread;
	timer_t timer;
	const struct row *row;
	struct slot *slot, *slots;	/* its own; those it reads */
	struct element *left_open;	/* of the section in which it ends */
	unsigned int left_life;
	struct sight own, handlers;
	char *spoil;
	unsigned int index, patience, rounds, nested;
	unsigned long forks, bad_forks, early_barriers, changed;
};

/* What a row comes to. In memory that both processes share. */
struct outcome {
	unsigned long sections, grace_periods, callbacks, forks;
	unsigned long in_handlers, steps_down, ages[AGE_REUSE + 1];
	char wrong[160];		/* empty: nothing */
	char lacks[80];			/* what the row needs and is not here */
};

extern struct slot slots[THREADS_MAX];
extern int over;

static inline int is_over(void)
{
	return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static inline unsigned long read_count(const unsigned long *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

/* By its only writer. */
static inline void count_one(unsigned long *count)
{
	__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
}

void nap_us(unsigned int us);

/* element.c */
void slot_prepare(struct slot *slot);
struct element *element_take(struct slot *slot);	/* NULL: none is free */
void element_grow_older(struct element *element);
void slot_grow_older(struct slot *slot);
unsigned int slot_outstanding(const struct slot *slot);
/* Which of its lives is it? A section notes that at its begin and at its end. */
unsigned int element_life(const struct element *element);
void sight_note(struct sight *sight, const struct element *element,
		unsigned int life);

/* reader.c */
void *reader_run(void *worker);
void reader_prepare(void);
void harass(struct worker *w, int on);

/* updater.c */
void *updater_run(void *worker);
void bring_back(const struct row *row);	/* callbacks: wait a moment for them */

/* run.c: in a process of its own. */
void row_run(const struct row *row, unsigned int ms, unsigned int patience,
	     uint64_t seed, struct outcome *outcome);

#endif /* TESTS_ROW_H */
