/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TSAN_CASE_H
#define TESTS_TSAN_CASE_H

/*
 * What the programs for ThreadSanitizer have in common: readers that go through
 * sections until the updater is through with its rounds. Exit status 0: the case
 * ran, and readers did meet the updater's work; 3: they did not; 2: no such case.
 * What it reports is its own exit status.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define URCU_API_MAP
#include <urcu/urcu-membarrier.h>

#define READERS		2
#ifndef LONGEST_NS
# define LONGEST_NS	200000000L
#endif
#define ROUNDS_MAX	50000
#define ROUNDS_MIN	3

struct item {
	int value;		/* plain, as all that RCU protects may be */
	struct item *next;
	struct rcu_head head;
};

struct test {
	const char *name;
	void (*read)(void);	/* a reader's round */
	void (*update)(void);	/* an updater's */
	void (*finish)(void);	/* after both, or NULL */
};

static struct item *shared;
static int over;
static unsigned long met;	/* sections that found something */

static inline long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static inline void have_met(int something)
{
	if (something)
		__atomic_fetch_add(&met, 1, __ATOMIC_RELAXED);
}

static inline struct item *item_new(int value)
{
	struct item *item = calloc(1, sizeof *item);

	if (!item)
		abort();
	item->value = value;
	return item;
}

/* As freed memory is written to; seen better than free(). */
static inline void item_free(struct item *item)
{
	if (item)
		item->value = -1;
	free(item);
}

static inline void free_callback(struct rcu_head *head)
{
	item_free(caa_container_of(head, struct item, head));
}

static inline void free_deferred(void *item)
{
	item_free(item);
}

/* The plainest section. */
static inline void read_shared(void)
{
	struct item *item;
	int value = 0;

	rcu_read_lock();
	item = umb_dereference(shared);
	if (item)
		value = item->value;
	rcu_read_unlock();
	if (value < 0)
		abort();
	have_met(value > 0);
}

static inline void *reader(void *test)
{
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		((const struct test *) test)->read();
	return NULL;
}

static inline int run_test(const struct test *test)
{
	pthread_t threads[READERS];
	long end = now_ns() + LONGEST_NS;
	int rounds = 0;

	for (int i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reader, (void *) test))
			abort();
	while (rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && now_ns() < end)) {
		unsigned long before = __atomic_load_n(&met, __ATOMIC_RELAXED);

		test->update();
		rounds++;
		/* Let them come by, where there are fewer CPUs than threads. */
		for (int i = 0; i < 100
		     && before == __atomic_load_n(&met, __ATOMIC_RELAXED); i++)
			usleep(20);
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	if (test->finish)
		test->finish();
	if (!met)
		return 3;
	printf("%s: %d rounds, met %lu times\n", test->name, rounds, met);
	return 0;
}

static inline int run_named(const struct test *tests, const char *name)
{
	for (; tests->name; tests++)
		if (name && !strcmp(tests->name, name))
			return run_test(tests);
		else if (!name)
			puts(tests->name);
	return name ? 2 : 0;
}

#endif /* TESTS_TSAN_CASE_H */
