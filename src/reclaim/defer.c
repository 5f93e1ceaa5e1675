/* SPDX-License-Identifier: MIT */

/*
 * defer_rcu: each thread has a ring of calls, which only it fills. A callback of
 * call_rcu, one at a time for each ring, runs what was in the ring when the
 * callback was queued; a barrier runs what is in it now, after a grace period of
 * its own. Whoever runs calls has passed the ring's gate.
 */

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "fence/combine.h"
#include "reclaim/gate.h"
#include "reclaim/worker.h"
#include "sys/tsan.h"
#include "thread/fork.h"
#include "urcu/urcu-membarrier.h"

#define CALLS	4096UL		/* a power of two */

struct urcu_membarrier_deferred {
	unsigned long head;		/* calls ever queued; the owner writes */
	unsigned long tail;		/* calls ever run; behind the gate */
	unsigned long due;		/* the callback runs so many */
	unsigned long wanted;		/* and so many the barrier */
	struct umbi_gate gate;
	uint32_t queued;		/* the callback is */
	int pinned, orphan;		/* under the lock: a barrier is at it; no owner */
	int seen;			/* in a forked child: the callback is */
	int lost;			/* there: no, though it should be */
	struct rcu_head callback;
	struct urcu_membarrier_deferred *next;
	struct call {
		void (*fct)(void *p);
		void *p;
	} calls[CALLS];
};
typedef struct urcu_membarrier_deferred ring;

static struct umbi_lock lock;
static ring *rings;
static struct umbi_gate barriers;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static int exit_key_usable;

static unsigned long head_of(const ring *r)
{
	/* access DEFER.head, acquire. Pairs: DEFER.add (release). */
	unsigned long head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);

	umbi_tsan_acquire(&r->head);
	return head;
}

static unsigned long tail_of(const ring *r)
{
	/*
	 * access DEFER.tail, acquire. Pairs: DEFER.take (release).
	 * Orders the copy of the call before its place is filled again.
	 */
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
}

/* Their grace period is over. On return they have run, whoever did it. */
static void run(ring *r, unsigned long target)
{
	unsigned long tail;
	int saved = errno;

	umbi_gate_enter(&r->gate);
	while (!umbi_reached(tail = tail_of(r), target)) {
		struct call call = r->calls[tail % CALLS];

		/* access DEFER.take, release. Pairs: DEFER.tail (acquire). */
		__atomic_store_n(&r->tail, tail + 1, __ATOMIC_RELEASE);
		call.fct(call.p);
	}
	umbi_gate_leave(&r->gate);
	errno = saved;
}

static int is_empty(const ring *r)
{
	return head_of(r) == tail_of(r);
}

static int is_queued(const ring *r)
{
	return __atomic_load_n(&r->queued, __ATOMIC_RELAXED) != 0;
}

static int claim(ring *r)
{
	return !is_queued(r)
		&& !__atomic_exchange_n(&r->queued, 1, __ATOMIC_ACQUIRE);
}

/* Under the lock: take it off the list if nobody needs it. NULL: somebody does. */
static ring *retire(ring *r)
{
	ring **at = &rings;

	if (!r->orphan || r->pinned || is_queued(r) || !is_empty(r))
		return NULL;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	return r;
}

static void callback(struct rcu_head *head);

static struct rcu_head *due(ring *r)
{
	r->due = head_of(r);
	r->callback.func = callback;
	return &r->callback;
}

static void queue(ring *r)
{
	umbi_queue_push(&umbi_default_worker, due(r));
}

static void callback(struct rcu_head *head)
{
	ring *r = caa_container_of(head, ring, callback), *dead;
	int again;

	run(r, r->due);
	umbi_lock(&lock);
	umbi_claiming(r);
	__atomic_store_n(&r->queued, 0, __ATOMIC_RELEASE);
	/*
	 * fence DEFER.unqueued, full. Pairs: DEFER.added (full).
	 * Orders `queued` before the look at the head, against the owner's head
	 * before his look at `queued`. Without: calls that nobody runs.
	 */
	umbi_fence_full();
	again = !is_empty(r) && claim(r);
	dead = retire(r);
	umbi_unlock(&lock);
	if (again)
		queue(r);
	umbi_claiming(NULL);
	umbi_free(dead);
}

/* The owner needs it no more; what is in it will run. */
static void orphan(void *value)
{
	ring *r = value, *dead;
	int more;

	umbi_lock(&lock);
	urcu_membarrier_reader.deferred = NULL;
	umbi_claiming(r);
	more = !is_empty(r) && claim(r);
	r->orphan = 1;
	dead = retire(r);
	umbi_unlock(&lock);
	if (more)
		queue(r);
	umbi_claiming(NULL);
	umbi_free(dead);
}

static void create_exit_key(void)
{
	exit_key_usable = !pthread_key_create(&exit_key, orphan);
}

int urcu_membarrier_defer_register_thread(void)
{
	int saved = errno;
	ring *r = urcu_membarrier_reader.deferred;

	if (r)
		return 0;
	pthread_once(&once, create_exit_key);
	r = calloc(1, sizeof *r);
	errno = saved;
	if (!r)
		return -ENOMEM;
	umbi_lock(&lock);
	r->next = rings;
	umbi_in_order();
	rings = r;
	urcu_membarrier_reader.deferred = r;
	umbi_unlock(&lock);
	if (exit_key_usable)
		pthread_setspecific(exit_key, r);
	errno = saved;
	return 0;
}

void urcu_membarrier_defer_unregister_thread(void)
{
	ring *r = urcu_membarrier_reader.deferred;

	if (!r)
		return;
	urcu_membarrier_defer_barrier_thread();
	if (exit_key_usable)
		pthread_setspecific(exit_key, NULL);
	orphan(r);
}

void urcu_membarrier_defer_rcu(void (*fct)(void *p), void *p)
{
	ring *r = urcu_membarrier_reader.deferred;
	unsigned long head;
	uint32_t forks;
	int mine;

	if (!r && urcu_membarrier_defer_register_thread()) {
		/* No memory to remember it. */
		int saved = errno;

		urcu_membarrier_synchronize_rcu();
		fct(p);
		errno = saved;
		return;
	}
	r = urcu_membarrier_reader.deferred;
	head = r->head;
	if (head - tail_of(r) == CALLS)
		urcu_membarrier_defer_barrier_thread();
	r->calls[head % CALLS] = (struct call) { fct, p };
	umbi_tsan_release(&r->head);
	/* access DEFER.add, release. Pairs: DEFER.head (acquire). */
	__atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
	/* fence DEFER.added, full. Pairs: DEFER.unqueued (full). */
	umbi_fence_full();
	forks = umbi_forks_now();
	umbi_claiming(r);
	mine = claim(r);
	if (mine)
		queue(r);
	umbi_claiming(NULL);
	/* A handler has forked: who had claimed it is not here. */
	if (forks != umbi_forks_now() && !mine && r->lost)
		queue(r);
	/* Queued, perhaps, before a fork. */
	umbi_worker_start(&umbi_default_worker);
}

void urcu_membarrier_defer_barrier_thread(void)
{
	ring *r = urcu_membarrier_reader.deferred;

	if (!r)
		return;
	if (!is_empty(r))
		urcu_membarrier_synchronize_rcu();
	run(r, r->head);
}

/* Of all rings there are: note what is in them. Is there any? */
static int pin(ring **first)
{
	int any = 0;

	umbi_lock(&lock);
	*first = rings;
	for (ring *r = rings; r; r = r->next) {
		r->pinned = 1;
		r->wanted = head_of(r);
		any |= !is_empty(r);
	}
	umbi_unlock(&lock);
	return any;
}

/* Rings that are pinned stay; new ones come before them. */
static ring *unpin(ring *r)
{
	ring *next, *dead;

	umbi_lock(&lock);
	next = r->next;
	r->pinned = 0;
	dead = retire(r);
	umbi_unlock(&lock);
	umbi_free(dead);
	return next;
}

void urcu_membarrier_defer_barrier(void)
{
	ring *r;

	umbi_gate_enter(&barriers);
	if (pin(&r))
		urcu_membarrier_synchronize_rcu();
	while (r) {
		run(r, r->wanted);
		r = unpin(r);
	}
	umbi_gate_leave(&barriers);
}

void urcu_membarrier_defer_exit(void)
{
	urcu_membarrier_defer_barrier();
}

static void see(struct rcu_head *head)
{
	if (head->func == callback)
		caa_container_of(head, ring, callback)->seen = 1;
}

/* Is this thread in the ring's callback? */
static int in_callback(const ring *r)
{
	return umbi_gate_ours(&r->gate)
		&& umbi_default_worker.server == &urcu_membarrier_reader;
}

static void forked(ring *r)
{
	umbi_gate_forked(&r->gate);
	r->pinned &= umbi_gate_ours(&barriers);
	r->orphan = r != urcu_membarrier_reader.deferred;
	r->lost = r->queued && !r->seen && !in_callback(r);
	r->seen = 0;
	/* Who was about to queue it, and has forked in a handler, will. */
	if (r->lost && urcu_membarrier_reader.claiming != r)
		r->queued = 0;
	if (is_empty(r) || r->queued || urcu_membarrier_reader.claiming == r)
		return;
	r->queued = 1;
	umbi_queue_leave(&umbi_default_worker, due(r));
}

void umbi_defer_forked(void)
{
	lock.word = 0;
	umbi_gate_forked(&barriers);
	if (rings)
		for (struct call_rcu_data *w = umbi_workers.first; w; w = w->next)
			umbi_queue_each(w, see);
	for (ring *r = rings; r; r = r->next)
		forked(r);
}
