/* SPDX-License-Identifier: MIT */

/*
 * liburcu's headers first, then ours, in one source file. Built three times:
 * with the flavours by their long names, with the short names left to
 * <urcu.h> (UMB_TEST_THEIRS), and taken over from it (UMB_TEST_OURS).
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#if defined(UMB_TEST_THEIRS) || defined(UMB_TEST_OURS)
# include <urcu.h>
# ifdef UMB_TEST_THEIRS
#  undef URCU_API_MAP
#  define OWNER "urcu_memb_"
# else
#  define OWNER "urcu_membarrier_"
# endif
#else
# include <urcu/urcu-memb.h>
# ifdef UMB_TEST_QSBR
#  include <urcu/urcu-qsbr.h>
# endif
#endif
#include "urcu/urcu-membarrier.h"
#include "tests/lib/tap.h"

#define HOLD_US		(60 * 1000)
#define LIMIT_SECONDS	60

#define SPELLED_(name)	#name
#define SPELLED(name)	SPELLED_(name)

#ifdef OWNER
static void test_names(void)
{
	static const char *const names[] = {
		SPELLED(rcu_read_lock), SPELLED(rcu_read_unlock),
		SPELLED(rcu_read_ongoing), SPELLED(synchronize_rcu),
		SPELLED(rcu_register_thread), SPELLED(rcu_unregister_thread),
		SPELLED(rcu_thread_offline), SPELLED(rcu_thread_online),
		SPELLED(rcu_quiescent_state), SPELLED(rcu_init),
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		/* Theirs may be inlined under a name with an underscore. */
		wrong += strncmp(names[i] + (names[i][0] == '_'), OWNER,
				 sizeof OWNER - 1) != 0;
	tap_ok(!wrong, "the short names are %s...", OWNER);
}

static void test_short_names(void)
{
	rcu_register_thread();
	rcu_read_lock();
	tap_ok(rcu_read_ongoing(), "a section by its short name");
	tap_ok(!urcu_membarrier_read_ongoing()
	       == !strcmp(OWNER, "urcu_memb_"), "is the right flavour's");
	rcu_read_unlock();
	synchronize_rcu();
	rcu_unregister_thread();
}
#else
static void test_names(void)
{
	/* Mapped names spell something else. */
	tap_ok(!strcmp(SPELLED(rcu_read_lock), "rcu_read_lock")
	       && !strcmp(SPELLED(synchronize_rcu), "synchronize_rcu"),
	       "nobody has the short names");
}

static void test_short_names(void)
{
}
#endif

/* Both flavours' sections in one thread, each waited for by its own only. */
static int inside, over, wanted_over;

static void *hold_ours(void *arg)
{
	urcu_memb_register_thread();
	urcu_membarrier_read_lock();
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&wanted_over, __ATOMIC_SEQ_CST))
		usleep(50);
	usleep(HOLD_US);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	urcu_membarrier_read_unlock();
	urcu_memb_unregister_thread();
	return arg;
}

static void *hold_theirs(void *arg)
{
	urcu_memb_register_thread();
	urcu_memb_read_lock();
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&wanted_over, __ATOMIC_SEQ_CST))
		usleep(50);
	usleep(HOLD_US);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	urcu_memb_read_unlock();
	urcu_memb_unregister_thread();
	return arg;
}

static void test_held(void *(*hold)(void *), void (*other)(void),
		      void (*own)(void), const char *whose)
{
	pthread_t thread;

	inside = over = wanted_over = 0;
	pthread_create(&thread, NULL, hold, NULL);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		usleep(50);
	other();	/* or the alarm ends it */
	__atomic_store_n(&wanted_over, 1, __ATOMIC_SEQ_CST);
	own();
	tap_ok(__atomic_load_n(&over, __ATOMIC_SEQ_CST),
	       "a section of %s is waited for by its own flavour only", whose);
	pthread_join(thread, NULL);
}

static int called;

static void count_call(struct rcu_head *head)
{
	(void) head;
	__atomic_fetch_add(&called, 1, __ATOMIC_SEQ_CST);
}

static void count_defer(void *arg)
{
	*(int *) arg = 1;
}

/* Their long names, whoever has the short ones. */
static void test_theirs_complete(void)
{
	struct rcu_head head;
	int deferred = 0;

	urcu_memb_register_thread();
	urcu_memb_call_rcu(&head, count_call);
	urcu_memb_barrier();
	tap_ok(called == 1, "their call_rcu");
	urcu_memb_defer_register_thread();
	urcu_memb_defer_rcu(count_defer, &deferred);
	urcu_memb_defer_barrier();
	tap_ok(deferred, "their defer_rcu");
	urcu_memb_defer_unregister_thread();
	urcu_memb_unregister_thread();
	tap_ok(urcu_memb_flavor.update_synchronize_rcu
	       == urcu_memb_synchronize_rcu, "their flavour's structure");
}

static void test_qsbr(void)
{
#ifdef UMB_TEST_QSBR
	urcu_qsbr_register_thread();
	urcu_qsbr_read_lock();
	urcu_membarrier_read_lock();
	urcu_membarrier_read_unlock();
	urcu_qsbr_read_unlock();
	urcu_qsbr_quiescent_state();
	urcu_qsbr_thread_offline();
	urcu_membarrier_synchronize_rcu();
	urcu_qsbr_thread_online();
	urcu_qsbr_synchronize_rcu();
	urcu_qsbr_unregister_thread();
	tap_ok(!urcu_membarrier_read_ongoing(), "a third flavour, QSBR");
#endif
}

int main(void)
{
	tap_begin();
	alarm(LIMIT_SECONDS);
	test_names();
	test_short_names();
	test_held(hold_ours, urcu_memb_synchronize_rcu,
		  urcu_membarrier_synchronize_rcu, "ours");
	test_held(hold_theirs, urcu_membarrier_synchronize_rcu,
		  urcu_memb_synchronize_rcu, "theirs");
	test_theirs_complete();
	test_qsbr();
	return tap_end();
}
