/* SPDX-License-Identifier: MIT */

/*
 * The workers' threads. One is there from the first callback on; it sleeps while
 * its queue is empty, and waits for nothing but grace periods. It is no reader
 * (unless its callbacks read), and it is offline whenever it waits, so that no
 * grace period looks at it.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "fence/combine.h"
#include "rcu/gp.h"
#include "reclaim/worker.h"
#include "sys/tsan.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "thread/stall.h"
#include "urcu/urcu-membarrier.h"

#define RT_LOOK_NS	10000000	/* between two looks of a real-time worker */
#define EXIT_NS		100000000	/* for idle workers to end at exit */
#define PUSH_NS		1000000		/* for a push to be made */
#define RETRY		256	/* pushes between two tries to start a thread */

struct call_rcu_data umbi_default_worker = {
	.newest = UMBI_ASLEEP,
	.gp = &umbi_gp,
	.cpu = -1,
};
struct umbi_workers umbi_workers = { .first = &umbi_default_worker };

static int stopped(const struct call_rcu_data *w)
{
	return __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE) != 0;
}

static uint32_t state_of(const struct call_rcu_data *w)
{
	return __atomic_load_n(&w->state, __ATOMIC_ACQUIRE);
}

int umbi_in_callback(void)
{
	return urcu_membarrier_reader.serving != NULL;
}

/* Wait for what somebody else's grace period does for us, or run a quiet one. */
static int wait_lazily(struct call_rcu_data *w, uint32_t hurried)
{
	uint32_t us = __atomic_load_n(&w->lazy_us, __ATOMIC_RELAXED);
	unsigned long target;
	uint64_t end, left;

	if (!us || hurried || w->hasty)
		return 0;
	end = umbi_time_after(us * UINT64_C(1000));
	target = umbi_gp_target(w->gp);
	while ((left = umbi_time_left(end))
	       && !__atomic_load_n(&w->hurry, __ATOMIC_ACQUIRE))
		umbi_sleep(&w->hurry, 0, left);
	if (umbi_gp_over(w->gp, target))
		return 1;
	return !left && umbi_gp_wait_quietly(w->gp, target, &w->hurry);
}

static void wait_for_readers(struct call_rcu_data *w, uint32_t hurried)
{
	urcu_membarrier_thread_offline();
	if (wait_lazily(w, hurried))
		umbi_count(&w->lazy);
	else
		umbi_gp_wait(w->gp, UMBI_FOREVER);
	umbi_count(&w->batches);
}

/*
 * What hurries us is about callbacks that were queued before. So it is taken before
 * they are, and what comes later is left for the next time.
 */
static int get_ready(struct call_rcu_data *w)
{
	uint32_t hurried = __atomic_exchange_n(&w->hurry, 0, __ATOMIC_ACQUIRE);

	if (!umbi_queue_take(w)) {
		if (hurried)
			__atomic_store_n(&w->hurry, 1, __ATOMIC_RELAXED);
		return 0;
	}
	umbi_limit_look(w);
	wait_for_readers(w, hurried);
	umbi_queue_ready(w);
	return 1;
}

/* One thing to do. Zero: nothing was. */
static int serve(struct call_rcu_data *w)
{
	if (!w->ready && !get_ready(w))
		return 0;
	umbi_queue_run(w);
	umbi_limit_look(w);
	return 1;
}

static int claim(struct call_rcu_data *w)
{
	const void *nobody = NULL;

	if (!__atomic_compare_exchange_n(&w->server, &nobody,
			&urcu_membarrier_reader, 0,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return 0;
	umbi_tsan_acquire(&w->server);
	__atomic_store_n(&w->tid, umbi_own_tid(), __ATOMIC_RELAXED);
	return 1;
}

static void tell(struct call_rcu_data *w)
{
	__atomic_fetch_add(&w->progress, 1, __ATOMIC_SEQ_CST);
	umbi_futex_wake(&w->progress, INT32_MAX);
}

static void await_turn(struct call_rcu_data *w)
{
	uint32_t progress;

	while (progress = __atomic_load_n(&w->progress, __ATOMIC_ACQUIRE),
	       !claim(w))
		umbi_sleep(&w->progress, progress, UMBI_FOREVER);
}

static void end_serving(struct call_rcu_data *w)
{
	umbi_tsan_release(&w->server);
	__atomic_store_n(&w->server, NULL, __ATOMIC_RELEASE);
	tell(w);
}

/* Until something is queued, or somebody wants something else. */
static void doze(struct call_rcu_data *w, uint32_t event)
{
	struct rcu_head *none = NULL;

	urcu_membarrier_thread_offline();
	if (w->flags & URCU_CALL_RCU_RT) {
		umbi_sleep(&w->event, event, RT_LOOK_NS);
		return;
	}
	/*
	 * access RECLAIM.doze, seq_cst. Pairs: RECLAIM.push (seq_cst).
	 * It fails, or the next push finds it and wakes us.
	 */
	if (!__atomic_compare_exchange_n(&w->newest, &none, UMBI_ASLEEP, 0,
			__ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
	    && none != UMBI_ASLEEP)
		return;
	umbi_sleep(&w->event, event, UMBI_FOREVER);
}

static void settle_in(struct call_rcu_data *w)
{
	struct umbi_cpus cpus = { { 0 } };

	umbi_block_signals(SIG_SETMASK, NULL);
	pthread_setname_np(pthread_self(), "umb-call-rcu");
	/* Where its callbacks queue others of the flavour: not with a domain's. */
	if (w->gp == &umbi_gp)
		urcu_membarrier_reader.worker = w;
	__atomic_store_n(&w->runner, &urcu_membarrier_reader, __ATOMIC_RELAXED);
	if (w->cpu < 0 || w->cpu >= UMBI_CPUS_MAX)
		return;
	cpus.bits[(size_t) w->cpu / UMBI_CPU_BITS] =
		1UL << (size_t) w->cpu % UMBI_CPU_BITS;
	umbi_cpus_set(&cpus);
}

static void *work(void *arg)
{
	struct call_rcu_data *w = arg;
	uint32_t event;

	settle_in(w);
	await_turn(w);
	urcu_membarrier_reader.serving = w;
	for (;;) {
		/* Acquire: before the looks at what it tells of. */
		event = __atomic_load_n(&w->event, __ATOMIC_ACQUIRE);
		if (stopped(w))
			break;
		if (!serve(w))
			doze(w, event);
	}
	urcu_membarrier_reader.serving = NULL;
	end_serving(w);
	/* Destructors of the thread's keys may queue, when it is freed. */
	urcu_membarrier_reader.worker = NULL;
	__atomic_store_n(&w->runner, NULL, __ATOMIC_RELAXED);
	/* The last that we do to it: it may be freed. Its address is all we use. */
	__atomic_store_n(&w->state, UMBI_ENDED, __ATOMIC_RELEASE);
	umbi_futex_wake(&w->state, INT32_MAX);
	/* That one never is, and others may wait for it to have no thread. */
	if (w == &umbi_default_worker)
		tell(w);
	return NULL;
}

/*
 * Its thread is at its end. Not a point of cancellation; and not where the program
 * has got hold of the thread: with older versions of liburcu it has to join it.
 * A handler that forks has to wait: its child would come back to a join of a thread
 * that it does not have, which with musl never ends.
 */
static void join(struct call_rcu_data *w)
{
	sigset_t mask;
	int state;

	if (__atomic_load_n(&w->shown, __ATOMIC_RELAXED))
		return;
	umbi_block_signals(SIG_BLOCK, &mask);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_join(w->thread, NULL);
	pthread_setcancelstate(state, &state);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* No thread, or one that has ended at exit, too late. */
static int lacks_thread(const struct call_rcu_data *w, uint32_t state)
{
	return state == UMBI_NO_THREAD
		|| (state == UMBI_ENDED && !stopped(w));
}

int umbi_worker_start(struct call_rcu_data *w)
{
	uint32_t was = state_of(w), starting = UMBI_STARTING;
	int saved = errno, ret = 0;
	sigset_t all, mask;

	if (!lacks_thread(w, was))
		return 0;
	/*
	 * The host's handlers shall not run in the new thread, nor fork in this
	 * one. Not by the raw system call: who changes the process's user waits for
	 * all threads, by a signal, with a lock that pthread_create() needs. For
	 * the same reason no lock of ours is held.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	if (__atomic_compare_exchange_n(&w->state, &was, UMBI_STARTING, 0,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (was == UMBI_ENDED)
			join(w);
		ret = pthread_create(&w->thread, NULL, work, w);
		__atomic_compare_exchange_n(&w->state, &starting,
				ret ? UMBI_NO_THREAD : UMBI_RUNNING, 0,
				__ATOMIC_RELEASE, __ATOMIC_RELAXED);
		umbi_futex_wake(&w->state, INT32_MAX);
		if (ret)
			tell(w);
	}
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	errno = saved;
	return -ret;
}

static void wake_up(struct call_rcu_data *w)
{
	__atomic_fetch_add(&w->event, 1, __ATOMIC_RELEASE);
	umbi_futex_wake(&w->event, 1);
}

void umbi_worker_wake(struct call_rcu_data *w)
{
	if (!lacks_thread(w, state_of(w)))
		wake_up(w);
	/* Where no thread was to be had, do not try each time. */
	else if (!(__atomic_fetch_add(&w->refusals, 1, __ATOMIC_RELAXED)
		   % RETRY)
		 && !umbi_worker_start(w))
		__atomic_store_n(&w->refusals, 0, __ATOMIC_RELAXED);
}

void umbi_worker_hurry(struct call_rcu_data *w)
{
	if (!__atomic_exchange_n(&w->hurry, 1, __ATOMIC_RELEASE))
		umbi_futex_wake(&w->hurry, 1);
	if (w->flags & URCU_CALL_RCU_RT)
		wake_up(w);
}

void umbi_worker_drain(struct call_rcu_data *w)
{
	struct call_rcu_data *was = urcu_membarrier_reader.serving;
	int saved = errno;
	sigset_t mask;

	umbi_block_signals(SIG_BLOCK, &mask);
	urcu_membarrier_reader.serving = w;
	while (serve(w))
		;
	urcu_membarrier_reader.serving = was;
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	errno = saved;
}

/* Run what there is, in this thread, unless somebody does. */
static int serve_ourselves(struct call_rcu_data *w)
{
	sigset_t mask;
	int served;

	umbi_block_signals(SIG_BLOCK, &mask);
	served = claim(w);
	if (served) {
		umbi_worker_drain(w);
		end_serving(w);
	}
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return served;
}

static int has_run(const struct call_rcu_data *w, unsigned long target)
{
	/* access RECLAIM.ran, acquire. Pairs: RECLAIM.run (seq_cst). */
	if (!umbi_reached(__atomic_load_n(&w->run, __ATOMIC_ACQUIRE), target))
		return 0;
	umbi_tsan_acquire(&w->run);
	return 1;
}

static void count_waiter(struct call_rcu_data *w)
{
	/*
	 * access RECLAIM.wait, seq_cst. Pairs: RECLAIM.run (seq_cst).
	 * Orders our being there before the look at what has run.
	 * Without: we sleep on news that have come.
	 */
	__atomic_fetch_add(&w->waiters, 1, __ATOMIC_SEQ_CST);
}

/* How long to sleep for more to have run, and to do it if nobody else can. */
static uint64_t see_to_it(struct call_rcu_data *w)
{
	if (stopped(w) || !umbi_worker_start(w) || !serve_ourselves(w))
		return UMBI_FOREVER;
	/* A push that is just being made has nobody to wake. */
	return PUSH_NS;
}

void umbi_worker_wait(struct call_rcu_data *w, unsigned long target)
{
	uint32_t progress, forks = umbi_forks_now();
	struct umbi_wait wait = { 0 };
	unsigned long run;
	uint64_t ns = 0;

	if (has_run(w, target))
		return;
	urcu_membarrier_thread_offline();
	count_waiter(w);
	while (progress = __atomic_load_n(&w->progress, __ATOMIC_SEQ_CST),
	       !has_run(w, target)) {
		if (forks != umbi_forks_now()) {
			forks = umbi_forks_now();
			count_waiter(w);
			ns = 0;
		} else if (ns) {
			run = umbi_counted(&w->run);
			umbi_sleep(&w->progress, progress,
				   umbi_stall_nap(&wait, ns));
			if (run != umbi_counted(&w->run))
				umbi_stall_anew(&wait);
			/* If it waits for a grace period that one tells. */
			if (__atomic_load_n(&w->running, __ATOMIC_RELAXED))
				umbi_stall_look(&wait, UMB_STALL_CALLBACK, 0);
			ns = 0;
		} else {
			/* Again, if it was for others the last time. */
			umbi_worker_hurry(w);
			ns = see_to_it(w);
		}
	}
	umbi_uncount(&w->waiters, forks);
	umbi_stall_over(&wait);
}

void umbi_worker_use(struct call_rcu_data *w)
{
	__atomic_fetch_add(&w->users, 1, __ATOMIC_RELAXED);
}

/* Under the lock: whoever frees it looks there, and does not free it now. */
static void unuse(struct call_rcu_data *w, uint32_t forks)
{
	umbi_uncount(&w->users, forks);
	if (stopped(w))
		tell(w);
}

void umbi_worker_unuse(struct call_rcu_data *w, uint32_t forks)
{
	umbi_lock(&umbi_workers.lock);
	unuse(w, forks);
	umbi_unlock(&umbi_workers.lock);
}

struct call_rcu_data *umbi_next(struct umbi_walk *walk)
{
	struct call_rcu_data *w = walk->w;

	umbi_lock(&umbi_workers.lock);
	walk->w = w ? w->next : umbi_workers.first;
	if (w)
		unuse(w, walk->forks);
	if (walk->w)
		umbi_worker_use(walk->w);
	walk->forks = umbi_forks_now();
	umbi_unlock(&umbi_workers.lock);
	return walk->w;
}

static void request_stop(struct call_rcu_data *w)
{
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	umbi_worker_hurry(w);
	wake_up(w);
}

/* Until that time. Nonzero: there is no thread. */
static int wait_for_end(struct call_rcu_data *w, uint64_t end)
{
	uint32_t state;

	while ((state = state_of(w)) != UMBI_ENDED) {
		if (state == UMBI_NO_THREAD || !umbi_time_left(end))
			return state == UMBI_NO_THREAD;
		umbi_sleep(&w->state, state, umbi_time_left(end));
	}
	join(w);
	__atomic_store_n(&w->state, UMBI_NO_THREAD, __ATOMIC_RELEASE);
	return 1;
}

void umbi_worker_stop(struct call_rcu_data *w)
{
	request_stop(w);
	wait_for_end(w, UMBI_FOREVER);
	/* A barrier may serve it, where it had no thread. */
	await_turn(w);
}

void umbi_worker_end(struct call_rcu_data *w)
{
	umbi_tsan_release(&w->server);
	__atomic_store_n(&w->server, NULL, __ATOMIC_RELEASE);
	tell(w);
	/* A barrier may have started a thread. */
	wait_for_end(w, UMBI_FOREVER);
}

/* At exit: those that sleep end. Others are left as they are. */
static __attribute__((destructor)) void at_exit(void)
{
	struct call_rcu_data *w = &umbi_default_worker;

	if (state_of(w) != UMBI_RUNNING || umbi_in_callback()
	    || __atomic_load_n(&w->newest, __ATOMIC_RELAXED) != UMBI_ASLEEP)
		return;
	request_stop(w);
	wait_for_end(w, umbi_time_after(EXIT_NS));
	/* Others may still queue, or wait. */
	__atomic_store_n(&w->stop, 0, __ATOMIC_RELEASE);
	tell(w);
}
