/* SPDX-License-Identifier: MIT */

/*
 * The names of liburcu's membarrier flavour, mapped to this one. The short
 * names and those that end in _memb are in liburcu's file of this name, which
 * maps them to the names here. No include guard: like every flavour's map.
 */

/* As where liburcu's is installed: no warnings from here. */
#pragma GCC system_header

#define urcu_memb_read_lock		urcu_membarrier_read_lock
#define _urcu_memb_read_lock		_urcu_membarrier_read_lock
#define urcu_memb_read_unlock		urcu_membarrier_read_unlock
#define _urcu_memb_read_unlock		_urcu_membarrier_read_unlock
#define urcu_memb_read_ongoing		urcu_membarrier_read_ongoing
#define _urcu_memb_read_ongoing		_urcu_membarrier_read_ongoing
#define urcu_memb_quiescent_state	urcu_membarrier_quiescent_state
#define _urcu_memb_quiescent_state	urcu_membarrier_quiescent_state
#define urcu_memb_thread_offline	urcu_membarrier_thread_offline
#define urcu_memb_thread_online		urcu_membarrier_thread_online
#define urcu_memb_register_thread	urcu_membarrier_register_thread
#define urcu_memb_unregister_thread	urcu_membarrier_unregister_thread
#define urcu_memb_init			urcu_membarrier_init
#define urcu_memb_exit			urcu_membarrier_exit
#define urcu_memb_synchronize_rcu	urcu_membarrier_synchronize_rcu

#define urcu_memb_start_poll_synchronize_rcu	\
		urcu_membarrier_start_poll_synchronize_rcu
#define urcu_memb_poll_state_synchronize_rcu	\
		urcu_membarrier_poll_state_synchronize_rcu

#define urcu_memb_get_cpu_call_rcu_data	urcu_membarrier_get_cpu_call_rcu_data
#define urcu_memb_get_call_rcu_thread	urcu_membarrier_get_call_rcu_thread
#define urcu_memb_create_call_rcu_data	urcu_membarrier_create_call_rcu_data
#define urcu_memb_set_cpu_call_rcu_data	urcu_membarrier_set_cpu_call_rcu_data
#define urcu_memb_get_default_call_rcu_data	\
		urcu_membarrier_get_default_call_rcu_data
#define urcu_memb_get_call_rcu_data	urcu_membarrier_get_call_rcu_data
#define urcu_memb_get_thread_call_rcu_data	\
		urcu_membarrier_get_thread_call_rcu_data
#define urcu_memb_set_thread_call_rcu_data	\
		urcu_membarrier_set_thread_call_rcu_data
#define urcu_memb_create_all_cpu_call_rcu_data	\
		urcu_membarrier_create_all_cpu_call_rcu_data
#define urcu_memb_free_all_cpu_call_rcu_data	\
		urcu_membarrier_free_all_cpu_call_rcu_data
#define urcu_memb_call_rcu		urcu_membarrier_call_rcu
#define urcu_memb_call_rcu_data_free	urcu_membarrier_call_rcu_data_free
#define urcu_memb_call_rcu_before_fork	urcu_membarrier_call_rcu_before_fork
#define urcu_memb_call_rcu_after_fork_parent	\
		urcu_membarrier_call_rcu_after_fork_parent
#define urcu_memb_call_rcu_after_fork_child	\
		urcu_membarrier_call_rcu_after_fork_child
#define urcu_memb_barrier		urcu_membarrier_barrier

#define urcu_memb_defer_rcu		urcu_membarrier_defer_rcu
#define urcu_memb_defer_register_thread	urcu_membarrier_defer_register_thread
#define urcu_memb_defer_unregister_thread	\
		urcu_membarrier_defer_unregister_thread
#define urcu_memb_defer_barrier		urcu_membarrier_defer_barrier
#define urcu_memb_defer_barrier_thread	urcu_membarrier_defer_barrier_thread
#define urcu_memb_defer_exit		urcu_membarrier_defer_exit

#define urcu_memb_flavor		urcu_membarrier_flavor
#define urcu_memb_register_rculfhash_atfork	\
		urcu_membarrier_register_rculfhash_atfork
#define urcu_memb_unregister_rculfhash_atfork	\
		urcu_membarrier_unregister_rculfhash_atfork

/* liburcu has names for these that end in _memb, and nothing behind them. */
#define urcu_memb_dereference		rcu_dereference
#define urcu_memb_cmpxchg_pointer	rcu_cmpxchg_pointer
#define urcu_memb_xchg_pointer		rcu_xchg_pointer
#define urcu_memb_set_pointer		rcu_set_pointer

/* What is not here says so where it is used, and what to use instead. */
#define URCU_MEMB_PRAGMA_(pragma)	_Pragma(#pragma)
#define URCU_MEMB_NO_(text)		URCU_MEMB_PRAGMA_(GCC error text)

#define urcu_memb_before_fork		\
	URCU_MEMB_NO_("urcu_memb_before_fork (rcu_memb_before_fork) names nothing, in liburcu neither; valid is call_rcu_before_fork()") \
	urcu_memb_before_fork
#define urcu_memb_after_fork_parent	\
	URCU_MEMB_NO_("urcu_memb_after_fork_parent (rcu_memb_after_fork_parent) names nothing, in liburcu neither; valid is call_rcu_after_fork_parent()") \
	urcu_memb_after_fork_parent
#define urcu_memb_after_fork_child	\
	URCU_MEMB_NO_("urcu_memb_after_fork_child (rcu_memb_after_fork_child) names nothing, in liburcu neither; valid is call_rcu_after_fork_child()") \
	urcu_memb_after_fork_child
#define urcu_memb_gp			\
	URCU_MEMB_NO_("urcu_memb_gp (rcu_gp_memb) is internal to liburcu; valid is urcu_membarrier_gp, a struct urcu_membarrier_gp") \
	urcu_memb_gp
#define urcu_memb_reader		\
	URCU_MEMB_NO_("urcu_memb_reader (rcu_reader_memb) is internal to liburcu; valid is urcu_memb_read_ongoing()") \
	urcu_memb_reader
#define urcu_memb_has_sys_membarrier	\
	URCU_MEMB_NO_("urcu_memb_has_sys_membarrier is internal to liburcu; valid is umb_fence_mode()") \
	urcu_memb_has_sys_membarrier
#define urcu_memb_smp_mb_slave		\
	URCU_MEMB_NO_("urcu_memb_smp_mb_slave is internal to liburcu; valid are umb_fence_light() and umb_fence_heavy()") \
	urcu_memb_smp_mb_slave

#include <urcu/map/clear.h>
#include_next <urcu/map/urcu-memb.h>
