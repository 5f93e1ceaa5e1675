/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SPOIL_H
#define TESTS_SPOIL_H

/*
 * Stores that miss caches and TLB: they fill the store buffer, so that the
 * stores behind them stay hidden from other CPUs for hundreds of nanoseconds.
 */

#include <stdint.h>
#include <sys/mman.h>

#define SPOIL_PAGES	512		/* more than a first-level TLB holds */
#define SPOIL_PAGE	4096
#define SPOIL_STORES	8

static inline char *spoil_new(void)
{
	void *pages = mmap(NULL, SPOIL_PAGES * SPOIL_PAGE,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static inline void spoil_free(char *pages)
{
	munmap(pages, SPOIL_PAGES * SPOIL_PAGE);
}

/* `random` says where. */
static inline void spoil_stores(char *pages, uint64_t random)
{
	for (unsigned int i = 0; i < SPOIL_STORES; i++, random >>= 7) {
		uint64_t page = (random + 37 * i) % SPOIL_PAGES;

		__atomic_store_n(&pages[page * SPOIL_PAGE + random % 64 * 64],
				 (char) i, __ATOMIC_RELAXED);
	}
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

#endif /* TESTS_SPOIL_H */
