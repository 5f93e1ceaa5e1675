/* SPDX-License-Identifier: MIT */

/*
 * Sleeping on readers: the updater flags those in old sections, passes a heavy fence,
 * looks again, and sleeps until all flags are gone. Readers unlock. No wake-up may be
 * lost (the model would come to a halt), no flag left over, nothing freed early.
 *
 *	step here	stands for
 *	lock		_urcu_membarrier_read_lock(), urcu/static/urcu-membarrier.h
 *	unlock		_urcu_membarrier_read_unlock() and _urcu_membarrier_unnest()
 *	unlock_slow	urcu_membarrier_read_unlock_slow(), src/rcu/reader.c
 *	hold_readers	the same, src/rcu/gp.c
 *	all_armed	the same
 *	arm		umbi_hold_armed(), src/thread/hold.c
 *	drop, leave	umbi_hold_drop(), leave()
 *	nap		umbi_hold_wait(), umbi_sleep(), and futex(2)
 *	let_go		let_go_readers(), src/rcu/gp.c
 *
 * In general the unlock stores the counter and loads `waiting`. With -DX86 it is one
 * instruction, `dec` (and its flags), that loads and stores the counter, whose bit
 * SLOW is the wish to hear of it. Memory: TSO, and WEAK but for X86.
 *
 * There may be a first sleep without a fence, as where fences are slow; its end by time
 * is any time. -DTIMED: the other sleep may end by time, too, all are let go, and the
 * wait begins anew. -DNEST: an inner section.
 *
 * `outstanding` is an ordinary variable here: all that touches it is atomic, or waits
 * for it to become 0. Left out: short waits before flags (they only look); threads that
 * are offline or leave (they drop their flag as unlock_slow does).
 *
 * holds: general -DREADERS=2
 * holds: general-weak -DWEAK -DSECTIONS=2 -DGPS=2
 * holds: general-timed -DTIMED -DWEAK -DSECTIONS=2
 * holds: x86 -DX86 -DNEST -DSECTIONS=2 -DGPS=2
 * holds: x86-readers -DX86 -DREADERS=2
 * holds: x86-timed -DX86 -DTIMED -DSECTIONS=2 -DGPS=2
 * fails: general-no-before-sleep deadlock -DNO_BEFORE_SLEEP
 * fails: general-no-second-look deadlock -DNO_SECOND_LOOK
 * fails: general-no-left deadlock -DNO_LEFT
 * fails: general-no-wake deadlock -DNO_WAKE
 * fails: general-no-drop deadlock -DNO_DROP
 * fails: x86-no-before-sleep deadlock -DX86 -DNO_BEFORE_SLEEP
 * fails: x86-no-loop deadlock -DX86 -DNEST -DNO_LOOP
 * fails: x86-no-arm-again deadlock -DX86 -DNEST -DNO_ARM_AGAIN
 * fails: x86-divided deadlock -DX86 -DDIVIDED
 * long: x86-long -DX86 -DREADERS=2 -DSECTIONS=2
 */

#ifndef READERS
# define READERS 1
#endif
#ifndef SECTIONS
# define SECTIONS 1
#endif
#ifndef GPS
# define GPS 1
#endif

#define UPDATER		0		/* thread 0; the readers are 1 and up */
#define THREADS		(1 + READERS)

#define PTR		0
#define WORD		1
#define CTR(t)		(1 + (t))
#define WAITING(t)	(1 + READERS + (t))
#define ELEMENT(e)	(2 + 2 * READERS + (e))
#define VARS		(3 + 2 * READERS + GPS)

#define EARLY(t, a)	((a) < ELEMENT(0))	/* see grace-period.pml */
#include "memory.h"

/* A counter is SLOW | number << 2 | depth; the word has no depth here. */
#define DEPTH(c)	((c) & 3)
#define SLOW		128
#define HOLDS(c, word)	(DEPTH(c) && ((c) & 124) != (word))
#define OPEN		16

byte outstanding;
bool asleep;
byte done;

inline leave(t)
{
	/* HOLD.leave, the release of it. */
	d_step { RELEASED(t) -> outstanding--; over = !outstanding };
#ifndef NO_WAKE
	if
	:: over -> asleep = 0; over = 0
	:: else
	fi
#endif
}

/* By the owner t or by the updater: who takes the flag away counts down. */
inline drop(t, owner)
{
	rmw_old(t, WAITING(owner), 0, had);
	acquire(t);				/* HOLD.unflag */
	if
	:: had -> had = 0; leave(t)
	:: else
	fi
}

inline unlock_slow()
{
	if
	:: DEPTH(SEEN(me, CTR(me))) == 0 ->
		rmw(me, CTR(me), mem[CTR(me)] & ~SLOW);
#ifndef NO_DROP
		drop(me, me)
#endif
	:: else
	fi
}

/* One instruction: no point P divides it, other threads' stores may. */
inline nest(by)
{
	d_step { out[me].n < SLOTS ->
		c = SEEN(me, CTR(me)) + by;
		store(me, CTR(me), c) }
}

inline unlock()
{
#ifdef NO_LEFT
	load(me, WAITING(me), slow);
#endif
#if defined(X86) && defined(DIVIDED)
	c = SEEN(me, CTR(me)) - 1;
	store(me, CTR(me), c);
#else
	nest(-1);
#endif
#ifdef X86
	slow = (c & SLOW) != 0;
#elif !defined(NO_LEFT)
	load(me, WAITING(me), slow);		/* RD.left before */
#endif
	c = 0;
	if
	:: slow -> slow = 0; unlock_slow()
	:: else
	fi
}

active [READERS] proctype reader()
{
	byte me = 1 + _pid - THREADS, i, c, p, freed;
	bit slow, had, over;

	do
	:: i == SECTIONS -> break
	:: else ->
		load(me, WORD, c);		/* lock */
		store(me, CTR(me), c | 1);
		c = 0;
		load(me, PTR, p);
		late_value(me, freed);
		assert(!freed);
#ifdef NEST
		nest(1);
		unlock();
#endif
		late_load(me, ELEMENT(p));
		p = 0;
		unlock();
		i++
	od;
	late_value(me, freed);
	assert(!freed);
	done++
}

inline arm()
{
#ifdef X86
	if
	:: c & SLOW
	:: else -> all = 0; cas(UPDATER, CTR(r), c, c | SLOW, had); had = 0
	fi
#else
	skip
#endif
}

inline hold_readers()
{
	r = 1;
	do
	:: r > READERS -> break
	:: else ->
		load(UPDATER, CTR(r), c);
		if
		:: HOLDS(c, g << 2) ->
			outstanding = (outstanding -> outstanding : OPEN) + 1;
			rmw(UPDATER, WAITING(r), 1);	/* HOLD.flag */
			arm()
		:: else
		fi;
		r++
	od;
	r = 0; c = 0; all = 0;
	acquire(UPDATER)			/* GP.scan */
}

inline all_armed()
{
	all = 1; r = 1;
	do
	:: r > READERS -> break
	:: else ->
		load(UPDATER, WAITING(r), held);
		if
		:: held -> load(UPDATER, CTR(r), c)
		:: else
		fi;
		if
		:: held && !HOLDS(c, g << 2) -> drop(UPDATER, r)
#ifndef NO_ARM_AGAIN
		:: held && HOLDS(c, g << 2) -> arm()
#endif
		:: else
		fi;
		held = 0;
		r++
	od;
	r = 0; c = 0;
	acquire(UPDATER)
}

/* futex(2) looks at the word and sleeps in one step. */
inline nap(timed)
{
	do
	:: atomic { outstanding == 0 -> break }
	:: atomic { outstanding != 0 -> asleep = 1 };
		if
		:: !asleep
		:: timed && asleep -> asleep = 0; late = 1; break
		fi
	od
}

inline let_go()
{
	r = 1;
	do
	:: r > READERS -> break
	:: else ->
		load(UPDATER, WAITING(r), held);
		if
		:: held -> held = 0; drop(UPDATER, r)
		:: else
		fi;
		r++
	od;
	r = 0;
	nap(0)
}

inline settle()
{
	skip;
#ifdef TIMED
again:
#endif
	hold_readers();
	if
	:: outstanding == 0 -> goto settled
	:: else
	fi;
	d_step { RELEASED(UPDATER) -> outstanding = outstanding - OPEN };	/* umbi_hold_close() */
	if
	:: outstanding == 0 -> goto settled	/* a sleep without a fence, see above */
	:: skip
	fi;
	do
	::
#ifndef NO_BEFORE_SLEEP
		heavy(UPDATER, left);		/* GP.before-sleep */
#endif
#ifdef NO_SECOND_LOOK
		break
#else
		all_armed();
		if
		:: all -> all = 0; break
		:: else
#ifdef NO_LOOP
			-> break
#endif
		fi
#endif
	od;
#ifdef TIMED
	nap(1);
	if
	:: late -> late = 0; let_go(); goto again
	:: else
	fi;
#else
	nap(0);
#endif
settled:
	skip
}

active proctype updater()
{
	byte g = 1, r, c, left;
	bit all, held, had, over, late;

	do
	:: g > GPS -> break
	:: else ->
		store(UPDATER, PTR, g);
		heavy(UPDATER, left);		/* GP.before-word */
		store(UPDATER, WORD, g << 2);
		settle();
		acquire(UPDATER);		/* HOLD.woken */
		for (r : 1 .. READERS) {
			assert(!mem[WAITING(r)])
		}
		r = 0;
		assert(!outstanding && !asleep);
#ifdef WEAK
		heavy(UPDATER, left);		/* GP.after-scan */
#endif
		store(UPDATER, ELEMENT(g - 1), 1);
		g++
	od;
	done++;
	done == 1 + READERS
}
