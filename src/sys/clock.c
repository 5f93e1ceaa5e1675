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

uint64_t umbi_time_after(uint64_t ns)
{
	uint64_t now;

	if (ns == UMBI_FOREVER)
		return UMBI_FOREVER;
	now = umbi_now_ns();
	return now + ns < now ? UMBI_FOREVER : now + ns;
}

uint64_t umbi_time_left(uint64_t end)
{
	uint64_t now;

	if (end == UMBI_FOREVER || !end)
		return end;
	now = umbi_now_ns();
	return now < end ? end - now : 0;
}
