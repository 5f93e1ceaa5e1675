/* SPDX-License-Identifier: MIT */

/*
 * For tests/gdb.sh: threads in each state, and an updater that waits. It tells their
 * numbers on stdout, and stays until its stdin ends.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define URCU_API_MAP
#include <urcu/urcu-membarrier.h>

#define GIVEN_UP	4	/* grace periods, by the only reader */

struct part {
	const char *name;
	unsigned int depth;
	int offline, unregistered;
	int ready;
	long tid;
	struct urcu_membarrier_reader *record;
};

static void nap(void)
{
	nanosleep(&(struct timespec) { 0, 1000000 }, NULL);
}

__attribute__((noinline)) void where_it_begins(void)
{
	rcu_read_lock();
	__asm__ volatile ("");
}

static void *play(void *arg)
{
	struct part *p = arg;

	pthread_setname_np(pthread_self(), p->name);
	p->tid = syscall(SYS_gettid);
	p->record = &urcu_membarrier_reader;
	if (!p->unregistered)
		rcu_register_thread();
	if (!p->offline && !p->unregistered)
		rcu_thread_online();
	if (p->depth)
		where_it_begins();
	for (unsigned int i = 1; i < p->depth; i++)
		rcu_read_lock();
	__atomic_store_n(&p->ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static void start(struct part *p)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, play, p))
		abort();
	while (!__atomic_load_n(&p->ready, __ATOMIC_SEQ_CST))
		nap();
	printf("%s %ld\n", p->name, p->tid);
}

static void *update(void *arg)
{
	synchronize_rcu();
	return arg;
}

int main(int argc, char **argv)
{
	static struct part parts[] = {
		{ .name = "is-offline", .offline = 1 },
		{ .name = "is-quiescent" },
		{ .name = "not-there", .unregistered = 1 },
		{ .name = "is-old", .depth = 3 },
	};
	static struct part young = { .name = "is-young", .depth = 1 };
	pthread_t updater;
	char c;

	(void) argv;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		/* Without an old section, "idle". */
		if (argc > 1 && parts[i].depth)
			continue;
		start(&parts[i]);
	}
	for (int i = 0; i < GIVEN_UP; i++)
		umb_synchronize_timeout_ns(0);
	if (argc == 1) {
		if (pthread_create(&updater, NULL, update, NULL))
			abort();
		/* Its number is there then, for whom it sleeps on. */
		while (!__atomic_load_n(&parts[3].record->waiting,
					__ATOMIC_SEQ_CST))
			nap();
		start(&young);
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	_exit(0);
}
