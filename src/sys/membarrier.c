/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sys.h"

#ifndef __NR_membarrier
# error "no number for membarrier(2): install kernel headers of 4.3 or later"
#endif

int umbi_membarrier(int cmd)
{
	int saved = errno;
	int ret = (int) syscall(__NR_membarrier, cmd, 0, 0);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}
