/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "diag/stall.h"
#include "fence/fence.h"
#include "rcu/gp.h"
#include "reclaim/worker.h"
#include "thread/registry.h"

static void look_at_threads(struct umb_stats *stats)
{
	umbi_reader *reader;
	unsigned long c;

	umbi_lock(&umbi_registry.lock);
	stats->threads = umbi_registry.used + umbi_registry.overflowed;
	for (struct umbi_scan s = umbi_scan(&umbi_registry);
	     (reader = umbi_scan_next(&s)); umbi_scan_breathe(&s)) {
		/* Relaxed: nothing follows from it. */
		c = __atomic_load_n(&reader->ctr, __ATOMIC_RELAXED);
		stats->threads_online += c != URCU_MEMBARRIER_OFFLINE;
		stats->threads_reading += _urcu_membarrier_depth(c) != 0;
	}
	umbi_unlock(&umbi_registry.lock);
}

int umb_stats_get(struct umb_stats *stats, size_t size)
{
	struct umb_stats now = {
		.version = UMB_STATS_VERSION,
		.mode = (uint64_t) umb_fence_mode(),
	};

	if (!stats)
		return -EINVAL;
	umbi_gp_stats(&umbi_gp, &now);
	umbi_fence_stats(&now);
	umbi_stall_stats(&now);
	look_at_threads(&now);
	umbi_reclaim_stats(&now);
	memset(stats, 0, size);
	memcpy(stats, &now, size < sizeof now ? size : sizeof now);
	return 0;
}
