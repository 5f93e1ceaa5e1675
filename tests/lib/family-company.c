/* SPDX-License-Identifier: MIT */

/* Threads beside the one that forks. */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/family.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define NAP_US		200
#define ASLEEP_US	30000	/* past its fence, in most modes */
#define BLOCKS		32

static struct mate {
	pthread_t thread;
	char letter;
	int ready;
} mates[MATES_MAX];
static int count;
static int stop, let_go;

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void stay(void)
{
	while (!load(&let_go))
		usleep(NAP_US);
}

static void use_memory(void)
{
	void *volatile blocks[BLOCKS];

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(16 + 97 * i);
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

static void *come_and_go(void *arg)
{
	family_act("rq");
	return arg;
}

static void have_thread(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, come_and_go, NULL))
		pthread_join(thread, NULL);
	usleep(NAP_US);
}

static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	family_act("r");
}

static void once(struct mate *m)
{
	if (m->letter == 'R')
		rcu_read_lock();
	if (m->letter == 'B')
		block_signals();
	store(&m->ready, 1);
	if (m->letter == 'L')
		synchronize_rcu();
	if (m->letter != 'R')
		return;
	stay();
	rcu_read_unlock();
}

static void again(char letter)
{
	const char acts[] = { letter, 0 };

	if (letter == 'm')
		use_memory();
	else if (letter == 'x')
		have_thread();
	else
		family_act(acts);
	/* Backlogs shall not grow for ever; nor shall we have the CPU. */
	if (letter == 'q' || letter == 'i')
		family_act("S");
	sched_yield();
}

static void *live(void *arg)
{
	struct mate *m = arg;

	once(m);
	while (!load(&stop) && !strchr("RLB", m->letter))
		again(m->letter);
	while (!load(&stop))
		usleep(NAP_US);
	return NULL;
}

void company_begin(const char *letters)
{
	stop = let_go = count = 0;
	for (; *letters && count < MATES_MAX; letters++) {
		struct mate *m = &mates[count++];

		*m = (struct mate) { .letter = *letters };
		if (pthread_create(&m->thread, NULL, live, m))
			abort();
		while (!load(&m->ready))
			usleep(NAP_US);
		if (m->letter == 'L')
			usleep(ASLEEP_US);
	}
}

void company_let_go(void)
{
	store(&let_go, 1);
}

void company_end(void)
{
	store(&let_go, 1);
	store(&stop, 1);
	for (int i = 0; i < count; i++)
		pthread_join(mates[i].thread, NULL);
	count = 0;
}
