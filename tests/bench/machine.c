/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/bench/bench.h"

const char *machine_kernel(void)
{
	static struct utsname u;
	static char text[sizeof u.sysname + sizeof u.release
			 + sizeof u.machine + 3];

	if (!uname(&u))
		snprintf(text, sizeof text, "%s %s %s", u.sysname, u.release,
			 u.machine);
	return text;
}

/* The kernel's words for the model; they differ between architectures. */
const char *machine_cpu(void)
{
	static char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");
	const char *model = NULL;

	while (f && !model && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');

		line[strcspn(line, "\n")] = 0;
		if (colon && colon[1]
		    && (!strncmp(line, "model name", 10)
			|| !strncmp(line, "Model", 5)
			|| !strncmp(line, "cpu\t", 4)))
			model = colon + 2;
	}
	if (f)
		fclose(f);
	return model ? model : "unknown CPU";
}

/* CPU seconds of everybody since boot. */
static double busy_all(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	FILE *f = fopen("/proc/stat", "re");
	int n = 0;

	if (f) {
		n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu",
			   &user, &nice, &system, &idle, &iowait, &irq,
			   &softirq, &steal);
		fclose(f);
	}
	if (n != 8)
		return NAN;
	return (double) (user + nice + system + irq + softirq + steal)
		/ (double) sysconf(_SC_CLK_TCK);
}

static double busy_we(void)
{
	double seconds = 0;

	for (int i = 0; i < 2; i++) {
		struct rusage u;

		getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &u);
		seconds += (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec)
			+ 1e-6 * (double) (u.ru_utime.tv_usec
					   + u.ru_stime.tv_usec);
	}
	return seconds;
}

double machine_others(void)
{
	static double busy, began;
	double wall = (now() - began) * (double) sysconf(_SC_NPROCESSORS_ONLN);
	double others = busy_all() - busy_we() - busy;

	if (!began) {
		began = now();
		busy = others;
		return 0;
	}
	return others > 0 ? others / wall : 0;
}

static const cpu_set_t *allowed(void)
{
	static cpu_set_t set;

	/* Once: pinning narrows it. */
	if (!CPU_COUNT(&set) && sched_getaffinity(0, sizeof set, &set))
		CPU_SET(0, &set);
	return &set;
}

unsigned int machine_cpus(void)
{
	return (unsigned int) CPU_COUNT(allowed());
}

void machine_pin_thread(pthread_t thread, unsigned int i)
{
	const cpu_set_t *from = allowed();
	cpu_set_t one;

	i %= machine_cpus();
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, from) || i--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (pthread_setaffinity_np(thread, sizeof one, &one))
			die(1, "cannot pin a thread to CPU %zu", cpu);
		return;
	}
}

void machine_pin(unsigned int i)
{
	machine_pin_thread(pthread_self(), i);
}

/* The value of "KEY:   123 kB", in bytes. */
static double memory(const char *file, const char *key)
{
	size_t length = strlen(key);
	double bytes = NAN;
	char line[256];
	FILE *f = fopen(file, "re");

	while (f && isnan(bytes) && fgets(line, sizeof line, f))
		if (!strncmp(line, key, length) && line[length] == ':')
			bytes = 1024 * strtod(line + length + 1, NULL);
	if (f)
		fclose(f);
	return bytes;
}

double machine_memory(void)
{
	return memory("/proc/meminfo", "MemAvailable");
}

double machine_resident(void)
{
	return memory("/proc/self/status", "VmRSS");
}

double machine_peak(void)
{
	return memory("/proc/self/status", "VmHWM");
}
