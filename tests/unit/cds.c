/* SPDX-License-Identifier: MIT */

/*
 * The flavour under liburcu-cds: its hash table, queue, stack and lists, with
 * elements that are reclaimed by callbacks, and spoilt by them; over forks, too.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ours before theirs; or, in cds-after.c, behind them. */
#ifndef UMB_TEST_AFTER
# define URCU_API_MAP
# include "urcu/urcu-membarrier.h"
#endif
#include <urcu/cds.h>
#ifdef UMB_TEST_AFTER
# define URCU_API_MAP
# include "urcu/urcu-membarrier.h"
#endif

#include "tests/lib/spoil.h"
#include "tests/lib/tap.h"

#define THREADS		4
#define KEYS		512UL
#define ROUNDS		20000UL
#define GROWN		4096UL
#define FORKS		12
#define LIMIT_SECONDS	120
#define CHILD_SECONDS	30
#define LIVING		0x11fe11feUL
#define DEAD		0xdeadUL

struct element {
	unsigned long state, key;
	struct cds_lfht_node node;
	struct cds_lfs_node stacked;
	struct cds_lfq_node_rcu queued;
	struct cds_list_head listed;
	struct cds_hlist_node hashed;
	struct rcu_head head;
};

static struct cds_lfht *table;
static struct cds_lfs_stack stack;
static struct cds_lfq_queue_rcu queue;
static CDS_LIST_HEAD(list);
static struct cds_hlist_head hlist;
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long made, buried, faults, rounds;

static void add(unsigned long *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

static void expect_living(const struct element *e)
{
	if (__atomic_load_n(&e->state, __ATOMIC_RELAXED) != LIVING)
		add(&faults);
}

static struct element *new_element(unsigned long key)
{
	struct element *e = calloc(1, sizeof *e);

	if (!e)
		abort();
	e->state = LIVING;
	e->key = key;
	add(&made);
	return e;
}

static void bury(struct rcu_head *head)
{
	struct element *e = caa_container_of(head, struct element, head);

	expect_living(e);
	__atomic_store_n(&e->state, DEAD, __ATOMIC_RELAXED);
	add(&buried);
	free(e);
}

static void retire(struct element *e)
{
	urcu_membarrier_flavor.update_call_rcu(&e->head, bury);
}

static int matches(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct element, node)->key
		== *(const unsigned long *) key;
}

static unsigned long hash(unsigned long key)
{
	return key * 0x9E3779B1UL;
}

static void look_up(unsigned long key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(table, hash(key), matches, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	if (node)
		expect_living(caa_container_of(node, struct element, node));
}

static void insert(unsigned long key)
{
	struct element *e = new_element(key);
	struct cds_lfht_node *old;

	cds_lfht_node_init(&e->node);
	old = cds_lfht_add_replace(table, hash(key), matches, &key, &e->node);
	if (old)
		retire(caa_container_of(old, struct element, node));
}

static void delete(unsigned long key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(table, hash(key), matches, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	if (node && !cds_lfht_del(table, node))
		retire(caa_container_of(node, struct element, node));
}

static void use_table(uint64_t random)
{
	unsigned long key = (unsigned long) (random >> 8) % KEYS;

	rcu_read_lock();
	look_up(key);
	if (random % 4 == 1)
		insert(key);
	else if (random % 4 == 2)
		delete(key);
	rcu_read_unlock();
}

static void use_stack(uint64_t random)
{
	struct cds_lfs_node *node;

	if (random % 2) {
		struct element *e = new_element(0);

		cds_lfs_node_init(&e->stacked);
		cds_lfs_push(&stack, &e->stacked);
		return;
	}
	rcu_read_lock();
	node = __cds_lfs_pop(&stack);
	if (node)
		expect_living(caa_container_of(node, struct element, stacked));
	rcu_read_unlock();
	if (node)
		retire(caa_container_of(node, struct element, stacked));
}

static void use_queue(uint64_t random)
{
	struct cds_lfq_node_rcu *node = NULL;

	rcu_read_lock();
	if (random % 2) {
		struct element *e = new_element(0);

		cds_lfq_node_init_rcu(&e->queued);
		cds_lfq_enqueue_rcu(&queue, &e->queued);
	} else {
		node = cds_lfq_dequeue_rcu(&queue);
	}
	if (node)
		expect_living(caa_container_of(node, struct element, queued));
	rcu_read_unlock();
	if (node)
		retire(caa_container_of(node, struct element, queued));
}

static void read_lists(void)
{
	struct element *e;

	rcu_read_lock();
	cds_list_for_each_entry_rcu(e, &list, listed)
		expect_living(e);
	cds_hlist_for_each_entry_rcu_2(e, &hlist, hashed)
		expect_living(e);
	rcu_read_unlock();
}

/* In both lists; the oldest goes. */
static void change_lists(int more)
{
	struct element *e = NULL;

	pthread_mutex_lock(&list_mutex);
	if (more) {
		e = new_element(0);
		cds_list_add_rcu(&e->listed, &list);
		cds_hlist_add_head_rcu(&e->hashed, &hlist);
	} else if (!cds_list_empty(&list)) {
		e = cds_list_entry(list.prev, struct element, listed);
		cds_list_del_rcu(&e->listed);
		cds_hlist_del_rcu(&e->hashed);
		retire(e);
	}
	pthread_mutex_unlock(&list_mutex);
}

static void use_lists(uint64_t random)
{
	if (random % 8 < 2)
		change_lists((int) (random % 2));
	else
		read_lists();
}

static void *work(void *arg)
{
	static void (*const use[])(uint64_t random) = {
		use_table, use_stack, use_queue, use_lists,
	};
	uint64_t random = (uintptr_t) arg;

	for (unsigned long n = 0; n < rounds; n++) {
		uint64_t r = next_random(&random) >> 16;

		use[n % 4](r);
		if (n % 64 == 0)
			use_table(r);
	}
	return NULL;
}

static void work_together(unsigned long each)
{
	pthread_t threads[THREADS];

	rounds = each;
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *) (i + 1));
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* The table's own worker makes it larger, and smaller again. */
static void grow_and_shrink(void)
{
	for (unsigned long key = 0; key < GROWN; key++) {
		rcu_read_lock();
		insert(KEYS + key);
		rcu_read_unlock();
	}
	for (unsigned long key = 0; key < GROWN; key++) {
		rcu_read_lock();
		look_up(KEYS + key);
		delete(KEYS + key);
		rcu_read_unlock();
	}
}

static void begin(void)
{
	table = cds_lfht_new_flavor(1, 1, 0,
				    CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
				    &urcu_membarrier_flavor, NULL);
	cds_lfs_init(&stack);
	cds_lfq_init_rcu(&queue, call_rcu);
}

static void empty_table(void)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	rcu_read_lock();
	cds_lfht_for_each(table, &iter, node)
		if (!cds_lfht_del(table, node))
			retire(caa_container_of(node, struct element, node));
	rcu_read_unlock();
}

/* Nonzero: a structure is not empty, or the table has not been given up. */
static int end(void)
{
	struct cds_lfht *last = table;
	struct cds_lfq_node_rcu *queued;
	int ret;

	empty_table();
	while (stack.head)
		use_stack(0);
	do {
		rcu_read_lock();
		queued = cds_lfq_dequeue_rcu(&queue);
		rcu_read_unlock();
		if (queued)
			retire(caa_container_of(queued, struct element, queued));
	} while (queued);
	while (!cds_list_empty(&list))
		change_lists(0);
	ret = cds_lfht_destroy(last, NULL) | cds_lfq_destroy_rcu(&queue);
	rcu_barrier();
	return ret;
}

static void test_load(void)
{
	int ret;

	begin();
	if (!tap_ok(table != NULL, "a table of this flavour"))
		return;
	work_together(tap_scale(ROUNDS, 1000));
	grow_and_shrink();
	ret = end();
	tap_ok(!ret && !hlist.next,
	       "table, stack, queue and lists under load, and destroyed");
	tap_ok(made == buried && !faults, "%lu elements reclaimed of %lu, %lu "
	       "faults", buried, made, faults);
}

static int wait_for(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	if (status)
		tap_diag("the child's status is %#x", (unsigned int) status);
	return !status;
}

/* What other threads were at is lost in the child; what is in the table is not. */
static void live_in_child(int anew)
{
	alarm(CHILD_SECONDS);
	grow_and_shrink();
	work_together(200);
	empty_table();
	if (cds_lfht_destroy(table, NULL))
		_exit(2);
	if (anew) {
		begin();
		grow_and_shrink();
		empty_table();
		cds_lfht_destroy(table, NULL);
	}
	rcu_barrier();
	_exit(faults != 0);
}

static void *grow_meanwhile(void *arg)
{
	int *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		grow_and_shrink();
	return NULL;
}

static void test_fork(int busy, int politely)
{
	int forks = (int) tap_scale(FORKS, 2), good = 1, stop = 0;
	pthread_t thread;

	begin();
	if (busy)
		pthread_create(&thread, NULL, grow_meanwhile, &stop);
	for (int i = 0; i < forks && good; i++) {
		pid_t child;

		if (politely)
			call_rcu_before_fork();
		child = fork();
		if (politely && !child)
			call_rcu_after_fork_child();
		if (!child)
			live_in_child(i % 2);
		if (politely)
			call_rcu_after_fork_parent();
		work_together(200);
		good = wait_for(child);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	if (busy)
		pthread_join(thread, NULL);
	tap_ok(good && !end() && !faults, "forks with a table%s%s: both go on",
	       busy ? ", which is resized" : "", politely ? ", politely" : "");
}

/* In a section the table can be read in the child, and changed. */
static void test_fork_in_section(void)
{
	pid_t child;

	begin();
	rcu_read_lock();
	insert(1);
	child = fork();
	if (!child) {
		alarm(CHILD_SECONDS);
		look_up(1);
		delete(1);
		rcu_read_unlock();
		rcu_barrier();
		_exit(faults != 0);
	}
	rcu_read_unlock();
	tap_ok(wait_for(child) && !end() && !faults,
	       "a fork in a section, with a table");
}

static void test_size(void)
{
	static const char what[] = "the symbol has room for 32 pointers";
#ifdef __GLIBC__
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;
	int ret = dladdr1(&urcu_membarrier_flavor, &info, (void **) &symbol,
			  RTLD_DL_SYMENT);

	tap_ok(ret && symbol && symbol->st_size == 32 * sizeof(void *),
	       "%s", what);
#else
	tap_skip("this C library has no dladdr1()", "%s", what);
#endif
}

static void test_layout(void)
{
	const struct rcu_flavor_struct *f = &urcu_membarrier_flavor;
	/* As it is, not as the header declares it. */
	void (*const *volatile all)(void) = (void (*const *)(void)) f;
	void (*const *members)(void) = all;

	test_size();
	tap_ok(sizeof *f <= 32 * sizeof(void *)
	       && offsetof(struct rcu_flavor_struct,
			   unregister_rculfhash_atfork) == 13 * sizeof(void *),
	       "the installed liburcu's struct fits in, 14 members");
	tap_ok(members[14] == (void (*)(void))
			urcu_membarrier_start_poll_synchronize_rcu
	       && members[15] == (void (*)(void))
			urcu_membarrier_poll_state_synchronize_rcu,
	       "the polling members are 15th and 16th");
	tap_ok(members[0] == (void (*)(void)) (urcu_membarrier_read_lock)
	       && members[12] == (void (*)(void))
			urcu_membarrier_register_rculfhash_atfork
	       && !members[16] && !members[31], "first, last, and the reserve");
}

int main(void)
{
	tap_begin();
	alarm(LIMIT_SECONDS);
	test_layout();
	test_load();
	/* For tests/asan.sh. */
	if (getenv("UMB_TEST_NO_FORK"))
		return tap_end();
	for (int i = 0; i < 4; i++)
		test_fork(i & 1, i & 2);
	test_fork_in_section();
	return tap_end();
}
