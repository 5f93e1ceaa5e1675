/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-qsbr.h>

#define FLAVOUR	qsbr
#define SCHEME	qsbr_calls
#define ONLINE_BLOCKS	1
#include "tests/bench/schemes/liburcu.h"
