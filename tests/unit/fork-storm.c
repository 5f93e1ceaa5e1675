/* SPDX-License-Identifier: MIT */

/*
 * Forks over and over, by two threads, beside readers, updaters, callbacks and
 * all else; from inside sections and outside. Each child does something and
 * counts; so does the parent in the end. UMB_TEST_SECONDS makes it longer.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/lib/family.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define SECONDS		1	/* a storm */
#define FORKS		3000UL
#define FORKERS		2

static const struct storm {
	const char *what;
	const char *company;
	const char *before;	/* each fork, the forker's acts */
	const char *after;
	unsigned long workers;
} storms[] = {
	{ "beside all", "rrsqmpifx", "", "", 1 },
	{ "in sections, beside all", "rrsqmpifx", "((", "))", 1 },
	{ "beside readers and updaters, in sections", "rrsL", "(", ")", 0 },
	{ "beside callbacks, and queueing", "qqmidww", "q", "r", 3 },
};

/* The child's; it may be in a section still. */
static const char *const lives[] = {
	"", "r", "q", "f", "W", "Ws", "Wc", "Wd", "Wqd", "Wt", "Wp", "WiqD",
	"Wwc", "gW", "K", "Wb",
};
#define LIVES	(sizeof lives / sizeof lives[0])

static const struct storm *storm;
static unsigned long most, forks;
static time_t end;

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void one_life(unsigned long n)
{
	const char *acts = lives[n % LIVES];
	pid_t pid = family_fork();

	if (!pid) {
		/* 'W' leaves sections; outside there is nothing to wait for. */
		if (!rcu_read_ongoing() && strchr(acts, 'W'))
			rcu_read_lock();
		family_act(acts);
		while (rcu_read_ongoing())
			rcu_read_unlock();
		family_count();
		family_end(n % 3 == 0);
	}
	if (!family_wait(pid))
		family_expect(0, "that was \"%s\"", acts);
}

static void *keep_forking(void *arg)
{
	unsigned long n;

	while (family_good() && now() <= end
	       && (n = __atomic_fetch_add(&forks, 1, __ATOMIC_SEQ_CST)) < most) {
		family_act(storm->before);
		one_life(n);
		family_act(storm->after);
	}
	return arg;
}

static void carry_out(unsigned int seconds)
{
	pthread_t threads[FORKERS];

	family_limit(seconds + 2 * FAMILY_SECONDS);
	end = now() + seconds;
	company_begin(storm->company);
	family_forgive(storm->workers);
	for (int i = 0; i < FORKERS; i++)
		pthread_create(&threads[i], NULL, keep_forking, NULL);
	for (int i = 0; i < FORKERS; i++)
		pthread_join(threads[i], NULL);
	company_end();
	family_act("rsc");
	family_count();
	tap_diag("%s: %lu forks", storm->what, forks);
	family_end(1);
}

int main(void)
{
	const char *longer = getenv("UMB_TEST_SECONDS");
	unsigned int seconds = longer ? (unsigned int) atoi(longer) : SECONDS;

	tap_begin();
	most = longer ? ~0UL : tap_scale(FORKS, 2 * LIVES);
	for (size_t i = 0; i < sizeof storms / sizeof storms[0]; i++) {
		pid_t pid;

		storm = &storms[i];
		pid = family_fork();
		if (!pid)
			carry_out(seconds);
		tap_ok(family_wait(pid), "a storm %s", storm->what);
	}
	return tap_end();
}
