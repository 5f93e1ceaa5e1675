/* SPDX-License-Identifier: MIT */
#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

#define FLAVOUR	qsbr
#define SCHEME	qsbr
#define ONLINE_BLOCKS	1
#include "tests/bench/schemes/liburcu.h"
