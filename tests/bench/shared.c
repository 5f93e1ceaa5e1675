/* SPDX-License-Identifier: MIT */

/*
 * Verb shared: sections, grace periods and updates across processes. Each reader and
 * each writer is a process with one thread, on a CPU of its own, forked by the one that
 * measures. What they read is in memory that all of them map, in every scheme.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/shared.h"

#define PROCESSES	2
#define LOOK_SECONDS	0.0001
#define SETTLE_SECONDS	0.001		/* until a process runs in its loop */
#define SAMPLES_MAX	50000

enum {		/* figures */
	SECTION, GP_FENCES, GP_TIME, FENCE_TIME, READS, UPDATED, GP_COUNT,
};

struct process {
	double count;
	double seconds, busy;		/* by the clock, and of the CPU */
};

struct memory {
	struct rw rw;
	struct element elements[1 + SPARES];
	struct process processes[PROCESSES];
	unsigned int ready;
	int go;
};

struct rw *shared_rw;
static struct memory *memory;
static pid_t pids[PROCESSES];

void *shared_memory(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die(1, "cannot map memory: %s", strerror(errno));
	return at;
}

static void prepare_memory(void)
{
	memory = shared_memory(sizeof *memory);
	shared_rw = &memory->rw;
	for (size_t i = 0; i <= SPARES; i++)
		element_poison(&memory->elements[i]);
	element_fill(&memory->elements[SPARES]);
	memory->rw.pointer = &memory->elements[SPARES];
}

static double busy(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void take_part(const struct loops *loops, unsigned int i, int reads)
{
	struct process *p = &memory->processes[i];
	struct spares spares;
	void *self;
	double begin, begin_busy;

	for (size_t k = 0; k < SPARES; k++)
		spares.ring[k] = &memory->elements[k];
	machine_pin(i);
	self = reads ? loops->enter() : loops->updater();
	/* For those that are registered a bare fence is what a domain's is. */
	bare_membarrier(BARE_REGISTERS(BARE_GLOBAL_EXPEDITED));
	__atomic_add_fetch(&memory->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&memory->go, __ATOMIC_ACQUIRE))
		rest(LOOK_SECONDS);
	begin = now();
	begin_busy = busy();
	p->count = (double) (reads ? loops->reader(self)
			     : loops->writer(self, &spares));
	p->busy = busy() - begin_busy;
	p->seconds = now() - begin;
	if (reads)
		loops->leave(self);
}

static void start_one(const struct loops *loops, unsigned int i, int reads)
{
	pid_t parent = getpid();

	pids[i] = fork();
	if (pids[i] < 0)
		die(1, "cannot fork: %s", strerror(errno));
	if (pids[i])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		take_part(loops, i, reads);
	_exit(0);
}

/* Readers first. They wait for let_run(). */
static int start(const struct loops *loops, unsigned int readers,
		 unsigned int writers, char *note)
{
	machine_cpus();		/* looks before anybody pins */
	for (unsigned int i = 0; i < readers + writers; i++)
		start_one(loops, i, i < readers);
	while (__atomic_load_n(&memory->ready, __ATOMIC_ACQUIRE)
	       < readers + writers) {
		if (waitpid(-1, NULL, WNOHANG)) {
			strcpy(note, "a process did not get ready");
			return -1;
		}
		rest(LOOK_SECONDS);
	}
	return 0;
}

static void let_run(const struct loops *loops)
{
	loops->settle();
	__atomic_store_n(&memory->go, 1, __ATOMIC_RELEASE);
	rest(SETTLE_SECONDS);
}

static int stop(char *note)
{
	int ret = 0;

	__atomic_store_n(&memory->rw.stop, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < PROCESSES && pids[i]; i++) {
		int status;

		while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			;
		if (status) {
			strcpy(note, "a process died");
			ret = -1;
		}
	}
	if (memory->rw.poisoned) {
		strcpy(note, "a reader saw an element that was already reclaimed");
		ret = -1;
	}
	return ret;
}

static int sections(const struct loops *loops, const struct options *o,
		    double *values, char *note)
{
	const struct process *p = memory->processes;

	if (start(loops, PROCESSES, 0, note))
		return -1;
	let_run(loops);
	rest(o->seconds);
	if (stop(note))
		return -1;
	values[SECTION] = 1e9 * (p[0].busy + p[1].busy)
		/ (p[0].count + p[1].count);
	return 0;
}

static double timed(void (*loop)(void *self, unsigned long n), void *self)
{
	double begin = now();

	loop(self, 1);
	return 1e9 * (now() - begin);
}

static void fences(void *self, unsigned long n)
{
	(void) self;
	do
		bare_membarrier(BARE_GLOBAL_EXPEDITED);
	while (--n);
}

/* A grace period and a bare fence in turn, so that both meet the same machine. */
static int grace_periods(const struct loops *loops, const struct options *o,
			 double *values, char *note)
{
	static double gp[SAMPLES_MAX], fence[SAMPLES_MAX];
	int fenced = !bare_membarrier(BARE_GLOBAL_EXPEDITED);
	double end;
	size_t n = 0;
	void *self;

	if (start(loops, 1, 0, note))
		return -1;
	self = loops->updater();
	machine_pin(1);
	let_run(loops);
	end = now() + o->seconds;
	do {
		gp[n] = timed(loops->grace_periods, self);
		fence[n] = fenced ? timed(fences, NULL) : NAN;
	} while (++n < SAMPLES_MAX && now() < end);
	if (stop(note))
		return -1;
	values[GP_TIME] = summarise(gp, n).median;
	values[FENCE_TIME] = summarise(fence, n).median;
	values[GP_FENCES] = values[GP_TIME] / values[FENCE_TIME];
	values[GP_COUNT] = (double) n;
	return 0;
}

static int updates(const struct loops *loops, const struct options *o,
		   double *values, char *note)
{
	const struct process *p = memory->processes;

	if (start(loops, 1, 1, note))
		return -1;
	let_run(loops);
	rest(o->seconds);
	if (stop(note))
		return -1;
	values[READS] = p[0].count / p[0].seconds;
	values[UPDATED] = p[1].count / p[1].seconds;
	return 0;
}

static int measure(const struct scheme *s, const struct options *o,
		   double *values, char *note)
{
	static int (*const parts[])(const struct loops *loops,
				    const struct options *o, double *values,
				    char *note) = {
		[SECTIONS] = sections,
		[GRACE_PERIODS] = grace_periods,
		[UPDATES] = updates,
	};
	int ret = 0;

	if (o->part >= ARRAY_SIZE(parts))
		die(2, "there is no part %u", o->part);
	if (machine_cpus() < PROCESSES)
		strcpy(note, "one CPU: processes take turns on it");
	prepare_memory();
	if (s->loops->shared_parts & PART(o->part))
		ret = parts[o->part](s->loops, o, values, note);
	s->loops->settle();
	return ret;
}

#define DOMAIN		"domain-expedited"
#define IN_PROCESS	"in-process"

static const struct figure figures[] = {
	[SECTION] = { "section_ns", "section and read, 2 readers (ns of CPU)", "ns", 1, 2,
		IN_PROCESS },
	[GP_FENCES] = { "gp_fences", "grace period in fences", "", 1, 2, NULL },
	[GP_TIME] = { "gp_ns", "grace period (us)", "ns", 1e-3, 3, NULL },
	[FENCE_TIME] = { "fence_ns", "bare fence, in turn (us)", "ns", 1e-3, 3,
		NULL },
	[READS] = { "reads_per_s", "1 reader: reads (millions/s)", "1/s", 1e-6, 2,
		NULL },
	[UPDATED] = { "updates_per_s", "1 writer: updates (1/s)", "1/s", 1, 0,
		NULL },
	[GP_COUNT] = { "grace_periods", "grace periods measured", "", 1, 0, NULL },
};

static const struct goal goals[] = {
	{ "section", SECTION, DOMAIN, IN_PROCESS, 1.5, 1 },
	{ "section", SECTION, "lmdb", DOMAIN, 20, 0 },
	{ "section", SECTION, "lmdb-renew", DOMAIN, 20, 0 },
	{ "section", SECTION, "rwlock-shared", DOMAIN, 10, 0 },
	{ "grace period", GP_FENCES, DOMAIN, NULL, 1.5, 1 },
};

const struct verb verb_shared = {
	.bit = SHARED,
	.name = "shared",
	.what = "sections and grace periods across processes",
	.reference = DOMAIN,
	.seconds = 0.2,
	.rounds = 9,
	.parts = 3,
	.figures = figures,
	.figure_count = ARRAY_SIZE(figures),
	.beside = 2,
	.goals = goals,
	.goal_count = ARRAY_SIZE(goals),
	.measure = measure,
};
