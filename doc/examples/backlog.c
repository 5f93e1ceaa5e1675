/* SPDX-License-Identifier: MIT */

/*
 * A thread that replaces an element as fast as it can, and frees the old ones by
 * callbacks. It is faster than the worker that frees them: without limits its
 * memory would grow as long as it goes on. With watermarks, and waiting turned on,
 * it waits now and then.
 */

#define URCU_API_MAP
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu/urcu-membarrier.h>
#include <urcu-membarrier/reclaim.h>

#define ELEMENTS	200000u
#define LOW		1000
#define HIGH		4000

struct element {
	struct rcu_head head;
	unsigned int value;
};

static struct element *current;
static unsigned int freed;	/* the worker's, until the barrier */
static int stop;

static void element_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct element, head));
	freed++;
}

static void replace(unsigned int value)
{
	struct element *new = malloc(sizeof *new), *old;

	if (!new)
		exit(1);
	new->value = value;
	old = umb_xchg_pointer(&current, new);
	if (old)
		call_rcu(&old->head, element_free);	/* may wait, here */
}

static void *reader(void *arg)
{
	unsigned int last = 0, now;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		rcu_read_lock();
		now = umb_dereference(current)->value;
		rcu_read_unlock();
		if (now < last)
			exit(1);
		last = now;
	}
	return arg;
}

int main(void)
{
	struct umb_stats stats;
	pthread_t thread;

	if (umb_reclaim_set_watermarks(LOW, HIGH))
		return 1;
	umb_reclaim_set_waiting(1);	/* we hold nothing that others wait for */
	replace(0);
	if (pthread_create(&thread, NULL, reader, NULL))
		return 1;
	for (unsigned int i = 1; i <= ELEMENTS; i++)
		replace(i);
	rcu_barrier();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	umb_stats_get(&stats, sizeof stats);
	printf("%u of %u freed, never more than %d waiting: %s\n", freed, ELEMENTS,
	       HIGH + 1, stats.peak <= HIGH + 1 ? "yes" : "no");
	free(current);
	return 0;
}
