/* SPDX-License-Identifier: MIT */

/*
 * Limits to the backlog, lazy workers, and the counters. Each case in a process of
 * its own, so that counters begin at 0.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define THREADS		4
#define EACH		3000
#define HIGH		100UL
#define LOW		20UL
#define HOUR_NS		(UINT64_C(3600) * 1000000000)

static struct rcu_head heads[THREADS * EACH];

static void expect_at_rest(uint64_t n)
{
	struct umb_stats now = stats();

	expect(now.queued == n && now.run == n, "queued and run are exact");
	expect(now.peak <= n && now.peak, "the peak is one of these");
	expect(now.batches && now.lazy <= now.batches && now.batches <= n,
	       "so are the batches");
	expect(!early && load(&ran) == (int) n, "all have run in time");
}

static void arguments(const void *arg)
{
	struct call_rcu_data *w = get_default_call_rcu_data();
	static const struct { unsigned long low, high; int ret; } marks[] = {
		{ 0, 0, 0 }, { 1, 0, -EINVAL }, { ULONG_MAX, 0, -EINVAL },
		{ 1, 1, -EINVAL }, { 5, 4, -EINVAL }, { 0, 1, 0 }, { 3, 4, 0 },
		{ 1, ULONG_MAX, 0 }, { ULONG_MAX, ULONG_MAX, -EINVAL },
		{ 0, 0, 0 },
	};

	(void) arg;
	errno = CASE_ERRNO;
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
		expect(umb_reclaim_set_watermarks(marks[i].low, marks[i].high)
		       == marks[i].ret, "watermarks");
	expect(umb_reclaim_set_lazy(NULL, 1) == -EINVAL, "lazy: no worker");
	expect(umb_reclaim_set_lazy(NULL, 0) == -EINVAL, "lazy: still none");
	expect(umb_reclaim_set_lazy(w, HOUR_NS + 1) == -EINVAL, "lazy: too long");
	expect(umb_reclaim_set_lazy(w, UINT64_MAX) == -EINVAL, "lazy: too long");
	expect(!umb_reclaim_set_lazy(w, HOUR_NS), "lazy: an hour");
	expect(!umb_reclaim_set_lazy(w, 0), "lazy: no more");
	expect(errno == CASE_ERRNO, "errno stays");
}

static void of_one(const void *arg)
{
	(void) arg;
	call_rcu(&heads[0], count_run);
	rcu_barrier();
	expect(stats().queued == 1 && stats().run == 1 && stats().peak == 1
	       && stats().batches == 1, "of one callback");
	expect(!stats().lazy && !stats().hastened && !stats().waits
	       && !stats().wait_ns, "that nobody waited for");
}

/* Of workers that are gone, too. */
static void of_all_workers(const void *arg)
{
	(void) arg;
	for (int i = 0; i < 6; i++) {
		struct call_rcu_data *w = create_call_rcu_data(0, -1);

		expect(stats().workers == (i ? 2U : 1U), "workers now");
		set_thread_call_rcu_data(i % 3 ? w : NULL);
		for (int j = 0; j < 100; j++)
			call_rcu(&heads[100 * i + j], count_run);
		set_thread_call_rcu_data(NULL);
		rcu_barrier();
		expect_at_rest(100U * (unsigned int) (i + 1));
		call_rcu_data_free(w);
		expect_at_rest(100U * (unsigned int) (i + 1));
	}
}

/* Waiting. */

static void *queue_many(void *arg)
{
	for (int i = 0; i < EACH; i++)
		call_rcu(&((struct rcu_head *) arg)[i], count_run);
	return NULL;
}

/* While sections that are younger may be open. */
static void count_any_time(struct rcu_head *head)
{
	(void) head;
	add(&ran, 1);
}

static void *queue_for_any_time(void *arg)
{
	for (int i = 0; i < EACH; i++)
		call_rcu(&((struct rcu_head *) arg)[i], count_any_time);
	return NULL;
}

static void expect_backlog_below(uint64_t limit, const char *what)
{
	struct umb_stats now = stats();

	expect(now.queued - now.run <= limit, what);
}

/* They all wait, while a reader keeps callbacks from running; and then go on. */
static void limited(const void *arg)
{
	struct reader reader;
	pthread_t threads[THREADS];
	struct call_rcu_data *w;

	w = arg ? create_call_rcu_data(0, -1) : get_default_call_rcu_data();
	/* With CPUs' workers the way is another one. */
	for (int i = 0, n = (int) sysconf(_SC_NPROCESSORS_CONF); arg && i < n; i++)
		expect(!set_cpu_call_rcu_data(i, w), "set");
	umb_reclaim_set_watermarks(LOW, HIGH);
	umb_reclaim_set_waiting(1);
	reader_start(&reader);
	reader_enter(&reader);
	for (int i = 0; i < THREADS; i++)
		start_thread(&threads[i], queue_for_any_time, &heads[i * EACH]);
	while (stats().queued <= HIGH)
		nap(200);
	nap(READER_STAYS_US);
	expect_backlog_below(HIGH + THREADS, "they wait at the high watermark");
	expect(stats().queued > HIGH, "and not before");
	reader_leave(&reader);
	for (int i = 0; i < THREADS; i++) {
		reader_enter(&reader);
		nap(1000);
		reader_leave(&reader);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	expect_backlog_below(HIGH + THREADS, "nobody leaves more behind");
	rcu_barrier();
	expect_at_rest(THREADS * EACH);
	expect(stats().peak > HIGH && stats().peak <= HIGH + THREADS,
	       "the peak is the limit");
	expect(stats().waits && stats().wait_ns && stats().hastened,
	       "they waited, and the worker knew");
	/* Each wait lets HIGH - LOW callbacks by. */
	expect(stats().waits <= THREADS * (THREADS * EACH / (HIGH - LOW) + 1),
	       "but not each time");
	reader_stop(&reader);
}

/* The callbacks from that on run when the caller is back. */
#define GATED	800
static int back;

static void wait_for_caller(struct rcu_head *head)
{
	if (head == &heads[GATED])
		await(&back, 1);
	count_run(head);
}

/* A caller waits until the backlog is low, not longer. No callback runs before. */
static void until_low(const void *arg)
{
	struct reader reader;

	(void) arg;
	reader_start(&reader);
	reader_enter(&reader);
	umb_reclaim_set_watermarks(500, 1000);
	umb_reclaim_set_waiting(1);
	rcu_read_lock();
	for (int i = 0; i < 1200; i++)
		call_rcu(&heads[i], wait_for_caller);
	rcu_read_unlock();
	expect(!stats().waits, "sections do not wait");
	reader_leave_soon(&reader);
	call_rcu(&heads[1200], count_run);
	expect(load(&ran) >= 1201 - 500, "it waits until the backlog is low");
	expect(stats().waits == 1, "once");
	store(&back, 1);
	rcu_barrier();
	expect_at_rest(1201);
	reader_stop(&reader);
}

static void queue_in_callback(struct rcu_head *head)
{
	(void) head;
	for (int i = 1; i <= EACH; i++)
		call_rcu(&heads[i], count_run);
	note_run();
}

static void never_in_sections_or_callbacks(const void *arg)
{
	(void) arg;
	umb_reclaim_set_watermarks(1, 2);
	umb_reclaim_set_waiting(1);
	rcu_read_lock();
	store(&holding, 1);
	queue_many(&heads[EACH]);
	expect(stats().queued == EACH && !stats().run, "all, inside a section");
	store(&holding, 0);
	rcu_read_unlock();
	rcu_barrier();
	call_rcu(&heads[0], queue_in_callback);
	await(&ran, 2 * EACH + 1);
	rcu_barrier();
	expect_at_rest(2 * EACH + 1);
	expect(stats().waits <= 1, "nobody waits there");
}

/* At the start, with waiting on but no watermarks, and turned off again. */
static void off_by_default(const void *arg)
{
	struct reader reader;

	(void) arg;
	reader_start(&reader);
	for (int i = 0; i < 4; i++) {
		umb_reclaim_set_watermarks(i ? LOW : 0, i ? HIGH : 0);
		if (i == 1)
			umb_reclaim_set_watermarks(0, 0);
		if (i == 2)
			umb_reclaim_set_waiting(0);
		if (i == 1)
			umb_reclaim_set_waiting(1);
		reader_enter(&reader);
		queue_many(heads + i * EACH);
		expect(stats().queued - stats().run >= EACH, "none has waited");
		reader_leave(&reader);
		rcu_barrier();
	}
	expect(!stats().waits && !stats().wait_ns, "none is counted");
	expect(stats().peak >= EACH / 2, "a large backlog");
	reader_stop(&reader);
	expect_at_rest(4 * EACH);
}

int main(void)
{
	tap_begin();
	case_run(arguments, NULL, "arguments");
	case_run(of_one, NULL, "counters of one callback");
	case_run(of_all_workers, NULL, "counters of all workers");
	case_run(limited, NULL, "callers wait");
	case_run(limited, "CPUs", "callers wait for CPUs' workers");
	case_run(until_low, NULL, "until the low watermark");
	case_run(never_in_sections_or_callbacks, NULL,
		 "not inside sections, nor in callbacks");
	case_run(off_by_default, NULL, "unless it is turned on");
	return tap_end();
}
