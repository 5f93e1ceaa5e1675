/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "fence/combine.h"
#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "thread/stall.h"

#define PUSH	0	/* an end that is over, of one who will come again */

/*
 * A caller needs the turn after the newest that it sees started. It sees
 * turn g not started only if its stores before COMBINE.enter are seen by
 * turn g after COMBINE.started: each side stores, passes a full fence and
 * loads, so one of them sees the other.
 *
 * A turn that was given up stays begun. It is continued by one whom it serves,
 * or who only pushes: pushes must not start new ones all the time, as each would
 * wait for more than the last. Others start their own, which serves those of the
 * old one, too.
 */

static int try_lead(struct umbi_combine *c)
{
	const void *nobody = NULL;

	/*
	 * access COMBINE.lead, acquire. Pairs: COMBINE.unlead (release).
	 * Orders the last leader's turn before ours.
	 */
	if (__atomic_load_n(&c->leader, __ATOMIC_RELAXED)
	    || !__atomic_compare_exchange_n(&c->leader, &nobody,
				&urcu_membarrier_reader, 0,
				__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return 0;
	__atomic_store_n(&c->tid, umbi_own_tid(), __ATOMIC_RELAXED);
	return 1;
}

static void unlead(struct umbi_combine *c)
{
	/*
	 * access COMBINE.unlead, release. Pairs: COMBINE.lead (acquire).
	 * Before the wake: a follower may have to lead.
	 */
	__atomic_store_n(&c->leader, NULL, __ATOMIC_RELEASE);
	/*
	 * access COMBINE.wake, seq_cst. Pairs: COMBINE.sleep (seq_cst).
	 * Orders the new word before the look at followers.
	 * Without: a follower sleeps on an old word and nobody wakes it.
	 */
	__atomic_fetch_add(&c->word, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&c->followers, __ATOMIC_SEQ_CST))
		umbi_futex_wake(&c->word, INT_MAX);
}

/* As the leader. Negative if it failed. */
static int take_turn(struct umbi_combine *c, umbi_turn *run,
		     unsigned long target, uint64_t end)
{
	/* Relaxed: leaders write these, and we lead. */
	unsigned long g = __atomic_load_n(&c->started, __ATOMIC_RELAXED);
	unsigned long completed = __atomic_load_n(&c->completed,
						  __ATOMIC_RELAXED);
	int begun = c->begun == g && completed != g
		&& (end == PUSH || umbi_reached(g, target));
	int ret;

	if (umbi_reached(completed, target))
		return 0;
	if (!begun) {
		__atomic_store_n(&c->started, ++g, __ATOMIC_RELAXED);
		/*
		 * fence COMBINE.started, full. Pairs: COMBINE.enter (full), DOMAIN.started (full).
		 * Orders the turn's number before all that the turn looks at.
		 * Without: a caller counts on a turn that missed its stores.
		 */
		umbi_fence_full();
		umbi_tsan_acquire(&c->started);
	}
	ret = run(c, begun, end);
	if (ret != UMBI_COMPLETE) {
		c->begun = ret == UMBI_BEGUN ? g : g - 1;
		return ret < 0 ? ret : 0;
	}
	/*
	 * access COMBINE.completed, release. Pairs: COMBINE.served (acquire).
	 * Orders the turn before the news that it is over.
	 */
	umbi_tsan_release(&c->completed);
	__atomic_store_n(&c->completed, g, __ATOMIC_RELEASE);
	return 0;
}

/* A leader who does not come to an end may be told of, too. */
static void follow(struct umbi_combine *c, uint32_t word, unsigned int *spins,
		   uint64_t end, struct umbi_wait *wait)
{
	uint32_t forks = umbi_forks_now();

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
	umbi_sleep(&c->word, word, umbi_stall_nap(wait, umbi_time_left(end)));
	umbi_uncount(&c->followers, forks);
	if (__atomic_load_n(&c->word, __ATOMIC_RELAXED) != word)
		umbi_stall_anew(wait);	/* a turn has ended */
	umbi_stall_look(wait, UMB_STALL_LEADER,
			__atomic_load_n(&c->tid, __ATOMIC_RELAXED));
}

unsigned long umbi_combine_target(struct umbi_combine *c)
{
	umbi_tsan_release(&c->started);
	/*
	 * fence COMBINE.enter, full. Pairs: COMBINE.started (full).
	 * Orders the caller's stores before its look at started.
	 * Without: see COMBINE.started.
	 */
	umbi_fence_full();
	return __atomic_load_n(&c->started, __ATOMIC_RELAXED) + 1;
}

int umbi_combine_served(struct umbi_combine *c, unsigned long target)
{
	/*
	 * access COMBINE.served, acquire. Pairs: COMBINE.completed (release).
	 * Orders the turn before what the caller does next.
	 */
	if (!umbi_reached(__atomic_load_n(&c->completed, __ATOMIC_ACQUIRE),
			  target))
		return 0;
	umbi_tsan_acquire(&c->completed);
	/*
	 * fence COMBINE.leave, full. Pairs: USER.full (full).
	 * Orders the turn before all accesses of the caller that follow.
	 * Without: the public contract of a full barrier on return is broken.
	 */
	umbi_fence_full();
	return 1;
}

int umbi_combine(struct umbi_combine *c, umbi_turn *run, unsigned int spins,
		 uint64_t end)
{
	unsigned long target = umbi_combine_target(c);
	struct umbi_wait wait = { 0 };
	int served, failed = 0;
	uint32_t word;

	for (int tries = 0; ; tries++) {
		/* Acquire: before the looks at completed and leader. */
		word = __atomic_load_n(&c->word, __ATOMIC_ACQUIRE);
		served = umbi_combine_served(c, target);
		if (served || failed || (tries && !umbi_time_left(end)))
			break;
		if (try_lead(c)) {
			failed = take_turn(c, run, target, end);
			unlead(c);
		} else {
			follow(c, word, &spins, end, &wait);
		}
	}
	if (served)
		umbi_stall_over(&wait);
	return served ? served : failed;
}

int umbi_combine_push(struct umbi_combine *c, umbi_turn *run,
		      unsigned long target)
{
	int failed = 0;

	if (!umbi_combine_served(c, target) && try_lead(c)) {
		failed = take_turn(c, run, target, PUSH);
		unlead(c);
	}
	return failed ? failed : umbi_combine_served(c, target);
}

int umbi_combine_aside(struct umbi_combine *c, int (*act)(struct umbi_combine *c))
{
	int ret;

	if (!try_lead(c))
		return -1;
	ret = act(c);
	unlead(c);
	return ret;
}

int umbi_combine_ours(const struct umbi_combine *c)
{
	return __atomic_load_n(&c->leader, __ATOMIC_RELAXED)
		== &urcu_membarrier_reader;
}

void umbi_combine_forked(struct umbi_combine *c)
{
	c->followers = 0;
	c->word++;	/* who has followed may have to lead */
	if (umbi_combine_ours(c)) {
		c->tid = umbi_own_tid();
		return;
	}
	/* What it had done of its turn, there is no telling. */
	c->begun = c->started - 1;
	c->leader = NULL;
}
