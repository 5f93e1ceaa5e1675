/* SPDX-License-Identifier: MIT */

/*
 * The loops, compiled once a scheme so that everything inlines. A scheme file
 * defines SCHEME and what differs from the defaults here, then includes this.
 * The loops' heads stand at multiples of 64 by the compiler's flags.
 */

#include "tests/bench/bench.h"
#include "tests/bench/rw.h"
#include "urcu-membarrier/pointer.h"

#ifndef SELF		/* what a reader hands to its sections */
# define SELF			void
#endif
#ifndef INIT
# define INIT()			do { } while (0)
#endif
#ifndef ENTER		/* an expression: a SELF pointer */
# define ENTER()		NULL
#endif
#ifndef UPDATER
# define UPDATER()		NULL
#endif
#ifndef LEAVE
# define LEAVE(self)		do { } while (0)
#endif
#ifndef OFFLINE
# define OFFLINE(self)		do { } while (0)
#endif
#ifndef QUIESCENT
# define QUIESCENT(self)	do { } while (0)
#endif
#ifndef ONLINE_BLOCKS
# define ONLINE_BLOCKS		0
#endif
#ifndef KEEP		/* a declaration, before loops: what they keep of self */
# define KEEP(self)		(void) (self)
#endif
#ifndef DATA		/* a struct rw * */
# define DATA			(&rw)
#endif
#ifndef READ		/* an expression: nonzero if what it saw was poisoned */
# define READ(self, data)	element_read(umb_dereference((data)->pointer))
#endif
#ifndef SHARED_PARTS	/* of verb shared */
# define SHARED_PARTS		0
#endif
#ifndef SETTLE		/* once all processes have entered */
# define SETTLE()		do { } while (0)
#endif
#ifndef RECLAIMS	/* 0: SYNCHRONIZE() waits for no reader */
# define RECLAIMS		1
#endif

static void init(void)
{
	INIT();
}

static void settle(void)
{
	SETTLE();
}

static void *enter(void)
{
	return ENTER();
}

static void *updater(void)
{
	return UPDATER();
}

static void leave(void *arg)
{
	SELF *self = arg;

	(void) self;
	LEAVE(self);
}

static void offline(void *arg)
{
	SELF *self = arg;

	(void) self;
	OFFLINE(self);
}

/* n empty sections. The empty asm keeps a section from being optimised away. */
static void sections(void *arg, unsigned long n)
{
	SELF *self = arg;

	KEEP(self);
	do {
		LOCK(self);
		__asm__ __volatile__ ("" : : : "memory");
		UNLOCK(self);
	} while (--n);
}

static void grace_periods(void *arg, unsigned long n)
{
	SELF *self = arg;

	(void) self;
	do
		SYNCHRONIZE(self);
	while (--n);
}

/* n sections that follow a pointer. Nonzero if what they saw was poisoned. */
static unsigned long reads(SELF *self, unsigned long n)
{
	const struct rw *const data = DATA;
	unsigned long seen = 0;

	KEEP(self);
	do {
		LOCK(self);
		seen |= READ(self, data);
		UNLOCK(self);
	} while (--n);
	return seen;
}

static uint64_t reader(void *arg)
{
	SELF *self = arg;
	uint64_t count = 0;

	do {
		unsigned long n = READS_PER_LOOK;

		/* With a known n the loop is laid out differently. */
		__asm__ ("" : "+r" (n));
		if (reads(self, n))
			rw_poisoned(DATA);
		count += READS_PER_LOOK;
		QUIESCENT(self);
	} while (!rw_stopped(DATA));
	return count;
}

/* Only what ended before the stop is counted. */
static uint64_t writer(void *arg, struct spares *spares)
{
	SELF *self = arg;
	uint64_t updates;

	(void) self;
	for (updates = 0; ; updates++) {
		struct element **spare = &spares->ring[updates % SPARES];

		if (RECLAIMS) {
			element_fill(*spare);
			*spare = umb_xchg_pointer(&DATA->pointer, *spare);
		}
		SYNCHRONIZE(self);
		if (RECLAIMS)
			element_poison(*spare);
		if (rw_stopped(DATA))
			return updates;
	}
}

#ifdef CALL_RCU
# include "tests/bench/queue.h"
#endif

#define LOOPS__(scheme)	loops_##scheme
#define LOOPS_(scheme)	LOOPS__(scheme)
extern const struct loops LOOPS_(SCHEME);
const struct loops LOOPS_(SCHEME) = {
	.init = init,
	.settle = settle,
	.enter = enter,
	.updater = updater,
	.leave = leave,
	.offline = offline,
	.sections = sections,
	.grace_periods = grace_periods,
	.reader = reader,
	.writer = writer,
	.online_blocks = ONLINE_BLOCKS,
	.shared_parts = SHARED_PARTS,
#ifdef CALL_RCU
	.callbacks = &callbacks,
#endif
};
