/* SPDX-License-Identifier: MIT */

/*
 * Verb call: callbacks. Each part has a process of its own: peaks of memory do not
 * go down again, and the next part would find the allocator and the worker warm.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/callback.h"

#define SAMPLES_MIN	5
#define SAMPLES_MAX	1000
#define IDLE_SECONDS	0.005	/* for the worker to fall asleep */
#define BATCH		4096	/* that stay in the caches */
#define QUEUERS_MAX	2

enum {		/* figures; behind a burst's rate, the peak of memory */
	LONE, BARRIER, BURST_1, BURST_2, NEW_1, NEW_1_PEAK, NEW_2, NEW_2_PEAK,
	QUEUE, POLL,
};

static const struct loops *loops;
static const struct callbacks *callbacks;
static unsigned long queued;

/* Where idle readers would hold grace periods up, around all that blocks. */
static void offline(void *self)
{
	if (loops->online_blocks)
		loops->offline(self);
}

static void online(void *self)
{
	if (loops->online_blocks)
		callbacks->online(self);
}

/* What queues is a thread that reads, so grace periods have to look at it. */
static void be_reader(void *self)
{
	online(self);
	loops->sections(self, 1);
}

static void let_idle(void *self)
{
	offline(self);
	rest(IDLE_SECONDS);
	be_reader(self);
}

static struct item *new_items(size_t n)
{
	struct item *items = aligned_alloc(ITEM_SIZE, n * sizeof *items);

	if (!items)
		die(1, "out of memory");
	memset(items, 0, n * sizeof *items);
	return items;
}

/* The worker is there afterwards. */
static void warm_up(void *self)
{
	callbacks->call(self, item_ready(new_items(1)), item_ran);
	queued++;
	callbacks->barrier(self);
}

struct part {
	void (*measure)(const struct part *p, const struct options *o,
			void *self, double *values, char *note);
	unsigned int figure;
	double (*sample)(void *self);		/* nanoseconds */
	unsigned int threads;
	int fresh;				/* elements by malloc() */
};

static struct {
	struct item item;
	double ran;
	sem_t over;
} lone;

static void lone_ran(struct rcu_head *head)
{
	lone.ran = now();
	item_ran(head);
	sem_post(&lone.over);
}

static double sample_lone(void *self)
{
	double begin;

	let_idle(self);
	begin = now();
	callbacks->call(self, item_ready(&lone.item), lone_ran);
	queued++;
	offline(self);
	while (sem_wait(&lone.over))
		;
	online(self);
	return 1e9 * (lone.ran - begin);
}

static double sample_barrier(void *self)
{
	double begin;

	let_idle(self);
	begin = now();
	callbacks->barrier(self);
	return 1e9 * (now() - begin);
}

/* The elements are the caller's before, in its caches. */
static double sample_queue(void *self)
{
	static struct item *items;
	double begin, took;

	if (!items)
		items = new_items(BATCH);
	for (size_t i = 0; i < BATCH; i++)
		item_ready(&items[i]);
	be_reader(self);
	begin = now();
	callbacks->queue(self, items, BATCH);
	took = now() - begin;
	queued += BATCH;
	callbacks->barrier(self);
	return 1e9 * took / BATCH;
}

static void sampled(const struct part *p, const struct options *o, void *self,
		    double *values, char *note)
{
	static double samples[SAMPLES_MAX];
	double end = now() + o->seconds;
	size_t n = 0;

	(void) note;
	do
		samples[n++] = p->sample(self);
	while (n < SAMPLES_MAX && (n < SAMPLES_MIN || now() < end));
	values[p->figure] = summarise(samples, n).median;
	callbacks->barrier(self);
}

static void pinned(const struct part *p, const struct options *o, void *self,
		   double *values, char *note)
{
	if (machine_cpus() < 2)
		strcpy(note, "one CPU: the worker runs where callbacks are queued");
	machine_pin_thread(callbacks->worker(), 1);
	machine_pin(0);
	sampled(p, o, self, values, note);
}

static void polls(const struct part *p, const struct options *o, void *self,
		  double *values, char *note)
{
	(void) note;
	if (callbacks->start_polls)
		values[p->figure] = ns_each(callbacks->start_polls, self,
					    o->seconds);
}

struct queuer {
	pthread_t thread;
	struct item *items;
	size_t n;
	double began;
};

static pthread_barrier_t start;

static void *queue_all(void *arg)
{
	struct queuer *q = arg;
	void *self = loops->enter();

	be_reader(self);
	pthread_barrier_wait(&start);
	q->began = now();
	callbacks->queue(self, q->items, q->n);
	loops->leave(self);
	return NULL;
}

static void start_queuers(struct queuer *q, unsigned int threads,
			  struct item *items, size_t n)
{
	pthread_barrier_init(&start, NULL, threads);
	for (unsigned int i = 0; i < threads; i++) {
		int ret;

		q[i].n = n / threads + (i < n % threads);
		q[i].items = items;
		if (items)
			items += q[i].n;
		ret = pthread_create(&q[i].thread, NULL, queue_all, &q[i]);
		if (ret)
			die(1, "cannot start a thread: %s", strerror(ret));
	}
}

static void burst(const struct part *p, const struct options *o, void *self,
		  double *values, char *note)
{
	struct item *items = p->fresh ? NULL : new_items(o->callbacks);
	struct queuer q[QUEUERS_MAX];
	double before = machine_resident(), began;

	(void) note;
	loops->leave(self);
	start_queuers(q, p->threads, items, o->callbacks);
	for (unsigned int i = 0; i < p->threads; i++)
		pthread_join(q[i].thread, NULL);
	callbacks->barrier(NULL);
	began = q[0].began < q[p->threads - 1].began ? q[0].began
		: q[p->threads - 1].began;
	values[p->figure] = o->callbacks / (now() - began);
	queued += o->callbacks;
	if (p->fresh)
		values[p->figure + 1] = machine_peak() - before;
}

static const struct part parts[] = {
	{ sampled, LONE, .sample = sample_lone },
	{ sampled, BARRIER, .sample = sample_barrier },
	{ burst, BURST_1, .threads = 1 },
	{ burst, BURST_2, .threads = 2 },
	{ burst, NEW_1, .threads = 1, .fresh = 1 },
	{ burst, NEW_2, .threads = 2, .fresh = 1 },
	{ pinned, QUEUE, .sample = sample_queue },
	{ polls, POLL, .sample = NULL },
};

/* Behind a barrier: each callback has run, once. */
static int check(char *note)
{
	unsigned long run = callbacks_run();

	if (run != queued)
		snprintf(note, NOTE_SIZE, "%lu callbacks were queued, %lu had "
			 "run after the barrier", queued, run);
	else if (callbacks_astray())
		strcpy(note, "a callback ran on an element that was not queued");
	else
		return 0;
	return -1;
}

static int measure(const struct scheme *s, const struct options *o,
		   double *values, char *note)
{
	const struct part *p;
	void *self;

	if (o->part >= ARRAY_SIZE(parts))
		die(2, "there is no part %u", o->part);
	p = &parts[o->part];
	loops = s->loops;
	callbacks = loops->callbacks;
	sem_init(&lone.over, 0, 0);
	thread_idle(0);
	self = loops->enter();
	warm_up(self);
	p->measure(p, o, self, values, note);
	return check(note);
}

#define PER_SECOND(key, what) \
	{ key "_per_s", what " (millions/s)", "1/s", 1e-6, 2, NULL }
#define PEAK(key, what) \
	{ key "_peak_bytes", what ": memory (MB)", "bytes", 1e-6, 1, NULL }

static const struct figure figures[] = {
	[LONE] = { "lone_ns", "a lone callback (us)", "ns", 1e-3, 2, NULL },
	[BARRIER] = { "barrier_ns", "idle barrier (us)", "ns", 1e-3, 2, NULL },
	[BURST_1] = PER_SECOND("burst_1", "burst, 1 thread"),
	[BURST_2] = PER_SECOND("burst_2", "burst, 2 threads"),
	[NEW_1] = PER_SECOND("malloc_1", "malloc, free, 1 thread"),
	[NEW_1_PEAK] = PEAK("malloc_1", "1 thread"),
	[NEW_2] = PER_SECOND("malloc_2", "malloc, free, 2 threads"),
	[NEW_2_PEAK] = PEAK("malloc_2", "2 threads"),
	[QUEUE] = { "queue_ns", "call_rcu alone (ns)", "ns", 1, 1, NULL },
	[POLL] = { "start_poll_ns", "start of a poll (ns)", "ns", 1, 1, NULL },
};

const struct verb verb_call = {
	.bit = CALL,
	.name = "call",
	.what = "callbacks after grace periods",
	.reference = "memb",
	.seconds = 0.2,
	.rounds = 5,
	.parts = ARRAY_SIZE(parts),
	.figures = figures,
	.figure_count = ARRAY_SIZE(figures),
	.beside = 2,
	.measure = measure,
};
