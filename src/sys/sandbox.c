/* SPDX-License-Identifier: MIT */

/*
 * Policies that kill whoever makes a system call. What may be deadly is tried
 * in a child: a bare clone, so that no fork handler runs, without an exit
 * signal, so that the host sees no SIGCHLD and no wait() of its finds it, with
 * the host's own files, so that none is closed once more.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sys/call.h"
#include "sys/sys.h"

/* The mode that a file like /proc/self/status tells; -1 if it cannot be read. */
static int seccomp_mode(int fd)
{
	static const char wanted[] = "\nSeccomp:\t";
	char text[256];
	long n;

	for (size_t seen = 0; (n = umbi_call(__NR_read, fd, (long) text,
					     sizeof text)) > 0; )
		for (long i = 0; i < n; i++) {
			if (!wanted[seen])
				return text[i] - '0';
			seen = text[i] == wanted[seen] ? seen + 1
				: text[i] == '\n';
		}
	return n < 0 ? -1 : 0;	/* no line: a kernel without seccomp */
}

int umbi_sandboxed(void)
{
	int mode = -1, fd = umbi_fd_open("/proc/thread-self/status");

	if (fd >= 0) {
		mode = seccomp_mode(fd);
		umbi_fd_close(fd);
	}
	return mode != 0;	/* without /proc there is no telling */
}

static __attribute__((noreturn)) void be_the_child(int (*act)(void))
{
	int good;

	/* A policy that kills would leave a core file. */
	umbi_call(__NR_prctl, PR_SET_DUMPABLE, 0);
	good = !act();
	for (;;)
		umbi_call(__NR_exit_group, !good);
}

/* The kernel's own order of arguments, and of results, differs. */
static long clone_without_signal(void)
{
#if defined(__sparc__) || !defined(__NR_wait4)
	return -1;
#elif defined(__s390__)
	return umbi_call(__NR_clone, 0, CLONE_FILES | CLONE_FS);
#else
	return umbi_call(__NR_clone, CLONE_FILES | CLONE_FS);
#endif
}

static int ended_well(long child)
{
	int status = -1;
#ifdef __NR_wait4
	long ret;

	do
		ret = umbi_call(__NR_wait4, child, (long) &status, __WALL);
	while (ret == -EINTR);
	if (ret != child)
		return 0;
#endif
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int umbi_survives(int (*act)(void))
{
	sigset_t all, mask;
	int good;
	long child;

	/* No handler of the host shall run in the child, whoever calls us. */
	memset(&all, 0xFF, sizeof all);
	umbi_signal_mask(&all, &mask);
	child = clone_without_signal();
	if (!child)
		be_the_child(act);
	good = child > 0 ? ended_well(child)
		: child == -EAGAIN || child == -ENOMEM ? (int) child : 0;
	umbi_signal_mask(&mask, NULL);
	return good;
}
