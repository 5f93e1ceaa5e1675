/* SPDX-License-Identifier: MIT */

/*
 * What grace periods and heavy fences cost, in system calls, as a tracer sees
 * it; and how many turns a combined turn takes. White-box for the latter.
 *
 * Threads of a measured child that wait for each other do it by naps, so that
 * all futex calls are the library's.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fence/combine.h"
#include "tests/lib/count.h"
#include "sys/sys.h"
#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

/* Fences of a grace period that somebody is online for: see GP.after-scan. */
#if defined(__x86_64__) || defined(__i386__) || defined(__s390__) \
	|| defined(__sparc__)
# define PER_GP		1UL
#else
# define PER_GP		2UL
#endif
#define CALLERS		8
#define READERS		4

struct plan {
	unsigned long repeat;	/* grace periods, or fences a thread */
	int threads;		/* beside the one that measures */
	int offline;		/* they are */
	int registered;		/* they, and the one that measures */
};

struct idler {
	const struct plan *plan;
	pid_t tid;
};

static int ready;		/* threads that are where they shall be */
static int settled;		/* readers that are registered */
static unsigned long section;	/* the one that readers shall be in */
static int over;
static pid_t updater;
static pid_t tids[CALLERS];
static pthread_t threads[CALLERS];

static void nap(long microseconds)
{
	struct timespec t = { 0, microseconds * 1000 };

	nanosleep(&t, NULL);
}

static void arrive(void)
{
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
}

static void await(const int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) < value)
		nap(200);
}

static pid_t self_tid(void)
{
	return (pid_t) syscall(SYS_gettid);
}

/*
 * Does the kernel say that this thread sleeps? A traced one that runs does
 * not. No stdio: its locks are futexes too.
 */
static int asleep(pid_t tid)
{
	char path[64], text[512];
	const char *state;
	ssize_t length;
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int) tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0)
		return 0;
	text[length] = 0;
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

static void await_sleep(const pid_t *tid)
{
	while (!__atomic_load_n(tid, __ATOMIC_SEQ_CST)
	       || !asleep(__atomic_load_n(tid, __ATOMIC_SEQ_CST)))
		nap(200);
}

static void start(int i, void *(*run)(void *), void *arg)
{
	if (pthread_create(&threads[i], NULL, run, arg))
		_exit(1);
}

/* Idle threads, in the state that the plan says. */

static void *idle(void *arg)
{
	struct idler *self = arg;

	if (self->plan->registered) {
		rcu_read_lock();
		rcu_read_unlock();
		if (self->plan->offline)
			rcu_thread_offline();
	}
	__atomic_store_n(&self->tid, self_tid(), __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

/* Until all are in pause(), lest that be counted. */
static void prepare_idle(void *arg)
{
	static struct idler idlers[READERS];
	const struct plan *plan = arg;

	if (plan->registered)
		rcu_thread_online();	/* synchronize_rcu() ends that */
	for (int i = 0; i < plan->threads; i++) {
		idlers[i].plan = plan;
		start(i, idle, &idlers[i]);
		await_sleep(&idlers[i].tid);
	}
}

static void grace_periods(void *arg)
{
	const struct plan *plan = arg;

	for (unsigned long i = 0; i < plan->repeat; i++)
		synchronize_rcu();
}

static void fences(void *arg)
{
	const struct plan *plan = arg;

	for (unsigned long i = 0; i < plan->repeat; i++)
		umb_fence_heavy();
}

/* Readers that leave their section when the updater sleeps on them. */

static void *hold_updater(void *arg)
{
	const struct plan *plan = arg;

	rcu_register_thread();
	__atomic_fetch_add(&settled, 1, __ATOMIC_SEQ_CST);
	for (unsigned long i = 1; i <= plan->repeat; i++) {
		while (__atomic_load_n(&section, __ATOMIC_SEQ_CST) < i)
			nap(200);
		rcu_read_lock();
		arrive();
		await_sleep(&updater);
		rcu_read_unlock();
	}
	for (;;)
		pause();
	return NULL;
}

static void prepare_holders(void *arg)
{
	struct plan *plan = arg;

	for (int i = 0; i < plan->threads; i++)
		start(i, hold_updater, plan);
	await(&settled, plan->threads);
}

/* The updater naps only while it has no name for the readers to look at. */
static void held_grace_periods(void *arg)
{
	const struct plan *plan = arg;

	for (unsigned long i = 1; i <= plan->repeat; i++) {
		__atomic_store_n(&section, i, __ATOMIC_SEQ_CST);
		await(&ready, (int) i * plan->threads);
		__atomic_store_n(&updater, self_tid(), __ATOMIC_SEQ_CST);
		synchronize_rcu();
		__atomic_store_n(&updater, 0, __ATOMIC_SEQ_CST);
	}
}

/* A grace period that hangs on a reader, while others come to wait. */

static void *hold_until_over(void *arg)
{
	(void) arg;
	rcu_read_lock();
	arrive();
	await(&over, 1);
	rcu_read_unlock();
	for (;;)
		pause();
	return NULL;
}

static void *synchronize_once(void *arg)
{
	__atomic_store_n((pid_t *) arg, self_tid(), __ATOMIC_SEQ_CST);
	synchronize_rcu();
	return NULL;
}

static void prepare_reader(void *arg)
{
	pthread_t thread;

	(void) arg;
	if (pthread_create(&thread, NULL, hold_until_over, NULL))
		_exit(1);
	await(&ready, 1);
}

/* threads[0] leads; all others come during its grace period. */
static void crowded_grace_period(void *arg)
{
	const struct plan *plan = arg;

	for (int i = 0; i <= plan->threads; i++) {
		start(i, synchronize_once, &tids[i]);
		await_sleep(&tids[i]);
	}
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i <= plan->threads; i++)
		pthread_join(threads[i], NULL);
}

/* Heavy fences by many threads at the same time. */

static void *fence_often(void *arg)
{
	await(&ready, 1);
	fences(arg);
	return NULL;
}

static void prepare_fencers(void *arg)
{
	const struct plan *plan = arg;

	for (int i = 0; i < plan->threads; i++)
		start(i, fence_often, arg);
}

static void crowded_fences(void *arg)
{
	const struct plan *plan = arg;

	arrive();
	for (int i = 0; i < plan->threads; i++)
		pthread_join(threads[i], NULL);
}

/* 0, or there is a reason for a SKIP, or a failure, that has been told. */
static int measure(void (*prepare)(void *), void (*measured)(void *),
		   struct plan plan, const char *what, struct syscall_count *c)
{
	int ret = count_syscalls(prepare, measured, &plan, c);

	if (ret == -ECHILD)
		tap_ok(0, "%s: the measured child died", what);
	else if (ret)
		tap_skip(strerror(-ret), "%s", what);
	/* A fence is two calls in this mode; an odd one stays and is noticed. */
	if (umb_fence_mode() == UMB_FENCE_GLOBAL_EXPEDITED) {
		c->total -= c->membarrier / 2;
		c->membarrier -= c->membarrier / 2;
	}
	return ret;
}

static void test_idle(struct plan plan, unsigned long each, const char *what)
{
	struct syscall_count c;

	if (measure(prepare_idle, grace_periods, plan, what, &c))
		return;
	tap_ok(c.membarrier == plan.repeat * each,
	       "%s: %lu membarriers in %lu grace periods", what, c.membarrier,
	       plan.repeat);
	tap_ok(!c.futex_wait && !c.futex_wake, "%s: nobody sleeps or is woken",
	       what);
	tap_ok(c.total == c.membarrier + c.sigprocmask,
	       "%s: no other calls but rt_sigprocmask (%lu)", what,
	       c.sigprocmask);
}

/*
 * Fences before a sleep on readers. Where fences are slow it first sleeps for
 * 10 ms without one, and they are late only if the machine is busy.
 */
static int sleeps_dear(void)
{
	return umb_fence_mode() >= UMB_FENCE_GLOBAL;
}

static int within(unsigned long n, unsigned long fixed, unsigned long sleeps)
{
	return n <= fixed + sleeps
		&& n >= fixed + (sleeps_dear() ? 0 : sleeps);
}

static void test_held(int readers, const char *what)
{
	struct plan plan = { .repeat = tap_scale(20, 3), .threads = readers };
	struct syscall_count c;

	if (measure(prepare_holders, held_grace_periods, plan, what, &c))
		return;
	tap_ok(within(c.membarrier, plan.repeat * PER_GP, plan.repeat),
	       "%s: %s one more membarrier a sleep, %lu in %lu grace periods",
	       what, sleeps_dear() ? "at most" : "just", c.membarrier,
	       plan.repeat);
	/* A sleep that ends without a wake is followed by another one. */
	tap_ok(c.futex_wait >= plan.repeat && c.futex_wake == plan.repeat
	       && c.futex_wait <= plan.repeat * (sleeps_dear() ? 2 : 1),
	       "%s: it sleeps once (%lu) and is woken once (%lu)", what,
	       c.futex_wait, c.futex_wake);
}

static void test_crowd(void)
{
	static const char what[] = "callers that come during a grace period";
	struct plan plan = { .threads = CALLERS - 1 };
	struct syscall_count c;

	if (measure(prepare_reader, crowded_grace_period, plan, what, &c))
		return;
	/* The one that they found, with its sleep, and at most two for them. */
	tap_ok(within(c.membarrier, 2 * PER_GP, 1)
	       || within(c.membarrier, 3 * PER_GP, 1),
	       "%s: at most two for all of them (%lu membarriers)", what,
	       c.membarrier);
	tap_ok(within(c.membarrier, 2 * PER_GP, 1),
	       "%s: one, when all were there before it began", what);
}

static void test_fences(void)
{
	struct plan plan = { .repeat = tap_scale(100, 5), .threads = 1 };
	struct syscall_count c;

	plan.registered = plan.offline = 1;
	if (!measure(prepare_idle, fences, plan, "a lone caller's fences", &c))
		tap_ok(c.membarrier == plan.repeat && c.total == plan.repeat,
		       "a lone caller's fences: %lu membarriers in %lu, and "
		       "no other call", c.membarrier, plan.repeat);
	plan.threads = CALLERS;
	if (!measure(prepare_fencers, crowded_fences, plan,
		     "many callers' fences", &c))
		tap_ok(c.membarrier && c.membarrier <= CALLERS * plan.repeat,
		       "many callers' fences: at most one each, %lu "
		       "membarriers in %lu", c.membarrier,
		       CALLERS * plan.repeat);
}

/*
 * umbi_combine() by itself. The turns are numbered here once more, so that
 * nothing rests on the library's own numbers.
 */
static struct {
	struct umbi_combine combine;
	unsigned long begun, done;
	unsigned long reported;		/* the number that run() was given */
	int inside;			/* threads in run() */
	int broken;
	int gate;			/* the first turn waits for it */
} turns;

static int run_turn(struct umbi_combine *c, int begun, uint64_t end)
{
	unsigned long mine = __atomic_add_fetch(&turns.begun, 1,
						__ATOMIC_SEQ_CST);

	(void) c;
	if (__atomic_fetch_add(&turns.inside, 1, __ATOMIC_SEQ_CST)
	    || begun || end != UMBI_FOREVER
	    || turns.combine.started != turns.reported + 1)
		__atomic_store_n(&turns.broken, 1, __ATOMIC_SEQ_CST);
	turns.reported = turns.combine.started;
	if (mine == 1)
		await(&turns.gate, 1);
	for (int i = 0; i < 200; i++)
		umbi_relax();
	__atomic_fetch_sub(&turns.inside, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&turns.done, mine, __ATOMIC_SEQ_CST);
	return UMBI_COMPLETE;
}

/* Served by a turn that began after the call? */
static int served(unsigned int spins)
{
	unsigned long begun = __atomic_load_n(&turns.begun, __ATOMIC_SEQ_CST);

	umbi_combine(&turns.combine, run_turn, spins, UMBI_FOREVER);
	return __atomic_load_n(&turns.done, __ATOMIC_SEQ_CST) > begun;
}

static unsigned int spins;

static void *call_once(void *arg)
{
	__atomic_store_n((pid_t *) arg, self_tid(), __ATOMIC_SEQ_CST);
	return (void *) (long) served(0);
}

static void *call_often(void *arg)
{
	int good = 1;

	for (long n = (long) arg; n; n--)
		good &= served(n & 1 ? spins : 0);
	return (void *) (long) good;
}

static int join_callers(void)
{
	int good = 1;

	for (int i = 0; i < CALLERS; i++) {
		void *value;

		pthread_join(threads[i], &value);
		good &= (int) (long) value;
	}
	return good;
}

static void test_combine_during(void)
{
	int good;

	memset(&turns, 0, sizeof turns);
	memset(tids, 0, sizeof tids);
	for (int i = 0; i < CALLERS; i++) {
		start(i, call_once, &tids[i]);
		while (!__atomic_load_n(&turns.begun, __ATOMIC_SEQ_CST))
			nap(200);
		/* The leader naps at the gate; the others sleep on the turn. */
		await_sleep(&tids[i]);
	}
	nap(20000);
	tap_ok(__atomic_load_n(&turns.begun, __ATOMIC_SEQ_CST) == 1
	       && __atomic_load_n(&turns.done, __ATOMIC_SEQ_CST) == 0,
	       "combine: callers during a turn wait for it to end");
	__atomic_store_n(&turns.gate, 1, __ATOMIC_SEQ_CST);
	good = join_callers();
	tap_ok(turns.begun >= 2 && turns.begun <= 3,
	       "combine: at most two turns for %d callers (%lu in all)",
	       CALLERS - 1, turns.begun);
	tap_ok(good && !turns.broken,
	       "combine: a turn that began before a call does not serve it");
}

static void test_combine_often(void)
{
	const long each = 3000;
	int good;

	for (spins = 0; spins <= 400; spins += 200) {
		memset(&turns, 0, sizeof turns);
		turns.gate = 1;
		for (int i = 0; i < CALLERS; i++)
			start(i, call_often, (void *) each);
		good = join_callers();
		tap_ok(good && !turns.broken && turns.begun == turns.done,
		       "combine, %u spins: one turn at a time, none serves a "
		       "call before it", spins);
		tap_ok(turns.begun && turns.begun <= CALLERS * (unsigned long) each,
		       "combine, %u spins: %lu turns for %ld calls", spins,
		       turns.begun, CALLERS * each);
	}
}

int main(void)
{
	unsigned long repeat;

	tap_begin();
	repeat = tap_scale(100, 5);
	/* In all modes: no membarrier, no signal, no visit. */
	test_idle((struct plan) { repeat, READERS, 1, 1 }, 0,
		  "readers offline");
	test_idle((struct plan) { repeat, READERS, 0, 0 }, 0,
		  "threads that never registered");
	if (umb_fence_mode() <= UMB_FENCE_GLOBAL) {
		test_idle((struct plan) { repeat, 1, 0, 1 }, PER_GP,
			  "one idle reader");
		test_idle((struct plan) { repeat, READERS, 0, 1 }, PER_GP,
			  "several idle readers");
		test_held(1, "a reader that holds");
		test_held(READERS, "readers that hold");
		test_crowd();
		test_fences();
	} else {
		tap_skip("no membarrier in this mode, and the other ways have "
			 "no fixed number of calls", "fences' system calls");
	}
	/* A wakeup that is lost shall end the test, not stop it. */
	alarm(COUNT_SECONDS);
	test_combine_during();
	test_combine_often();
	return tap_end();
}
