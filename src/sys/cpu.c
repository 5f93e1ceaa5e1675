/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>

#include "sys/call.h"
#include "sys/sys.h"

int umbi_cpus_get(uint32_t tid, struct umbi_cpus *cpus)
{
	long ret;

	/* The kernel writes as many bytes as it has CPUs for. */
	memset(cpus, 0, sizeof *cpus);
	ret = umbi_call(__NR_sched_getaffinity, (pid_t) tid, sizeof *cpus,
			(long) cpus);
	return ret < 0 ? (int) ret : 0;
}

int umbi_cpus_set(const struct umbi_cpus *cpus)
{
	return (int) umbi_call(__NR_sched_setaffinity, 0, sizeof *cpus,
			       (long) cpus);
}

int umbi_cpu(void)
{
	unsigned int cpu = 0;
	int ret = (int) umbi_call(__NR_getcpu, (long) &cpu);

	return ret ? ret : (int) cpu;
}

int umbi_cpu_hint(void)
{
	int saved = errno, ret = sched_getcpu();

	errno = saved;
	return ret;
}

int umbi_cpus_count(void)
{
	int saved = errno;
	long count = sysconf(_SC_NPROCESSORS_CONF);

	errno = saved;
	return count > 0 && count < UMBI_CPUS_MAX ? (int) count : UMBI_CPUS_MAX;
}
