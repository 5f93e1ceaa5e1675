/* SPDX-License-Identifier: MIT */

/*
 * Threads that are offline: a grace period that finds nobody online is over at once,
 * and threads come online and go offline beside it. No section may load from a freed
 * element.
 *
 *	step here	stands for
 *	go_online	the same, src/rcu/reader.c
 *	lock		_urcu_membarrier_read_lock(), urcu/static/urcu-membarrier.h,
 *			or urcu_membarrier_read_lock_slow(), src/rcu/reader.c
 *	offline		urcu_membarrier_thread_offline(), src/rcu/reader.c
 *	handler		a signal handler with a section of its own, at any point
 *	nobody_online	the same, src/rcu/gp.c
 *	heavy_online	umbi_fence_online(); with -DONE_BY_ONE it leaves out a thread
 *			that is offline: FENCE.offline, src/fence/visit.c
 *	scan		hold_readers(), src/rcu/gp.c
 *
 * A handler is the same thread, with its buffer and its counter: while it runs, the
 * thread's own program stands still. -DOUTSIDE: the thread comes online before its
 * section, by go_online(0), else by its lock.
 *
 * Memory: TSO, and WEAK. Left out: sleeping (sleep.pml), registration (who is not
 * registered is not looked for, by the registry's lock), the hint look_first: whether
 * the updater looks at all is chosen freely here.
 *
 * holds: tso -DHANDLER -DSECTIONS=2 -DGPS=2
 * holds: tso-outside -DHANDLER -DOUTSIDE
 * holds: tso-one-by-one -DONE_BY_ONE -DSECTIONS=2 -DGPS=2
 * holds: weak -DWEAK -DSECTIONS=2
 * holds: weak-handler -DWEAK -DHANDLER
 * holds: weak-one-by-one -DWEAK -DONE_BY_ONE -DSECTIONS=2
 * holds: no-online-tso -DNO_ONLINE -DHANDLER
 * fails: no-online-weak assertion -DNO_ONLINE -DWEAK
 * fails: no-entering-weak assertion -DNO_ENTERING -DHANDLER -DWEAK
 * fails: plain-bare assertion -DPLAIN -DNO_ONLINE
 * fails: plain-handler assertion -DPLAIN -DHANDLER
 * fails: quiescent assertion -DQUIESCENT -DSECTIONS=2
 * fails: relaxed-weak assertion -DRELAXED -DWEAK
 * fails: no-started assertion -DNO_STARTED
 * long: weak-long -DWEAK -DHANDLER -DSECTIONS=2
 */

#ifndef SECTIONS
# define SECTIONS 1
#endif
#ifndef GPS
# define GPS 1
#endif

#define UPDATER		0
#define READER		1
#define THREADS		2

#define PTR		0
#define WORD		1
#define CTR		2
#define ELEMENT(e)	(3 + (e))
#define VARS		(4 + GPS)

#define EARLY(t, a)	((a) < ELEMENT(0))	/* see grace-period.pml */
#include "memory.h"

/* A counter is number << 2 | depth, and ON; the word has neither. At first OFFLINE. */
#define OFFLINE		0
#define ENTERING	1
#define ON		64
#define NOT_ONLINE(c)	((c) == OFFLINE || (c) == ENTERING)
#define DEPTH(c)	((c) & ON -> (c) & 3 : 0)
#define HOLDS(c, g)	(DEPTH(c) && (((c) & 60) >> 2) != (g))

/* Who it interrupts stands still. */
bool handling;

/* To a depth; went is 0 if a handler was faster. */
inline go_online(depth)
{
#if defined(PLAIN)
	load(READER, WORD, w);
	store(READER, CTR, ON + w * 4 + depth);
	went = 1;
#elif defined(NO_ENTERING)
	load(READER, WORD, w);
	cas(READER, CTR, OFFLINE, ON + w * 4 + depth, went);
#else
	cas(READER, CTR, OFFLINE, ENTERING, went);
#endif
#ifndef NO_ONLINE
	fence(READER);				/* RD.online */
#endif
#if !defined(PLAIN) && !defined(NO_ENTERING)
	load(READER, WORD, w);
	cas(READER, CTR, ENTERING, ON + w * 4 + depth, went);
#endif
	w = 0
}

inline lock()
{
	do
	:: went -> went = 0; break
	:: !went -> c = SEEN(READER, CTR);
		if
		:: NOT_ONLINE(c) -> go_online(1)
		:: !NOT_ONLINE(c) && DEPTH(c) ->
			store(READER, CTR, c + 1);
			went = 1
		:: else ->
			load(READER, WORD, w);
			store(READER, CTR, ON + w * 4 + 1);
			w = 0;
			went = 1
		fi;
		c = 0
	od
}

/* One step, as the counter is as it was after a handler. */
inline unlock()
{
	d_step { out[READER].n < SLOTS ->
		c = SEEN(READER, CTR) - 1;
		store(READER, CTR, c);
		c = 0 }
}

#ifdef RELAXED
# define RELEASED	true
#else
# define RELEASED	(out[READER].n == 0 && !ahead[READER].late)
#endif

inline offline()
{
	do
	:: went -> went = 0; break
	:: !went -> c = SEEN(READER, CTR);
		atomic { RELEASED ->		/* RD.offline */
			cas(READER, CTR, c, OFFLINE, went) };
		c = 0
	od
}

active proctype reader() provided (!handling)
{
	byte i, c, w, p, freed;
	bit went;

	do
	:: i == SECTIONS -> break
	:: else ->
#ifdef OUTSIDE
		go_online(0);
		went = 0;
#endif
		lock();
		load(READER, PTR, p);
		late_value(READER, freed);	/* of the last section */
		assert(!freed);
		late_load(READER, ELEMENT(p));
		p = 0;
		unlock();
		if
		:: offline()
		:: skip
		fi;
		i++
	od;
	late_value(READER, freed);
	assert(!freed)
}

#ifdef HANDLER
active proctype handler()
{
	byte c, w, p, freed;
	bit went;

	handling = 1;
	lock();
	load(READER, PTR, p);
	load(READER, ELEMENT(p), freed);
	assert(!freed);
	unlock();
	handling = 0
}
#endif

inline heavy_online()
{
#ifdef ONE_BY_ONE
	fence(UPDATER);				/* FENCE.call */
	load(UPDATER, CTR, c);			/* FENCE.offline */
	acquire(UPDATER);
	if
	:: c == OFFLINE
	:: else -> fence(READER)
	fi;
	fence(UPDATER);				/* FENCE.return */
	c = 0
#else
	heavy(UPDATER, left)
#endif
}

#ifdef QUIESCENT
# define IS_OFFLINE(c)	(c == OFFLINE || ((c & ON) && !DEPTH(c)))
#else
# define IS_OFFLINE(c)	(c == OFFLINE)
#endif

inline nobody_online()
{
#ifndef NO_STARTED
	fence(UPDATER);				/* COMBINE.started */
#endif
	load(UPDATER, CTR, c);			/* GP.scan */
	acquire(UPDATER);
	nobody = IS_OFFLINE(c);
	c = 0
}

inline grace_period()
{
	heavy_online();				/* GP.before-word */
	word++;
	store(UPDATER, WORD, word);
	do
	:: load(UPDATER, CTR, c);		/* GP.scan */
		if
		:: HOLDS(c, word)
		:: else -> break
		fi
	od;
	c = 0;
	acquire(UPDATER);
#ifdef WEAK
	heavy_online()				/* GP.after-scan */
#endif
}

active proctype updater()
{
	byte g = 1, word, c, left;
	bit nobody;

	do
	:: g > GPS -> break
	:: else ->
		store(UPDATER, PTR, g);
		if
		:: nobody_online()
		:: skip
		fi;
		if
		:: nobody -> nobody = 0
		:: else -> grace_period()
		fi;
		store(UPDATER, ELEMENT(g - 1), 1);
		g++
	od
}
