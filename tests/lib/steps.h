/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STEPS_H
#define TESTS_STEPS_H

/* Instructions, counted one by one by ptrace(2): no clock, no noise. */

/*
 * How many loop(arg, n) executes for each of n, less those of other(arg, n). Each
 * in forked children, of which the calling thread is the only one. Rounded down;
 * -1 where tracing is refused.
 */
long steps_each(void (*loop)(void *arg, unsigned long n),
		void (*other)(void *arg, unsigned long n), void *arg);

#endif /* TESTS_STEPS_H */
