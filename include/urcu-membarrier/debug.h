/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_DEBUG_H
#define URCU_MEMBARRIER_DEBUG_H

/*
 * Programs, or parts of them, that are built with DEBUG_RCU defined. In these
 * - each section remembers where it began, for reports of stalls (umb_stall_set());
 * - an rcu_read_unlock() without its lock aborts where it stands;
 * - rcu_dereference() and umb_dereference() outside any section say so on stderr,
 *   once for each place. An updater that holds what keeps others from changing the
 *   pointer says umb_dereference_protected() instead.
 * And in the whole process, for all that use the library,
 * - going offline inside a section says so, once for each place;
 * - queueing a callback that is queued already aborts;
 * - grace periods check what the library believes of itself, and abort.
 *
 * A section costs two calls then. One that begins in such a part and ends in another
 * leaves its place behind, for sections of the other. Nothing here changes errno. Since
 * 0.1, all of it.
 */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What the names of <urcu/urcu-membarrier.h> mean with DEBUG_RCU. Contracts as
 * there. umb_debug_dereference() is called before each dereference.
 */
void umb_debug_read_lock(void);
void umb_debug_read_unlock(void);
void umb_debug_dereference(void);

/*
 * Turn on what is for the whole process: for those who do not define DEBUG_RCU.
 * => Any thread; meant for the program's start. It stays on.
 */
void umb_debug_enable(void);

#ifdef DEBUG_RCU
/* As the last of a function the call would be a jump, and its place lost. */
# define UMB_DEBUG_CALL_(call)	__extension__ ({ call; __asm__ __volatile__ (""); })

/* Once for each source file: it does no harm. */
static __attribute__((constructor, unused)) void umb_debug_at_load_(void)
{
	umb_debug_enable();
}
#endif

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_DEBUG_H */
