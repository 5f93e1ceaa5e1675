/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sys.h"

/*
 * By the raw system call: pthread_sigmask() leaves the C library's own signals
 * open. _NSIG / 8 is the size of the kernel's set.
 */
static void set_mask(const sigset_t *new, sigset_t *old)
{
	int saved = errno;

	syscall(__NR_rt_sigprocmask, SIG_SETMASK, new, old, _NSIG / 8);
	errno = saved;
}

void umbi_lock(struct umbi_lock *lock)
{
	sigset_t all, mask;
	uint32_t seen, mine = 1;

	__builtin_memset(&all, 0xFF, sizeof all);
	for (;;) {
		set_mask(&all, &mask);
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
			set_mask(&mask, NULL);
			umbi_futex_wait(&lock->word, 2);
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
	set_mask(&mask, NULL);
}
