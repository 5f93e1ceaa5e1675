/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_STATIC_H
#define URCU_MEMBARRIER_STATIC_H

/*
 * The read side, inline. Programs include <urcu/urcu-membarrier.h>.
 *
 * A thread's counter is slow << (bits - 1) | seq << 16 | nest. Depths are 0
 * (quiescent) to URCU_MEMBARRIER_NEST_MAX; larger values of nest are reserved
 * and only mean "take the slow path". A thread that is not online holds one of
 * three reserved values, so it leaves the fast path at no cost. A thread that is
 * registered for a section only counts from URCU_MEMBARRIER_VISITOR. Grace
 * periods use sequence numbers from URCU_MEMBARRIER_SEQ_FIRST on; number 3 is
 * nobody's, so that an unlock too many, which borrows one, never makes another
 * state's value, and these ranges stand thousands of unlocks apart.
 *
 * Both halves may be interrupted by signal handlers that use them, between
 * any two instructions: only the owner writes its counter, and a handler puts
 * the depth back before it returns.
 */

#include <stdint.h>
#include <urcu-membarrier/fence.h>
#include <urcu-membarrier/tsan.h>

#ifdef __cplusplus
extern "C" {
#endif

#define URCU_MEMBARRIER_NEST_BITS	16
#define URCU_MEMBARRIER_NEST_MASK	0xFFFFUL
#define URCU_MEMBARRIER_NEST_MAX	0x3FFFUL
#define URCU_MEMBARRIER_VISITOR		0x8000UL
#define URCU_MEMBARRIER_UNREGISTERED	0x0FFF8UL	/* number 0 */
#define URCU_MEMBARRIER_OFFLINE		0x1FFF8UL	/* number 1 */
#define URCU_MEMBARRIER_ENTERING	0x2FFF8UL	/* number 2 */
#define URCU_MEMBARRIER_OLDEST		0x40001UL	/* number 4, depth 1 */
#define URCU_MEMBARRIER_SEQ_FIRST	5UL
/* The top bit: the next unlock takes the slow path (where that is read). */
#define URCU_MEMBARRIER_SLOW		(~(~0UL >> 1))

/*
 * What readers copy; and, for debuggers, where the records are and since when a
 * grace period waits for readers (CLOCK_MONOTONIC in milliseconds, 0: none does).
 * Its size is part of the ABI, the reserve included.
 */
struct urcu_membarrier_gp {
	unsigned long word;		/* seq << 16 | 1; the updater writes */
	unsigned long reserved[128 / sizeof(unsigned long) - 3];
	const void *registry;
	unsigned long waits_since_ms;
} __attribute__((aligned(128)));

/*
 * Initial-exec TLS of a library that is dlopened may not be aligned more than
 * the C library's own; ctr and waiting share a cache line in any case.
 */
#ifdef __x86_64__
# define URCU_MEMBARRIER_READER_ALIGN	64
#else
# define URCU_MEMBARRIER_READER_ALIGN	16
#endif

/* One a thread. Inline code touches ctr and waiting only; size as above. */
struct urcu_membarrier_reader {
	unsigned long ctr;		/* the owner writes */
	uint32_t waiting;		/* who wants to hear of the unlock */
	uint32_t asked;			/* the rest is the library's own */
	uint32_t registered;
	uint32_t flags;
	uint32_t tid;
	uint32_t heard;
	uint32_t levels;
	uint32_t pid;
	unsigned long index;
	struct urcu_membarrier_reader *next;
	const void *delivery, *frame;
	struct call_rcu_data *worker, *serving;
	struct urcu_membarrier_deferred *deferred;
	const void *claiming;
	unsigned long pauses;
	const void *entered;		/* with DEBUG_RCU: where the section began */
	unsigned long reserved[(128 - 40) / sizeof(unsigned long) - 10];
} __attribute__((aligned(URCU_MEMBARRIER_READER_ALIGN)));

/*
 * The order of the store that ends a section: heavy fences see to it. But not for
 * ThreadSanitizer, which does not know of them: in code built with it, the store
 * releases the section, and a section's begin acquires what grace periods release.
 */
#if UMB_TSAN
# define URCU_MEMBARRIER_LEAVE_ORDER	__ATOMIC_RELEASE
#else
# define URCU_MEMBARRIER_LEAVE_ORDER	__ATOMIC_RELAXED
#endif

extern struct urcu_membarrier_gp urcu_membarrier_gp;
extern __thread struct urcu_membarrier_reader urcu_membarrier_reader
	__attribute__((tls_model("initial-exec")));

void urcu_membarrier_read_lock_slow(void) __attribute__((cold));
void urcu_membarrier_read_unlock_slow(void) __attribute__((cold));

/* The depth of sections that a counter stands for, 0 if for none. */
static inline unsigned long _urcu_membarrier_depth(unsigned long c)
{
	unsigned long depth = c & URCU_MEMBARRIER_NEST_MASK
				& ~URCU_MEMBARRIER_VISITOR;

	return depth <= URCU_MEMBARRIER_NEST_MAX ? depth : 0;
}

/*
 * One more, or one less, on the calling thread's counter; the order is that of a
 * store that ends a section. Nonzero if somebody wants to hear of it.
 *
 * On x86-64 each is one instruction, which no interrupt, signal or switch can
 * divide. So a point P that a heavy fence puts into this thread is before its
 * load or after its store, and the wish can stand in the counter itself: see
 * hold.c. Elsewhere it stands in a word of its own, which is loaded after the
 * counter has been stored.
 */
#if defined(__x86_64__) && __SIZEOF_LONG__ == 8
# define URCU_MEMBARRIER_SLOW_IN_COUNTER	1

# if UMB_TSAN
/* It does not know assembly. Locked instructions are as little divided. */
static inline __attribute__((always_inline))
void _urcu_membarrier_nest(struct urcu_membarrier_reader *reader)
{
	__atomic_fetch_add(&reader->ctr, 1, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline))
int _urcu_membarrier_unnest(struct urcu_membarrier_reader *reader, int order)
{
	unsigned long *ctr = &reader->ctr;
	/* What a section did before the end of one inside it is not over. */
	int nested = _urcu_membarrier_depth(
			__atomic_load_n(ctr, __ATOMIC_RELAXED)) > 1;

	(void) order;
	return (long) (nested ? __atomic_sub_fetch(ctr, 1, __ATOMIC_RELAXED)
		: __atomic_sub_fetch(ctr, 1, URCU_MEMBARRIER_LEAVE_ORDER)) < 0;
}
# else
static inline __attribute__((always_inline))
void _urcu_membarrier_nest(struct urcu_membarrier_reader *reader)
{
	__asm__ __volatile__ ("incq %0" : "+m" (reader->ctr) : : "cc");
}

static inline __attribute__((always_inline))
int _urcu_membarrier_unnest(struct urcu_membarrier_reader *reader, int order)
{
	/* Where it is one instruction, each store is a release. */
	(void) order;
	__asm__ goto ("decq %0\n\tjs %l[slow]"
		      : : "m" (reader->ctr) : "cc", "memory" : slow);
	return 0;
slow:
	return 1;
}
# endif
#else
# define URCU_MEMBARRIER_SLOW_IN_COUNTER	0

static inline __attribute__((always_inline))
void _urcu_membarrier_nest(struct urcu_membarrier_reader *reader)
{
	/* Relaxed: only the owner writes its counter. */
	__atomic_store_n(&reader->ctr,
		__atomic_load_n(&reader->ctr, __ATOMIC_RELAXED) + 1,
		__ATOMIC_RELAXED);
}

static inline __attribute__((always_inline))
int _urcu_membarrier_unnest(struct urcu_membarrier_reader *reader, int order)
{
	unsigned long c = __atomic_load_n(&reader->ctr, __ATOMIC_RELAXED) - 1;

	if (order == __ATOMIC_RELEASE)
		__atomic_store_n(&reader->ctr, c, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&reader->ctr, c, __ATOMIC_RELAXED);
	/*
	 * fence RD.left, light. Pairs: GP.before-sleep (heavy).
	 * Orders the counter's store before the look at waiting.
	 * Without: the updater sleeps on a section that is over.
	 */
	umb_fence_light();
	return __atomic_load_n(&reader->waiting, __ATOMIC_RELAXED) != 0;
}
#endif

/* Begin a section on that record, by that word. Zero: take the slow path. */
static inline __attribute__((always_inline))
int _urcu_membarrier_enter(struct urcu_membarrier_reader *reader,
			   const unsigned long *word)
{
	/* Relaxed: only the owner writes its counter. */
	unsigned long c = __atomic_load_n(&reader->ctr, __ATOMIC_RELAXED);

	if (__builtin_expect(!(uint16_t) c, 1)) {
#if __SIZEOF_LONG__ == 4
		/*
		 * A 15-bit number could wrap while this thread is stopped
		 * between its load and its store. Oldest first: the number
		 * cannot run ahead of a reader that holds a grace period.
		 */
		__atomic_store_n(&reader->ctr, URCU_MEMBARRIER_OLDEST,
				 __ATOMIC_RELAXED);
		/*
		 * fence RD.oldest, light. Pairs: GP.before-word (heavy), GP.quiet (heavy).
		 * Orders the store of OLDEST before the load of the word.
		 * Without: the number copied may have been used up.
		 */
		umb_fence_light();
#endif
		/* Relaxed: see GP.before-word, no acquire is needed. */
		__atomic_store_n(&reader->ctr,
				 __atomic_load_n(word, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
		/*
		 * fence RD.enter, light. Pairs: GP.before-word (heavy), GP.quiet (heavy).
		 * Orders the counter's store before the section's loads.
		 * Without: the updater frees what an unseen section reads.
		 */
		umb_fence_light();
		UMB_TSAN_ACQUIRE(word);
		return 1;
	}
	if (__builtin_expect((uint16_t) c >= URCU_MEMBARRIER_NEST_MAX, 0))
		return 0;
	/* No fence: the outer section's stands already. */
	_urcu_membarrier_nest(reader);
	return 1;
}

/* End one. Nonzero: so does the slow path. */
static inline __attribute__((always_inline))
int _urcu_membarrier_leave(struct urcu_membarrier_reader *reader, int order)
{
	/*
	 * fence RD.leave, light. Pairs: GP.scan (acquire), GP.after-scan (heavy), GP.quiet-end (heavy).
	 * Orders the section's accesses before the counter's store.
	 * Without: the updater sees the section over while it still reads.
	 */
	umb_fence_light();
	return _urcu_membarrier_unnest(reader, order);
}

static inline __attribute__((always_inline))
void _urcu_membarrier_read_lock(void)
{
	if (__builtin_expect(!_urcu_membarrier_enter(&urcu_membarrier_reader,
						     &urcu_membarrier_gp.word), 0))
		urcu_membarrier_read_lock_slow();
}

static inline __attribute__((always_inline))
void _urcu_membarrier_read_unlock(void)
{
	if (__builtin_expect(_urcu_membarrier_leave(&urcu_membarrier_reader,
					URCU_MEMBARRIER_LEAVE_ORDER), 0))
		urcu_membarrier_read_unlock_slow();
}

static inline int _urcu_membarrier_read_ongoing(void)
{
	return (int) _urcu_membarrier_depth(
		__atomic_load_n(&urcu_membarrier_reader.ctr, __ATOMIC_RELAXED));
}

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_STATIC_H */
