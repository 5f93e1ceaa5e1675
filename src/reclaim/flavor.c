/* SPDX-License-Identifier: MIT */

/*
 * The flavour as liburcu-cds wants it. The symbol's size is part of the ABI, as
 * programs copy it: it has room for what later versions of liburcu may add. The
 * polling members are there whichever version this was built with.
 */

#include <stddef.h>

/* The header's declaration has liburcu's type, which is shorter. */
#define urcu_membarrier_flavor urcu_membarrier_flavor_declared_elsewhere
#include "urcu/urcu-membarrier.h"
#undef urcu_membarrier_flavor

#define POINTERS	32

struct flavor {
	void (*read_lock)(void);
	void (*read_unlock)(void);
	int (*read_ongoing)(void);
	void (*read_quiescent_state)(void);
	void (*update_call_rcu)(struct rcu_head *head,
				void (*func)(struct rcu_head *head));
	void (*update_synchronize_rcu)(void);
	void (*update_defer_rcu)(void (*fct)(void *p), void *p);
	void (*thread_offline)(void);
	void (*thread_online)(void);
	void (*register_thread)(void);
	void (*unregister_thread)(void);
	void (*barrier)(void);
	void (*register_rculfhash_atfork)(struct urcu_atfork *atfork);
	void (*unregister_rculfhash_atfork)(struct urcu_atfork *atfork);
	/* Since liburcu 0.14. */
	struct urcu_gp_poll_state (*update_start_poll_synchronize_rcu)(void);
	bool (*update_poll_state_synchronize_rcu)(struct urcu_gp_poll_state state);
	void (*reserved[POINTERS - 16])(void);
};

_Static_assert(sizeof(struct flavor) == POINTERS * sizeof(void *)
	       && sizeof(struct rcu_flavor_struct) <= sizeof(struct flavor),
	       "frozen ABI");
#define SAME_PLACE(member) \
	_Static_assert(offsetof(struct flavor, member) \
		       == offsetof(struct rcu_flavor_struct, member), #member)
SAME_PLACE(read_lock);
SAME_PLACE(update_call_rcu);
SAME_PLACE(thread_offline);
SAME_PLACE(barrier);
SAME_PLACE(unregister_rculfhash_atfork);

extern const struct flavor urcu_membarrier_flavor;
const struct flavor urcu_membarrier_flavor = {
	.read_lock = urcu_membarrier_read_lock,
	.read_unlock = urcu_membarrier_read_unlock,
	.read_ongoing = urcu_membarrier_read_ongoing,
	.read_quiescent_state = urcu_membarrier_quiescent_state,
	.update_call_rcu = urcu_membarrier_call_rcu,
	.update_synchronize_rcu = urcu_membarrier_synchronize_rcu,
	.update_defer_rcu = urcu_membarrier_defer_rcu,
	.thread_offline = urcu_membarrier_thread_offline,
	.thread_online = urcu_membarrier_thread_online,
	.register_thread = urcu_membarrier_register_thread,
	.unregister_thread = urcu_membarrier_unregister_thread,
	.barrier = urcu_membarrier_barrier,
	.register_rculfhash_atfork = urcu_membarrier_register_rculfhash_atfork,
	.unregister_rculfhash_atfork =
		urcu_membarrier_unregister_rculfhash_atfork,
	.update_start_poll_synchronize_rcu =
		urcu_membarrier_start_poll_synchronize_rcu,
	.update_poll_state_synchronize_rcu =
		urcu_membarrier_poll_state_synchronize_rcu,
};
