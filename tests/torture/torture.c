/* SPDX-License-Identifier: MIT */

/*
 * Readers that check the age of what they see, against updaters, row by row of a
 * matrix (rows.c), each in a process of its own.
 *
 *      torture [--seconds S] [--for S] [--mode MODE|all] [--seed N]
 *              [--patience S] [--list] [ROW ...]
 */

#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/torture/row.h"

#define MODES	UMB_FENCE_VISIT

static struct {
	double seconds;		/* a row */
	double all;		/* 0: once through the matrix */
	unsigned int patience;	/* seconds for one step of a thread */
	uint64_t seed;
	enum umb_fence_mode mode;	/* 0: as it is */
	int all_modes;
	char **names;		/* of rows; none: all */
} options = {
	.seconds = 0.3,
	.patience = 20,
};

static struct outcome sum;
static struct outcome *outcome;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void show_ages(const char *name, const struct outcome *o)
{
	char line[256] = "";
	size_t at = 0;

	for (unsigned int age = 0; age <= AGE_REUSE; age++)
		at += (size_t) snprintf(line + at, sizeof line - at, " %lu",
					o->ages[age]);
	tap_diag("%s: ages 0 and up:%s", name, line);
}

static void add_up(const struct outcome *o)
{
	sum.sections += o->sections;
	sum.in_handlers += o->in_handlers;
	sum.grace_periods += o->grace_periods;
	sum.callbacks += o->callbacks;
	sum.forks += o->forks;
	sum.steps_down += o->steps_down;
	for (unsigned int age = 0; age <= AGE_REUSE; age++)
		sum.ages[age] += o->ages[age];
}

/* Nonzero: this mode is not to be had here. */
static int enter_mode(enum umb_fence_mode mode)
{
	return mode && umb_fence_select(mode);
}

static int has_mode(enum umb_fence_mode mode)
{
	enum umb_fence_mode before = umb_fence_mode();
	int ret = umb_fence_select(mode);

	umb_fence_select(before);
	return !ret;
}

/* What a row needs and is not here. NULL: nothing. */
static const char *missing(const struct row *row, enum umb_fence_mode mode)
{
	if ((row->habits & LAZY) && !has_mode(UMB_FENCE_GLOBAL))
		return "no grace period can be quiet here";
	if (!(row->habits & (FAILS | REFUSED)))
		return NULL;
#ifndef HAVE_SECCOMP
	return "without libseccomp nothing can be refused";
#endif
	return mode > UMB_FENCE_GLOBAL ? "membarrier is not used in this mode"
		: NULL;
}

static int run_in_child(const struct row *row, enum umb_fence_mode mode,
			uint64_t seed)
{
	pid_t child, parent = getpid();
	int status = 0;

	memset(outcome, 0, sizeof *outcome);
	fflush(stdout);
	child = fork();
	if (!child) {
		/* It may have blocked what ends its parent. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || enter_mode(mode))
			_exit(2);
		row_run(row, (unsigned int) (options.seconds * 1000),
			options.patience, seed, outcome);
		exit(*outcome->wrong != '\0');
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		status = -1;
	return status;
}

static void run(const struct row *row, enum umb_fence_mode mode, uint64_t seed)
{
	const char *in = umb_fence_mode_name(mode ? mode : umb_fence_mode());
	const char *without = missing(row, mode ? mode : umb_fence_mode());
	int status;

	if (without) {
		tap_skip(without, "%s, %s", row->name, in);
		return;
	}
	status = run_in_child(row, mode, seed);
	if (*outcome->lacks) {
		tap_skip(outcome->lacks, "%s, %s", row->name, in);
		return;
	}
	add_up(outcome);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(outcome->wrong, sizeof outcome->wrong,
			 "it does not come to an end");
	else if (status && !*outcome->wrong)
		snprintf(outcome->wrong, sizeof outcome->wrong,
			 "its process ends with status %#x", (unsigned int) status);
	show_ages(row->name, outcome);
	tap_ok(!status, "%s, %s: %lu sections, %lu grace periods, "
	       "%lu callbacks, %lu forks, seed %llu%s%s", row->name, in,
	       outcome->sections, outcome->grace_periods, outcome->callbacks,
	       outcome->forks, (unsigned long long) seed,
	       *outcome->wrong ? ": " : "", outcome->wrong);
}

static int selected(const struct row *row)
{
	char **name = options.names;

	if (!*name)
		return 1;
	while (*name && strcmp(*name, row->name))
		name++;
	return *name != NULL;
}

static void run_matrix(enum umb_fence_mode mode, uint64_t seed, double end)
{
	for (const struct row *row = rows; row->name; row++)
		if (selected(row) && (!end || now() < end))
			run(row, mode, seed);
}

static void run_all_modes(uint64_t seed, double end)
{
	for (unsigned int mode = 1; mode <= MODES; mode++) {
		if (has_mode(mode))
			run_matrix(mode, seed, end);
		else
			tap_skip("this machine does not have it", "mode %s",
				 umb_fence_mode_name(mode));
	}
}

static void usage(const char *what, const char *value)
{
	fprintf(stderr, "torture: %s: %s\n"
		"usage: torture [--seconds S] [--for S] [--mode MODE|all] "
		"[--seed N]\n               [--patience S] [--list] [ROW ...]\n"
		"  --seconds   a row, 0.1 to 86400; --for: all rows, again and "
		"again; --patience: 1\n              to 3600, for one step of a "
		"thread; --seed: 1 and up\n  modes: all", what, value);
	for (unsigned int mode = 1; mode <= MODES; mode++)
		fprintf(stderr, " %s", umb_fence_mode_name(mode));
	fputs("\n  rows:", stderr);
	for (const struct row *row = rows; row->name; row++)
		fprintf(stderr, " %s", row->name);
	fputc('\n', stderr);
	exit(2);
}

static double number(const char *what, const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= min && value <= max))
		usage(what, text);
	return value;
}

static uint64_t whole_number(const char *what, const char *text, double max)
{
	double value = number(what, text, 1, max);

	if (value != (double) (uint64_t) value)
		usage(what, text);
	return (uint64_t) value;
}

static void choose_mode(const char *name)
{
	unsigned int mode = MODES;

	options.all_modes = !strcmp(name, "all");
	if (options.all_modes)
		return;
	while (mode && strcmp(name, umb_fence_mode_name(mode)))
		mode--;
	if (!mode)
		usage("unknown mode", name);
	if (!has_mode(mode)) {
		fprintf(stderr, "torture: this machine does not have mode %s\n",
			name);
		exit(2);
	}
	options.mode = mode;
}

static void list(void)
{
	for (const struct row *row = rows; row->name; row++)
		puts(row->name);
	exit(0);
}

static void check_names(char **names)
{
	for (; *names; names++) {
		const struct row *row = rows;

		while (row->name && strcmp(*names, row->name))
			row++;
		if (!row->name)
			usage("unknown row", *names);
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "for", required_argument, NULL, 'f' },
		{ "mode", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 'r' },
		{ "patience", required_argument, NULL, 'p' },
		{ "list", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	options.seed = (uint64_t) time(NULL);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (option) {
		case 's':
			options.seconds = number("--seconds", optarg, 0.1, 86400);
			break;
		case 'f':
			options.all = number("--for", optarg, 0.1, 864000);
			break;
		case 'm':
			choose_mode(optarg);
			break;
		case 'r':
			options.seed = whole_number("--seed", optarg, 1e15);
			break;
		case 'p':
			options.patience = (unsigned int)
				whole_number("--patience", optarg, 3600);
			break;
		case 'l':
			list();
			break;
		default:
			usage("bad option", argv[optind - 1]);
		}
	options.names = argv + optind;
	check_names(options.names);
}

int main(int argc, char **argv)
{
	double end;

	read_options(argc, argv);
	tap_begin();
	outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcome == MAP_FAILED) {
		perror("torture: no memory");
		return 1;
	}
	tap_diag("seed %llu", (unsigned long long) options.seed);
	end = options.all ? now() + options.all : 0;
	do {
		if (options.all_modes)
			run_all_modes(options.seed, end);
		else
			run_matrix(options.mode, options.seed, end);
		options.seed++;
	} while (end && now() < end);
	show_ages("all", &sum);
	tap_diag("all: %lu sections (%lu in handlers), %lu grace periods, "
		 "%lu callbacks, %lu forks, %lu fences in another mode",
		 sum.sections, sum.in_handlers, sum.grace_periods,
		 sum.callbacks, sum.forks, sum.steps_down);
	return tap_end();
}
