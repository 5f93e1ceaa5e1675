/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

void rest(double seconds)
{
	struct timespec t = { .tv_sec = (time_t) seconds };

	t.tv_nsec = (long) (1e9 * (seconds - (double) t.tv_sec));
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

static double timed(void (*loop)(void *self, unsigned long n), void *self,
		    unsigned long n)
{
	double begin = now();

	loop(self, n);
	return now() - begin;
}

/* One run of about that many seconds, after shorter ones that size it. */
double ns_each(void (*loop)(void *self, unsigned long n), void *self,
	       double seconds)
{
	unsigned long n = 1;
	double took = timed(loop, self, n);

	while (took < seconds / 8) {
		n *= 2;
		took = timed(loop, self, n);
	}
	n = (unsigned long) ((double) n * seconds / took);
	n = n ? n : 1;
	return 1e9 * timed(loop, self, n) / (double) n;
}

static pthread_barrier_t idle;

static void *sleep_for_good(void *fenced)
{
	if (fenced)
		umb_fence_register_thread();
	pthread_barrier_wait(&idle);
	for (;;)
		pause();
	return fenced;
}

void thread_idle(int fenced)
{
	pthread_t thread;
	int ret;

	pthread_barrier_init(&idle, NULL, 2);
	ret = pthread_create(&thread, NULL, sleep_for_good,
			     fenced ? &idle : NULL);
	if (ret)
		die(1, "cannot start a thread: %s", strerror(ret));
	pthread_barrier_wait(&idle);
}
