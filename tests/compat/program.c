/* SPDX-License-Identifier: MIT */
/*
 * A program written for liburcu, in C and C++. tests/compat.sh builds it as it
 * stands, and with its names replaced by liburcu's other names for the same.
 */
#ifdef EXPLICIT
#include <urcu/urcu-memb.h>
#else
#include <urcu.h>
#endif
#include <urcu/rculfhash.h>
#include <stdio.h>

struct element {
	int value;
	struct rcu_head head;
	struct cds_lfht_node node;
};

static struct element *published;
static int freed;

static struct element *new_element(int value)
{
	struct element *e = (struct element *) calloc(1, sizeof(*e));

	if (!e)
		abort();
	e->value = value;
	return e;
}

static void free_element(struct rcu_head *head)
{
	freed++;
	free(caa_container_of(head, struct element, head));
}

static void free_deferred(void *p)
{
	freed++;
	free(p);
}

static int read_value(void)
{
	int value;

	rcu_read_lock();
	value = rcu_dereference(published)->value;
	if (!rcu_read_ongoing())
		abort();
	rcu_read_unlock();
	return value;
}

static void *reader(void *arg)
{
	rcu_register_thread();
	*(int *) arg = read_value();
	rcu_quiescent_state();
	rcu_thread_offline();
	rcu_thread_online();
	rcu_unregister_thread();
	return NULL;
}

static int read_in_thread(void)
{
	pthread_t thread;
	int value = 0;

	if (pthread_create(&thread, NULL, reader, &value)
	    || pthread_join(thread, NULL))
		abort();
	return value;
}

static int match(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct element, node)->value
		== *(const int *) key;
}

/* The hash table waits for grace periods of the flavour that it is given. */
static int hashed(int value)
{
	struct cds_lfht *table = cds_lfht_new_flavor(4, 4, 0,
		CDS_LFHT_AUTO_RESIZE, &rcu_flavor, NULL);
	struct element *e = new_element(value);
	struct cds_lfht_iter iter;
	int found;

	rcu_read_lock();
	cds_lfht_add(table, 1, &e->node);
	cds_lfht_lookup(table, 1, match, &value, &iter);
	found = cds_lfht_iter_get_node(&iter) == &e->node;
	cds_lfht_del(table, &e->node);
	rcu_read_unlock();
	call_rcu(&e->head, free_element);
	return !cds_lfht_destroy(table, NULL) && found;
}

static void reclaim(void)
{
	struct call_rcu_data *own = create_call_rcu_data(0, -1);
	pthread_t thread = get_call_rcu_thread(own);
	struct element *old;

	old = rcu_xchg_pointer(&published, new_element(2));
	call_rcu(&old->head, free_element);
	set_thread_call_rcu_data(own);
	old = rcu_xchg_pointer(&published, new_element(3));
	call_rcu(&old->head, free_element);
	rcu_barrier();
	set_thread_call_rcu_data(NULL);
	synchronize_rcu();
	call_rcu_data_free(own);
	/* From 0.14 on, liburcu does. */
#ifndef _URCU_POLL_H
	if (pthread_join(thread, NULL))
		abort();
#else
	(void) thread;
#endif

	if (rcu_defer_register_thread())
		abort();
	old = rcu_xchg_pointer(&published, new_element(4));
	defer_rcu(free_deferred, old);
	rcu_defer_barrier();
	rcu_defer_unregister_thread();
}

#ifdef _LGPL_SOURCE
/* What liburcu's header brings along for sources like this. */
static CDS_LIST_HEAD(list);
static DEFINE_URCU_TLS(unsigned long, counter);

static int brought(void)
{
	int32_t futex = 0;

	uatomic_inc(&URCU_TLS(counter));
	cmm_smp_mb();
	futex_async(&futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	return cds_list_empty(&list) && CMM_LOAD_SHARED(URCU_TLS(counter)) == 1
		&& getpid() > 0;
}
#else
static int brought(void)
{
	return 1;
}
#endif

int main(void)
{
	rcu_init();
	rcu_register_thread();
	rcu_set_pointer(&published, new_element(1));
	if (read_value() != 1 || read_in_thread() != 1)
		return 1;
	call_rcu_before_fork();
	call_rcu_after_fork_parent();
	reclaim();
	if (freed != 3 || read_value() != 4)
		return 2;
	if (!hashed(5))
		return 3;
	rcu_barrier();
	if (freed != 4)
		return 4;
	if (!brought())
		return 5;
	free(published);
	rcu_unregister_thread();
	puts("right");
	return 0;
}
