/* SPDX-License-Identifier: MIT */

/* call_rcu and its family: who runs whose callbacks. */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "rcu/gp.h"
#include "reclaim/worker.h"
#include "thread/debug.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "urcu/urcu-membarrier.h"

/*
 * The CPUs' workers; made when the first is set, and there for good.
 * Read in sections: who frees a worker has waited for a grace period.
 */
static struct call_rcu_data **of_cpus;

static struct call_rcu_data *of_cpu(int cpu)
{
	/* Acquire: the array's zeroes, and a worker before its use. */
	struct call_rcu_data **all = __atomic_load_n(&of_cpus, __ATOMIC_ACQUIRE);

	return !all || cpu < 0 || cpu >= UMBI_CPUS_MAX ? NULL
		: __atomic_load_n(&all[cpu], __ATOMIC_ACQUIRE);
}

static void queue_by_cpu(struct rcu_head *head)
{
	unsigned long was = __atomic_load_n(&urcu_membarrier_reader.ctr,
					    __ATOMIC_RELAXED);
	int limited = umbi_high() != 0;
	uint32_t forks = 0;
	struct call_rcu_data *w;

	_urcu_membarrier_read_lock();
	w = of_cpu(umbi_cpu_hint());
	if (!w)
		w = &umbi_default_worker;
	umbi_queue_push(w, head);
	if (limited) {
		umbi_worker_use(w);
		forks = umbi_forks_now();
	}
	_urcu_membarrier_read_unlock();
	if (was == URCU_MEMBARRIER_OFFLINE
	    || was == URCU_MEMBARRIER_UNREGISTERED)
		urcu_membarrier_thread_offline();
	if (limited) {
		umbi_limit(w);
		umbi_worker_unuse(w, forks);
	}
}

void urcu_membarrier_call_rcu(struct rcu_head *head,
			      void (*func)(struct rcu_head *head))
{
	struct call_rcu_data *w = urcu_membarrier_reader.worker;

	if (umbi_debug())
		umbi_debug_queue(head);
	head->func = func;
	if (!w) {
		if (__atomic_load_n(&of_cpus, __ATOMIC_RELAXED)) {
			queue_by_cpu(head);
			return;
		}
		w = &umbi_default_worker;
	}
	umbi_queue_push(w, head);
	if (umbi_high())
		umbi_limit(w);
}

void umbi_barrier(const struct umbi_gp *gp)
{
	struct umbi_walk walk = { NULL, 0 };
	struct call_rcu_data *w;

	/*
	 * fence RECLAIM.barrier, full. Pairs: USER.full (full).
	 * Orders what the caller knows of before the looks at the counts.
	 */
	umbi_fence_full();
	while ((w = umbi_next(&walk)))
		if (w->gp == gp && umbi_backlog(w))
			umbi_worker_hurry(w);
	while ((w = umbi_next(&walk)))
		if (w->gp == gp)
			/* access RECLAIM.target, acquire. Pairs: RECLAIM.count (release). */
			umbi_worker_wait(w, __atomic_load_n(&w->queued,
							    __ATOMIC_ACQUIRE));
}

void urcu_membarrier_barrier(void)
{
	if (umbi_in_callback() && urcu_membarrier_reader.serving->gp == &umbi_gp)
		umbi_die("rcu_barrier: in a callback it would wait for itself",
			 NULL);
	if (_urcu_membarrier_read_ongoing()) {
		umbi_say("rcu_barrier: inside a read-side critical section it "
			 "cannot wait, and does not", NULL);
		return;
	}
	umbi_barrier(&umbi_gp);
}

static void enlist(struct call_rcu_data *w)
{
	umbi_lock(&umbi_workers.lock);
	w->next = umbi_workers.first;
	umbi_in_order();
	umbi_workers.first = w;
	umbi_unlock(&umbi_workers.lock);
}

static void unlist(struct call_rcu_data *w)
{
	struct call_rcu_data **at = &umbi_workers.first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	umbi_limit_keep(w);
}

/* When nobody uses it any more. */
static void retire(struct call_rcu_data *w)
{
	uint32_t progress;

	for (;;) {
		umbi_lock(&umbi_workers.lock);
		/* Who lets go of it tells us. */
		__atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
		progress = __atomic_load_n(&w->progress, __ATOMIC_ACQUIRE);
		if (!__atomic_load_n(&w->users, __ATOMIC_RELAXED))
			break;
		umbi_unlock(&umbi_workers.lock);
		umbi_sleep(&w->progress, progress, UMBI_FOREVER);
	}
	unlist(w);
	umbi_unlock(&umbi_workers.lock);
}

struct call_rcu_data *umbi_worker_create(struct umbi_gp *gp, unsigned long flags,
					 int cpu)
{
	struct call_rcu_data *w = NULL;
	int saved = errno;

	if (posix_memalign((void **) &w, __alignof__(*w), sizeof *w))
		w = NULL;
	errno = saved;
	if (!w)
		return NULL;
	*w = (struct call_rcu_data) {
		.newest = flags & URCU_CALL_RCU_RT ? NULL : UMBI_ASLEEP,
		.gp = gp,
		.flags = flags & URCU_CALL_RCU_RT,
		.cpu = cpu,
	};
	enlist(w);
	return w;
}

struct call_rcu_data *urcu_membarrier_create_call_rcu_data(unsigned long flags,
							   int cpu)
{
	struct call_rcu_data *w = umbi_worker_create(&umbi_gp, flags, cpu);

	if (w && umbi_worker_start(w)) {
		urcu_membarrier_call_rcu_data_free(w);
		w = NULL;
	}
	return w;
}

/* One that was stopped, and whose queue is empty. */
void umbi_worker_free(struct call_rcu_data *w)
{
	retire(w);
	umbi_worker_end(w);
	umbi_free(w);
}

void urcu_membarrier_call_rcu_data_free(struct call_rcu_data *w)
{
	if (!w || w == &umbi_default_worker)
		return;
	if (w == urcu_membarrier_reader.serving)
		umbi_die("call_rcu_data_free: in a callback of that worker it "
			 "would wait for itself", NULL);
	urcu_membarrier_thread_offline();
	umbi_worker_stop(w);
	umbi_queue_move(w, &umbi_default_worker);
	umbi_worker_free(w);
}

struct call_rcu_data *urcu_membarrier_get_default_call_rcu_data(void)
{
	return &umbi_default_worker;
}

struct call_rcu_data *urcu_membarrier_get_cpu_call_rcu_data(int cpu)
{
	return of_cpu(cpu);
}

struct call_rcu_data *urcu_membarrier_get_thread_call_rcu_data(void)
{
	return urcu_membarrier_reader.worker;
}

struct call_rcu_data *urcu_membarrier_get_call_rcu_data(void)
{
	struct call_rcu_data *w = urcu_membarrier_reader.worker;

	if (!w)
		w = of_cpu(umbi_cpu_hint());
	return w ? w : &umbi_default_worker;
}

pthread_t urcu_membarrier_get_call_rcu_thread(struct call_rcu_data *w)
{
	uint32_t state;

	__atomic_store_n(&w->shown, 1, __ATOMIC_RELAXED);
	do {
		if (umbi_worker_start(w))
			return pthread_self();
		while ((state = __atomic_load_n(&w->state, __ATOMIC_ACQUIRE))
		       == UMBI_STARTING)
			sched_yield();
	} while (state == UMBI_NO_THREAD);
	return w->thread;
}

void urcu_membarrier_set_thread_call_rcu_data(struct call_rcu_data *w)
{
	urcu_membarrier_reader.worker = w;
}

static struct call_rcu_data **cpus_array(void)
{
	struct call_rcu_data **all = NULL, **mine;
	int saved = errno;

	mine = calloc(UMBI_CPUS_MAX, sizeof *mine);
	errno = saved;
	if (mine && __atomic_compare_exchange_n(&of_cpus, &all, mine, 0,
			__ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
		return mine;
	umbi_free(mine);
	return all;
}

int urcu_membarrier_set_cpu_call_rcu_data(int cpu, struct call_rcu_data *w)
{
	struct call_rcu_data **all = __atomic_load_n(&of_cpus, __ATOMIC_ACQUIRE);
	struct call_rcu_data *none = NULL;

	if (cpu < 0 || cpu >= umbi_cpus_count())
		return -EINVAL;
	if (!all && !w)
		return 0;
	if (!all && !(all = cpus_array()))
		return -ENOMEM;
	if (!w)
		__atomic_store_n(&all[cpu], NULL, __ATOMIC_RELEASE);
	else if (!__atomic_compare_exchange_n(&all[cpu], &none, w, 0,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return -EEXIST;
	return 0;
}

int urcu_membarrier_create_all_cpu_call_rcu_data(unsigned long flags)
{
	struct call_rcu_data *w;
	int ret;

	for (int cpu = 0, n = umbi_cpus_count(); cpu < n; cpu++) {
		if (of_cpu(cpu))
			continue;
		w = umbi_worker_create(&umbi_gp, flags, cpu);
		ret = !w ? -ENOMEM : umbi_worker_start(w);
		if (!ret)
			ret = urcu_membarrier_set_cpu_call_rcu_data(cpu, w);
		if (!ret)
			continue;
		/* Somebody else was faster, or there is no memory. */
		urcu_membarrier_call_rcu_data_free(w);
		if (ret != -EEXIST)
			return ret;
	}
	return 0;
}

void urcu_membarrier_free_all_cpu_call_rcu_data(void)
{
	struct call_rcu_data **all = __atomic_load_n(&of_cpus, __ATOMIC_ACQUIRE);
	struct call_rcu_data *w, *last = NULL;

	for (int cpu = 0; all && cpu < UMBI_CPUS_MAX; cpu++) {
		w = __atomic_exchange_n(&all[cpu], NULL, __ATOMIC_ACQ_REL);
		/* It may be several CPUs'. The first of the row is its own next. */
		if (w && !w->leaving) {
			w->leaving = last ? last : w;
			last = w;
		}
	}
	if (last)
		urcu_membarrier_synchronize_rcu();
	while ((w = last)) {
		last = w->leaving == w ? NULL : w->leaving;
		urcu_membarrier_call_rcu_data_free(w);
	}
}
