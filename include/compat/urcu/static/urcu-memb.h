/* SPDX-License-Identifier: MIT */
#ifndef _URCU_MEMB_STATIC_H
#define _URCU_MEMB_STATIC_H

/* The inline read side, and whatever else liburcu's has for LGPL sources. */
#include <urcu/static/urcu-common.h>

#include <urcu/map/urcu-memb.h>
#include <urcu/static/urcu-membarrier.h>

#endif /* _URCU_MEMB_STATIC_H */
