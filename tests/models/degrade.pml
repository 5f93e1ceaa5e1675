/* SPDX-License-Identifier: MIT */

/*
 * A heavy fence whose backend fails in its middle: src/fence/fence.c.
 *
 * Two leaders fence at the same time, each in a mode of its own: the leader of a fence's
 * turn, and that of a grace period. A backend may reach the reader or not and then fail;
 * the next one begins anew.
 *
 *	holds		the leader of turns: store buffering against the light fence,
 *				reader: X = 1; light; r = Y
 *				leader: Y = call; heavy; rx = X
 *			never rx == 0 and r older than the call.
 *			The grace period: no section reads what is freed.
 *
 *	step here	function
 *	run_once	run_once(): FENCE.call, a backend's run(), FENCE.return
 *	run_any		run_any(), run_backend(), run()
 *	Turns		umb_fence_heavy(), run_turn()
 *	Period		run_grace_period() in src/rcu/gp.c: GP.before-word, GP.scan and,
 *			with WEAK, GP.after-scan
 *	Reader		RD.enter, RD.leave in include/urcu/static/urcu-membarrier.h
 *
 * Memory is that of memory.h. Which backend comes next does not matter, as each is one
 * that reaches the reader or fails; nor do the errors' names, and a thread's own list
 * of what is refused. Of those that fail for a while there are FAILURES; then one works.
 *
 * holds: tso
 * long: all-weak -DWEAK
 * holds: twice -DFAILURES=2
 * holds: weak -DWEAK -DNO_TURNS
 * holds: weak-turns -DWEAK -DNO_PERIOD
 * fails: failure-taken assertion -DFAILURE_TAKEN
 * fails: failure-taken-period assertion -DNO_TURNS -DFAILURE_TAKEN
 * fails: reach-kept assertion -DREACH_KEPT
 * fails: given-up assertion -DGIVEN_UP
 */

#ifndef FAILURES
#define FAILURES 1
#endif
#define CALLS		2
#define THREADS	3
#define READER		0
#define CTR		0
#define WORD		1
#define REMOVED	2
#define FREED		3
#define X		4
#define Y		5
#define VARS		6
#include "memory.h"

#define SECTION(number)	(number)	/* a counter in a section, or 0 */
#define NOT_YET		99

bit sees;			/* a section has found the element */
byte r = NOT_YET, missed;
byte reach[THREADS];		/* by leader: the reader has passed a barrier of his */

/* One backend: complete, or broken off before it reached the reader, or after. */
inline run_once(me)
{
	fence(me);				/* FENCE.call */
	if
	:: fence(READER); reach[me] = 1; works = 1
	:: failures > 0 -> failures--; works = 0
	:: failures > 0 -> fence(READER); reach[me] = 1; failures--; works = 0
	fi;
	fence(me)				/* FENCE.return */
}

inline run_any(me)
{
	failures = FAILURES;
#ifndef REACH_KEPT
	reach[me] = 0;
#endif
	do
	::
		run_once(me);
		if
		:: works -> break
#ifdef FAILURE_TAKEN
		:: !works -> break
#endif
#ifdef GIVEN_UP
		:: !works && failures == 0 -> break
#endif
#ifdef REACH_KEPT
		:: !works && reach[me] -> break	/* nobody is left to be reached */
#endif
		:: else
		fi
	od;
	works = 0;
	failures = 0
}

#ifndef NO_TURNS
proctype Turns()
{
	byte call, failures, v;
	bit works;

	do
	:: call < CALLS ->
		call++;
		store(1, Y, call);
		run_any(1);
		load(1, X, v);
		d_step {
			if
			:: v == 0 && r == NOT_YET -> missed = call
			:: v == 0 && r != NOT_YET -> assert(r >= call)
			:: else
			fi;
			v = 0
		}
	:: else -> break
	od
}
#endif

#ifndef NO_PERIOD
proctype Period()
{
	byte c, failures;
	bit works;

	store(2, REMOVED, 1);
	run_any(2);				/* GP.before-word */
	store(2, WORD, 2);
	do
	:: load(2, CTR, c);
	   acquire(2);				/* GP.scan */
	   if :: c == 0 || c == 2 -> break :: else fi
	od;
#ifdef WEAK
	run_any(2);				/* GP.after-scan */
#endif
	skip;
	d_step { c = 0; assert(!sees) };
	store(2, FREED, 1)
}
#endif

proctype Reader()
{
	byte v;
	bit found;

	load(READER, WORD, v);
	store(READER, CTR, SECTION(v));		/* RD.enter */
	load(READER, REMOVED, v);
	d_step { sees = !v; found = !v; assert(!sees || !mem[FREED]); v = 0 };
	if :: found -> late_load(READER, FREED) :: else fi;
	sees = 0;
	store(READER, CTR, 0);			/* RD.leave */
	if :: found -> late_value(READER, v); assert(!v) :: else fi;

	store(READER, X, 1);
	load(READER, Y, v);
	d_step { r = v; assert(r >= missed) };
}

init {
	atomic {
		mem[WORD] = 1;
		run Reader();
#ifndef NO_TURNS
		run Turns();
#endif
#ifndef NO_PERIOD
		run Period()
#endif
	}
}
