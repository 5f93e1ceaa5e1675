/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sys.h"

/* Raw: no cancellation points. */

int umbi_fd_dup(int fd)
{
	int saved = errno, flags = fcntl(fd, F_GETFL), ret = -EBADF;

	if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ret == -1)
		ret = -errno;
	errno = saved;
	return ret;
}

int umbi_fd_add_one(int fd)
{
	uint64_t one = 1;
	int saved = errno, ret = 0;

	/* A full counter tells as much. */
	if (syscall(__NR_write, fd, &one, sizeof one) < 0 && errno != EAGAIN)
		ret = -errno;
	errno = saved;
	return ret;
}

void umbi_fd_close(int fd)
{
	int saved = errno;

	syscall(__NR_close, fd);
	errno = saved;
}
