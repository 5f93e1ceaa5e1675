/* SPDX-License-Identifier: MIT */

/*
 * Sections in signal handlers, between any two instructions of the read side.
 * Single-stepped by a tracer, not timed: it sends the signal at an instruction,
 * the handler runs its sections and traps, and the tracer steps on from where
 * the handler came in. White-box, for what a thread must look like afterwards.
 *
 * An operation is run over and over by a thread that the tracer follows: alone,
 * so that its path is known; with a handler at every instruction; with one, at
 * each instruction in turn, for the first handler changes what others find; and
 * so again with that handler interrupted, at some of its own instructions. All
 * on the thread's stack and on an alternate one. Where signals are blocked
 * there is none, but one right after.
 */

#define _GNU_SOURCE
#include "tests/lib/tap.h"
#include "tests/unit/step.h"

#if CAN_STEP

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/cpu.h"

#define PAIRS_VISITOR	3	/* of handlers, at an instruction */

static const struct operation in_threads[] = {
	{ "a thread's first section", "", "EL", "", ONLINE, 100 },
	{ "outermost lock", "O", "E", "L", ONLINE, 8 },
	{ "nested lock", "E", "E", "LL", ONLINE, 8 },
	{ "outermost unlock", "E", "L", "", ONLINE, 8 },
	{ "nested unlock", "EE", "L", "L", ONLINE, 8 },
	{ "two sections, nested", "O", "EELL", "", ONLINE, 30 },
	{ "unlock that wakes an updater", "EW", "L", "J", ONLINE, 30 },
	{ "nested, an updater asleep", "EW", "ELEL", "LJ", ONLINE, 30 },
	{ "register", "", "R", "", OFFLINE, 100 },
	{ "register, registered", "O", "R", "", ONLINE, 10 },
	{ "register, in a section", "E", "R", "L", ONLINE, 10 },
	{ "fence registration", "", "N", "", OFFLINE, 100 },
	{ "unregister", "O", "U", "", UNREGISTERED, 50 },
	{ "unregister, offline", "R", "U", "", UNREGISTERED, 50 },
	{ "unregister, unregistered", "", "U", "", UNREGISTERED, 50 },
	{ "register and unregister", "", "RU", "", UNREGISTERED, 150 },
	{ "a section after unregistering", "OU", "EL", "", ONLINE, 100 },
	{ "offline", "O", "F", "", OFFLINE, 10 },
	{ "offline, unregistered", "", "F", "", UNREGISTERED, 10 },
	{ "offline, in a section", "E", "F", "L", ONLINE, 10 },
	{ "online", "OF", "O", "", ONLINE, 20 },
	{ "online, unregistered", "", "O", "", ONLINE, 100 },
	{ "online, online", "O", "O", "", ONLINE, 20 },
	{ "online, in a section", "E", "O", "L", ONLINE, 20 },
	{ "a section brings the thread online", "OF", "EL", "", ONLINE, 30 },
	{ "offline and a section", "O", "FEL", "", ONLINE, 40 },
};

static const struct operation in_visitors[] = {
	{ "visitor: a section", "", "EL", "", UNREGISTERED, 150 },
	{ "visitor: a section begins", "", "E", "L", ONLINE, 100 },
	{ "visitor: a section ends", "E", "L", "", UNREGISTERED, 50 },
	{ "visitor: nested lock and unlock", "E", "EL", "L", ONLINE, 30 },
	{ "visitor: unlock that wakes an updater", "EW", "L", "J",
	  UNREGISTERED, 50 },
	{ "visitor: register", "", "R", "", UNREGISTERED, 5 },
	{ "visitor: unregister", "", "U", "", UNREGISTERED, 50 },
	{ "visitor: online", "", "O", "", UNREGISTERED, 10 },
	{ "visitor: online, in a section", "E", "O", "L", ONLINE, 10 },
	{ "visitor: offline, in a section", "E", "F", "L", ONLINE, 10 },
	{ "visitor: settles in a section", "EZ", "R", "L", ONLINE, 50 },
	{ "visitor: settles and leaves", "EZ", "RL", "", ONLINE, 50 },
};

struct shared *shared;

void expect(int good, const char *what)
{
	if (!good && !shared->failure)
		shared->failure = what;
}

/* PTRACE_GETSIGMASK, for C libraries that do not have it. */
#define GET_SIGNAL_MASK	0x420a

#define PATH_STEPS	8192

/* The instructions of an operation that nothing disturbs. */
struct path {
	unsigned long length;
	unsigned long place[PATH_STEPS];
	char open[PATH_STEPS];		/* signals are not blocked */
};
static struct path path, section;	/* this operation's, and a section's */

struct tracer {
	pid_t child, tid;
	int status;		/* the child's, once it is gone */
	int gone;
	int refused;		/* no tracing here, or no breakpoints */
	int at_entry;		/* a handler's begin: no signals are taken */
	unsigned long passed;	/* signals that were not ours */
	unsigned long runs, handlers, inner, missed;
};

/* Nonzero: it stands still. */
static int await_stop(struct tracer *t)
{
	pid_t tid;

	while ((tid = waitpid(-1, &t->status, __WALL)) > 0 || errno == EINTR) {
		if (tid > 0 && WIFSTOPPED(t->status)) {
			t->tid = tid;
			return 1;
		}
		if (tid == t->child)
			break;
	}
	t->gone = 1;
	return 0;
}

/*
 * Let it go on until its next trap. Others' signals go their way: a fence may
 * have sent them.
 */
static void resume(struct tracer *t, int request, int sig)
{
	t->at_entry = request == PTRACE_SINGLESTEP && sig;
	while (!t->gone) {
		ptrace(request, t->tid, NULL, (void *) (long) sig);
		if (!await_stop(t))
			return;
		sig = WSTOPSIG(t->status);
		if (sig == SIGTRAP)
			return;
		t->passed++;
		t->at_entry = request == PTRACE_SINGLESTEP;
	}
}

static unsigned long place(const struct tracer *t)
{
	struct user_regs_struct regs = { 0 };

	ptrace(PTRACE_GETREGS, t->tid, NULL, &regs);
	return (unsigned long) regs.PC;
}

/* The mark at which it stands; 0 if this is a step. */
static long mark_of(const struct tracer *t)
{
	struct user_regs_struct regs;
	siginfo_t info;

	if (t->gone || ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info)
	    || info.si_code != SI_KERNEL
	    || ptrace(PTRACE_GETREGS, t->tid, NULL, &regs))
		return 0;
	return (long) regs.RESULT;
}

static int blocked(const struct tracer *t, int sig)
{
	uint64_t mask;

	return ptrace(GET_SIGNAL_MASK, t->tid, (void *) sizeof mask, &mask)
		|| (mask >> (sig - 1) & 1);
}

/* Stop before it executes what is there; nowhere for 0. Nonzero: it cannot. */
static int set_breakpoint(struct tracer *t, unsigned long where)
{
	const size_t at = offsetof(struct user, u_debugreg);
	const size_t control = offsetof(struct user, u_debugreg[7]);

	return ptrace(PTRACE_POKEUSER, t->tid, control, 0)
		|| (where && (ptrace(PTRACE_POKEUSER, t->tid, at, where)
			      || ptrace(PTRACE_POKEUSER, t->tid, control, 1)));
}

/* It stands before its return, which shall lead back here. */
static void end_handler(struct tracer *t, unsigned long here)
{
	unsigned long passed = t->passed;

	expect(mark_of(t) == MARK_HANDLED, "the handler comes to its end");
	resume(t, PTRACE_SINGLESTEP, 0);
	/* Or into the handler of a signal that is not ours. */
	expect(place(t) == here || t->passed != passed,
	       "the handler returns to where it came in");
}

/*
 * A handler at the instruction where it stands; afterwards it stands there
 * again. 0 if it takes none.
 */
static int interrupt(struct tracer *t, int sig)
{
	unsigned long here = place(t);

	if (t->gone || t->at_entry || blocked(t, sig))
		return 0;
	resume(t, PTRACE_CONT, sig);
	end_handler(t, here);
	return 1;
}

/* One that is interrupted itself, if it comes to that place. */
static void interrupt_twice(struct tracer *t, unsigned long where)
{
	unsigned long here = place(t);

	if (t->gone || blocked(t, SIGUSR1))
		return;
	set_breakpoint(t, where);
	resume(t, PTRACE_CONT, SIGUSR1);
	set_breakpoint(t, 0);
	if (mark_of(t) != MARK_HANDLED) {
		t->inner += (unsigned long) interrupt(t, SIGUSR2);
		resume(t, PTRACE_CONT, 0);
	}
	end_handler(t, here);
	t->handlers++;
}

/* The end mark is next, or has been reached; what will the child do then? */
static void end_run(struct tracer *t, int interrupted)
{
	if (mark_of(t) != MARK_END)
		resume(t, PTRACE_CONT, 0);
	expect(mark_of(t) == MARK_END, "the operation ends");
	shared->interrupted = interrupted;
	/* Where fences take long, few grace periods. */
	shared->synchronize = t->runs % 16 == 4 && t->runs < tap_scale(9999, 8);
	t->runs++;
	resume(t, PTRACE_CONT, 0);
	expect(!shared->again || mark_of(t) == MARK_BEGIN,
	       "the operation begins");
}

/* Undisturbed, to know the path. */
static void run_alone(struct tracer *t)
{
	unsigned long n;

	for (n = 0; !t->gone && mark_of(t) != MARK_END; n++) {
		if (n < PATH_STEPS) {
			path.place[n] = place(t);
			path.open[n] = !blocked(t, SIGUSR1);
		}
		resume(t, PTRACE_SINGLESTEP, 0);
	}
	expect(n <= PATH_STEPS, "there is room for the path");
	path.length = n;
	end_run(t, 0);
}

/*
 * A handler at each instruction. Not for ever: a visitor that is always
 * interrupted never gets into its section.
 */
static void run_everywhere(struct tracer *t, unsigned long most)
{
	while (!t->gone && !shared->failure && mark_of(t) != MARK_END) {
		if (most && interrupt(t, SIGUSR1)) {
			most--;
			t->handlers++;
		}
		resume(t, PTRACE_SINGLESTEP, 0);
	}
	end_run(t, 1);
}

/* To the n-th instruction of the path. 0 if it went another way. */
static int run_to(struct tracer *t, unsigned long n)
{
	unsigned long where = path.place[n];

	if (!n)
		return 1;
	set_breakpoint(t, where);
	for (unsigned long i = 1; i <= n; i++) {
		if (path.place[i] != where)
			continue;
		resume(t, PTRACE_CONT, 0);
		if (t->gone || place(t) != where)
			break;
	}
	set_breakpoint(t, 0);
	return place(t) == where;
}

static void run_once(struct tracer *t, unsigned long n)
{
	if (run_to(t, n))
		t->handlers += (unsigned long) interrupt(t, SIGUSR1);
	else
		t->missed++;
	end_run(t, 1);
}

/* Some of all pairs of places, not the same ones at each. */
static void run_nested(struct tracer *t, unsigned long n, unsigned long pairs)
{
	static unsigned long next;

	if (!run_to(t, n))
		t->missed++;
	else
		while (pairs-- && !t->gone) {
			do
				next = (next + 61) % section.length;
			while (!section.open[next]);
			interrupt_twice(t, section.place[next]);
		}
	end_run(t, 1);
}

static void run_each(struct tracer *t, unsigned long stride,
		     unsigned long pairs)
{
	for (unsigned long n = 0; n < path.length; n += stride) {
		if (t->gone || shared->failure)
			return;
		if (!path.open[n])
			continue;
		if (pairs && section.length)
			run_nested(t, n, pairs);
		else
			run_once(t, n);
	}
}

static void run_all(struct tracer *t)
{
	unsigned long stride = 1;

	end_run(t, 0);		/* pages are touched, functions bound */
	run_alone(t);
	if (path.length && (!section.length || shared->op == in_visitors))
		section = path;
	/* A fence or two in each run: where they take long, fewer runs. */
	if (strchr(shared->op->before, 'W'))
		stride += path.length / tap_scale(9999, 2);
	for (int i = 0; i < 2; i++) {
		shared->alternate = i;
		end_run(t, 0);
		run_everywhere(t, 2 * path.length);
		run_each(t, stride, 0);
		run_each(t, stride, shared->visitor ? PAIRS_VISITOR : 1);
	}
	shared->again = 0;
	end_run(t, 0);
}

static void start(struct tracer *t)
{
	t->child = fork();
	if (!t->child)
		run_child();
	if (t->child < 0 || !await_stop(t)) {
		t->refused = WIFEXITED(t->status)
			&& WEXITSTATUS(t->status) == EXIT_REFUSED;
		t->gone = 1;
		return;
	}
	ptrace(PTRACE_SETOPTIONS, t->tid, NULL,
	       (void *) (long) PTRACE_O_EXITKILL);
	if (WSTOPSIG(t->status) != SIGTRAP)
		resume(t, PTRACE_CONT, WSTOPSIG(t->status));
	t->refused = !t->gone
		&& (set_breakpoint(t, place(t)) || set_breakpoint(t, 0));
	if (t->refused)
		kill(t->child, SIGKILL);
}

static void finish(struct tracer *t)
{
	if (shared->failure)
		kill(t->child, SIGKILL);
	while (!t->gone)
		if (await_stop(t))
			ptrace(PTRACE_CONT, t->tid, NULL, NULL);
}

static void tell_failure(const struct tracer *t)
{
	if (shared->failure)
		tap_diag("not so: %s", shared->failure);
	if (WIFSIGNALED(t->status))
		tap_diag("killed by signal %d", WTERMSIG(t->status));
	tap_diag("in measurement %lu", t->runs);
}

/* Nonzero: go on with the next one. */
static int test(const struct operation *op, int visitor)
{
	struct tracer t = { .runs = 0 };
	int good;

	*shared = (struct shared) { .op = op, .visitor = visitor, .again = 1 };
	start(&t);
	if (!t.refused)
		run_all(&t);
	finish(&t);
	if (t.refused) {
		tap_skip("no tracing, or no breakpoints", "%s", op->what);
		return 0;
	}
	good = !shared->failure && !t.status && path.length >= op->least
		&& t.handlers >= op->least && 2 * t.missed <= t.runs;
	tap_ok(good, "%s: %lu instructions, %lu handlers", op->what,
	       path.length, t.handlers);
	tap_diag("%lu measurements, %lu handlers in handlers, %lu missed",
		 t.runs, t.inner, t.missed);
	if (!good)
		tell_failure(&t);
	return !WIFSIGNALED(t.status) || WTERMSIG(t.status) != SIGALRM;
}

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

int main(void)
{
	int go_on = 1;

	tap_begin();
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* One CPU: the two take turns anyway. */
	cpu_pin(sched_getcpu());
	for (size_t i = 0; i < COUNT(in_threads) && go_on; i++)
		go_on = test(&in_threads[i], 0);
	for (size_t i = 0; i < COUNT(in_visitors) && go_on; i++)
		go_on = test(&in_visitors[i], 1);
	return tap_end();
}

#else

int main(void)
{
	tap_begin();
	tap_skip("x86 only", "handlers between instructions");
	return tap_end();
}

#endif
