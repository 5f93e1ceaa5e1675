/* SPDX-License-Identifier: MIT */
#ifndef UMBI_STALL_H
#define UMBI_STALL_H

/*
 * Waits that take long because somebody does not get on: whoever waits asks how
 * long to sleep, looks afterwards, and says when it is over. What is told then, to
 * whom and how often, is diag's; defined there and named here, as those who wait
 * are below. Times are milliseconds that come round.
 */

#include <stdint.h>

#include "urcu-membarrier/stall.h"

#pragma GCC visibility push(hidden)

struct umbi_gp;

/* A wait; all 0 at first. */
struct umbi_wait {
	struct umbi_gp *gp;		/* whose readers are waited for; NULL: the flavour's */
	unsigned long since;		/* 0: it has not begun */
	unsigned long began;		/* the same, as it was at first */
	unsigned long nap_ends;
};

static inline void umbi_stall_begin(struct umbi_wait *wait, unsigned long ms)
{
	wait->since = wait->began = ms;
}

/* Before a sleep of ns at most: how long until there may be something to tell. */
uint64_t umbi_stall_nap(struct umbi_wait *wait, uint64_t ns);
/*
 * After it: what is waited for, and of a leader the number of the thread. Never
 * waits itself.
 */
void umbi_stall_look(struct umbi_wait *wait, enum umb_stall_kind kind,
		     uint32_t tid);
void umbi_stall_over(const struct umbi_wait *wait);
/* On return nobody is being told, but by the caller. */
void umbi_stall_settle(void);

/* What was waited for has got on a step: that wait is over, and a new one begins. */
static inline void umbi_stall_anew(struct umbi_wait *wait)
{
	umbi_stall_over(wait);
	wait->since = 0;
}

#pragma GCC visibility pop

#endif /* UMBI_STALL_H */
