/* SPDX-License-Identifier: MIT */
#ifndef UMBI_GP_H
#define UMBI_GP_H

#include <stdint.h>

#include "thread/thread.h"
#include "urcu-membarrier/stats.h"

#pragma GCC visibility push(hidden)

/*
 * Wait for a grace period, until that time at most. Outside a section, offline if
 * registered. Nonzero: it is over.
 */
int umbi_gp_wait(uint64_t end);

/*
 * The number of a grace period that begins now; whether it is over; and a push
 * to it, without waiting, by whoever wants to know.
 */
unsigned long umbi_gp_target(void);
int umbi_gp_over(unsigned long target);
int umbi_gp_push(unsigned long target);

/*
 * Wait for it by a grace period that interrupts nobody, and which others do not
 * wait for. Nonzero: it is over. Zero: it cannot be done so, or *hurry is set.
 */
int umbi_gp_wait_quietly(unsigned long target, uint32_t *hurry);

/* Does the calling thread lead a grace period, or a fence, in what it interrupts? */
int umbi_gp_ours(void);

/*
 * Under the registry lock: the depth of a section for which the newest grace period
 * waits, or 0.
 */
unsigned long umbi_gp_holds_on(const umbi_reader *reader);

/* Fill in what grace periods have counted. */
void umbi_gp_stats(struct umb_stats *stats);

/* A thread that was online is not any more: see whether anyone is left. */
void umbi_gp_thread_went_offline(void);

#pragma GCC visibility pop

#endif /* UMBI_GP_H */
