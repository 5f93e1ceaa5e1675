/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "sys/call.h"
#include "sys/sys.h"

#ifdef __NR_mmap2
# define NR_MMAP	__NR_mmap2
#else
# define NR_MMAP	__NR_mmap
#endif

void *umbi_reserve(size_t bytes)
{
	int saved = errno;
	void *range = MAP_FAILED;

	if (!umbi_fault(NR_MMAP, 0))
		range = mmap(NULL, bytes, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	errno = saved;
	return range == MAP_FAILED ? NULL : range;
}

int umbi_commit(void *range, size_t bytes)
{
	return (int) umbi_call(__NR_mprotect, (long) range, (long) bytes,
			       PROT_READ | PROT_WRITE);
}

void umbi_release(void *range, size_t bytes)
{
	umbi_call(__NR_munmap, (long) range, (long) bytes);
}

void umbi_free(void *block)
{
	int saved = errno;

	free(block);
	errno = saved;
}
