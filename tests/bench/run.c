/* SPDX-License-Identifier: MIT */

/* Rounds: every selected scheme once, each round from another first one on. */

#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static char notes[SCHEMES_MAX][NOTE_SIZE];

static void progress(const struct options *o, unsigned int round,
		     const char *name)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (name)
		fprintf(stderr, "\r%s: round %u of %u: %-24s", o->verb->name,
			round + 1, o->rounds, name);
	else
		fprintf(stderr, "\r%60s\r", "");
	fflush(stderr);
}

static int takes_part(const struct scheme *s)
{
	return s->selected && s->state == MEASURED;
}

static void measure_round(const struct options *o, unsigned int round,
			  struct result *results)
{
	for (size_t n = 0; n < scheme_count; n++) {
		size_t i = (n + round) % scheme_count;

		if (!takes_part(&schemes[i]))
			continue;
		progress(o, round, schemes[i].name);
		schemes[i].state = child_measure(&schemes[i], o, &results[i]);
		if (results[i].note[0])
			memcpy(notes[i], results[i].note, NOTE_SIZE);
	}
	progress(o, round, NULL);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* A figure that some round lacks is NaN: NaN sorts nowhere. */
struct summary summarise(double *values, size_t n)
{
	struct summary s = { NAN, NAN, NAN };

	for (size_t i = 0; i < n; i++)
		if (isnan(values[i]))
			return s;
	qsort(values, n, sizeof *values, compare);
	s.min = values[0];
	s.max = values[n - 1];
	s.median = (values[(n - 1) / 2] + values[n / 2]) / 2;
	return s;
}

static void summarise_all(const struct options *o, const struct result *results,
			  struct summaries *all)
{
	double *values = calloc(o->rounds, sizeof *values);

	if (!values)
		die(1, "out of memory");
	for (size_t i = 0; i < scheme_count; i++)
		for (size_t k = 0; k < FIGURES_MAX; k++) {
			for (size_t r = 0; r < o->rounds; r++)
				values[r] = takes_part(&schemes[i])
					? results[r * SCHEMES_MAX + i].values[k]
					: NAN;
			all->of[i][k] = summarise(values, o->rounds);
		}
	free(values);
}

double ratio(const struct summaries *all, size_t scheme, size_t figure,
	     const struct scheme *to)
{
	return all->of[scheme][figure].median
		/ all->of[to - schemes][figure].median;
}

static void head(const struct options *o)
{
	const char *mode = umb_fence_mode_name(umb_fence_mode());

	printf("urcu-bench %s: %s\n", o->verb->name, o->verb->what);
	printf("machine: %s, %u CPUs of %ld online; %s; fence mode %s\n",
	       machine_cpu(), machine_cpus(), sysconf(_SC_NPROCESSORS_ONLN),
	       machine_kernel(), mode ? mode : "none");
	if (o->verb->bit == RW)
		printf("%u readers, %u writers%s, ", o->readers, o->writers,
		       o->pin ? ", pinned" : "");
	if (o->verb->bit == CALL)
		printf("%u callbacks a burst%s, ", o->callbacks,
		       o->callbacks < o->callbacks_asked
		       ? " (memory for no more)" : "");
	printf("%u rounds of %g s%s; medians, ratios of medians\n", o->rounds,
	       o->seconds, o->verb->bit == RW ? "" : " a figure");
#ifndef __OPTIMIZE__
	printf("built without optimisation: these figures mean little\n");
#endif
	fflush(stdout);
}

static void foot(double others)
{
	for (size_t i = 0; i < scheme_count; i++)
		if (notes[i][0])
			printf("%s: %s\n", schemes[i].name, notes[i]);
	if (!isnan(others))
		printf("\nother processes took %.0f %% of the CPUs meanwhile\n",
		       100 * others);
	if (fflush(stdout) || ferror(stdout))
		die(1, "cannot write the table: %s", strerror(errno));
}

int run(const struct options *o)
{
	struct result *results = calloc((size_t) o->rounds * SCHEMES_MAX,
					sizeof *results);
	struct summaries *all = calloc(1, sizeof *all);
	FILE *json = o->json ? fopen(o->json, "we") : NULL;

	if (!results || !all)
		die(1, "out of memory");
	if (o->json && !json)
		die(1, "cannot write %s: %s", o->json, strerror(errno));
	head(o);
	machine_others();
	for (unsigned int r = 0; r < o->rounds; r++)
		measure_round(o, r, results + (size_t) r * SCHEMES_MAX);
	all->others = machine_others();
	summarise_all(o, results, all);
	table_print(o, all);
	goals_print(o, all);
	foot(all->others);
	if (json)
		json_print(json, o, all);
	if (json && (ferror(json) | fclose(json)))
		die(1, "cannot write %s: %s", o->json, strerror(errno));
	free(results);
	free(all);
	return 0;
}
