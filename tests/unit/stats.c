/* SPDX-License-Identifier: MIT */

/*
 * The statistics of grace periods and threads, against counts from outside;
 * stats-fences.c has those of fences, reclaim.c those of callbacks. Each case in a
 * process of its own, so that counters begin at 0. White-box for the clock.
 */

#define _GNU_SOURCE
#include <sys/wait.h>

#include "sys/sys.h"
#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#define FENCES		20U
#define UPDATERS	3
#define ROUNDS		200U

static uint64_t now_ns(void)
{
	return umbi_now_ns();
}

static uint64_t all_fences(const struct umb_stats *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < 8; i++)
		sum += s->fences[i];
	return sum;
}

/* Sizes. */

static void sizes(const void *arg)
{
	struct { struct umb_stats known; char more[24]; } s;
	const size_t all = sizeof s.known;
	const char *bytes = (const char *) &s;

	(void) arg;
	umb_fence_heavy();
	for (size_t size = 0; size <= sizeof s; size++) {
		struct umb_stats now = stats();

		memset(&s, 0x5A, sizeof s);
		errno = CASE_ERRNO;
		expect(!umb_stats_get(&s.known, size), "any size");
		expect(errno == CASE_ERRNO, "errno stays");
		expect(!memcmp(&s, &now, size < all ? size : all),
		       "what there is room for");
		for (size_t i = all; i < size; i++)
			expect(!bytes[i], "zeroes where nothing is known");
		for (size_t i = size; i < sizeof s; i++)
			expect(bytes[i] == 0x5A, "nothing behind the end");
	}
	expect(umb_stats_get(NULL, all) == -EINVAL
	       && umb_stats_get(NULL, 0) == -EINVAL, "-EINVAL");
	expect(errno == CASE_ERRNO, "errno stays");
	expect(stats().version == UMB_STATS_VERSION && stats().version == 1,
	       "the version");
	expect(stats().mode == (uint64_t) umb_fence_mode(), "the mode");
}

/* A process that has done nothing. */
static void nothing(const void *arg)
{
	struct umb_stats zero = { .version = 1 }, now = stats();

	(void) arg;
	zero.mode = (uint64_t) umb_fence_mode();
	expect(!memcmp(&now, &zero, sizeof now), "all are 0");
}

/* Grace periods of a lone updater. */

static void grace_periods(const void *arg)
{
	struct reader online;
	struct umb_stats now;

	(void) arg;
	for (unsigned int i = 1; i <= FENCES; i++) {
		urcu_membarrier_synchronize_rcu();
		now = stats();
		expect(now.grace_periods == i && now.elided == i
		       && !now.slept && !all_fences(&now),
		       "with nobody online they are elided");
	}
	reader_start_online(&online);
	for (unsigned int i = 1; i <= FENCES; i++) {
		urcu_membarrier_synchronize_rcu();
		now = stats();
		expect(now.grace_periods == FENCES + i && now.elided == FENCES
		       && !now.slept, "with one they are not");
		expect(all_fences(&now) == i || all_fences(&now) == 2 * i,
		       "a fence each, or two");
	}
	expect(!now.given_up && !now.quiet && !now.longest_ns && !now.stalls
	       && !now.failures && !now.fallbacks && !now.degradations,
	       "and nothing else happens");
	reader_stop(&online);
}

static void slept(const void *arg)
{
	uint64_t most = 0;

	(void) arg;
	for (unsigned int i = 1; i <= 4; i++) {
		struct stuck s = { 0 };
		struct updater u;
		uint64_t begin, entered, end;

		stuck_start(&s);
		begin = now_ns();
		updater_start(&u);
		while (!urcu_membarrier_gp.waits_since_ms)
			nap(200);
		entered = now_ns();
		nap(i * 2000);
		end = now_ns();
		stuck_end(&s);
		updater_end(&u);
		if (end - entered > most)
			most = end - entered;
		expect(stats().slept == i && stats().grace_periods == i,
		       "each sleeps on its reader");
		expect(stats().longest_ns + 1000 >= most, "so long at least");
		expect(i > 1 || stats().longest_ns <= now_ns() - begin,
		       "and no longer than all of it");
	}
	urcu_membarrier_synchronize_rcu();
	expect(stats().slept == 4 && stats().grace_periods == 5,
	       "and not without");
}

static void given_up(const void *arg)
{
	struct urcu_gp_poll_state state;
	struct stuck s = { 0 };
	uint64_t before;

	(void) arg;
	stuck_start(&s);
	for (unsigned int i = 1; i <= 5; i++) {
		expect(umb_synchronize_timeout_ns(i % 2 * MS) == -ETIMEDOUT,
		       "it is given up");
		expect(stats().given_up == i && !stats().grace_periods,
		       "and counted");
	}
	state = urcu_membarrier_start_poll_synchronize_rcu();
	before = stats().given_up;
	expect(!urcu_membarrier_poll_state_synchronize_rcu(state),
	       "it is not over");
	if (umb_fence_mode() < UMB_FENCE_GLOBAL)
		expect(stats().given_up == before + 1, "a poll, too");
	stuck_end(&s);
	while (!urcu_membarrier_poll_state_synchronize_rcu(state))
		nap(500);
	expect(stats().grace_periods >= 1, "it is over");
}

static struct rcu_head heads[4];

static void quiet(const void *arg)
{
	struct call_rcu_data *w = urcu_membarrier_get_default_call_rcu_data();
	struct umb_stats now;
	struct reader online;

	(void) arg;
	if (!(umbi_membarrier(UMBI_MEMBARRIER_QUERY) & UMBI_MEMBARRIER_GLOBAL))
		case_skip("membarrier has no global command here");
	reader_start_online(&online);
	expect(!umb_reclaim_set_lazy(w, MS), "a lazy worker");
	for (unsigned int i = 1; i <= 3; i++) {
		uint64_t before = stats().fences[UMB_FENCE_GLOBAL];

		urcu_membarrier_call_rcu(&heads[i], count_run);
		await(&ran, (int) i);
		now = stats();
		expect(now.quiet == i && now.lazy == i && !now.grace_periods,
		       "quiet ones are counted for themselves");
		expect(now.fences[UMB_FENCE_GLOBAL] > before
		       && all_fences(&now) == now.fences[UMB_FENCE_GLOBAL],
		       "and their fences");
	}
	reader_stop(&online);
}

/* Many updaters: no more than calls, and each call is in it when it returns. */
static void *update_often(void *arg)
{
	for (unsigned int i = 0; i < tap_scale(ROUNDS, 5); i++) {
		uint64_t before = stats().grace_periods;

		urcu_membarrier_synchronize_rcu();
		expect(stats().grace_periods > before, "it is in it");
	}
	return arg;
}

static void shared(const void *arg)
{
	pthread_t threads[UPDATERS];
	struct reader online;

	(void) arg;
	reader_start_online(&online);
	for (int i = 0; i < UPDATERS; i++)
		start_thread(&threads[i], update_often, NULL);
	for (int i = 0; i < UPDATERS; i++)
		pthread_join(threads[i], NULL);
	expect(stats().grace_periods <= UPDATERS * tap_scale(ROUNDS, 5),
	       "no more than calls");
	reader_stop(&online);
}

/* Threads. */

static void expect_threads(uint64_t all, uint64_t online, uint64_t reading)
{
	struct umb_stats now = stats();

	expect(now.threads == all, "registered");
	expect(now.threads_online == online, "online");
	expect(now.threads_reading == reading, "reading");
}

static void threads(const void *arg)
{
	struct stuck s[3] = { { .depth = 1 }, { .depth = 7 }, { 0 } };
	struct worker offline;
	struct reader online;

	(void) arg;
	expect_threads(0, 0, 0);
	worker_start(&offline, SLEEPS, -1);
	expect_threads(1, 0, 0);
	reader_start_online(&online);
	expect_threads(2, 1, 0);
	for (unsigned int i = 0; i < 3; i++) {
		stuck_start(&s[i]);
		expect_threads(3 + i, 2 + i, 1 + i);
	}
	urcu_membarrier_read_lock();
	expect_threads(6, 5, 4);
	urcu_membarrier_read_unlock();
	expect_threads(6, 5, 3);
	urcu_membarrier_thread_offline();
	expect_threads(6, 4, 3);
	urcu_membarrier_unregister_thread();
	expect_threads(5, 4, 3);
	for (unsigned int i = 0; i < 3; i++)
		stuck_end(&s[i]);
	reader_stop(&online);
	worker_stop(&offline);
	expect_threads(0, 0, 0);
}

/* A child goes on. */
static void forked(const void *arg)
{
	struct stuck s = { 0 };
	struct umb_stats before;
	struct reader online;
	int status;
	pid_t child;

	(void) arg;
	reader_start_online(&online);
	stuck_start(&s);
	for (int i = 0; i < 3; i++)
		umb_synchronize_timeout_ns(0);
	umb_fence_heavy();
	before = stats();
	child = fork();
	if (!child) {
		struct umb_stats now = stats();

		alarm(CASE_SECONDS / 2);
		expect(now.grace_periods == before.grace_periods
		       && now.given_up == before.given_up
		       && all_fences(&now) == all_fences(&before),
		       "it goes on from its parent's");
		expect_threads(0, 0, 0);
		urcu_membarrier_synchronize_rcu();
		expect(stats().grace_periods == before.grace_periods + 1
		       && stats().elided == before.elided + 1,
		       "and counts its own");
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child && !status, "the child");
	expect(stats().grace_periods == before.grace_periods, "for itself");
	stuck_end(&s);
	reader_stop(&online);
}

/* While everything goes on: they only grow, and fit together. */

static int stop;

static void *come_and_go(void *arg)
{
	struct umb_stats last = stats(), now;

	errno = CASE_ERRNO;
	while (!load(&stop)) {
		urcu_membarrier_read_lock();
		now = stats();
		expect(now.threads_reading >= 1 && now.threads >= 1
		       && now.threads_online >= now.threads_reading
		       && now.threads >= now.threads_online, "threads");
		urcu_membarrier_read_unlock();
		expect(now.grace_periods >= last.grace_periods
		       && now.elided >= last.elided && now.slept >= last.slept
		       && all_fences(&now) >= all_fences(&last)
		       && now.longest_ns >= last.longest_ns
		       && now.queued >= last.queued && now.run >= last.run,
		       "they grow");
		last = now;
		urcu_membarrier_unregister_thread();
	}
	expect(errno == CASE_ERRNO, "errno stays");
	return arg;
}

static void meanwhile(const void *arg)
{
	pthread_t readers[3], updaters[2];

	(void) arg;
	for (int i = 0; i < 3; i++)
		start_thread(&readers[i], come_and_go, NULL);
	for (int i = 0; i < 2; i++)
		start_thread(&updaters[i], update_often, NULL);
	for (int i = 0; i < 100; i++) {
		struct rcu_head *head = malloc(sizeof *head);

		urcu_membarrier_call_rcu(head, (void (*)(struct rcu_head *)) free);
		umb_synchronize_timeout_ns(0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(updaters[i], NULL);
	store(&stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	urcu_membarrier_barrier();
	expect(stats().queued == 100 && stats().run == 100, "callbacks");
}

static const struct {
	const char *name;
	void (*run)(const void *arg);
} cases[] = {
	{ "sizes, version and mode", sizes },
	{ "nothing has happened", nothing },
	{ "grace periods", grace_periods },
	{ "those that sleep", slept },
	{ "those that are given up", given_up },
	{ "quiet ones", quiet },
	{ "of several updaters", shared },
	{ "threads", threads },
	{ "a forked child", forked },
	{ "while everything goes on", meanwhile },
};

int main(int argc, char **argv)
{
	case_main(argc, argv);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		case_run(cases[i].run, NULL, "%s", cases[i].name);
	return tap_end();
}
