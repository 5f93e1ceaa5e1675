/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

/*
 * The Test Anything Protocol on stdout. One thread speaks. Every program
 * begins with tap_begin() and returns tap_end().
 */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Bails out if UMB_TEST_MODE names a fence mode that is not the one in use, or
 * UMB_TEST_BLOCKED is set and signals are not blocked, so that no run under a
 * forced mode passes in another one. Unblocks SIGALRM: a limit must end a test.
 */
void tap_begin(void);

/* One result; returns `pass`. */
int tap_ok(int pass, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void tap_skip(const char *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void tap_diag(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The plan, and the exit status: 1 after a failure, or when nothing ran. */
int tap_end(void);

/* Does an emulator run this? Threads are slow then. */
int tap_emulated(void);

/*
 * A count of things that cost a heavy fence each, cut down where a fence takes
 * milliseconds, or under ThreadSanitizer; never below `least`.
 */
unsigned long tap_scale(unsigned long count, unsigned long least);

#ifdef __cplusplus
}
#endif

#endif /* TESTS_TAP_H */
