/* SPDX-License-Identifier: MIT */

/*
 * fork() at leisure: from everywhere, beside all sorts of company, with all
 * sorts of things begun; parent and child both go on. Each plan is carried out
 * in a process of its own.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/lib/family.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define LIMIT_SECONDS	60
#define FORKERS		4
#define PENDING		300UL	/* more than a chunk of callbacks */
#define NAP_US		500
#define SLOW_US		60000	/* longer than a fork has patience */
#define SHORT_US	3000	/* shorter than that */
#define SHORT_TRIES	10
#define CROWD		1200
#define STACK_BYTES	((size_t) 65536)

/* Who forks. */
enum place { HERE, THREAD, CALLBACK, OWN_CALLBACK, DEFERRED };

static const struct plan {
	const char *what;
	enum place place;
	const char *company;
	const char *before;		/* the parent's acts */
	const char *child;
	const char *parent;		/* after the fork, the child at work */
} plans[] = {
	{ "nothing used before, nothing after", HERE, "", "", "", "" },
	{ "nothing used before", HERE, "", "", "rsSfpcCdDewtgb", "rscdt" },
	{ "all used before", HERE, "", "rscdpewt", "rsSfpcCdDewtgb", "rscdt" },
	{ "child idle, all used before", HERE, "", "rscdpew", "", "rscd" },
	{ "grandchildren at once", HERE, "", "rscd", "ggrsc", "g" },
	{ "unregistered, having read", HERE, "", "rscu", "rscdtg", "rsc" },
	{ "in a section", HERE, "", "(", "rqfKWPscdtg", "rqfWcd" },
	{ "in a nested section", HERE, "", "rsc((", "rqfK)WPscdt", "rq)Wcd" },
	{ "in a section, child forks in it", HERE, "rs", "(", "gW", "rqWcd" },
	{ "in a thread", THREAD, "", "", "rsSfpcCdDewtgb", "rscdt" },
	{ "in a thread that has read", THREAD, "", "rscdpi", "rscCDdDwtgb", "rscd" },
	{ "in a thread, in a section", THREAD, "rq", "r((", "r)Wscdtg", ")Wsc" },
	{ "in a callback", CALLBACK, "", "rc", "rsqfi", "rscd" },
	{ "in a callback, in company", CALLBACK, "rsqpim", "rcd", "rsqfi", "rscd" },
	{ "in a callback, in a section", CALLBACK, "rsq", "c", "(rqW", "rscd" },
	{ "in a worker of one's own", OWN_CALLBACK, "q", "rc", "rsqfi", "rscd" },
	{ "in a deferred call", DEFERRED, "qi", "rc", "rsqf", "rscd" },
	{ "callbacks are queued", HERE, "R", "q", "qC", "" },
	{ "callbacks are queued, barrier", HERE, "R", "qq", "cscC", "" },
	{ "callbacks are queued, more are in the child", HERE, "R", "q", "qCqgc", "" },
	{ "callbacks are queued, fork of fork", HERE, "R", "q", "gcg", "" },
	{ "calls are deferred", HERE, "R", "i", "qD", "" },
	{ "calls are deferred, barrier", HERE, "R", "i", "dD", "" },
	{ "calls are deferred, more are in the child", HERE, "R", "i", "iDg", "" },
	{ "a cookie was made", HERE, "R", "K", "P", "" },
	{ "a cookie was made, in a section", HERE, "r", "(K", "WPp", "WP" },
	{ "another thread's grace period sleeps", HERE, "RL", "r", "sScpdt", "" },
	{ "the same, in a section", HERE, "RL", "(", "rWsScpt", ")" },
	{ "the same, and callbacks queued", HERE, "RL", "qiK", "PqCDscdt", "" },
	{ "several grace periods wait", HERE, "RLLL", "q", "ssqCtc", "" },
	{ "beside readers", HERE, "rrr", "", "rscdtg", "rscd" },
	{ "beside updaters", HERE, "sss", "r", "rscdtg", "rscd" },
	{ "beside callbacks", HERE, "qqm", "", "rscdtg", "rscd" },
	{ "beside pollers", HERE, "ppp", "", "rscpdtg", "rpcd" },
	{ "beside deferred calls", HERE, "iid", "", "rscdDtg", "rscd" },
	{ "beside heavy fences", HERE, "ffr", "", "rfscdtg", "rfcd" },
	{ "beside heavy fences, signals blocked", HERE, "ffBr", "r", "rfscdtg", "rf" },
	{ "beside threads that come and go", HERE, "xxs", "", "rscdtg", "rscd" },
	{ "beside barriers", HERE, "ccd", "", "rscdtg", "rscd" },
	{ "beside workers that come and go", HERE, "wwq", "", "rscdwtg", "rscd" },
	{ "beside all, in a section", HERE, "rsqpifx", "((", "r)WscdpDtg", "rWcd" },
	{ "beside politer forks", HERE, "bq", "r", "rscdtg", "rscd" },
	{ "beside all, politely", HERE, "rsqpif", "b", "b", "b" },
};

static const struct plan *plan;
static pid_t child;

static void end_child(void)
{
	family_count();
	family_end(strlen(plan->what) % 2);
}

/* Behind everything that was queued before, by the worker. */
static void last_callback(struct rcu_head *head)
{
	(void) head;
	family_end(0);
}

/* In the child of a callback: the worker goes on alone, and ends it. */
static void live_in_callback(void)
{
	static struct rcu_head last;

	family_act(plan->child);
	call_rcu(&last, last_callback);
}

static void fork_here(void)
{
	pid_t pid = family_fork();

	if (!pid && plan->place >= CALLBACK) {
		live_in_callback();
		return;
	}
	if (!pid) {
		family_act(plan->child);
		end_child();
	}
	__atomic_store_n(&child, pid, __ATOMIC_SEQ_CST);
}

static void in_callback(struct rcu_head *head)
{
	(void) head;
	fork_here();
}

static void in_deferred(void *p)
{
	(void) p;
	fork_here();
}

static void *in_thread(void *arg)
{
	family_act(plan->before);
	fork_here();
	family_act(plan->parent);
	return arg;
}

static void fork_at_place(void)
{
	static struct rcu_head head;
	struct call_rcu_data *own = NULL;
	pthread_t thread;

	switch (plan->place) {
	case HERE:
		fork_here();
		break;
	case THREAD:
		pthread_create(&thread, NULL, in_thread, NULL);
		pthread_join(thread, NULL);
		break;
	case OWN_CALLBACK:
		own = create_call_rcu_data(0, -1);
		set_thread_call_rcu_data(own);
		/* fall through */
	case CALLBACK:
		call_rcu(&head, in_callback);
		set_thread_call_rcu_data(NULL);
		break;
	case DEFERRED:
		rcu_defer_barrier();
		defer_rcu(in_deferred, NULL);
		break;
	}
	while (!__atomic_load_n(&child, __ATOMIC_SEQ_CST))
		usleep(NAP_US);
	call_rcu_data_free(own);
}

/* Callbacks that may be cut short by the fork, and are in the child for ever. */
static unsigned long workers_of(const char *company)
{
	unsigned long n = strpbrk(company, "qcxbdi") != NULL;

	for (; *company; company++)
		n += *company == 'w';
	return n;
}

static void carry_out(void)
{
	family_limit(LIMIT_SECONDS);
	company_begin(plan->company);
	family_forgive(workers_of(plan->company));
	if (plan->place != THREAD)
		family_act(plan->before);
	fork_at_place();
	if (plan->place != THREAD)
		family_act(plan->parent);
	family_wait(child);
	company_end();
	family_count();
	family_end(1);
}

static void test_plan(const struct plan *p)
{
	pid_t pid;

	plan = p;
	pid = family_fork();
	if (!pid)
		carry_out();
	tap_ok(family_wait(pid), "%s", p->what);
}

/* In a process of its own. */
static void test(void (*run)(void), const char *what)
{
	pid_t pid = family_fork();

	if (!pid) {
		family_limit(LIMIT_SECONDS);
		run();
		family_count();
		family_end(1);
	}
	tap_ok(family_wait(pid), "%s", what);
}

static unsigned long ran;
static int slow_is_in, slow_may_end;

static void count(struct rcu_head *head)
{
	(void) head;
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
}

static void be_slow(void)
{
	__atomic_store_n(&slow_is_in, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&slow_may_end, __ATOMIC_SEQ_CST))
		usleep(NAP_US);
}

static void slow(struct rcu_head *head)
{
	(void) head;
	be_slow();
}

static void slow_deferred(void *p)
{
	(void) p;
	be_slow();
}

static void await_slow(void)
{
	while (!__atomic_load_n(&slow_is_in, __ATOMIC_SEQ_CST))
		usleep(NAP_US);
}

/* All in one batch: the first does not return before the fork. */
static void queue_behind_slow(struct call_rcu_data *own)
{
	static struct rcu_head first, heads[PENDING];

	set_thread_call_rcu_data(own);
	rcu_read_lock();
	call_rcu(&first, slow);
	for (unsigned long i = 0; i < PENDING; i++)
		call_rcu(&heads[i], count);
	rcu_read_unlock();
	set_thread_call_rcu_data(NULL);
	await_slow();
}

static void both_go_on(struct call_rcu_data *own, int free_it)
{
	pid_t pid = family_fork();

	__atomic_store_n(&slow_may_end, 1, __ATOMIC_SEQ_CST);
	/* Who was in the middle is not waited for in the child. */
	family_act("b");
	if (free_it)
		call_rcu_data_free(own);
	rcu_barrier();
	family_expect(ran == PENDING, "%lu of %lu callbacks have run", ran,
		      PENDING);
	family_act("rscdDt");
	if (!pid)
		family_end(0);
	family_wait(pid);
}

static void behind_slow(void)
{
	queue_behind_slow(NULL);
	both_go_on(NULL, 0);
}

static void behind_slow_own(void)
{
	struct call_rcu_data *own = create_call_rcu_data(0, -1);

	queue_behind_slow(own);
	both_go_on(own, 0);
}

static void behind_slow_freed(void)
{
	struct call_rcu_data *own = create_call_rcu_data(URCU_CALL_RCU_RT, -1);

	queue_behind_slow(own);
	both_go_on(own, 1);
}

static void short_callback(struct rcu_head *head)
{
	__atomic_store_n(&slow_is_in, 1, __ATOMIC_SEQ_CST);
	usleep(SHORT_US);
	count(head);
}

static int child_has_run(void)
{
	int status = -1;
	pid_t pid = family_fork();

	if (!pid)
		_exit(!ran);
	waitpid(pid, &status, 0);
	return !status;
}

/* One that returns in time is complete in the child; not always, on a busy machine. */
static void amid_short(void)
{
	static struct rcu_head head;
	unsigned long complete = 0;

	for (int i = 0; i < SHORT_TRIES && !complete; i++) {
		slow_is_in = ran = 0;
		call_rcu(&head, short_callback);
		await_slow();
		complete += child_has_run();
		rcu_barrier();
	}
	family_expect(complete != 0, "no fork has waited for a callback");
}

/* The ring's own callback is in the middle of its work. */
static void amid_deferred(void)
{
	pid_t pid;

	defer_rcu(slow_deferred, NULL);
	await_slow();
	pid = family_fork();
	if (!pid) {
		family_act("iDdit");
		family_end(1);
	}
	__atomic_store_n(&slow_may_end, 1, __ATOMIC_SEQ_CST);
	family_act("iDd");
	family_wait(pid);
}

static void *fork_some(void *arg)
{
	for (unsigned long n = tap_scale(20, 2); n; n--)
		family_act(n % 2 ? "g" : "qgb");
	return arg;
}

static void forkers(void)
{
	pthread_t threads[FORKERS];

	family_forgive(1);
	for (int i = 0; i < FORKERS; i++)
		pthread_create(&threads[i], NULL, fork_some, NULL);
	for (int i = 0; i < FORKERS; i++)
		pthread_join(threads[i], NULL);
}

static void handler(void)
{
	family_act("r");
}

/* The program's own handlers read, beside ours. */
static void with_handlers(void)
{
	pthread_atfork(handler, handler, handler);
	family_act("cgrg(gWg");
}

static void politely_from_handlers(void)
{
	pthread_atfork(call_rcu_before_fork, call_rcu_after_fork_parent,
		       call_rcu_after_fork_child);
	company_begin("qri");
	family_act("cgcbg(gWg");
	company_end();
}

/* No callback runs between the two calls, however long. */
static void politely_paused(void)
{
	unsigned long before;
	pid_t pid;

	family_act("q");
	call_rcu_before_fork();
	call_rcu_before_fork();
	before = family_ran();
	family_act("q");
	pid = family_fork();
	if (!pid) {
		call_rcu_after_fork_child();
		usleep(SLOW_US);
		family_expect(family_ran() == before, "a callback ran too early");
		call_rcu_after_fork_child();
		family_act("qCc");
		family_end(0);
	}
	usleep(SLOW_US);
	call_rcu_after_fork_parent();
	usleep(SLOW_US);
	family_expect(family_ran() == before, "a callback ran too early");
	call_rcu_after_fork_parent();
	family_act("Cc");
	family_wait(pid);
}

static pthread_barrier_t all_here, all_leave;

static void *be_there(void *arg)
{
	family_act("r");
	pthread_barrier_wait(&all_here);
	pthread_barrier_wait(&all_leave);
	return arg;
}

static void beside_a_crowd(void)
{
	static pthread_t threads[CROWD];
	unsigned int n = (unsigned int) tap_scale(CROWD, 20);
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_barrier_init(&all_here, NULL, n + 1);
	pthread_barrier_init(&all_leave, NULL, n + 1);
	for (unsigned int i = 0; i < n; i++)
		if (pthread_create(&threads[i], &attr, be_there, NULL))
			abort();
	pthread_barrier_wait(&all_here);
	family_act("g(gWrscd");
	pthread_barrier_wait(&all_leave);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	tap_begin();
	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
		test_plan(&plans[i]);
	test(behind_slow, "callbacks behind one that is in the middle");
	test(behind_slow_own, "the same, in a worker of one's own");
	test(behind_slow_freed, "the same, and it is freed");
	test(amid_short, "a short callback in the middle");
	test(amid_deferred, "a deferred call in the middle");
	test(forkers, "several threads fork at the same time");
	test(with_handlers, "handlers of the program's that read");
	test(politely_from_handlers, "call_rcu_before_fork by pthread_atfork");
	test(politely_paused, "no callback runs around a polite fork");
	test(beside_a_crowd, "many threads are registered");
	return tap_end();
}
