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

/* Before our map: the types that all flavours share. */
#include <urcu/call-rcu.h>
#include <urcu/flavor.h>
#include <urcu/pointer.h>

#include <urcu/static/urcu-membarrier.h>
#include <urcu-membarrier/fence.h>
#include <urcu-membarrier/pointer.h>

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
 * Does nothing that loading the library has not done: for programs written
 * when liburcu had to be initialised by hand. Any number of times.
 */
void urcu_membarrier_init(void);

#ifdef __cplusplus
}
#endif

/* Calls are inlined; the bare name is the function. */
#define urcu_membarrier_read_lock()	_urcu_membarrier_read_lock()
#define urcu_membarrier_read_unlock()	_urcu_membarrier_read_unlock()
#define urcu_membarrier_read_ongoing()	_urcu_membarrier_read_ongoing()

#ifdef URCU_API_MAP
#include <urcu/map/urcu-membarrier.h>
#endif

#endif /* URCU_MEMBARRIER_H */
