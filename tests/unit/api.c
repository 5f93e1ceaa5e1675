/* SPDX-License-Identifier: MIT */

/*
 * The short names, for a program without _LGPL_SOURCE: each is mapped to this
 * flavour, can be called and has an address, and leaves errno alone.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#undef _LGPL_SOURCE
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define CANARY		4242
#define HOLD_US		(60 * 1000)
#define LIMIT_SECONDS	60

#define SPELLED_(name)	#name
#define SPELLED(name)	SPELLED_(name)

static void test_names(void)
{
	static const struct {
		const char *name, *is, *wanted;
	} names[] = {
#define NAME(name, ours) { #name, SPELLED(name), "urcu_membarrier_" ours }
		NAME(rcu_gp, "gp"),
		NAME(rcu_init, "init"),
		NAME(rcu_quiescent_state, "quiescent_state"),
		NAME(rcu_read_lock, "read_lock"),
		NAME(rcu_read_ongoing, "read_ongoing"),
		NAME(rcu_read_unlock, "read_unlock"),
		NAME(rcu_reader, "reader"),
		NAME(rcu_register_thread, "register_thread"),
		NAME(rcu_thread_offline, "thread_offline"),
		NAME(rcu_thread_online, "thread_online"),
		NAME(rcu_unregister_thread, "unregister_thread"),
		NAME(synchronize_rcu, "synchronize_rcu"),
#undef NAME
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		tap_ok(!strcmp(names[i].is, names[i].wanted), "%s is %s",
		       names[i].name, names[i].is);
}

static void test_calls(void)
{
	int depth;

	rcu_init();
	rcu_init();
	rcu_register_thread();
	rcu_thread_online();
	rcu_quiescent_state();
	rcu_read_lock();
	_rcu_read_lock();
	depth = rcu_read_ongoing();
	tap_ok(depth == 2 && depth == _rcu_read_ongoing(),
	       "inline sections, with and without the underscore");
	tap_ok((rcu_reader.ctr ^ rcu_gp.word) == 3, "rcu_reader and rcu_gp");
	_rcu_read_unlock();
	rcu_read_unlock();
	rcu_thread_offline();
	synchronize_rcu();
	rcu_unregister_thread();
	tap_ok(!rcu_read_ongoing(), "all names called");
}

/* Through pointers, bare names and &: functions, not the inline code. */
static void test_addresses(void)
{
	void (*volatile lock)(void) = urcu_membarrier_read_lock;
	void (*volatile unlock)(void) = &urcu_membarrier_read_unlock;
	int (*volatile ongoing)(void) = urcu_membarrier_read_ongoing;
	void (*volatile short_lock)(void) = &rcu_read_lock;
	void (*volatile short_unlock)(void) = rcu_read_unlock;
	int (*volatile short_ongoing)(void) = &rcu_read_ongoing;
	int depth;

	tap_ok(lock == short_lock && unlock == short_unlock
	       && ongoing == short_ongoing, "one address by either name");
	lock();
	(urcu_membarrier_read_lock)();
	rcu_read_lock();
	depth = ongoing();
	tap_ok(depth == 3 && rcu_read_ongoing() == 3,
	       "functions and inline code count alike");
	rcu_read_unlock();
	(rcu_read_unlock)();
	unlock();
	tap_ok(!ongoing(), "and back");
}

static void heavy(void)
{
	umb_fence_heavy();
}

static void fence_queries(void)
{
	umb_fence_mode_name(umb_fence_mode());
	umb_fence_mode_name((enum umb_fence_mode) 99);
	umb_fence_select((enum umb_fence_mode) 99);
	umb_fence_select(umb_fence_mode());
	umb_fence_light();
}

static void ask_depth(void)
{
	rcu_read_ongoing();
}

static void nest_to_the_end(void)
{
	for (unsigned long n = 0; n < URCU_MEMBARRIER_NEST_MAX; n++)
		rcu_read_lock();
	for (unsigned long n = 0; n < URCU_MEMBARRIER_NEST_MAX; n++)
		rcu_read_unlock();
}

static void follow_pointers(void)
{
	static int value, *p;

	rcu_assign_pointer(p, &value);
	rcu_xchg_pointer(&p, rcu_dereference(p));
	rcu_cmpxchg_pointer(&p, &value, NULL);
}

struct step {
	const char *what;
	void (*act)(void);
};
static const struct step steps[] = {
	{ "fence queries", fence_queries },
	{ "a heavy fence", heavy },
	{ "a grace period", urcu_membarrier_synchronize_rcu },
	{ "offline, not registered", urcu_membarrier_thread_offline },
	{ "unregister, not registered", urcu_membarrier_unregister_thread },
	{ "the first section", urcu_membarrier_read_lock },
	{ "its depth", ask_depth },
	{ "nested", urcu_membarrier_read_lock },
	{ "left", urcu_membarrier_read_unlock },
	{ "offline in a section", urcu_membarrier_thread_offline },
	{ "register in a section", urcu_membarrier_register_thread },
	{ "a heavy fence in a section", heavy },
	{ "left altogether", urcu_membarrier_read_unlock },
	{ "a grace period, online", urcu_membarrier_synchronize_rcu },
	{ "online", urcu_membarrier_thread_online },
	{ "online again", urcu_membarrier_thread_online },
	{ "offline", urcu_membarrier_thread_offline },
	{ "unregister", urcu_membarrier_unregister_thread },
	{ "register", urcu_membarrier_register_thread },
	{ "register for the fence", umb_fence_register_thread },
	{ "quiescent state", urcu_membarrier_quiescent_state },
	{ "init", urcu_membarrier_init },
	{ "65520 sections", nest_to_the_end },
	{ "pointers", follow_pointers },
};

static void *step_all(void *arg)
{
	const char **changed_by = arg;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		errno = CANARY;
		steps[i].act();
		if (errno != CANARY)
			*changed_by = steps[i].what;
	}
	return NULL;
}

/* A reader that an updater sleeps on: wakes, sleeps, locks and all. */
static int inside, over;

static void *hold(void *arg)
{
	rcu_read_lock();
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	usleep(HOLD_US);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	errno = CANARY;
	rcu_read_unlock();
	*(int *) arg = errno;
	return NULL;
}

static void test_errno(void)
{
	const char *changed_by = "nobody";
	int readers = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, step_all, &changed_by);
	pthread_join(thread, NULL);
	tap_ok(!strcmp(changed_by, "nobody"), "errno was changed by %s",
	       changed_by);
	pthread_create(&thread, NULL, hold, &readers);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		usleep(50);
	errno = CANARY;
	synchronize_rcu();
	tap_ok(errno == CANARY, "nor by an updater that slept");
	tap_ok(__atomic_load_n(&over, __ATOMIC_SEQ_CST), "which it did");
	pthread_join(thread, NULL);
	tap_ok(readers == CANARY, "nor by the reader that woke it");
}

/* The functions behind <urcu/pointer.h>, and ours. */
static void test_pointers(void)
{
	static int a, b, *p;
	int *old;

	rcu_assign_pointer(p, &a);
	tap_ok(p == &a && rcu_dereference(p) == &a, "assign, dereference");
	old = rcu_xchg_pointer(&p, &b);
	tap_ok(old == &a && p == &b, "exchange");
	old = rcu_cmpxchg_pointer(&p, &a, NULL);
	tap_ok(old == &b && p == &b, "compare and exchange, refused");
	old = rcu_cmpxchg_pointer(&p, &b, &a);
	tap_ok(old == &b && p == &a, "compare and exchange, done");
	rcu_set_pointer(&p, NULL);
	tap_ok(!rcu_dereference(p), "set");
	umb_assign_pointer(p, &a);
	tap_ok(umb_dereference(p) == &a, "umb: assign, dereference");
	old = umb_xchg_pointer(&p, umb_xchg_pointer(&p, NULL));
	tap_ok(!old && p == &a, "umb: exchange in an exchange");
	old = umb_cmpxchg_pointer(&p, NULL, &b);
	tap_ok(old == &a && p == &a, "umb: compare and exchange, refused");
	old = umb_cmpxchg_pointer(&p, umb_dereference(p), &b);
	tap_ok(old == &a && p == &b, "umb: compare and exchange, done");
}

/* Pointers as they stand in structures: const, volatile, in arrays. */
static void test_qualified(void)
{
	static int value;
	static int *slots[2] = { NULL, &value };
	static struct node {
		struct node *next;
		const int *item;
	} second = { NULL, &value }, first = { &second, NULL };
	const struct node *n = &first;
	int *volatile v = &value, **walk = slots;

	n = umb_dereference(n->next);
	tap_ok(n == &second && umb_dereference(n->item) == &value,
	       "a member of a const structure");
	tap_ok(umb_dereference(v) == &value, "a volatile one");
	tap_ok(umb_dereference(*++walk) == &value && walk == &slots[1],
	       "an argument is evaluated once");
	umb_assign_pointer(*walk--, NULL);
	tap_ok(!slots[1] && walk == slots, "an assignment's as well");
}

int main(void)
{
	tap_begin();
	alarm(LIMIT_SECONDS);
	test_names();
	test_calls();
	test_addresses();
	test_errno();
	test_pointers();
	test_qualified();
	return tap_end();
}
