/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sys.h"

int umbi_cpus_get(uint32_t tid, struct umbi_cpus *cpus)
{
	int saved = errno, ret = 0;

	/* The kernel writes as many bytes as it has CPUs for. */
	memset(cpus, 0, sizeof *cpus);
	if (syscall(__NR_sched_getaffinity, (pid_t) tid, sizeof *cpus, cpus) < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

int umbi_cpus_set(const struct umbi_cpus *cpus)
{
	int saved = errno, ret = 0;

	if (syscall(__NR_sched_setaffinity, 0, sizeof *cpus, cpus))
		ret = -errno;
	errno = saved;
	return ret;
}

int umbi_cpu(void)
{
	int saved = errno, ret;
	unsigned int cpu = 0;

	ret = syscall(__NR_getcpu, &cpu, NULL, NULL) ? -errno : (int) cpu;
	errno = saved;
	return ret;
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
