/* SPDX-License-Identifier: MIT */

/*
 * One thread with an event loop that also updates: it cannot wait for a grace
 * period, as it has other things to do, and need not. It keeps what it has
 * replaced until an eventfd tells that no reader can see it any more.
 */

#define URCU_API_MAP
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <urcu/urcu-membarrier.h>
#include <urcu-membarrier/poll.h>

#define RELOADS	50u
#define MAGIC	0xC0FFEEu

struct table {
	unsigned int magic;
	unsigned int version;
};

static struct table *current;
static struct table *old;	/* replaced, and perhaps still read */
static struct urcu_gp_poll_state until;
static int over;		/* an eventfd */
static unsigned int bad, stop;

static struct table *load(unsigned int version)
{
	struct table *t = malloc(sizeof *t);

	if (!t)
		exit(1);
	*t = (struct table) { MAGIC, version };
	return t;
}

static void *reader(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		rcu_read_lock();
		if (umb_dereference(current)->magic != MAGIC)
			__atomic_store_n(&bad, 1, __ATOMIC_RELAXED);
		rcu_read_unlock();
	}
	return arg;
}

static void reload(unsigned int version)
{
	old = umb_xchg_pointer(&current, load(version));
	until = start_poll_synchronize_rcu();
	if (umb_poll_eventfd(until, over))
		exit(1);
}

static void discard_old(void)
{
	uint64_t times;

	if (read(over, &times, sizeof times) != sizeof times
	    || !poll_state_synchronize_rcu(until))
		exit(1);
	old->magic = 0;
	free(old);
	old = NULL;
}

int main(void)
{
	struct pollfd events = { .events = POLLIN };
	unsigned int reloads = 0;
	pthread_t thread;

	over = events.fd = eventfd(0, EFD_CLOEXEC);
	current = load(0);
	if (over < 0 || pthread_create(&thread, NULL, reader, NULL))
		return 1;
	while (reloads < RELOADS || old) {
		if (!old)
			reload(++reloads);
		/* A server would have its sockets here, too. */
		if (poll(&events, 1, -1) == 1)
			discard_old();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("version %u, %s\n", current->version,
	       bad ? "and a reader saw a table that was gone"
		   : "and no reader saw a table that was gone");
	free(current);
	return 0;
}
