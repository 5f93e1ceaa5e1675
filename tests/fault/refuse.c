/* SPDX-License-Identifier: MIT */

/*
 * Memory and threads that are refused to the library. What it calls is called here:
 * to be linked with --wrap.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/fault/hooks.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define TIMES	3

static int no_memory, no_threads;

static int refuses_memory(void)
{
	if (!__atomic_load_n(&no_memory, __ATOMIC_SEQ_CST))
		return 0;
	hook_hit();
	return 1;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return refuses_memory() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return refuses_memory() ? NULL : __real_calloc(count, size);
}

int __real_posix_memalign(void **block, size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
	return refuses_memory() ? ENOMEM
		: __real_posix_memalign(block, alignment, size);
}

/* The main thread makes the load's; the library's are made by those, or by it. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg)
{
	if (!__atomic_load_n(&no_threads, __ATOMIC_SEQ_CST)
	    || syscall(__NR_gettid) == getpid())
		return __real_pthread_create(thread, attr, run, arg);
	hook_hit();
	return EAGAIN;
}

static uint64_t periods_before;

static void note_call(void *arg)
{
	*(int *) arg = row_stats().grace_periods > periods_before ? 1 : -1;
}

static void want_memory(int fd)
{
	struct urcu_gp_poll_state cookie = start_poll_synchronize_rcu();
	int called = 0;

	/* Somebody's grace period may come first. */
	for (int i = 0; i < TIMES; i++, cookie = start_poll_synchronize_rcu()) {
		int ret = umb_poll_eventfd(cookie, fd);

		row_needs(!ret || ret == -ENOMEM, "no memory for an eventfd");
	}
	row_needs(!create_call_rcu_data(0, -1), "no memory for a worker");
	row_needs(create_all_cpu_call_rcu_data(0) == -ENOMEM,
		  "no memory for the CPUs' workers");
	row_needs(set_cpu_call_rcu_data(0, get_default_call_rcu_data())
		  == -ENOMEM, "no memory for the CPUs' array");
	row_needs(rcu_defer_register_thread() == -ENOMEM, "no memory for a ring");
	periods_before = row_stats().grace_periods;
	defer_rcu(note_call, &called);
	row_needs(called > 0, "a call that cannot be deferred is made, "
			      "after a grace period");
}

void hook_refuse_memory(const struct row *row)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	(void) row;
	__atomic_store_n(&no_memory, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < TIMES; i++)
		want_memory(fd);
	__atomic_store_n(&no_memory, 0, __ATOMIC_SEQ_CST);
	close(fd);
}

void hook_no_threads(const struct row *row)
{
	(void) row;
	__atomic_store_n(&no_threads, 1, __ATOMIC_SEQ_CST);
}

void hook_without_threads(const struct row *row)
{
	(void) row;
	row_needs(!row_stats().workers, "callbacks run without a worker");
}

void hook_threads_again(const struct row *row)
{
	(void) row;
	__atomic_store_n(&no_threads, 0, __ATOMIC_SEQ_CST);
}

void hook_stall_alone(const struct row *row)
{
	hook_no_threads(row);
	hook_stall(row);
	hook_threads_again(row);
}
