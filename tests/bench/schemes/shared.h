/* SPDX-License-Identifier: MIT */

/* loops.h for schemes of verb shared: their data are in shared memory. */

#include "tests/bench/shared.h"

#define DATA	shared_rw
#include "tests/bench/loops.h"
