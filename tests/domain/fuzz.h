/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DOMAIN_FUZZ_H
#define TESTS_DOMAIN_FUZZ_H

/* Segments that somebody has spoilt, and what a program does with them. */

#include <stddef.h>
#include <stdint.h>

#include "urcu-membarrier/domain.h"

#define FUZZ_READERS	4
#define FUZZ_AREA	1024
#define FUZZ_SLOTS(readers)	(2 * (uint64_t) (readers) + 32)	/* processes: 32 more */

/* As the library writes it. */
struct header {
	uint64_t magic;
	uint32_t endian, version, bits, layout, mode, readers;
	uint64_t area_bytes, bytes;
};

/* Of all processes. */
struct state {
	unsigned long next;		/* the case that runs */
	unsigned long refused, attached, acts, failed;
	unsigned long light;		/* readers that run no fence */
	uint64_t longest_ns;		/* of an act */
	char doing;			/* the act */
	unsigned long bad;
	char why[200];
};
extern struct state *state;

void bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t draw(uint64_t *seed);
uint64_t now_ns(void);

/*
 * fuzz-segment.c: a good segment, of which others are made; and where its parts are,
 * as the library has them.
 */
void template_make(void);
extern const struct header *template_header;
extern size_t template_shared, template_slots, template_area;

/* A file of that size with it: mode full. */
int segment_of_template(uint64_t file_bytes);
/* One of either mode, where the machine has both; light: it is worth the promise. */
int segment_of_some_mode(uint64_t *seed, int *light);
/* Spoil a few words between two offsets; `map` is the segment. */
void segment_spoil(char *map, size_t from, size_t to, uint64_t *seed);
uint64_t interesting(uint64_t *seed);

/* fuzz-acts.c */
struct fuzz_self {
	struct umb_domain *domain;
	struct umb_domain_reader *reader[2];
	char *map;		/* of our own */
};
/* Some acts with a domain; `spoils`: they are spoilt in between. */
void act_for_a_while(struct fuzz_self *self, uint64_t *seed, unsigned int acts,
		     int spoils);
/* Of guards: around all that the library maps. */
void guards_forget(void);

#endif /* TESTS_DOMAIN_FUZZ_H */
