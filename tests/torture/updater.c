/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>

#include "tests/torture/row.h"

#define LIMIT_NS	100000u	/* the first; then twice as much, and so on */
#define BARRIER_STEPS	64
#define BURST		5000	/* calls; more than wait in any queue */

static void wait_for_readers(struct worker *w, struct element *old)
{
	(void) w;
	(void) old;
	synchronize_rcu();
}

static void wait_with_limit(struct worker *w, struct element *old)
{
	uint64_t r = next_random(&w->own.random) >> 32;
	uint64_t ns = r % 4 ? r % LIMIT_NS : 0;

	(void) old;
	while (umb_synchronize_timeout_ns(ns) == -ETIMEDOUT)
		ns = 2 * ns + 1000;
}

static void wait_by_polling(struct worker *w, struct element *old)
{
	struct urcu_gp_poll_state cookie = start_poll_synchronize_rcu();

	(void) w;
	(void) old;
	while (!poll_state_synchronize_rcu(cookie))
		nap_us(10);
}

static struct slot *slot_of(const void *part)
{
	return &slots[(size_t) ((const char *) part - (const char *) slots)
			/ sizeof slots[0]];
}

static void deferred(void *element)
{
	struct element *e = element;

	while (__atomic_load_n(&e->age, __ATOMIC_RELAXED) < AGE_REUSE)
		element_grow_older(e);
}

/* Through all ages, as by an updater; or at once. */
static void callback(struct rcu_head *head)
{
	struct element *e = caa_container_of(head, struct element, head);
	unsigned int age = __atomic_load_n(&e->age, __ATOMIC_RELAXED);

	if (age == 1)
		__atomic_fetch_add(&slot_of(e)->ran, 1, __ATOMIC_RELAXED);
	if (element_life(e) % 4) {
		deferred(e);
		return;
	}
	element_grow_older(e);
	if (age + 1 < AGE_REUSE)
		call_rcu(head, callback);
}

static void deferred_burst(void *slot)
{
	__atomic_fetch_add(&((struct slot *) slot)->burst_ran, 1,
			   __ATOMIC_RELAXED);
}

void bring_back(const struct row *row)
{
	if (row->habits & HURRIED)
		rcu_barrier();
	else
		nap_us(100);
}

/* Callbacks come without anybody's asking; and then their queue is empty. */
static void await_callbacks(const struct worker *w)
{
	while (slot_outstanding(w->slot) && !is_over())
		bring_back(w->row);
}

static void burst_callback(struct rcu_head *head)
{
	__atomic_fetch_add(&slot_of(head)->ran, 1, __ATOMIC_RELAXED);
}

static void call_burst(struct slot *slot)
{
	slot->called += HEADS;
	for (struct rcu_head *h = slot->heads; h < slot->heads + HEADS; h++)
		call_rcu(h, burst_callback);
}

static void call(struct worker *w, struct element *old)
{
	old->called = 1;
	w->slot->called++;
	call_rcu(&old->head, callback);
	if (w->slot->steps % BARRIER_STEPS == BARRIER_STEPS / 2)
		await_callbacks(w);
	if (w->slot->steps % BARRIER_STEPS)
		return;
	call_burst(w->slot);
	rcu_barrier();
	/* Only this thread adds to its slot's. */
	w->early_barriers += read_count(&w->slot->ran) < w->slot->called;
}

static void defer(struct worker *w, struct element *old)
{
	old->called = 1;
	defer_rcu(deferred, old);
	if (w->slot->steps % BARRIER_STEPS == 0) {
		w->slot->burst += BURST;
		for (int i = 0; i < BURST; i++)
			defer_rcu(deferred_burst, w->slot);
	}
	if (w->slot->steps % 4 == 0)
		await_callbacks(w);
}

static void fire_own_worker(void)
{
	struct call_rcu_data *own = get_thread_call_rcu_data();

	set_thread_call_rcu_data(NULL);
	call_rcu_data_free(own);
}

static void call_own(struct worker *w, struct element *old)
{
	if (w->slot->steps % BARRIER_STEPS == 1)
		fire_own_worker();
	if (!get_thread_call_rcu_data())
		set_thread_call_rcu_data(create_call_rcu_data(0, -1));
	call(w, old);
}

static void (*const ways[WAYS])(struct worker *w, struct element *old) = {
	wait_for_readers, wait_with_limit, wait_by_polling, call, defer, call_own,
};

static unsigned int choose(struct worker *w)
{
	unsigned int way;

	do
		way = (unsigned int) (next_random(&w->own.random) >> 32) % WAYS;
	while (!(w->row->ways & 1U << way));
	return way;
}

static void step(struct worker *w)
{
	struct slot *slot = w->slot;
	struct element *old = slot->current, *new = element_take(slot);
	unsigned int way = choose(w);

	if (!new) {		/* the callbacks have them */
		/* Else our grace periods would be the worker's. */
		if (!(w->row->habits & (LAZY | HURRIED))) {
			synchronize_rcu();
			slot_grow_older(slot);
		}
		bring_back(w->row);
		return;
	}
	if (next_random(&w->own.random) >> 63 && !(w->row->habits & IDLES))
		spoil_stores(w->spoil, w->own.random);
	/* No atomic operation here: it would hide a missing fence. */
	umb_assign_pointer(slot->current, new);
	__atomic_store_n(&old->age, 1, __ATOMIC_RELAXED);
	ways[way](w, old);
	if (!old->called)
		slot_grow_older(slot);
	count_one(&slot->steps);
}

/* Of readers that take turns with us. */
static void await_visit(const struct worker *w, unsigned long *seen)
{
	while (read_count(&w->slot->visits) == *seen && !is_over())
		sched_yield();
	*seen = read_count(&w->slot->visits);
}

void *updater_run(void *worker)
{
	unsigned long visits = 0;
	struct worker *w = worker;

	harass(w, 1);
	while (!is_over()) {
		if (w->row->habits & IDLES)
			await_visit(w, &visits);
		step(w);
	}
	harass(w, 0);
	fire_own_worker();
	return NULL;
}
