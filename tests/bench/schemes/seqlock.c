/* SPDX-License-Identifier: MIT */

/*
 * A seqlock with one writer, its data in place. A reader may see what is half
 * written, but then the number is odd, or has changed, and it reads again.
 */

#include <stdatomic.h>

#include "tests/bench/shared.h"

static atomic_ulong *number;

static void make_number(void)
{
	number = shared_memory(sizeof *number);
}

static unsigned long read_stable(const struct rw *data, atomic_ulong *seq)
{
	unsigned long before, seen;

	do {
		before = atomic_load_explicit(seq, memory_order_acquire);
		seen = element_read(data->pointer);
		/* The data before the number. */
		atomic_thread_fence(memory_order_acquire);
	} while (before & 1
		 || atomic_load_explicit(seq, memory_order_relaxed) != before);
	return seen;
}

static void update(atomic_ulong *seq)
{
	unsigned long before = atomic_load_explicit(seq, memory_order_relaxed);

	atomic_store_explicit(seq, before + 1, memory_order_relaxed);
	/* The odd number before the data. */
	atomic_thread_fence(memory_order_release);
	element_poison(shared_rw->pointer);
	element_fill(shared_rw->pointer);
	atomic_store_explicit(seq, before + 2, memory_order_release);
}

#define SCHEME			seqlock
#define SELF			atomic_ulong
#define INIT()			make_number()
#define ENTER()			number
#define UPDATER()		number
#define LOCK(self)		do { } while (0)
#define READ(self, data)	read_stable(data, self)
#define UNLOCK(self)		do { } while (0)
#define SYNCHRONIZE(self)	update(self)
#define RECLAIMS		0
#define SHARED_PARTS		(PART(SECTIONS) | PART(UPDATES))

#include "tests/bench/schemes/shared.h"
