/* SPDX-License-Identifier: MIT */

/*
 * What a grace period waits for, and what it does not. A step that waits for
 * too much hangs; the alarm ends it.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/cpu.h"
#include "tests/lib/spoil.h"
#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define READERS		3
#define LIMIT_SECONDS	120

/* A reader that does as it is told: the depth it shall have. */
struct reader {
	pthread_t thread;
	int wanted;		/* -1: exit */
	int depth;		/* what it has */
};

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void *read_side(void *arg)
{
	struct reader *reader = arg;
	int wanted, depth = 0;

	while ((wanted = load(&reader->wanted)) >= 0) {
		for (; depth < wanted; depth++)
			rcu_read_lock();
		for (; depth > wanted; depth--)
			rcu_read_unlock();
		while (load(&reader->wanted) == wanted) {
			__atomic_store_n(&reader->depth, wanted,
					 __ATOMIC_SEQ_CST);
			usleep(50);
		}
	}
	return NULL;
}

static void set_depth(struct reader *reader, int depth)
{
	__atomic_store_n(&reader->wanted, depth, __ATOMIC_SEQ_CST);
	while (load(&reader->depth) != depth)
		usleep(50);
}

static void start(struct reader *reader)
{
	*reader = (struct reader) { 0 };
	pthread_create(&reader->thread, NULL, read_side, reader);
}

static void stop(struct reader *reader)
{
	__atomic_store_n(&reader->wanted, -1, __ATOMIC_SEQ_CST);
	pthread_join(reader->thread, NULL);
}

/* A grace period in a thread of its own. */
struct updater {
	pthread_t thread;
	int done;
};

static void *update_side(void *arg)
{
	struct updater *updater = arg;

	synchronize_rcu();
	__atomic_store_n(&updater->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void begin(struct updater *updater)
{
	updater->done = 0;
	pthread_create(&updater->thread, NULL, update_side, updater);
	/* Long enough to be past its fence and asleep, in any mode. */
	usleep(100 * 1000);
}

static void test_waits_for_a_section(void)
{
	struct reader reader;
	struct updater updater;

	start(&reader);
	set_depth(&reader, 1);
	begin(&updater);
	tap_ok(!load(&updater.done), "a grace period waits for a section");
	set_depth(&reader, 0);
	pthread_join(updater.thread, NULL);
	tap_ok(load(&updater.done), "and ends with it, the reader idle");
	stop(&reader);
}

static void test_nested(void)
{
	struct reader reader;
	struct updater updater;

	start(&reader);
	set_depth(&reader, 3);
	begin(&updater);
	set_depth(&reader, 2);
	set_depth(&reader, 1);
	usleep(20 * 1000);
	tap_ok(!load(&updater.done), "leaving inner sections ends nothing");
	set_depth(&reader, 2);
	set_depth(&reader, 1);
	usleep(20 * 1000);
	tap_ok(!load(&updater.done), "nor does nesting again meanwhile");
	set_depth(&reader, 0);
	pthread_join(updater.thread, NULL);
	tap_ok(load(&updater.done), "leaving the outermost one does");
	stop(&reader);
}

static void test_new_sections(void)
{
	struct reader old, new;
	struct updater updater;

	start(&old);
	start(&new);
	set_depth(&new, 1);
	set_depth(&new, 0);
	set_depth(&old, 1);
	begin(&updater);
	set_depth(&new, 1);
	set_depth(&old, 0);
	pthread_join(updater.thread, NULL);
	tap_ok(load(&new.depth) == 1,
	       "a section that began after the grace period is not waited for");
	begin(&updater);
	tap_ok(!load(&updater.done), "but by the next one");
	set_depth(&new, 0);
	pthread_join(updater.thread, NULL);
	stop(&new);
	stop(&old);
}

static void test_several(void)
{
	struct reader readers[READERS];
	struct updater updater;
	int early = 0;

	for (int i = 0; i < READERS; i++)
		start(&readers[i]);
	for (int last = 0; last < READERS; last++) {
		for (int i = 0; i < READERS; i++)
			set_depth(&readers[i], 1);
		begin(&updater);
		for (int i = 1; i < READERS; i++)
			set_depth(&readers[(last + i) % READERS], 0);
		usleep(20 * 1000);
		early += load(&updater.done);
		set_depth(&readers[last], 0);
		pthread_join(updater.thread, NULL);
	}
	tap_ok(!early, "a sleeping updater waits for the last of several readers");
	for (int i = 0; i < READERS; i++)
		stop(&readers[i]);
}

/*
 * Sections that end around the moment at which the updater falls asleep, their
 * last store hidden for as long as can be; and nobody else to wake it, for the
 * reader goes idle.
 */
struct sleeper {
	int turn, entered;
	char *spoil;
	uint64_t random;
	unsigned long range_ns;
	int cpu;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static void *read_then_idle(void *arg)
{
	struct sleeper *s = arg;
	int seen = 0, now;

	cpu_pin(s->cpu);
	for (;;) {
		while ((now = load(&s->turn)) == seen)
			sched_yield();
		if (now < 0)
			return NULL;
		seen = now;
		uint64_t until = next_random(&s->random) % s->range_ns + now_ns();

		rcu_read_lock();
		__atomic_store_n(&s->entered, seen, __ATOMIC_SEQ_CST);
		while (now_ns() < until)
			;
		spoil_stores(s->spoil, next_random(&s->random));
		rcu_read_unlock();
	}
}

/* One grace period that begins inside a section of at most range_ns. */
static uint64_t one_round(struct sleeper *s, int turn)
{
	uint64_t before;

	__atomic_store_n(&s->turn, turn, __ATOMIC_SEQ_CST);
	while (load(&s->entered) != turn)
		sched_yield();
	before = now_ns();
	synchronize_rcu();
	return now_ns() - before;
}

static void test_no_lost_wakeup(void)
{
	int rounds = (int) tap_scale(30000, 100), warm_up = 50;
	struct sleeper s = {
		.spoil = spoil_new(), .random = 1, .range_ns = 1,
	};
	uint64_t sum = 0;
	pthread_t thread;
	cpu_set_t allowed;

	/* On two CPUs, or one would not see the other's store buffer. */
	sched_getaffinity(0, sizeof allowed, &allowed);
	cpu_pin(cpu_nth(&allowed, 0));
	s.cpu = cpu_nth(&allowed, 1);
	pthread_create(&thread, NULL, read_then_idle, &s);
	for (int i = 1; i <= warm_up; i++)
		sum += one_round(&s, i);
	s.range_ns = 3 * sum / (unsigned int) warm_up;
	for (int i = 1; i <= rounds; i++)
		one_round(&s, warm_up + i);
	__atomic_store_n(&s.turn, -1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof allowed, &allowed);
	spoil_free(s.spoil);
	tap_ok(1, "no wakeup lost in %d grace periods, reader idle after each",
	       rounds);
}

static void test_ongoing(void)
{
	int depths[4];

	depths[0] = rcu_read_ongoing();
	rcu_read_lock();
	depths[1] = rcu_read_ongoing();
	rcu_read_lock();
	depths[2] = rcu_read_ongoing();
	rcu_read_unlock();
	rcu_read_unlock();
	depths[3] = rcu_read_ongoing();
	tap_ok(!depths[0] && depths[1] == 1 && depths[2] == 2 && !depths[3],
	       "read_ongoing counts sections");
}

int main(void)
{
	tap_begin();
	alarm(LIMIT_SECONDS);
	synchronize_rcu();
	tap_ok(1, "a grace period without readers ends");
	test_ongoing();
	synchronize_rcu();
	tap_ok(1, "so does one whose caller has read");
	test_waits_for_a_section();
	test_nested();
	test_new_sections();
	test_several();
	test_no_lost_wakeup();
	return tap_end();
}
