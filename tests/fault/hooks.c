/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/fault/hooks.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define LAZY_NS		1000000
#define STALL_NS	50000000
#define NO_STALL_NS	(3600 * UINT64_C(1000000000))
#define TIMES		3

static uint32_t hits;
static int stop;

uint32_t hook_hits(void)
{
	return __atomic_load_n(&hits, __ATOMIC_SEQ_CST);
}

void hook_hit(void)
{
	__atomic_fetch_add(&hits, 1, __ATOMIC_SEQ_CST);
}

void hook_lazy(const struct row *row)
{
	(void) row;
	row_needs(!umb_reclaim_set_lazy(get_default_call_rcu_data(), LAZY_NS),
		  "a lazy worker");
}

static struct umb_stats before_failures;

static int has_failed_again(const struct row *row)
{
	(void) row;
	return row_stats().failures >= before_failures.failures + TIMES;
}

void hook_not_quiet(const struct row *row)
{
	before_failures = row_stats();
	row_await(has_failed_again, row, "quiet fences are tried");
	row_needs(row_stats().quiet == before_failures.quiet,
		  "no grace period is quiet");
}

static void one_handler(int signal)
{
	(void) signal;
}

static void other_handler(int signal)
{
	(void) signal;
}

/* One after the other: what the library believes of the last goes for that. */
static void take_signal(void)
{
	static void (*const mine[])(int) = { one_handler, other_handler };
	struct sigaction action = { .sa_flags = SA_RESTART };

	action.sa_handler = mine[hook_hits() % 2];
	sigaction(umb_fence_signal(), &action, NULL);
	hook_hit();
}

static int is_put_back(const struct row *row)
{
	struct sigaction now;

	(void) row;
	sigaction(umb_fence_signal(), NULL, &now);
	if (now.sa_handler != one_handler && now.sa_handler != other_handler)
		return now.sa_handler != SIG_IGN;
	take_signal();
	return 0;
}

void hook_take_signal(const struct row *row)
{
	for (int i = 0; i < TIMES; i++) {
		take_signal();
		row_await(is_put_back, row, "the handler is put back");
	}
}

void hook_ignore_signal(const struct row *row)
{
	for (int i = 0; i < TIMES; i++) {
		signal(umb_fence_signal(), SIG_IGN);
		hook_hit();
		row_await(is_put_back, row, "the handler is put back");
	}
}

static int has_given_up(const struct row *row)
{
	take_signal();
	umb_fence_heavy();
	return umb_fence_mode() != row->mode;
}

void hook_fight_for_signal(const struct row *row)
{
	row_await(has_given_up, row, "the library gives up");
}

static void read_in_handler(int signal)
{
	(void) signal;
	load_read();
	hook_hit();
}

/* Sleeps are not restarted. */
void hook_handler(const struct row *row)
{
	struct sigaction action = { .sa_flags = 0 };

	(void) row;
	action.sa_handler = read_in_handler;
	sigaction(SIGUSR1, &action, NULL);
}

static pthread_t storm_thread;

static void *send_signals(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		for (int i = 0; i < LOAD_PARTS; i++) {
			pid_t tid = load_tid((enum load_part) i);

			syscall(__NR_tgkill, getpid(), tid, SIGUSR1);
			syscall(__NR_tgkill, getpid(), tid, SIGURG);
			usleep(50);
		}
	return arg;
}

void hook_storm(const struct row *row)
{
	(void) row;
	row_needs(!pthread_create(&storm_thread, NULL, send_signals, NULL),
		  "a thread");
}

void hook_storm_over(const struct row *row)
{
	(void) row;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(storm_thread, NULL);
}

static uint64_t stalls_before;

static int is_told(const struct row *row)
{
	return row_stats().stalls > stalls_before
		&& (!row->says || row_said() > 0);
}

void hook_stall(const struct row *row)
{
	stalls_before = row_stats().stalls;
	rcu_read_lock();
	umb_stall_set(NULL, STALL_NS);
	row_await(is_told, row, "the stall is told of");
	hook_hit();
	/* And no other. */
	umb_stall_set(NULL, NO_STALL_NS);
	rcu_read_unlock();
}

void hook_stall_over(const struct row *row)
{
	(void) row;
	row_needs(row_stats().stalls > stalls_before, "stalls are counted");
}

static int is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

void hook_eventfd(const struct row *row)
{
	int fd = eventfd(0, 0), ret;

	(void) row;
	for (int i = 0; i < TIMES; i++) {
		ret = umb_poll_eventfd(start_poll_synchronize_rcu(), fd);
		row_needs(!ret || ret == -EIO, "an eventfd");
	}
	rcu_barrier();
	row_needs(!is_readable(fd, 0), "nothing is written");
	close(fd);
}
