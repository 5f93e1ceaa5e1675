/* SPDX-License-Identifier: MIT */

/*
 * Shared domains: readers and updaters are processes. They are killed between any two of
 * their steps, and others start in their place. An updater removes an element of its
 * own, waits for a grace period and frees it. A process owns a slot of the table while the
 * kernel holds a byte for it: an OFD lock, which ends with the process.
 *
 *	holds		no living section loads from a freed element; no living owner
 *			finds its counter broken; one living leader at most; whoever is
 *			left alive comes to its end (no deadlock), and so does who starts
 *			when all slots are those of the dead
 *
 *	step here	stands for, in src/domain
 *	take		attaching and registering: a byte that nobody living holds, and
 *			what its last owner left behind
 *	give		detaching and unregistering
 *	reader		umb_domain_read_lock() and umb_domain_read_unlock(), in between
 *	synchronize	umb_domain_synchronize(): removal, number, lead, turn
 *	lead		becoming the leader, after nobody or after a dead one
 *	look_for_anybody	the look whether all slots are offline
 *	heavy_readers	membarrier(2), in all processes
 *	scan		waiting for sections with another number, and reaping
 *	die		what the kernel does: the dead one's stores become visible, then
 *			its bytes are free
 *
 * Who starts in the place of the dead is another owner, and here the same thread.
 *
 * Sleeping is bounded in time, so it needs no wake, and none is here: a sleeper goes on
 * when a look tells it something new. A state without a next step is one in which all
 * look and nobody will ever see anything. So wakes, flags and slices are left out; also
 * nesting, and numbers that come round (bits32.pml). A taker waits for a byte; the
 * library gives up instead, perhaps while somebody else tries the byte of a dead owner.
 *
 * A byte is a thread's here: a process knows which bytes are its own, and its threads
 * try others one at a time, as the kernel gives a process what it has already. -DSAME:
 * reader 0 and the first updater are one process and die together. -DFULL: readers
 * fence, and nobody else does. -DLIMITED: a leader may give up as it waits.
 *
 * Memory: TSO, and WEAK. Updaters' accesses are in order, as each change of hands is a
 * full barrier (combine.pml has the rest), or -DBUFFERED.
 *
 * holds: one -DUPDATERS=1
 * holds: one-twice -DUPDATERS=1 -DDEATHS=2
 * holds: one-again -DUPDATERS=1 -DSECTIONS=2 -DGPS=2
 * holds: table -DUPDATERS=1 -DREADERS=2 -DTABLE=2
 * holds: two -DHEIRS=0
 * holds: two-reader -DVICTIM=0
 * holds: leaders -DREADERS=0 -DUPDATERS=3 -DHEIRS=0
 * holds: leaders-twice -DREADERS=0 -DDEATHS=2
 * holds: limited -DUPDATERS=1 -DLIMITED -DGPS=2
 * holds: same -DUPDATERS=1 -DSAME -DHEIRS=0
 * holds: full -DUPDATERS=1 -DFULL
 * holds: full-weak -DUPDATERS=1 -DFULL -DWEAK
 * holds: weak -DUPDATERS=1 -DWEAK
 * holds: buffered -DUPDATERS=1 -DBUFFERED
 * fails: no-heavy assertion -DUPDATERS=1 -DNO_HEAVY
 * fails: full-no-fence assertion -DUPDATERS=1 -DFULL -DNO_FULL
 * fails: takeover-unlocked assertion -DREADERS=0 -DTAKEOVER_UNLOCKED
 * fails: takeover-serves assertion -DVICTIM=FIRST -DHEIRS=0 -DTAKEOVER_SERVES
 * fails: follower-served assertion -DFOLLOWER_SERVED
 * fails: target-started assertion -DTARGET_STARTED
 * fails: no-enter assertion -DBUFFERED -DNO_ENTER
 * fails: no-started assertion -DBUFFERED -DNO_STARTED
 * fails: reap-unlocked assertion -DUPDATERS=1 -DGPS=2 -DREAP_UNLOCKED
 * fails: reap-unlock-first assertion -DUPDATERS=1 -DGPS=2 -DREAP_UNLOCK_FIRST
 * fails: give-unlock-first assertion -DUPDATERS=1 -DREADERS=2 -DUNLOCK_FIRST
 * fails: used-late assertion -DUPDATERS=1 -DUSED_LATE
 * fails: no-take-fence assertion -DUPDATERS=1 -DNO_TAKE_FENCE
 * fails: own-bytes assertion -DUPDATERS=1 -DSAME -DHEIRS=0 -DOWN_BYTES
 * fails: leave-relaxed assertion -DUPDATERS=1 -DWEAK -DLEAVE_RELAXED
 * fails: no-clear deadlock -DREADERS=0 -DNO_CLEAR
 * fails: clear-once deadlock -DREADERS=0 -DCLEAR_ONCE
 * fails: kept-counter deadlock -DUPDATERS=1 -DDEATHS=2 -DKEPT_COUNTER
 * fails: no-reader-death deadlock -DUPDATERS=1 -DNO_READER_DEATH
 * fails: no-leader-death deadlock -DREADERS=0 -DNO_LEADER_DEATH
 * fails: by-kind deadlock -DUPDATERS=1 -DBY_KIND
 * long: two-heirs
 * long: two-readers -DUPDATERS=1 -DREADERS=2 -DVICTIM=0
 * long: two-same -DSAME -DHEIRS=0
 * long: two-limited -DVICTIM=0 -DLIMITED
 * long: two-buffered -DHEIRS=0 -DBUFFERED
 */

#ifndef READERS
# define READERS 1
#endif
#ifndef UPDATERS
# define UPDATERS 2
#endif
#ifndef SECTIONS
# define SECTIONS 1
#endif
#ifndef GPS
# define GPS 1
#endif
#ifndef DEATHS
# define DEATHS 1
#endif
#ifndef HEIRS
# define HEIRS 1		/* may others start in place of the dead? */
#endif
#ifndef TABLE
# define TABLE (READERS + UPDATERS)	/* slots */
#endif

#define THREADS		(READERS + UPDATERS)	/* 3 at most, readers first */
#define FIRST		READERS			/* updater */

#define WORD		0
#define STARTED		1
#define COMPLETED	2
#define LEADER		3	/* 0, or a slot's number + 1; and ASLEEP */
#define USED		4	/* slots below were used once */
#define CTR(s)		(5 + (s))
#define PTR(t)		(5 + TABLE + (t) - FIRST)	/* to element 0, 1 ... of t */
#define FREED(t)	(5 + TABLE + UPDATERS + (t) - FIRST)	/* those below */
#define VARS		(5 + TABLE + 2 * UPDATERS)

#define EARLY(t, a)	((a) < FREED(FIRST))	/* see grace-period.pml */
#include "memory.h"

#define NONE		99
#define ASLEEP		16	/* somebody sleeps until the leader has gone */
#define SLOT_OF(x)	(((x) & ~ASLEEP) - 1)

/* A counter: OFFLINE, or ON, number << 2 and depth. */
#define OFFLINE		0
#define ON		128
#define COPY(word)	(ON | (word) << 2)
#define DEPTH(c)	((c) & ON -> (c) & 3 : 0)
#define HOLDS(c, word)	(DEPTH(c) && ((c) & ~3) != COPY(word))

/* The kernel's */
byte owner[TABLE];		/* of a byte: 0, or a thread's number + 1 */
bit killed[THREADS], over[THREADS];
#define ALIVE(t)	(!killed[t] && !over[t])

#ifndef BY_KIND
hidden
#endif
byte kind[TABLE];		/* of a slot, as its fields tell: 1 if it is taken */

/* What no thread sees */
byte deaths;
byte leads;			/* 0, or the living leader's number + 1 */

#ifdef SAME
# define PROCESS(t)	((t) == FIRST -> 0 : (t))
#else
# define PROCESS(t)	(t)
#endif
#ifdef OWN_BYTES
# define FREE(s)	(!owner[s] || PROCESS(owner[s] - 1) == PROCESS(me))
#else
# define FREE(s)	(!owner[s])
#endif

#ifdef BY_KIND
# define MAY_TAKE(s)	(FREE(s) && !kind[s])
#else
# define MAY_TAKE	FREE
#endif

#ifdef BUFFERED
# define ROOM		(out[me].n < SLOTS)
inline put(a_, v_) { store_release(me, a_, v_) }
inline barrier() { fence(me) }
#else
# define ROOM		true
inline put(a_, v_) { m_write(me, a_, v_) }
inline barrier() { acquire(me) }
#endif
#define READY		M_READY(me, LEADER)

/*
 * A step is one access to memory, or one system call, with what is local to it. Bytes
 * are locked and let go of by system calls.
 */
inline lock_byte(s_)
{
	owner[s_] = me + 1;
	kind[s_] = 1;
	acquire(me)
}
inline unlock_byte(s_)
{
	RELEASED(me) -> owner[s_] = 0; kind[s_] = 0
}

/* What a dead owner may have left: that it leads. */
inline clear_leader()
{
	do
	::
		atomic {
			load(me, LEADER, x);
			if
			:: SLOT_OF(x) == slot
			:: else -> x = 0; break
			fi
		};
		atomic {
			READY ->
			cas(me, LEADER, x, 0, ok);
			x = 0;
#ifdef CLEAR_ONCE
			ok = 1;
#endif
			if :: ok -> ok = 0; break :: else fi
		}
	od
}

inline raise_used()
{
	atomic {
		READY ->
		if
		:: mem[USED] <= slot -> rmw(me, USED, slot + 1)
		:: else
		fi
	}
}

inline take()
{
	atomic {
		if
		:: MAY_TAKE(0) -> slot = 0
#if TABLE > 1
		:: MAY_TAKE(1) -> slot = 1
#endif
#if TABLE > 2
		:: MAY_TAKE(2) -> slot = 2
#endif
		fi;
		lock_byte(slot)
	};
#ifndef NO_CLEAR
	clear_leader();
#endif
#ifndef KEPT_COUNTER
	if
	:: me >= FIRST -> store(me, CTR(slot), OFFLINE)
	:: me < FIRST
	fi;
#endif
#ifndef USED_LATE
	raise_used()
#else
	skip
#endif
}

inline give()
{
#ifdef UNLOCK_FIRST
	atomic { unlock_byte(slot) };
	atomic { store_release(me, CTR(slot), OFFLINE); over[me] = 1 }
#else
	store_release(me, CTR(slot), OFFLINE);
	atomic { unlock_byte(slot); over[me] = 1 }
#endif
}

/* The dead one's stores come to memory, its loads to nobody; then its bytes are free. */
inline die()
{
	atomic {
		out[me].n == 0 ->
		killed[me] = 0;
		over[me] = 1;
		ahead[me].late = 0;
		ahead[me].got = 0;
		acquire(me);
#ifdef SAME
		if
		:: PROCESS(me) == 0 && (killed[0] || killed[FIRST]) -> i = TABLE
		:: else
		fi;
#endif
		do
		:: i < TABLE ->
			if
			:: owner[i] && PROCESS(owner[i] - 1) == PROCESS(me) -> owner[i] = 0
			:: else
			fi;
			i++
		:: else -> i = 0; break
		od;
		if
		:: skip
#if HEIRS > 0
		:: over[me] = 0; goto start	/* somebody else */
#endif
		fi
	}
}

#if READERS > 0
proctype reader(byte me)
{
	byte slot, sections, w, u, p, c, x, i;
	bit ok;

start:
	{
		take();
		load(me, WORD, w);
		atomic { store(me, CTR(slot), COPY(w)); w = 0 };
#ifndef NO_TAKE_FENCE
		fence(me);
#endif
		do
		:: atomic { sections < SECTIONS -> sections++; load(me, WORD, w) };
			atomic { store(me, CTR(slot), COPY(w) + 1); w = 0 };
#if defined(FULL) && !defined(NO_FULL)
			fence(me);
#endif
			/* Light: here, and before the end. */
			atomic {
#if UPDATERS > 1
				if :: u = FIRST :: u = FIRST + 1 fi;
#else
				u = FIRST;
#endif
				load(me, PTR(u), p)
			};
			atomic { late_load(me, FREED(u)); u = 0 };
			atomic {
				out[me].n < SLOTS ->
				c = SEEN(me, CTR(slot));
				assert(DEPTH(c) == 1);
#ifdef LEAVE_RELAXED
				store(me, CTR(slot), c - 1);
#else
				store_release(me, CTR(slot), c - 1);
#endif
				c = 0
			};
			atomic { late_value(me, c); assert(c <= p); c = 0; p = 0 }
		:: sections == SECTIONS -> break
		od;
#ifdef USED_LATE
		raise_used();
#endif
		give()
	} unless {
		atomic { killed[me] ->
			slot = 0; sections = 0; w = 0; u = 0; p = 0; c = 0; x = 0; ok = 0
		};
		die()
	}
}
#endif

/* ok: it leads from now on */
inline cas_leader(from)
{
	cas(me, LEADER, from, slot + 1, ok);
	if
	:: ok -> assert(!leads); leads = me + 1; acquire(me)
	:: else
	fi
}

/* x is the leader that was seen. */
inline lead()
{
	do
	:: atomic { !x && READY ->
		cas_leader(0);
		if :: ok -> ok = 0; break :: else -> x = mem[LEADER] fi }
#if defined(TAKEOVER_UNLOCKED)
	:: x && FREE(SLOT_OF(x));
		atomic { READY ->
			cas_leader(x);
			x = 0;
			if :: ok -> ok = 0; break :: else fi }
#elif defined(NO_LEADER_DEATH)
	:: atomic { x && mem[LEADER] != x -> x = 0 }
#else
	:: atomic { x && FREE(SLOT_OF(x)) -> lock_byte(SLOT_OF(x)) };
		atomic { READY -> cas_leader(x) };
#ifdef TAKEOVER_SERVES
		if :: ok -> put(COMPLETED, mem[STARTED]) :: else fi;
#endif
		put(CTR(SLOT_OF(x)), OFFLINE);
		atomic { unlock_byte(SLOT_OF(x)); x = 0;
			if :: ok -> ok = 0; break :: else fi }
#endif
	:: atomic { x && !FREE(SLOT_OF(x)) && !(x & ASLEEP) && READY ->
		cas(me, LEADER, x, x | ASLEEP, ok);
		if :: ok -> ok = 0; x = x | ASLEEP :: else -> x = 0 fi }
	:: atomic { (x & ASLEEP) && mem[LEADER] != x -> x = 0;
#ifdef FOLLOWER_SERVED
		goto served;
#endif
		}
	od
}

inline look_for_anybody()
{
	load(me, USED, n);
	do
	:: atomic { load(me, CTR(i), c);
		if
		:: c == OFFLINE -> i++
		:: else -> c = 0; i = 0; n = 0; break
		fi;
		if
		:: i == n -> i = 0; n = 0; acquire(me); goto elided
		:: else
		fi }
	od
}

/* The readers' points P; what is late of the dead comes to nobody. */
inline heavy_readers()
{
#ifdef BUFFERED
	fence(me);
#endif
#if READERS > 1
	if
	:: fence(0); atomic { fence(1); barrier() }
	:: fence(1); atomic { fence(0); barrier() }
	fi
#else
	atomic { fence(0); barrier() }
#endif
}

/* c is the counter that was seen to hold. */
inline scan()
{
	load(me, USED, n);
	do
	:: atomic { !c ->
		load(me, CTR(i), c);
		if
		:: !HOLDS(c, w) -> c = 0; i++
		:: else
		fi;
		if
		:: i == n -> i = 0; n = 0; w = 0; acquire(me); break
		:: else
		fi }
#if defined(REAP_UNLOCKED)
	:: c && FREE(i);
		put(CTR(i), OFFLINE);
		c = 0
#elif !defined(NO_READER_DEATH)
	:: atomic { c && FREE(i) -> lock_byte(i) };
#ifdef REAP_UNLOCK_FIRST
		atomic { unlock_byte(i) };
		atomic { ROOM -> put(CTR(i), OFFLINE); c = 0 }
#else
		put(CTR(i), OFFLINE);
		atomic { unlock_byte(i); c = 0 }
#endif
#endif
	:: atomic { c && mem[CTR(i)] != c -> c = 0 }
#ifdef LIMITED
	:: atomic { ROOM && c ->
		c = 0; i = 0; n = 0; w = 0; s = 0; target = 0; gps++;
		put(LEADER, 0); leads = 0;
		goto again }
#endif
	od
}

inline synchronize()
{
	atomic {
		ROOM -> g++; put(PTR(me), g);
#ifndef NO_ENTER
		barrier()
#endif
	};
#ifdef TARGET_STARTED
	load(me, STARTED, target);
#else
	atomic { load(me, STARTED, target); target++ };
#endif
	lead();
	atomic {
		load(me, COMPLETED, s);
		acquire(me);
		if
		:: s >= target -> s = 0; goto completed
		:: else
		fi
	};
	atomic {
		ROOM -> load(me, STARTED, s); s++; put(STARTED, s);
#ifndef NO_STARTED
		barrier()
#endif
	};
	look_for_anybody();
#if READERS > 0 && !defined(FULL) && !defined(NO_HEAVY)
	heavy_readers();
#endif
	atomic { ROOM -> load(me, WORD, w); w++; put(WORD, w) };
	scan();
elided:
	atomic { ROOM -> put(COMPLETED, s); s = 0 };
completed:
	atomic { ROOM -> put(LEADER, 0); leads = 0 };
served:
	atomic { ROOM -> put(FREED(me), g); gps++; target = 0 }
}

proctype updater(byte me; byte slot)
{
	byte gps, g, target, s, w, c, i, n, x;
	bit ok;

start:
	{
		if
		:: slot == NONE -> take()
		:: else
		fi;
again:
		do
		:: gps < GPS -> synchronize()
		:: gps == GPS -> break
		od;
		give()
	} unless {
		atomic { killed[me] ->
			slot = NONE; gps = 0; target = 0; s = 0; w = 0; c = 0; i = 0; n = 0;
			x = 0; ok = 0
		};
		die()
	}
}

/* It kills whoever is alive: a process with all its threads. */
inline kill(t_)
{
	killed[t_] = 1;
	if :: leads == t_ + 1 -> leads = 0 :: else fi
}

#ifdef SAME
# define KILL_THREAD(t)	:: atomic { deaths < DEATHS && ALIVE(t) -> \
	if :: PROCESS(t) == 0 && ALIVE(0) -> kill(0) :: else fi; \
	if :: PROCESS(t) == 0 && ALIVE(FIRST) -> kill(FIRST) :: else fi; \
	if :: PROCESS(t) != 0 -> kill(t) :: else fi; \
	deaths++ }
#else
# define KILL_THREAD(t)	:: atomic { deaths < DEATHS && ALIVE(t) -> kill(t); deaths++ }
#endif

proctype killer()
{
end:	do
#ifdef VICTIM
	KILL_THREAD(VICTIM)
#else
	KILL_THREAD(0)
#if THREADS > 1
	KILL_THREAD(1)
#endif
#if THREADS > 2
	KILL_THREAD(2)
#endif
#endif
	:: deaths == DEATHS -> break
	od
}

/* The updaters are attached already; their slots are the first. */
init {
	byte t;

	atomic {
		mem[USED] = UPDATERS;
		do
#if READERS > 0
		:: t < FIRST -> run reader(t); t++
#endif
		:: t >= FIRST && t < THREADS ->
			owner[t - FIRST] = t + 1;
			kind[t - FIRST] = 1;
			run updater(t, t - FIRST);
			t++
		:: else -> t = 0; break
		od;
		run killer()
	}
}
