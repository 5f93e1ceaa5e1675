/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "tests/bench/shared.h"

static pthread_rwlock_t *rwlock;

static void make_lock(void)
{
	pthread_rwlockattr_t attr;

	rwlock = shared_memory(sizeof *rwlock);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(rwlock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

#define SCHEME			rwlock_shared
#define SELF			pthread_rwlock_t
#define INIT()			make_lock()
#define ENTER()			rwlock
#define UPDATER()		rwlock
#define LOCK(self)		pthread_rwlock_rdlock(self)
#define UNLOCK(self)		pthread_rwlock_unlock(self)
/* Readers that were there before the write lock have left when it is had. */
#define SYNCHRONIZE(self) \
	(pthread_rwlock_wrlock(self), pthread_rwlock_unlock(self))
#define SHARED_PARTS		(PART(SECTIONS) | PART(UPDATES))

#include "tests/bench/schemes/shared.h"
