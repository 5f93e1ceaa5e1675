/* SPDX-License-Identifier: MIT */

/*
 * The memory of the other models (memory.h), tried by the usual small tests: what it
 * must forbid is not seen, and what it must allow is.
 *
 * BUFFERING	each stores and loads the other's word; both loads find nothing.
 *		FENCES is how many have a fence between. HEAVY: a heavy fence in one.
 * MESSAGE	data, then a flag; who sees the flag does not see the data.
 * LOADS	each loads, then stores to the other's word; both loads see it.
 * SAME		of two loads of one word the later sees the older value.
 * OWN		a thread does not see its own store.
 * CHAIN	a store is seen by one who stores, and not by one who sees that.
 *
 * holds: buffering-fences -DBUFFERING -DFENCES=2
 * holds: buffering-fences-weak -DBUFFERING -DFENCES=2 -DWEAK
 * holds: buffering-heavy -DBUFFERING -DFENCES=0 -DHEAVY
 * holds: buffering-heavy-weak -DBUFFERING -DFENCES=0 -DHEAVY -DWEAK
 * fails: buffering assertion -DBUFFERING -DFENCES=0
 * fails: buffering-one assertion -DBUFFERING -DFENCES=1
 * holds: message -DMESSAGE
 * holds: message-order-weak -DMESSAGE -DRELEASE -DACQUIRE -DWEAK
 * fails: message-weak assertion -DMESSAGE -DWEAK
 * fails: message-release-weak assertion -DMESSAGE -DRELEASE -DWEAK
 * fails: message-acquire-weak assertion -DMESSAGE -DACQUIRE -DWEAK
 * holds: loads -DLOADS
 * holds: loads-release-weak -DLOADS -DRELEASE -DWEAK
 * fails: loads-weak assertion -DLOADS -DWEAK
 * holds: same -DSAME
 * holds: same-weak -DSAME -DWEAK
 * holds: own -DOWN
 * holds: own-weak -DOWN -DWEAK
 * holds: chain-weak -DCHAIN -DRELEASE -DACQUIRE -DWEAK
 * fails: chain-bare-weak assertion -DCHAIN -DWEAK
 */

#define THREADS	3
#define VARS	2
#include "memory.h"

#define X	0
#define Y	1

byte saw[THREADS], more[THREADS];
byte done;

#ifdef RELEASE
# define STORE_LAST(t, a, v)	store_release(t, a, v)
#else
# define STORE_LAST(t, a, v)	store(t, a, v)
#endif
#ifdef ACQUIRE
# define THEN(t)	acquire(t)
#else
# define THEN(t)	skip
#endif

#if FENCES > 0
# define BETWEEN_0(left)	fence(0)
#elif defined(HEAVY)
# define BETWEEN_0(left)	heavy(0, left)
#else
# define BETWEEN_0(left)	skip
#endif
#if FENCES > 1
# define BETWEEN_1	fence(1)
#else
# define BETWEEN_1	skip
#endif

inline loading(t, mine, other)
{
	late_load(t, other);
	STORE_LAST(t, mine, 1);
	late_value(t, saw[t])
}

active proctype zero()
{
	byte left;
#ifdef BUFFERING
	store(0, X, 1);
	BETWEEN_0(left);
	load(0, Y, saw[0]);
#elif defined(MESSAGE)
	store(0, X, 1);
	STORE_LAST(0, Y, 1);
#elif defined(LOADS)
	loading(0, X, Y);
#elif defined(OWN)
	store(0, X, 1);
	load(0, X, saw[0]);
	assert(saw[0] != 0);
#else
	store(0, X, 1);
#endif
	done++
}

active proctype one()
{
#ifdef BUFFERING
	store(1, Y, 1);
	BETWEEN_1;
	load(1, X, saw[1]);
#elif defined(MESSAGE)
	load(1, Y, saw[1]);
	THEN(1);
	load(1, X, more[1]);
	assert(!saw[1] || more[1]);
#elif defined(LOADS)
	loading(1, Y, X);
#elif defined(SAME)
	load(1, X, saw[1]);
	load(1, X, more[1]);
	assert(more[1] >= saw[1]);
#elif defined(OWN)
	store(1, X, 2);
#elif defined(CHAIN)
	load(1, X, saw[1]);
	THEN(1);
	STORE_LAST(1, Y, 1);
#endif
	done++
}

active proctype two()
{
#ifdef CHAIN
	load(2, Y, saw[2]);
	THEN(2);
	load(2, X, more[2]);
	done == 2;
	assert(!saw[1] || !saw[2] || more[2]);
#else
	done == 2;
# ifdef BUFFERING
	assert(saw[0] || saw[1]);
# elif defined(LOADS)
	assert(!saw[0] || !saw[1]);
# endif
#endif
}
