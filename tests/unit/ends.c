/* SPDX-License-Identifier: MIT */

/*
 * Workers that come and go, and processes that end with callbacks queued: what
 * leaves memory behind, or is freed too early. tests/valgrind.sh runs it under
 * checkers that tell; with an argument it ends as that says, and tests nothing.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define ROUNDS		200UL
#define QUEUED		50
#define LIMIT_SECONDS	60

/* The head first: who looks for leaks finds queued elements by it. */
struct element {
	struct rcu_head head;
	int *count;
};

static int ran;

static void reclaim(struct rcu_head *head)
{
	struct element *e = caa_container_of(head, struct element, head);

	__atomic_fetch_add(e->count, 1, __ATOMIC_RELAXED);
	free(e);
}

static void queue(int n)
{
	while (n--) {
		struct element *e = malloc(sizeof *e);

		if (!e)
			abort();
		e->count = &ran;
		call_rcu(&e->head, reclaim);
	}
}

static void deferred(void *p)
{
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	free(p);
}

/* A worker with callbacks queued, freed; a thread's ring, left behind. */
static void *one_round(void *arg)
{
	unsigned long flags = (uintptr_t) arg;
	struct call_rcu_data *w = create_call_rcu_data(flags, -1);

	set_thread_call_rcu_data(w);
	queue(QUEUED);
	for (int i = 0; i < QUEUED; i++)
		defer_rcu(deferred, malloc(1));
	set_thread_call_rcu_data(NULL);
	call_rcu_data_free(w);
	return NULL;
}

static void come_and_go(unsigned long rounds)
{
	pthread_t thread;

	while (rounds--) {
		pthread_create(&thread, NULL, one_round,
			       (void *) (rounds % 2 * URCU_CALL_RCU_RT));
		one_round(0);
		pthread_join(thread, NULL);
	}
	create_all_cpu_call_rcu_data(0);
	queue(QUEUED);
	free_all_cpu_call_rcu_data();
	rcu_defer_unregister_thread();
	rcu_defer_barrier();
	rcu_barrier();
}

static void *hold(void *arg)
{
	rcu_read_lock();
	pthread_barrier_wait(arg);
	for (;;)
		pause();
	return NULL;
}

/* A reader holds them, for ever. */
static void end_with_queued(void)
{
	pthread_barrier_t inside;
	pthread_t thread;

	pthread_barrier_init(&inside, NULL, 2);
	pthread_create(&thread, NULL, hold, &inside);
	pthread_barrier_wait(&inside);
	queue(QUEUED);
	usleep(10000);
	exit(0);
}

static void in_callback(struct rcu_head *head)
{
	(void) head;
	exit(0);
}

static void end_in_callback(void)
{
	static struct rcu_head head;

	call_rcu(&head, in_callback);
	for (;;)
		pause();
}

static void end_idle(void)
{
	queue(QUEUED);
	rcu_barrier();
	exit(0);
}

static void end_at_once(void)
{
	queue(QUEUED);
	exit(0);
}

static void end_in_child(void)
{
	int status = 0;
	pid_t child;

	come_and_go(2);
	child = fork();
	if (!child) {
		come_and_go(2);
		end_idle();
	}
	waitpid(child, &status, 0);
	exit(status != 0);
}

static const struct end {
	const char *name;
	void (*end)(void);
} ends[] = {
	{ "queued", end_with_queued },
	{ "callback", end_in_callback },
	{ "idle", end_idle },
	{ "once", end_at_once },
	{ "child", end_in_child },
};

static int ends_well(const struct end *e)
{
	int status = -1;
	pid_t child = fork();

	if (!child) {
		alarm(LIMIT_SECONDS / 2);
		e->end();
	}
	waitpid(child, &status, 0);
	return !status;
}

int main(int argc, char **argv)
{
	unsigned long rounds;

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (argc > 1 && !strcmp(argv[1], ends[i].name))
			ends[i].end();
	tap_begin();
	alarm(LIMIT_SECONDS);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		tap_ok(ends_well(&ends[i]), "a process ends: %s", ends[i].name);
	rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : tap_scale(ROUNDS, 3);
	come_and_go(rounds);
	tap_ok(ran >= (int) (rounds * 4 * QUEUED),
	       "workers and rings come and go, %d callbacks", ran);
	return tap_end();
}
