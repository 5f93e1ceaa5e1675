/* SPDX-License-Identifier: MIT */
#ifndef TESTS_COUNT_H
#define TESTS_COUNT_H

/* System calls counted from outside, by ptrace(2). */

#ifdef __cplusplus
extern "C" {
#endif

struct syscall_count {
	unsigned long membarrier;
	unsigned long futex_wait;
	unsigned long futex_wake;
	unsigned long sigprocmask;
	unsigned long total;		/* these and all others */
};

/*
 * Fork a child that runs prepare(arg), then measured(arg), and exits; count
 * what all of its threads call during measured().
 * => From a process with one thread and no other children.
 * => The child has COUNT_SECONDS: a hang does not hang the test.
 * => 0, or a negative errno: -ENOSYS, -EPERM, -EACCES and the like where
 *    tracing is refused; -ECHILD where the child did not come to its end.
 */
#define COUNT_SECONDS	60
int count_syscalls(void (*prepare)(void *), void (*measured)(void *),
		   void *arg, struct syscall_count *counts);

#ifdef __cplusplus
}
#endif

#endif /* TESTS_COUNT_H */
