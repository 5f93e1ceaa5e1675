/* SPDX-License-Identifier: MIT */

/*
 * A reader that sleeps in its section, and a program that wants to know: its handler
 * takes the lock of its log, which the updater holds while it waits.
 */

#define _GNU_SOURCE
#define URCU_API_MAP
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <urcu/urcu-membarrier.h>

#define LIMIT_NS	100000000u

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int told, inside;

static void on_stall(const struct umb_stall *stall)
{
	__atomic_store_n(&told, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&log_lock);
	printf("log: waiting for thread \"%s\", in a section of depth %lu\n",
	       stall->name, stall->depth);
	pthread_mutex_unlock(&log_lock);
}

static void *reader(void *arg)
{
	pthread_setname_np(pthread_self(), "forgetful");
	rcu_read_lock();
	__atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&told, __ATOMIC_ACQUIRE))
		usleep(1000);
	rcu_read_unlock();
	return arg;
}

int main(void)
{
	struct umb_stats stats;
	pthread_t thread;

	if (umb_stall_set(on_stall, LIMIT_NS)
	    || pthread_create(&thread, NULL, reader, NULL))
		return 1;
	while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
		usleep(1000);
	pthread_mutex_lock(&log_lock);
	synchronize_rcu();		/* ends, whatever the handler does */
	pthread_mutex_unlock(&log_lock);
	pthread_join(thread, NULL);
	/* On return nobody is in the handler. */
	umb_stall_set(NULL, 0);
	umb_stats_get(&stats, sizeof stats);
	printf("told, and waited a tenth of a second: %s\n",
	       stats.stalls && stats.longest_ns >= LIMIT_NS ? "yes" : "no");
	return 0;
}
