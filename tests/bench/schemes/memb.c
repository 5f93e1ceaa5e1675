/* SPDX-License-Identifier: MIT */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#define FLAVOUR	memb
#define SCHEME	memb
#include "tests/bench/schemes/liburcu.h"
