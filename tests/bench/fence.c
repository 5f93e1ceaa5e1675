/* SPDX-License-Identifier: MIT */

/* Verb fence: the heavy fence of each backend, and the bare system call. */

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "tests/bench/bench.h"

static int running;

static void *spin(void *arg)
{
	machine_pin(1);
	umb_fence_register_thread();
	__atomic_store_n(&running, 1, __ATOMIC_RELEASE);
	for (;;)
		umb_fence_light();
	return arg;
}

static void heavy_fences(void *self, unsigned long n)
{
	(void) self;
	do
		umb_fence_heavy();
	while (--n);
}

static int measure(const struct scheme *s, const struct options *o,
		   double *values, char *note)
{
	void (*loop)(void *self, unsigned long n) = s->mode ? heavy_fences
		: s->loops->grace_periods;
	pthread_t thread;

	umb_fence_register_thread();
	thread_idle(1);
	machine_cpus();
	machine_pin(0);
	values[0] = ns_each(loop, NULL, o->seconds);
	values[1] = NAN;
	if (machine_cpus() < 2) {
		strcpy(note, "one CPU: no thread runs during a fence");
		return 0;
	}
	if (pthread_create(&thread, NULL, spin, NULL))
		die(1, "cannot start a thread");
	while (!__atomic_load_n(&running, __ATOMIC_ACQUIRE))
		;
	values[1] = ns_each(loop, NULL, o->seconds);
	return 0;
}

static const struct figure figures[] = {
	{ "idle_ns", "others idle (us)", "ns", 1e-3, 3, NULL },
	{ "running_ns", "one thread running (us)", "ns", 1e-3, 3, NULL },
};

const struct verb verb_fence = {
	.bit = FENCE,
	.name = "fence",
	.what = "cost of one heavy fence",
	.reference = "bare",
	.seconds = 0.1,
	.rounds = 9,
	.figures = figures,
	.figure_count = ARRAY_SIZE(figures),
	.beside = 2,
	.measure = measure,
};
