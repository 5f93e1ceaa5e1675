/* SPDX-License-Identifier: MIT */

/*
 * A worker's queue: from the stack that others push on (newest), by taking all of
 * it (taken), turning it round (turned) and putting it behind what is there
 * (fresh), to those that may run (ready). The server alone does that, without a
 * lock, and a forked child may find it between any two instructions. So each step
 * leaves in memory what it takes to finish it, mend():
 *
 *      take      `taking` is the newest, while the stack is exchanged for nothing
 *      turn      `rest` is what comes after the first of taken; the same as taken
 *                between two turns
 *      append    fresh_last is turned_last as soon as turned is in fresh
 *      ready     fresh is still what ready is
 *
 * A CPU's stores are in the child as far as the thread had come, in the program's
 * order; the compiler must not change that.
 */

#include <stddef.h>

#include "reclaim/worker.h"
#include "sys/probe.h"
#include "sys/tsan.h"
#include "thread/debug.h"
#include "thread/fork.h"

_Static_assert(offsetof(struct rcu_head, next) == 0, "links are heads");

static struct rcu_head *next_of(const struct rcu_head *head)
{
	return (struct rcu_head *) head->next.next;
}

static void link_to(struct rcu_head *head, struct rcu_head *next)
{
	/* Not &next->next: there may be none. */
	head->next.next = (struct cds_wfcq_node *) next;
}

static unsigned long count_push(struct call_rcu_data *w)
{
	/*
	 * access RECLAIM.count, release. Pairs: RECLAIM.target (acquire).
	 * Before the push: so a position in the queue is at most the count.
	 */
	return __atomic_fetch_add(&w->queued, 1, __ATOMIC_RELEASE);
}

/*
 * In a child that a handler has forked in the midst of a push: was it counted before
 * that, and made after? Then its count was taken for that of one that has run.
 */
static int fork_came_between(const struct call_rcu_data *w, unsigned long count,
			     const struct rcu_head *head)
{
	const struct rcu_head *h = __atomic_load_n(&w->newest, __ATOMIC_RELAXED);

	if ((long) (count - w->queued_at_fork) >= 0)
		return 0;
	while (h && h != UMBI_ASLEEP && h != w->newest_at_fork && h != head)
		h = next_of(h);
	return h == head && h != w->newest_at_fork;
}

static struct rcu_head *add(struct call_rcu_data *w, struct rcu_head *head)
{
	struct rcu_head *newest = __atomic_load_n(&w->newest, __ATOMIC_RELAXED);
	uint32_t forks = umbi_forks_now();
	unsigned long count = count_push(w);

	/* By the callback's own address: those who queue are not ordered so. */
	umbi_tsan_release(head);
	do
		link_to(head, newest == UMBI_ASLEEP ? NULL : newest);
	/*
	 * access RECLAIM.push, seq_cst. Pairs: RECLAIM.take (acquire), RECLAIM.doze (seq_cst).
	 * Orders the callback, its link and what the caller removed before the
	 * worker's grace period.
	 */
	while (!__atomic_compare_exchange_n(&w->newest, &newest, head, 1,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (forks != umbi_forks_now() && fork_came_between(w, count, head))
		count_push(w);
	return newest;
}

void umbi_queue_push(struct call_rcu_data *w, struct rcu_head *head)
{
	/* Relaxed: a worker that has just gone is missed by one push. */
	if (add(w, head) == UMBI_ASLEEP
	    || __atomic_load_n(&w->state, __ATOMIC_RELAXED) == UMBI_NO_THREAD)
		umbi_worker_wake(w);
}

void umbi_queue_leave(struct call_rcu_data *w, struct rcu_head *head)
{
	add(w, head);
}

static void set(struct rcu_head **where, struct rcu_head *head)
{
	__atomic_store_n(where, head, __ATOMIC_RELAXED);
	umbi_in_order();
}

static void take(struct call_rcu_data *w)
{
	struct rcu_head *newest = __atomic_load_n(&w->newest, __ATOMIC_RELAXED);

	do {
		if (!newest || newest == UMBI_ASLEEP) {
			set(&w->taking, NULL);
			return;
		}
		set(&w->taking, newest);
		/* access RECLAIM.take, acquire. Pairs: RECLAIM.push (seq_cst). */
	} while (!__atomic_compare_exchange_n(&w->newest, &newest, NULL, 0,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	umbi_in_order();
	set(&w->rest, newest);
	set(&w->taken, newest);
	set(&w->taking, NULL);
}

/* The first of taken becomes the first of turned. */
static void turn_one(struct call_rcu_data *w)
{
	struct rcu_head *head = w->taken;

	/* Before the grace period: that, too, is for what the caller did. */
	umbi_tsan_acquire(head);
	if (w->turned != head) {
		link_to(head, w->turned);
		if (!w->turned)
			w->turned_last = head;
		umbi_in_order();
		set(&w->turned, head);
	}
	set(&w->taken, w->rest);
}

static void append(struct call_rcu_data *w)
{
	if (w->fresh_last != w->turned_last) {
		if (w->fresh && w->fresh != w->turned) {
			link_to(w->fresh_last, w->turned);
			umbi_in_order();
		} else {
			set(&w->fresh, w->turned);
		}
		set(&w->fresh_last, w->turned_last);
	}
	set(&w->turned, NULL);
}

int umbi_queue_take(struct call_rcu_data *w)
{
	unsigned long backlog = umbi_backlog(w);

	if (backlog > w->peak)
		__atomic_store_n(&w->peak, backlog, __ATOMIC_RELAXED);
	if (!w->taken && !w->turned)
		take(w);
	while (w->taken) {
		set(&w->rest, next_of(w->taken));
		turn_one(w);
	}
	if (w->turned)
		append(w);
	return w->fresh != NULL;
}

static void forget_fresh(struct call_rcu_data *w)
{
	set(&w->fresh_last, NULL);
	set(&w->fresh, NULL);
}

void umbi_queue_ready(struct call_rcu_data *w)
{
	set(&w->ready, w->fresh);
	forget_fresh(w);
}

static void run_chunk(struct call_rcu_data *w)
{
	struct rcu_head *head;

	for (int n = UMBI_RUN_CHUNK; n && (head = w->ready); n--) {
		/*
		 * Relaxed: for forked children; the compiler must not move it
		 * past the call.
		 */
		__atomic_store_n(&w->ready, next_of(head), __ATOMIC_RELAXED);
		__atomic_store_n(&w->off, w->off + 1, __ATOMIC_RELAXED);
		__builtin_prefetch(w->ready, 1);
		if (umbi_debug())
			umbi_debug_unqueue(head);
		__atomic_store_n(&w->running, head->func, __ATOMIC_RELAXED);
		head->func(head);
	}
	__atomic_store_n(&w->running, NULL, __ATOMIC_RELAXED);
}

void umbi_queue_publish(struct call_rcu_data *w)
{
	/*
	 * access RECLAIM.run, seq_cst. Pairs: RECLAIM.ran (acquire), RECLAIM.wait (seq_cst).
	 * Orders the callbacks before the news that they have run, and that
	 * before the look at who waits.
	 */
	umbi_tsan_release(&w->run);
	__atomic_store_n(&w->run, w->off, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w->waiters, __ATOMIC_SEQ_CST)
	    && (!w->ready || umbi_backlog(w) <= umbi_low())) {
		__atomic_fetch_add(&w->progress, 1, __ATOMIC_RELEASE);
		umbi_futex_wake(&w->progress, INT32_MAX);
	}
}

void umbi_queue_run(struct call_rcu_data *w)
{
	umbi_probe(batch_start, (long) w, (long) umbi_backlog(w));
	while (w->ready) {
		umbi_busy(w);
		run_chunk(w);
		umbi_idle(w);
		umbi_queue_publish(w);
		/* While they are in the cache, and we have others to run. */
		if (w->ready)
			umbi_queue_take(w);
	}
	umbi_probe(batch_end, (long) w, (long) w->off);
}

/* A child that is forked meanwhile may be without the one that is on its way. */
static void move_all(struct call_rcu_data *from, struct rcu_head **chain,
		     struct call_rcu_data *to)
{
	struct rcu_head *head;

	while ((head = *chain)) {
		set(chain, next_of(head));
		umbi_queue_push(to, head);
		umbi_count(&from->moved);
	}
}

void umbi_queue_move(struct call_rcu_data *from, struct call_rcu_data *to)
{
	umbi_queue_take(from);
	move_all(from, &from->ready, to);
	move_all(from, &from->fresh, to);
	from->off = __atomic_load_n(&from->queued, __ATOMIC_RELAXED);
	/* Who adds up the counts sees both, or neither. */
	umbi_lock(&umbi_workers.lock);
	umbi_queue_publish(from);
	from->run_elsewhere = from->moved;
	umbi_unlock(&umbi_workers.lock);
}

static int contains(const struct rcu_head *chain, const struct rcu_head *head)
{
	while (chain && chain != UMBI_ASLEEP && chain != head)
		chain = next_of(chain);
	return chain == head;
}

static void mend(struct call_rcu_data *w)
{
	w->running = NULL;
	if (w->taking && !w->taken && !contains(w->newest, w->taking))
		w->taken = w->rest = w->taking;
	w->taking = NULL;
	if (w->taken && w->rest != w->taken)
		turn_one(w);
	if (!w->taken && w->turned)
		append(w);
	if (w->ready && w->ready == w->fresh)
		w->fresh = NULL;
	if (!w->fresh)
		w->fresh_last = NULL;
}

void umbi_queue_each(struct call_rcu_data *w, void (*see)(struct rcu_head *head))
{
	struct rcu_head *const chains[] = {
		w->newest == UMBI_ASLEEP ? NULL : w->newest, w->taken,
		w->turned, w->fresh, w->ready,
	};

	for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++)
		for (struct rcu_head *head = chains[i]; head; head = next_of(head))
			see(head);
}

static unsigned long counted;

static void count(struct rcu_head *head)
{
	(void) head;
	counted++;
}

void umbi_queues_forked(void)
{
	for (struct call_rcu_data *w = umbi_workers.first; w; w = w->next) {
		w->newest_at_fork = w->newest;
		w->queued_at_fork = w->queued;
		if (w->server != &urcu_membarrier_reader) {
			mend(w);
		} else {
			w->tid = umbi_own_tid();
			if (!w->busy)
				continue;
		}
		counted = 0;
		umbi_queue_each(w, count);
		/* Who was about to push is not here: what he counted has run. */
		w->off = w->queued - counted;
		w->run_elsewhere = w->moved;
	}
}
