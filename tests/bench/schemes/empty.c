/* SPDX-License-Identifier: MIT */

/* The loop alone. */
#define SCHEME			empty
#define LOCK(self)		do { } while (0)
#define UNLOCK(self)		do { } while (0)
#define SYNCHRONIZE(self)	do { } while (0)
#define RECLAIMS		0

#include "tests/bench/loops.h"
