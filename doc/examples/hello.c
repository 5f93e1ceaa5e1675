/* SPDX-License-Identifier: MIT */

/*
 * A value that is read at any time and replaced now and then: the reader pays
 * two stores, and nothing is freed under it.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define URCU_API_MAP
#include <urcu/urcu-membarrier.h>

struct greeting {
	unsigned int number;
	char text[32];
};

static struct greeting *current;
static int stop;

static void publish(unsigned int number)
{
	struct greeting *new = malloc(sizeof *new), *old;

	if (!new)
		exit(1);
	new->number = number;
	snprintf(new->text, sizeof new->text, "hello, number %u", number);
	old = umb_xchg_pointer(&current, new);
	synchronize_rcu();
	free(old);
}

static void *reader(void *arg)
{
	unsigned long *reads = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		rcu_read_lock();
		struct greeting *g = umb_dereference(current);
		char expected[32];

		snprintf(expected, sizeof expected, "hello, number %u", g->number);
		for (int i = 0; expected[i]; i++)
			if (g->text[i] != expected[i])
				abort();
		rcu_read_unlock();
		++*reads;
	}
	return NULL;
}

int main(void)
{
	unsigned long reads = 0;
	pthread_t thread;

	publish(0);
	if (pthread_create(&thread, NULL, reader, &reads))
		return 1;
	for (unsigned int i = 1; i <= 100; i++)
		publish(i);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("%s\n", current->text);
	free(current);
	return 0;
}
