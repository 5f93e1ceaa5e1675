/* SPDX-License-Identifier: MIT */

/*
 * Long waits, and waits that look so, by a clock that is put ahead: what is told of
 * them, and what the statistics say. White-box. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include "tests/lib/tap.h"
#include "tests/unit/clock.h"
#include "tests/unit/stall.h"

#define HOUR		3600000UL	/* ms */
#define TEN_S		(10000 * MS)

/* The first fence of a leader, held. */

int __real_umbi_fence_online(void);
int __wrap_umbi_fence_online(void);

static int hold_leaders, led, let_go;

int __wrap_umbi_fence_online(void)
{
	static pid_t last;

	if (load(&hold_leaders) && last != own_tid()) {
		last = own_tid();
		await(&let_go, add(&led, 1));
	}
	return __real_umbi_fence_online();
}

static int at_gate, gate;

static void stand(const struct umb_stall *stall)
{
	note(stall);
	add(&at_gate, 1);
	await(&gate, 1);
}

/* One who is at it tells, the others are counted. */
static void meanwhile(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;

	(void) arg;
	set_limit(stand, 20 * MS);
	stuck_start(&s);
	updater_start(&u);
	await(&at_gate, 1);
	put_ahead(HOUR);
	while (stats().stalls < 2)
		nap(1000);
	expect(load(&noted) == 1, "it is told once");
	store(&gate, 1);
	put_ahead(4 * HOUR);
	await(&noted, 2);
	expect(notes[1].waited_ns >= 20 * MS && notes[1].waited_ns < HOUR * MS,
	       "but not for the time in which the machine stood still");
	stuck_end(&s);
	updater_end(&u);
}

/* Until the next report would come after a minute and more. */
static void tell_often(void)
{
	for (int i = 0; i < 12; i++) {
		int before = load(&noted);

		/* One that comes while another is being told is lost. */
		for (int naps = 0; load(&noted) == before; naps++) {
			if (!(naps % 1000))
				put_ahead(UINT64_C(100) << i);
			nap(200);
		}
	}
}

/* The next one is told of at the limit again: a hang, if not. */
static void after_another(const void *arg)
{
	(void) arg;
	set_limit(note, 20 * MS);
	for (int i = 0; i < 2; i++) {
		struct stuck s = { 0 };
		struct updater u;
		int before = load(&noted);

		stuck_start(&s);
		updater_start(&u);
		await(&noted, before + 1);
		if (!i)
			tell_often();
		stuck_end(&s);
		updater_end(&u);
	}
}

/* The same of leaders, by one who waits for them. */
static void after_another_leader(const void *arg)
{
	struct reader online;

	(void) arg;
	reader_start_online(&online);
	set_limit(note_any, 20 * MS);
	for (int i = 0; i < 2; i++) {
		struct updater leader, follower;
		int before = load(&noted);

		store(&hold_leaders, 1);
		updater_start(&leader);
		await(&led, i + 1);
		updater_start(&follower);
		await(&noted, before + 1);
		if (!i)
			tell_often();
		store(&hold_leaders, 0);
		store(&let_go, i + 1);
		updater_end(&leader);
		updater_end(&follower);
	}
	for (int i = 0; i < load(&noted); i++)
		expect(notes[i].kind == UMB_STALL_LEADER, "it is the leader");
	reader_stop(&online);
}

/* Two turns, none of them longer than the limit, though both together are. */
static void two_leaders(const void *arg)
{
	struct updater u[3];
	struct reader online;

	(void) arg;
	reader_start_online(&online);
	set_limit(note_any, TEN_S);
	store(&hold_leaders, 1);
	for (int i = 0; i < 3; i++) {
		updater_start(&u[i]);
		await(&led, 1);
		while (!__atomic_load_n(&u[i].tid, __ATOMIC_SEQ_CST))
			nap(200);
		await_state(u[i].tid, 'S');
	}
	put_ahead(6000);
	store(&let_go, 1);
	await(&led, 2);
	put_ahead(6000);
	store(&let_go, 2);
	for (int i = 0; i < 3; i++)
		updater_end(&u[i]);
	hush();
	expect(!load(&noted) && !stats().stalls, "there was no stall");
	reader_stop(&online);
}

/* The statistics know the longest, and no less. */
static void longest(const void *arg)
{
	static const uint64_t waits[] = { 1000, 5000, 2000, 0 };
	uint64_t begin = __real_umbi_now_ns(), most = 0, real;

	(void) arg;
	hush();
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		struct stuck s = { 0 };
		struct updater u;

		stuck_start(&s);
		updater_start(&u);
		while (!urcu_membarrier_gp.waits_since_ms)
			nap(200);
		put_ahead(waits[i]);
		stuck_end(&s);
		updater_end(&u);
		real = __real_umbi_now_ns() - begin;
		expect(!urcu_membarrier_gp.waits_since_ms, "it is over");
		if (waits[i] * MS > most)
			most = waits[i] * MS;
		expect(stats().longest_ns + 1000 >= most
		       && stats().longest_ns <= most + real,
		       "the longest wait");
	}
}

/* Since when a debugger is told. */
static void since_when(const void *arg)
{
	struct stuck s = { 0 };
	uint64_t before = __real_umbi_now_ns() / MS;
	struct updater u;
	unsigned long ms;

	(void) arg;
	expect(!urcu_membarrier_gp.waits_since_ms, "nobody waits");
	stuck_start(&s);
	updater_start(&u);
	while (!(ms = __atomic_load_n(&urcu_membarrier_gp.waits_since_ms,
				      __ATOMIC_SEQ_CST)))
		nap(200);
	expect(ms >= (unsigned long) before
	       && ms <= (unsigned long) (__real_umbi_now_ns() / MS),
	       "it waits since then");
	expect(urcu_membarrier_gp.waits_since_ms == ms, "and all the time");
	stuck_end(&s);
	updater_end(&u);
	expect(!urcu_membarrier_gp.waits_since_ms, "nobody waits any more");
}

/*
 * A grace period that is given up, whose reader leaves then. Hours later nobody
 * has waited for hours.
 */
static void give_up(int first)
{
	struct stuck s = { .first = first };

	stuck_start(&s);
	expect(umb_synchronize_timeout_ns(MS) == -ETIMEDOUT, "it is given up");
	stuck_end(&s);
}

static void *synchronize(void *arg)
{
	urcu_membarrier_synchronize_rcu();
	return arg;
}

static struct rcu_head head;

static void *wait_lazily(void *arg)
{
	umb_reclaim_set_lazy(urcu_membarrier_get_default_call_rcu_data(), MS);
	urcu_membarrier_call_rcu(&head, count_run);
	await(&ran, 1);
	return arg;
}

static void *poll_on(void *arg)
{
	struct urcu_gp_poll_state state =
		urcu_membarrier_start_poll_synchronize_rcu();

	while (!urcu_membarrier_poll_state_synchronize_rcu(state))
		nap(500);
	return arg;
}

static const struct waiter {
	const char *name;
	void *(*wait)(void *arg);
	long stays_ms;		/* until it has looked, in all likelihood */
} waiters[] = {
	{ "synchronize_rcu", synchronize, 20 },
	{ "a lazy worker", wait_lazily, 150 },
	{ "a poll", poll_on, 20 },
};

static void given_up(const void *arg)
{
	const struct waiter *w = arg;
	struct stuck s = { 0 };
	pthread_t thread;

	set_limit(note, TEN_S);
	give_up(0);
	put_ahead(HOUR);
	/* A short section, for which it waits. */
	stuck_start(&s);
	start_thread(&thread, w->wait, NULL);
	nap(w->stays_ms * 1000);
	stuck_end(&s);
	pthread_join(thread, NULL);
	hush();
	expect(!stats().stalls && !load(&noted), "there was no stall");
}

static void given_up_longest(const void *arg)
{
	(void) arg;
	give_up(0);
	put_ahead(HOUR);
	urcu_membarrier_synchronize_rcu();
	expect(stats().longest_ns < HOUR * MS, "nobody has waited for hours");
}

/* One who polls again late has not waited for the reader since. */
static void polled_late(const void *arg)
{
	struct urcu_gp_poll_state state;
	struct stuck s = { 0 };

	(void) arg;
	if (umb_fence_mode() >= UMB_FENCE_GLOBAL)
		case_skip("a worker does it, at once");
	state = urcu_membarrier_start_poll_synchronize_rcu();
	stuck_start(&s);
	urcu_membarrier_poll_state_synchronize_rcu(state);
	stuck_end(&s);
	put_ahead(HOUR);
	while (!urcu_membarrier_poll_state_synchronize_rcu(state))
		nap(500);
	expect(stats().longest_ns < HOUR * MS, "nobody has waited for hours");
}

/* The same readers all the time: their waits are one. */
static void one_after_the_other(const void *arg)
{
	struct stuck s = { 0 };

	(void) arg;
	set_limit(note, TEN_S);
	stuck_start(&s);
	for (int i = 0; i < 3; i++) {
		expect(umb_synchronize_timeout_ns(MS) == -ETIMEDOUT,
		       "it is given up");
		expect(!load(&noted) && !stats().stalls, "not yet");
		put_ahead(4000);
	}
	expect(umb_synchronize_timeout_ns(0) == -ETIMEDOUT, "once more");
	await(&noted, 1);
	expect(notes[0].tid == s.tid && notes[0].waited_ns >= 12000 * MS,
	       "together it is a stall");
	stuck_end(&s);
	urcu_membarrier_synchronize_rcu();
	expect(stats().longest_ns >= 12000 * MS, "and counted as one wait");
}

/* Others in between: each has waited for its own. */
static void one_for_the_other(const void *arg)
{
	set_limit(note, TEN_S);
	for (int i = 0; i < 4; i++) {
		give_up(*(const int *) arg);
		put_ahead(4000);
	}
	urcu_membarrier_synchronize_rcu();
	hush();
	expect(!load(&noted) && !stats().stalls, "there was no stall");
}

int main(int argc, char **argv)
{
	static const int no = 0, yes = 1;

	case_main(argc, argv);
	case_run(after_another, NULL, "a stall after another");
	case_run(after_another_leader, NULL, "a leader's after another's");
	case_run(two_leaders, NULL, "one leader after the other");
	case_run(meanwhile, NULL, "reports while one is made");
	case_run(longest, NULL, "the longest wait");
	case_run(since_when, NULL, "since when it waits");
	for (size_t i = 0; i < sizeof waiters / sizeof waiters[0]; i++)
		case_run(given_up, &waiters[i], "%s, hours after one was given up",
			 waiters[i].name);
	case_run(given_up_longest, NULL, "the longest, when one was given up");
	case_run(polled_late, NULL, "the longest, when it is polled late");
	case_run(one_after_the_other, NULL, "one reader, several waits");
	case_run(one_for_the_other, &no, "several readers, several waits");
	case_run(one_for_the_other, &yes,
		 "several readers, several waits, threads' first sections");
	return tap_end();
}
