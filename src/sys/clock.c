/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <time.h>

#include "sys/sys.h"

uint64_t umbi_now_ns(void)
{
	struct timespec now = { 0, 0 };
	int saved = errno;

	clock_gettime(CLOCK_MONOTONIC, &now);
	errno = saved;
	return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}
