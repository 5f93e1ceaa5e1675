/* SPDX-License-Identifier: MIT */

/*
 * Turns that serve who was there before them: src/fence/combine.c.
 *
 * Callers store something, call umbi_combine() and must not return before a turn that
 * began after the call is over: one that saw the store. A turn looks at what the callers
 * have stored (the grace period's heavy fence) and then ends, or is given up and stays
 * begun: by a caller with a time limit, or one who only polls.
 *
 *	holds		a caller that is served is so by a turn that saw its store, and
 *			sees what that turn did; so does the next leader; no two turns
 *			at a time; nobody sleeps for ever (no deadlock)
 *
 *	step here	function in src/fence/combine.c
 *	call		umbi_combine_target(), COMBINE.enter
 *	is_served	umbi_combine_served(), COMBINE.served
 *	try_lead	try_lead(), COMBINE.lead
 *	take_turn	take_turn(), COMBINE.started and COMBINE.completed
 *	run		a turn's own work: run_grace_period(), run_turn()
 *	unlead		unlead(), COMBINE.unlead and COMBINE.wake
 *	follow		follow(), COMBINE.sleep
 *	Caller		umbi_combine(); for the poller umbi_combine_push()
 *
 * Memory is that of memory.h, TSO or WEAK. A seq_cst read-modify-write counts as a full
 * fence at that place; the source needs no more from it.
 *
 * Left out: umbi_combine_aside() is a turn without a number, so a lead and an unlead;
 * spinning before the sleep is one more look at the word; numbers do not wrap, they
 * are compared by the sign of their difference; spurious wakes are time limits of
 * nobody, which the limited caller has.
 *
 * A caller with a time limit tries twice at most, a poller three times: TRIES.
 *
 * holds: tso
 * holds: weak -DCALLERS=2 -DWEAK
 * holds: twice -DCALLERS=2 -DCALLS=2
 * holds: limited -DCALLERS=2 -DLIMITED=0 -DWEAK
 * holds: poller -DCALLERS=2 -DPOLLER=0 -DWEAK
 * holds: limited-poller -DCALLERS=2 -DLIMITED=0 -DPOLLER=1 -DTRIES=2
 * long: twice-limited -DCALLERS=2 -DCALLS=2 -DLIMITED=0 -DTRIES=1 -DWEAK
 * long: limited-3 -DLIMITED=0 -DTRIES=1
 * fails: reached assertion -DREACHED
 * fails: reached-begun assertion -DCALLERS=2 -DREACHED_BEGUN -DLIMITED=0
 * fails: target-started assertion -DCALLERS=2 -DTARGET_STARTED
 * fails: no-enter assertion -DCALLERS=2 -DNO_ENTER
 * fails: no-started assertion -DCALLERS=2 -DNO_STARTED
 * fails: no-wake deadlock -DCALLERS=2 -DNO_WAKE
 * fails: not-counted deadlock -DCALLERS=2 -DNOT_COUNTED
 * fails: look-first deadlock -DCALLERS=2 -DLOOK_FIRST
 * fails: word-late deadlock -DCALLERS=2 -DWORD_LATE
 * fails: unlead-late deadlock -DCALLERS=2 -DUNLEAD_LATE
 * fails: completed-early assertion -DCALLERS=2 -DCOMPLETED_EARLY
 * fails: continue-as-new assertion -DCALLERS=2 -DLIMITED=0 -DCONTINUE_AS_NEW
 * fails: always-begun assertion -DCALLERS=2 -DLIMITED=0 -DALWAYS_BEGUN
 * fails: completed-relaxed assertion -DCALLERS=2 -DWEAK -DCOMPLETED_RELAXED
 * fails: served-relaxed assertion -DCALLERS=2 -DWEAK -DSERVED_RELAXED
 * fails: unlead-relaxed assertion -DCALLERS=2 -DWEAK -DUNLEAD_RELAXED
 */

#ifndef CALLERS
#define CALLERS 3
#endif
#ifndef CALLS
#define CALLS 1
#endif
#ifndef LIMITED
#define LIMITED 9	/* the caller with a time limit: nobody */
#endif
#ifndef POLLER
#define POLLER 9	/* the caller that polls */
#endif
#ifndef TRIES
#define TRIES	(i == LIMITED -> 2 : 3)	/* of those two, at most */
#endif
#define MAY_STOP	(i == LIMITED || i == POLLER)	/* i: the calling thread */

#define THREADS	CALLERS
#define X(k)		(k)	/* what each caller has stored: the number of its call */
#define STARTED	(CALLERS + 0)
#define COMPLETED	(CALLERS + 1)
#define BEGUN		(CALLERS + 2)
#define LEADER		(CALLERS + 3)
#define WORD		(CALLERS + 4)
#define FOLLOWERS	(CALLERS + 5)
#define OUT		(CALLERS + 6)	/* what turns leave behind: the last's number */
#define VARS		(CALLERS + 7)
#include "memory.h"

inline rmw_full(t, a, v)
{
	atomic { out[t].n == 0 -> m_write(t, a, v); acquire(t) }
}

/* What no thread sees. */
byte seen[CALLERS];	/* by the newest turn that began ... */
byte served[CALLERS];	/* ... and that ended */
byte last_out;
bit running, asleep[CALLERS];
mtype = { NOT_BEGUN, STOPPED, COMPLETE };	/* how a turn ended */

/* umbi_combine_target() */
inline call()
{
	calls++;
	store(i, X(i), calls);
#ifndef NO_ENTER
	fence(i);				/* COMBINE.enter */
#endif
	load(i, STARTED, target);
#ifndef TARGET_STARTED
	target++
#endif
}

/* umbi_combine_served(). COMBINE.leave is for what the program does next. */
inline is_served()
{
	load(i, COMPLETED, v);
#ifndef SERVED_RELAXED
	acquire(i);				/* COMBINE.served */
#endif
	d_step { ok = (v >= target); v = 0 }
}

inline try_lead()
{
	load(i, LEADER, v);
	if
	:: v -> v = 0; ok = 0
	:: else ->
		cas(i, LEADER, 0, 1, ok);	/* COMBINE.lead */
		if
		:: ok -> acquire(i)
		:: else
		fi
	fi
}

/*
 * umbi_turn, the turn's own work: its beginning is what serves those who were there.
 * With a time limit it may give up before that, or after.
 */
inline work()
{
	d_step { assert(!running); running = 1 };
	load(i, OUT, v);
	d_step { assert(v == last_out); v = 0 };
	if
	:: MAY_STOP && !again -> done = NOT_BEGUN
	:: done = COMPLETE
	fi;
	do
	:: done == COMPLETE && !again && k < CALLERS ->
		load(i, X(k), v);
		d_step { seen[k] = v; v = 0; k++ }
	:: else -> k = 0; break
	od;
	if
	:: MAY_STOP && done == COMPLETE -> done = STOPPED
	:: skip
	fi;
	if
	:: done == COMPLETE -> store(i, OUT, g)
	:: else
	fi;
	d_step {
		do
		:: done == COMPLETE && k < CALLERS ->
			if :: seen[k] > served[k] -> served[k] = seen[k] :: else fi;
			k++
		:: else -> break
		od;
		if :: done == COMPLETE -> last_out = g :: else fi;
		k = 0;
		running = 0
	}
}

inline take_turn()
{
	load(i, STARTED, g);
	load(i, COMPLETED, v);
	load(i, BEGUN, k);
	again = (k == g && v != g && (i == POLLER || g >= target));
#ifdef CONTINUE_AS_NEW
	again = (k == g && v != g);
	if :: again && g < target -> g++; store(i, STARTED, g) :: else fi;
#endif
	if
	:: v >= target -> d_step { v = 0; k = 0 }
	:: else ->
		d_step { v = 0; k = 0 };
		if
		:: !again ->
			g++;
			store(i, STARTED, g);
#ifndef NO_STARTED
			fence(i)		/* COMBINE.started */
#endif
		:: else
#ifdef REACHED_BEGUN
			assert(i == LIMITED)	/* another goes on with it */
#endif
		fi;
#ifdef COMPLETED_EARLY
		store(i, COMPLETED, g);
#endif
		work();
		if
#ifdef COMPLETED_EARLY
		:: done == COMPLETE
#elif defined(COMPLETED_RELAXED)
		:: done == COMPLETE -> store(i, COMPLETED, g)
#else
		:: done == COMPLETE -> store_release(i, COMPLETED, g) /* COMBINE.completed */
#endif
		:: done == STOPPED -> store(i, BEGUN, g)
#ifdef ALWAYS_BEGUN
		:: done == NOT_BEGUN -> store(i, BEGUN, g)
#else
		:: done == NOT_BEGUN -> store(i, BEGUN, g - 1)
#endif
		fi
	fi;
	d_step { g = 0; again = 0; done = 0 }
}

inline wake_all()
{
	d_step {
		k = 0;
		do
		:: k < CALLERS -> asleep[k] = 0; k++
		:: else -> k = 0; break
		od
	}
}

inline unlead()
{
#ifdef UNLEAD_RELAXED
	store(i, LEADER, 0);
#elif !defined(UNLEAD_LATE)
	store_release(i, LEADER, 0);		/* COMBINE.unlead */
#endif
#ifdef LOOK_FIRST
	load(i, FOLLOWERS, v);
#endif
	rmw_full(i, WORD, mem[WORD] + 1);	/* COMBINE.wake */
#ifndef LOOK_FIRST
	load(i, FOLLOWERS, v);
#endif
	if
#ifdef NO_WAKE
	:: v
#else
	:: v -> wake_all()
#endif
	:: else
	fi;
	d_step { v = 0; ok = 0 };
#ifdef UNLEAD_LATE
	store_release(i, LEADER, 0)
#endif
}

inline follow()
{
#ifndef NOT_COUNTED
	rmw_full(i, FOLLOWERS, mem[FOLLOWERS] + 1);	/* COMBINE.sleep */
#endif
	/* The kernel compares and puts to sleep in one step. */
	d_step { asleep[i] = (mem[WORD] == w); w = 0; slept = slept | asleep[i] };
	if
	:: !asleep[i]
	:: i == LIMITED -> asleep[i] = 0	/* time out */
	fi;
#ifndef NOT_COUNTED
	rmw(i, FOLLOWERS, mem[FOLLOWERS] - 1)
#endif
}

proctype Caller(byte i)
{
	byte calls, target, w, g, k, v, tries;
	bit ok, again, slept;
	mtype done;

	do
	:: calls < CALLS ->
		call();
		do
		::
#ifndef WORD_LATE
			if
			:: i != POLLER -> load(i, WORD, w); acquire(i)
			:: else
			fi;
#endif
			is_served();
			if
			:: ok -> break
			:: !ok && tries == TRIES -> break
			:: !ok && tries < TRIES && tries > 0 && i == LIMITED -> break
			:: !ok && tries < TRIES -> tries = tries + MAY_STOP
			fi;
			try_lead();
			if
			:: ok -> w = 0; take_turn(); unlead()
			:: !ok && i == POLLER -> w = 0
			:: else ->
#ifdef WORD_LATE
				load(i, WORD, w);
#endif
				follow()
			fi
		od;
		/* Served: the turn saw what we had stored, and we see what it did. */
		if
		:: ok ->
			assert(served[i] >= calls);
			load(i, OUT, v);
			d_step { assert(v >= target); v = 0 };
#ifdef REACHED
			assert(!slept);
#endif
		:: else
		fi;
		d_step { w = 0; target = 0; ok = 0; tries = 0; slept = 0 }
	:: else -> break
	od
}

init {
	byte n;

	atomic {
		do
		:: n < CALLERS -> run Caller(n); n++
		:: else -> n = 0; break
		od
	}
}
