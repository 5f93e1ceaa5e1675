/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_POLL_H
#define URCU_MEMBARRIER_POLL_H

/*
 * Grace periods for those who cannot wait, or not for long.
 * urcu_membarrier_start_poll_synchronize_rcu() makes a cookie.
 *
 * No function here changes errno. Since 0.1, all of them.
 */

#include <stdbool.h>
#include <stdint.h>
#include <urcu/flavor.h>

/* The cookie's type is liburcu's own from 0.14 on. */
#ifndef _URCU_POLL_H
# ifdef __has_include
#  if __has_include(<urcu/urcu-poll.h>)
#   include <urcu/urcu-poll.h>
#  endif
# endif
#endif
#ifndef _URCU_POLL_H
struct urcu_gp_poll_state {
	unsigned long grace_period_id;
};
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * urcu_membarrier_synchronize_rcu() that gives up: 0, or -ETIMEDOUT if readers
 * have not left within that many nanoseconds. Nothing is lost by that, and
 * nothing is promised: what was removed may still be read.
 * => Any thread, outside a section, as synchronize_rcu. Not for signal handlers.
 * => 0 nanoseconds: waits for nobody. The fence of the grace period is not cut
 *    short; it takes microseconds in the expedited modes, and as long as
 *    umb_fence_heavy() does in the others.
 */
int umb_synchronize_timeout_ns(uint64_t ns);

/*
 * Once the cookie's grace period is over, add 1 to this eventfd; at once if it
 * is over. So event loops wait for it like for anything else.
 * => Any thread, also inside a section. Not for signal handlers. Never waits for
 *    readers.
 * => The descriptor is duplicated: it may be closed before. A worker writes to
 *    it, in the process that asked and not in its forked children.
 * => 0, -ENOMEM, or what fcntl(2) returns for the duplicate: -EBADF (also where it
 *    is not open for writing), -EMFILE. What is no eventfd gets 8 bytes written.
 * => Where no thread can be had for the worker, it waits for one, as callbacks do.
 */
int umb_poll_eventfd(struct urcu_gp_poll_state state, int fd);

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_POLL_H */
