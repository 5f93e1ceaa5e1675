/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/posix_types.h>

#include "sys/call.h"
#include "sys/sys.h"

#define NS_PER_S	1000000000
#define LONGEST		(UINT64_C(1000000000) * NS_PER_S)	/* 32 bits of seconds */

/* The kernel's timespec: 32-bit machines with 64-bit time have futex_time64 only. */
#ifdef __NR_futex
typedef __kernel_long_t seconds;
#else
# define __NR_futex	__NR_futex_time64
typedef long long seconds;
#endif

static void wait(int op, uint32_t *word, uint32_t value, uint64_t ns)
{
	struct { seconds s, ns; } limit = {
		(seconds) (ns / NS_PER_S), (seconds) (ns % NS_PER_S),
	};
	umbi_call(__NR_futex, (long) word, op, (long) value,
		  ns > LONGEST ? 0 : (long) &limit);
}

void umbi_futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
{
	wait(FUTEX_WAIT_PRIVATE, word, value, ns);
}

void umbi_futex_wait_shared(uint32_t *word, uint32_t value, uint64_t ns)
{
	wait(FUTEX_WAIT, word, value, ns);
}

void umbi_futex_wake_shared(uint32_t *word, int n)
{
	umbi_call(__NR_futex, (long) word, FUTEX_WAKE, n);
}

void umbi_futex_wake(uint32_t *word, int n)
{
	umbi_call(__NR_futex, (long) word, FUTEX_WAKE_PRIVATE, n);
}
