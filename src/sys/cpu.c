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

/* One more than the last number of a list like "0-3,8-11"; 0 if there is none. */
static long after_last(const char *list, long n)
{
	long number = 0, after = 0;

	for (long i = 0; i < n && number < UMBI_CPUS_MAX; i++) {
		if (list[i] < '0' || list[i] > '9') {
			number = 0;
			continue;
		}
		number = number * 10 + (list[i] - '0');
		after = number + 1;
	}
	return after;
}

/* Else what fits in the kernel's own sets, at most 63 too many. */
static long count_cpus(void)
{
	struct umbi_cpus cpus;
	char list[1024] = "";
	int fd = umbi_fd_open("/sys/devices/system/cpu/possible");
	long count = 0;

	if (fd >= 0) {
		count = after_last(list, umbi_call(__NR_read, fd, (long) list,
						   sizeof list));
		umbi_fd_close(fd);
	}
	if (!count)
		count = 8 * umbi_call(__NR_sched_getaffinity, 0, sizeof cpus,
				      (long) &cpus);
	return count > 0 && count < UMBI_CPUS_MAX ? count : UMBI_CPUS_MAX;
}

/*
 * Not by sysconf(): musl's, and glibc's where there is no /sys, counts the CPUs where
 * the caller may run: it would refuse the others workers. It does not change.
 */
int umbi_cpus_count(void)
{
	static int known;
	int count = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!count) {
		count = (int) count_cpus();
		/* Relaxed: a number by itself, and others come to the same. */
		__atomic_store_n(&known, count, __ATOMIC_RELAXED);
	}
	return count;
}
