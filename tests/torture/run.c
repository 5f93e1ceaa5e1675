/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cpu.h"
#include "tests/torture/row.h"
#ifdef HAVE_SECCOMP
# include "tests/lib/policy.h"
#endif

#define HOUR_NS		3600000000000u

struct slot slots[THREADS_MAX];
int over;

static struct worker workers[THREADS_MAX];
static struct outcome *result;
static char *spoil;

/* The first thing that is wrong is what is told. */
static void note_wrong(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
static void note_wrong(const char *format, ...)
{
	va_list args;

	if (*result->wrong)
		return;
	va_start(args, format);
	vsnprintf(result->wrong, sizeof result->wrong, format, args);
	va_end(args);
}

#ifdef HAVE_SECCOMP
static void refuse(int (*load)(const struct policy_rule *), int error)
{
	const struct policy_rule rules[POLICY_RULES] = {
		MEMBARRIER(REFUSE(error)),
	};

	if (!load(rules))
		return;
	snprintf(result->lacks, sizeof result->lacks,
		 "no filter of system calls is to be had");
	_exit(0);
}

static void fail_always(void)
{
	refuse(policy_load, ENOMEM);
}

/* The threads that are made from now on; those that are there go on. */
static void refuse_later(void)
{
	refuse(policy_load_here, EPERM);
}
#else
static void fail_always(void)
{
}

static void refuse_later(void)
{
}
#endif

static void place(const struct worker *w)
{
	unsigned int habits = w->row->habits;
	cpu_set_t set;

	if (!(habits & (PINNED | ONE_CPU))
	    || sched_getaffinity(0, sizeof set, &set))
		return;
	cpu_pin(cpu_nth(&set, habits & PINNED ? (int) w->index : 0));
}

/* What the library borrows of a thread, and gives back. */
struct borrowed {
	sigset_t mask;
	cpu_set_t cpus;
};

static struct borrowed borrowed_of(const struct worker *w)
{
	struct borrowed b;

	memset(&b, 0, sizeof b);
	pthread_sigmask(SIG_SETMASK, NULL, &b.mask);
	/* Others may set those of threads that are not pinned. */
	if (w->row->habits & (PINNED | ONE_CPU))
		sched_getaffinity(0, sizeof b.cpus, &b.cpus);
	return b;
}

/* No two threads block the same signals. */
static void block_own_signal(const struct worker *w)
{
	sigset_t own;

	sigemptyset(&own);
	sigaddset(&own, SIGRTMIN + (int) w->index % (SIGRTMAX - SIGRTMIN));
	pthread_sigmask(SIG_BLOCK, &own, NULL);
}

static void *worker_run(void *worker)
{
	struct worker *w = worker;
	struct borrowed before, after;

	place(w);
	block_own_signal(w);
	before = borrowed_of(w);
	if (w->index < w->row->readers)
		reader_run(w);
	else
		updater_run(w);
	after = borrowed_of(w);
	w->changed = memcmp(&before, &after, sizeof before) != 0;
	return NULL;
}

static int start(struct worker *w, const struct row *row, unsigned int index,
		 unsigned int patience, uint64_t seed)
{
	uint64_t random = (seed << 8 | index) * 0x9E3779B97F4A7C15ULL | 1;

	*w = (struct worker) {
		.row = row,
		.index = index,
		.patience = patience,
		.slot = &slots[index < row->readers ? 0 : index - row->readers],
		.slots = slots,
		.own.random = random,
		.handlers.random = ~random | 1,
		.spoil = spoil,
	};
	return pthread_create(&w->thread, NULL, worker_run, w);
}

static unsigned long progress_of(const struct worker *w)
{
	return read_count(w->index < w->row->readers ? &w->own.sections
						     : &w->slot->steps);
}

/* Does everybody still get on? Else nobody would wake them, or they spin. */
static void await_progress(const struct row *row, unsigned int patience)
{
	unsigned int count = row->readers + row->updaters;
	unsigned long before[THREADS_MAX];
	unsigned long naps = patience * 1000UL;

	for (unsigned int i = 0; i < count; i++)
		before[i] = progress_of(&workers[i]);
	for (unsigned int i = 0; i < count; i++)
		while (progress_of(&workers[i]) == before[i]) {
			if (naps--) {
				nap_us(1000);
				continue;
			}
			note_wrong("%s %u is stuck", i < row->readers
				   ? "reader" : "updater", i);
			_exit(1);
		}
}

/* What the row is about and has not happened yet. NULL: nothing. */
static const char *unseen(const struct row *row)
{
	unsigned long handled = 0, forks = 0, ran = 0;
	struct umb_stats stats;

	for (unsigned int i = 0; i < row->readers + row->updaters; i++) {
		handled += read_count(&workers[i].handlers.sections);
		forks += read_count(&workers[i].forks);
	}
	for (unsigned int i = 0; i < row->updaters; i++)
		ran += read_count(&slots[i].ran);
	umb_stats_get(&stats, sizeof stats);
	return (row->habits & SIGNALS) && !handled ? "no handler has read"
		: (row->habits & FORKS) && !forks ? "nobody has forked"
		: (row->ways & (CALL | OWN)) && !ran ? "no callback has run"
		: (row->habits & LAZY) && !stats.quiet
		? "no grace period was quiet"
		: (row->habits & BOUNDED) && !stats.waits
		? "nobody has waited for the watermark"
		: (row->habits & (FAILS | REFUSED))
		  && !(stats.degradations + stats.fallbacks)
		? "no fence has failed" : NULL;
}

static void await_habits(const struct row *row, unsigned int patience)
{
	const char *what = unseen(row);

	for (unsigned long naps = patience * 1000UL; what && naps; naps--) {
		nap_us(1000);
		what = unseen(row);
	}
	if (what)
		note_wrong("%s", what);
}

static unsigned int outstanding(const struct row *row)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < row->updaters; i++)
		left += slot_outstanding(&slots[i]);
	return left;
}

/* They come without barriers, if not after an hour; and of deferred calls all. */
static void take_back(const struct row *row, unsigned int patience)
{
	unsigned long lost = 0;

	for (unsigned int naps = patience * 5000; naps && outstanding(row); naps--)
		bring_back(row);
	if (outstanding(row))
		note_wrong("%u elements never came back from callbacks",
			   outstanding(row));
	rcu_barrier();
	rcu_defer_barrier();
	for (unsigned int i = 0; i < row->updaters; i++)
		lost += slots[i].burst != read_count(&slots[i].burst_ran);
	if (lost)
		note_wrong("%lu threads' deferred calls are lost, or were made twice",
			   lost);
}

static void add_sight(const struct sight *sight)
{
	for (unsigned int age = 0; age <= AGE_REUSE; age++)
		result->ages[age] += sight->ages[age];
	result->sections += sight->sections;
	if (sight->poisoned)
		note_wrong("%lu sections saw freed elements", sight->poisoned);
}

static void add_worker(const struct worker *w)
{
	add_sight(&w->own);
	add_sight(&w->handlers);
	result->in_handlers += w->handlers.sections;
	result->forks += w->forks;
	if (w->bad_forks)
		note_wrong("%lu forked children failed", w->bad_forks);
	if (w->changed)
		note_wrong("thread %u has another signal mask, or other CPUs",
			   w->index);
	if (w->early_barriers)
		note_wrong("%lu barriers came back before callbacks",
			   w->early_barriers);
}

static void sum_up(const struct row *row)
{
	unsigned long late = 0;
	struct umb_stats stats;

	for (unsigned int i = 0; i < row->readers + row->updaters; i++)
		add_worker(&workers[i]);
	for (unsigned int age = 2; age <= AGE_REUSE; age++)
		late += result->ages[age];
	if (late)
		note_wrong("%lu sections saw elements too old", late);
	for (unsigned int i = 0; i < row->updaters; i++)
		result->callbacks += slots[i].ran;
	umb_stats_get(&stats, sizeof stats);
	result->grace_periods = stats.grace_periods;
	result->steps_down = stats.degradations + stats.fallbacks;
	if (!result->sections || !(stats.grace_periods + stats.quiet))
		note_wrong("nothing was done");
}

static void block_all_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

void row_run(const struct row *row, unsigned int ms, unsigned int patience,
	     uint64_t seed, struct outcome *outcome)
{
	unsigned int count = row->readers + row->updaters;

	result = outcome;
	spoil = spoil_new();
	/* A sleep that nobody ends must not end by itself. */
	umb_stall_set(NULL, 0);
	reader_prepare();
	if (row->habits & BLOCKS)
		block_all_signals();
	if (row->habits & FAILS)
		fail_always();
	if (row->habits & (LAZY | HURRIED))
		umb_reclaim_set_lazy(get_default_call_rcu_data(),
				     row->habits & LAZY ? 1000000
							: HOUR_NS);
	if (row->habits & BOUNDED) {
		umb_reclaim_set_watermarks(8, 16);
		umb_reclaim_set_waiting(1);
	}
	for (unsigned int i = 0; i < row->updaters; i++)
		slot_prepare(&slots[i]);
	for (unsigned int i = 0; i < count; i++) {
		if (i + 1 == count && (row->habits & REFUSED))
			refuse_later();
		if (!spoil || start(&workers[i], row, i, patience, seed)) {
			note_wrong("no memory, or no thread");
			_exit(1);
		}
	}
	for (; ms > 1000; ms -= 1000)
		nap_us(1000000);
	nap_us(ms * 1000);
	await_progress(row, patience);
	await_habits(row, patience);
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	alarm(patience);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	take_back(row, patience);
	sum_up(row);
}
