/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_TSAN_H
#define URCU_MEMBARRIER_TSAN_H

/*
 * ThreadSanitizer, in programs that are built with -fsanitize=thread. It sees
 * sections, grace periods, callbacks and umb_assign_pointer() by itself: see
 * doc/programs.md. What follows is for order that it cannot see: in libraries
 * that are not built with it, as liburcu-cds, and between light and heavy fences.
 *
 * UMB_TSAN_RELEASE(addr), UMB_TSAN_ACQUIRE(addr): what this thread did before the
 * release comes before what a thread does after an acquire of the same address that
 * follows it. The address names the order, and is not followed.
 * => Any thread, inside a section or not. Not for signal handlers. They order
 *    nothing, they only say that something does: said wrongly, they hide races.
 * => Without ThreadSanitizer nothing, and addr is not evaluated. Since 0.1.
 */

#if defined(__SANITIZE_THREAD__)
# define UMB_TSAN	1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define UMB_TSAN	1
# endif
#endif

#ifdef UMB_TSAN
# ifdef __cplusplus
extern "C" {
# endif
/* As in <sanitizer/tsan_interface.h>, which need not be installed. */
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
# ifdef __cplusplus
}
# endif
# define UMB_TSAN_ACQUIRE(addr)	__tsan_acquire((void *) (addr))
# define UMB_TSAN_RELEASE(addr)	__tsan_release((void *) (addr))
#else
# define UMB_TSAN	0
# define UMB_TSAN_ACQUIRE(addr)	((void) 0)
# define UMB_TSAN_RELEASE(addr)	((void) 0)
#endif

#endif /* URCU_MEMBARRIER_TSAN_H */
