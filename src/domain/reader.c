/* SPDX-License-Identifier: MIT */

/* Handles of readers: how they come and go, and their slow paths. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "domain/parts.h"
#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/fork.h"
#include "thread/hold.h"

#define EXIT_ROUND	2
#define LOOK_NS		10000000	/* for a slot that has become free */

/* The calling thread's, in all domains. */
static __thread struct umbi_handle *mine
	__attribute__((tls_model("initial-exec")));

static __thread int has_exited __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static int exit_key_usable;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;

static struct umbi_handle *handle_of(struct umb_domain_reader *reader)
{
	return (struct umbi_handle *) reader;
}

static unsigned long counter_of(const umbi_reader *slot)
{
	/* Relaxed: only the owner writes its counter. */
	return __atomic_load_n(&slot->ctr, __ATOMIC_RELAXED);
}

static int is_open(const struct umbi_handle *h)
{
	return h->slot != UMBI_NO_SLOT || h->own.registered;
}

/*
 * Heavy fences of other processes reach this one as long as it has one thread: after
 * the exit of a second, the kernel may miss the first (see doc/domains.md). The C
 * library knows, from before there is another.
 */
static int has_one_thread(void)
{
#ifdef UMB_DOMAIN_WATCHES
	return __libc_single_threaded;
#else
	return 0;
#endif
}

/*
 * Begin a section that will be fenced. The counter is a visitor's from now on, in
 * sections and between them: no handler enters by the fast path.
 */
static void become_visitor(struct umb_domain_reader *reader)
{
	const unsigned long visitor = URCU_MEMBARRIER_VISITOR | URCU_MEMBARRIER_SLOW;
	unsigned long *ctr = &reader->slot->ctr;

	if (sizeof(long) == 4) {
		__atomic_store_n(ctr, URCU_MEMBARRIER_OLDEST | visitor,
				 __ATOMIC_RELAXED);
		/*
		 * fence DOMAIN.oldest, full. Pairs: GP.before-word (heavy), DOMAIN.full (full), FENCE.processes (full).
		 * As RD.oldest.
		 */
		umbi_fence_full();
	}
	__atomic_store_n(ctr, __atomic_load_n(reader->word, __ATOMIC_RELAXED)
			 | visitor, __ATOMIC_RELAXED);
}

static __attribute__((noreturn, cold))
void refuse_lock(const struct umb_domain_reader *reader, unsigned long c)
{
	if (_urcu_membarrier_depth(c))
		umbi_die("umb_domain_read_lock: nested too deep", NULL);
	if (!is_open((const struct umbi_handle *) reader))
		umbi_die("umb_domain_read_lock: the reader is not registered in this "
			 "process: it was in the one that forked", NULL);
	if (c == URCU_MEMBARRIER_OFFLINE)
		umbi_die("umb_domain_read_lock: the reader's slot has been taken for "
			 "a dead one's: the library's descriptor was closed", NULL);
	umbi_die("umb_domain_read_lock: an earlier umb_domain_read_unlock had no "
		 "umb_domain_read_lock", NULL);
}

void umb_domain_read_lock_slow(struct umb_domain_reader *reader)
{
	umbi_reader *slot = reader->slot;
	unsigned long c = counter_of(slot), depth = _urcu_membarrier_depth(c);

	if (!(c & URCU_MEMBARRIER_NEST_MASK & ~URCU_MEMBARRIER_VISITOR))
		become_visitor(reader);
	else if (depth && depth < URCU_MEMBARRIER_NEST_MAX)
		_urcu_membarrier_nest(slot);
	else
		refuse_lock(reader, c);
	/*
	 * fence DOMAIN.enter, full. Pairs: GP.before-word (heavy), DOMAIN.full (full), FENCE.processes (full).
	 * As RD.enter, where heavy fences do not reach the thread. Also in nested
	 * sections: the outer one may not have come to its own, in what we interrupt.
	 */
	umbi_fence_full();
	/* Behind the counter: till then a handler comes here by it. */
	if (counter_of(slot) & URCU_MEMBARRIER_VISITOR)
		reader->watch = 0;
}

void umb_domain_read_unlock_slow(struct umb_domain_reader *reader)
{
	struct umbi_handle *h = handle_of(reader);
	umbi_reader *slot = reader->slot;
	unsigned long c = counter_of(slot);

	if (_urcu_membarrier_depth(c))
		return;
	if (!is_open(h)) {
		/* The last of a section that the parent began. */
		__atomic_store_n(&slot->ctr, URCU_MEMBARRIER_UNREGISTERED,
				 __ATOMIC_RELAXED);
		return;
	}
	if (c & URCU_MEMBARRIER_NEST_MASK & ~URCU_MEMBARRIER_VISITOR)
		umbi_die("umb_domain_read_unlock: no umb_domain_read_lock to match",
			 NULL);
	/* Atomic: the updater may be about to set it. Relaxed: just a wish. */
	if (!(c & URCU_MEMBARRIER_VISITOR))
		__atomic_fetch_and(&slot->ctr, ~URCU_MEMBARRIER_SLOW,
				   __ATOMIC_RELAXED);
	if (umbi_domain_is_shared(h->domain)) {
		umbi_slot_left(h->domain, slot);
		return;
	}
	umbi_tsan_release(&h->domain->hold.outstanding);
	umbi_hold_drop(&h->domain->hold, &slot->waiting);
}

/* A private domain's record, into its registry and out of it. */
static int enter_registry(struct umb_domain *d, struct umbi_handle *h)
{
	/* Heavy fences reach it from now on. */
	umb_fence_register_thread();
	if (!urcu_membarrier_reader.registered
	    || (__atomic_load_n(&urcu_membarrier_reader.waiting, __ATOMIC_RELAXED)
		& UMBI_WAITING_EXIT))
		return -ENOMEM;
	urcu_membarrier_reader.flags |= UMBI_HAS_HANDLES;
	umbi_lock(&d->readers.lock);
	h->own.tid = umbi_own_tid();
	h->own.pid = (uint32_t) umbi_getpid();
	h->own.registered = 1;
	__atomic_store_n(&h->own.ctr, umbi_gp_quiescent(&d->gp), __ATOMIC_RELAXED);
	umbi_registry_add(&d->readers, &h->own);
	umbi_unlock(&d->readers.lock);
	/*
	 * fence DOMAIN.register, full. Pairs: GP.scan (acquire).
	 * As DOMAIN.join, for the handle's record.
	 */
	umbi_fence_full();
	return 0;
}

static void leave_registry(struct umb_domain *d, struct umbi_handle *h)
{
	umbi_tsan_release(&d->readers.lock);
	umbi_tsan_release(&d->hold.outstanding);
	umbi_lock(&d->readers.lock);
	umbi_registry_remove(&d->readers, &h->own);
	h->own.registered = 0;
	__atomic_store_n(&h->own.ctr, URCU_MEMBARRIER_UNREGISTERED,
			 __ATOMIC_RELAXED);
	umbi_gp_thread_went_offline(&d->gp);
	/*
	 * access DOMAIN.left, release. Pairs: GP.lock (acquire).
	 * As THREAD.gone.
	 */
	umbi_unlock(&d->readers.lock);
	umbi_hold_drop(&d->hold, &h->own.waiting);
}

static void close_handle(struct umbi_handle *h)
{
	struct umb_domain *d = h->domain;
	struct umbi_handle **at = &mine;

	if (h->slot != UMBI_NO_SLOT)
		umbi_slot_give(d, h->slot);
	else if (h->own.registered)
		leave_registry(d, h);
	while (*at && *at != h)
		at = &(*at)->mine;
	if (*at)
		*at = h->mine;
	if (!mine)
		urcu_membarrier_reader.flags &= ~UMBI_HAS_HANDLES;
	umbi_lock(&d->lock);
	for (at = &d->handles; *at != h; )
		at = &(*at)->next;
	*at = h->next;
	umbi_unlock(&d->lock);
	umbi_free(h);
}

/*
 * A thread's handles end with it: in the second round, so that the program's own
 * destructors may unregister them in the first, and the thread's record, which they
 * need, may end in the third. The value counts rounds.
 */
static void exit_hook(void *value)
{
	size_t calls = (size_t) value;

	if (!mine || (calls < EXIT_ROUND
		      && !pthread_setspecific(exit_key, (void *) (calls + 1))))
		return;
	while (mine)
		close_handle(mine);
	has_exited = 1;
}

static void create_exit_key(void)
{
	exit_key_usable = !pthread_key_create(&exit_key, exit_hook);
}

/* Nonzero: exit_hook() will run in this thread. */
static int arm_exit_hook(void)
{
	int saved = errno, ret;

	pthread_once(&exit_key_once, create_exit_key);
	ret = exit_key_usable && !has_exited && (pthread_getspecific(exit_key)
				  || !pthread_setspecific(exit_key, (void *) 1));
	errno = saved;
	return ret;
}

static struct umbi_handle *new_handle(struct umb_domain *d)
{
	struct umbi_handle *h = NULL;
	int saved = errno;

	if (posix_memalign((void **) &h, __alignof__(*h), sizeof *h))
		h = NULL;
	errno = saved;
	if (!h)
		return NULL;
	*h = (struct umbi_handle) {
		.reader = { .slot = &h->own, .word = d->gp.word, .self = &h->reader },
		.domain = d,
		.slot = UMBI_NO_SLOT,
		.owner = &urcu_membarrier_reader,
		.own.ctr = URCU_MEMBARRIER_UNREGISTERED,
	};
	return h;
}

static int open_handle(struct umb_domain *d, struct umbi_handle *h)
{
	int ret;

	if (!umbi_domain_is_shared(d))
		return enter_registry(d, h);
	ret = umbi_slot_take(d, &h->slot);
	if (ret)
		return ret;
	h->reader.slot = &d->slots[h->slot];
	h->reader.watch = d->alone && d->reached && has_one_thread();
	if (!h->reader.watch)
		__atomic_fetch_or(&h->reader.slot->ctr, URCU_MEMBARRIER_VISITOR
				  | URCU_MEMBARRIER_SLOW, __ATOMIC_RELAXED);
	return 0;
}

static void enlist(struct umb_domain *d, struct umbi_handle *h)
{
	umbi_lock(&d->lock);
	h->next = d->handles;
	umbi_in_order();
	d->handles = h;
	umbi_unlock(&d->lock);
	h->mine = mine;
	umbi_in_order();
	mine = h;
}

int umb_domain_reader_register(struct umb_domain *d,
			       struct umb_domain_reader **reader)
{
	struct umbi_handle *h = arm_exit_hook() ? new_handle(d) : NULL;
	sigset_t mask;
	int ret;

	if (!h)
		return -ENOMEM;
	/* A child that a handler forked halfway would have the parent's slot. */
	umbi_domain_block_signals(&mask);
	ret = open_handle(d, h);
	if (!ret)
		enlist(d, h);
	umbi_signal_mask(&mask, NULL);
	if (ret)
		umbi_free(h);
	else
		*reader = &h->reader;
	return ret;
}

int umb_domain_reader_register_timeout_ns(struct umb_domain *d,
			struct umb_domain_reader **reader, uint64_t ns)
{
	uint64_t end = umbi_time_after(ns), left;
	uint32_t never_woken = 0;
	int ret;

	while ((ret = umb_domain_reader_register(d, reader)) == -EAGAIN
	       && (left = umbi_time_left(end)))
		umbi_sleep(&never_woken, 0, left < LOOK_NS ? left : LOOK_NS);
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

void umb_domain_reader_unregister(struct umb_domain_reader *reader)
{
	if (!reader)
		return;
	if (is_open(handle_of(reader)) && umbi_reads_domain(handle_of(reader)->domain))
		umbi_die("umb_domain_reader_unregister: inside a read-side critical "
			 "section", NULL);
	close_handle(handle_of(reader));
}

int umbi_reads_domain(const struct umb_domain *d)
{
	/* In a file that has been cut nobody reads, and nobody may look. */
	if (umbi_domain_is_shared(d) && mine && umbi_domain_whole(d))
		return 0;
	for (const struct umbi_handle *h = mine; h; h = h->mine)
		if (h->domain == d && is_open(h)
		    && umb_domain_read_ongoing(&h->reader))
			return 1;
	return 0;
}

/*
 * In a forked child, a handle of the thread that forked: it is a reader of a private
 * domain, which is the child's own now. Of a shared one it is none: its slot is the
 * parent's. Unlocks of a section that was open end in the slow path.
 */
static void fork_handle(struct umb_domain *d, struct umbi_handle *h)
{
	unsigned long c;

	h->own.waiting = 0;
	if (!umbi_domain_is_shared(d)) {
		if (h->own.registered) {
			h->own.tid = umbi_own_tid();
			h->own.pid = (uint32_t) umbi_getpid();
			umbi_registry_add(&d->readers, &h->own);
		}
		return;
	}
	/* The file may have been cut. */
	c = umbi_domain_whole(d) ? 0 : counter_of(h->reader.slot);
	h->own.ctr = URCU_MEMBARRIER_UNREGISTERED;
	if (_urcu_membarrier_depth(c)) {
		h->own.ctr = c | URCU_MEMBARRIER_SLOW;
		h->own.waiting = UMBI_WAITING_UPDATER;
	}
	h->slot = UMBI_NO_SLOT;
	h->reader.slot = &h->own;
}

void umbi_handles_forked(struct umb_domain *d)
{
	struct umbi_handle **at = &d->handles, *h;

	while ((h = *at)) {
		if (h->owner == &urcu_membarrier_reader) {
			fork_handle(d, h);
			at = &h->next;
		} else {
			*at = h->next;
			free(h);
		}
	}
}
