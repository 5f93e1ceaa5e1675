/* SPDX-License-Identifier: MIT */

/* The command line. What is wrong with it ends the program with status 2. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum kind { FLAG, COUNT, SECONDS, TEXT };

static const struct option {
	const char *name, *argument, *what;
	unsigned int verbs;
	enum kind kind;
	size_t offset;
	double min, max;
} table[] = {
#define AT(member)	offsetof(struct options, member)
	{ "--readers", "N", "reader threads (6)", RW, COUNT, AT(readers),
		1, 4096 },
	{ "--writers", "N", "writer threads (2)", RW, COUNT, AT(writers),
		1, 4096 },
	{ "--seconds", "S", "length of a measurement", ALL_VERBS, SECONDS,
		AT(seconds), 0.001, 3600 },
	{ "--rounds", "N", "measurements of each scheme, interleaved",
		ALL_VERBS, COUNT, AT(rounds), 1, 1000 },
	{ "--idle-max", "N", "most idle threads (10000)", GP, COUNT,
		AT(idle_max), 0, 10000 },
	{ "--callbacks", "N", "callbacks of a burst (5000000)", CALL, COUNT,
		AT(callbacks), 2, 1e9 },
	{ "--scheme", "NAME[,NAME...]", "only these schemes", ALL_VERBS, TEXT,
		AT(chosen), 0, 0 },
	{ "--reference", "NAME", "print ratios to this scheme", ALL_VERBS, TEXT,
		AT(reference), 0, 0 },
	{ "--pin", NULL, "pin thread i to CPU i, readers first", RW, FLAG,
		AT(pin), 0, 0 },
	{ "--json", "FILE", "also write one object a line", ALL_VERBS, TEXT,
		AT(json), 0, 0 },
	{ "--list", NULL, "name the schemes", ALL_VERBS, FLAG, AT(list), 0, 0 },
	{ "--help", NULL, "this text", ALL_VERBS, FLAG, AT(help), 0, 0 },
	{ "--version", NULL, "the version", ALL_VERBS, FLAG, AT(version), 0, 0 },
	{ "--measure", NULL, NULL, ALL_VERBS, FLAG, AT(measure), 0, 0 },
	{ "--part", NULL, NULL, CALL | SHARED, COUNT, AT(part), 0, FIGURES_MAX },
};

static const struct verb *const verbs[] = {
	&verb_rw, &verb_read, &verb_gp, &verb_fence, &verb_call, &verb_shared,
};

static const struct verb *verb_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	die(2, "unknown verb \"%s\"; valid: rw, read, gp, fence, call, shared",
	    name);
}

/* Names that are valid for this verb, for a message. */
static const char *valid_options(unsigned int verb)
{
	static char text[512];
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].what && table[i].verbs & verb)
			used += (size_t) snprintf(text + used, sizeof text - used,
				"%s%s", used ? ", " : "", table[i].name);
	return text;
}

static const char *valid_schemes(unsigned int verb)
{
	static char text[SCHEMES_MAX * 40];
	size_t used = 0;

	for (size_t i = 0; i < scheme_count; i++)
		if (schemes[i].verbs & verb)
			used += (size_t) snprintf(text + used, sizeof text - used,
				"%s%s", used ? ", " : "", schemes[i].name);
	return text;
}

static const struct option *option_named(const char *arg)
{
	size_t length = strcspn(arg, "=");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strlen(table[i].name) == length
		    && !memcmp(table[i].name, arg, length))
			return &table[i];
	die(2, "unknown option \"%.*s\"; valid: %s", (int) length, arg,
	    valid_options(ALL_VERBS));
}

static double parse_number(const struct option *opt, const char *value)
{
	char *end;
	double number = strtod(value, &end);
	int whole = opt->kind == COUNT;

	if (end == value || *end || !(number >= opt->min && number <= opt->max)
	    || (whole && (number != floor(number)
			  || strspn(value, "0123456789") != strlen(value))))
		die(2, "%s \"%s\" is not valid; valid: %s from %g to %g",
		    opt->name, value, whole ? "a whole number" : "seconds",
		    opt->min, opt->max);
	return number;
}

static void set(struct options *o, const struct option *opt, const char *value)
{
	char *at = (char *) o + opt->offset;

	switch (opt->kind) {
	case FLAG:
		*(int *) at = 1;
		break;
	case COUNT:
		*(unsigned int *) at = (unsigned int) parse_number(opt, value);
		break;
	case SECONDS:
		*(double *) at = parse_number(opt, value);
		break;
	case TEXT:
		if (!*value)
			die(2, "%s needs %s", opt->name, opt->argument);
		*(const char **) at = value;
		break;
	}
}

static int is_given(unsigned int given, const char *name)
{
	return given >> (option_named(name) - table) & 1;
}

/* Options and the verb in any order. Returns a bit for each option given. */
static unsigned int parse_words(struct options *o, int argc, char **argv)
{
	unsigned int given = 0;

	for (int i = 1; i < argc; i++) {
		const struct option *opt;
		const char *value = strchr(argv[i], '=');

		if (argv[i][0] != '-') {
			if (o->verb)
				die(2, "one verb at a time, not \"%s\" and \"%s\"",
				    o->verb->name, argv[i]);
			o->verb = verb_named(argv[i]);
			continue;
		}
		opt = option_named(argv[i]);
		given |= 1U << (opt - table);
		if (opt->kind == FLAG && value)
			die(2, "%s takes no value", opt->name);
		if (opt->kind != FLAG && !value && ++i == argc)
			die(2, "%s needs %s", opt->name, opt->argument);
		set(o, opt, opt->kind == FLAG ? NULL : value ? value + 1 : argv[i]);
	}
	return given;
}

static struct scheme *scheme_for(const struct options *o, const char *name,
				 size_t length)
{
	struct scheme *s = scheme_named(name, length);

	if (!s || !(s->verbs & o->verb->bit))
		die(2, "%s \"%.*s\"%s%s; valid: %s",
		    s ? "scheme" : "unknown scheme", (int) length, name,
		    s ? " has no part in " : "", s ? o->verb->name : "",
		    valid_schemes(o->verb->bit));
	return s;
}

static void select_schemes(const struct options *o, int reference_given)
{
	const char *at = o->chosen;

	for (size_t i = 0; !at && i < scheme_count; i++)
		schemes[i].selected = !!(schemes[i].verbs & o->verb->bit);
	while (at) {
		size_t length = strcspn(at, ",");

		scheme_for(o, at, length)->selected = 1;
		at = at[length] ? at + length + 1 : NULL;
	}
	if (reference_given)
		scheme_for(o, o->reference, strlen(o->reference))->selected = 1;
}

static const char *only(const struct option *opt)
{
	static char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i]->bit == opt->verbs) {
			snprintf(text, sizeof text, "; %s only", verbs[i]->name);
			return text;
		}
	return "";
}

static void help(void)
{
	printf("Usage: urcu-bench [VERB] [OPTION...]\n"
	       "Sections, grace periods and callbacks of this library beside those of\n"
	       "others.\n"
	       "\nVerbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-6s %s%s (%u rounds of %g s; ratios to %s)\n",
		       verbs[i]->name, verbs[i]->what, i ? "" : ", the default",
		       verbs[i]->rounds, verbs[i]->seconds, verbs[i]->reference);
	printf("\nOptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].what)
			printf("  %-11s %-15s %s%s\n", table[i].name,
			       table[i].argument ? table[i].argument : "",
			       table[i].what, only(&table[i]));
}

/* Bursts take half of what memory is free at most. */
static void fit_memory(struct options *o)
{
	double room = machine_memory() / 2 / CALLBACK_BYTES;

	o->callbacks_asked = o->callbacks;
	if (room < o->callbacks)
		o->callbacks = room > 2 ? (unsigned int) room : 2;
}

void options_parse(struct options *o, int argc, char **argv)
{
	unsigned int given;

	*o = (struct options) {
		.readers = 6, .writers = 2, .idle_max = 10000,
		.callbacks = 5000000,
	};
	given = parse_words(o, argc, argv);
	if (o->help)
		help();
	if (!o->verb)
		o->verb = &verb_rw;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (given >> i & 1 && !(table[i].verbs & o->verb->bit))
			die(2, "%s means nothing to the verb %s; valid: %s",
			    table[i].name, o->verb->name,
			    valid_options(o->verb->bit));
	if (!is_given(given, "--seconds"))
		o->seconds = o->verb->seconds;
	if (!is_given(given, "--rounds"))
		o->rounds = o->verb->rounds;
	if (!o->measure)
		fit_memory(o);
	if (!o->reference)
		o->reference = o->verb->reference;
	select_schemes(o, is_given(given, "--reference"));
}
