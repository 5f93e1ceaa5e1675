/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "sys/call.h"
#include "sys/sys.h"

#define PARTS_MAX	24

/* Zero is zero, in either layout of a timespec. */
#ifdef __NR_ppoll
# define NR_PPOLL	__NR_ppoll
#else
# define NR_PPOLL	__NR_ppoll_time64
#endif
#ifdef __NR_rt_sigtimedwait
# define NR_SIGTIMEDWAIT	__NR_rt_sigtimedwait
#else
# define NR_SIGTIMEDWAIT	__NR_rt_sigtimedwait_time64
#endif

/*
 * A closed stderr is the host's choice; a pipe that nobody reads any more shall not
 * be the end of it. SIGPIPE comes to the thread that writes, and is blocked here.
 */
static void write_line(const struct iovec *line, int n)
{
	const struct timespec now = { 0, 0 };
	sigset_t pipe, mask, pending;

	sigemptyset(&pending);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	umbi_call(__NR_rt_sigprocmask, SIG_BLOCK, (long) &pipe, (long) &mask,
		  _NSIG / 8);
	umbi_call(__NR_rt_sigpending, (long) &pending, _NSIG / 8);
	if (umbi_call(__NR_writev, STDERR_FILENO, (long) line, n) == -EPIPE
	    && !sigismember(&pending, SIGPIPE))
		umbi_call(NR_SIGTIMEDWAIT, (long) &pipe, 0, (long) &now,
			  _NSIG / 8);
	umbi_signal_mask(&mask, NULL);
}

/* One writev, so that lines of several threads do not mix; no stdio. */
static void say(const char *part, va_list more)
{
	static const char prefix[] = "liburcu-membarrier: ";
	struct iovec line[PARTS_MAX + 2];
	int n = 0;

	line[n++] = (struct iovec) { (char *) prefix, sizeof prefix - 1 };
	for (; part && n <= PARTS_MAX; part = va_arg(more, const char *))
		line[n++] = (struct iovec) { (char *) part, strlen(part) };
	line[n++] = (struct iovec) { (char *) "\n", 1 };
	write_line(line, n);
}

int umbi_can_say(void)
{
	struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct timespec now = { 0, 0 };

	/* Nor a pipe that nobody reads: that would raise SIGPIPE. */
	return umbi_call(NR_PPOLL, (long) &err, 1, (long) &now, 0, 0) == 1
		&& err.revents == POLLOUT;
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
