/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>

#include "sys/sys.h"

void umbi_lock(struct umbi_lock *lock)
{
	sigset_t all, mask;
	uint32_t seen, mine = 1;

	memset(&all, 0xFF, sizeof all);
	for (;;) {
		umbi_signal_mask(&all, &mask);
		seen = 0;
		/*
		 * access LOCK.take, acquire. Pairs: LOCK.free (release).
		 * Orders the last holder's accesses before ours.
		 */
		if (__atomic_compare_exchange_n(&lock->word, &seen, mine, 0,
				__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			break;
		/* From now on we may not be the only one who sleeps. */
		mine = 2;
		if (seen == 2 || __atomic_exchange_n(&lock->word, 2,
						     __ATOMIC_ACQUIRE)) {
			umbi_signal_mask(&mask, NULL);
			umbi_futex_wait(&lock->word, 2, UMBI_FOREVER);
			continue;
		}
		break;
	}
	lock->mask = mask;
}

void umbi_unlock(struct umbi_lock *lock)
{
	sigset_t mask = lock->mask;

	/* access LOCK.free, release. Pairs: LOCK.take (acquire). */
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		umbi_futex_wake(&lock->word, 1);
	umbi_signal_mask(&mask, NULL);
}
