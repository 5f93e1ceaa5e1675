/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fault/rows.h"
#include "tests/lib/cases.h"
#include "tests/lib/tap.h"

#define MODES		((int) UMB_FENCE_VISIT)
#define LINE_MAX_	512
#define FENCES		3	/* of the row's own thread */

static const struct rows *all;
static unsigned int available;		/* modes, a bit each */
static FILE *said;

/* In a row. */
static enum umb_fence_mode first_mode;
static struct umb_stats at_begin;

void row_needs(int pass, const char *what)
{
	if (!expect(pass, what))
		_exit(0);
}

void row_await(int (*is_so)(const struct row *), const struct row *row,
	       const char *what)
{
	long end = now_seconds() + ROW_SECONDS;

	while (!is_so(row)) {
		row_needs(now_seconds() < end, what);
		usleep(500);
	}
}

void row_goes_on(unsigned int activities, const char *when)
{
	const char *stuck = load_await(activities, ROW_SECONDS);
	char what[128];

	if (!stuck)
		return;
	snprintf(what, sizeof what, "%s stands still %s", stuck, when);
	row_needs(0, what);
}

struct umb_stats row_stats(void)
{
	struct umb_stats now;

	row_needs(!umb_stats_get(&now, sizeof now), "counters are to be had");
	return now;
}

long row_said(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) ? -1 : (long) st.st_size;
}

/* Down the list from the row's, and then from its top, without what is gone. */
static enum umb_fence_mode mode_after(const struct row *row)
{
	for (int n = 0; n < MODES; n++) {
		int m = ((int) first_mode - 1 + n) % MODES + 1;

		if (available & ~row->gone & 1U << m)
			return (enum umb_fence_mode) m;
	}
	return (enum umb_fence_mode) 0;
}

static int waiter_has_stepped(const struct row *row)
{
	return load_mode(LOAD_WAITS) == mode_after(row);
}

static int have_stepped(const struct row *row)
{
	umb_fence_heavy();
	return umb_fence_mode() == mode_after(row);
}

static void check_modes(const struct row *row)
{
	if (row->flags & ONE_THREAD) {
		row_await(waiter_has_stepped, row, "the thread steps down");
		for (int i = 0; i < FENCES; i++)
			umb_fence_heavy();
		row_needs(umb_fence_mode() == first_mode
			  && load_mode(LOAD_FENCES) == first_mode,
			  "the other threads do not");
	} else {
		row_await(have_stepped, row, "the mode is the one that is left");
		for (int i = 0; i < FENCES; i++)
			row_needs(have_stepped(row), "the mode stays");
	}
}

static unsigned int grown(const struct umb_stats *before)
{
	struct umb_stats now = row_stats();

	return (now.failures != before->failures ? FAILURES : 0)
		| (now.fallbacks != before->fallbacks ? FALLBACKS : 0)
		| (now.degradations != before->degradations ? DEGRADATIONS : 0);
}

static int has_cost(const struct row *row)
{
	return (grown(&at_begin) & row->must) == row->must;
}

static int has_struck(const struct row *row)
{
	return !all->struck || all->struck(row);
}

static uint64_t fences_beyond(const struct umb_stats *now, int mode)
{
	uint64_t sum = 0;

	for (int m = 1; m <= MODES; m++)
		sum += m == mode ? 0 : now->fences[m] - at_begin.fences[m];
	return sum;
}

static void check_costs(const struct row *row)
{
	int mode = (int) mode_after(row);
	struct umb_stats now;
	unsigned int cost;

	row_await(has_cost, row, "the counters tell of it");
	cost = grown(&at_begin);
	now = row_stats();
	expect(!(cost & FAILURES & ~(row->must | row->may)), "nothing fails");
	expect(!(cost & FALLBACKS & ~(row->must | row->may)),
	       "no other mode helps out");
	expect(!(cost & DEGRADATIONS & ~(row->must | row->may)),
	       "nobody steps down");
	if (row->must & FALLBACKS)
		expect(fences_beyond(&now, mode) > 0, "another mode's fences count");
	else
		expect(now.fences[mode] > at_begin.fences[mode],
		       "the mode's fences count");
}

static void under_fault(const struct row *row)
{
	row_goes_on(row->flags & READERS_ONLY ? LOAD_READERS : LOAD_ALL,
		    "under the fault");
	if (row->meanwhile)
		row->meanwhile(row);
	row_await(has_struck, row, "the fault strikes");
	if (row->flags & READERS_ONLY)
		return;
	check_modes(row);
	check_costs(row);
	row_goes_on(LOAD_ALL, "under the fault");
}

/* All is as it was; but who has stepped down stays there. */
static void after_fault(const struct row *row)
{
	int own = !row->gone;
	struct umb_stats before;
	struct umb_stats now;

	row_goes_on(LOAD_ALL, "after the fault");
	before = row_stats();
	row_goes_on(LOAD_ALL, "after the fault");
	if (row->flags & READERS_ONLY)
		expect(umb_fence_mode() == mode_after(row), "the mode is the same");
	now = row_stats();
	/* Where the machine's own calls fail there is no telling. */
	if (at_begin.failures)
		return;
	expect(now.failures == before.failures
	       && now.fallbacks == before.fallbacks, "it is over");
	expect(!own || now.fences[first_mode] > before.fences[first_mode],
	       "the first mode is back");
}

static void check_said(const struct row *row)
{
	char line[LINE_MAX_];

	if (row->says)
		expect(row_said() > 0, "something is said");
	rewind(said);
	while (fgets(line, sizeof line, said))
		expect(row->says && strstr(line, row->says)
		       && strstr(line, "liburcu-membarrier: ") == line,
		       "nothing else is said");
}

static void hook(void (*act)(const struct row *), const struct row *row)
{
	if (act)
		act(row);
}

static void begin_row(const struct row *row)
{
	static const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	dup2(fileno(said), STDERR_FILENO);
	if (row->mode)
		case_mode(row->mode);
	first_mode = umb_fence_mode();
	hook(row->before, row);
	if (row->flags & EARLY)
		hook(all->begin, row);
	row_needs(!load_start(row->load), "threads for the load");
	row_goes_on(LOAD_ALL, "before the fault");
	hook(row->aim, row);
	at_begin = row_stats();
	if (!(row->flags & EARLY))
		hook(all->begin, row);
	hook(row->begin, row);
}

static void run(const void *arg)
{
	const struct row *row = arg;
	const char *wrong;

	begin_row(row);
	under_fault(row);
	hook(row->end, row);
	if (!(row->flags & STAYS)) {
		hook(all->end, row);
		after_fault(row);
	}
	wrong = load_stop();
	expect(!wrong, wrong ? wrong : "");
	check_said(row);
}

static void show_said(void)
{
	char line[LINE_MAX_];

	rewind(said);
	while (fgets(line, sizeof line, said)) {
		line[strcspn(line, "\n")] = 0;
		tap_diag("said: %s", line);
	}
	fclose(said);
}

static void run_row(const struct row *row)
{
	said = tmpfile();
	if (!said) {
		puts("Bail out! no temporary file");
		exit(1);
	}
	case_run(run, row, "%s: %s", row->id, row->what);
	show_said();
}

/* In children: a mode is chosen once. */
static void look_what_is_available(void)
{
	int status;
	pid_t child;

	for (int m = 1; m <= MODES; m++) {
		child = fork();
		if (!child)
			_exit(umb_fence_select((enum umb_fence_mode) m) != 0);
		if (waitpid(child, &status, 0) == child && !status)
			available |= 1U << m;
	}
}

static const struct row *row_of(const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(all->rows[i].id, id))
			return &all->rows[i];
	return NULL;
}

static int list(void)
{
	for (size_t i = 0; i < all->count; i++)
		printf("%s\t%s\n", all->rows[i].id, all->rows[i].what);
	return 0;
}

/* Nonzero: there is no such row, and the caller was told so. */
static int is_wrong(const char *program, const char *id)
{
	if (row_of(id))
		return 0;
	fprintf(stderr, "%s: no such row: %s\nusage: %s [--list | ID ...]\n"
		"  IDs:", program, id, program);
	for (size_t i = 0; i < all->count; i++)
		fprintf(stderr, " %s", all->rows[i].id);
	fputc('\n', stderr);
	return 1;
}

int rows_main(int argc, char **argv, const struct rows *rows)
{
	all = rows;
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list();
	for (int i = 1; i < argc; i++)
		if (is_wrong(argv[0], argv[i]))
			return 2;
	/* It would take the first for a part of a name. */
	case_main(1, argv);
	look_what_is_available();
	for (int i = 1; i < argc; i++)
		run_row(row_of(argv[i]));
	for (size_t i = 0; argc == 1 && i < rows->count; i++)
		run_row(&rows->rows[i]);
	return tap_end();
}
