/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-membarrier.h>

/* The functions behind the inline read side, as a binding calls them. */
#undef urcu_membarrier_read_lock
#undef urcu_membarrier_read_unlock

#define FLAVOUR	membarrier
#define SCHEME	umb_calls
#include "tests/bench/schemes/liburcu.h"
