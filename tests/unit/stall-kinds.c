/* SPDX-License-Identifier: MIT */

/*
 * Stalls of all who wait: grace periods of each sort, heavy fences, and those who
 * wait for a leader. White-box: the library's calls go through this program, which
 * can refuse them, or hold whoever makes them.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>

#include "fence/backend.h"
#include "fence/fence.h"
#include "tests/lib/cpu.h"
#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#define FOLLOWERS	3

static int no_visits;
static int hold_fences, hold_leaders;	/* 1: hold them, 2: let them go */
static int at_fence, at_leader;

int __real_umbi_cpus_set(const struct umbi_cpus *set);
int __wrap_umbi_cpus_set(const struct umbi_cpus *set);
int __real_umbi_membarrier(int cmd);
int __wrap_umbi_membarrier(int cmd);
int __real_umbi_fence_online(void);
int __wrap_umbi_fence_online(void);

int __real_umbi_handler_check(int signal);
int __wrap_umbi_handler_check(int signal);

static int nothing_works;

int __wrap_umbi_handler_check(int signal)
{
	return load(&nothing_works) ? -EAGAIN : __real_umbi_handler_check(signal);
}

int __wrap_umbi_cpus_set(const struct umbi_cpus *set)
{
	return load(&no_visits) ? -EPERM : __real_umbi_cpus_set(set);
}

/* Nor is membarrier a way out, which would be taken after a while. */
int __real_umbi_fence_has_kernel(void);
int __wrap_umbi_fence_has_kernel(void);
int __wrap_umbi_fence_has_kernel(void)
{
	return !load(&no_visits) && __real_umbi_fence_has_kernel();
}

static void pass(const int *hold, int *at)
{
	if (!load(hold))
		return;
	add(at, 1);
	await(hold, 2);
}

int __wrap_umbi_membarrier(int cmd)
{
	pass(&hold_fences, &at_fence);
	if (load(&nothing_works))
		return -ENOMEM;
	return __real_umbi_membarrier(cmd);
}

int __wrap_umbi_fence_online(void)
{
	pass(&hold_leaders, &at_leader);
	return __real_umbi_fence_online();
}

/* Who waits, and for a reader. */

static void *poll_on(void *arg)
{
	struct urcu_gp_poll_state state =
		urcu_membarrier_start_poll_synchronize_rcu();

	errno = CASE_ERRNO;
	while (!urcu_membarrier_poll_state_synchronize_rcu(state))
		nap(500);
	expect(errno == CASE_ERRNO, "errno stays");
	return arg;
}

/* Each for less than the limit. */
static void *time_out(void *arg)
{
	errno = CASE_ERRNO;
	while (umb_synchronize_timeout_ns(LIMIT / 4))
		;
	expect(errno == CASE_ERRNO, "errno stays");
	return arg;
}

static void *do_not_wait(void *arg)
{
	while (umb_synchronize_timeout_ns(0))
		nap(500);
	return arg;
}

static struct rcu_head head;

static void *queue(void *arg)
{
	urcu_membarrier_call_rcu(&head, count_run);
	await(&ran, 1);
	return arg;
}

static void *queue_lazily(void *arg)
{
	expect(!umb_reclaim_set_lazy(
			urcu_membarrier_get_default_call_rcu_data(), MS),
	       "a lazy worker");
	return queue(arg);
}

static void *barrier(void *arg)
{
	urcu_membarrier_call_rcu(&head, count_run);
	urcu_membarrier_barrier();
	return arg;
}

static void *defer(void *arg)
{
	urcu_membarrier_defer_rcu((void (*)(void *)) note_run, NULL);
	urcu_membarrier_defer_barrier();
	return arg;
}

static void *wait_for_it(void *arg)
{
	struct updater u = { 0 };

	update(&u);
	return arg;
}

static const struct waiter {
	const char *name;
	void *(*wait)(void *arg);
	int two;		/* threads that wait; the second began later */
} waiters[] = {
	{ "synchronize_rcu", wait_for_it, 0 },
	{ "a grace period that is polled", poll_on, 0 },
	{ "one that is given up again and again", time_out, 0 },
	{ "one that is not waited for", do_not_wait, 0 },
	{ "a callback", queue, 0 },
	{ "a lazy callback", queue_lazily, 0 },
	{ "a barrier", barrier, 1 },
	{ "a deferred call", defer, 1 },
};

static void for_a_reader(const struct waiter *w, enum umb_fence_mode mode)
{
	struct stuck s = { 0 };
	pthread_t thread;

	case_mode(mode);
	set_limit(note, LIMIT);
	stuck_start(&s);
	start_thread(&thread, w->wait, NULL);
	await(&noted, 3);
	stuck_end(&s);
	pthread_join(thread, NULL);
	hush();
	for (int i = 0; i < 3; i++) {
		expect(notes[i].tid == s.tid && notes[i].count == 1,
		       "it is told of the reader");
		expect(notes[i].waited_ns >= (w->two || load(&others) ? LIMIT
				: (LIMIT << i << 1) - LIMIT), "in time");
	}
}

static void by_membarrier(const void *arg)
{
	case_needs_membarrier();
	for_a_reader(arg, umb_fence_mode());
}

static void by_signals(const void *arg)
{
	for_a_reader(arg, UMB_FENCE_SIGNAL);
}

static void by_visits(const void *arg)
{
	for_a_reader(arg, UMB_FENCE_VISIT);
}

/* A fence, and threads that do not take its signal. */

static void *fence(void *arg)
{
	errno = CASE_ERRNO;
	if (arg)
		umbi_fence_online();
	else
		umb_fence_heavy();
	expect(errno == CASE_ERRNO, "errno stays");
	return NULL;
}

static void expect_fences(int n, const struct worker *workers)
{
	expect(notes[0].kind == UMB_STALL_FENCE
	       && (int) notes[0].count == n && !notes[0].index,
	       "so many threads have not passed it");
	for (int i = 0; i < n; i++) {
		int known = 0;

		for (int j = 0; j < n; j++)
			known |= notes[i].tid == workers[j].tid;
		expect(known && notes[i].blocks_signal == 1
		       && !notes[i].depth && notes[i].waited_ns >= LIMIT,
		       "they block the signal");
	}
}


static void two_cpus(void)
{
	if (cpu_count() < 2)
		case_skip("one CPU only");
}

/*
 * Where the caller, or one who answers, is on the only CPU there is no need to go
 * anywhere. So nobody answers.
 */
static void signals_only(void)
{
	two_cpus();
	case_mode(UMB_FENCE_SIGNAL);
	catch_stderr();		/* it says that signals do not arrive */
}

/* Nor by chance: who is moved while he asks has been on both. */
static void forbid_visits(void)
{
	cpu_set_t cpus;

	expect(!sched_getaffinity(0, sizeof cpus, &cpus)
	       && !cpu_pin(cpu_nth(&cpus, 0)), "the asking thread is pinned");
	store(&no_visits, 1);
}

static void for_signals(const void *arg)
{
	int n = *(const int *) arg;
	struct worker w[4];
	struct stuck s = { .blocked = 1, .depth = 2, .first = 1 };
	pthread_t thread;

	signals_only();
	set_limit(note_any, LIMIT);
	for (int i = 0; i < n; i++)
		worker_start(&w[i], BLOCKED | SLEEPS | (i ? READS : 0), -1);
	if (!n)
		stuck_start(&s);
	forbid_visits();
	start_thread(&thread, fence, NULL);
	await(&noted, n ? 2 * n : 1);
	store(&no_visits, 0);
	pthread_join(thread, NULL);
	hush();
	if (n)
		expect_fences(n, w);
	else
		expect(notes[0].kind == UMB_STALL_FENCE && notes[0].tid == s.tid
		       && notes[0].blocks_signal == 1,
		       "a section is not what it waits for");
	for (int i = 0; i < n; i++)
		worker_stop(&w[i]);
	if (!n)
		stuck_end(&s);
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode stays");
}

/* The same of a grace period's fence, which is another scope. */
static void for_online(const void *arg)
{
	struct worker w;
	struct updater u;

	(void) arg;
	signals_only();
	set_limit(note_any, LIMIT);
	worker_start(&w, BLOCKED | READS | SLEEPS, -1);
	forbid_visits();
	updater_start(&u);
	await(&noted, 1);
	store(&no_visits, 0);
	updater_end(&u);
	hush();
	expect_fences(1, &w);
	worker_stop(&w);
}


/* A leader that does not get on. */

static void expect_leader(pid_t tid)
{
	expect(notes[0].kind == UMB_STALL_LEADER && notes[0].tid == tid
	       && notes[0].count == 1 && !notes[0].index, "it is the leader");
	expect(!notes[0].depth && !notes[0].entered
	       && notes[0].waited_ns >= LIMIT, "that the others wait for");
}

static pid_t fencer;

static void *lead_fence(void *arg)
{
	fencer = own_tid();
	return fence(arg);
}

static void fence_leader(const void *arg)
{
	pthread_t leader, others[FOLLOWERS];

	(void) arg;
	case_needs_membarrier();
	set_limit(note_any, LIMIT);
	store(&hold_fences, 1);
	start_thread(&leader, lead_fence, NULL);
	await(&at_fence, 1);
	nap(2 * LIMIT / 1000);
	expect(!load(&noted), "it does not tell of itself");
	for (int i = 0; i < FOLLOWERS; i++)
		start_thread(&others[i], fence, NULL);
	await(&noted, 1);
	store(&hold_fences, 2);
	pthread_join(leader, NULL);
	for (int i = 0; i < FOLLOWERS; i++)
		pthread_join(others[i], NULL);
	hush();
	expect_leader(fencer);
}

/* One who tries again and again is told of, as nobody else is in the way. */
static void no_fence_for_now(const void *arg)
{
	struct worker w;
	pthread_t leader;

	(void) arg;
	two_cpus();
	worker_start(&w, SLEEPS, -1);
	set_limit(note_any, LIMIT);
	store(&no_visits, 1);
	store(&nothing_works, 1);
	start_thread(&leader, lead_fence, NULL);
	await(&noted, 2);
	store(&nothing_works, 0);
	store(&no_visits, 0);
	pthread_join(leader, NULL);
	hush();
	worker_stop(&w);
	expect_leader(fencer);
}

static void grace_period_leader(const void *arg)
{
	struct updater leader, others[FOLLOWERS];
	struct worker online;

	set_limit(note_any, LIMIT);
	worker_start(&online, READS | SLEEPS, -1);
	store(&hold_leaders, 1);
	updater_start(&leader);
	await(&at_leader, 1);
	if (arg) {
		start_thread(&others[0].thread, time_out, NULL);
		nap(4 * LIMIT / 1000);
	}
	for (int i = !!arg; i < FOLLOWERS; i++)
		updater_start(&others[i]);
	await(&noted, 3);
	store(&hold_leaders, 2);
	updater_end(&leader);
	for (int i = 0; i < FOLLOWERS; i++)
		pthread_join(others[i].thread, NULL);
	hush();
	expect_leader(leader.tid);
	worker_stop(&online);
}

/* Others who give up do not make it tell more often: the gaps double. */
static void beside_impatient(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;
	uint64_t least = LIMIT;
	pthread_t thread;

	(void) arg;
	set_limit(note, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	await(&noted, 1);
	start_thread(&thread, time_out, NULL);
	await(&noted, 5);
	stuck_end(&s);
	updater_end(&u);
	pthread_join(thread, NULL);
	for (int i = 0; i < 5; i++, least = 2 * least + LIMIT)
		expect(notes[i].waited_ns >= least, "the gaps double");
}

int main(int argc, char **argv)
{
	static const int counts[] = { 0, 1, 2 };

	case_main(argc, argv);
	for (size_t i = 0; i < sizeof waiters / sizeof waiters[0]; i++) {
		case_run(by_membarrier, &waiters[i], "%s", waiters[i].name);
		case_run(by_signals, &waiters[i], "%s, signal mode",
			 waiters[i].name);
		case_run(by_visits, &waiters[i], "%s, visit mode",
			 waiters[i].name);
	}
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		case_run(for_signals, &counts[i],
			 "a fence, %d threads that do not answer", counts[i]);
	case_run(for_online, NULL, "a grace period's fence");
	case_run(fence_leader, NULL, "a fence's leader");
	case_run(no_fence_for_now, NULL, "no way to fence for the moment");
	case_run(grace_period_leader, NULL, "a grace period's leader");
	case_run(grace_period_leader, "", "and followers who give up");
	case_run(beside_impatient, NULL, "beside those who give up");
	return tap_end();
}
