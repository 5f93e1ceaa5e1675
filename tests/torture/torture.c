/* SPDX-License-Identifier: MIT */

/*
 * Readers check the age of what they see. An element's age is 0 while it can
 * be found, 1 once it has been removed, and one more after each grace period
 * its updater waits for; an updater uses it again at AGE_REUSE. A section that
 * finds an element of age 0 or 1 and sees it at 2 or more while it goes on was
 * not waited for. The idea of the pipeline is that of the kernel's rcutorture.
 *
 *      torture [--seconds S] [--seed N] [SCENARIO ...]
 */

#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/spoil.h"
#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define THREADS_MAX	32
#define AGE_REUSE	10
#define POOL		(AGE_REUSE + 2)

enum {
	NEST = 1 << 0,		/* sections inside sections */
	OFFLINE = 1 << 1,	/* goes offline between sections */
	REGISTER = 1 << 2,	/* registers and unregisters by hand */
	CHURN = 1 << 3,		/* a new thread every few hundred sections */
	LINGER = 1 << 4,	/* some sections outlast an updater's patience */
	UPDATES = 1 << 5,	/* waits for grace periods itself now and then */
};

static const struct scenario {
	const char *name;
	unsigned int readers, updaters, habits;
} scenarios[] = {
	{ "one-to-one",		1, 1, 0 },
	{ "nested",		2, 1, NEST },
	{ "many-updaters",	2, 4, NEST },
	{ "offline",		2, 2, OFFLINE | NEST },
	{ "registration",	2, 2, REGISTER | OFFLINE },
	{ "churn",		4, 2, CHURN | NEST | OFFLINE },
	{ "sleeping-updater",	4, 2, LINGER | NEST },
	{ "oversubscribed",	12, 4, LINGER | NEST | OFFLINE | CHURN | UPDATES },
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

struct element {
	unsigned int age;
} __attribute__((aligned(64)));

/* One an updater; the elements it does not need now, by age. */
struct slot {
	struct element *current;
	struct element pool[POOL];
	unsigned long grace_periods;
} __attribute__((aligned(128)));

struct worker {
	pthread_t thread;
	const struct scenario *scenario;
	uint64_t random;
	unsigned long sections, ages[AGE_REUSE + 1];
	char *spoil;
	unsigned int index;
};

static struct slot slots[THREADS_MAX];
static int over;

static void dawdle(struct worker *w)
{
	uint64_t r = next_random(&w->random);

	if ((w->scenario->habits & LINGER) && r % 512 == 0)
		usleep(200);
	else if (r % 8 == 0)
		for (volatile unsigned int i = 0; i < r / 8 % 256; i++)
			;
}

static void section(struct worker *w, unsigned int depth)
{
	struct slot *slot = &slots[next_random(&w->random) % w->scenario->updaters];
	struct element *element;
	unsigned int age;

	spoil_stores(w->spoil, next_random(&w->random));
	rcu_read_lock();
	element = umb_dereference(slot->current);
	if (depth && (w->scenario->habits & NEST))
		section(w, depth - 1);
	dawdle(w);
	age = __atomic_load_n(&element->age, __ATOMIC_RELAXED);
	rcu_read_unlock();
	w->ages[age <= AGE_REUSE ? age : AGE_REUSE]++;
	w->sections++;
}

static void behave(struct worker *w)
{
	unsigned int habits = w->scenario->habits;
	uint64_t r = next_random(&w->random);

	if ((habits & OFFLINE) && r % 4 == 0)
		rcu_thread_offline();
	if ((habits & OFFLINE) && r % 8 == 0)
		rcu_thread_online();
	if ((habits & REGISTER) && r % 16 == 1)
		rcu_unregister_thread();
	if ((habits & REGISTER) && r % 32 == 1)
		rcu_register_thread();
	if ((habits & UPDATES) && r % 1024 == 2)
		synchronize_rcu();
}

static void *read_some(void *arg)
{
	struct worker *w = arg;
	unsigned int left = w->scenario->habits & CHURN ? 500 : ~0U;

	while (left-- && !__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		section(w, next_random(&w->random) % 3);
		behave(w);
	}
	return NULL;
}

static void *reader(void *arg)
{
	struct worker *w = arg;
	pthread_t thread;

	if (!(w->scenario->habits & CHURN))
		return read_some(w);
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)
	       && !pthread_create(&thread, NULL, read_some, w))
		pthread_join(thread, NULL);
	return NULL;
}

static struct element *take_unused(struct slot *slot)
{
	struct element *element = slot->pool;

	while (element->age < AGE_REUSE)
		element++;
	__atomic_store_n(&element->age, 0, __ATOMIC_RELAXED);
	return element;
}

static void *updater(void *arg)
{
	struct worker *w = arg;
	struct slot *slot = &slots[w->index];
	struct element *old;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		old = slot->current;
		/* No atomic operation here: it would hide a missing fence. */
		umb_assign_pointer(slot->current, take_unused(slot));
		__atomic_store_n(&old->age, 1, __ATOMIC_RELAXED);
		synchronize_rcu();
		slot->grace_periods++;
		for (unsigned int i = 0; i < POOL; i++)
			if (&slot->pool[i] != slot->current
			    && slot->pool[i].age < AGE_REUSE)
				__atomic_fetch_add(&slot->pool[i].age, 1,
						   __ATOMIC_RELAXED);
	}
	return NULL;
}

static void prepare_slots(void)
{
	for (unsigned int i = 0; i < THREADS_MAX; i++) {
		for (unsigned int j = 1; j < POOL; j++)
			slots[i].pool[j].age = AGE_REUSE;
		slots[i].pool[0].age = 0;
		slots[i].current = &slots[i].pool[0];
		slots[i].grace_periods = 0;
	}
}

static void start(struct worker *w, const struct scenario *scenario,
		  unsigned int index, uint64_t seed)
{
	unsigned int readers = scenario->readers;

	*w = (struct worker) {
		.scenario = scenario,
		.random = seed * 0x9E3779B97F4A7C15ULL + index + 1,
		.index = index < readers ? index : index - readers,
		.spoil = spoil_new(),
	};
	if (!w->spoil
	    || pthread_create(&w->thread, NULL,
			      index < readers ? reader : updater, w)) {
		perror("torture: no thread");
		exit(1);
	}
}

static void report(const struct scenario *scenario, struct worker *workers,
		   unsigned int count)
{
	unsigned long ages[AGE_REUSE + 1] = { 0 }, sections = 0, grace = 0;
	unsigned long late = 0;
	char line[256] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < count; i++) {
		sections += workers[i].sections;
		for (unsigned int age = 0; age <= AGE_REUSE; age++)
			ages[age] += workers[i].ages[age];
	}
	for (unsigned int i = 0; i < scenario->updaters; i++)
		grace += slots[i].grace_periods;
	for (unsigned int age = 0; age <= AGE_REUSE; age++) {
		late += age > 1 ? ages[age] : 0;
		at += (size_t) snprintf(line + at, sizeof line - at, " %lu",
					ages[age]);
	}
	tap_diag("%s: ages 0 and up:%s", scenario->name, line);
	tap_ok(!late && sections && grace,
	       "%s: %lu sections, %lu grace periods, %lu seen too old",
	       scenario->name, sections, grace, late);
}

static void run(const struct scenario *scenario, unsigned int ms, uint64_t seed)
{
	unsigned int count = scenario->readers + scenario->updaters;
	static struct worker workers[THREADS_MAX];

	prepare_slots();
	__atomic_store_n(&over, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < count; i++)
		start(&workers[i], scenario, i, seed);
	usleep(ms * 1000);
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		spoil_free(workers[i].spoil);
	}
	report(scenario, workers, count);
}

static int selected(const struct scenario *scenario, char **names)
{
	if (!*names)
		return 1;
	while (*names && strcmp(*names, scenario->name))
		names++;
	return *names != NULL;
}

static void usage(const char *what, const char *value)
{
	fprintf(stderr, "torture: %s: %s\n"
		"usage: torture [--seconds S] [--seed N] [SCENARIO ...]\n"
		"  S: 0.1 to 86400, a scenario; N: 1 and up; scenarios:", what,
		value);
	for (size_t i = 0; i < SCENARIOS; i++)
		fprintf(stderr, " %s", scenarios[i].name);
	fputc('\n', stderr);
	exit(2);
}

static void check_names(char **names)
{
	for (; *names; names++) {
		size_t i = 0;

		while (i < SCENARIOS && strcmp(*names, scenarios[i].name))
			i++;
		if (i == SCENARIOS)
			usage("unknown scenario", *names);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t seed = (uint64_t) time(NULL);
	double seconds = 0.5;
	char *end = "";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = strtod(optarg, &end);
		else if (option == 'r')
			seed = strtoull(optarg, &end, 0);
		else
			usage("bad option", argv[optind - 1]);
		if (*end || !(seconds >= 0.1 && seconds <= 86400) || !seed)
			usage("out of range", optarg);
	}
	check_names(argv + optind);
	tap_begin();
	tap_diag("seed %llu", (unsigned long long) seed);
	for (size_t i = 0; i < SCENARIOS; i++)
		if (selected(&scenarios[i], argv + optind))
			run(&scenarios[i], (unsigned int) (seconds * 1000), seed);
	return tap_end();
}
