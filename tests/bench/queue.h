/* SPDX-License-Identifier: MIT */

/*
 * The loops of callbacks, compiled once a scheme: loops.h includes this where the
 * scheme file defines CALL_RCU, BARRIER and WORKER, and perhaps START_POLL.
 */

#include "tests/bench/callback.h"

#ifndef ONLINE
# define ONLINE(self)		do { } while (0)
#endif

static void online(void *arg)
{
	SELF *self = arg;

	(void) self;
	ONLINE(self);
}

static void call(void *arg, struct rcu_head *head,
		 void (*func)(struct rcu_head *head))
{
	SELF *self = arg;

	(void) self;
	CALL_RCU(self, head, func);
}

/* n callbacks on these elements; without elements, on new ones to be freed. */
static void queue(void *arg, struct item *items, size_t n)
{
	SELF *self = arg;

	(void) self;
	for (size_t i = 0; i < n; i++) {
		if (items)
			CALL_RCU(self, item_ready(&items[i]), item_ran);
		else
			CALL_RCU(self, item_new(), item_free);
		if (i % CALLS_PER_LOOK == CALLS_PER_LOOK - 1)
			QUIESCENT(self);
	}
}

static void barrier(void *arg)
{
	SELF *self = arg;

	(void) self;
	BARRIER(self);
}

static pthread_t worker(void)
{
	return WORKER();
}

#ifdef START_POLL
static void start_polls(void *arg, unsigned long n)
{
	SELF *self = arg;

	(void) self;
	do
		(void) START_POLL(self);
	while (--n);
}
#endif

static const struct callbacks callbacks = {
	.online = online,
	.call = call,
	.queue = queue,
	.barrier = barrier,
	.worker = worker,
#ifdef START_POLL
	.start_polls = start_polls,
#endif
};
