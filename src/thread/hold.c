/* SPDX-License-Identifier: MIT */

/*
 * Sleeping on readers. A held reader has UMBI_WAITING_UPDATER in its record;
 * `outstanding` counts those flags and one more while the updater is not ready to
 * sleep. Each flag is taken away once, by an atomic operation, and whoever
 * takes it away counts down; who reaches zero wakes the updater. So an updater
 * that sleeps on any number of readers is woken once, and looks at no record
 * again.
 *
 * What makes an unlock look at the flag is another matter. Where the counter is
 * stored and then `waiting` loaded, with RD.left between, this is store
 * buffering against the updater's flag, GP.before-sleep and look at the
 * counter: one of them sees the other.
 *
 * On x86-64 the unlock is one instruction that loads, stores and tests the
 * counter, and the wish is the counter's top bit. The updater sets it by
 * compare-and-exchange, in a counter that it saw in a section. The owner's
 * instruction may have loaded before and store after, which wipes the bit out;
 * but the instruction is before the point P of the heavy fence, or after it:
 * - before: its store is done when the updater looks, and the updater sees that
 *   the bit is gone, sets it again and fences again; or that the reader left;
 * - after: it loads after P and finds the bit, which no other owner's store
 *   wipes out inside a section.
 * A store of another kind, read_lock's copy of the word, has tested a counter
 * of depth 0 before; if P is between the two, the updater sees depth 0, or the
 * copy without the bit, and goes on as above.
 */

#include "sys/sys.h"
#include "thread/hold.h"

static uint32_t outstanding;

void umbi_hold_open(void)
{
	/* Relaxed: nobody else counts before the first flag is set. */
	__atomic_store_n(&outstanding, 1, __ATOMIC_RELAXED);
}

void umbi_hold_add(umbi_reader *reader)
{
	__atomic_fetch_add(&outstanding, 1, __ATOMIC_RELAXED);
	/*
	 * access HOLD.flag, release. Pairs: HOLD.unflag (acquire).
	 * Orders the count up before the flag that leads to a count down.
	 */
	__atomic_fetch_or(&reader->waiting, UMBI_WAITING_UPDATER,
			  __ATOMIC_RELEASE);
}

int umbi_held(const umbi_reader *reader)
{
	/* Relaxed: the updater set the flag; gone is gone. */
	return !!(__atomic_load_n(&reader->waiting, __ATOMIC_RELAXED)
		  & UMBI_WAITING_UPDATER);
}

int umbi_hold_armed(umbi_reader *reader, unsigned long c)
{
	if (!URCU_MEMBARRIER_SLOW_IN_COUNTER || (c & URCU_MEMBARRIER_SLOW))
		return 1;
	/* Relaxed: a heavy fence follows. If it fails, the reader has moved. */
	__atomic_compare_exchange_n(&reader->ctr, &c, c | URCU_MEMBARRIER_SLOW,
				    0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return 0;
}

static int count_down(void)
{
	/*
	 * access HOLD.leave, release. Pairs: HOLD.woken (acquire).
	 * Orders the reader's section before the updater's wake.
	 * Without: the updater frees under a section that still reads.
	 */
	return __atomic_sub_fetch(&outstanding, 1, __ATOMIC_RELEASE) == 0;
}

void umbi_hold_drop(umbi_reader *reader)
{
	/* access HOLD.unflag, acquire. Pairs: HOLD.flag (release). */
	if ((__atomic_fetch_and(&reader->waiting, ~UMBI_WAITING_UPDATER,
				__ATOMIC_ACQUIRE) & UMBI_WAITING_UPDATER)
	    && count_down())
		umbi_futex_wake(&outstanding, 1);
}

void umbi_hold_wait(void)
{
	uint32_t left;

	count_down();
	/* access HOLD.woken, acquire. Pairs: HOLD.leave (release). */
	while ((left = __atomic_load_n(&outstanding, __ATOMIC_ACQUIRE)))
		umbi_futex_wait(&outstanding, left);
}
