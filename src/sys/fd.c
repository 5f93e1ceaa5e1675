/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>

#include "sys/call.h"
#include "sys/sys.h"

int umbi_fd_open(const char *path)
{
	return (int) umbi_call(__NR_openat, AT_FDCWD, (long) path,
			       O_RDONLY | O_CLOEXEC);
}

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
	long ret = umbi_call(__NR_write, fd, (long) &one, sizeof one);

	/* A full counter tells as much. */
	return ret < 0 && ret != -EAGAIN ? (int) ret : 0;
}

void umbi_fd_close(int fd)
{
	umbi_call(__NR_close, fd);
}
