/* SPDX-License-Identifier: MIT */

/*
 * The grace period: fence, word, one scan, fence. An updater replaces an element,
 * waits for a grace period and frees the old one, GPS times; READERS readers run
 * SECTIONS sections each. No section may load from a freed element.
 *
 *	step here	stands for
 *	lock		_urcu_membarrier_read_lock(), urcu/static/urcu-membarrier.h
 *	unlock		_urcu_membarrier_read_unlock(), the same
 *	GP.before-word	umbi_fence_online() in run_grace_period(), src/rcu/gp.c
 *	word		store_next_word()
 *	scan		hold_readers(), with counter_of() and holds()
 *	GP.after-scan	umbi_fence_online() in run_grace_period()
 *
 * Memory: TSO, as which the library takes x86-64 (MACHINE_IS_TSO), and WEAK, with
 * GP.after-scan.
 *
 * Left out: sleeping (sleep.pml): here the scan looks until a reader is out. Threads
 * that are offline (offline.pml); numbers that come round (bits32.pml); who
 * leads (the fences there only add to those here); nesting, as inner sections
 * keep the number. In a counter 0 is no section, and 1 + number is one.
 * A section's last load, of the element, may be as late as the memory lets it be; that
 * of the pointer is made where it stands, or earlier.
 *
 * holds: tso -DSECTIONS=3 -DGPS=3
 * holds: tso-readers -DREADERS=2 -DSECTIONS=1
 * holds: weak -DWEAK
 * holds: word-first-tso -DWORD_FIRST
 * holds: no-after-scan-tso -DNO_AFTER_SCAN
 * fails: no-before-word assertion -DNO_BEFORE_WORD
 * fails: full-before-word assertion -DFULL_BEFORE_WORD
 * fails: word-first-weak assertion -DWORD_FIRST -DWEAK
 * fails: no-scan assertion -DNO_SCAN
 * fails: no-after-scan-weak assertion -DNO_AFTER_SCAN -DWEAK
 * fails: no-enter assertion -DNO_ENTER
 * fails: no-leave assertion -DNO_LEAVE
 * long: tso-long -DREADERS=2 -DSECTIONS=2
 * long: weak-long -DWEAK -DREADERS=2 -DSECTIONS=1
 */

#ifndef READERS
# define READERS 1
#endif
#ifndef SECTIONS
# define SECTIONS 2
#endif
#ifndef GPS
# define GPS 2
#endif

#define UPDATER		0		/* thread 0; the readers are 1 and up */
#define THREADS		(1 + READERS)

#define PTR		0		/* to the current element */
#define WORD		1		/* urcu_membarrier_gp.word */
#define CTR(t)		(1 + (t))	/* a reader's counter */
#define ELEMENT(e)	(2 + READERS + (e))	/* 1: it is freed */
#define VARS		(3 + READERS + GPS)

/* An element is loaded from after the pointer to it: POINTER.follow. */
#define EARLY(t, a)	((a) < ELEMENT(0))
#include "memory.h"

/* Number g is g in the word and g + 1 in a counter, where 0 is no section. */
#define HOLDS(c, g)	((c) != 0 && (c) != 1 + (g))

byte done;

active [READERS] proctype reader()
{
	byte me = 1 + _pid - THREADS, i, word, p, freed;

	do
	:: i == SECTIONS -> break
	:: else ->
		/* lock */
#ifdef NO_ENTER
		load(me, PTR, p);
#endif
		load(me, WORD, word);
		store(me, CTR(me), 1 + word);
		word = 0;
		/* RD.enter: the pointer is loaded after the store, in the program. */
#ifndef NO_ENTER
		load(me, PTR, p);
#endif
		/* In the section; the processor may still be at it in the next. */
		late_value(me, freed);
		assert(!freed);
#ifdef NO_LEAVE
		store(me, CTR(me), 0);
#endif
		late_load(me, ELEMENT(p));
		p = 0;
#ifndef NO_LEAVE
		/* RD.leave, unlock */
		store(me, CTR(me), 0);
#endif
		i++
	od;
	late_value(me, freed);
	assert(!freed);
	done++
}

inline next_word()
{
	store(UPDATER, WORD, g)
}

inline scan()
{
	r = 1;
	do
	:: r > READERS -> break
	:: else ->
		load(UPDATER, CTR(r), c);	/* GP.scan */
		if
		:: HOLDS(c, g)		/* look again */
		:: else -> r++
		fi;
		c = 0
	od;
	r = 0;
	acquire(UPDATER)
}

active proctype updater()
{
	byte g = 1, r, c, left;

	do
	:: g > GPS -> break
	:: else ->
		store(UPDATER, PTR, g);		/* element g - 1 is removed */
#ifdef WORD_FIRST
		next_word();
#endif
#if defined(FULL_BEFORE_WORD)
		fence(UPDATER);
#elif !defined(NO_BEFORE_WORD)
		heavy(UPDATER, left);		/* GP.before-word */
#endif
#ifndef WORD_FIRST
		next_word();
#endif
#ifndef NO_SCAN
		scan();
#endif
#if defined(WEAK) && !defined(NO_AFTER_SCAN)
		heavy(UPDATER, left);		/* GP.after-scan */
#endif
		store(UPDATER, ELEMENT(g - 1), 1);	/* and freed */
		g++
	od;
	done++;
	done == 1 + READERS;
}
