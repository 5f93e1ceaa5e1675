/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "fence/combine.h"
#include "sys/sys.h"
#include "thread/hold.h"

/*
 * A caller needs the turn after the newest that it sees started. It sees
 * turn g not started only if its stores before COMBINE.enter are seen by
 * turn g after COMBINE.started: each side stores, passes a full fence and
 * loads, so one of them sees the other.
 */

static int try_lead(struct umbi_combine *c)
{
	/*
	 * access COMBINE.lead, acquire. Pairs: COMBINE.unlead (release).
	 * Orders the last leader's turn before ours.
	 */
	return !__atomic_load_n(&c->leader, __ATOMIC_RELAXED)
		&& !__atomic_exchange_n(&c->leader, 1, __ATOMIC_ACQUIRE);
}

static void lead(struct umbi_combine *c, void (*run)(unsigned long g),
		 unsigned long target)
{
	/* Relaxed: leaders write these, and we lead. */
	unsigned long g = __atomic_load_n(&c->started, __ATOMIC_RELAXED);

	if (!umbi_reached(__atomic_load_n(&c->completed, __ATOMIC_RELAXED),
			  target)) {
		__atomic_store_n(&c->started, ++g, __ATOMIC_RELAXED);
		/*
		 * fence COMBINE.started, full. Pairs: COMBINE.enter (full).
		 * Orders the turn's number before all that the turn looks at.
		 * Without: a caller counts on a turn that missed its stores.
		 */
		umbi_fence_full();
		run(g);
		/*
		 * access COMBINE.completed, release. Pairs: COMBINE.served (acquire).
		 * Orders the turn before the news that it is over.
		 */
		__atomic_store_n(&c->completed, g, __ATOMIC_RELEASE);
	}
	/*
	 * access COMBINE.unlead, release. Pairs: COMBINE.lead (acquire).
	 * Before the wake: a follower may have to lead.
	 */
	__atomic_store_n(&c->leader, 0, __ATOMIC_RELEASE);
	/*
	 * access COMBINE.wake, seq_cst. Pairs: COMBINE.sleep (seq_cst).
	 * Orders the new word before the look at followers.
	 * Without: a follower sleeps on an old word and nobody wakes it.
	 */
	__atomic_fetch_add(&c->word, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&c->followers, __ATOMIC_SEQ_CST))
		umbi_futex_wake(&c->word, INT_MAX);
}

static void follow(struct umbi_combine *c, uint32_t word, unsigned int *spins)
{
	while (*spins) {
		--*spins;
		umbi_relax();
		if (__atomic_load_n(&c->word, __ATOMIC_RELAXED) != word)
			return;
	}
	/*
	 * access COMBINE.sleep, seq_cst. Pairs: COMBINE.wake (seq_cst).
	 * Orders the follower's count before the kernel's look at the word.
	 */
	__atomic_fetch_add(&c->followers, 1, __ATOMIC_SEQ_CST);
	umbi_sleep(&c->word, word, UMBI_FOREVER);
	__atomic_fetch_sub(&c->followers, 1, __ATOMIC_RELAXED);
}

void umbi_combine(struct umbi_combine *c, void (*run)(unsigned long g),
		  unsigned int spins)
{
	unsigned long target;
	uint32_t word;

	/*
	 * fence COMBINE.enter, full. Pairs: COMBINE.started (full).
	 * Orders the caller's stores before its look at started.
	 * Without: see COMBINE.started.
	 */
	umbi_fence_full();
	target = __atomic_load_n(&c->started, __ATOMIC_RELAXED) + 1;
	for (;;) {
		/* Acquire: before the looks at completed and leader. */
		word = __atomic_load_n(&c->word, __ATOMIC_ACQUIRE);
		/*
		 * access COMBINE.served, acquire. Pairs: COMBINE.completed (release).
		 * Orders the turn before what the caller does next.
		 */
		if (umbi_reached(__atomic_load_n(&c->completed,
						 __ATOMIC_ACQUIRE), target))
			break;
		if (try_lead(c))
			lead(c, run, target);
		else
			follow(c, word, &spins);
	}
	/*
	 * fence COMBINE.leave, full. Pairs: USER.full (full).
	 * Orders the turn before all accesses of the caller that follow.
	 * Without: the public contract of a full barrier on return is broken.
	 */
	umbi_fence_full();
}
