/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

#define SCHEME			rwlock
#define LOCK(self)		pthread_rwlock_rdlock(&rwlock)
#define UNLOCK(self)		pthread_rwlock_unlock(&rwlock)
/* Readers that were there before the write lock have left when it is had. */
#define SYNCHRONIZE(self) \
	(pthread_rwlock_wrlock(&rwlock), pthread_rwlock_unlock(&rwlock))

#include "tests/bench/loops.h"
