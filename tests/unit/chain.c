/* SPDX-License-Identifier: MIT */

/*
 * Handlers that pass on to the library's, and that it passes on to: what they
 * find blocked, and what happens when one is left by siglongjmp(). White-box: a
 * function of src/sys/cpu.c goes through this program, to come between a thread's
 * taking of a flag and its counting down.
 */

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "sys/sys.h"
#include "tests/lib/cases.h"
#include "tests/lib/tap.h"
#include "thread/hold.h"

#define ROUNDS	5

static struct sigaction below;		/* what `upper` passes on to */
static sigjmp_buf out;
static int lower_runs, upper_runs, leaves;
static int blocked_before, blocked_in, blocked_after;
static __thread int inside;		/* in `upper` */
static int shots;			/* signals that come between */

/* The linker puts it before the library's, see local.mk. */
int __real_umbi_cpu(void);
int __wrap_umbi_cpu(void);

int __wrap_umbi_cpu(void)
{
	if (inside && !__atomic_exchange_n(&shots, 1, __ATOMIC_SEQ_CST))
		raise(SIGALRM);
	return __real_umbi_cpu();
}

static int is_blocked(int signal)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, signal);
}

static void lower(int signal, siginfo_t *info, void *context)
{
	(void) signal, (void) info, (void) context;
	lower_runs++;
	blocked_in = is_blocked(SIGUSR2);
	if (leaves)
		siglongjmp(out, 1);
}

static void upper(int signal, siginfo_t *info, void *context)
{
	upper_runs++;
	inside = 1;
	blocked_before = is_blocked(SIGUSR2);
	below.sa_sigaction(signal, info, context);
	blocked_after = is_blocked(SIGUSR2);
	inside = 0;
}

static void install(int signal, void (*h)(int, siginfo_t *, void *),
		    int also_blocks, struct sigaction *old)
{
	struct sigaction a = { .sa_flags = SA_SIGINFO };

	a.sa_sigaction = h;
	if (also_blocks)
		sigaddset(&a.sa_mask, also_blocks);
	expect(!sigaction(signal, &a, old), "sigaction");
}

/* lower, the library's, upper. */
static void run_masks(const void *arg)
{
	(void) arg;
	case_needs_membarrier();	/* or the library's is below them all */
	install(SIGURG, lower, 0, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	raise(SIGURG);
	expect(lower_runs == 1 && !blocked_in, "only what it asked for");
	install(SIGURG, upper, SIGUSR2, &below);
	raise(SIGURG);
	expect(upper_runs == 1 && lower_runs == 2, "both are called");
	expect(blocked_before && blocked_in && blocked_after,
	       "what the upper one blocks stays blocked below and after it");
	expect(!is_blocked(SIGUSR2) && !is_blocked(SIGURG), "and no longer");
}

/* Each time from the same depth of the stack, so at the same addresses. */
static __attribute__((noinline)) void deliver_one(void)
{
	if (!sigsetjmp(out, 1))
		raise(SIGURG);
}

static void run_left(const void *arg)
{
	(void) arg;
	case_needs_membarrier();
	install(SIGURG, lower, 0, NULL);
	case_mode(UMB_FENCE_SIGNAL);
	leaves = 1;
	for (int i = 1; i <= ROUNDS; i++) {
		deliver_one();
		expect(lower_runs == i, "it has each delivery");
	}
	install(SIGURG, upper, 0, &below);
	for (int i = 1; i <= ROUNDS; i++) {
		deliver_one();
		expect(upper_runs == i && lower_runs == ROUNDS + i,
		       "and each after somebody has come above us");
	}
}

static void leave_by_alarm(int signal)
{
	(void) signal;
	inside = 0;
	siglongjmp(out, 1);
}

static int up;

static void *be_fenced(void *arg)
{
	umb_fence_register_thread();
	sigsetjmp(out, 1);
	__atomic_store_n(&up, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return arg;
}

static void run_half_way(const void *arg)
{
	pthread_t thread;

	(void) arg;
	signal(SIGALRM, leave_by_alarm);
	case_mode(UMB_FENCE_SIGNAL);
	install(SIGURG, upper, 0, &below);
	pthread_create(&thread, NULL, be_fenced, NULL);
	while (!__atomic_load_n(&up, __ATOMIC_SEQ_CST))
		sched_yield();
	/* A lost count would let these wait for ever. On a busy machine visits win. */
	for (int i = 0; i < ROUNDS || (!shots && i < 1000 * ROUNDS); i++)
		umb_fence_heavy();
	expect(shots == 1, "a signal came between flag and count");
	for (int i = 0; i < UMBI_SCOPES; i++)
		expect(!umbi_hold_barriers[i].outstanding, "nobody waits");
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	case_run(run_masks, NULL, "what handlers find blocked");
	case_run(run_left, NULL, "a handler that is left by siglongjmp()");
	case_run(run_half_way, NULL,
		 "siglongjmp() while the library's handler is at work");
	return tap_end();
}
