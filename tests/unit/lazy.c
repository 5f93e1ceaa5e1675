/* SPDX-License-Identifier: MIT */

/*
 * Lazy workers: what they wait for, and what puts an end to it. Each case in a
 * process of its own. One that is lazy for an hour, and not hastened, is ended by
 * the alarm.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define HOUR_NS		(UINT64_C(3600) * 1000000000)
#define LAZY_NS		UINT64_C(20000000)
#define ROUNDS		3

static struct rcu_head heads[64];

/* May membarrier's global command be had? Not with nohz_full. */
static int quiet_fence(void)
{
	return syscall(SYS_membarrier, 0, 0) > 0
		&& syscall(SYS_membarrier, 0, 0) & 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static void lazy(struct call_rcu_data *w, uint64_t ns)
{
	expect(!umb_reclaim_set_lazy(w, ns), "lazy");
}

/* A thread that is online, so that grace periods are not just nothing. */
static struct reader reader;

static void expect_end(int n)
{
	expect_ran(n);
	reader_stop(&reader);
}

static void takes_its_time(const void *arg)
{
	uint64_t begin;

	(void) arg;
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), LAZY_NS);
	for (int i = 0; i < ROUNDS; i++) {
		begin = now_ns();
		call_rcu(&heads[i], count_run);
		await(&ran, i + 1);
		expect(now_ns() - begin >= LAZY_NS, "callbacks are delayed");
	}
	expect(stats().batches == ROUNDS, "a batch each");
	expect(stats().lazy == (quiet_fence() ? ROUNDS : 0),
	       "the lazy ones are counted");
	lazy(get_default_call_rcu_data(), 0);
	call_rcu(&heads[0], count_run);
	rcu_barrier();
	expect(stats().batches == ROUNDS + 1
	       && stats().lazy == (quiet_fence() ? ROUNDS : 0), "no more");
	expect_end(ROUNDS + 1);
}

/* Sections that are open, long before and when its time is over. */
static void waits_for_readers(const void *arg)
{
	(void) arg;
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), 1000000);
	for (int i = 0; i < ROUNDS; i++) {
		reader_enter(&reader);
		call_rcu(&heads[i], count_run);
		nap(2 * READER_STAYS_US);
		reader_leave_soon(&reader);
		await(&ran, i + 1);
	}
	expect(stats().lazy == (quiet_fence() ? ROUNDS : 0), "lazily");
	expect_end(ROUNDS);
}

/* Others' grace periods and readers meanwhile. */
static int stop;

static void *updater(void *arg)
{
	while (!load(&stop)) {
		synchronize_rcu();
		umb_synchronize_timeout_ns(0);
		nap(100);
	}
	return arg;
}

static void beside_others(const void *arg)
{
	int rounds = (int) tap_scale(20, 3);
	pthread_t thread;

	(void) arg;
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), 100000);
	start_thread(&thread, updater, NULL);
	for (int i = 0; i < rounds; i++) {
		reader_enter(&reader);
		call_rcu(&heads[i], count_run);
		nap(i % 4 * 1000);
		reader_leave(&reader);
		await(&ran, i + 1);
	}
	store(&stop, 1);
	pthread_join(thread, NULL);
	expect_end(rounds);
}

/* What puts an end to it. */

static void barrier_hastens(const void *arg)
{
	(void) arg;
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), HOUR_NS);
	for (int i = 0; i < 2 * ROUNDS; i++) {
		call_rcu(&heads[i], count_run);
		/* With the worker in its wait, or just before. */
		nap(i & 1 ? 0 : READER_STAYS_US);
		expect(i || !load(&ran), "nothing runs meanwhile");
		rcu_barrier();
		expect(load(&ran) == i + 1, "a barrier hastens");
	}
	expect_end(2 * ROUNDS);
}

static void *barrier(void *arg)
{
	rcu_barrier();
	return arg;
}

/* A second one, while the first waits for a reader: for the next batch. */
static void barriers_hasten(const void *arg)
{
	pthread_t threads[2];

	(void) arg;
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), HOUR_NS);
	for (int i = 0; i < ROUNDS; i++) {
		reader_enter(&reader);
		call_rcu(&heads[2 * i], count_run);
		start_thread(&threads[0], barrier, NULL);
		nap(READER_STAYS_US);
		call_rcu(&heads[2 * i + 1], count_run);
		start_thread(&threads[1], barrier, NULL);
		nap(READER_STAYS_US);
		reader_leave(&reader);
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
	}
	expect_end(2 * ROUNDS);
}

static void no_longer_lazy(const void *arg)
{
	(void) arg;
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), HOUR_NS);
	call_rcu(&heads[0], count_run);
	nap(READER_STAYS_US);
	lazy(get_default_call_rcu_data(), 0);
	rcu_barrier();
	expect_end(1);
}

static void watermark_hastens(const void *arg)
{
	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), HOUR_NS);
	umb_reclaim_set_watermarks(*(const unsigned long *) arg, 4);
	for (int i = 0; i < 4; i++)
		call_rcu(&heads[i], count_run);
	nap(READER_STAYS_US);
	expect(!load(&ran), "so far nothing has run");
	call_rcu(&heads[4], count_run);
	await(&ran, 5);
	expect_end(5);
}

static int gate, at_gate;

static void stand_at_gate(struct rcu_head *head)
{
	int n = add(&at_gate, 1);

	await(&gate, n);
	count_run(head);
}

/* What comes between the watermarks is hastened, too, if more had come before. */
static void hasty_until_low(const void *arg)
{
	(void) arg;
	reader_start_online(&reader);
	call_rcu(&heads[0], stand_at_gate);
	await(&at_gate, 1);
	lazy(get_default_call_rcu_data(), HOUR_NS);
	umb_reclaim_set_watermarks(2, 4);
	call_rcu(&heads[1], stand_at_gate);
	for (int i = 2; i <= 5; i++)
		call_rcu(&heads[i], count_run);
	store(&gate, 1);
	await(&at_gate, 2);
	/* Not above the high one, as those who queue see it. */
	umb_reclaim_set_watermarks(2, 1000);
	for (int i = 6; i <= 9; i++)
		call_rcu(&heads[i], count_run);
	umb_reclaim_set_watermarks(2, 4);
	store(&gate, 2);
	await(&ran, 10);
	expect(stats().hastened == 1, "hastened once");
	expect_end(10);
}

/* Below the low watermark it is lazy again. */
static void lazy_again(const void *arg)
{
	const unsigned long low = *(const unsigned long *) arg;
	struct umb_stats before;

	reader_start_online(&reader);
	lazy(get_default_call_rcu_data(), 1000000);
	for (int round = 0; round < 2; round++) {
		umb_reclaim_set_watermarks(low, 4);
		rcu_read_lock();
		for (int i = 0; i < 10; i++)
			call_rcu(&heads[i], count_run);
		rcu_read_unlock();
		rcu_thread_offline();
		await(&ran, 13 * round + 10);
		expect(stats().hastened > (unsigned int) round, "hastened");
		/* Both ways: down to the low one, or there is none. */
		if (round)
			umb_reclaim_set_watermarks(0, 0);
		call_rcu(&heads[0], count_run);
		await(&ran, 13 * round + 11);
		before = stats();
		for (int i = 12; i <= 13; i++) {
			call_rcu(&heads[i], count_run);
			await(&ran, 13 * round + i);
		}
		expect(stats().lazy - before.lazy == (quiet_fence() ? 2 : 0),
		       "and lazy again");
	}
	expect_end(26);
}

/* Callbacks that are left wait for nobody when the worker is freed. */
static void free_hastens(const void *arg)
{
	(void) arg;
	reader_start_online(&reader);
	for (int i = 0; i < ROUNDS; i++) {
		struct call_rcu_data *w = create_call_rcu_data(0, -1);

		lazy(w, HOUR_NS);
		set_thread_call_rcu_data(w);
		call_rcu(&heads[i], count_run);
		set_thread_call_rcu_data(NULL);
		nap(i ? READER_STAYS_US : 0);
		call_rcu_data_free(w);
		await(&ran, i + 1);
	}
	expect_end(ROUNDS);
}

static void only_the_one(const void *arg)
{
	struct call_rcu_data *w = create_call_rcu_data(URCU_CALL_RCU_RT, -1);

	(void) arg;
	reader_start_online(&reader);
	lazy(w, HOUR_NS);
	set_thread_call_rcu_data(w);
	call_rcu(&heads[0], count_run);
	set_thread_call_rcu_data(NULL);
	nap(READER_STAYS_US);
	call_rcu(&heads[1], count_run);
	await(&ran, 1);
	expect(load(&ran) == 1, "the default worker is in a hurry");
	rcu_barrier();
	expect_end(2);
}

int main(void)
{
	static const unsigned long none, one = 1;

	tap_begin();
	case_run(takes_its_time, NULL, "a lazy worker takes its time");
	case_run(waits_for_readers, NULL, "it waits for readers");
	case_run(beside_others, NULL, "beside others' grace periods");
	case_run(barrier_hastens, NULL, "a barrier hastens it");
	case_run(barriers_hasten, NULL, "so does one for the next batch");
	case_run(no_longer_lazy, NULL, "and one when it is lazy no longer");
	case_run(watermark_hastens, &one, "the high watermark hastens it");
	case_run(hasty_until_low, NULL, "and what comes then");
	case_run(lazy_again, &one, "until the backlog is low");
	case_run(lazy_again, &none, "or nothing");
	case_run(free_hastens, NULL, "its end hastens it");
	case_run(only_the_one, NULL, "and it is lazy alone");
	return tap_end();
}
