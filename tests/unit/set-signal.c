/* SPDX-License-Identifier: MIT */

/*
 * Which signal the signal mode sends: umb_fence_set_signal(), and a signal that
 * the kernel refuses to queue. Each case in a process of its own; see
 * tests/lib/cases.h.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/lib/cases.h"
#include "tests/lib/tap.h"

#define FENCES		20
#define CHANGES		5
#define MANY		16	/* changes; there need not be room for all */

static void run_queue_full(const void *arg)
{
	static const struct rlimit none = { 0, 0 };
	struct worker w;

	(void) arg;
	expect(!umb_fence_set_signal(SIGRTMIN + 1), "a real-time signal");
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	expect(!setrlimit(RLIMIT_SIGPENDING, &none), "setrlimit");
	if (syscall(__NR_tgkill, getpid(), w.tid, SIGRTMIN + 1) != -1
	    || errno != EAGAIN)
		case_skip("the limit does not matter here");
	for (int i = 0; i < FENCES; i++)
		umb_fence_heavy();
	worker_stop(&w);
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode stays");
}

static void run_unfit(const void *arg)
{
	static const int unfit[] = {
		INT_MIN, -1, 0, SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP,
		SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV, SIGPIPE, SIGALRM,
		SIGTERM, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
		SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS, 32, 33, 65, 1000,
		INT_MAX,
	};
	int before = umb_fence_signal();

	(void) arg;
	errno = CASE_ERRNO;
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++)
			expect(umb_fence_set_signal(unfit[i]) == -EINVAL,
			       "-EINVAL");
		expect(umb_fence_signal() == before, "and the signal stays");
		expect(errno == CASE_ERRNO, "and errno");
		expect(!umb_fence_select(UMB_FENCE_SIGNAL), "mode");
	}
}

static void run_busy(const void *arg)
{
	struct worker w, me;
	int before = umb_fence_signal();

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	worker_become(&me);
	expect(!umb_fence_set_signal(SIGUSR2), "one thread is not too many");
	expect(!umb_fence_set_signal(before), "and back again");
	worker_start(&w, SLEEPS, -1);
	errno = CASE_ERRNO;
	expect(umb_fence_set_signal(SIGUSR1) == -EBUSY, "-EBUSY, with two");
	expect(errno == CASE_ERRNO && umb_fence_signal() == before,
	       "errno and the signal stay");
	worker_stop(&w);
	expect(!umb_fence_set_signal(SIGUSR1), "not so when it has gone");
}

/* No room for one handler more: all stays as it was. */
static void run_too_often(const void *arg)
{
	int ret = 0, last = 0, signal = SIGRTMIN;

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	while (!ret && signal < SIGRTMIN + MANY) {
		last = umb_fence_signal();
		ret = umb_fence_set_signal(signal++);
	}
	if (!ret)
		return;
	expect(umb_fence_signal() == last, "refused, the signal stays");
	umb_fence_heavy();
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "and the mode");
}

static unsigned int seen;
static void (*library)(int signal, siginfo_t *info, void *context);

/* Above the library's. */
static void see(int signal, siginfo_t *info, void *context)
{
	__atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST);
	library(signal, info, context);
}

static void use_signal(int after, int number)
{
	struct sigaction old, new = { .sa_flags = SA_SIGINFO | SA_RESTART };
	struct worker w;

	errno = CASE_ERRNO;
	if (after)
		case_mode(UMB_FENCE_SIGNAL);
	errno = CASE_ERRNO;
	expect(!umb_fence_set_signal(number), "umb_fence_set_signal");
	expect(errno == CASE_ERRNO, "errno stays");
	expect(umb_fence_signal() == number, "it is in use");
	if (!after)
		case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	sigaction(number, NULL, &old);
	library = old.sa_sigaction;
	new.sa_sigaction = see;
	expect(library && !sigaction(number, &new, NULL), "sigaction");
	expect(fence_until_answered(&w), "fences are answered");
	expect(__atomic_load_n(&seen, __ATOMIC_SEQ_CST), "by this signal");
	worker_stop(&w);
}

static void run_before(const void *arg)
{
	use_signal(0, *(const int *) arg);
}

static void run_after(const void *arg)
{
	use_signal(1, *(const int *) arg);
}

/* Fences go on in a thread that is not registered. */
static void *fence_on(void *arg)
{
	while (!__atomic_load_n((int *) arg, __ATOMIC_SEQ_CST))
		umb_fence_heavy();
	return NULL;
}

static void run_change(const void *arg)
{
	static const int others[] = { SIGUSR1, SIGUSR2, SIGIO };
	int stop = 0;
	struct worker w;
	pthread_t thread;

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	pthread_create(&thread, NULL, fence_on, &stop);
	usleep(200);
	for (int i = 0; i < 3; i++) {
		expect(!umb_fence_set_signal(others[i]), "one is not too many");
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	worker_stop(&w);
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode stays");
}

static void test_signals(const int *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		case_run(run_before, &numbers[i], "signal %d, before the mode",
			 numbers[i]);
		case_run(run_after, &numbers[i], "signal %d, after the mode",
			 numbers[i]);
	}
}

int main(int argc, char **argv)
{
	static const int named[] = {
		SIGURG, SIGUSR1, SIGUSR2, SIGWINCH, SIGIO,
	};
	static int real_time[4];

	case_main(argc, argv);
	case_run(run_queue_full, NULL, "a signal that cannot be queued");
	case_run(run_unfit, NULL, "unfit signals");
	case_run(run_busy, NULL, "two threads");
	case_run(run_too_often, NULL, "too often");
	for (int i = 0; i < CHANGES; i++)
		case_run(run_change, NULL, "while fences go on (%d)", i);
	real_time[0] = SIGRTMIN;
	real_time[1] = SIGRTMIN + 1;
	real_time[2] = SIGRTMAX - 1;
	real_time[3] = SIGRTMAX;
	test_signals(named, sizeof named / sizeof named[0]);
	test_signals(real_time, 4);
	return tap_end();
}
