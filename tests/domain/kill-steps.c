/* SPDX-License-Identifier: MIT */

/*
 * Death between any two instructions of an operation. A tracer steps a process through
 * it once, and notes its way. Then it has others stop at each place in turn, and kills
 * them there; those who are left, or a newcomer, must get on.
 */

#define _GNU_SOURCE
#include "tests/domain/kill.h"
#include "tests/lib/cpu.h"
#include "tests/lib/tap.h"
#include "tests/unit/step.h"

#if CAN_STEP

#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX	20000UL
#define STEPS_WAITING	5000UL	/* where an operation waits for others */
#define STEPS_SHORT	1500UL	/* the same, in a short run */
#define MANY		2000	/* deaths in a mode: no short run */
#define ELSEWHERE_NS	50000000	/* it does not come by: it goes another way */
#define PC_AT		((void *) offsetof(struct user, regs.PC))
#define BREAKPOINT	0xCC
#define SETTLE_US	1500	/* for others to get to where they sleep */
#define FAULTS_MAX	3	/* an operation */
#define FAULTS_ALL	8

/* What the others do. */
enum {
	HOLDER = 1,	/* a reader is in a section when the operation begins */
	WAITED = 2,	/* a process synchronizes when the operation begins */
	FOLLOWED = 4,	/* a process begins to synchronize before the death */
	DEAD = 8,	/* all free slots of readers are those of a dead process, in
			   sections, when the operation begins */
	DEAD_LEADER = 16,	/* and a leader has died; with HOLDER */
};

static const struct operation_of {
	const char *what;
	const char *before, *acts;
	unsigned int others;
	unsigned long least;		/* instructions */
} operations[] = {
	{ "a section", "AR", "()", 0, 20 },
	{ "a section that fences", "aR", "()", 0, 20 },
	{ "nested sections", "AR", "(())", 0, 40 },
	{ "unlock, waited for", "AR(", ")", WAITED, 100 },
	{ "unlock of one that fences, waited for", "aR(", ")", WAITED, 100 },
	{ "nested unlocks, waited for", "AR((", "))", WAITED, 100 },
	{ "a section while another is waited for", "AR", "()", HOLDER | WAITED, 20 },
	{ "register", "A", "R", 0, 300 },
	{ "register without the promise", "a", "R", 0, 300 },
	{ "register over the dead", "A", "R", DEAD, 300 },
	{ "unregister", "AR", "U", 0, 100 },
	{ "attach", "", "A", 0, 800 },
	{ "detach", "A", "D", 0, 300 },
	{ "synchronize", "A", "s", 0, 300 },
	{ "synchronize, followed", "A", "s", FOLLOWED, 300 },
	{ "synchronize, a reader holds", "A", "s", HOLDER, 800 },
	{ "synchronize, a reader holds, followed", "A", "s", HOLDER | FOLLOWED, 800 },
	{ "synchronize for 3 ms", "A", "t", HOLDER | FOLLOWED, 500 },
	{ "synchronize as a follower", "A", "t", HOLDER | WAITED, 500 },
	{ "synchronize over the dead", "A", "s", DEAD | FOLLOWED, 800 },
	{ "synchronize after a dead leader", "A", "s",
	  HOLDER | DEAD_LEADER | FOLLOWED, 800 },
	{ "poll", "A", "pP", 0, 200 },
	{ "poll, a reader holds", "A", "pPPP", HOLDER | FOLLOWED, 300 },
	{ "reap", "A", "y", 0, 300 },
	{ "reap the dead", "A", "y", DEAD, 800 },
	{ "info", "A", "i", DEAD, 300 },
	{ "replace", "AR", "w", 0, 300 },
	{ "replace, a reader holds", "AR", "w", HOLDER | FOLLOWED, 800 },
};

static struct actor survivor, holder, victim;
static unsigned long way[STEPS_MAX];	/* where the instructions are */
static unsigned long elsewhere;
static unsigned long faults_of_all;

#define mark(which)	__asm__ volatile ("int3" : : "a" (which) : "memory")

/* The child. */
static void be_stepped(const struct operation_of *op)
{
	struct self self = { 0 };
	int ret = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (const char *act = op->before; *act && !ret; act++)
		ret = do_act(&self, *act);
	if (ret)
		bad("before it: %s", strerror(-ret));
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(EXIT_REFUSED);
	mark(MARK_BEGIN);
	for (const char *act = op->acts; *act; act++)
		do_act(&self, *act);
	mark(MARK_END);
	_exit(0);
}

/* To its next trap, or its end: zero. */
static int resume(int request, int *status)
{
	int sig = 0;

	for (;;) {
		if (request >= 0)
			ptrace(request, victim.pid, NULL, (void *) (long) sig);
		if (waitpid(victim.pid, status, __WALL) != victim.pid
		    || !WIFSTOPPED(*status))
			return 0;
		sig = WSTOPSIG(*status);
		if (sig == SIGTRAP)
			return 1;
		request = request < 0 ? PTRACE_CONT : request;
	}
}

/* Where it stands; 0: at the end. */
static unsigned long place_of_victim(void)
{
	struct user_regs_struct regs = { 0 };
	siginfo_t info = { .si_code = 0 };

	ptrace(PTRACE_GETREGS, victim.pid, NULL, &regs);
	if ((long) regs.RESULT != MARK_END)
		return (unsigned long) regs.PC;
	ptrace(PTRACE_GETSIGINFO, victim.pid, NULL, &info);
	return info.si_code == SI_KERNEL ? 0 : (unsigned long) regs.PC;
}

/* Nonzero: it stands before the operation. */
static int start_victim(const struct operation_of *op, int *status)
{
	fflush(stdout);
	victim.pid = fork();
	if (!victim.pid)
		be_stepped(op);
	if (victim.pid < 0) {
		puts("Bail out! no process");
		exit(1);
	}
	return resume(-1, status);
}

static unsigned long pc_of_victim(void)
{
	return (unsigned long) ptrace(PTRACE_PEEKUSER, victim.pid, PC_AT, NULL);
}

/* The way, up to n steps; how many it was. On one CPU: it is ten times as fast. */
static unsigned long step(unsigned long n, int *status)
{
	unsigned long steps = 0;
	cpu_set_t all, one;

	sched_getaffinity(0, sizeof all, &all);
	if (!cpu_pin(sched_getcpu()) && !sched_getaffinity(0, sizeof one, &one))
		sched_setaffinity(victim.pid, sizeof one, &one);
	while (steps < n && (way[steps] = place_of_victim())) {
		steps++;
		if (!resume(PTRACE_SINGLESTEP, status))
			break;
	}
	sched_setaffinity(0, sizeof all, &all);
	return steps;
}

static void poke(unsigned long pc, long text)
{
	ptrace(PTRACE_POKETEXT, victim.pid, (void *) pc, (void *) text);
}

/* Until it traps: nonzero. Zero: it ends, or does not come by. */
static int run(int *status)
{
	uint64_t end = now_ns() + ELSEWHERE_NS;
	pid_t pid = 0;

	ptrace(PTRACE_CONT, victim.pid, NULL, NULL);
	while (!(pid = waitpid(victim.pid, status, __WALL | WNOHANG))
	       && now_ns() < end)
		usleep(20);
	return pid == victim.pid && WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGTRAP;
}

/* To the n-th place of the way. */
static void go_to(unsigned long n, int *status)
{
	unsigned long pc = way[n], times = 0;
	long text = ptrace(PTRACE_PEEKTEXT, victim.pid, (void *) pc, NULL);

	for (unsigned long i = 0; i < n; i++)
		times += way[i] == pc;
	/* It stands on the first. */
	if (n && way[0] == pc && times-- && !resume(PTRACE_SINGLESTEP, status))
		return;
	if (!n)
		return;
	do {
		poke(pc, (text & ~0xFFL) | BREAKPOINT);
		if (!run(status) || pc_of_victim() != pc + 1) {
			elsewhere++;
			return;
		}
		poke(pc, text);
		ptrace(PTRACE_POKEUSER, victim.pid, PC_AT, (void *) pc);
	} while (times-- && resume(PTRACE_SINGLESTEP, status));
}

/* One in four does without the promise. */
static void start_holder(void)
{
	static unsigned int n;

	actor_start(&holder, n++ % 4 ? "AR" : "aR");
	actor_answers(&holder, NULL);
}

static void start_others(void)
{
	actor_start(&survivor, "AR");
	actor_answers(&survivor, NULL);
	start_holder();
}

static void kill_others(void)
{
	actor_kill(&survivor);
	actor_kill(&holder);
}

static void leave_dead_readers(void)
{
	static unsigned int n;
	struct actor doomed;

	actor_start(&doomed, n++ % 4 ? "AX" : "aX");
	actor_answers(&doomed, NULL);
	actor_kill(&doomed);
}

static void leave_dead_leader(void)
{
	struct actor doomed;

	actor_start(&doomed, "A");
	actor_answers(&doomed, NULL);
	actor_ask(&doomed, "s");
	usleep(2 * SETTLE_US);
	actor_kill(&doomed);
}

static void prepare(const struct operation_of *op, int *status)
{
	state->readers = state->processes = 2;
	if (op->others & HOLDER)
		actor_does(&holder, "(");
	if (op->others & DEAD_LEADER)
		leave_dead_leader();
	if (!start_victim(op, status))
		bad("it does not begin");
	if (op->others & DEAD)
		leave_dead_readers();
	if (op->others & WAITED) {
		actor_ask(&survivor, "S");
		usleep(2 * SETTLE_US);
	}
}

/* Who is left goes on; or nobody is, and others come. */
static void check(const struct operation_of *op, uint64_t dice, uint64_t died_at)
{
	static const char *const more[] = {
		"r", "F", "rF", "pQu", "S", "pQ", "u", "(())",
	};
	/* It takes a tenth of a second where each process visits all CPUs. */
	int fills = dice / 16384 % 16 == 0;
	const char *wait = dice / 4096 % 3 ? "S" : "pQ";
	struct report report;

	if (dice % 4 == 0) {
		kill_others();
		start_others();
		if (fills)
			actor_does(&survivor, "G");
		actor_does(&survivor, wait);
	} else if (dice % 4 == 1) {
		/* All but one, who may be waiting. */
		actor_kill(&holder);
		died_at = now_ns();
		if (!survivor.asked)
			actor_ask(&survivor, wait);
		actor_answers(&survivor, &report);
		if (report.at_ns > died_at)
			latency_add(DURING, report.at_ns - died_at);
		start_holder();
	} else if (survivor.asked) {
		if (op->others & HOLDER && dice % 8 < 4)
			usleep(SETTLE_US);
		if (op->others & HOLDER)
			actor_does(&holder, ")");
		actor_answers(&survivor, &report);
		if (report.at_ns > died_at)
			latency_add(DURING, report.at_ns - died_at);
	} else if (op->others & HOLDER) {
		/* It must be waited for by the next one, too. */
		actor_ask(&survivor, wait);
		usleep(SETTLE_US);
		actor_does(&holder, ")");
		actor_answers(&survivor, NULL);
	} else {
		actor_ask(&survivor, wait);
		actor_answers(&survivor, &report);
		latency_add(AFTER, report.ns);
	}
	/* Other sections, and whatever the dead has left of its cell. */
	actor_does(&holder, "(");
	actor_ask(&survivor, "W");
	usleep((unsigned int) (dice / 8 % 1000));
	actor_does(&holder, ")");
	actor_answers(&survivor, NULL);
	actor_does(&survivor, more[dice / 16 % 8]);
	if (fills)
		actor_does(&survivor, "G");
	actor_does(&holder, "(())");
}

/* One death: at that place of the way; or at its end, and the way is noted. */
static unsigned long one(const struct operation_of *op, long place, uint64_t dice)
{
	unsigned long steps = 0;
	uint64_t died_at;
	int status = 0;

	prepare(op, &status);
	if (place < 0)
		steps = step(!op->others ? STEPS_MAX : options.kills < MANY
			     ? STEPS_SHORT : STEPS_WAITING, &status);
	else
		go_to((unsigned long) place, &status);
	if (op->others & FOLLOWED && !state->bad) {
		actor_ask(&survivor, "S");
		usleep(SETTLE_US);
	}
	if (WIFSTOPPED(status) && dice / 128 % 4 == 0) {
		/* In the midst of a system call, perhaps. */
		ptrace(PTRACE_CONT, victim.pid, NULL, NULL);
		usleep((unsigned int) (dice / 512 % 300));
	}
	died_at = now_ns();
	if (!WIFEXITED(status)) {
		kill(victim.pid, SIGKILL);
		while (waitpid(victim.pid, &status, __WALL) == victim.pid
		       && WIFSTOPPED(status))
			;
	}
	victim.pid = 0;
	kills++;
	if (!state->bad)
		check(op, dice, died_at);
	return steps;
}

static void fault(const struct operation_of *op, enum umb_domain_mode mode,
		  uint64_t seed, unsigned long place)
{
	Dl_info info = { 0 };

	dladdr((void *) way[place], &info);
	tap_diag("%s: %s", op->what, state->why);
	tap_diag("at %s+%#lx, again: --mode %d --seed %llu --only '%s' --step %lu",
		 info.dli_fname, way[place] - (unsigned long) info.dli_fbase,
		 (int) mode, (unsigned long long) seed, op->what, place);
	faults_of_all++;
	world_show();
	kill_others();
	world_end();
	state->bad = 0;
	world_make(mode);
	start_others();
}

static void test(const struct operation_of *op, enum umb_domain_mode mode,
		 unsigned long deaths)
{
	uint64_t seed = options.seed;
	unsigned long length, faults = 0, before = kills;

	elsewhere = 0;
	length = one(op, -1, 1);
	if (state->bad) {
		fault(op, mode, 0, length ? length - 1 : 0);
		faults++;
	}
	for (unsigned long k = 0; length && k < deaths && faults < FAULTS_MAX; k++) {
		uint64_t now = seed, dice = draw(&seed);
		/* As many parts as there are deaths, and one place in each. */
		unsigned long place = (unsigned long)
			((k * length + dice % length) / deaths);

		if (options.step >= 0) {
			place = (unsigned long) options.step % length;
			seed = k ? seed : now;
		}
		one(op, (long) place, dice);
		if (state->bad) {
			faults++;
			fault(op, mode, now, place);
		}
	}
	tap_ok(!faults && length >= op->least, "%s, mode %d: %lu instructions, "
	       "%lu deaths, %lu elsewhere", op->what, (int) mode, length,
	       kills - before, elsewhere);
}

static int can_trace(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? EXIT_REFUSED : 0);
	return waitpid(pid, &status, 0) == pid && !status;
}

/* A short run takes each operation in one of the modes; the seed says which. */
static int is_run(size_t i, enum umb_domain_mode mode)
{
	if (*options.only)
		return strstr(operations[i].what, options.only) != NULL;
	return options.kills >= MANY || (i + options.seed + mode) % 2 == 0;
}

void steps_test(enum umb_domain_mode mode)
{
	size_t n = sizeof operations / sizeof operations[0];

	if (!can_trace()) {
		tap_skip("no tracing", "deaths between instructions");
		return;
	}
	world_make(mode);
	start_others();
	for (size_t i = 0; i < n && faults_of_all < FAULTS_ALL; i++)
		if (is_run(i, mode))
			test(&operations[i], mode, options.kills / n + 1);
	if (faults_of_all >= FAULTS_ALL)
		tap_diag("%lu faults: the rest is not run", faults_of_all);
	kill_others();
	world_end();
}

#else

void steps_test(enum umb_domain_mode mode)
{
	tap_skip("x86 only", "deaths between instructions, mode %d", (int) mode);
}

#endif
