/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <ck_epoch.h>

static ck_epoch_t epoch;

/* Records stay for good: ck allows no removal. */
static ck_epoch_record_t *record(void)
{
	void *memory;

	if (posix_memalign(&memory, _Alignof(ck_epoch_record_t),
			   sizeof(ck_epoch_record_t)))
		abort();
	ck_epoch_register(&epoch, memory, NULL);
	return memory;
}

/*
 * ck does not say which branch is likely, so gcc enters these loops in their
 * middle: the head is not at a multiple of 64. The atomic exchange hides it.
 */
#define SCHEME			ck
#define SELF			ck_epoch_record_t
#define INIT()			ck_epoch_init(&epoch)
#define ENTER()			record()
#define UPDATER()		record()
#define LEAVE(self)		ck_epoch_unregister(self)
#define LOCK(self)		ck_epoch_begin(self, NULL)
#define UNLOCK(self)		((void) ck_epoch_end(self, NULL))
#define SYNCHRONIZE(self)	ck_epoch_synchronize(self)

#include "tests/bench/loops.h"
