/* SPDX-License-Identifier: MIT */

/*
 * Numbers that come round, as 15 bits do where `long` has 32. Here there are NUMBERS of
 * them. An updater replaces an element and runs a grace period, TURNS times; it may
 * give a grace period up and continue it later, or begin a new one. Nothing may be
 * freed under a section.
 *
 *	step here	stands for
 *	lock		_urcu_membarrier_read_lock(), urcu/static/urcu-membarrier.h,
 *			with OLDEST stored first
 *	come_online	go_online(1), src/rcu/reader.c: the first section has OLDEST
 *	elide		nobody_online(), src/rcu/gp.c
 *	next_word	store_next_word(), the same, with `unsettled`
 *	settle		the same: it waits, or the time is over
 *	turn		run_grace_period(), the same
 *
 * Memory: TSO, and WEAK. A section's loads are made where they stand: that they may
 * be late, which GP.after-scan is for, is shown by grace-period.pml. Left out, too:
 * sleeping (sleep.pml), handlers and going offline again (offline.pml). Three numbers
 * are enough, and two are not: 15 bits are plenty.
 *
 * holds: tso
 * holds: weak -DWEAK -DTURNS=5
 * holds: tso-readers -DREADERS=2 -DSECTIONS=1
 * fails: no-oldest assertion -DNO_OLDEST
 * fails: no-oldest-fence assertion -DNO_OLDEST_FENCE
 * fails: no-bound assertion -DNO_BOUND
 * fails: bound-too-large assertion -DUNSETTLED_MAX=NUMBERS
 * fails: two-numbers assertion -DNUMBERS=2
 * fails: number-of-turn assertion -DNUMBER_OF_TURN
 * fails: online-copies assertion -DONLINE_COPIES
 * long: weak-long -DWEAK
 * long: tso-long -DREADERS=2 -DSECTIONS=2 -DTURNS=3
 */

#ifndef READERS
# define READERS 1
#endif
#ifndef SECTIONS
# define SECTIONS 2
#endif
#ifndef NUMBERS
# define NUMBERS 3
#endif
#ifndef TURNS
# define TURNS 6
#endif
#ifndef UNSETTLED_MAX
# define UNSETTLED_MAX	((NUMBERS - 1) / 2)
#endif

#define UPDATER		0		/* thread 0; the readers are 1 and up */
#define THREADS		(1 + READERS)

#define PTR		0		/* to element 0, 1, ... */
#define WORD		1		/* 0 ... NUMBERS - 1 */
#define CTR(t)		(1 + (t))
#define VARS		(2 + READERS)
#include "memory.h"

/* A counter: OFFLINE at first, ENTERING, or ON + 2 * (OLDEST or 1 + word) + depth. */
#define OFFLINE		0
#define ENTERING	1
#define ON		32
#define OLDEST		(ON + 1)
#define COPY(word)	(ON + 2 + 2 * (word) + 1)
#define HOLDS(c, word)	((c) >= ON && ((c) & 1) && (c) != COPY(word))

byte freed;				/* elements below are */

inline come_online()
{
	cas(me, CTR(me), OFFLINE, ENTERING, ok);
	fence(me);				/* RD.online */
#ifdef ONLINE_COPIES
	load(me, WORD, word);
	cas(me, CTR(me), ENTERING, COPY(word), ok);
	word = 0;
#else
	cas(me, CTR(me), ENTERING, OLDEST, ok);
#endif
	ok = 0
}

inline lock()
{
#ifdef NO_OLDEST_FENCE
	load(me, WORD, word);
#endif
#ifndef NO_OLDEST
	store(me, CTR(me), OLDEST);
#endif
#ifndef NO_OLDEST_FENCE
	load(me, WORD, word);			/* RD.oldest before */
#endif
	store(me, CTR(me), COPY(word));
	word = 0
}

active [READERS] proctype reader()
{
	byte me = 1 + _pid - THREADS, i, word, p;
	bit ok;

	do
	:: i == SECTIONS -> break
	:: else ->
		if
		:: i == 0 -> come_online()
		:: else -> lock()
		fi;
		load(me, PTR, p);
		assert(p >= freed);
		p = 0;
		d_step { out[me].n < SLOTS ->		/* unlock */
			word = SEEN(me, CTR(me)) - 1;
			store(me, CTR(me), word);
			word = 0 };
		i++
	od
}

/* Nonzero `all` if nobody is online: by the counters, or by chance not looked at. */
inline elide()
{
	fence(UPDATER);				/* COMBINE.started */
	all = 1; r = 1;
	do
	:: r > READERS -> break
	:: else ->
		load(UPDATER, CTR(r), c);
		all = all && c == OFFLINE;
		c = 0;
		r++
	od;
	r = 0;
	acquire(UPDATER)
}

inline next_word()
{
#ifdef NUMBER_OF_TURN
	word = (turn + 1) % NUMBERS;
#else
	word = (word + 1) % NUMBERS;
#endif
	store(UPDATER, WORD, word);
	unsettled++
}

/* Nonzero `all`: all sections that are left carry the word. */
inline settle()
{
	r = 1; all = 1;
	do
	:: r > READERS -> unsettled = 0; break
	:: r <= READERS ->
		load(UPDATER, CTR(r), c);
		if
		:: HOLDS(c, word)
		:: HOLDS(c, word) -> all = 0; break
		:: else -> r++
		fi;
		c = 0
	od;
	r = 0; c = 0;
	acquire(UPDATER)
}

active proctype updater()
{
	byte turn, removed, target, word, unsettled, r, c, left;
	bit all, begun;

	do
	:: turn == TURNS -> break
	:: turn < TURNS && begun ->		/* continue the last one */
		settle();
		if
		:: all -> all = 0; begun = 0; freed = target
		:: else
		fi;
		turn++
	:: turn < TURNS ->			/* begin one */
		removed++;
		store(UPDATER, PTR, removed);
		elide();
		if
		:: all -> all = 0; freed = removed; turn++; goto next
		:: true -> all = 0
		fi;
#ifndef NO_BOUND
		if
		:: unsettled >= UNSETTLED_MAX ->
			settle();
			if
			:: all -> all = 0
			:: else -> turn++; goto next
			fi
		:: else
		fi;
#endif
		heavy(UPDATER, left);		/* GP.before-word */
		next_word();
		begun = 1;
		target = removed;
		settle();
		if
		:: all -> all = 0; begun = 0; freed = target
		:: else
		fi;
		turn++;
next:
		skip
	od
}
