/* SPDX-License-Identifier: MIT */

/*
 * Processes of a shared domain die, at any instruction and at any time, and the others
 * go on.
 *
 *      kill [--kills N] [--seed N] [--mode expedited|full|both] [--only WHAT]
 *           [--step N]
 *
 * --only: of the operations that are stepped, and of "a crowd", "readers that die in
 * sections" and "stopped", those whose name contains it; --step: each time at that
 * instruction.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/domain/kill.h"
#include "tests/lib/tap.h"

#define LATENCIES	65536
#define BOUND_NS	UINT64_C(2000000000)
#define SOON_NS		UINT64_C(20000000)	/* as the header says */

struct options options = {
	.kills = 120,
	.only = "",
	.step = -1,
};
unsigned long kills;

static struct latencies {
	const char *when;
	uint64_t soon;		/* as it should be; what is not may be the machine's */
	unsigned long n;
	uint64_t ns[LATENCIES];
} latencies[] = {
	[AFTER] = { "a grace period that begins after a death", SOON_NS, 0, { 0 } },
	[DURING] = { "a grace period, from a death on while it waits", BOUND_NS, 0,
		     { 0 } },
	[FOUND_AT_ONCE] = { "a grace period that dead readers hold", SOON_NS, 0,
			    { 0 } },
	[FOUND] = { "to find that who is waited for is dead", SOON_NS, 0, { 0 } },
	[FOUND_SINCE_KILL] = { "the same, and the kernel's part of a death", SOON_NS,
			       0, { 0 } },
};
static int modes = 3;		/* 1: expedited, 2: full */

void latency_add(int when, uint64_t ns)
{
	struct latencies *l = &latencies[when];

	l->ns[l->n++ % LATENCIES] = ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static void show_latencies(struct latencies *l)
{
	unsigned long n = l->n < LATENCIES ? l->n : LATENCIES, slow = 0;

	if (!n)
		return;
	qsort(l->ns, n, sizeof l->ns[0], compare);
	for (unsigned long i = 0; i < n; i++)
		slow += l->ns[i] >= l->soon;
	tap_ok(l->ns[n - 1] < BOUND_NS && slow <= n / 2,
	       "%s: median %.3f ms, 99%% %.3f ms, longest %.3f ms, of %lu; %lu times "
	       "%.0f ms or more", l->when, (double) l->ns[n / 2] / 1e6,
	       (double) l->ns[n - 1 - n / 100] / 1e6, (double) l->ns[n - 1] / 1e6, n,
	       slow, (double) l->soon / 1e6);
}

static void usage(const char *what)
{
	fprintf(stderr, "kill: %s\n"
		"usage: kill [--kills N] [--seed N] [--mode expedited|full|both] "
		"[--only WHAT] [--step N]\n"
		"  N: 1 to 1000000000 for kills, any whole number else\n", what);
	exit(2);
}

static unsigned long long number(const char *text, unsigned long long max)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (end == text || *end || n > max)
		usage(text);
	return n;
}

static int mode_of(const char *name)
{
	if (!strcmp(name, "expedited") || !strcmp(name, "2"))
		return 1;
	if (!strcmp(name, "full") || !strcmp(name, "3"))
		return 2;
	if (strcmp(name, "both"))
		usage(name);
	return 3;
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "kills", required_argument, NULL, 'k' },
		{ "seed", required_argument, NULL, 'r' },
		{ "mode", required_argument, NULL, 'm' },
		{ "only", required_argument, NULL, 'o' },
		{ "step", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	options.seed = (uint64_t) time(NULL);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (option) {
		case 'k':
			options.kills = (unsigned long) number(optarg, 1000000000);
			break;
		case 'r': options.seed = number(optarg, UINT64_MAX); break;
		case 'm': modes = mode_of(optarg); break;
		case 'o': options.only = optarg; break;
		case 's': options.step = (long) number(optarg, 1000000000); break;
		default: usage(argv[optind - 1]);
		}
	if (optind < argc)
		usage(argv[optind]);
}

static void test(enum umb_domain_mode mode)
{
	if (world_make(mode) == -ENOTSUP) {
		tap_skip("this machine does not have it", "mode %d", (int) mode);
		return;
	}
	world_end();
	steps_test(mode);
	if (strstr("a crowd", options.only))
		storm_test(mode);
	if (strstr("readers that die in sections", options.only))
		found_test(mode);
	if (strstr("stopped", options.only))
		stops_test(mode);
}

int main(int argc, char **argv)
{
	uint64_t begin = now_ns();

	read_options(argc, argv);
	tap_begin();
	state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED) {
		puts("Bail out! no memory");
		return 1;
	}
	tap_diag("seed %llu", (unsigned long long) options.seed);
	options.kills /= modes == 3 ? 2 : 1;
	options.storm_ms = 300 + 4 * (unsigned int) options.kills;
	for (int mode = 1; mode <= 2; mode++)
		if (modes & mode)
			test(mode == 1 ? UMB_DOMAIN_EXPEDITED : UMB_DOMAIN_FULL);
	show_latencies(&latencies[AFTER]);
	show_latencies(&latencies[DURING]);
	show_latencies(&latencies[FOUND_AT_ONCE]);
	show_latencies(&latencies[FOUND]);
	show_latencies(&latencies[FOUND_SINCE_KILL]);
	tap_diag("%lu kills, %lu grace periods, %lu sections, %lu of them light, %lu "
		 "attached, %.1f s", kills, state->grace_periods, state->sections,
		 state->light, state->attached,
		 (double) (now_ns() - begin) / 1e9);
	return tap_end();
}
