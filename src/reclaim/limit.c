/* SPDX-License-Identifier: MIT */

/* Watermarks, the callers that wait for them, and the counters. */

#include <errno.h>

#include "reclaim/worker.h"
#include "urcu-membarrier/reclaim.h"
#include "urcu/urcu-membarrier.h"

#define LAZY_MAX_NS	(UINT64_C(3600) * 1000000000)

static unsigned long watermark_low, watermark_high;
static int may_wait;
/* Of workers that are gone, and of those who waited; under the list's lock. */
static struct umb_stats kept;

/* Relaxed, here and below: limits, not invariants. */
unsigned long umbi_low(void)
{
	return __atomic_load_n(&watermark_low, __ATOMIC_RELAXED);
}

unsigned long umbi_high(void)
{
	return __atomic_load_n(&watermark_high, __ATOMIC_RELAXED);
}

int umb_reclaim_set_watermarks(unsigned long low, unsigned long high)
{
	if (low >= high && (low || high))
		return -EINVAL;
	__atomic_store_n(&watermark_low, low, __ATOMIC_RELAXED);
	__atomic_store_n(&watermark_high, high, __ATOMIC_RELAXED);
	return 0;
}

void umb_reclaim_set_waiting(int on)
{
	__atomic_store_n(&may_wait, on != 0, __ATOMIC_RELAXED);
}

int umb_reclaim_set_lazy(struct call_rcu_data *crdp, uint64_t ns)
{
	if (!crdp || ns > LAZY_MAX_NS)
		return -EINVAL;
	__atomic_store_n(&crdp->lazy_us, (uint32_t) ((ns + 999) / 1000),
			 __ATOMIC_RELAXED);
	/* The old time is over. */
	if (umbi_backlog(crdp))
		umbi_worker_hurry(crdp);
	return 0;
}

static void wait_for_low(struct call_rcu_data *w)
{
	uint64_t begin = umbi_now_ns();

	umbi_worker_wait(w, __atomic_load_n(&w->queued, __ATOMIC_RELAXED)
			    - umbi_low());
	umbi_lock(&umbi_workers.lock);
	kept.waits++;
	kept.wait_ns += umbi_now_ns() - begin;
	umbi_unlock(&umbi_workers.lock);
}

void umbi_limit(struct call_rcu_data *w)
{
	unsigned long high = umbi_high();

	if (!high || umbi_backlog(w) <= high)
		return;
	/* Who queues with a real-time worker makes no system call for that. */
	if (!(w->flags & URCU_CALL_RCU_RT))
		umbi_worker_hurry(w);
	if (__atomic_load_n(&may_wait, __ATOMIC_RELAXED)
	    && !urcu_membarrier_read_ongoing() && !umbi_in_callback()
	    && !urcu_membarrier_reader.pauses)
		wait_for_low(w);
}

void umbi_limit_look(struct call_rcu_data *w)
{
	unsigned long high = umbi_high(), backlog = umbi_backlog(w);
	int was = w->hasty;

	w->hasty = high && backlog > (was ? umbi_low() : high);
	if (w->hasty && !was)
		umbi_count(&w->hastened);
}

static void add(struct umb_stats *stats, const struct call_rcu_data *w)
{
	unsigned long peak = umbi_counted(&w->peak);
	unsigned long moved = umbi_counted(&w->moved);

	stats->run += umbi_counted(&w->run) - w->run_elsewhere;
	stats->queued += umbi_counted(&w->queued) - moved;
	if (stats->peak < peak)
		stats->peak = peak;
	stats->batches += umbi_counted(&w->batches);
	stats->lazy += umbi_counted(&w->lazy);
	stats->hastened += umbi_counted(&w->hastened);
	stats->workers += __atomic_load_n(&w->state, __ATOMIC_RELAXED)
		== UMBI_RUNNING;
}

void umbi_limit_keep(const struct call_rcu_data *w)
{
	add(&kept, w);
	kept.workers = 0;
}

void umbi_reclaim_stats(struct umb_stats *stats)
{
	umbi_lock(&umbi_workers.lock);
	stats->queued = kept.queued;
	stats->run = kept.run;
	stats->peak = kept.peak;
	stats->batches = kept.batches;
	stats->lazy = kept.lazy;
	stats->hastened = kept.hastened;
	stats->waits = kept.waits;
	stats->wait_ns = kept.wait_ns;
	for (struct call_rcu_data *w = umbi_workers.first; w; w = w->next)
		add(stats, w);
	umbi_unlock(&umbi_workers.lock);
}
