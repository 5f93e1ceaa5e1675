/* SPDX-License-Identifier: MIT */

/*
 * Programs that are right, for tests/tsan.sh: none may be reported. What they share
 * is plain, but for the pointers. Without an argument: the names of the cases.
 */

#include "tests/tsan/case.h"

/* Have it replaced, and return what was there. */
static struct item *replace(void)
{
	static int number;
	struct item *old = umb_dereference_protected(shared);

	umb_assign_pointer(shared, item_new(++number));
	return old;
}

static void wait_and_free(void)
{
	struct item *old = replace();

	synchronize_rcu();
	item_free(old);
}

static void free_by_callback(void)
{
	struct item *old = replace();

	if (old)
		call_rcu(&old->head, free_callback);
}

static void free_by_defer(void)
{
	struct item *old = replace();

	if (old)
		defer_rcu(free_deferred, old);
}

static void free_by_poll(void)
{
	struct item *old = replace();
	struct urcu_gp_poll_state state = start_poll_synchronize_rcu();

	while (!poll_state_synchronize_rcu(state))
		usleep(20);
	item_free(old);
}

static void free_in_time(void)
{
	struct item *old = replace();

	while (umb_synchronize_timeout_ns(20000))
		;
	item_free(old);
}

/* What the rest of the program asks callbacks by. */
static int freed, queued;

static void count_free(struct rcu_head *head)
{
	freed++;
	free_callback(head);
}

static void free_and_count(void)
{
	struct item *old = replace();

	if (!old)
		return;
	call_rcu(&old->head, count_free);
	queued++;
	if (queued % 8)
		return;
	rcu_barrier();
	if (freed != queued)
		abort();
}

/* A list of three, of which the last is taken off and put on at the front. */
static struct item *list;

static void read_list(void)
{
	int sum = 0;

	rcu_read_lock();
	for (struct item *i = umb_dereference(list); i;
	     i = umb_dereference(i->next))
		sum += i->value;
	rcu_read_unlock();
	have_met(sum >= 3);
}

static void change_list(void)
{
	struct item *new = item_new(3), *last, **at = &list;

	new->next = umb_dereference_protected(list);
	umb_assign_pointer(list, new);
	for (int i = 0; i < 3 && *at; i++)
		at = &(*at)->next;
	last = *at;
	if (!last)
		return;
	umb_assign_pointer(*at, NULL);
	synchronize_rcu();
	item_free(last);
}

static void read_nested(void)
{
	struct item *item;
	int value = 0;

	rcu_read_lock();
	item = umb_dereference(shared);
	rcu_read_lock();
	if (item)
		value += item->value;
	rcu_read_unlock();
	if (item)
		value += item->value;
	rcu_read_unlock();
	have_met(value > 0);
}

/* Long enough for updaters to sleep on it. */
static void read_slowly(void)
{
	struct item *item;

	rcu_read_lock();
	item = umb_dereference(shared);
	usleep(300);
	have_met(item && item->value > 0);
	rcu_read_unlock();
}

static void *read_once(void *arg)
{
	(void) arg;
	read_shared();
	return NULL;
}

/* In a thread that was never registered, nor says that it goes. */
static void read_and_exit(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, read_once, NULL)
	    || pthread_join(thread, NULL))
		abort();
}

static void read_and_go_offline(void)
{
	read_shared();
	rcu_thread_offline();
	usleep(50);
	rcu_thread_online();
	read_shared();
	rcu_unregister_thread();
}

/* What is done before a grace period, sections that find it over see. */
static int before[64], at, told;

static void read_told(void)
{
	int value = 0, n;

	rcu_read_lock();
	n = __atomic_load_n(&told, __ATOMIC_RELAXED);
	if (n)
		value = before[n % 64];
	rcu_read_unlock();
	have_met(n && value == n);
}

static void tell(void)
{
	at++;
	before[at % 64] = at;
	synchronize_rcu();
	__atomic_store_n(&told, at, __ATOMIC_RELAXED);
}

/* The same, by a callback. */
static struct rcu_head telling;

static void tell_all(struct rcu_head *head)
{
	(void) head;
	__atomic_store_n(&told, at, __ATOMIC_RELAXED);
}

static void have_told(void)
{
	at++;
	before[at % 64] = at;
	call_rcu(&telling, tell_all);
	rcu_barrier();
}

/* By the names that liburcu has for it. */
static void read_shared_liburcu(void)
{
	struct item *item;

	rcu_read_lock();
	item = rcu_dereference(shared);
	have_met(item && item->value > 0);
	rcu_read_unlock();
}

static void free_liburcu(void)
{
	static int number;
	struct item *old = rcu_xchg_pointer(&shared, item_new(++number));

	synchronize_rcu();
	item_free(old);
	old = shared;
	rcu_assign_pointer(shared, item_new(++number));
	synchronize_rcu();
	item_free(old);
}

static void finish_callbacks(void)
{
	rcu_barrier();
	if (freed != queued)
		abort();
}

static const struct test tests[] = {
	{ "free after synchronize_rcu", read_shared, wait_and_free, NULL },
	{ "free by call_rcu", read_shared, free_by_callback, finish_callbacks },
	{ "free by defer_rcu", read_shared, free_by_defer, rcu_defer_barrier },
	{ "free after polling", read_shared, free_by_poll, NULL },
	{ "free after a wait with a time limit", read_slowly, free_in_time, NULL },
	{ "what callbacks did, after rcu_barrier", read_shared, free_and_count,
		finish_callbacks },
	{ "a list", read_list, change_list, NULL },
	{ "nested sections", read_nested, wait_and_free, NULL },
	{ "sections that updaters sleep on", read_slowly, wait_and_free, NULL },
	{ "threads that read and exit", read_and_exit, wait_and_free, NULL },
	{ "offline and online", read_and_go_offline, wait_and_free, NULL },
	{ "what was done before a grace period", read_told, tell, NULL },
	{ "what was done before call_rcu", read_told, have_told, NULL },
	{ "liburcu's names", read_shared_liburcu, free_liburcu, NULL },
	{ NULL, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_named(tests, argc > 1 ? argv[1] : NULL);
}
