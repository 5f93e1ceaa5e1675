/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-bp.h>

#define FLAVOUR	bp
#define SCHEME	bp_calls
#include "tests/bench/schemes/liburcu.h"
