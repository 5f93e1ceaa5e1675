/* SPDX-License-Identifier: MIT */

/* One object a line, one line a scheme. What was not measured is null. */

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static void text(FILE *f, const char *key, const char *value)
{
	fprintf(f, ",\"%s\":\"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', f);
		if ((unsigned char) *value >= ' ')
			putc(*value, f);
	}
	putc('"', f);
}

static void number(FILE *f, const char *key, double value)
{
	if (isfinite(value))
		fprintf(f, ",\"%s\":%.9g", key, value);
	else
		fprintf(f, ",\"%s\":null", key);
}

static void figure(FILE *f, const struct options *o,
		   const struct summaries *all, size_t i, size_t k)
{
	const struct scheme *to = scheme_named(o->reference,
					       strlen(o->reference));

	fprintf(f, ",\"%s\":{\"unit\":\"%s\"", o->verb->figures[k].key,
		o->verb->figures[k].unit);
	number(f, "median", all->of[i][k].median);
	number(f, "min", all->of[i][k].min);
	number(f, "max", all->of[i][k].max);
	number(f, "ratio", ratio(all, i, k, to));
	putc('}', f);
}

static void settings(FILE *f, const struct options *o)
{
	const char *mode = umb_fence_mode_name(umb_fence_mode());

	text(f, "reference", o->reference);
	number(f, "rounds", o->rounds);
	number(f, "seconds", o->seconds);
	if (o->verb->bit == RW) {
		number(f, "readers", o->readers);
		number(f, "writers", o->writers);
		fprintf(f, ",\"pinned\":%s", o->pin ? "true" : "false");
	}
	if (o->verb->bit == GP)
		number(f, "idle_max", o->idle_max);
	if (o->verb->bit == CALL)
		number(f, "callbacks", o->callbacks);
	text(f, "cpu", machine_cpu());
	number(f, "cpus", machine_cpus());
	number(f, "cpus_online", (double) sysconf(_SC_NPROCESSORS_ONLN));
	text(f, "kernel", machine_kernel());
	text(f, "fence_mode", mode ? mode : "none");
}

void json_print(FILE *f, const struct options *o, const struct summaries *all)
{
	static const char *const states[] = {
		[MEASURED] = "measured",
		[NOT_INSTALLED] = "not installed",
		[NOT_AVAILABLE] = "not available here",
	};

	for (size_t i = 0; i < scheme_count; i++) {
		if (!schemes[i].selected)
			continue;
		fprintf(f, "{\"verb\":\"%s\"", o->verb->name);
		text(f, "scheme", schemes[i].name);
		text(f, "state", states[schemes[i].state]);
		for (size_t k = 0; k < o->verb->figure_count; k++)
			figure(f, o, all, i, k);
		settings(f, o);
		number(f, "others_cpu", all->others);
		fprintf(f, "}\n");
	}
	goals_json(f, o, all);
}
