/* SPDX-License-Identifier: MIT */

/*
 * For tests/probes.sh: grace periods, fences, callbacks, and a reader that is told
 * of; for ever.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define URCU_API_MAP
#include <urcu/urcu-membarrier.h>

static void nap(long ms)
{
	nanosleep(&(struct timespec) { 0, ms * 1000000 }, NULL);
}

static void *stay(void *arg)
{
	for (;;) {
		rcu_read_lock();
		nap(60);
		rcu_read_unlock();
		nap(1);
	}
	return arg;
}

static void ignore(const struct umb_stall *stall)
{
	(void) stall;
}

static void free_it(struct rcu_head *head)
{
	free(head);
}

int main(void)
{
	pthread_t thread;

	umb_stall_set(ignore, 10000000);
	if (pthread_create(&thread, NULL, stay, NULL))
		return 1;
	for (;;) {
		struct rcu_head *head = malloc(sizeof *head);

		if (head)
			call_rcu(head, free_it);
		umb_fence_heavy();
		synchronize_rcu();
	}
}
