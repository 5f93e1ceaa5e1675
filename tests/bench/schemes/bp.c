/* SPDX-License-Identifier: MIT */
#define _LGPL_SOURCE
#include <urcu/urcu-bp.h>

#define FLAVOUR	bp
#define SCHEME	bp
#include "tests/bench/schemes/liburcu.h"
