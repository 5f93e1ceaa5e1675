/* SPDX-License-Identifier: MIT */

/*
 * Memory as processors show it, for the models. A model defines
 *
 *	THREADS		how many threads; they are numbered from 0
 *	VARS		how many shared words, numbered from 0
 *	EARLY(t, a)	with WEAK: may thread t load word a early? (default: yes)
 *	VAL		the type of a word (default: byte)
 *
 * and includes this file before its first proctype. Shared words are touched only
 * by what stands below; t is the calling thread's number.
 *
 *	store(t, a, v)		to the thread's store buffer
 *	store_release(t, a, v)	leaves it after all that stands before
 *	load(t, a, r)		r = the word: the thread's own newest, or memory's
 *	acquire(t)		behind a load: later loads are not made before here
 *	late_load(t, a)		begins a load whose value nobody needs yet,
 *	late_value(t, r)	and ends it
 *	cas(t, a, from, to, ok)	relaxed; a full barrier where processors are TSO
 *	rmw(t, a, v)		the word becomes v, an expression of mem[a]; likewise
 *	rmw_old(t, a, v, old)	and old is what it was; rmw_release(): a release, too
 *	RELEASED(t)		for guards: all that stands before is done
 *	fence(t)		a full barrier in thread t
 *	heavy(t, left)		a heavy fence by thread t; left: a byte of its own
 *
 * TSO, the default: a store waits in its thread's buffer, which is first in, first
 * out, and leaves it at any time. A thread sees its own stores at once.
 *
 * WEAK: stores to different words leave in any order; and loads of different words
 * are made in any order, and before or after other words' stores:
 *
 * - early: when a word changes, other threads keep the old value until their next
 *   barrier or acquire, and a load may take it: it was made before the change.
 *   (To keep a value at the last moment covers each earlier one: fewer barriers
 *   take it away.) If the word changes again, either old value is kept. A load
 *   whose address comes from another load is not made before that one: a model
 *   leaves such words out, by EARLY.
 * - late: a late_load() is made at any time until its value is asked for, or its
 *   thread passes a barrier.
 *
 * A word's own order holds: nobody sees an older value after a newer one, nor
 * one that is older than his own store. A store becomes visible to all others at
 * once, as on ARMv8 and RISC-V; on POWER it need not, and that is not modelled.
 *
 * What a barrier does is to wait until the buffer is empty: it could have emptied
 * just before, so nothing is lost. A buffer holds SLOTS stores, and a thread
 * with a full one waits, which leaves out that more are under way.
 */

/* An inline's parameters end in _, as no argument of a model's may. */
#ifndef VAL
#define VAL		byte
#endif
#ifndef EARLY
#define EARLY(t, a)	1
#endif
#define SLOTS		4

typedef stores {
	byte n;				/* so many are under way, 0 is the oldest */
	byte addr[SLOTS];
	VAL val[SLOTS];
#ifdef WEAK
	bit release[SLOTS];
#endif
};

typedef loads {
#ifdef WEAK
	bit kept[VARS];			/* an old value can still be taken, */
	VAL old[VARS];			/* this one */
#endif
	byte late;			/* a late load is under way, of word late - 1 */
	VAL got;			/* what the last one got */
};

VAL mem[VARS];
stores out[THREADS];
loads ahead[THREADS];
byte m_t, m_a;				/* for a step's own use, else 0 */
VAL m_v;

#define IS_OUT(t, a, i)	(out[t].n > i && out[t].addr[i] == (a))
#define ANY_OUT(t, a)	(IS_OUT(t, a, 0) || IS_OUT(t, a, 1) \
			 || IS_OUT(t, a, 2) || IS_OUT(t, a, 3))

/* The word as thread t sees it now: for guards. */
#define SEEN(t, a)							\
	(IS_OUT(t, a, 3) -> out[t].val[3] : (IS_OUT(t, a, 2) -> out[t].val[2] : \
	(IS_OUT(t, a, 1) -> out[t].val[1] : (IS_OUT(t, a, 0) -> out[t].val[0] : \
	mem[a]))))

/* Memory changes, by thread t. */
inline m_write(t_, a_, v_)
{
#ifdef WEAK
	m_t = 0;
	do
	:: m_t == THREADS -> break
	:: m_t != THREADS && (m_t == t_ || !EARLY(m_t, a_) || mem[a_] == (v_)) ->
		m_t++
	:: m_t != THREADS && m_t != t_ && EARLY(m_t, a_) && mem[a_] != (v_) ->
		ahead[m_t].kept[a_] = 1;
		ahead[m_t].old[a_] = mem[a_];
		m_t++
	:: m_t != THREADS && m_t != t_ && EARLY(m_t, a_) && mem[a_] != (v_) &&
	   ahead[m_t].kept[a_] ->
		m_t++
	od;
	m_t = 0;
	ahead[t_].kept[a_] = 0;
	ahead[t_].old[a_] = 0;
#endif
	mem[a_] = v_
}

/* The i-th store of thread t leaves. */
inline m_leave(t_, i_)
{
	m_a = out[t_].addr[i_];
	m_v = out[t_].val[i_];
	m_write(t_, m_a, m_v);
	d_step {
		m_a = 0;
		m_v = 0;
		m_t = i_;
		do
		:: m_t + 1 < out[t_].n ->
			out[t_].addr[m_t] = out[t_].addr[m_t + 1];
			out[t_].val[m_t] = out[t_].val[m_t + 1];
#ifdef WEAK
			out[t_].release[m_t] = out[t_].release[m_t + 1];
#endif
			m_t++
		:: else -> break
		od;
		out[t_].addr[m_t] = 0;
		out[t_].val[m_t] = 0;
#ifdef WEAK
		out[t_].release[m_t] = 0;
#endif
		out[t_].n--;
		m_t = 0
	}
}

#define M_ADDR(t, i)	out[t].addr[i]
#define M_FREE(t, i)	(!out[t].release[i])

active [THREADS] proctype memory()
{
end:
	do
#ifndef WEAK
	:: atomic { out[_pid].n > 0 -> m_leave(_pid, 0) }
#else
	:: atomic { out[_pid].n > 0 &&
		    (M_FREE(_pid, 0) || !ahead[_pid].late) -> m_leave(_pid, 0) }
	:: atomic { out[_pid].n > 1 && M_FREE(_pid, 1) &&
		    M_ADDR(_pid, 1) != M_ADDR(_pid, 0) -> m_leave(_pid, 1) }
	:: atomic { out[_pid].n > 2 && M_FREE(_pid, 2) &&
		    M_ADDR(_pid, 2) != M_ADDR(_pid, 0) &&
		    M_ADDR(_pid, 2) != M_ADDR(_pid, 1) -> m_leave(_pid, 2) }
	:: atomic { out[_pid].n > 3 && M_FREE(_pid, 3) &&
		    M_ADDR(_pid, 3) != M_ADDR(_pid, 0) &&
		    M_ADDR(_pid, 3) != M_ADDR(_pid, 1) &&
		    M_ADDR(_pid, 3) != M_ADDR(_pid, 2) -> m_leave(_pid, 3) }
	:: d_step { ahead[_pid].late ->
		ahead[_pid].got = SEEN(_pid, ahead[_pid].late - 1);
		ahead[_pid].late = 0 }
#endif
	od
}

inline m_store(t_, a_, v_, rel_)
{
	d_step {
		out[t_].n < SLOTS ->
		out[t_].addr[out[t_].n] = a_;
		out[t_].val[out[t_].n] = v_;
#ifdef WEAK
		out[t_].release[out[t_].n] = rel_;
		ahead[t_].kept[a_] = 0;
		ahead[t_].old[a_] = 0;
#endif
		out[t_].n++
	}
}

inline store(t_, a_, v_) { m_store(t_, a_, v_, 0) }

inline store_release(t_, a_, v_) { m_store(t_, a_, v_, 1) }

inline load(t_, a_, r_)
{
#ifdef WEAK
	atomic {
		if
		:: r_ = SEEN(t_, a_);
		   ahead[t_].kept[a_] = 0;
		   ahead[t_].old[a_] = 0
		:: ahead[t_].kept[a_] && !ANY_OUT(t_, a_) -> r_ = ahead[t_].old[a_]
		fi
	}
#else
	r_ = SEEN(t_, a_)
#endif
}

inline acquire(t_)
{
#ifdef WEAK
	d_step {
		m_t = 0;
		do
		:: m_t < VARS ->
			ahead[t_].kept[m_t] = 0;
			ahead[t_].old[m_t] = 0;
			m_t++
		:: else -> break
		od;
		m_t = 0
	}
#else
	skip
#endif
}

inline late_load(t_, a_)
{
#ifdef WEAK
	d_step { !ahead[t_].late -> ahead[t_].late = (a_) + 1; ahead[t_].got = 0 }
#else
	ahead[t_].got = SEEN(t_, a_)
#endif
}

inline late_value(t_, r_)
{
	d_step { !ahead[t_].late -> r_ = ahead[t_].got; ahead[t_].got = 0 }
}

#ifdef WEAK
#define M_READY(t, a)	(!ANY_OUT(t, a))
#else
#define M_READY(t, a)	(out[t].n == 0)
#endif

inline cas(t_, a_, from_, to_, ok_)
{
	atomic {
		M_READY(t_, a_) ->
		if
		:: mem[a_] == (from_) -> m_write(t_, a_, to_); ok_ = 1
		:: mem[a_] != (from_) -> ok_ = 0
#ifdef WEAK
		:: ahead[t_].kept[a_] && ahead[t_].old[a_] != (from_) -> ok_ = 0
#endif
		fi
	}
}

inline rmw(t_, a_, v_)
{
	atomic { M_READY(t_, a_) -> m_write(t_, a_, v_) }
}

inline rmw_old(t_, a_, v_, old_)
{
	atomic { M_READY(t_, a_) -> old_ = mem[a_]; m_write(t_, a_, v_) }
}

#define RELEASED(t)	(out[t].n == 0 && !ahead[t].late)

inline rmw_release(t_, a_, v_, old_)
{
	atomic { RELEASED(t_) -> old_ = mem[a_]; m_write(t_, a_, v_) }
}

inline fence(t_)
{
	atomic { RELEASED(t_) -> acquire(t_) }
}

/* The others' points P come one by one, in any order. */
inline heavy(t_, left_)
{
	fence(t_);
	left_ = (1 << THREADS) - 1 - (1 << (t_));
	do
	:: left_ & 1 -> fence(0); left_ = left_ & ~1
#if THREADS > 1
	:: left_ & 2 -> fence(1); left_ = left_ & ~2
#endif
#if THREADS > 2
	:: left_ & 4 -> fence(2); left_ = left_ & ~4
#endif
#if THREADS > 3
	:: left_ & 8 -> fence(3); left_ = left_ & ~8
#endif
	:: left_ == 0 -> break
	od;
	fence(t_)
}
