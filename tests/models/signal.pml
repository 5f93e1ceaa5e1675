/* SPDX-License-Identifier: MIT */

/*
 * The heavy fence by signal: src/fence/signal.c, src/thread/hold.c and the handler.
 *
 * A leader asks each registered thread for a barrier and waits until all have answered:
 * in the handler of its signal, or as they leave the registry. Or it makes the barrier
 * itself, by a visit, and takes the flag away on the thread's behalf, while the handler
 * is on its way or in its middle. Two leaders, of two scopes, do so at the same time.
 *
 *	holds		store buffering against the light fence:
 *				thread: X = 1; light; r = Y
 *				leader: Y = request; heavy; rx = X
 *			never rx == 0 and r older than the request. What was in a
 *			thread's buffer at the call is in memory at the return, and what
 *			the thread loads later sees what the leader had stored.
 *			No leader sleeps for ever (no deadlock). At a leader's return
 *			none of its flags is left, and nothing is counted; who is said
 *			to have a signal under way has one.
 *
 *	step here	function
 *	Leader		signal_run() in signal.c; FENCE.call and FENCE.return in
 *			run_once(), src/fence/fence.c
 *	ask_all		ask_all(), ask(), send(); umbi_hold_add(): HOLD.flag
 *	wait_all	umbi_hold_wait(): HOLD.woken, and umbi_sleep()
 *	let_go		let_go(); umbi_hold_drop(): HOLD.unflag
 *	visit		umbi_visit() in visit.c: here, a full fence in the thread
 *	Handler		deliver() in handler.c
 *	answer		umbi_hold_answer(), answer(): HOLD.pass, HOLD.answer
 *	leave		leave(), count_down(): HOLD.leave
 *	enter, leave_registry	umbi_thread_register(), umbi_thread_unregister() in
 *			src/thread/thread.c
 *
 * Memory is that of memory.h. The delivery of a signal orders what its sender did before
 * what the handler does: the kernel queues it under a lock. (No more is assumed of it:
 * in particular no barrier for what the thread did before.)
 *
 * Left out: threads that look offline are not asked by the second scope, see the model
 * of that; `enough`, by which a leader goes visiting earlier: it may go at any time here;
 * CPUs noted by answers, which save visits; the scan's breathing. The handler runs
 * with all signals blocked, so handlers do not nest.
 *
 * Options: NT threads, NL leaders, REQUESTS of each leader, VISITS a request.
 *	-DREFUSED: a signal may not be sent; -DGIVE_UP: a request may fail instead of
 *	being waited for; -DBLOCKED: thread 0 blocks the signal; -DMUTUAL: the leaders
 *	are registered and ask each other; with -DDEAF they block the signal, too.
 *
 * holds: tso
 * holds: weak -DWEAK
 * long: threads -DNT=2
 * holds: scopes -DNL=2
 * holds: again -DREQUESTS=2
 * holds: blocked -DVISITS=1 -DBLOCKED -DWEAK
 * holds: refused -DVISITS=1 -DREFUSED -DREQUESTS=2
 * holds: visits-weak -DVISITS=1 -DREQUESTS=2 -DWEAK
 * holds: give-up -DGIVE_UP -DREQUESTS=2
 * holds: mutual -DNT=0 -DNL=2 -DMUTUAL
 * holds: deaf -DNT=0 -DNL=2 -DMUTUAL -DDEAF
 * fails: not-waited assertion -DNOT_WAITED
 * fails: no-wake deadlock -DNO_WAKE
 * fails: exit-silent deadlock -DEXIT_SILENT
 * fails: vanish deadlock -DVANISH
 * fails: send-first deadlock -DSEND_FIRST
 * fails: sticky assertion -DSTICKY -DREFUSED -DVISITS=1 -DREQUESTS=2
 * fails: sticky-taken assertion -DSTICKY -DREQUESTS=2
 * fails: no-pass assertion -DWEAK -DNO_PASS -DLEAVE_RELAXED
 * fails: visit-nobody assertion -DVISITS=1 -DBLOCKED -DVISIT_NOBODY
 * fails: count-late assertion -DNL=2 -DCOUNT_LATE -DNOT_OPENED
 * fails: no-look deadlock -DNT=0 -DNL=2 -DMUTUAL -DDEAF -DNO_LOOK
 */

#ifndef NT
#define NT 1
#endif
#ifndef NL
#define NL 1
#endif
#ifndef REQUESTS
#define REQUESTS 1
#endif
#ifndef VISITS
#define VISITS 0
#endif
#define THREADS	(NT + NL)	/* the leaders are the last */
#define SELF		(NT + s)	/* leader s */
#ifdef MUTUAL
#define HANDLED	THREADS
#else
#define HANDLED	NT
#endif
#define X(t)		(t)
#define Y(s)		(NT + s)
#define ASKED(t)	(THREADS + t)
#define COUNT(s)	(2 * THREADS + s)
#define VARS		(2 * THREADS + NL)
/* An atomic operation sees the newest value; only these are loaded otherwise. */
#define EARLY(t, a)	((a) < THREADS)
#include "memory.h"

#define FLAG(s)	(1 << (s))
#define BY_SIGNAL	4
#define OPEN		128
#define NOT_YET	99

/* The processes' numbers: memory's, init, the threads, the leaders, the handlers. */
#define THREAD_OF(pid)	((pid) - THREADS - 1)

bit lock, inreg[THREADS];
bit sent[THREADS];		/* the signal is pending */
byte blocked[THREADS];		/* so many times; ENDED: for good */
bit handling[THREADS];
#define ENDED		100
bit asleep[NL];
#define PAIR(t, s)	((t) * NL + (s))
byte r[NT * NL + 1] = NOT_YET;	/* what the thread's load got */
byte missed[NT * NL + 1];		/* the leader's newest request that has not seen X */

/* src/sys/lock.c, with signals blocked while it is held */
inline take_lock(t)
{
	atomic { !lock -> lock = 1; blocked[t]++ };
	acquire(t)
}
inline free_lock(t)
{
	atomic { RELEASED(t) -> lock = 0; blocked[t]-- }
}

/* count_down() and the wake */
inline leave(t, z)
{
#ifdef LEAVE_RELAXED
	rmw_old(t, COUNT(z), mem[COUNT(z)] - 1, left);
#else
	rmw_release(t, COUNT(z), mem[COUNT(z)] - 1, left);	/* HOLD.leave */
	acquire(t);
#endif
	assert((left & ~OPEN) > 0);
	if
#ifndef NO_WAKE
	:: left == 1 -> left = 0; asleep[z] = 0
#endif
	:: else -> left = 0
	fi
}

/* answer(): the point P */
inline answer(t)
{
#ifndef NO_PASS
	fence(t);					/* HOLD.pass */
#endif
#ifdef STICKY
	rmw_old(t, ASKED(t), mem[ASKED(t)] & BY_SIGNAL, took);
#else
	rmw_old(t, ASKED(t), 0, took);			/* HOLD.answer */
#endif
	acquire(t);
#ifdef VANISH
	if :: took = 0 :: skip fi;
#endif
	if :: took & 1 -> leave(t, 0) :: else fi;
#if NL > 1
	if :: took & 2 -> leave(t, 1) :: else fi;
#endif
	took = 0
}

proctype Handler(byte t)
{
	byte took, left;

end:	do
	:: atomic { sent[t] && !blocked[t] -> sent[t] = 0; handling[t] = 1 };
	   acquire(t);
	   if
	   :: mem[ASKED(t)] -> answer(t)
	   :: else
	   fi;
	   handling[t] = 0
	:: blocked[t] >= ENDED -> break
	od
}

/* umbi_thread_register() */
inline enter_registry(t)
{
	take_lock(t);
	inreg[t] = 1;
	free_lock(t)
}

/* umbi_thread_unregister(); it answers with signals blocked */
inline leave_registry(t)
{
	take_lock(t);
	inreg[t] = 0;
	free_lock(t);
#ifndef EXIT_SILENT
	if
	:: mem[ASKED(t)] -> blocked[t]++; answer(t); blocked[t]--
	:: else
	fi
#endif
}

#if NT > 0
/* A thread of the program: one half of the test, perhaps with a new registration in it. */
proctype Thread(byte t) provided (!handling[THREAD_OF(_pid)])
{
	byte took, left, v, z;

	if
	:: inreg[t]				/* it has been there for long */
	:: else -> enter_registry(t)
	fi;
	store(t, X(t), 1);
	if
	:: skip
	:: leave_registry(t); enter_registry(t)
	fi;
	do
	:: z < NL ->
		load(t, Y(z), v);
		d_step {
			r[PAIR(t, z)] = v;
			assert(v >= missed[PAIR(t, z)]);
			v = 0;
			z++
		}
	:: else -> z = 0; break
	od;
	if
	:: skip					/* it stays */
	:: leave_registry(t); blocked[t] = ENDED
	fi
}
#endif

/* send(): the kernel takes the signal, or not */
inline send(t)
{
	if
	:: atomic { RELEASED(SELF) -> sent[t] = 1 }
#ifdef REFUSED
	::
#ifndef STICKY
		rmw(SELF, ASKED(t), mem[ASKED(t)] & ~BY_SIGNAL)
#else
		skip
#endif
#endif
	fi
}

/* ask() */
inline ask(t)
{
#ifdef SEND_FIRST
	sent[t] = 1;
#endif
#ifndef COUNT_LATE
	rmw(SELF, COUNT(s), mem[COUNT(s)] + 1);
#endif
	rmw_release(SELF, ASKED(t), mem[ASKED(t)] | FLAG(s) | BY_SIGNAL, was); /* HOLD.flag */
#ifdef COUNT_LATE
	rmw(SELF, COUNT(s), mem[COUNT(s)] + 1);
#endif
#ifndef SEND_FIRST
	if
	:: !(was & BY_SIGNAL) -> send(t)
	:: else
	fi;
#endif
	was = 0
}

/* With the lock, all that are registered. */
inline ask_all()
{
#ifndef NOT_OPENED
	store(SELF, COUNT(s), OPEN);		/* umbi_hold_open() */
#endif
	take_lock(SELF);
	do
	:: z < THREADS ->
		if :: inreg[z] && z != SELF -> ask(z) :: else fi;
		z++
	:: else -> z = 0; break
	od;
	free_lock(SELF);
#ifndef NOT_OPENED
	rmw_release(SELF, COUNT(s), mem[COUNT(s)] - OPEN, left)	/* umbi_hold_close() */
#endif
}

/* Barriers in all threads, by the kernel's switches on their CPUs. */
inline visit()
{
	do
	:: z < THREADS ->
#ifndef VISIT_NOBODY
		fence(z);
#endif
		z++
	:: else -> z = 0; break
	od
}

/* let_go(), umbi_hold_drop() */
inline let_go()
{
	take_lock(SELF);
	do
	:: z < THREADS && inreg[z] && (mem[ASKED(z)] & FLAG(s)) ->
		rmw_old(SELF, ASKED(z), mem[ASKED(z)] & ~FLAG(s), was);	/* HOLD.unflag */
		acquire(SELF);
		if :: was & FLAG(s) -> leave(SELF, s) :: else fi;
		was = 0;
		z++
	:: z < THREADS && !(inreg[z] && (mem[ASKED(z)] & FLAG(s))) -> z++
	:: z == THREADS -> z = 0; break
	od;
	free_lock(SELF)
}

inline wait_all()
{
	do
	::
		load(SELF, COUNT(s), left);
		acquire(SELF);				/* HOLD.woken */
		if :: left == 0 -> break :: else fi;
		/* The kernel compares and puts to sleep in one step. */
		d_step { asleep[s] = (mem[COUNT(s)] == left); left = 0 };
		if
		:: !asleep[s]
#if VISITS > 0
		:: visits > 0 -> visits--; asleep[s] = 0; visit(); let_go()
#endif
#ifdef GIVE_UP
		:: !failed -> failed = 1; asleep[s] = 0; let_go()
#endif
#if defined(DEAF) && !defined(NO_LOOK)
		:: mem[ASKED(SELF)] -> asleep[s] = 0; answer(SELF)
#endif
		fi
	od
}

proctype Leader(byte s) provided (!handling[THREAD_OF(_pid)])
{
	byte request, took, left, was, z, v, visits;
	bit failed;

	do
	:: request < REQUESTS ->
		request++;
		visits = VISITS;
		store(SELF, Y(s), request);
		fence(SELF);				/* FENCE.call */
		ask_all();
#ifndef NOT_WAITED
		wait_all();
#endif
		fence(SELF);				/* FENCE.return */
		d_step {
			!lock ->
			assert(mem[COUNT(s)] == 0);
			do
			:: z < THREADS ->
				assert(!(mem[ASKED(z)] & FLAG(s)));
				assert(!(mem[ASKED(z)] & BY_SIGNAL) || sent[z] || handling[z]);
				z++
			:: else -> z = 0; break
			od
		};
		do
		:: !failed && z < NT ->
			load(SELF, X(z), v);
			d_step {
				if
				:: v == 0 && r[PAIR(z, s)] == NOT_YET ->
					missed[PAIR(z, s)] = request
				:: v == 0 && r[PAIR(z, s)] != NOT_YET ->
					assert(r[PAIR(z, s)] >= request)
				:: else
				fi;
				v = 0;
				z++
			}
		:: else -> z = 0; break
		od;
		failed = 0
	:: else -> break
	od;
#ifdef MUTUAL
	leave_registry(SELF);
	blocked[SELF] = ENDED
#endif
}

init {
	byte n;

	atomic {
#ifdef BLOCKED
		blocked[0] = 1;
#endif
		do
#if NT > 0
		:: n < NT ->
			if :: inreg[n] = 1 :: skip fi;
			run Thread(n);
			n++
#endif
		:: n >= NT && n < THREADS ->
			run Leader(n - NT);
#ifdef MUTUAL
			inreg[n] = 1;
#ifdef DEAF
			blocked[n] = 1;
#endif
#endif
			n++
		:: n == THREADS -> n = 0; break
		od;
		do
		:: n < HANDLED -> run Handler(n); n++
		:: else -> n = 0; break
		od
	}
}
