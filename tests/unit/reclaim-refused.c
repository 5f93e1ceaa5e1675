/* SPDX-License-Identifier: MIT */

/*
 * What reclamation needs is refused, by a filter: threads, and the fence of lazy
 * workers. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/policy.h"
#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define MANY	2000
#define MEMBARRIER_GLOBAL	1	/* MEMBARRIER_CMD_GLOBAL */

static struct rcu_head heads[MANY];
static pthread_t where;
static int usr1_blocked;

static void count(struct rcu_head *head)
{
	sigset_t mask;

	(void) head;
	where = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	usr1_blocked = sigismember(&mask, SIGUSR1);
	expect(!rcu_read_ongoing(), "outside sections");
	note_run();
}

static void filter(const struct policy_rule *rules)
{
	if (policy_load(rules))
		case_skip("the filter is refused");
}

static const struct policy_rule no_threads[POLICY_RULES] = {
	ALL_OF(clone, REFUSE(EAGAIN)),
	ALL_OF(clone3, REFUSE(EAGAIN)),
};

static uint64_t workers(void)
{
	struct umb_stats stats;

	expect(!umb_stats_get(&stats, sizeof stats), "stats");
	return stats.workers;
}

/* A reader that was there before. */
static struct reader reader;

static void begin(void)
{
	reader_start(&reader);
	filter(no_threads);
	errno = CASE_ERRNO;
}

static void without_threads(const void *arg)
{
	struct rcu_head again;
	sigset_t mask;

	(void) arg;
	begin();
	for (int i = 0; i < 3; i++) {
		reader_enter(&reader);
		errno = CASE_ERRNO;
		for (int j = 0; j < MANY; j++)
			call_rcu(&heads[j], count);
		reader_leave_soon(&reader);
		rcu_barrier();
		expect(errno == CASE_ERRNO, "errno stays");
		expect(load(&ran) == (i + 1) * MANY + i && !load(&early),
		       "a barrier runs callbacks, in time");
		expect(pthread_equal(where, pthread_self()) && usr1_blocked,
		       "itself, with signals blocked");
		/* It may do what it may not in callbacks. */
		call_rcu(&again, count);
		rcu_barrier();
		usr1_blocked = 1;
	}
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	expect(sigismember(&mask, SIGUSR1) == (getenv("UMB_TEST_BLOCKED") != NULL),
	       "the caller's mask is as it was");
	expect(!workers(), "there is no thread");
	reader_stop(&reader);
}

static void call_barrier(struct rcu_head *head)
{
	(void) head;
	rcu_barrier();
}

/* Also where it is a barrier that runs it. */
static void barrier_in_callback(const void *arg)
{
	static const struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t child;

	(void) arg;
	child = fork();
	if (!child) {
		alarm(CASE_SECONDS / 2);
		/* Where the filter is refused, a worker runs it. */
		policy_load(no_threads);
		setrlimit(RLIMIT_CORE, &no_core);
		close(STDERR_FILENO);
		call_rcu(&heads[0], call_barrier);
		rcu_barrier();
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child && WIFSIGNALED(status)
	       && WTERMSIG(status) == SIGABRT, "it aborts");
}

static int left = 50;

static void again(struct rcu_head *head)
{
	note_run();
	if (--left)
		call_rcu(head, again);
}

/* Callbacks of callbacks: by the next barrier, if not by this one. */
static void requeued(const void *arg)
{
	(void) arg;
	begin();
	call_rcu(&heads[0], again);
	while (load(&ran) < 50)
		rcu_barrier();
	rcu_barrier();
	expect(load(&ran) == 50, "all have run");
	reader_stop(&reader);
}

static void *barrier(void *arg)
{
	for (int i = 0; i < 100; i++)
		rcu_barrier();
	return arg;
}

static void several_barriers(const void *arg)
{
	pthread_t threads[3];

	(void) arg;
	/* The threads wait for the filter, in a barrier of their own. */
	rcu_read_lock();
	for (int i = 0; i < 3; i++)
		start_thread(&threads[i], barrier, NULL);
	filter(no_threads);
	store(&holding, 1);
	for (int i = 0; i < MANY; i++)
		call_rcu(&heads[i], count);
	nap(READER_STAYS_US);
	store(&holding, 0);
	rcu_read_unlock();
	rcu_barrier();
	expect(load(&ran) == MANY && !early, "all have run, in time");
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void no_workers(const void *arg)
{
	(void) arg;
	begin();
	expect(!create_call_rcu_data(0, -1), "no worker without a thread");
	expect(create_all_cpu_call_rcu_data(0) == -EAGAIN, "nor all CPUs'");
	for (int i = 0; i < 4; i++)
		expect(!get_cpu_call_rcu_data(i), "no CPU has one");
	expect(pthread_equal(get_call_rcu_thread(get_default_call_rcu_data()),
			     pthread_self()), "the thread is the caller");
	expect(errno == CASE_ERRNO, "errno stays");
	free_all_cpu_call_rcu_data();
	call_rcu(&heads[0], count);
	rcu_barrier();
	expect(load(&ran) == 1, "callbacks run");
	reader_stop(&reader);
}

/* By stacks that are too large, unless a thread that has ended left its own. */
static int no_more_threads(int refuse)
{
	static pthread_attr_t was;
	pthread_attr_t large;
	int ret;

	if (!refuse)
		return pthread_setattr_default_np(&was);
	ret = pthread_getattr_default_np(&was);
	if (ret || (ret = pthread_attr_init(&large)))
		return ret;
	ret = pthread_attr_setstacksize(&large, SIZE_MAX / 4 * 3 & ~0xFFFFUL);
	return ret ? ret : pthread_setattr_default_np(&large);
}

static void *nothing(void *arg)
{
	return arg;
}

static void allowed_again(const void *arg)
{
	pthread_t thread;

	(void) arg;
	reader_start(&reader);
	if (no_more_threads(1) || !pthread_create(&thread, NULL, nothing, NULL))
		case_skip("threads cannot be refused");
	call_rcu(&heads[0], count);
	expect(!workers(), "no thread");
	if (arg)
		rcu_barrier();
	expect(load(&ran) == (arg != NULL), "the barrier runs it, or nobody");
	no_more_threads(0);
	for (int i = 1; i < MANY; i++)
		call_rcu(&heads[i], count);
	await(&ran, MANY);
	expect(!pthread_equal(where, pthread_self()), "by a worker");
	expect(workers() == 1, "which is there");
	reader_stop(&reader);
}

/* Lazy workers without the fence that interrupts nobody. */
static const struct policy_rule no_global[POLICY_RULES] = {
	COMMAND(REFUSE(EINVAL), MEMBARRIER_GLOBAL),
};

static void without_quiet_fence(const void *arg)
{
	struct umb_stats stats;

	(void) arg;
	if (umb_fence_mode() == UMB_FENCE_GLOBAL)
		case_skip("the mode is the command");
	reader_start_online(&reader);
	filter(no_global);
	expect(!umb_reclaim_set_lazy(get_default_call_rcu_data(), 1000000),
	       "lazy");
	for (int i = 0; i < 4; i++) {
		reader_enter(&reader);
		call_rcu(&heads[i], count);
		nap(READER_STAYS_US);
		reader_leave_soon(&reader);
		await(&ran, i + 1);
	}
	rcu_barrier();
	expect(load(&ran) == 4 && !early, "all have run in time");
	expect(!umb_stats_get(&stats, sizeof stats), "stats");
	expect(stats.batches == 4 && !stats.lazy, "and interrupted somebody");
	reader_stop(&reader);
}

int main(void)
{
	tap_begin();
	case_run(without_threads, NULL, "without threads");
	case_run(barrier_in_callback, NULL, "a barrier in its own callback");
	case_run(requeued, NULL, "callbacks that queue");
	case_run(several_barriers, NULL, "several barriers without a thread");
	case_run(no_workers, NULL, "no workers");
	case_run(allowed_again, NULL, "threads are allowed again");
	case_run(allowed_again, "barrier", "and after a barrier");
	case_run(without_quiet_fence, NULL, "lazy without a quiet fence");
	return tap_end();
}
