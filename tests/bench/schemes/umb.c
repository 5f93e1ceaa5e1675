/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-membarrier.h>

#define FLAVOUR	membarrier
#define SCHEME	umb
#include "tests/bench/schemes/liburcu.h"
