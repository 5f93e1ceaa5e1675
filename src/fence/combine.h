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
	unsigned long begun;		/* this one was given up, see below */
	const void *leader;		/* somebody runs a turn: his record */
	uint32_t tid;			/* and number, or the last one's */
	uint32_t word;			/* followers sleep on it; one more a turn */
	uint32_t followers;		/* who sleep, or are about to */
} __attribute__((aligned(128)));

/*
 * What a turn does; one thread at a time is in it. It may give up when it is that
 * late, umbi_time_left(end), and be continued, `begun`, by whoever leads next and
 * can use it. Or it fails, with a negative errno: whom it would have served tries
 * himself.
 */
enum umbi_progress { UMBI_NOT_BEGUN, UMBI_BEGUN, UMBI_COMPLETE };
typedef int umbi_turn(struct umbi_combine *c, int begun, uint64_t end);

/*
 * Return after a turn that began after the call, positive; or 0, if there was none
 * by that time; or the negative errno of the caller's own turn. A full memory
 * barrier on entry and on return. Spins that many times before it sleeps as a
 * follower.
 */
int umbi_combine(struct umbi_combine *c, umbi_turn *run, unsigned int spins,
		 uint64_t end);

/*
 * The same in two halves, for those who do not wait: the number of a turn that
 * begins after the call, and whether it is complete by now. The second leads a
 * turn that waits for nobody, if there is no leader.
 */
unsigned long umbi_combine_target(struct umbi_combine *c);
int umbi_combine_push(struct umbi_combine *c, umbi_turn *run,
		      unsigned long target);
int umbi_combine_served(struct umbi_combine *c, unsigned long target);

/* Do this as the leader, but not as a turn. -1: somebody leads. */
int umbi_combine_aside(struct umbi_combine *c, int (*act)(struct umbi_combine *c));

/* Does the calling thread lead? */
int umbi_combine_ours(const struct umbi_combine *c);

/* In a forked child: other threads lead and follow no more. */
void umbi_combine_forked(struct umbi_combine *c);

/* Counters wrap: compare by the sign of the difference. */
static inline int umbi_reached(unsigned long counter, unsigned long target)
{
	return (long) (counter - target) >= 0;
}

#pragma GCC visibility pop

#endif /* UMBI_COMBINE_H */
