/* SPDX-License-Identifier: MIT */
#ifndef UMBI_NOTE_H
#define UMBI_NOTE_H

/*
 * What is noted of grace periods: how many, and since when one waits for readers. By
 * leaders, one at a time; a quiet one's end by anybody.
 */

#include "thread/stall.h"

#pragma GCC visibility push(hidden)

struct umbi_note {
	unsigned long periods, elided, slept, given_up, quiet;
	unsigned long longest_us;
	/* When readers were found that are waited for, and when they were last seen. */
	uint64_t began_ns, seen_ns;
	struct umbi_wait wait;
	int has_slept;
	unsigned long *since_ms;	/* the same for others to see */
};

void umbi_note_begin(struct umbi_note *n);
void umbi_note_end(struct umbi_note *n, int elided);
void umbi_note_given_up(struct umbi_note *n);
void umbi_note_quiet(struct umbi_note *n);

/*
 * Readers hold it, as far as somebody has just looked; and it will sleep on them. One
 * that is given up goes on waiting, until somebody sees that they are out.
 */
void umbi_note_holding(struct umbi_note *n);
void umbi_note_sleep(struct umbi_note *n);
void umbi_note_out(struct umbi_note *n);
/* In a forked child, if another thread led: it is not this one's. */
void umbi_note_forget(struct umbi_note *n);

#pragma GCC visibility pop

#endif /* UMBI_NOTE_H */
