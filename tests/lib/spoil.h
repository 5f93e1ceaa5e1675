/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SPOIL_H
#define TESTS_SPOIL_H

/*
 * Stores that miss caches and TLB: they fill the store buffer, so that the
 * stores behind them stay hidden from other CPUs for hundreds of nanoseconds.
 */

#include <stdint.h>
#include <sys/mman.h>

#define SPOIL_PAGES	8192u		/* more than TLBs and caches hold */
#define SPOIL_PAGE	4096u
#define SPOIL_STORES	24

static inline char *spoil_new(void)
{
	void *pages = mmap(NULL, SPOIL_PAGES * SPOIL_PAGE,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static inline void spoil_free(char *pages)
{
	munmap(pages, SPOIL_PAGES * SPOIL_PAGE);
}

/*
 * xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled", 2014. The state is never 0.
 */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DULL;
}

/* `random` says where; threads may share the pages. */
static inline void spoil_stores(char *pages, uint64_t random)
{
	random |= 1;
	for (unsigned int i = 0; i < SPOIL_STORES; i++) {
		uint64_t at = next_random(&random) >> 32;

		__atomic_store_n(&pages[at % (SPOIL_PAGES * SPOIL_PAGE)],
				 (char) i, __ATOMIC_RELAXED);
	}
}

#endif /* TESTS_SPOIL_H */
