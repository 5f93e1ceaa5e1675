/* SPDX-License-Identifier: MIT */
#ifndef TESTS_READER_H
#define TESTS_READER_H

/*
 * For tests of what runs after a grace period: a reader that does as it is told,
 * and the tally of callbacks, of which none may run while `holding`. What waits
 * in vain is ended by an alarm. Needs _GNU_SOURCE.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/cases.h"
#include "urcu/urcu-membarrier.h"

#define READER_STAYS_US	20000	/* for whoever does not wait to come too early */

static int holding;		/* sections that all callbacks must wait for */
static int early;		/* some have not */
static int ran;			/* callbacks */

static inline int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline int add(int *word, int value)
{
	return __atomic_add_fetch(word, value, __ATOMIC_SEQ_CST);
}

/* Shorter if a signal comes. errno stays as it is, for tests of that. */
static inline void nap(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };
	int saved = errno;

	nanosleep(&t, NULL);
	errno = saved;
}

static inline void await(const int *word, int value)
{
	while (load(word) < value)
		nap(200);
}

/* In a callback. */
static inline void note_run(void)
{
	if (load(&holding))
		store(&early, 1);
	add(&ran, 1);
}

static inline void count_run(struct rcu_head *head)
{
	(void) head;
	note_run();
}

static inline void expect_ran(int n)
{
	expect(load(&ran) == n, "every callback has run, once");
	expect(!load(&early), "none before its time");
}

static inline struct umb_stats stats(void)
{
	struct umb_stats now;

	expect(!umb_stats_get(&now, sizeof now), "stats");
	return now;
}

static inline void start_thread(pthread_t *thread, void *(*run)(void *),
				void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		abort();
}

struct reader {
	pthread_t thread;
	int wanted;		/* 1 in a section, 0 outside, -1 exit */
	int inside;
	long stays_us;		/* before it leaves */
};

static inline void *reader_run(void *arg)
{
	struct reader *reader = arg;
	int wanted;

	while ((wanted = load(&reader->wanted)) >= 0) {
		if (wanted == load(&reader->inside)) {
			nap(100);
			continue;
		}
		if (wanted) {
			urcu_membarrier_read_lock();
			add(&holding, 1);
		} else {
			nap(reader->stays_us);
			add(&holding, -1);
			urcu_membarrier_read_unlock();
		}
		store(&reader->inside, wanted);
	}
	return NULL;
}

static inline void reader_start(struct reader *reader)
{
	*reader = (struct reader) { 0 };
	start_thread(&reader->thread, reader_run, reader);
}

static inline void reader_enter(struct reader *reader)
{
	/* It may be about to leave. */
	while (load(&reader->inside) != reader->wanted)
		nap(200);
	store(&reader->wanted, 1);
	await(&reader->inside, 1);
}

static inline void reader_leave(struct reader *reader)
{
	reader->stays_us = 0;
	store(&reader->wanted, 0);
	while (load(&reader->inside))
		nap(200);
}

/* After a while, while the caller waits for it. */
static inline void reader_leave_soon(struct reader *reader)
{
	reader->stays_us = READER_STAYS_US;
	store(&reader->wanted, 0);
}

/* Registered and online, outside any section. */
static inline void reader_start_online(struct reader *reader)
{
	reader_start(reader);
	reader_enter(reader);
	reader_leave(reader);
}

static inline void reader_stop(struct reader *reader)
{
	reader_leave(reader);
	store(&reader->wanted, -1);
	pthread_join(reader->thread, NULL);
}

#endif /* TESTS_READER_H */
