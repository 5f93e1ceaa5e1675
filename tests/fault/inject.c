/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stddef.h>
#include <time.h>

#include "sys/call.h"
#include "tests/fault/inject.h"

static struct fault *plan_in_force;

void fault_plan(struct fault *plan)
{
	__atomic_store_n(&plan_in_force, plan, __ATOMIC_SEQ_CST);
}

static int is_meant(const struct fault *f, long number, const long a[6])
{
	return f->call == number && (!f->at || a[f->at - 1] == f->argument)
		&& (!f->tid || syscall(__NR_gettid) == (long) f->tid);
}

/* Knuth's multiplicative hash of a running number: spread evenly enough. */
static int by_chance(uint32_t one_in)
{
	static uint32_t n;

	return one_in < 2 || (__atomic_fetch_add(&n, 1, __ATOMIC_RELAXED)
			      * UINT32_C(2654435761) >> 8) % one_in == 0;
}

static int count(struct fault *f)
{
	uint32_t hits = __atomic_fetch_add(&f->hits, 1, __ATOMIC_RELAXED);

	if (!f->times || hits < f->times)
		return 1;
	__atomic_fetch_sub(&f->hits, 1, __ATOMIC_RELAXED);
	return 0;
}

static int strike(const struct fault *f)
{
	struct timespec t = { f->delay_us / 1000000,
			      f->delay_us % 1000000 * 1000 };

	if (f->delay_us)
		nanosleep(&t, NULL);
	if (f->signal)
		syscall(__NR_tgkill, syscall(__NR_getpid),
			syscall(__NR_gettid), f->signal);
	return f->result;
}

static int planned(long number, const long a[6])
{
	struct fault *f = __atomic_load_n(&plan_in_force,
					       __ATOMIC_SEQ_CST);

	for (; f && f->call; f++)
		if (is_meant(f, number, a) && by_chance(f->one_in) && count(f))
			return strike(f);
	return FAULT_GO_ON;
}

long umbi_call_with(long number, const long a[6])
{
	int saved = errno;
	long ret = planned(number, a);

	if (ret > 0) {
		ret = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (ret == -1)
			ret = -errno;
	}
	errno = saved;
	return ret;
}

long umbi_fault(long number, long argument)
{
	const long a[6] = { argument };
	int saved = errno, ret = planned(number, a);

	errno = saved;
	return ret < 0 ? ret : 0;
}
