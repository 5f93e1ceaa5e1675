/* SPDX-License-Identifier: MIT */

/*
 * liburcu's short names, mapped to this flavour. No include guard: the last
 * flavour mapped owns the names, and <urcu/map/clear.h> takes them back.
 */

#include <urcu/map/clear.h>
/* Those that older versions of it do not know. */
#undef start_poll_synchronize_rcu
#undef poll_state_synchronize_rcu

#ifdef DEBUG_RCU
/* Not the flavour's name in liburcu: all of them share it. */
# undef rcu_dereference
# define rcu_dereference		umb_dereference
#endif

#if UMB_TSAN
/* It sees the order of these, and not that of liburcu's, see tsan.h. */
# undef rcu_dereference
# undef rcu_assign_pointer
# undef rcu_set_pointer
# undef rcu_xchg_pointer
# undef rcu_cmpxchg_pointer
# define rcu_dereference		umb_dereference
# define rcu_assign_pointer		umb_assign_pointer
# define rcu_set_pointer(p, v)		umb_assign_pointer(*(p), v)
# define rcu_xchg_pointer		umb_xchg_pointer
# define rcu_cmpxchg_pointer		umb_cmpxchg_pointer
#endif

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
#define rcu_exit			urcu_membarrier_exit

#define start_poll_synchronize_rcu	urcu_membarrier_start_poll_synchronize_rcu
#define poll_state_synchronize_rcu	urcu_membarrier_poll_state_synchronize_rcu

#define get_cpu_call_rcu_data		urcu_membarrier_get_cpu_call_rcu_data
#define get_call_rcu_thread		urcu_membarrier_get_call_rcu_thread
#define create_call_rcu_data		urcu_membarrier_create_call_rcu_data
#define set_cpu_call_rcu_data		urcu_membarrier_set_cpu_call_rcu_data
#define get_default_call_rcu_data	urcu_membarrier_get_default_call_rcu_data
#define get_call_rcu_data		urcu_membarrier_get_call_rcu_data
#define get_thread_call_rcu_data	urcu_membarrier_get_thread_call_rcu_data
#define set_thread_call_rcu_data	urcu_membarrier_set_thread_call_rcu_data
#define create_all_cpu_call_rcu_data	urcu_membarrier_create_all_cpu_call_rcu_data
#define free_all_cpu_call_rcu_data	urcu_membarrier_free_all_cpu_call_rcu_data
#define call_rcu			urcu_membarrier_call_rcu
#define call_rcu_data_free		urcu_membarrier_call_rcu_data_free
#define call_rcu_before_fork		urcu_membarrier_call_rcu_before_fork
#define call_rcu_after_fork_parent	urcu_membarrier_call_rcu_after_fork_parent
#define call_rcu_after_fork_child	urcu_membarrier_call_rcu_after_fork_child
#define rcu_barrier			urcu_membarrier_barrier

#define defer_rcu			urcu_membarrier_defer_rcu
#define rcu_defer_register_thread	urcu_membarrier_defer_register_thread
#define rcu_defer_unregister_thread	urcu_membarrier_defer_unregister_thread
#define rcu_defer_barrier		urcu_membarrier_defer_barrier
#define rcu_defer_barrier_thread	urcu_membarrier_defer_barrier_thread
#define rcu_defer_exit			urcu_membarrier_defer_exit

#define rcu_flavor			urcu_membarrier_flavor
#define urcu_register_rculfhash_atfork	\
		urcu_membarrier_register_rculfhash_atfork
#define urcu_unregister_rculfhash_atfork \
		urcu_membarrier_unregister_rculfhash_atfork
