/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-memb.h>

#define FLAVOUR	memb
#define SCHEME	memb_calls
#include "tests/bench/schemes/liburcu.h"
