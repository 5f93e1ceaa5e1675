/* SPDX-License-Identifier: MIT */

/* The loop and the read alone. */
#define SCHEME			unprotected
#define LOCK(self)		do { } while (0)
#define UNLOCK(self)		do { } while (0)
#define SYNCHRONIZE(self)	do { } while (0)
#define SHARED_PARTS		PART(SECTIONS)

#include "tests/bench/schemes/shared.h"
