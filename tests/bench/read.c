/* SPDX-License-Identifier: MIT */

/*
 * Verb read: an empty section in a loop, in a thread that is not alone: how long it
 * takes, and how many instructions, counted one by one.
 */

#include <math.h>

#include "tests/bench/bench.h"
#include "tests/lib/steps.h"

extern const struct loops loops_empty;

static int measure(const struct scheme *s, const struct options *o,
		   double *values, char *note)
{
	void *self;
	long steps;

	(void) note;
	thread_idle(0);
	self = s->loops->enter();
	values[0] = ns_each(s->loops->sections, self, o->seconds);
	steps = steps_each(s->loops->sections, loops_empty.sections, self);
	values[1] = steps < 0 ? NAN : (double) steps;
	s->loops->leave(self);
	return 0;
}

static const struct figure figures[] = {
	{ "section_ns", "section and loop (ns)", "ns", 1, 3, "signal" },
	{ "section_instructions", "instructions of the section alone", "", 1, 0,
	  "signal" },
};

const struct verb verb_read = {
	.bit = READ,
	.name = "read",
	.what = "cost of one section",
	.reference = "memb",
	.seconds = 0.1,
	.rounds = 9,
	.figures = figures,
	.figure_count = ARRAY_SIZE(figures),
	.beside = 1,
	.measure = measure,
};
