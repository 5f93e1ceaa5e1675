/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

/*
 * A clock that the test sets: the library asks it for the time, by the linker's
 * --wrap=umbi_now_ns.
 */

#include <stdint.h>

#include "sys/sys.h"

uint64_t __real_umbi_now_ns(void);
uint64_t __wrap_umbi_now_ns(void);

static uint64_t frozen_ms;		/* 0: the clock runs */
static uint64_t ahead_ns;		/* of the real one */

uint64_t __wrap_umbi_now_ns(void)
{
	uint64_t ms = __atomic_load_n(&frozen_ms, __ATOMIC_SEQ_CST);

	return ms ? ms * UINT64_C(1000000) : __real_umbi_now_ns()
		+ __atomic_load_n(&ahead_ns, __ATOMIC_SEQ_CST);
}

static inline void set_clock(uint64_t ms)
{
	__atomic_store_n(&frozen_ms, ms, __ATOMIC_SEQ_CST);
}

static inline void put_ahead(uint64_t ms)
{
	__atomic_fetch_add(&ahead_ns, ms * UINT64_C(1000000), __ATOMIC_SEQ_CST);
}

#endif /* TESTS_CLOCK_H */
