/* SPDX-License-Identifier: MIT */
#ifndef UMBI_COMBINE_H
#define UMBI_COMBINE_H

/*
 * A turn that serves everybody who was there before it began: one thread runs
 * it, the others wait for it. n callers at the same time cost at most two
 * turns. Heavy fences and grace periods are both such turns.
 */

#include <stdint.h>

#pragma GCC visibility push(hidden)

struct umbi_combine {
	unsigned long started;		/* number of the newest turn */
	unsigned long completed;	/* number of the newest turn that ended */
	uint32_t leader;		/* 1: somebody runs a turn */
	uint32_t word;			/* followers sleep on it; one more a turn */
	uint32_t followers;		/* who sleep, or are about to */
} __attribute__((aligned(128)));

/*
 * Return after a turn that began after the call. run(g) does turn number g;
 * one thread at a time is in it. A full memory barrier on entry and on return.
 * Spins that many times before it sleeps as a follower.
 */
void umbi_combine(struct umbi_combine *c, void (*run)(unsigned long g),
		  unsigned int spins);

/* Counters wrap: compare by the sign of the difference. */
static inline int umbi_reached(unsigned long counter, unsigned long target)
{
	return (long) (counter - target) >= 0;
}

#pragma GCC visibility pop

#endif /* UMBI_COMBINE_H */
