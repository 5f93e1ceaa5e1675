/* SPDX-License-Identifier: MIT */
#ifndef _URCU_MEMB_H
#define _URCU_MEMB_H

/*
 * For programs written for liburcu's membarrier flavour: its names, and all
 * that its header brings along, with liburcu-membarrier behind them.
 */

#include <pthread.h>
#include <stdlib.h>

#ifdef _LGPL_SOURCE
#include <urcu/static/urcu-memb.h>
#endif

/* The map first, so that what flavours share is declared for this one. */
#include <urcu/map/urcu-memb.h>
#include <urcu/urcu-membarrier.h>

#ifndef URCU_API_MAP
#include <urcu/map/clear.h>
#endif

#endif /* _URCU_MEMB_H */
