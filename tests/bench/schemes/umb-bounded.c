/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <urcu/urcu-membarrier.h>

/* A backlog that stays in the caches, and above a batch of the verb call's. */
static void bound(void)
{
	if (umb_reclaim_set_watermarks(8192, 32768))
		abort();
	umb_reclaim_set_waiting(1);
}

#define FLAVOUR	membarrier
#define SCHEME	umb_bounded
#define INIT()	bound()
#include "tests/bench/schemes/liburcu.h"
