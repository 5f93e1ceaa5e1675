/* SPDX-License-Identifier: MIT */

/* What a verb's figures should be like, and are. A goal decides nothing. */

#include <math.h>
#include <string.h>

#include "tests/bench/bench.h"

/* Were both of them asked for? Then *value is what was measured, or NaN. */
static int reached(const struct summaries *all, const struct goal *g,
		   double *value)
{
	const struct scheme *s = scheme_named(g->scheme, strlen(g->scheme));
	const struct scheme *to = g->to ? scheme_named(g->to, strlen(g->to)) : s;
	size_t i = (size_t) (s - schemes);

	*value = g->to ? ratio(all, i, g->figure, to)
		: all->of[i][g->figure].median;
	return s->selected && to->selected;
}

void goals_print(const struct options *o, const struct summaries *all)
{
	const char *gap = "\n";

	for (size_t i = 0; i < o->verb->goal_count; i++) {
		const struct goal *g = &o->verb->goals[i];
		double value;

		if (!reached(all, g, &value))
			continue;
		printf("%s%s, %s / %s: ", gap, g->what, g->scheme,
		       g->to ? g->to : "bare global-expedited fence");
		gap = "";
		if (isnan(value))
			printf("not measured");
		else
			printf("%.2f", value);
		printf(" (goal: at %s %g)\n", g->at_most ? "most" : "least",
		       g->limit);
	}
}

void goals_json(FILE *f, const struct options *o, const struct summaries *all)
{
	for (size_t i = 0; i < o->verb->goal_count; i++) {
		const struct goal *g = &o->verb->goals[i];
		double value;

		if (!reached(all, g, &value))
			continue;
		fprintf(f, "{\"verb\":\"%s\",\"goal\":\"%s\",\"of\":\"%s\","
			"\"to\":\"%s\",\"%s\":%g,\"ratio\":", o->verb->name,
			g->what, g->scheme, g->to ? g->to : "fence",
			g->at_most ? "at_most" : "at_least", g->limit);
		if (isfinite(value))
			fprintf(f, "%.9g}\n", value);
		else
			fprintf(f, "null}\n");
	}
}
