/* SPDX-License-Identifier: MIT */

/*
 * liburcu's short names, mapped to this flavour. No include guard: the last
 * flavour mapped owns the names, and <urcu/map/clear.h> takes them back.
 */

#include <urcu/map/clear.h>

#define rcu_read_lock			urcu_membarrier_read_lock
#define _rcu_read_lock			_urcu_membarrier_read_lock
#define rcu_read_unlock			urcu_membarrier_read_unlock
#define _rcu_read_unlock		_urcu_membarrier_read_unlock
#define rcu_read_ongoing		urcu_membarrier_read_ongoing
#define _rcu_read_ongoing		_urcu_membarrier_read_ongoing
#define rcu_quiescent_state		urcu_membarrier_quiescent_state
#define _rcu_quiescent_state		urcu_membarrier_quiescent_state
#define rcu_thread_offline		urcu_membarrier_thread_offline
#define rcu_thread_online		urcu_membarrier_thread_online
#define rcu_register_thread		urcu_membarrier_register_thread
#define rcu_unregister_thread		urcu_membarrier_unregister_thread
#define rcu_init			urcu_membarrier_init
#define synchronize_rcu			urcu_membarrier_synchronize_rcu
#define rcu_reader			urcu_membarrier_reader
#define rcu_gp				urcu_membarrier_gp
