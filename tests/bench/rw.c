/* SPDX-License-Identifier: MIT */

/* Verb rw: readers against writers. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/rw.h"

struct rw rw;

struct worker {
	pthread_t thread;
	const struct options *options;
	const struct loops *loops;
	unsigned int index;		/* readers first */
	struct spares spares;
	uint64_t count;
};

static pthread_barrier_t start;

static void *work(void *arg)
{
	struct worker *w = arg;
	int reads = w->index < w->options->readers;
	void *self;

	if (w->options->pin)
		machine_pin(w->index);
	self = reads ? w->loops->enter() : w->loops->updater();
	pthread_barrier_wait(&start);
	w->count = reads ? w->loops->reader(self)
		: w->loops->writer(self, &w->spares);
	if (reads)
		w->loops->leave(self);
	return NULL;
}

static struct element *new_element(void)
{
	struct element *e = aligned_alloc(_Alignof(struct element), sizeof *e);

	if (!e)
		die(1, "out of memory");
	element_poison(e);
	return e;
}

static void start_all(struct worker *w, size_t n, const struct options *o,
		      const struct loops *loops)
{
	machine_cpus();		/* looks before anybody pins */
	pthread_barrier_init(&start, NULL, (unsigned int) n + 1);
	for (size_t i = 0; i < n; i++) {
		int ret;

		w[i].options = o;
		w[i].loops = loops;
		w[i].index = (unsigned int) i;
		for (size_t k = 0; k < SPARES; k++)
			w[i].spares.ring[k] = new_element();
		ret = pthread_create(&w[i].thread, NULL, work, &w[i]);
		if (ret)
			die(1, "cannot start thread %zu: %s", i, strerror(ret));
	}
}

/* Returns the seconds between start and stop. */
static double let_run(double seconds)
{
	double begin;

	pthread_barrier_wait(&start);
	begin = now();
	rest(seconds);
	seconds = now() - begin;
	__atomic_store_n(&rw.stop, 1, __ATOMIC_RELAXED);
	return seconds;
}

static int measure(const struct scheme *s, const struct options *o,
		   double *values, char *note)
{
	size_t n = o->readers + o->writers;
	struct worker *workers = calloc(n, sizeof *workers);
	double seconds;

	if (!workers)
		die(1, "out of memory");
	rw.pointer = new_element();
	element_fill(rw.pointer);
	start_all(workers, n, o, s->loops);
	seconds = let_run(o->seconds);
	values[0] = values[1] = 0;
	for (size_t i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		values[i >= o->readers] += (double) workers[i].count / seconds;
	}
	if (!rw.poisoned)
		return 0;
	strcpy(note, "a reader saw an element that was already reclaimed");
	return -1;
}

static const struct figure figures[] = {
	{ "reads_per_s", "reads (millions/s)", "1/s", 1e-6, 2, "signal" },
	{ "grace_periods_per_s", "grace periods (1/s)", "1/s", 1, 0, "bare" },
};

const struct verb verb_rw = {
	.bit = RW,
	.name = "rw",
	.what = "readers against writers",
	.reference = "memb",
	.seconds = 1,
	.rounds = 7,
	.figures = figures,
	.figure_count = ARRAY_SIZE(figures),
	.beside = 2,
	.measure = measure,
};
