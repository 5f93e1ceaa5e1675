/* SPDX-License-Identifier: MIT */
#ifndef UMBI_CALL_H
#define UMBI_CALL_H

/*
 * How the files of this room make system calls: errno stays, and errors are
 * negative. Raw, so that none is a point of cancellation.
 *
 * The library for tests is built with UMBI_FAULTS: there each call first asks a plan
 * whether it shall fail, wait, or be passed over. tests/fault/inject.c.
 */

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC visibility push(hidden)

/* umbi_call(number, (long) argument, ...): up to six. */
#define umbi_call(number, ...) \
	umbi_call_with((number), (const long[6]) { __VA_ARGS__ })

#ifdef UMBI_FAULTS
long umbi_call_with(long number, const long a[6]);
/* The same for one that the C library makes: 0, or what it shall have returned. */
long umbi_fault(long number, long argument);
#else
static inline long umbi_call_with(long number, const long a[6])
{
	int saved = errno;
	long ret = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (ret == -1)
		ret = -errno;
	errno = saved;
	return ret;
}

static inline long umbi_fault(long number, long argument)
{
	(void) number;
	(void) argument;
	return 0;
}
#endif

#pragma GCC visibility pop

#endif /* UMBI_CALL_H */
