/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

/*
 * Tables of faults, a row each, in a process of its own: the load runs, the fault
 * strikes, everything goes on; it passes, everything goes on; and at the end nothing
 * was lost. Nothing is timed but hangs.
 */

#include <stddef.h>
#include <stdint.h>

#include "tests/fault/load.h"
#include "urcu-membarrier/stats.h"

#ifndef ROW_SECONDS
# define ROW_SECONDS	50	/* so long without a step is a hang */
#endif
#define GONE(mode)	(1U << UMB_FENCE_##mode)
/* Both need the private command. */
#define GONE_EXPEDITED	(GONE(PRIVATE_EXPEDITED) | GONE(GLOBAL_EXPEDITED))
#define GONE_MEMBARRIER	(GONE_EXPEDITED | GONE(GLOBAL))

enum {				/* members of struct umb_stats that grow */
	FAILURES = 1,
	FALLBACKS = 2,
	DEGRADATIONS = 4,
};

enum {
	EARLY = 1,		/* before the first thread of the load */
	READERS_ONLY = 2,	/* the others may wait until it has passed */
	ONE_THREAD = 4,		/* LOAD_WAITS alone steps down */
	STAYS = 8,		/* it does not pass */
	FIRST = 16,		/* the first of a plan strikes, the others may */
};

struct row {
	const char *id, *what;
	enum umb_fence_mode mode;	/* at first; 0: as it is */
	unsigned int gone;		/* modes, for those who try */
	unsigned int must, may;		/* what it costs, and nothing else */
	unsigned int flags;
	unsigned int load;		/* for load_start() */
	const char *says;		/* in each line on stderr; NULL: no line */
	void *fault;			/* the program's: a plan, a filter, NULL */
	/* Before any thread, before the fault, at its begin, under it, at its end. */
	void (*before)(const struct row *row);
	void (*aim)(const struct row *row);
	void (*begin)(const struct row *row);
	void (*meanwhile)(const struct row *row);
	void (*end)(const struct row *row);
};

struct rows {
	const struct row *rows;
	size_t count;
	void (*begin)(const struct row *row);	/* switch the fault on, */
	void (*end)(const struct row *row);	/* and off */
	int (*struck)(const struct row *row);	/* has it? NULL: it shows */
};

/*
 *	PROGRAM [--list | ID ...]
 */
int rows_main(int argc, char **argv, const struct rows *rows);

/* In a row: as expect(), but a failure ends it. */
void row_needs(int pass, const char *what);
/* Until it is so, or a hang. */
void row_await(int (*is_so)(const struct row *row), const struct row *row,
	       const char *what);
void row_goes_on(unsigned int activities, const char *when);
struct umb_stats row_stats(void);
/* Bytes that the row has said on stderr. */
long row_said(void);

#endif /* TESTS_ROWS_H */
