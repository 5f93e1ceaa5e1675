/* SPDX-License-Identifier: MIT */

/*
 * Verb gp: one grace period among idle threads. The crowd grows in one
 * process; each size is measured with all of them online and quiescent, then
 * with all of them offline. A thread is online once it has run a section.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#ifndef __NR_futex
# define __NR_futex	__NR_futex_time64
#endif

#define SMALL_STACK	(64 * 1024)

static const unsigned int sizes[] = { 0, 1, 10, 100, 1000, 10000 };

static struct {
	const struct loops *loops;
	uint32_t phase;			/* even: online, odd: offline */
	uint32_t size;			/* threads there are */
	uint32_t missing;		/* have not followed the phase yet */
	int small;			/* large stacks are refused */
} crowd;

static void futex(uint32_t *word, int op, uint32_t value)
{
	syscall(__NR_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void arrive(void)
{
	if (!__atomic_sub_fetch(&crowd.missing, 1, __ATOMIC_ACQ_REL))
		futex(&crowd.missing, FUTEX_WAKE, 1);
}

static void *idle(void *arg)
{
	void *self = crowd.loops->enter();

	for (;;) {
		uint32_t phase = __atomic_load_n(&crowd.phase, __ATOMIC_ACQUIRE);

		if (phase % 2)
			crowd.loops->offline(self);
		else
			crowd.loops->sections(self, 1);
		arrive();
		while (__atomic_load_n(&crowd.phase, __ATOMIC_RELAXED) == phase)
			futex(&crowd.phase, FUTEX_WAIT, phase);
	}
	return arg;
}

static void wait_for_all(void)
{
	uint32_t missing;

	while ((missing = __atomic_load_n(&crowd.missing, __ATOMIC_ACQUIRE)))
		futex(&crowd.missing, FUTEX_WAIT, missing);
	rest(0.005 + 5e-6 * crowd.size);	/* to fall asleep */
}

static void change_phase(void)
{
	__atomic_store_n(&crowd.missing, crowd.size, __ATOMIC_RELAXED);
	__atomic_add_fetch(&crowd.phase, 1, __ATOMIC_RELEASE);
	futex(&crowd.phase, FUTEX_WAKE, INT_MAX);
	wait_for_all();
}

static int start_one(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	if (crowd.small)
		pthread_attr_setstacksize(&attr, SMALL_STACK);
	ret = pthread_create(&thread, &attr, idle, NULL);
	pthread_attr_destroy(&attr);
	if (!ret || crowd.small)
		return ret;
	crowd.small = 1;
	return start_one();
}

static int grow(uint32_t size, char *note)
{
	int ret = 0;

	__atomic_store_n(&crowd.missing, size - crowd.size, __ATOMIC_RELAXED);
	while (!ret && crowd.size < size) {
		ret = start_one();
		if (!ret)
			crowd.size++;
	}
	if (ret) {
		snprintf(note, NOTE_SIZE, "no more than %u threads: %s",
			 crowd.size, strerror(ret));
		return ret;
	}
	if (crowd.small)
		snprintf(note, NOTE_SIZE, "default stacks were refused: some of "
			 "%u are of 64 KiB", crowd.size);
	wait_for_all();
	return 0;
}

static double one(const struct options *o)
{
	return ns_each(crowd.loops->grace_periods, NULL, o->seconds);
}

static int measure(const struct scheme *s, const struct options *o,
		   double *values, char *note)
{
	unsigned int max = s->idle_max && s->idle_max < o->idle_max
		? s->idle_max : o->idle_max;

	thread_idle(0);
	crowd.loops = s->loops;
	crowd.phase = s->loops->online_blocks ? 1 : 0;
	for (size_t i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= max; i++) {
		if (grow(sizes[i], note))
			break;
		if (!s->loops->online_blocks || !sizes[i])
			values[2 * i] = one(o);
		if (!sizes[i])
			continue;
		if (!s->loops->online_blocks)
			change_phase();
		values[2 * i + 1] = one(o);
		if (!s->loops->online_blocks)
			change_phase();
	}
	return 0;
}

#define SIZE(n, threads) \
	{ "idle_" #n "_ns", threads " idle (us)", "ns", 1e-3, 3, NULL }, \
	{ "offline_" #n "_ns", threads " offline (us)", "ns", 1e-3, 3, NULL }

static const struct figure figures[] = {
	SIZE(0, "no thread"),
	SIZE(1, "1 thread"),
	SIZE(10, "10 threads"),
	SIZE(100, "100 threads"),
	SIZE(1000, "1000 threads"),
	SIZE(10000, "10000 threads"),
};

const struct verb verb_gp = {
	.bit = GP,
	.name = "gp",
	.what = "time of one grace period among idle registered threads",
	.reference = "memb",
	.seconds = 0.05,
	.rounds = 5,
	.figures = figures,
	.figure_count = ARRAY_SIZE(figures),
	.beside = 2,
	.measure = measure,
};
