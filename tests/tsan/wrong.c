/* SPDX-License-Identifier: MIT */

/*
 * Programs that are wrong, for tests/tsan.sh: each must be reported. Their items are
 * never given back, so that they come to no other harm. Without an argument: the names
 * of the cases.
 */

/* The first report ends it. */
#define LONGEST_NS	5000000000L
#include "tests/tsan/case.h"

static struct item *replace(void)
{
	static int number;
	struct item *old = umb_dereference_protected(shared);

	umb_assign_pointer(shared, item_new(++number));
	return old;
}

/* As if it were given back. */
static void spoil(struct item *item)
{
	if (item)
		item->value = 1;
}

static void spoil_at_once(void)
{
	spoil(replace());
}

static void wait_too_early(void)
{
	synchronize_rcu();
	spoil(replace());
}

static void wait_not_at_all(void)
{
	struct item *old = replace();

	/* It may say that it is not over. */
	umb_synchronize_timeout_ns(0);
	spoil(old);
}

static void poll_and_do_not_look(void)
{
	struct item *old = replace();

	poll_state_synchronize_rcu(start_poll_synchronize_rcu());
	spoil(old);
}

static void wait_and_spoil(void)
{
	struct item *old = replace();

	synchronize_rcu();
	spoil(old);
}

static void read_after_unlock(void)
{
	struct item *item;

	rcu_read_lock();
	item = umb_dereference(shared);
	rcu_read_unlock();
	usleep(20);
	have_met(item && item->value > 0);
}

static void read_without_section(void)
{
	struct item *item = umb_dereference(shared);

	have_met(item && item->value > 0);
	usleep(20);
}

/* The outer section is over too early. */
static void read_with_unlock_inside(void)
{
	struct item *item;

	rcu_read_lock();
	item = umb_dereference(shared);
	rcu_read_unlock();
	usleep(100);
	rcu_read_lock();
	usleep(20);
	have_met(item && item->value > 0);
	rcu_read_unlock();
}

static void read_nested_slowly(void)
{
	struct item *item;

	rcu_read_lock();
	item = umb_dereference(shared);
	rcu_read_lock();
	have_met(item && item->value > 0);
	rcu_read_unlock();
	usleep(500);
	rcu_read_unlock();
}

static void publish_plainly(void)
{
	static int number;

	shared = item_new(++number);
}

static void publish_relaxed(void)
{
	static int number;

	__atomic_store_n(&shared, item_new(++number), __ATOMIC_RELAXED);
}

static int freed;

static void count(struct rcu_head *head)
{
	(void) head;
	freed++;
}

/* What callbacks did is looked at without rcu_barrier(). */
static void look_too_early(void)
{
	struct item *old = replace();

	if (old)
		call_rcu(&old->head, count);
	if (freed < 0)
		abort();
}

/* It is the callback's already. */
static void change_after_call(void)
{
	struct item *old = replace();

	if (!old)
		return;
	call_rcu(&old->head, count);
	freed++;
}

static void write_in_section(void)
{
	struct item *item;

	rcu_read_lock();
	item = umb_dereference(shared);
	if (item)
		item->value++;
	have_met(item != NULL);
	rcu_read_unlock();
}

static const struct test tests[] = {
	{ "no wait", read_shared, spoil_at_once, NULL },
	{ "a wait that is too early", read_shared, wait_too_early, NULL },
	{ "a wait that was given up", read_nested_slowly, wait_not_at_all, NULL },
	{ "a poll that said no", read_nested_slowly, poll_and_do_not_look, NULL },
	{ "a read after the section", read_after_unlock, wait_and_spoil, NULL },
	{ "a read without a section", read_without_section, wait_and_spoil, NULL },
	{ "a pointer kept for the next section", read_with_unlock_inside,
		wait_and_spoil, NULL },
	{ "a plain publication", read_shared, publish_plainly, NULL },
	{ "a relaxed publication", read_shared, publish_relaxed, NULL },
	{ "what callbacks did, without rcu_barrier", read_shared, look_too_early,
		NULL },
	{ "what a callback does, after call_rcu", read_shared, change_after_call,
		NULL },
	{ "readers that write", write_in_section, wait_and_spoil, NULL },
	{ NULL, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_named(tests, argc > 1 ? argv[1] : NULL);
}
