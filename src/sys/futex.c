/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sys.h"

/*
 * 32-bit machines with 64-bit time only have futex_time64; without a timeout
 * the two are the same.
 */
#ifndef __NR_futex
# define __NR_futex	__NR_futex_time64
#endif

void umbi_futex_wait(uint32_t *word, uint32_t value)
{
	int saved = errno;

	syscall(__NR_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
	errno = saved;
}

void umbi_futex_wake(uint32_t *word, int n)
{
	int saved = errno;

	syscall(__NR_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
	errno = saved;
}
