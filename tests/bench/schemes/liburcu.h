/* SPDX-License-Identifier: MIT */

/*
 * A flavour of liburcu. The scheme file includes the flavour's header, with
 * _LGPL_SOURCE for sections that inline or without it for calls, and defines
 * FLAVOUR and SCHEME.
 */

#define CALL__(flavour, name)	urcu_##flavour##_##name
#define CALL_(flavour, name)	CALL__(flavour, name)
#define CALL(name)		CALL_(FLAVOUR, name)

#define ENTER()			(CALL(register_thread)(), NULL)
#define LEAVE(self)		CALL(unregister_thread)()
#define OFFLINE(self)		CALL(thread_offline)()
#define QUIESCENT(self)		CALL(quiescent_state)()
#define LOCK(self)		CALL(read_lock)()
#define UNLOCK(self)		CALL(read_unlock)()
#define SYNCHRONIZE(self)	CALL(synchronize_rcu)()

#define ONLINE(self)		CALL(thread_online)()
#define CALL_RCU(self, head, func)	CALL(call_rcu)(head, func)
#define BARRIER(self)		CALL(barrier)()
#define WORKER()		CALL(get_call_rcu_thread)( \
					CALL(get_default_call_rcu_data)())
/* liburcu has it from 0.14 on, we beside any. */
#if defined _URCU_POLL_H || defined URCU_MEMBARRIER_POLL_H
# define START_POLL(self)	CALL(start_poll_synchronize_rcu)()
#endif

#include "tests/bench/loops.h"
