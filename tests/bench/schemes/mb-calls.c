/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-mb.h>

#define FLAVOUR	mb
#define SCHEME	mb_calls
#include "tests/bench/schemes/liburcu.h"
