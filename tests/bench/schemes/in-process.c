/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-membarrier.h>

/* The flavour. Each process has readers of its own, so nothing waits for others'. */
#define FLAVOUR		membarrier
#define SCHEME		in_process
#define SHARED_PARTS	PART(SECTIONS)
#define DATA		shared_rw
#include "tests/bench/shared.h"
#include "tests/bench/schemes/liburcu.h"
