/* SPDX-License-Identifier: MIT */

/*
 * fork() between any two instructions of a thread in the library: in a signal
 * handler, or by another thread while this one stands still. A tracer steps it to
 * each place in turn; parent and child both go on from there, and count.
 * UMB_TEST_SECONDS: at every instruction, else at some.
 */

#define _GNU_SOURCE
#include "tests/lib/tap.h"
#include "tests/unit/step.h"

#if CAN_STEP

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define CHILD_SECONDS	10
#define PLACES		16UL	/* an operation */
#define STEPS_MAX	20000UL
#define HEADS		2
#define LATE_US		30000
#define NAP_US		200
#define NAPS		200	/* it may wait for a lock of whom we step */
#define GET_SIGNAL_MASK	0x420a	/* PTRACE_GETSIGMASK */

static const struct act {
	const char *what;
	const char *acts;
	unsigned long least;	/* instructions */
} operations[] = {
	{ "a section", "()", 8 },
	{ "nested sections", "(())", 20 },
	{ "unregister, and a section", "u()", 100 },
	{ "synchronize_rcu", "s", 100 },
	{ "synchronize_rcu, having read", "()s", 100 },
	{ "heavy fence", "()f", 50 },
	{ "call_rcu", "q", 10 },
	{ "call_rcu twice", "qq", 20 },
	{ "call_rcu in a section", "(q)", 20 },
	{ "rcu_barrier", "qb", 50 },
	{ "defer_rcu", "i", 10 },
	{ "defer_barrier", "id", 50 },
	{ "polling", "pP", 30 },
	{ "call_rcu_before_fork", "B", 50 },
};

/* Of both processes, and of the children. */
static struct state {
	int stop;
	int asked, answered;	/* of the thread beside, to fork */
	unsigned long bad;
	char why;
	int child;		/* its status */
} *state;

static struct rcu_head heads[HEADS];
static unsigned long queued, ran, deferred, undone;
static struct urcu_gp_poll_state cookie;
static pid_t child;
static int in_child;

#define mark(which) \
	do \
		if (!in_child) \
			__asm__ volatile ("int3" : : "a" (which) : "memory"); \
	while (0)

static void callback(struct rcu_head *head)
{
	(void) head;
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
}

static void undo(void *p)
{
	(void) p;
	__atomic_fetch_add(&undone, 1, __ATOMIC_SEQ_CST);
}

/* Nothing here may allocate: the handler forks, and fork takes those locks. */
static void do_it(char what)
{
	switch (what) {
	case '(': rcu_read_lock(); break;
	case ')': rcu_read_unlock(); break;
	case 'u': rcu_unregister_thread(); break;
	case 's': synchronize_rcu(); break;
	case 'f': umb_fence_heavy(); break;
	case 'q': call_rcu(&heads[queued++ % HEADS], callback); break;
	case 'b': rcu_barrier(); break;
	case 'i': deferred++; defer_rcu(undo, NULL); break;
	case 'd': rcu_defer_barrier_thread(); rcu_defer_barrier(); break;
	case 'p': cookie = start_poll_synchronize_rcu(); break;
	case 'P': poll_state_synchronize_rcu(cookie); break;
	case 'B': call_rcu_before_fork(); call_rcu_after_fork_parent(); break;
	}
}

static void bad(char why)
{
	__atomic_store_n(&state->why, why, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&state->bad, 1, __ATOMIC_SEQ_CST);
}

/*
 * A callback that the fork has cut short never runs in the child; one that runs
 * after the barrier's return is a fault.
 */
static void check(const unsigned long *count, unsigned long wanted, char why)
{
	unsigned long now = __atomic_load_n(count, __ATOMIC_SEQ_CST);

	if (now == wanted)
		return;
	if (!in_child || now > wanted || now + 1 < wanted)
		bad(why);
	usleep(LATE_US);
	if (__atomic_load_n(count, __ATOMIC_SEQ_CST) != now)
		bad(why);
}

static void check_all(void)
{
	if (rcu_read_ongoing())
		bad('(');
	rcu_read_lock();
	rcu_read_unlock();
	synchronize_rcu();
	rcu_barrier();
	check(&ran, queued, 'q');
	rcu_defer_barrier();
	check(&undone, deferred, 'i');
	/* Once more, of their own. */
	do_it('q');
	do_it('i');
	rcu_barrier();
	rcu_defer_barrier();
	if (ran + in_child < queued || undone + in_child < deferred)
		bad('2');
}

/* The child has none who waits for its marks. */
static void trap(int signal)
{
	(void) signal;
}

static void forks(int sig)
{
	(void) sig;
	child = fork();
	if (child)
		return;
	in_child = 1;
	/* Steps where it is blocked have put it back. */
	signal(SIGTRAP, trap);
	alarm(CHILD_SECONDS);
}

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* In its child, the thread that is stepped is not there any more. */
static void fork_beside(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		in_child = 1;
		alarm(CHILD_SECONDS);
		check_all();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		state->child = status;
		bad(WIFSIGNALED(status) ? 'H' : 'X');
	}
}

static void *stand_by(void *arg)
{
	for (;;) {
		while (load(&state->asked) == load(&state->answered))
			usleep(NAP_US);
		fork_beside();
		__atomic_fetch_add(&state->answered, 1, __ATOMIC_SEQ_CST);
	}
	return arg;
}

static void step_me(const struct act *op)
{
	int status = 0;

	mark(MARK_BEGIN);
	for (const char *act = op->acts; *act; act++)
		do_it(*act);
	mark(MARK_END);
	while (!in_child && load(&state->asked) != load(&state->answered))
		usleep(NAP_US);
	check_all();
	if (in_child)
		_exit(0);
	if (child > 0 && (waitpid(child, &status, 0) != child || status))
	{
		state->child = status;
		bad(WIFSIGNALED(status) ? 'h' : 'x');
	}
	child = 0;
}

static void be_traced(const struct act *op)
{
	struct sigaction action = { .sa_handler = forks, .sa_flags = SA_RESTART };
	pthread_t beside;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigaction(SIGUSR1, &action, NULL);
	/* The worker's thread, the ring, the record. */
	check_all();
	if (pthread_create(&beside, NULL, stand_by, NULL))
		_exit(1);
	alarm(20 * CHILD_SECONDS);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(EXIT_REFUSED);
	while (!__atomic_load_n(&state->stop, __ATOMIC_SEQ_CST))
		step_me(op);
	_exit(0);
}

/* To its next trap, or its end: zero. */
static int resume(pid_t pid, int request, int sig, int *status)
{
	for (;;) {
		ptrace(request, pid, NULL, (void *) (long) sig);
		if (waitpid(pid, status, __WALL) != pid || !WIFSTOPPED(*status))
			return 0;
		sig = WSTOPSIG(*status);
		if (sig == SIGTRAP)
			return 1;
	}
}

static int at_mark(pid_t pid, long which)
{
	struct user_regs_struct regs;
	siginfo_t info;

	return !ptrace(PTRACE_GETSIGINFO, pid, NULL, &info)
		&& info.si_code == SI_KERNEL
		&& !ptrace(PTRACE_GETREGS, pid, NULL, &regs)
		&& (long) regs.RESULT == which;
}

static int is_open(pid_t pid)
{
	uint64_t mask = ~UINT64_C(0);

	ptrace(GET_SIGNAL_MASK, pid, (void *) sizeof mask, &mask);
	return !(mask >> (SIGUSR1 - 1) & 1);
}

/* Let the other thread fork, while this one stands. */
static void ask(void)
{
	int asked = __atomic_add_fetch(&state->asked, 1, __ATOMIC_SEQ_CST);

	for (int n = 0; n < NAPS && load(&state->answered) != asked; n++)
		usleep(NAP_US);
}

/* One run, the fork at the n-th step that can take it. How many steps? */
static unsigned long run(pid_t pid, int by_other, unsigned long n,
			 unsigned long *sent, int *status)
{
	unsigned long steps = 0;

	if (!resume(pid, PTRACE_CONT, 0, status))
		return 0;
	while (!at_mark(pid, MARK_END) && steps < STEPS_MAX) {
		if (steps++ >= n && (by_other || is_open(pid))) {
			++*sent;
			if (by_other)
				ask();
			return resume(pid, PTRACE_CONT, by_other ? 0 : SIGUSR1,
				      status) ? steps : 0;
		}
		if (!resume(pid, PTRACE_SINGLESTEP, 0, status))
			return 0;
	}
	if (steps == STEPS_MAX && !resume(pid, PTRACE_CONT, 0, status))
		return 0;
	return steps;
}

static void test(const struct act *op, int by_other)
{
	unsigned long length, stride, sent = 0, places;
	int status = 0;
	pid_t pid = fork();

	*state = (struct state) { 0 };
	if (!pid)
		be_traced(op);
	places = getenv("UMB_TEST_SECONDS") ? STEPS_MAX : tap_scale(PLACES, 3);
	run(pid, by_other, ~0UL, &sent, &status);
	length = run(pid, by_other, ~0UL, &sent, &status);
	stride = length / places + 1;
	for (unsigned long n = 0; n < length && !state->bad; n += stride)
		if (!run(pid, by_other, n, &sent, &status))
			break;
	__atomic_store_n(&state->stop, 1, __ATOMIC_SEQ_CST);
	while (WIFSTOPPED(status) && resume(pid, PTRACE_CONT, 0, &status))
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED) {
		tap_skip("no tracing", "%s", op->what);
		return;
	}
	if (!tap_ok(!state->bad && !status && sent && length >= op->least,
		    "%s%s: %lu instructions, %lu forks", op->what,
		    by_other ? ", beside it" : "", length, sent))
		tap_diag("status %#x, child %#x, %lu faults: %c",
			 (unsigned int) status, (unsigned int) state->child,
			 state->bad, state->why ? state->why : '-');
}

int main(void)
{
	tap_begin();
	state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
		for (int by_other = 0; by_other < 2; by_other++)
			test(&operations[i], by_other);
	return tap_end();
}

#else

int main(void)
{
	tap_begin();
	tap_skip("x86 only", "forks between instructions");
	return tap_end();
}

#endif
