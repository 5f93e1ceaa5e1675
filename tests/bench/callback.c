/* SPDX-License-Identifier: MIT */
#include "tests/bench/callback.h"

#define THREADS_MAX	64	/* that run callbacks */

_Static_assert(sizeof(struct item) == ITEM_SIZE, "one cache line each");

/* One for each thread that runs callbacks: counting is no atomic operation. */
static struct count {
	unsigned long run;
} __attribute__((aligned(128))) counts[THREADS_MAX];
static uint32_t count_next;
static int astray;

static struct count *new_count(void)
{
	uint32_t i = __atomic_fetch_add(&count_next, 1, __ATOMIC_RELAXED);

	if (i >= THREADS_MAX)
		die(1, "callbacks run in more than %d threads", THREADS_MAX);
	return &counts[i];
}

static void count(struct item *item)
{
	static __thread struct count *mine;

	if (!mine)
		mine = new_count();
	/* Relaxed: only this thread writes it. */
	__atomic_store_n(&mine->run, mine->run + 1, __ATOMIC_RELAXED);
	if (item->state != ITEM_QUEUED)
		__atomic_store_n(&astray, 1, __ATOMIC_RELAXED);
	/* Atomic: or it would be optimised away before a free(). */
	__atomic_store_n(&item->state, ITEM_RAN, __ATOMIC_RELAXED);
}

static struct item *item_of(struct rcu_head *head)
{
	return (struct item *) ((char *) head - offsetof(struct item, head));
}

void item_ran(struct rcu_head *head)
{
	count(item_of(head));
}

void item_free(struct rcu_head *head)
{
	count(item_of(head));
	free(item_of(head));
}

unsigned long callbacks_run(void)
{
	unsigned long run = 0;

	for (size_t i = 0; i < THREADS_MAX; i++)
		run += __atomic_load_n(&counts[i].run, __ATOMIC_RELAXED);
	return run;
}

int callbacks_astray(void)
{
	return __atomic_load_n(&astray, __ATOMIC_RELAXED);
}
