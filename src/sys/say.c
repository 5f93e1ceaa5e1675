/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys/sys.h"

#define PARTS_MAX 16

/* One writev, so that lines of several threads do not mix; no stdio. */
static void say(const char *part, va_list more)
{
	static const char prefix[] = "liburcu-membarrier: ";
	struct iovec line[PARTS_MAX + 2];
	int n = 0, saved = errno;

	line[n++] = (struct iovec) { (char *) prefix, sizeof prefix - 1 };
	for (; part && n <= PARTS_MAX; part = va_arg(more, const char *))
		line[n++] = (struct iovec) { (char *) part, strlen(part) };
	line[n++] = (struct iovec) { (char *) "\n", 1 };
	/* Raw: no cancellation point. A closed stderr is the host's choice. */
	syscall(__NR_writev, STDERR_FILENO, line, n);
	errno = saved;
}

void umbi_say(const char *part, ...)
{
	va_list more;

	va_start(more, part);
	say(part, more);
	va_end(more);
}

void umbi_die(const char *part, ...)
{
	va_list more;

	va_start(more, part);
	say(part, more);
	va_end(more);
	abort();
}
