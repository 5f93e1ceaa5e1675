/* SPDX-License-Identifier: MIT */
#define _LGPL_SOURCE
#include <urcu/urcu-signal.h>

#define FLAVOUR	signal
#define SCHEME	signal
#include "tests/bench/schemes/liburcu.h"
