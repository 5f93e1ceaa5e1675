/* SPDX-License-Identifier: MIT */
#ifndef UMBI_GP_H
#define UMBI_GP_H

#include <stdint.h>

#include "fence/combine.h"
#include "rcu/note.h"
#include "thread/hold.h"
#include "thread/registry.h"
#include "urcu-membarrier/stats.h"

#pragma GCC visibility push(hidden)

struct umbi_gp;

/* What comes of it; or a negative errno. */
enum umbi_lead {
	UMBI_LEADS_NOT,		/* somebody else does, and the time is over */
	UMBI_LEADS,		/* a new grace period */
	UMBI_LEADS_ON,		/* the one that was given up */
	UMBI_SERVED,		/* by somebody else's */
};

/* What differs between the flavour and the kinds of domains. */
struct umbi_gp_kind {
	/* A heavy fence for all readers. 0, or a negative errno where it can fail. */
	int (*fence)(void);
	int (*fence_is_slow)(void);
	/* The store that ends a section is a release: GP.after-scan is not needed. */
	unsigned int released : 1;

	/*
	 * Where readers are other processes, and may die: NULL elsewhere. Leaders of
	 * several processes exclude each other. `first`: the target is a new one.
	 */
	int (*lead)(struct umbi_gp *gp, int first, uint64_t end);
	void (*unlead)(struct umbi_gp *gp, int progress);
	/* Note the readers that there may be. */
	void (*census)(struct umbi_gp *gp);
	/* Is that one's process alive? Else it is no reader any more. Or an errno. */
	int (*lives)(struct umbi_gp *gp, umbi_reader *reader);
};

/* Grace periods of their own, for readers of their own. */
struct umbi_gp {
	struct umbi_combine turn;	/* first: a turn finds the rest by it */
	const struct umbi_gp_kind *kind;
	unsigned long *word;		/* what readers copy */
	unsigned long *unsettled;	/* see settle() */
	uint32_t *event;		/* of other processes: their unlocks change it */
	struct umbi_registry *readers;
	struct umbi_hold *hold;
	struct umbi_note note;
	unsigned long wait_word;	/* see look_at_wait() */
	int look_first;			/* see umbi_gp_thread_went_offline() */
};

/* The flavour's. */
extern struct umbi_gp umbi_gp;

/* The number that the first word has, and one that a reader has who is in no section. */
#define UMBI_GP_FIRST_WORD	((URCU_MEMBARRIER_SEQ_FIRST \
				  << URCU_MEMBARRIER_NEST_BITS) | 1)
unsigned long umbi_gp_quiescent(const struct umbi_gp *gp);

/*
 * Wait for a grace period, until that time at most. Outside a section, offline if
 * registered. Positive: it is over; negative: it cannot be had.
 */
int umbi_gp_wait(struct umbi_gp *gp, uint64_t end);

/*
 * The number of a grace period that begins now; whether it is over; and a push
 * to it, without waiting, by whoever wants to know.
 */
unsigned long umbi_gp_target(struct umbi_gp *gp);
int umbi_gp_over(struct umbi_gp *gp, unsigned long target);
int umbi_gp_push(struct umbi_gp *gp, unsigned long target);

/*
 * Wait for it by a grace period that interrupts nobody, and which others do not
 * wait for. Nonzero: it is over. Zero: it cannot be done so, or *hurry is set.
 */
int umbi_gp_wait_quietly(struct umbi_gp *gp, unsigned long target,
			 uint32_t *hurry);

/* Does the calling thread lead a grace period, or a fence, in what it interrupts? */
int umbi_gp_ours(const struct umbi_gp *gp);

/*
 * Under the registry lock: the depth of a section for which the newest grace period
 * waits, or 0.
 */
unsigned long umbi_gp_holds_on(const struct umbi_gp *gp, const umbi_reader *reader);

/* Fill in what grace periods have counted. */
void umbi_gp_stats(const struct umbi_gp *gp, struct umb_stats *stats);

/* A thread that was online is not any more: see whether anyone is left. */
void umbi_gp_thread_went_offline(struct umbi_gp *gp);

/* In a forked child: this one. umbi_gp_forked() is for the flavour's. */
void umbi_gp_fork_one(struct umbi_gp *gp);

#pragma GCC visibility pop

#endif /* UMBI_GP_H */
