/* SPDX-License-Identifier: MIT */
#define _LGPL_SOURCE
#include <urcu/urcu-mb.h>

#define FLAVOUR	mb
#define SCHEME	mb
#include "tests/bench/schemes/liburcu.h"
