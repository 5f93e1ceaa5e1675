/* SPDX-License-Identifier: MIT */

/*
 * The hash table of liburcu-cds, which is not built with ThreadSanitizer: what an
 * element holds is ordered by the table, and that has to be said. It is given back
 * after a grace period, and that is seen. Without an argument: the names of the cases.
 */

#include "tests/tsan/case.h"

#include <urcu/rculfhash.h>

#define KEYS	8

struct entry {
	int key, value;
	struct cds_lfht_node node;
	struct rcu_head head;
};

static struct cds_lfht *table;

static struct entry *entry_of(struct cds_lfht_node *node)
{
	return caa_container_of(node, struct entry, node);
}

/* Called with nodes that the table has found: from here on they are looked into. */
static int matches(struct cds_lfht_node *node, const void *key)
{
	UMB_TSAN_ACQUIRE(node);
	return entry_of(node)->key == *(const int *) key;
}

static void free_entry(struct rcu_head *head)
{
	struct entry *entry = caa_container_of(head, struct entry, head);

	entry->value = -1;
	free(entry);
}

static void look_up(void)
{
	static int next;
	int key = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % KEYS;
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	rcu_read_lock();
	cds_lfht_lookup(table, (unsigned long) key, matches, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	have_met(node && entry_of(node)->value > 0);
	rcu_read_unlock();
}

static void replace_entry(void)
{
	static int number;
	struct entry *entry = calloc(1, sizeof *entry);
	struct cds_lfht_node *old;

	if (!entry)
		abort();
	entry->key = number % KEYS;
	entry->value = ++number;
	cds_lfht_node_init(&entry->node);
	UMB_TSAN_RELEASE(&entry->node);
	rcu_read_lock();
	old = cds_lfht_add_replace(table, (unsigned long) entry->key, matches,
				   &entry->key, &entry->node);
	rcu_read_unlock();
	if (old)
		call_rcu(&entry_of(old)->head, free_entry);
}

static const struct test tests[] = {
	{ "liburcu-cds: a hash table", look_up, replace_entry, rcu_barrier },
	{ NULL, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	table = cds_lfht_new_flavor(4, 4, 0, CDS_LFHT_AUTO_RESIZE,
				    &rcu_flavor, NULL);
	if (!table)
		return 2;
	return run_named(tests, argc > 1 ? argv[1] : NULL);
}
