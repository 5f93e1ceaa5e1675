/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CPU_H
#define TESTS_CPU_H

/* Where threads run. Needs _GNU_SOURCE. */

#include <sched.h>

/* CPUs that this thread may use. */
static inline int cpu_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

/* The n-th of `allowed`, round and round; -1 if there is none. */
static inline int cpu_nth(const cpu_set_t *allowed, int n)
{
	int count = CPU_COUNT(allowed);

	n = count ? n % count : 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && n-- == 0)
			return cpu;
	return -1;
}

/* Pin the calling thread to that CPU. 0 if it is there. */
static inline int cpu_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set);
}

#endif /* TESTS_CPU_H */
