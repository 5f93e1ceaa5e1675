/* SPDX-License-Identifier: MIT */

/*
 * The backends on membarrier(2): the system call with three sets of commands.
 * They interrupt CPUs, and only those that run somebody: no scope makes them
 * cheaper.
 */

#include <errno.h>

#include "fence/backend.h"
#include "sys/sys.h"

static int supported(int cmd)
{
	int mask = umbi_membarrier(UMBI_MEMBARRIER_QUERY);

	if (mask < 0)
		return mask;
	return mask & cmd ? 0 : -ENOTSUP;
}

static int private_expedited_prepare(void)
{
	int ret = supported(UMBI_MEMBARRIER_PRIVATE_EXPEDITED);

	return ret ? ret
		: umbi_membarrier(UMBI_MEMBARRIER_REGISTER_PRIVATE_EXPEDITED);
}

static int private_expedited_run(enum umbi_scope scope)
{
	(void) scope;
	return umbi_membarrier(UMBI_MEMBARRIER_PRIVATE_EXPEDITED);
}

const struct umbi_fence_ops umbi_fence_private_expedited = {
	.mode = UMB_FENCE_PRIVATE_EXPEDITED,
	.risky = 1,
	.prepare = private_expedited_prepare,
	.run = private_expedited_run,
};

/*
 * For the threads of other processes. The kernel interrupts the CPUs whose run
 * queue carries the mark of a registered process, and copies the mark on a
 * switch between memory maps. That misses threads of ours (seen on Linux 6.18):
 * - a thread's exit takes the mark from its CPU, which keeps our map; the next
 *   thread of ours there switches no map, and the mark stays away;
 * - so does registration, on a CPU that went idle from one of our threads.
 * So our own threads are fenced by the private command, which looks at who
 * runs and not at marks. It must work too, or this mode is none.
 */
static int global_expedited_prepare(void)
{
	int ret = private_expedited_prepare();

	if (!ret)
		ret = supported(UMBI_MEMBARRIER_GLOBAL_EXPEDITED);
	return ret ? ret
		: umbi_membarrier(UMBI_MEMBARRIER_REGISTER_GLOBAL_EXPEDITED);
}

static int global_expedited_run(enum umbi_scope scope)
{
	int ret = umbi_membarrier(UMBI_MEMBARRIER_GLOBAL_EXPEDITED);

	(void) scope;
	return ret ? ret : umbi_membarrier(UMBI_MEMBARRIER_PRIVATE_EXPEDITED);
}

const struct umbi_fence_ops umbi_fence_global_expedited = {
	.mode = UMB_FENCE_GLOBAL_EXPEDITED,
	.risky = 1,
	.prepare = global_expedited_prepare,
	.run = global_expedited_run,
};

static int global_prepare(void)
{
	return supported(UMBI_MEMBARRIER_GLOBAL);
}

static int global_run(enum umbi_scope scope)
{
	(void) scope;
	return umbi_membarrier(UMBI_MEMBARRIER_GLOBAL);
}

const struct umbi_fence_ops umbi_fence_global = {
	.mode = UMB_FENCE_GLOBAL,
	.risky = 1,
	.prepare = global_prepare,
	.run = global_run,
};
