/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sys/sys.h"

void *umbi_reserve(size_t bytes)
{
	int saved = errno;
	void *range = mmap(NULL, bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	errno = saved;
	return range == MAP_FAILED ? NULL : range;
}

int umbi_commit(void *range, size_t bytes)
{
	int saved = errno, ret = 0;

	if (mprotect(range, bytes, PROT_READ | PROT_WRITE))
		ret = -errno;
	errno = saved;
	return ret;
}

void umbi_free(void *block)
{
	int saved = errno;

	free(block);
	errno = saved;
}
