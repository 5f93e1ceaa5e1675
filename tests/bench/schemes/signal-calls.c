/* SPDX-License-Identifier: MIT */
#include <urcu/urcu-signal.h>

#define FLAVOUR	signal
#define SCHEME	signal_calls
#include "tests/bench/schemes/liburcu.h"
