/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_H
#define URCU_MEMBARRIER_H

/*
 * The membarrier flavour of userspace RCU.
 *
 * The names are liburcu's with "membarrier" for the flavour. With
 * URCU_API_MAP defined, rcu_read_lock(), synchronize_rcu() and the other
 * short names mean this flavour.
 *
 * With other flavours in one source file, include this header after theirs:
 * both are complete then. The short names are ours if URCU_API_MAP is defined
 * here (<urcu.h> defines it), and stay theirs if not. In the other order
 * liburcu's header lacks what stands in files they share and guard
 * (<urcu/call-rcu.h>, <urcu/flavor.h>).
 *
 * The read side is inline for every program, whatever its licence; the
 * functions of the same names are there for those who take an address.
 * No function here changes errno. Since 0.1, all of them.
 */

#include <stdbool.h>

/* Before our map: the types that all flavours share. */
#include <urcu/call-rcu.h>
#include <urcu/flavor.h>
#include <urcu/pointer.h>

#include <urcu/static/urcu-membarrier.h>
#include <urcu-membarrier/debug.h>
#include <urcu-membarrier/fence.h>
#include <urcu-membarrier/pointer.h>
#include <urcu-membarrier/poll.h>
#include <urcu-membarrier/reclaim.h>
#include <urcu-membarrier/stall.h>
#include <urcu-membarrier/stats.h>
#include <urcu-membarrier/tsan.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Enter and leave a read-side critical section.
 * => Any thread, registered or not, online or offline: the first section of a
 *    thread registers it, a section brings an offline thread online.
 * => Nests, up to URCU_MEMBARRIER_NEST_MAX. Never waits for a grace period,
 *    allocates nothing. Safe in signal handlers, between any two
 *    instructions of itself; they must return, not siglongjmp() away.
 * => Lock: what was published before is seen after. Neither is a memory
 *    barrier for anything but grace periods.
 * => Unbalanced unlocks and too deep a nest abort, with a line on stderr.
 */
void urcu_membarrier_read_lock(void);
void urcu_membarrier_read_unlock(void);

/* The calling thread's depth of nesting: 0 outside any section. Any context. */
int urcu_membarrier_read_ongoing(void);

/*
 * Wait for a grace period: every section that began before the call is over
 * when it returns. A full memory barrier on entry and on return.
 * => Any thread, registered or not, outside a section: inside one it would
 *    wait for itself, so it aborts with a line on stderr.
 * => Blocks. Callers at the same time share grace periods. Not for signal
 *    handlers.
 * => The calling thread is offline from here until its next section.
 */
void urcu_membarrier_synchronize_rcu(void);

/*
 * Register or unregister the calling thread. Both are optional (a first
 * section registers, thread exit unregisters) and idempotent.
 * => Neither waits for a grace period. Not for signal handlers.
 * => Unregistering inside a section aborts, with a line on stderr.
 */
void urcu_membarrier_register_thread(void);
void urcu_membarrier_unregister_thread(void);

/*
 * Take the calling thread offline: until it comes back, no grace period looks
 * at it, and where all threads are offline a grace period interrupts nobody.
 * For threads about to block, as around an event loop's wait.
 * => thread_offline: inside a section, or on a thread that is not registered,
 *    it does nothing.
 * => thread_online: optional, as the next section does it. Registers.
 * => Neither waits for a grace period. Not for signal handlers: their sections
 *    come online by themselves.
 */
void urcu_membarrier_thread_offline(void);
void urcu_membarrier_thread_online(void);

/* Does nothing: for programs that also build on liburcu's QSBR flavour. */
void urcu_membarrier_quiescent_state(void);

/*
 * Do nothing that loading the library, or the process's exit, does not do: for
 * programs written when liburcu had to be initialised by hand.
 */
void urcu_membarrier_init(void);
void urcu_membarrier_exit(void);

/*
 * Have func(head) called by a worker thread after a grace period. The head is in
 * the element to be reclaimed, and the library's own until the call.
 * => Any thread, registered or not; inside a section, and in callbacks. Not for
 *    signal handlers.
 * => Never waits, unless the program asked for it: see umb_reclaim_set_waiting().
 *    Allocates nothing. The first call starts the worker; if there can be none,
 *    later calls try again, and urcu_membarrier_barrier() runs the callbacks.
 * => Callbacks that one thread queues with one worker run in that order. They
 *    run outside sections, with signals blocked but for umb_fence_signal(3)'s
 *    (whose handlers must not fork there), and may do what any thread may,
 *    but not wait for their worker: no barrier, no call_rcu_data_free of it.
 * => Callbacks not yet run when the process exits are not run.
 */
void urcu_membarrier_call_rcu(struct rcu_head *head,
			      void (*func)(struct rcu_head *head));

/*
 * Wait until all callbacks have run that any thread had queued before the call.
 * => Any thread, outside a section: inside one it says so on stderr and returns
 *    at once. In a callback it aborts, with a line on stderr.
 */
void urcu_membarrier_barrier(void);

/*
 * A worker of one's own. flags: URCU_CALL_RCU_RT (those who queue never make a
 * system call: the worker looks for itself, every 10 ms), or 0. cpu: the one it
 * runs on, or negative. A CPU where it may not run is passed over in silence.
 * => NULL: no memory, or no thread.
 * => call_rcu_data_free ends the worker, once it is through with the callbacks
 *    that it has taken up; the default worker runs the rest. It may not be any
 *    thread's or CPU's any more, and a grace period must have passed since. NULL
 *    and the default worker are left alone. Blocks: not inside a section. Not in a
 *    callback of that worker: there it aborts, with a line on stderr.
 */
struct call_rcu_data *urcu_membarrier_create_call_rcu_data(unsigned long flags,
							   int cpu);
void urcu_membarrier_call_rcu_data_free(struct call_rcu_data *crdp);

/*
 * Who runs the callbacks that the calling thread queues: the thread's worker, or
 * else that of the CPU where it is, or else the default worker.
 * => get_cpu: NULL if the CPU has none, or there is no such CPU. To be called,
 *    and the result to be used, inside a section.
 * => get_call_rcu_thread starts the worker's thread if need be. If there can be
 *    none it is the calling thread. From then on the library does not join it:
 *    after call_rcu_data_free the program may, as older versions of liburcu have
 *    it.
 * => set_cpu: 0, -EINVAL (no such CPU), -EEXIST (it has one: set NULL first),
 *    -ENOMEM.
 */
struct call_rcu_data *urcu_membarrier_get_default_call_rcu_data(void);
struct call_rcu_data *urcu_membarrier_get_cpu_call_rcu_data(int cpu);
struct call_rcu_data *urcu_membarrier_get_thread_call_rcu_data(void);
struct call_rcu_data *urcu_membarrier_get_call_rcu_data(void);
pthread_t urcu_membarrier_get_call_rcu_thread(struct call_rcu_data *crdp);
void urcu_membarrier_set_thread_call_rcu_data(struct call_rcu_data *crdp);
int urcu_membarrier_set_cpu_call_rcu_data(int cpu, struct call_rcu_data *crdp);

/*
 * A worker for every CPU that has none, bound to it; and the end of all CPUs'
 * workers. create_all: 0, -ENOMEM, -EAGAIN (no thread); those that were made
 * stay. free_all waits for a grace period: outside a section.
 */
int urcu_membarrier_create_all_cpu_call_rcu_data(unsigned long flags);
void urcu_membarrier_free_all_cpu_call_rcu_data(void);

/*
 * Around fork(), by programs that want no callback to be in the middle of its
 * work in the child: before waits until those that run have returned. fork()
 * alone waits for 10 ms at most. Optional; they nest.
 * => Each before with one after, in the same thread, and fork() between them and
 *    nothing else. Outside sections, not in a callback.
 */
void urcu_membarrier_call_rcu_before_fork(void);
void urcu_membarrier_call_rcu_after_fork_parent(void);
void urcu_membarrier_call_rcu_after_fork_child(void);

/*
 * Have fct(p) called after a grace period: for reclaiming what has no room for
 * an rcu_head.
 * => Any thread, outside sections: when the thread has queued 4096 it waits for
 *    a grace period, and runs them. Otherwise a worker does, without being asked.
 * => A thread's calls run in order. They may not call this family.
 */
void urcu_membarrier_defer_rcu(void (*fct)(void *p), void *p);
/*
 * Optional: the first defer_rcu of a thread registers it, its exit unregisters
 * it. register: 0 or -ENOMEM. unregister runs what the thread has queued.
 */
int urcu_membarrier_defer_register_thread(void);
void urcu_membarrier_defer_unregister_thread(void);
/* Run what was queued before: by this thread, by all. Outside sections. */
void urcu_membarrier_defer_barrier_thread(void);
void urcu_membarrier_defer_barrier(void);
void urcu_membarrier_defer_exit(void);

/*
 * A grace period to be asked about instead of waited for: start names one that
 * begins now or later, poll tells whether it is over.
 * => Any thread, also inside a section. Not for signal handlers. Neither waits
 *    for readers. poll pushes the grace period: it may run a heavy fence (two on
 *    weakly ordered machines) where that takes microseconds; in the slow modes it
 *    leaves that to a worker (so a callback must not wait for it).
 * => Once poll has returned true for a state it always will; it is a full memory
 *    barrier then.
 */
struct urcu_gp_poll_state urcu_membarrier_start_poll_synchronize_rcu(void);
bool urcu_membarrier_poll_state_synchronize_rcu(struct urcu_gp_poll_state state);

/*
 * The flavour, for liburcu-cds. Its hash table's own worker, which may be waiting
 * for a grace period, is waited for by fork() when the thread that forks is outside
 * a section: while there are tables, do not fork with a mutex held that readers
 * take inside sections. After a fork inside a section the child must not have a
 * table resized.
 */
extern const struct rcu_flavor_struct urcu_membarrier_flavor;
void urcu_membarrier_register_rculfhash_atfork(struct urcu_atfork *atfork);
void urcu_membarrier_unregister_rculfhash_atfork(struct urcu_atfork *atfork);

#ifdef __cplusplus
}
#endif

/* Calls are inlined; the bare name is the function. */
#ifdef DEBUG_RCU
# define urcu_membarrier_read_lock()	UMB_DEBUG_CALL_(umb_debug_read_lock())
# define urcu_membarrier_read_unlock()	UMB_DEBUG_CALL_(umb_debug_read_unlock())
#else
# define urcu_membarrier_read_lock()	_urcu_membarrier_read_lock()
# define urcu_membarrier_read_unlock()	_urcu_membarrier_read_unlock()
#endif
#define urcu_membarrier_read_ongoing()	_urcu_membarrier_read_ongoing()

#ifdef URCU_API_MAP
#include <urcu/map/urcu-membarrier.h>
#endif

#endif /* URCU_MEMBARRIER_H */
