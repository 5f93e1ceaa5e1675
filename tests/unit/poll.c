/* SPDX-License-Identifier: MIT */

/*
 * Grace periods that are polled for, and those that are given up. What blocks is
 * ended by the alarm. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define COOKIES		200
#define TIMEOUTS	40000
#define MS		UINT64_C(1000000)

typedef struct urcu_gp_poll_state cookie;

static struct reader old, new;

static void start_readers(void)
{
	reader_start(&old);
	reader_start(&new);
	/*
	 * Online, so that grace periods are not just nothing, and that later
	 * sections carry a number: that of 32-bit code's first one is special.
	 */
	reader_enter(&old);
	reader_leave(&old);
	reader_enter(&new);
	reader_leave(&new);
}

static void stop_readers(void)
{
	reader_stop(&old);
	reader_stop(&new);
}

static void until_over(cookie c)
{
	while (!poll_state_synchronize_rcu(c))
		nap(100);
}

/* Never true, and never blocks; with many looks, for workers to come too early. */
static void expect_not_over(cookie c, const char *what)
{
	for (int i = 0; i < 300; i++) {
		expect(!poll_state_synchronize_rcu(c), what);
		if (!(i % 10))
			nap(500);
	}
}

static void expect_over(cookie c)
{
	for (int i = 0; i < 300; i++)
		expect(poll_state_synchronize_rcu(c), "it stays over");
}

static void ends(const void *arg)
{
	cookie c = start_poll_synchronize_rcu(), later;

	(void) arg;
	errno = CASE_ERRNO;
	until_over(c);
	expect_over(c);
	start_readers();
	for (int i = 0; i < 5; i++) {
		later = start_poll_synchronize_rcu();
		until_over(later);
		expect_over(later);
		expect_over(c);
	}
	rcu_read_lock();
	expect_over(c);
	expect_over(later);
	rcu_read_unlock();
	later = start_poll_synchronize_rcu();
	synchronize_rcu();
	expect(poll_state_synchronize_rcu(later), "others' are as good");
	stop_readers();
}

static void waits_for_older(const void *arg)
{
	cookie c;

	(void) arg;
	start_readers();
	for (int i = 0; i < 3; i++) {
		reader_enter(&old);
		c = start_poll_synchronize_rcu();
		expect_not_over(c, "a section that began before is waited for");
		reader_leave(&old);
		until_over(c);
		expect_over(c);
	}
	stop_readers();
}

static void own_section(const void *arg)
{
	cookie c, inner;

	(void) arg;
	for (int i = 0; i < 3; i++) {
		rcu_read_lock();
		c = start_poll_synchronize_rcu();
		expect_not_over(c, "the caller's own section is waited for");
		rcu_read_lock();
		inner = start_poll_synchronize_rcu();
		rcu_read_unlock();
		expect_not_over(inner, "whatever its depth");
		rcu_read_unlock();
		until_over(c);
		until_over(inner);
		expect_over(c);
		rcu_read_lock();
		expect_over(inner);
		rcu_read_unlock();
	}
}

/*
 * Once polled it has begun; who comes then does not hold it. In the slow modes
 * there is no telling when a worker begins it.
 */
static void not_for_younger(const void *arg)
{
	cookie first, second;

	(void) arg;
	if (umb_fence_mode() >= UMB_FENCE_GLOBAL)
		case_skip("a worker begins it");
	start_readers();
	for (int i = 0; i < 5; i++) {
		reader_enter(&old);
		first = start_poll_synchronize_rcu();
		expect_not_over(first, "an older one holds it");
		reader_enter(&new);
		second = start_poll_synchronize_rcu();
		expect_not_over(second, "the second one");
		expect_not_over(first, "the first one, still");
		reader_leave(&old);
		/* Even if it is the later one that is pushed. */
		expect_not_over(second, "a younger section holds only that");
		expect(poll_state_synchronize_rcu(first), "the first is over");
		expect_not_over(second, "the second is not");
		reader_leave(&new);
		until_over(second);
		expect_over(first);
	}
	stop_readers();
}

static void many_cookies(const void *arg)
{
	static cookie c[COOKIES];
	int over = 0;

	(void) arg;
	start_readers();
	for (int i = 0; i < COOKIES; i++) {
		if (i % 50 == 0)
			reader_enter(i % 100 ? &new : &old);
		c[i] = start_poll_synchronize_rcu();
		for (int j = 0; j <= i; j += 20)
			poll_state_synchronize_rcu(c[j]);
		if (load(&holding))
			expect(!poll_state_synchronize_rcu(c[i]), "held");
		if (i % 50 == 25)
			reader_leave(i % 100 == 75 ? &new : &old);
	}
	for (int i = COOKIES; i-- > 0; )
		until_over(c[i]);
	for (int i = 0; i < COOKIES; i++)
		over += poll_state_synchronize_rcu(c[i]);
	expect(over == COOKIES, "all are over");
	stop_readers();
}

/* Timeouts. */

static void in_time(const void *arg)
{
	const uint64_t times[] = { 0, 1, MS, 1000 * MS, UINT64_MAX - 1, UINT64_MAX };

	(void) arg;
	errno = CASE_ERRNO;
	for (int i = 0; i < 12; i++) {
		expect(!umb_synchronize_timeout_ns(times[i % 6]), "nobody reads");
		if (i == 5)
			start_readers();
	}
	rcu_read_lock();
	rcu_read_unlock();
	expect(!umb_synchronize_timeout_ns(0), "the caller has read");
	expect(rcu_reader.ctr == URCU_MEMBARRIER_OFFLINE, "and is offline");
	for (int i = 3; i < 6; i++) {
		reader_enter(&old);
		reader_leave_soon(&old);
		expect(!umb_synchronize_timeout_ns(i == 3 ? 60000 * MS : times[i]),
		       "a reader leaves in time");
		expect(!load(&holding), "and not before");
	}
	expect(errno == CASE_ERRNO, "errno stays");
	stop_readers();
}

static void too_late(const void *arg)
{
	(void) arg;
	start_readers();
	errno = CASE_ERRNO;
	for (int i = 0; i < 3; i++) {
		reader_enter(&old);
		for (int j = 0; j < 3; j++) {
			expect(umb_synchronize_timeout_ns(0) == -ETIMEDOUT, "0 ns");
			expect(umb_synchronize_timeout_ns(1) == -ETIMEDOUT, "1 ns");
			expect(umb_synchronize_timeout_ns(5 * MS) == -ETIMEDOUT,
			       "5 ms");
		}
		expect(errno == CASE_ERRNO, "errno stays");
		if (i)
			reader_enter(&new);
		reader_leave(&old);
		if (i) {
			/* What was given up did not wait for this one. */
			expect(umb_synchronize_timeout_ns(0) == -ETIMEDOUT,
			       "a section that began meanwhile");
			reader_leave(&new);
		}
		expect(!umb_synchronize_timeout_ns(0), "the reader is gone");
	}
	/* What was given up keeps nobody from his own. */
	reader_enter(&old);
	expect(umb_synchronize_timeout_ns(MS) == -ETIMEDOUT, "given up");
	reader_leave_soon(&old);
	synchronize_rcu();
	expect(!load(&holding), "and waited for by the next");
	stop_readers();
}

static int back;

static void *updater(void *arg)
{
	synchronize_rcu();
	if (load(&holding))
		store(&early, 1);
	add(&back, 1);
	return arg;
}

static void *short_updater(void *arg)
{
	expect(umb_synchronize_timeout_ns(30 * MS) == -ETIMEDOUT, "it gives up");
	return arg;
}

/* Those who give up lead, or follow, or come again and again. */
static void beside_updaters(const void *arg)
{
	pthread_t threads[3];

	(void) arg;
	start_readers();
	for (int i = 0; i < 4; i++) {
		reader_enter(&old);
		start_thread(&threads[0], i & 1 ? short_updater : updater, NULL);
		nap(5000);
		start_thread(&threads[1], i & 1 ? updater : short_updater, NULL);
		start_thread(&threads[2], updater, NULL);
		for (int j = 0; j < 10; j++)
			expect(umb_synchronize_timeout_ns(j % 3 * MS)
			       == -ETIMEDOUT, "so does this one");
		pthread_join(threads[i & 1 ? 0 : 1], NULL);
		expect(load(&back) == 2 * i, "others still wait");
		reader_leave_soon(&old);
		pthread_join(threads[i & 1 ? 1 : 0], NULL);
		pthread_join(threads[2], NULL);
	}
	expect(!early && back == 8, "none too early");
	stop_readers();
}

/* Numbers of 15 bits must not come round. */
static void numbers(const void *arg)
{
	int n = (int) tap_scale(TIMEOUTS, 50), late = 0, over = 0;
	cookie c, younger;

	(void) arg;
	start_readers();
	reader_enter(&old);
	c = start_poll_synchronize_rcu();
	for (int i = 0; i < n; i++) {
		late += umb_synchronize_timeout_ns(0) == -ETIMEDOUT;
		if (!(i % 64))
			over += poll_state_synchronize_rcu(c)
				|| poll_state_synchronize_rcu(
					start_poll_synchronize_rcu());
	}
	expect(late == n, "all timeouts with one reader in its section");
	expect(!over, "and all polls");
	reader_enter(&new);
	younger = start_poll_synchronize_rcu();
	expect(umb_synchronize_timeout_ns(0) == -ETIMEDOUT, "both");
	reader_leave(&old);
	expect_not_over(younger, "what could not begin has not begun");
	expect(umb_synchronize_timeout_ns(0) == -ETIMEDOUT, "another reader");
	reader_leave(&new);
	/* A worker may run another grace period. */
	while (umb_synchronize_timeout_ns(0))
		nap(200);
	until_over(c);
	until_over(younger);
	stop_readers();
}

/*
 * Updaters that poll, give up, or wait, and readers who look whether anything was
 * reclaimed that they can see.
 */
#define VALID		0x600DUL
#define POISON		0x0DEADUL
#define ELEMENTS	16

static unsigned long *shared;
static int stop, stale;

struct mixer {
	pthread_t thread;
	void (*wait)(void);
	unsigned long elements[ELEMENTS];
};

static void poll_until_over(void)
{
	cookie c = start_poll_synchronize_rcu();

	while (!poll_state_synchronize_rcu(c))
		sched_yield();
}

static void wait_in_bits(void)
{
	for (uint64_t ns = 0; umb_synchronize_timeout_ns(ns); ns += 10000)
		;
}

static void *update(void *arg)
{
	struct mixer *self = arg;
	unsigned long next = 0, *new_one, *old_one;
	unsigned long n = tap_scale(3000, 5);

	for (unsigned long i = 0; i < n; i++) {
		do
			new_one = &self->elements[next++ % ELEMENTS];
		while (__atomic_load_n(new_one, __ATOMIC_RELAXED) == VALID);
		__atomic_store_n(new_one, VALID, __ATOMIC_RELAXED);
		old_one = umb_xchg_pointer(&shared, new_one);
		self->wait();
		__atomic_store_n(old_one, POISON, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *look(void *arg)
{
	while (!load(&stop)) {
		rcu_read_lock();
		const unsigned long *element = umb_dereference(shared);

		for (int i = 0; i < 10; i++)
			if (__atomic_load_n(element, __ATOMIC_RELAXED) != VALID)
				store(&stale, 1);
		rcu_read_unlock();
	}
	return arg;
}

static void mixed(const void *arg)
{
	static struct mixer mixers[] = {
		{ .wait = poll_until_over }, { .wait = poll_until_over },
		{ .wait = wait_in_bits }, { .wait = urcu_membarrier_synchronize_rcu },
	};
	static unsigned long first = VALID;
	pthread_t readers[2];

	(void) arg;
	shared = &first;
	for (int i = 0; i < 2; i++)
		start_thread(&readers[i], look, NULL);
	for (int i = 0; i < 4; i++)
		start_thread(&mixers[i].thread, update, &mixers[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(mixers[i].thread, NULL);
	store(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	expect(!stale, "nothing stale was seen");
}

int main(void)
{
	tap_begin();
	case_run(ends, NULL, "a grace period ends, for good");
	case_run(waits_for_older, NULL, "it waits for older sections");
	case_run(own_section, NULL, "for the poller's own");
	case_run(not_for_younger, NULL, "but not for younger ones");
	case_run(many_cookies, NULL, "many cookies");
	case_run(in_time, NULL, "timeouts that are not used up");
	case_run(too_late, NULL, "timeouts that are");
	case_run(beside_updaters, NULL, "beside those who do not give up");
	case_run(numbers, NULL, "numbers that come round");
	case_run(mixed, NULL, "all at once, with readers");
	return tap_end();
}
