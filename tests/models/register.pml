/* SPDX-License-Identifier: MIT */

/*
 * Registration and signal handlers: src/thread/thread.c, src/rcu/reader.c, src/sys/lock.c.
 *
 * A thread reads; between any two of its steps a signal handler may read too, and in
 * that one another. The first section registers the thread, for good or (-DVISITORS) for
 * the length of that section only: then the last unlock of whoever comes first takes the
 * record out. An updater removes an element, looks at the record if it is in the
 * registry, and frees the element.
 *
 *	holds		no section still reads what is freed; a section's thread is in
 *			the registry and its counter in a section; the counter is never
 *			broken; the registry lock is always freed (no deadlock)
 *
 *	step here	function
 *	read_lock	_urcu_membarrier_read_lock(): RD.enter
 *	read_lock_slow	urcu_membarrier_read_lock_slow(), enter_slowly(): RD.first
 *	go_online	go_online(): RD.online
 *	register_as	umbi_thread_register()
 *	unregister	umbi_thread_unregister(): THREAD.gone
 *	read_unlock	_urcu_membarrier_read_unlock(), and its slow path
 *	take_lock	umbi_lock(): LOCK.take; signals are blocked while it is held
 *	Updater		run_grace_period(), src/rcu/gp.c
 *	heavy_online	umbi_fence_online(), the weakest: FENCE.offline, src/fence/visit.c
 *	look		lock_registry(), counter_of(), src/rcu/gp.c: GP.lock, GP.scan
 *
 * A counter is SEQ * number + depth; a visitor's has VISITOR added. Memory is that of
 * memory.h. A handler runs on its thread's processor, with the thread's buffer.
 *
 * Left out: sleeping on readers and the bit for it, offline by the thread's own wish (see
 * the models of those). The lock is waited for with signals open and held with signals
 * blocked, so it is taken in one step with its mask; the steps of the futex are
 * left out. The updater waits by looking again.
 *
 * Options: HANDLERS: how deep they nest; SECTIONS of the thread outside of them.
 *	-DLASTING: the thread may also call rcu_register_thread().
 *
 * holds: lasting
 * holds: visitors -DVISITORS
 * long: lasting-2 -DHANDLERS=2
 * holds: visitors-2 -DHANDLERS=2 -DVISITORS
 * holds: again -DSECTIONS=2 -DVISITORS
 * holds: settle -DVISITORS -DLASTING
 * holds: weak -DHANDLERS=0 -DVISITORS -DSECTIONS=2 -DWEAK
 * holds: visitors-weak -DHANDLERS=1 -DVISITORS -DWEAK
 * fails: lock-open deadlock -DLOCK_OPEN
 * fails: visitor-fast assertion -DHANDLERS=2 -DVISITORS -DVISITOR_FAST
 * fails: online-plain assertion -DONLINE_PLAIN -DVISITORS
 * fails: gone-relaxed assertion -DHANDLERS=0 -DVISITORS -DWEAK -DFREE_RELAXED
 * fails: gone-unlocked assertion -DHANDLERS=0 -DVISITORS -DWEAK -DGONE_UNLOCKED
 * fails: no-heavy assertion -DHANDLERS=0 -DSECTIONS=2 -DNO_HEAVY
 */

#ifndef HANDLERS
#define HANDLERS 1
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#define FRAMES	(HANDLERS + 1)	/* the thread's own code, and its handlers */

#define THREADS	2	/* 0: the reader, 1: the updater */
#define CTR		0	/* the record's counter */
#define WORD		1
#define REMOVED	2	/* the element is not to be found any more */
#define FREED		3
#define VARS		4
#include "memory.h"
#define UPDATER	1

#define SEQ		8
#define VISITOR	128
#define UNREGISTERED	250
#define OFFLINE	251
#define ENTERING	252
#define NOT_ONLINE(c)	((c) >= UNREGISTERED)
#define DEPTH(c)	(NOT_ONLINE(c) -> 0 : (c) & 7)
#define IS_VISITOR(c)	(!NOT_ONLINE(c) && ((c) & VISITOR))
#define HOLDS(c, w)	(DEPTH(c) && (((c) ^ (w)) & 120))

/* The processes' numbers: memory's two, init, the reader, its handlers. */
#define FRAME_OF(pid)	((pid) - THREADS - 1)

byte top;			/* the frame that runs: the innermost handler */
bit lock, blocked;		/* the registry's; the reader's signal mask */
bit registered, leaves;		/* the record is in; UMBI_WAITING_EXIT */
bit sees[FRAMES];		/* a section has found the element */

/* umbi_lock(), umbi_unlock() of the reader */
inline take_lock()
{
#ifdef LOCK_OPEN
	atomic { !lock -> lock = 1 };
#else
	atomic { !lock -> lock = 1; blocked = 1 };
#endif
	acquire(0)
}
inline free_lock()
{
#ifdef FREE_RELAXED
	atomic { lock = 0; blocked = 0 }
#else
	atomic { RELEASED(0) -> lock = 0; blocked = 0 }
#endif
}

/* umbi_thread_register(): for good, or for a section */
inline register_as(lasting)
{
	if
	:: registered && (!(lasting) || !leaves)
	:: else ->
		take_lock();
		if
		:: registered && (lasting) ->	/* settle() */
			leaves = 0;
			load(0, CTR, c);
			if
			:: DEPTH(c) -> rmw(0, CTR, mem[CTR] & ~VISITOR)
			:: else
			fi
		:: !registered ->		/* a handler may have been faster */
			leaves = !(lasting);
			registered = 1;
			load(0, CTR, c);
			if
			:: c == UNREGISTERED -> store(0, CTR, OFFLINE)
			:: else
			fi
		:: else
		fi;
		free_lock()
	fi
}

inline unregister()
{
#ifndef GONE_UNLOCKED
	take_lock();
#endif
	if
	:: registered ->
		registered = 0;
		leaves = 0;
		store(0, CTR, UNREGISTERED)
	:: else
	fi;
#ifndef GONE_UNLOCKED
	free_lock()				/* THREAD.gone */
#endif
}

inline go_online()
{
	cas(0, CTR, OFFLINE, ENTERING, ok);
	fence(0);				/* RD.online */
	load(0, WORD, to);
#ifndef VISITOR_FAST
	if :: leaves -> to = to | VISITOR :: else fi;
#endif
#ifdef ONLINE_PLAIN
	store(0, CTR, to);
	ok = 1;
#else
	cas(0, CTR, ENTERING, to, ok);
#endif
	to = 0
}

#ifdef VISITORS
#define LASTS 0
#else
#define LASTS 1
#endif

/* Two steps: a handler may come between the load of the word and the store. */
inline read_lock_fast()
{
	if
	:: DEPTH(c) == 0 -> load(0, WORD, to); store(0, CTR, to); to = 0
	:: else -> store(0, CTR, c + 1)
	fi;
	ok = 1
}

/* urcu_membarrier_read_lock_slow(): until one of both has done it */
inline read_lock_slow()
{
	do
	::
		load(0, CTR, c);
		assert(NOT_ONLINE(c) || DEPTH(c) < 7);
		if
		:: c == UNREGISTERED -> register_as(LASTS); go_online()
		:: NOT_ONLINE(c) && c != UNREGISTERED -> go_online()
		:: IS_VISITOR(c) -> cas(0, CTR, c, c + 1, ok)
		:: else -> read_lock_fast()
		fi;
		if :: ok -> ok = 0; c = 0; break :: else fi
	od
}

inline read_lock()
{
	load(0, CTR, c);
	if
	:: NOT_ONLINE(c) || IS_VISITOR(c) -> c = 0; read_lock_slow()
	:: else -> read_lock_fast(); ok = 0; c = 0
	fi
}

inline read_unlock(f_)
{
	sees[f_] = 0;
	load(0, CTR, c);
	assert(registered && DEPTH(c) > 0);
	store(0, CTR, c - 1);
	if
	:: leaves ->				/* urcu_membarrier_read_unlock_slow() */
		load(0, CTR, c);
		if
		:: DEPTH(c) == 0 && leaves -> unregister()
		:: else
		fi
	:: else
	fi;
	c = 0
}

/* A section that looks for the element and, if it finds it, reads it. */
inline section(f_)
{
	read_lock();
	load(0, REMOVED, c);
	d_step { sees[f_] = !c; assert(!sees[f_] || !mem[FREED]); found = !c; c = 0 };
#if HANDLERS == 0
	/* The last access, as late as the memory lets it be. */
	if :: found -> late_load(0, FREED) :: else fi;
#endif
	assert(registered && DEPTH(SEEN(0, CTR)) > 0);
	read_unlock(f_);
#if HANDLERS == 0
	if :: found -> late_value(0, c); assert(!c) :: else fi;
#endif
	found = 0
}

proctype Reader() provided (top == 0)
{
	byte c, to, sections;
	bit ok, found;
	do
	:: sections < SECTIONS -> sections++; section(0)
	:: else -> break
	od;
#ifdef LASTING
	register_as(1);
	section(0);
#endif
}

#if HANDLERS > 0
/* It interrupts whoever runs, once; and is back before that goes on. */
proctype Handler(byte frame) provided (top == FRAME_OF(_pid) || top + 1 == FRAME_OF(_pid))
{
	byte c, to;
	bit ok, found;

end:	atomic { top == frame - 1 && !blocked -> top = frame };
	section(frame);
	top = frame - 1
}
#endif

/* GP.lock, and the look at the record if it is in: GP.scan, FENCE.offline */
inline look()
{
	atomic { !lock -> lock = 1 };
	acquire(UPDATER);
	if
	:: registered -> load(UPDATER, CTR, c); acquire(UPDATER)
	:: else -> c = UNREGISTERED
	fi;
	atomic { RELEASED(UPDATER) -> lock = 0 }
}

/* By signal or visit, so only to one who is in the registry and not offline. */
inline heavy_online()
{
	fence(UPDATER);				/* FENCE.call */
	look();
	if
	:: c != UNREGISTERED && c != OFFLINE -> fence(0)
	:: else
	fi;
	c = 0;
	fence(UPDATER)				/* FENCE.return */
}

proctype Updater()
{
	byte c;

	store(UPDATER, REMOVED, 1);
#ifdef NO_HEAVY
	fence(UPDATER);				/* COMBINE.started */
#else
	heavy_online();				/* GP.before-word */
#endif
	store(UPDATER, WORD, 2 * SEQ + 1);
	do
	:: look();
		if
		:: HOLDS(c, 2 * SEQ + 1) -> c = 0
		:: else -> c = 0; break
		fi
	od;
#ifdef WEAK
	heavy_online();				/* GP.after-scan */
#endif
	skip;
	d_step {
		assert(!sees[0]);
#if HANDLERS > 0
		assert(!sees[1]);
#endif
#if HANDLERS > 1
		assert(!sees[2]);
#endif
	};
	store(UPDATER, FREED, 1)
}

init {
	atomic {
		mem[CTR] = UNREGISTERED;
		mem[WORD] = SEQ + 1;
		run Reader();
#if HANDLERS > 0
		run Handler(1);
#endif
#if HANDLERS > 1
		run Handler(2);
#endif
		run Updater()
	}
}
