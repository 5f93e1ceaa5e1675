/* SPDX-License-Identifier: MIT */

/*
 * What is told of stalls: of whom, and from when on. Each case in a process of its
 * own.
 */

#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#define MANY		20	/* more than one report tells of */
#define STAYS_US	40000	/* longer than the limits, where nothing is told */

static void expect_told(const struct umb_stall *s, const struct stuck *of)
{
	expect(s->size == sizeof *s, "the size is that of the struct");
	expect(s->kind == UMB_STALL_SECTION, "the kind is a section");
	expect(s->tid == of->tid, "it is that thread");
	expect(s->depth == of->depth, "of that depth");
	expect(!of->name || !strcmp(s->name, of->name), "of that name");
	expect(s->waited_ns >= LIMIT, "for longer than the limit");
#ifndef UMB_DEBUG
	expect(!s->entered, "which began nobody knows where");
#endif
}

/* Beside one who is online, and one whose section began later. */
static void who(const void *arg)
{
	struct stuck s = { .depth = 3, .name = "old-section" };
	struct stuck later = { .name = "later", .first = *(const int *) arg };
	struct reader online;
	struct updater u;

	reader_start_online(&online);
	set_limit(note, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	await(&noted, 1);
	stuck_start(&later);
	await(&noted, 3);
	stuck_end(&s);
	updater_end(&u);
	stuck_end(&later);
	hush();
	for (int i = 0; i < load(&noted); i++) {
		expect(!notes[i].index && notes[i].count == 1, "nobody else");
		expect_told(&notes[i], &s);
	}
	expect(stats().stalls >= (uint64_t) load(&noted), "and it is counted");
	reader_stop(&online);
}

static const struct stuck *find_stuck(const struct stuck *all, int n, pid_t tid)
{
	while (n--)
		if (all[n].tid == tid)
			return &all[n];
	return NULL;
}

static void expect_round(const struct stuck *all, unsigned int n)
{
	unsigned int told = n < TOLD_MAX ? n : TOLD_MAX;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < told; i++) {
		const struct stuck *of = find_stuck(all, (int) n, notes[i].tid);

		expect(notes[i].index == i && notes[i].count == n,
		       "each has its place");
		if (expect(of != NULL, "it is one of those")) {
			expect_told(&notes[i], of);
			seen |= UINT64_C(1) << (of - all);
		}
	}
	expect(__builtin_popcountll(seen) == (int) told, "each is told of once");
}

static void several(const void *arg)
{
	unsigned int n = *(const unsigned int *) arg;
	struct stuck all[MANY] = { { 0 } };
	struct updater u;

	set_limit(note, LIMIT);
	for (unsigned int i = 0; i < n; i++) {
		all[i].depth = i % 3 + 1;
		stuck_start(&all[i]);
	}
	updater_start(&u);
	await(&noted, (int) (n < TOLD_MAX ? n : TOLD_MAX));
	for (unsigned int i = 0; i < n; i++)
		stuck_end(&all[i]);
	updater_end(&u);
	hush();
	expect_round(all, n);
}

/* Those that have left are told of no more. */
static void fewer(const void *arg)
{
	struct stuck all[2] = { { .name = "first" }, { .name = "second" } };
	struct updater u;
	int before;

	(void) arg;
	set_limit(note, LIMIT);
	stuck_start(&all[0]);
	stuck_start(&all[1]);
	updater_start(&u);
	await(&noted, 2);
	stuck_end(&all[0]);
	/* What is being told may still have two. */
	before = load(&noted) + 2;
	await(&noted, before + 1);
	expect(notes[before].count == 1 && notes[before].tid == all[1].tid,
	       "one is left");
	stuck_end(&all[1]);
	updater_end(&u);
}

/* How it looks to the kernel. */

static void asleep(const void *arg)
{
	struct stuck s = { .blocked = *(const int *) arg };

	set_limit(note, LIMIT);
	one_stall(&s, 1);
	expect(notes[0].state == 'S', "it sleeps");
	expect(notes[0].blocks_signal == s.blocked,
	       "whether it blocks the signal");
}

static void spins(const void *arg)
{
	struct stuck s = { .blocked = *(const int *) arg, .spins = 1 };

	set_limit(note, LIMIT);
	if (!state_of(own_tid()))
		case_skip("no /proc");
	one_stall(&s, 1);
	expect(notes[0].state == 'R', "it runs");
	expect(notes[0].blocks_signal == s.blocked,
	       "whether it blocks the signal");
}

/* Another one than by default. */
static void other_signal(const void *arg)
{
	struct stuck s = { 0 };
	sigset_t set;

	(void) arg;
	expect(!umb_fence_set_signal(SIGUSR2), "another signal");
	set_limit(note, LIMIT);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	one_stall(&s, 1);
	expect(notes[0].blocks_signal == 1, "it blocks that");
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sigaddset(&set, SIGURG);
	sigdelset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	noted = 0;
	s = (struct stuck) { 0 };
	one_stall(&s, 1);
	expect(!notes[0].blocks_signal, "and not that");
}

/* Stop a thread of our parent's, until the pipe is closed. 1: it is refused. */
static int stop_thread(pid_t tid, int until)
{
	char c;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)
	    || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL)
	    || waitpid(tid, NULL, __WALL) != tid)
		return 1;
	while (read(until, &c, 1) > 0)
		;
	return 0;
}

static void stopped(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;
	int until[2], status;
	pid_t tracer;

	(void) arg;
	stuck_start(&s);
	expect(!pipe(until), "pipe");
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	tracer = fork();
	if (!tracer) {
		close(until[1]);
		_exit(stop_thread(s.tid, until[0]));
	}
	while (state_of(s.tid) != 't')
		if (waitpid(tracer, &status, WNOHANG) == tracer)
			case_skip("tracing is refused");
	set_limit(note, LIMIT);
	updater_start(&u);
	await(&noted, 1);
	close(until[1]);
	expect(waitpid(tracer, &status, 0) == tracer && !status, "the tracer");
	stuck_end(&s);
	updater_end(&u);
	expect(notes[0].tid == s.tid && notes[0].state == 't',
	       "a tracer has stopped it");
}

/* From when on, and how often. */

static void again(const void *arg)
{
	struct stuck s = { 0 };
	uint64_t least = LIMIT;

	(void) arg;
	set_limit(note, LIMIT);
	one_stall(&s, 5);
	for (int i = 0; i < 5; i++) {
		expect(notes[i].waited_ns >= least, "the gaps double");
		least = 2 * least + LIMIT;
		expect(!i || notes[i].waited_ns > notes[i - 1].waited_ns,
		       "and the time grows");
	}
}

static void not_yet(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;

	set_limit(note, *(const uint64_t *) arg);
	stuck_start(&s);
	updater_start(&u);
	nap(STAYS_US);
	expect(!load(&u.done), "the updater waits");
	stuck_end(&s);
	updater_end(&u);
	expect(!load(&noted) && !stats().stalls, "nobody is told");
}

static void over(const void *arg)
{
	struct stuck s = { 0 };
	uint64_t stalls;
	int before;

	(void) arg;
	set_limit(note, LIMIT);
	one_stall(&s, 2);
	stalls = stats().stalls;
	expect(stalls >= 2, "stalls are counted");
	/* Whoever is telling has told then. */
	set_limit(note, LIMIT);
	before = load(&noted);
	nap(STAYS_US);
	for (int i = 0; i < 3; i++)
		urcu_membarrier_synchronize_rcu();
	expect(load(&noted) == before && stats().stalls == stalls,
	       "nothing is told of what is over");
	s = (struct stuck) { 0 };
	one_stall(&s, 1);
	expect(stats().stalls > stalls, "and the next one is");
}

static void limits(const void *arg)
{
	struct stuck s = { 0 };

	(void) arg;
	errno = CASE_ERRNO;
	expect(umb_stall_set(note, UMB_STALL_LIMIT_MAX + 1) == -EINVAL
	       && umb_stall_set(note, UINT64_MAX) == -EINVAL,
	       "-EINVAL: more than a day");
	expect(errno == CASE_ERRNO, "errno stays");
	set_limit(note, UMB_STALL_LIMIT_MAX);
	/* Rounded up, lest it be none. */
	set_limit(note, 1);
	one_stall(&s, 1);
	expect(notes[0].waited_ns >= MS, "a millisecond at least");
	/* What is refused changes nothing. */
	expect(umb_stall_set(NULL, UINT64_MAX) == -EINVAL, "-EINVAL");
	s = (struct stuck) { 0 };
	one_stall(&s, 1);
}

static void test_told(void)
{
	static const unsigned int two = 2, some = TOLD_MAX, many = MANY;
	static const int open = 0, blocked = 1, first = 1;

	case_run(who, &open, "who is told of, beside a later section");
	case_run(who, &first, "who is told of, beside a first section");
	case_run(several, &two, "two readers");
	case_run(several, &some, "as many readers as a report has room for");
	case_run(several, &many, "more readers");
	case_run(fewer, NULL, "readers that leave");
	case_run(asleep, &open, "a reader that sleeps");
	case_run(asleep, &blocked, "the same, signals blocked");
	case_run(spins, &open, "a reader that runs");
	case_run(spins, &blocked, "the same, signals blocked");
	case_run(other_signal, NULL, "another signal than SIGURG");
	case_run(stopped, NULL, "a reader that a tracer has stopped");
}

static void test_times(void)
{
	static const uint64_t none = 0, hour = 3600000 * MS;

	case_run(again, NULL, "it is told again");
	case_run(not_yet, &none, "no limit, nothing told");
	case_run(not_yet, &hour, "below the limit nothing is told");
	case_run(over, NULL, "a stall that is over");
	case_run(limits, NULL, "limits");
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	test_told();
	test_times();
	return tap_end();
}
