/* SPDX-License-Identifier: MIT */

/*
 * defer_rcu and its family. Each case in a process of its own. Calls that nobody
 * runs are missed until the alarm.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define RING	4096		/* calls of a thread that wait for nothing */
#define MANY	10000
#define THREADS	4

static struct reader reader;

static void begin(void)
{
	reader_start_online(&reader);
	errno = CASE_ERRNO;
}

static void end(void)
{
	reader_stop(&reader);
	expect(!load(&early), "no call ran before its time");
}

static void count(void *p)
{
	(void) p;
	note_run();
}

/* Calls of one thread carry 1, 2, 3, ... in what p points into. */
static int disorder;

struct line {
	int last;
	char numbers[MANY + 1];
};
static struct line lines[THREADS];

static void next_in_line(void *p)
{
	for (int i = 0; i < THREADS; i++) {
		char *number = p;
		struct line *line = &lines[i];

		if (number < line->numbers || number > line->numbers + MANY)
			continue;
		if (number != line->numbers + ++line->last)
			disorder = 1;
	}
	note_run();
}

static void defer_line(struct line *line, int n)
{
	for (int i = 1; i <= n; i++)
		defer_rcu(next_in_line, line->numbers + i);
}

/* What finish() waits for: all, while a reader leaves. */
static void expect_waits(void (*finish)(void), int n)
{
	for (int i = 1; i <= 4; i++) {
		reader_enter(&reader);
		lines[0].last = 0;
		defer_line(&lines[0], n);
		reader_leave_soon(&reader);
		finish();
		expect(load(&ran) == i * n, "all have run");
	}
	expect(!disorder, "in order");
	expect(errno == CASE_ERRNO, "errno stays");
	finish();
	expect(load(&ran) == 4 * n, "each once");
}

static const struct finish {
	const char *what;
	void (*finish)(void);
} finishes[] = {
	{ "rcu_defer_barrier_thread", urcu_membarrier_defer_barrier_thread },
	{ "rcu_defer_barrier", urcu_membarrier_defer_barrier },
	{ "rcu_defer_unregister_thread", urcu_membarrier_defer_unregister_thread },
	{ "rcu_defer_exit", urcu_membarrier_defer_exit },
};

static void finished(const void *arg)
{
	const struct finish *f = arg;

	begin();
	f->finish();	/* with nothing to do */
	expect_waits(f->finish, 1);
	store(&ran, 0);
	expect_waits(f->finish, RING);
	end();
}

/* A full ring, with the reader in its way. */
static void full(const void *arg)
{
	(void) arg;
	begin();
	for (int i = 0; i < 3; i++) {
		store(&ran, 0);
		lines[0].last = 0;
		reader_enter(&reader);
		defer_line(&lines[0], RING);
		expect(!load(&ran), "so many without waiting");
		reader_leave_soon(&reader);
		for (int j = RING + 1; j <= MANY; j++)
			defer_rcu(next_in_line, lines[0].numbers + j);
		/* Some hundreds at a time, while the worker is at it. */
		rcu_defer_barrier_thread();
		expect(load(&ran) == MANY && !disorder, "all, in order");
	}
	end();
}

static void by_a_worker(const void *arg)
{
	int rounds = (int) tap_scale(1000, 5);

	(void) arg;
	begin();
	for (int i = 1; i <= 3; i++) {
		reader_enter(&reader);
		defer_rcu(count, NULL);
		reader_leave_soon(&reader);
		await(&ran, i);
	}
	store(&ran, 0);
	/* One by one, as the worker comes and goes. */
	for (int i = 1; i <= rounds; i++) {
		defer_rcu(next_in_line, lines[0].numbers + i);
		if (i % 3)
			while (load(&ran) < i)
				sched_yield();
	}
	await(&ran, rounds);
	store(&ran, 0);
	lines[0].last = 0;
	defer_line(&lines[0], MANY);
	await(&ran, MANY);
	expect(!disorder, "in order");
	end();
}

/* Not with those that a callback is on its way for: a younger section holds it. */
static int second_held;

static void count_second(void *p)
{
	if (load(&second_held))
		store(&early, 1);
	count(p);
}

static void with_the_next_callback(const void *arg)
{
	struct reader new;

	(void) arg;
	begin();
	reader_start(&new);
	for (int i = 0; i < 4; i++) {
		reader_enter(&reader);
		defer_rcu(count, NULL);
		nap(READER_STAYS_US);	/* a worker takes it up */
		reader_enter(&new);
		store(&second_held, 1);
		defer_rcu(count_second, NULL);
		/* What the first waits for is the old one. */
		add(&holding, -1);
		reader_leave(&reader);
		nap(READER_STAYS_US);
		add(&holding, 1);
		store(&second_held, 0);
		reader_leave(&new);
		await(&ran, 2 * i + 2);
	}
	reader_stop(&new);
	end();
}

/* Pointers of any kind are just passed on. */
static void *got[4];

static void get(void *p)
{
	got[ran % 4] = p;
	note_run();
}

static void any_pointer(const void *arg)
{
	void *const given[] = { NULL, (void *) 1, (void *) ~0UL, (void *) ~1UL };

	(void) arg;
	for (int i = 0; i < 4; i++)
		defer_rcu(get, given[i]);
	rcu_defer_barrier();
	expect(load(&ran) == 4, "all have run");
	for (int i = 0; i < 4; i++)
		expect(got[i] == given[i], "as given");
}

/* Several threads. */

static int arrived, dismissed;

static void *defer_and_stay(void *arg)
{
	defer_line(arg, RING);
	add(&arrived, 1);
	await(&dismissed, 1);
	return NULL;
}

static void *defer_and_go(void *arg)
{
	defer_line(arg, RING);
	return NULL;
}

static void all_threads(const void *arg)
{
	pthread_t threads[THREADS];

	(void) arg;
	begin();
	reader_enter(&reader);
	for (int i = 0; i < THREADS; i++)
		start_thread(&threads[i], defer_and_stay, &lines[i]);
	await(&arrived, THREADS);
	expect(!load(&ran), "none so far");
	reader_leave_soon(&reader);
	rcu_defer_barrier_thread();
	expect(!load(&ran) || !load(&holding), "not one's own");
	rcu_defer_barrier();
	expect(load(&ran) == THREADS * RING, "all have run");
	expect(!disorder, "in each thread's order");
	store(&dismissed, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rcu_defer_barrier();
	end();
}

/* They are gone, and what they left is waited for, or just run. */
static void exited_threads(const void *arg)
{
	pthread_t threads[THREADS];

	begin();
	reader_enter(&reader);
	for (int i = 0; i < THREADS; i++)
		start_thread(&threads[i], defer_and_go, &lines[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	expect(!load(&ran), "none so far");
	reader_leave_soon(&reader);
	if (arg)
		rcu_defer_barrier();
	else
		await(&ran, THREADS * RING);
	expect(load(&ran) == THREADS * RING && !disorder, "all, in order");
	end();
}

static int deferred;

static void *come_and_go(void *arg)
{
	unsigned int seed = (unsigned int) (uintptr_t) arg;

	for (int n = rand_r(&seed) % 20; n > 0; n--) {
		defer_rcu(count, NULL);
		add(&deferred, 1);
	}
	switch (rand_r(&seed) % 4) {
	case 0: rcu_defer_unregister_thread(); break;
	case 1: rcu_defer_barrier(); break;
	case 2: rcu_defer_barrier_thread(); break;
	}
	return NULL;
}

static void *barriers(void *arg)
{
	while (!load(&dismissed)) {
		int before = load(&deferred);

		rcu_defer_barrier();
		expect(load(&ran) >= before, "what was queued before has run");
	}
	return arg;
}

static void many_threads(const void *arg)
{
	int rounds = (int) tap_scale(500, 5);
	pthread_t threads[THREADS], others[2];
	uintptr_t seed = 0;

	(void) arg;
	begin();
	for (int i = 0; i < 2; i++)
		start_thread(&others[i], barriers, NULL);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < THREADS; i++)
			start_thread(&threads[i], come_and_go, (void *) ++seed);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
	}
	store(&dismissed, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(others[i], NULL);
	rcu_defer_barrier();
	expect(load(&ran) == load(&deferred), "each has run once");
	end();
}

static void registering(const void *arg)
{
	(void) arg;
	begin();
	rcu_defer_unregister_thread();
	for (int i = 0; i < 3; i++)
		expect(!rcu_defer_register_thread(), "register");
	defer_rcu(count, NULL);
	expect(!rcu_defer_register_thread(), "register, with one queued");
	rcu_defer_unregister_thread();
	expect(load(&ran) == 1, "unregister runs it");
	rcu_defer_unregister_thread();
	for (int i = 2; i < 50; i++) {
		expect(!rcu_defer_register_thread(), "register again");
		defer_rcu(count, NULL);
		rcu_defer_unregister_thread();
		expect(load(&ran) == i, "unregister again");
	}
	expect(errno == CASE_ERRNO, "errno stays");
	end();
}

/* No memory. */

static int refuse_memory, refused;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	if (!load(&refuse_memory))
		return __real_calloc(n, size);
	add(&refused, 1);
	errno = ENOMEM;
	return NULL;
}

static void no_memory(const void *arg)
{
	(void) arg;
	begin();
	store(&refuse_memory, 1);
	expect(rcu_defer_register_thread() == -ENOMEM, "register");
	for (int i = 1; i <= 3; i++) {
		reader_enter(&reader);
		reader_leave_soon(&reader);
		defer_rcu(count, NULL);
		expect(load(&ran) == i, "it is run at once, or in time");
	}
	rcu_defer_barrier_thread();
	rcu_defer_unregister_thread();
	rcu_defer_barrier();
	expect(load(&refused) == 4, "each asked for memory");
	expect(errno == CASE_ERRNO, "errno stays");
	store(&refuse_memory, 0);
	reader_enter(&reader);
	defer_rcu(count, NULL);
	expect(load(&ran) == 3, "now there is");
	reader_leave_soon(&reader);
	rcu_defer_barrier();
	expect(load(&ran) == 4, "run in time");
	end();
}

int main(void)
{
	tap_begin();
	for (size_t i = 0; i < sizeof finishes / sizeof finishes[0]; i++)
		case_run(finished, &finishes[i], "%s", finishes[i].what);
	case_run(full, NULL, "more than there is room for");
	case_run(by_a_worker, NULL, "by a worker, without a barrier");
	case_run(with_the_next_callback, NULL, "those that come meanwhile");
	case_run(any_pointer, NULL, "any pointer");
	case_run(all_threads, NULL, "of all threads");
	case_run(exited_threads, NULL, "of threads that are gone");
	case_run(exited_threads, "barrier", "of those, by a barrier");
	case_run(many_threads, NULL, "threads come and go");
	case_run(registering, NULL, "register and unregister");
	case_run(no_memory, NULL, "no memory");
	return tap_end();
}
