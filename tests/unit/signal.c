/* SPDX-License-Identifier: MIT */

/*
 * The signal mode in a process where others use the same signal: handlers
 * below the library's and above it, descriptors that read signals. Each case
 * begins by choosing the mode, in a process of its own; see tests/lib/cases.h.
 *
 * "Answered by signal" is seen from the program's own handler, which the
 * library passes every delivery on to, and where there is none, from the
 * thread's record: only the library's handler takes all of `asked` away.
 * White-box for that.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fence/backend.h"
#include "tests/lib/cases.h"
#include "tests/lib/tap.h"
#include "thread/hold.h"

#define VALUE		42
#define CREW		3
#define ROUNDS		5		/* of installing; fewer than levels */
#define LEVELS		8		/* see src/fence/handler.c */
#define REQUESTS	300
#define FENCES		20

typedef void (*handler)(int signal, siginfo_t *info, void *context);

static unsigned int own_runs;		/* of the program's handler */
static unsigned int told;		/* deliveries with all that belongs */
static unsigned int on_stack;		/* those on the alternate stack, */
static unsigned int off_stack;		/* and not, though there was one */
static unsigned int other_runs;		/* of the other's handler */
static int passes_on;			/* it does, to: */
static struct sigaction under_other;

static unsigned int count(const unsigned int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void add_one(unsigned int *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
}

static void own_plain(int signal)
{
	char here;
	const struct worker *w = worker_self();

	(void) signal;
	add_one(&own_runs);
	worker_ran();
	if (w && w->stack && !__atomic_load_n(&w->stop, __ATOMIC_SEQ_CST))
		add_one((size_t) (&here - w->stack) < STACK_BYTES
			? &on_stack : &off_stack);
}

static void own(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *c = context;

	own_plain(signal);
	if (info->si_code == SI_QUEUE && info->si_value.sival_int == VALUE
	    && sigismember(&c->uc_sigmask, SIGUSR1) == 1)
		add_one(&told);
}

static void other(int signal, siginfo_t *info, void *context)
{
	add_one(&other_runs);
	if (__atomic_load_n(&passes_on, __ATOMIC_SEQ_CST))
		under_other.sa_sigaction(signal, info, context);
}

static void install(handler h, int flags, struct sigaction *old)
{
	struct sigaction a = { .sa_flags = flags | SA_SIGINFO };

	a.sa_sigaction = h;
	expect(!sigaction(umb_fence_signal(), &a, old), "sigaction");
}

static int on_top(handler h)
{
	struct sigaction now;

	sigaction(umb_fence_signal(), NULL, &now);
	return now.sa_sigaction == h;
}

/* A signal of the program's own, to that worker: what pthread_sigqueue() does. */
static void poke(const struct worker *w)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	info.si_signo = umb_fence_signal();
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = VALUE;
	expect(!syscall(SYS_rt_tgsigqueueinfo, getpid(), w->tid, info.si_signo,
			&info), "the program sends a signal");
}

/* The program's own signal comes through to the counter. */
static int arrives_at(const unsigned int *counter, const struct worker *w)
{
	unsigned int before = count(counter);
	long begin = now_seconds();

	poke(w);
	while (count(counter) == before)
		if (!wait_a_little(begin))
			return 0;
	return 1;
}

/* Nobody waits, and nobody is waited for. */
static void expect_quiet(void)
{
	for (int i = 0; i < UMBI_SCOPES; i++)
		expect(!umbi_hold_barriers[i].outstanding, "nobody waits");
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode has stayed");
}

static void run_errno(const void *arg)
{
	struct worker w;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, 0, -1);
	expect(fence_until_runs(&w, 10), "fences are answered by signal");
	worker_stop(&w);
	expect(!w.errno_lost, "errno stays in the interrupted code");
	expect_quiet();
}

static void run_stack(const void *arg)
{
	struct worker with, without;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&with, ALTSTACK, -1);
	worker_start(&without, SLEEPS, -1);
	expect(fence_until_runs(&with, 5), "answered by signal, with a stack");
	expect(fence_until_runs(&without, 5), "and without");
	worker_stop(&without);
	worker_stop(&with);
	expect(count(&on_stack) >= 5 && !count(&off_stack),
	       "each handler of the thread ran there");
	expect_quiet();
}

/* A context that shows the mask of what was interrupted is the right one. */
static void mark_contexts(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
}

/* `arg`: sa_handler, not sa_sigaction. */
static void run_below(const void *arg)
{
	struct sigaction a = { .sa_handler = own_plain };
	struct worker w;

	if (arg)
		sigaction(umb_fence_signal(), &a, NULL);
	else
		install(own, 0, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	mark_contexts();
	worker_start(&w, SLEEPS, -1);
	expect(fence_until_runs(&w, 3), "fences are answered by signal");
	expect(fence_until_answered(&w), "all of them");
	for (int i = 0; i < FENCES; i++)
		expect(arrives_at(arg ? &own_runs : &told, &w),
		       "the program's signals reach it as they were sent");
	worker_stop(&w);
	expect_quiet();
}

static unsigned int wrong_masks;

static void see_mask(int signal, siginfo_t *info, void *context)
{
	int deferred = signal != SIGURG;	/* what it was installed with */
	sigset_t mask;

	(void) info;
	(void) context;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	if (!sigismember(&mask, SIGUSR2)
	    || sigismember(&mask, signal) != deferred)
		add_one(&wrong_masks);
	worker_ran();
}

/* SIGURG with SA_NODEFER, and SIGWINCH without. */
static void run_mask_below(const void *arg)
{
	struct sigaction a = { .sa_flags = SA_SIGINFO };
	struct worker w;

	if (arg)
		umb_fence_set_signal(SIGWINCH);
	else
		a.sa_flags |= SA_NODEFER;
	a.sa_sigaction = see_mask;
	sigaddset(&a.sa_mask, SIGUSR2);
	sigaction(umb_fence_signal(), &a, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	expect(fence_until_runs(&w, 3), "fences are answered by signal");
	worker_stop(&w);
	expect(!wrong_masks, "it runs with its own mask");
	expect_quiet();
}

/* The library's record of a thread is of use in the child, too. */
static void *fence_main(void *arg)
{
	return fence_until_runs(arg, 3) ? arg : NULL;
}

static void run_fork(const void *arg)
{
	struct worker me = { .cpu = -1 };
	pthread_t thread;
	int status = -1;
	void *good;
	pid_t pid;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_become(&me);
	pid = fork();
	if (!pid) {
		pthread_create(&thread, NULL, fence_main, &me);
		while (pthread_tryjoin_np(thread, &good))
			usleep(100);
		expect(!!good, "its fences reach who has forked");
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid && !status, "the child ends");
}

static void run_above(const void *arg)
{
	struct worker w;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	expect(fence_until_runs(&w, 1), "answered by signal, at first");
	install(other, SA_RESTART, NULL);
	expect(arrives_at(&other_runs, &w), "the new handler has its signals");
	expect(fence_until_answered(&w), "fences are answered by signal");
	expect(!on_top(other), "the library's handler is above it");
	expect(arrives_at(&other_runs, &w), "it still has its signals");
	worker_stop(&w);
	expect_quiet();
}

static void run_above_passing_on(const void *arg)
{
	struct worker w;
	unsigned int runs;

	(void) arg;
	case_needs_membarrier();	/* or ours is below `own` */
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	passes_on = 1;
	install(other, SA_RESTART, &under_other);
	runs = worker_runs(&w);
	expect(fence_until_runs(&w, runs + 5), "fences are answered by signal");
	expect(fence_until_answered(&w), "all of them");
	expect(on_top(other), "and the handler was left in its place");
	expect(count(&other_runs) >= 5, "it sees them all");
	worker_stop(&w);
	expect_quiet();
}

/* It does not pass on while we look, and does later: no circle. */
static void run_circle(const void *arg)
{
	struct worker w;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	install(other, SA_RESTART, &under_other);
	expect(fence_until_answered(&w), "fences are answered by signal");
	expect(!on_top(other), "by the library's handler on top");
	__atomic_store_n(&passes_on, 1, __ATOMIC_SEQ_CST);
	expect(arrives_at(&own_runs, &w), "the chain ends at the first one");
	expect(fence_until_answered(&w), "fences are answered by signal still");
	worker_stop(&w);
	expect_quiet();
}

/* A caller that cannot see whether it passes on must not believe it. */
static void run_above_blind(const void *arg)
{
	struct worker w, me;
	sigset_t all;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_become(&me);
	worker_start(&w, SLEEPS, -1);
	install(other, SA_RESTART, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	umb_fence_heavy();
	sigemptyset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	expect(fence_until_answered(&w), "fences are answered by signal, after "
	       "one by a caller that blocks it");
	worker_stop(&w);
	expect_quiet();
}

static void run_plugin(const void *arg)
{
	struct sigaction old;
	struct worker w;
	unsigned int runs;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	for (int i = 0; i < ROUNDS; i++) {
		install(other, SA_RESTART, &old);
		expect(fence_until_answered(&w), "answered with the plugin");
		expect(arrives_at(&other_runs, &w), "it has its signals");
		sigaction(umb_fence_signal(), &old, NULL);
		runs = worker_runs(&w);
		expect(fence_until_runs(&w, runs + 1), "and without it");
		expect(fence_until_answered(&w), "all of them");
		expect(arrives_at(&own_runs, &w), "the program has its own");
	}
	worker_stop(&w);
	expect_quiet();
}

/* A delivery is passed on once, however many levels there are. */
static void run_once_each(const void *arg)
{
	struct worker w;
	unsigned int before;

	(void) arg;
	install(own, SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	mark_contexts();
	worker_start(&w, SLEEPS, -1);
	passes_on = 1;
	for (int i = 0; i < 2; i++) {
		struct sigaction old;

		install(other, SA_RESTART, &old);
		if (!i)
			under_other = old;
		expect(fence_until_answered(&w), "answered");
	}
	before = count(&told);
	expect(arrives_at(&told, &w), "it arrives");
	usleep(10000);
	expect(count(&told) == before + 1, "once");
	worker_stop(&w);
	expect_quiet();
}

static const struct disposition {
	const char *name;
	sighandler_t handler;
} dispositions[] = {
	{ "SIG_DFL", SIG_DFL },
	{ "SIG_IGN", SIG_IGN },
};

static void run_disposition(const void *arg)
{
	const struct disposition *d = arg;
	struct worker w;

	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	for (int i = 0; i < ROUNDS; i++) {
		expect(signal(umb_fence_signal(), d->handler) != SIG_ERR,
		       "signal()");
		expect(fence_until_answered(&w), "answered by signal");
	}
	worker_stop(&w);
	expect_quiet();
}

static void run_levels(const void *arg)
{
	struct worker w;

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	for (int i = 0; i < LEVELS - 1; i++) {
		install(other, SA_RESTART, NULL);
		expect(fence_until_answered(&w), "answered by signal");
	}
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "so far it goes");
	install(own, SA_RESTART, NULL);
	for (int i = 0; i < FENCES; i++)
		umb_fence_heavy();
	expect(umb_fence_mode() == UMB_FENCE_VISIT, "then it visits");
	expect(on_top(own), "and leaves the handler in its place");
	worker_stop(&w);
}

/* A runtime that interrupts its threads by the same signal, as Go's does. */
static unsigned int wanted[CREW], done[CREW];
static struct worker crew[CREW];

static void preempt(int signal, siginfo_t *info, void *context)
{
	const struct worker *w = worker_self();

	(void) signal;
	(void) info;
	(void) context;
	if (w >= crew && w < crew + CREW)
		__atomic_store_n(&done[w - crew], count(&wanted[w - crew]),
				 __ATOMIC_SEQ_CST);
}

static void *interrupt_all(void *arg)
{
	long begin = now_seconds();

	(void) arg;
	for (unsigned int i = 0; i < REQUESTS; i++) {
		for (int t = 0; t < CREW; t++) {
			add_one(&wanted[t]);
			pthread_kill(crew[t].thread, SIGURG);
		}
		for (int t = 0; t < CREW; t++)
			while (count(&done[t]) != count(&wanted[t]))
				if (!wait_a_little(begin))
					return "";
	}
	return NULL;
}

/* `arg`: it comes first. */
static void run_runtime(const void *arg)
{
	pthread_t runtime;
	void *failed;

	if (arg)
		install(preempt, SA_ONSTACK | SA_RESTART, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	if (!arg)
		install(preempt, SA_ONSTACK | SA_RESTART, NULL);
	for (int i = 0; i < CREW; i++)
		worker_start(&crew[i], i ? SLEEPS | READS : SLEEPS, -1);
	pthread_create(&runtime, NULL, interrupt_all, NULL);
	while (count(&wanted[CREW - 1]) < REQUESTS
	       && pthread_tryjoin_np(runtime, &failed)) {
		umb_fence_heavy();
		urcu_membarrier_synchronize_rcu();
		usleep(100);
	}
	if (count(&wanted[CREW - 1]) == REQUESTS)
		pthread_join(runtime, &failed);
	expect(!failed, "the runtime has as many as it needs");
	for (int i = 0; i < CREW; i++) {
		expect(fence_until_answered(&crew[i]), "and the library");
		worker_stop(&crew[i]);
	}
	expect_quiet();
}

/* The other ways to take signals: threads block them, and count. */
static unsigned int taken[CREW], own_taken[CREW], waiting_threads;
static int crew_stop, by_descriptor;

/* Whose is the next signal? -1: there is none. */
static int take(int fd, const sigset_t *set)
{
	static const struct timespec limit = { 0, 1000000 };
	struct signalfd_siginfo record;
	siginfo_t info;

	if (by_descriptor) {
		usleep(500);
		if (read(fd, &record, sizeof record) != sizeof record)
			return -1;
		return record.ssi_code == SI_QUEUE;
	}
	if (sigtimedwait(set, &info, &limit) < 0)
		return -1;
	return info.si_code == SI_QUEUE;
}

static void *take_signals(void *arg)
{
	size_t i = (size_t) arg;
	int fd, mine;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	crew[i].thread = pthread_self();
	crew[i].tid = (pid_t) syscall(SYS_gettid);
	umb_fence_register_thread();
	add_one(&waiting_threads);
	while (!__atomic_load_n(&crew_stop, __ATOMIC_SEQ_CST)) {
		mine = take(fd, &set);
		if (mine >= 0)
			add_one(mine ? &own_taken[i] : &taken[i]);
	}
	close(fd);
	return NULL;
}

static void run_takers(const void *arg)
{
	pthread_t thread[CREW];
	sigset_t set;

	by_descriptor = !!arg;
	case_mode(UMB_FENCE_SIGNAL);
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < CREW; i++)
		pthread_create(&thread[i], NULL, take_signals, (void *) i);
	while (count(&waiting_threads) < CREW)
		usleep(100);
	for (int i = 0; i < FENCES; i++) {
		umb_fence_heavy();
		usleep(1000);
	}
	/* More than one: the kernel merges it with what is on its way. */
	for (int i = 0; i < CREW; i++)
		for (long begin = now_seconds(); !count(&own_taken[i]); ) {
			poke(&crew[i]);
			if (!expect(wait_a_little(begin), "the program takes "
				    "its signals"))
				break;
		}
	__atomic_store_n(&crew_stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < CREW; i++) {
		pthread_join(thread[i], NULL);
		expect(taken[i] <= 1, "at most one of the library's a thread");
	}
	case_note("records of the library's: %u %u %u", taken[0], taken[1],
		  taken[2]);
	expect_quiet();
}

static const struct {
	const char *name;
	void (*run)(const void *arg);
	const void *arg;
} cases[] = {
	{ "errno of the interrupted code", run_errno, NULL },
	{ "the alternate stack", run_stack, NULL },
	{ "a handler below", run_below, NULL },
	{ "a plain handler below", run_below, "" },
	{ "the mask of a handler below", run_mask_below, "" },
	{ "its mask, with SA_NODEFER", run_mask_below, NULL },
	{ "a handler above", run_above, NULL },
	{ "a handler above that passes on", run_above_passing_on, NULL },
	{ "a handler above, met by a blind caller", run_above_blind, NULL },
	{ "a handler that passes on later", run_circle, NULL },
	{ "the same handler twice", run_once_each, NULL },
	{ "a plugin that comes and goes", run_plugin, NULL },
	{ "SIG_DFL, later", run_disposition, &dispositions[0] },
	{ "SIG_IGN, later", run_disposition, &dispositions[1] },
	{ "more handlers above than levels", run_levels, NULL },
	{ "a runtime with the signal, before", run_runtime, "" },
	{ "a runtime with the signal, after", run_runtime, NULL },
	{ "the child of a fork", run_fork, NULL },
	{ "signalfd", run_takers, "" },
	{ "sigtimedwait", run_takers, NULL },
};

int main(int argc, char **argv)
{
	case_main(argc, argv);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		case_run(cases[i].run, cases[i].arg, "%s", cases[i].name);
	return tap_end();
}
