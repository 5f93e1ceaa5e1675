/* SPDX-License-Identifier: MIT */

/* Figures side by side: median, min, max, and ratios to other schemes. */

#include <math.h>
#include <string.h>

#include "tests/bench/bench.h"

#define NUMBER_WIDTH	10
#define RATIO_WIDTH	8
#define NAME_WIDTH	23

/* With whom a figure is compared: the reference and the figure's own. */
static size_t references(const struct options *o, const struct figure *f,
			 const struct scheme *to[2])
{
	const struct scheme *s = scheme_named(o->reference,
					      strlen(o->reference));
	size_t n = 0;

	if (s && s->selected)
		to[n++] = s;
	s = f->also ? scheme_named(f->also, strlen(f->also)) : NULL;
	if (s && s->selected && (!n || s != to[0]))
		to[n++] = s;
	return n;
}

static int ratio_width(const struct scheme *to)
{
	int width = (int) strlen(to->name) + 4;

	return width > RATIO_WIDTH ? width : RATIO_WIDTH;
}

static void heads(const struct options *o, const struct figure *f, size_t n)
{
	const struct scheme *to[2];

	printf("\n%-*s", NAME_WIDTH, "");
	for (size_t k = 0; k < n; k++) {
		int width = 3 * NUMBER_WIDTH;

		for (size_t r = references(o, &f[k], to); r--; )
			width += ratio_width(to[r]);
		printf("  %*s", k + 1 < n ? -width + 2 : 0, f[k].head);
	}
	printf("\n%-*s", NAME_WIDTH, "scheme");
	for (size_t k = 0; k < n; k++) {
		size_t count = references(o, &f[k], to);

		printf("%*s%*s%*s", NUMBER_WIDTH, "median", NUMBER_WIDTH, "min",
		       NUMBER_WIDTH, "max");
		for (size_t r = 0; r < count; r++)
			printf("%*s%s", ratio_width(to[r])
			       - (int) strlen(to[r]->name), "x ", to[r]->name);
	}
	printf("\n");
}

static void number(double value, int width, int decimals)
{
	if (isnan(value))
		printf("%*s", width, "-");
	else
		printf("%*.*f", width, decimals, value);
}

static void quotient(double value, int width)
{
	number(value, width, value < 0.01 ? 4 : value < 100 ? 2 : 0);
}

static int has(const struct summaries *all, size_t i, size_t first, size_t n)
{
	while (n--)
		if (!isnan(all->of[i][first + n].median))
			return 1;
	return 0;
}

static void row(const struct options *o, const struct summaries *all, size_t i,
		size_t first, size_t n)
{
	const struct scheme *to[2];

	printf("%-*s", NAME_WIDTH, schemes[i].name);
	if (schemes[i].state != MEASURED) {
		printf("  %s\n", schemes[i].state == NOT_INSTALLED
		       ? "not installed" : "not available here");
		return;
	}
	for (size_t k = first; k < first + n; k++) {
		const struct figure *f = &o->verb->figures[k];
		const struct summary *s = &all->of[i][k];
		size_t count = references(o, f, to);

		number(s->median * f->scale, NUMBER_WIDTH, f->decimals);
		number(s->min * f->scale, NUMBER_WIDTH, f->decimals);
		number(s->max * f->scale, NUMBER_WIDTH, f->decimals);
		for (size_t r = 0; r < count; r++)
			quotient(ratio(all, i, k, to[r]), ratio_width(to[r]));
	}
	printf("\n");
}

static int measured(const struct summaries *all, size_t k)
{
	for (size_t i = 0; i < scheme_count; i++)
		if (!isnan(all->of[i][k].median))
			return 1;
	return 0;
}

static size_t shown(const struct options *o, const struct summaries *all,
		    size_t first)
{
	size_t n = 0;

	for (size_t k = 0; k < o->verb->beside; k++)
		if (measured(all, first + k))
			n = k + 1;
	return n;
}

void table_print(const struct options *o, const struct summaries *all)
{
	for (size_t k = 0; k < o->verb->figure_count; k += o->verb->beside) {
		size_t n = shown(o, all, k);

		/* Where nothing was measured, say so once. */
		if (!n && k)
			continue;
		heads(o, &o->verb->figures[k], n);
		for (size_t i = 0; i < scheme_count; i++)
			if (schemes[i].selected && (!k || has(all, i, k, n)))
				row(o, all, i, k, n);
	}
}
