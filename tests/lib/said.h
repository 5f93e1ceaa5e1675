/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SAID_H
#define TESTS_SAID_H

#include <stddef.h>

/*
 * act(arg) in a child, which is ended after so many seconds and leaves no core
 * file: its wait status (-1: there was none), and what it said on stderr.
 */
int said_by(void (*act)(const void *arg), const void *arg, unsigned int seconds,
	    char *said, size_t size);

#endif /* TESTS_SAID_H */
