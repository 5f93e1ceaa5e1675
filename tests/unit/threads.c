/* SPDX-License-Identifier: MIT */

/*
 * How threads come and go. A thread lives on a stack of its own, which is made
 * inaccessible when it has ended: a record left in the registry crashes the
 * next grace period. Each plan runs in a process of its own, and all of them
 * again with other keys about: few, many that were there before the library's
 * (setting its key allocates then), many that came later, and all of them, so
 * that the library has none.
 */

#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/again.h"
#include "tests/lib/tap.h"
#include "thread/thread.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define KEYS_VARIABLE	"UMB_TEST_KEYS"
#define KEYS_IN_THREAD	32	/* glibc's; it allocates for more */
#define KEYS_BEYOND	40
/* ThreadSanitizer has a thread's state there. */
#define STACK_BYTES	((UMB_TSAN ? 2048 : 128) * 1024)
#define LIVES		20
#define HOLD_US		(30 * 1000)
#define LIMIT_SECONDS	60

enum end { RETURN, EXIT, CANCEL };

/*
 * What a thread does, a letter an act: R register, U unregister, O online,
 * F offline, S synchronize, E enter a section, L leave it, r enter and leave,
 * n the same nested, W stay for an updater to wait, H enter, stay and leave.
 * Rounds of destructors are set apart by commas.
 */
struct plan {
	const char *what;
	const char *life;
	enum end end;
	const char *rounds;
};

static const struct plan plans[] = {
	{ "never registered", "", RETURN, NULL },
	{ "never registered, by pthread_exit", "", EXIT, NULL },
	{ "never registered, by cancellation", "", CANCEL, NULL },
	{ "registered, never read", "R", RETURN, NULL },
	{ "registered twice", "RRrR", RETURN, NULL },
	{ "unregistered without being registered", "U", RETURN, NULL },
	{ "unregistered twice", "RUU", RETURN, NULL },
	{ "unregistered after a section", "rU", RETURN, NULL },
	{ "registered again by a section", "rUr", RETURN, NULL },
	{ "registered again by hand", "RUR", RETURN, NULL },
	{ "again and again", "RUrUOUFrUnUR", RETURN, NULL },
	{ "online, idle", "r", RETURN, NULL },
	{ "online, idle, after nesting", "n", RETURN, NULL },
	{ "online, idle, by pthread_exit", "r", EXIT, NULL },
	{ "online, idle, by cancellation", "r", CANCEL, NULL },
	{ "online by hand", "O", RETURN, NULL },
	{ "offline", "rF", RETURN, NULL },
	{ "offline, by pthread_exit", "rF", EXIT, NULL },
	{ "offline, by cancellation", "rF", CANCEL, NULL },
	{ "offline without being registered", "F", RETURN, NULL },
	{ "after a grace period of its own", "S", RETURN, NULL },
	{ "after a section and a grace period", "rS", RETURN, NULL },
	{ "in a section", "E", RETURN, NULL },
	{ "in a section, by pthread_exit", "E", EXIT, NULL },
	{ "in a section, by cancellation", "E", CANCEL, NULL },
	{ "in a nested section", "EE", RETURN, NULL },
	{ "in a section, registered before", "RE", RETURN, NULL },
	{ "in a section, registered in it", "ER", RETURN, NULL },
	{ "in a section, offline without effect", "EF", RETURN, NULL },
	{ "in a section, an updater asleep", "EW", RETURN, NULL },
	{ "in a section, an updater asleep, by pthread_exit", "EW", EXIT, NULL },
	{ "in a section, an updater asleep, by cancellation", "EW", CANCEL, NULL },
	{ "in a section, an updater asleep, registered", "REW", EXIT, NULL },
	{ "an updater waits for each section", "HHUHFH", RETURN, NULL },

	{ "first section in round 1", "", RETURN, "r" },
	{ "first section in round 2", "", RETURN, ",r" },
	{ "first section in round 3", "", RETURN, ",,r" },
	{ "first section in round 4", "", RETURN, ",,,r" },
	{ "registered in round 1", "", RETURN, "R" },
	{ "registered in round 2", "", EXIT, ",R" },
	{ "registered in round 3", "", CANCEL, ",,R" },
	{ "registered in round 4", "", RETURN, ",,,R" },
	{ "online from round 3", "", RETURN, ",,O,r" },
	{ "sections in all rounds, none before", "", RETURN, "r,n,r,n" },
	{ "sections in all rounds, registered", "R", EXIT, "r,r,r,r" },
	{ "sections in all rounds, online", "r", CANCEL, "r,r,r,r" },
	{ "sections in all rounds, offline", "rF", RETURN, "r,rF,r,rF" },
	{ "sections in all rounds, unregistered", "rU", RETURN, "r,r,r,r" },
	{ "sections in all rounds, in a section", "E", RETURN, "r,n,r,n" },
	{ "unregistered in all rounds", "r", RETURN, "U,U,U,U" },
	{ "registered and unregistered in all", "", RETURN, "RU,rU,OU,rUR" },
	{ "unregistered in round 1, back in 3", "r", RETURN, "U,,r" },
	{ "offline in all rounds", "r", RETURN, "F,F,F,F" },
	{ "grace periods in all rounds", "r", RETURN, "S,rS,S,rS" },
	{ "updaters wait for sections in all rounds", "", RETURN, "H,H,H,H" },
	{ "the same, registered before", "R", RETURN, "H,H,H,H" },
	{ "an updater waits, section open since before", "E", EXIT, "W" },
	{ "section open since before, left in round 1", "EE", EXIT, "L,r" },
};

#define BEFORE	1U
#define AFTER	2U

static pthread_key_t before, after;
static unsigned int keys;	/* that are ours: BEFORE, AFTER */
static unsigned int keys_used;
static long keys_early, keys_late;	/* of others: before the library's, after */
static const struct plan *plan;
static int inside, over, lived;

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void add(int *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
}

static void stay(void)
{
	add(&inside);
	usleep(HOLD_US);
	add(&over);
}

static void act(char what)
{
	switch (what) {
	case 'R': rcu_register_thread(); break;
	case 'U': rcu_unregister_thread(); break;
	case 'O': rcu_thread_online(); break;
	case 'F': rcu_thread_offline(); break;
	case 'S': synchronize_rcu(); break;
	case 'E': rcu_read_lock(); break;
	case 'L': rcu_read_unlock(); break;
	case 'W': stay(); break;
	case 'r': act('E'); act('L'); break;
	case 'n': act('E'); act('r'); act('L'); break;
	case 'H': act('E'); act('W'); act('L'); break;
	}
}

/* Up to a comma or the end. */
static void act_all(const char *acts)
{
	for (; *acts && *acts != ','; acts++)
		act(*acts);
}

static void one_round(pthread_key_t key, size_t round)
{
	const char *acts = plan->rounds;

	for (size_t n = 1; acts && n < round; n++) {
		acts = strchr(acts, ',');
		acts += acts != NULL;
	}
	if (!acts)
		return;
	act_all(acts);
	if (strchr(acts, ','))
		pthread_setspecific(key, (void *) (round + 1));
}

static void before_ends(void *round)
{
	one_round(before, (size_t) round);
}

static void after_ends(void *round)
{
	one_round(after, (size_t) round);
}

/* Ahead of the library's constructor, which creates its key. */
static __attribute__((constructor(101))) void take_keys(void)
{
	const char *wanted = getenv(KEYS_VARIABLE);
	pthread_key_t key;

	if (!wanted)
		return;
	if (!pthread_key_create(&before, before_ends))
		keys |= BEFORE;
	keys_early = atol(wanted);
	if (keys_early < 0) {
		keys_late = -keys_early;
		keys_early = 0;
	}
	for (long n = 0; n < keys_early; n++)
		if (pthread_key_create(&key, NULL))
			break;
}

static void *live(void *arg)
{
	if (keys_used & BEFORE)
		pthread_setspecific(before, (void *) 1);
	if (keys_used & AFTER)
		pthread_setspecific(after, (void *) 1);
	act_all(plan->life);
	add(&lived);
	if (plan->end == EXIT)
		pthread_exit(NULL);
	while (plan->end == CANCEL)
		pause();
	return arg;
}

static int count_of(const char *acts, const char *wanted)
{
	int count = 0;

	for (; acts && *acts; acts++)
		count += strchr(wanted, *acts) != NULL;
	return count;
}

/* Sections that we have to wait for. */
static int sections_to_wait_for(void)
{
	int of_keys = !!(keys_used & BEFORE) + !!(keys_used & AFTER);

	return count_of(plan->life, "WH") + of_keys * count_of(plan->rounds, "WH");
}

/* Not by the updater: it may be waiting for the section that this ends. */
static void *cancel(void *arg)
{
	pthread_t *thread = arg;

	while (!load(&lived))
		usleep(20);
	pthread_cancel(*thread);
	return NULL;
}

/* Grace periods that ended before a section did. */
static int follow(pthread_t thread)
{
	int late = 0, sections = sections_to_wait_for();
	pthread_t canceller;

	if (plan->end == CANCEL)
		pthread_create(&canceller, NULL, cancel, &thread);
	for (int n = 1; n <= sections; n++) {
		while (load(&inside) < n)
			usleep(20);
		synchronize_rcu();
		late += load(&over) < n;
	}
	if (plan->end == CANCEL)
		pthread_join(canceller, NULL);
	pthread_join(thread, NULL);
	return late;
}

/* Failures. The stack stays in its place, dead, over the grace period. */
static int one_life(void)
{
	void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	int failures;

	inside = over = lived = 0;
	pthread_attr_init(&attr);
	if (stack == MAP_FAILED || pthread_attr_setstack(&attr, stack, STACK_BYTES)
	    || pthread_create(&thread, &attr, live, NULL)) {
		tap_diag("no thread");
		return 1;
	}
	failures = follow(thread);
	if (failures)
		tap_diag("%d grace periods did not wait", failures);
	mprotect(stack, STACK_BYTES, PROT_NONE);
	if (umbi_thread_count()) {
		tap_diag("the registry still holds the record");
		failures++;
	}
	synchronize_rcu();
	munmap(stack, STACK_BYTES);
	pthread_attr_destroy(&attr);
	return failures;
}

/*
 * Where nothing can be armed that would still run, which is documented: first
 * contact in the last round, in a destructor behind the library's own.
 */
static int too_late(unsigned int used)
{
	return used == AFTER && after >= KEYS_IN_THREAD && !plan->life[0]
		&& !strncmp(plan->rounds, ",,,", 3)
		&& (!keys_early || strchr(plan->rounds, 'R'));
}

static int lives(void)
{
	int failures = 0;

	for (unsigned int used = plan->rounds ? 1 : 0; used <= (BEFORE | AFTER)
	     && !failures; used++) {
		unsigned long n = tap_scale(LIVES, 2);

		keys_used = used;
		if ((used & keys) != used || too_late(used))
			continue;
		if (sections_to_wait_for())
			n = 1;
		while (n-- && !failures)
			failures = one_life();
		if (!plan->rounds)
			break;
	}
	if (failures)
		tap_diag("with keys %u", keys_used);
	return failures;
}

/*
 * Where the library cannot have the thread's end announced, or not without an
 * allocation that sections must not do, a section must end before its thread.
 */
static int ends_unnoticed(const struct plan *p)
{
	if (!count_of(p->life, "E"))
		return 0;
	return keys_early >= PTHREAD_KEYS_MAX
		|| (keys_early && !count_of(p->life, "RO"));
}

static void run_plan(void)
{
	pid_t child;
	int status;

	if (ends_unnoticed(plan)) {
		printf("?%s\n", plan->what);
		return;
	}
	child = fork();
	if (!child) {
		alarm(LIMIT_SECONDS);
		_exit(lives() != 0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		tap_diag("killed by signal %d", WTERMSIG(status));
	printf("%c%s\n", status ? '-' : '+', plan->what);
}

/* Our own last key, and whether it and the others are what was wanted. */
static int make_keys(void)
{
	int created, far = keys_early || keys_late;
	pthread_key_t key;

	for (long n = 0; n < keys_late; n++)
		pthread_key_create(&key, NULL);
	created = !pthread_key_create(&after, after_ends);
	if (created)
		keys |= AFTER;
	if (!(keys & BEFORE))
		return 0;
	if (keys_early >= PTHREAD_KEYS_MAX)
		return !created;
#ifndef __GLIBC__
	/* musl's next key is not the first that is free. */
	far = after >= KEYS_IN_THREAD;
#endif
	return created && (after >= KEYS_IN_THREAD) == far;
}

/* The program with those keys: a line on stdout for each result. */
static int with_keys(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%ckeys are as they should be\n", make_keys() ? '+' : '-');
	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
		plan = &plans[i];
		run_plan();
	}
	puts("+all plans were tried");
	return 0;
}

static void relay(FILE *results, const char *name)
{
	char line[256];
	int complete = 0;

	while (fgets(line, sizeof line, results)) {
		line[strcspn(line, "\n")] = 0;
		complete = !strcmp(line, "+all plans were tried");
		if (line[0] == '?')
			tap_skip("nobody would tell of the thread's end",
				 "%s: %s", name, line + 1);
		else if (line[0] == '+' || line[0] == '-')
			tap_ok(line[0] == '+', "%s: %s", name, line + 1);
		else
			puts(line);
	}
	if (!complete)
		tap_ok(0, "%s: all plans were tried", name);
}

static void run_variant(const char *name, int count)
{
	int ends[2], status;
	char value[16];
	FILE *results;
	pid_t child;

	if (pipe(ends))
		return;
	snprintf(value, sizeof value, "%d", count);
	child = fork();
	if (!child) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		setenv(KEYS_VARIABLE, value, 1);
		exec_again(SELF, (char *[]) { "threads", NULL });
		_exit(1);
	}
	close(ends[1]);
	results = fdopen(ends[0], "r");
	relay(results, name);
	fclose(results);
	waitpid(child, &status, 0);
}

int main(void)
{
	if (getenv(KEYS_VARIABLE))
		return with_keys();
	tap_begin();
	run_variant("few keys", 0);
	run_variant("many keys", KEYS_BEYOND);
	run_variant("late keys", -KEYS_BEYOND);
	run_variant("no key", PTHREAD_KEYS_MAX);
	return tap_end();
}
