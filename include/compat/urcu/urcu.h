/* SPDX-License-Identifier: MIT */
#ifndef _URCU_H
#define _URCU_H

/*
 * liburcu's default flavour, by liburcu-membarrier. The guards here are
 * liburcu's: of its header and ours a source file can have only one.
 */

#ifndef RCU_MEMBARRIER
# ifdef RCU_SIGNAL
#  error "RCU_SIGNAL: <urcu.h> is liburcu-membarrier's here. Valid are RCU_MEMBARRIER or nothing; liburcu's signal flavour, where it still has one, is <urcu/urcu-signal.h> with -lurcu-signal."
# elif defined(RCU_MB)
#  error "RCU_MB: <urcu.h> is liburcu-membarrier's here. Valid are RCU_MEMBARRIER or nothing; liburcu's mb flavour is <urcu/urcu-mb.h> with -lurcu-mb."
# endif
# define RCU_MEMBARRIER
#endif

#include <urcu/urcu-memb.h>

#endif /* _URCU_H */
