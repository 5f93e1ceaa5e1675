/* SPDX-License-Identifier: MIT */

/*
 * Slots of a shared domain, and how it gets over the death of those who had them.
 *
 * To slot i belongs byte i of the segment's file. Whoever has the kernel's lock on
 * it (of an open file description of the process's own) owns the slot, and alone
 * writes what is in it, but for updaters' wishes. The kernel lets go of the lock when
 * the process dies, after its last thread has left the memory. So whoever gets the
 * lock of a slot that is in use knows that its owner is dead, and that nobody else can
 * become its owner meanwhile: it cleans the slot, as a new owner or for the next one.
 *
 * A process has a slot for itself, and one for each reader. By the first it leads:
 *
 *      removal, COMBINE.enter, COMBINE.started (in the process)
 *      L1  target = started + 1
 *      L2  leader: 0 becomes the process; or a dead one, whose byte is held meanwhile
 *      L3  completed >= target? then it is over
 *      L4  number = ++started                               DOMAIN.started
 *      G1 ... G6, see gp.c
 *      L5  completed = number                               DOMAIN.completed
 *      L6  leader: 0                                        DOMAIN.unlead
 *
 * A leader who dies leaves a number that was started and not completed, perhaps a new
 * word, and flags. The next takes a new number, and stores a newer word: whatever is
 * older is waited for, and a flag too many costs a reader a slow path. A target is
 * reached by numbers that were started after its L1 only: by a full fence on each side
 * (COMBINE.started, DOMAIN.started), a leader whose number L1 did not see sees what
 * had been removed before.
 *
 * A slot's owner raises `used`, stores its counter, passes DOMAIN.join, and reads. A
 * leader stores what was removed, passes DOMAIN.started, and looks at `used` and the
 * counter: one sees the other, as in G1. So it need not lock anybody out.
 *
 * Who writes to the segment can stop grace periods, or end them too early, for all, and
 * make readers abort; it can make nobody look outside, nor wait without looking at the
 * time.
 */

#include <errno.h>
#include <limits.h>

#include "domain/parts.h"
#include "fence/fence.h"
#include "sys/sys.h"
#include "thread/fork.h"

#define TRIES		3
#define FORK_NAPS	100		/* until a fork is over */
#define NAP_MIN		1000000		/* between two looks at a leader */
#define NAP_MAX		8000000

static uint32_t index_of(const struct umb_domain *d, const umbi_reader *slot)
{
	return (uint32_t) (slot - d->slots);
}

/* -EIO: somebody has cut it; -EBADF: somebody has closed it, and opened another. */
static int is_ours(const struct umb_domain *d, int fd)
{
	struct umbi_file file;

	if (umbi_file_look(fd, &file) || file.device != d->device
	    || file.inode != d->inode)
		return -EBADF;
	return file.bytes >= d->bytes ? 0 : -EIO;
}

int umbi_domain_whole(const struct umb_domain *d)
{
	return is_ours(d, d->fd) ? -EIO : 0;
}

void umbi_domain_close(const struct umb_domain *d, int *fd)
{
	/* The program may have closed it, and opened another of that number. */
	if (*fd >= 0 && (!d->inode || is_ours(d, *fd) != -EBADF))
		umbi_fd_close(*fd);
	*fd = -1;
}

static int check_file(const struct umb_domain *d)
{
	return is_ours(d, d->lock_fd) ? -EIO : 0;
}

/* By whoever holds its byte. The counter last: it ends the section. */
static void clean(struct umb_domain *d, uint32_t i)
{
	umbi_reader *slot = &d->slots[i];
	uint32_t leader = __atomic_load_n(&d->shared->leader, __ATOMIC_RELAXED);

	/* A leader of that number is dead, too, and leads no more. */
	while ((leader & ~UMBI_FOLLOWED) == i + 1
	       && !__atomic_compare_exchange_n(&d->shared->leader, &leader, 0, 0,
			__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	__atomic_store_n(&slot->registered, UMBI_SLOT_FREE, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->pid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->tid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->waiting, 0, __ATOMIC_RELAXED);
	/*
	 * access DOMAIN.clean, release. Pairs: GP.scan (acquire).
	 * Orders what the kernel has told us, that the reader is no more, before
	 * the end of its section.
	 */
	__atomic_store_n(&slot->ctr, URCU_MEMBARRIER_OFFLINE, __ATOMIC_RELEASE);
}

/* Counters in the segment: nothing follows from them. */
static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

int umbi_slot_lives(struct umb_domain *d, uint32_t i)
{
	int ret = -EAGAIN;

	umbi_lock(&d->lock);
	if (!d->owned[i]) {
		ret = check_file(d);
		if (!ret)
			ret = umbi_file_own(d->lock_fd, i);
		if (!ret) {
			clean(d, i);
			umbi_file_disown(d->lock_fd, i);
			count(&d->shared->reaped);
		}
	}
	umbi_unlock(&d->lock);
	return ret == -EAGAIN ? 1 : ret;
}

/* Slots below `used` are looked at by leaders. */
static void raise_used(struct umb_domain *d, uint32_t to)
{
	uint32_t used = __atomic_load_n(&d->shared->used, __ATOMIC_RELAXED);

	/* Relaxed: DOMAIN.join follows. */
	while (used < to
	       && !__atomic_compare_exchange_n(&d->shared->used, &used, to, 1,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* A word that others may have spoilt: readers and the engine take it for their own. */
static void mend_word(struct umb_domain *d)
{
	unsigned long word = __atomic_load_n(&d->shared->word, __ATOMIC_RELAXED);

	if ((word & (URCU_MEMBARRIER_SLOW | URCU_MEMBARRIER_NEST_MASK)) != 1
	    || word < UMBI_GP_FIRST_WORD)
		__atomic_compare_exchange_n(&d->shared->word, &word,
				UMBI_GP_FIRST_WORD, 0,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void settle_in(struct umb_domain *d, uint32_t i, uint32_t kind)
{
	umbi_reader *slot = &d->slots[i];

	clean(d, i);
	__atomic_store_n(&slot->pid, (uint32_t) umbi_getpid(), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->tid, umbi_own_tid(), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->registered, kind, __ATOMIC_RELAXED);
	if (kind != UMBI_SLOT_READER)
		return;
	raise_used(d, i + 1);
	mend_word(d);
	__atomic_store_n(&slot->ctr, umbi_gp_quiescent(&d->gp), __ATOMIC_RELAXED);
	/*
	 * fence DOMAIN.join, full. Pairs: GP.scan (acquire).
	 * Orders `used` and the counter before the loads of all later sections.
	 * Without: a leader finds no reader, and frees what it reads.
	 */
	umbi_fence_full();
}

static int looks_free(const umbi_reader *slot)
{
	return __atomic_load_n(&slot->registered, __ATOMIC_RELAXED)
		== UMBI_SLOT_FREE;
}

/* Those that look free first; then those whose owner may be dead. */
static int take_any(struct umb_domain *d, uint32_t kind, uint32_t *slot)
{
	uint32_t first = kind == UMBI_SLOT_READER ? 0 : d->count;
	uint32_t end = kind == UMBI_SLOT_READER ? d->count : d->total;
	int ret;

	for (int free = 1; free >= 0; free--)
		for (uint32_t i = first; i < end; i++) {
			if (d->owned[i] || looks_free(&d->slots[i]) != free)
				continue;
			ret = umbi_file_own(d->lock_fd, i);
			if (ret == -EAGAIN)
				continue;
			if (ret)
				return ret;
			d->owned[i] = 1;
			*slot = i;
			return 0;
		}
	return -EAGAIN;
}

/* Until no fork has come between: its child would have it, and not know. */
static int open_lock(struct umb_domain *d)
{
	uint32_t never = 0, begun;
	int fd;

	do {
		/* Not for ever: it may be a handler of our own that we are in. */
		for (int n = 0; n < FORK_NAPS && umbi_forks_run(&begun); n++)
			umbi_futex_wait(&never, 0, NAP_MIN);
		umbi_domain_close(d, &d->lock_fd);
		fd = umbi_file_reopen(d->fd);
		__atomic_store_n(&d->lock_fd, fd, __ATOMIC_SEQ_CST);
	} while (fd >= 0 && umbi_forks_since(begun));
	return fd < 0 ? fd : 0;
}

/* Under the lock. A description of our own, of the file that we have mapped; a slot. */
static int join(struct umb_domain *d)
{
	uint32_t self;
	int ret;

	if (d->mode == UMB_DOMAIN_EXPEDITED) {
		if (umbi_fence_join_processes())
			return -ENOTSUP;
		d->reached = d->alone && !umbi_fence_settle_alone();
	}
	ret = open_lock(d);
	if (!ret)
		ret = check_file(d);
	if (!ret)
		ret = take_any(d, UMBI_SLOT_PROCESS, &self);
	if (!ret) {
		settle_in(d, self, UMBI_SLOT_PROCESS);
		/* Release: all of it, before other threads go by it. */
		__atomic_store_n(&d->self, self, __ATOMIC_RELEASE);
		return 0;
	}
	umbi_domain_close(d, &d->lock_fd);
	return ret;
}

/* Under the lock. */
static int try_take(struct umb_domain *d, uint32_t *slot)
{
	int ret = d->self == UMBI_NO_SLOT ? join(d) : check_file(d);

	if (!ret && slot) {
		ret = take_any(d, UMBI_SLOT_READER, slot);
		if (!ret)
			settle_in(d, *slot, UMBI_SLOT_READER);
	}
	return ret;
}

int umbi_slot_take(struct umb_domain *d, uint32_t *slot)
{
	uint32_t never = 0;
	int ret = -EAGAIN;

	/* Whoever cleans up after a dead one has his byte for a moment. */
	for (int n = 0; n < TRIES && ret == -EAGAIN; n++) {
		if (n)
			umbi_sleep(&never, 0, NAP_MIN);
		umbi_lock(&d->lock);
		ret = try_take(d, slot);
		umbi_unlock(&d->lock);
	}
	return ret;
}

int umbi_domain_ready(struct umb_domain *d)
{
	return __atomic_load_n(&d->self, __ATOMIC_ACQUIRE) != UMBI_NO_SLOT
		? check_file(d) : umbi_slot_take(d, NULL);
}

void umbi_slot_left(struct umb_domain *d, umbi_reader *slot)
{
	if (!(__atomic_exchange_n(&slot->waiting, 0, __ATOMIC_RELAXED)))
		return;
	/* Release: the end of the section, before the news. */
	__atomic_fetch_add(&d->shared->event, 1, __ATOMIC_RELEASE);
	umbi_futex_wake_shared(&d->shared->event, INT_MAX);
}

void umbi_slot_give(struct umb_domain *d, uint32_t i)
{
	umbi_reader *slot = &d->slots[i];

	umbi_lock(&d->lock);
	/* If it is not, there is nothing to clean, and nobody to tell. */
	if (d->owned[i] && !check_file(d)) {
		/*
		 * access DOMAIN.gone, release. Pairs: GP.scan (acquire).
		 * As DOMAIN.leave, of a thread that ends inside a section.
		 */
		__atomic_store_n(&slot->ctr, URCU_MEMBARRIER_OFFLINE,
				 __ATOMIC_RELEASE);
		umbi_slot_left(d, slot);
		clean(d, i);
		umbi_file_disown(d->lock_fd, i);
	}
	d->owned[i] = 0;
	umbi_unlock(&d->lock);
}

void umbi_slots_forked(struct umb_domain *d)
{
	umbi_domain_close(d, &d->lock_fd);
	d->self = UMBI_NO_SLOT;
	d->alone = 0;
	for (uint32_t i = 0; i < d->total; i++)
		d->owned[i] = 0;
}

static unsigned long number_of(const unsigned long *number)
{
	/*
	 * access DOMAIN.served, acquire. Pairs: DOMAIN.completed (release).
	 * Orders the grace period before what the caller does next.
	 */
	return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

static int served(const struct umb_domain *d)
{
	return umbi_reached(number_of(&d->shared->completed), d->target);
}

/*
 * L6. The word says whether somebody sleeps, so that those who died asleep are not
 * woken for ever.
 */
static void unlead(struct umb_domain *d)
{
	uint32_t was = d->self + 1, us = was;

	/*
	 * access DOMAIN.unlead, release. Pairs: DOMAIN.lead (acquire).
	 * Not where it is another one: we are a child that a handler has forked.
	 */
	while ((was & ~UMBI_FOLLOWED) == us
	       && !__atomic_compare_exchange_n(&d->shared->leader, &was, 0, 0,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if ((was & UMBI_FOLLOWED) && (was & ~UMBI_FOLLOWED) == us)
		umbi_futex_wake_shared(&d->shared->leader, INT_MAX);
}

/* From a word that names nobody, or a dead one, to us. */
static int replace(struct umb_domain *d, uint32_t was)
{
	/*
	 * access DOMAIN.lead, acquire. Pairs: DOMAIN.unlead (release).
	 * Orders the last leader's grace period before ours.
	 */
	return __atomic_compare_exchange_n(&d->shared->leader, &was,
			(d->self + 1) | (was & UMBI_FOLLOWED), 0,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* The leader is that process, of whom we only know that he was one. */
static int replace_dead(struct umb_domain *d, uint32_t was)
{
	uint32_t i = (was & ~UMBI_FOLLOWED) - 1;
	int ret = 0;

	/* No slot of a process: nobody's, or written by mistake. */
	if (i < d->count || i >= d->total || i == d->self)
		return replace(d, was);
	umbi_lock(&d->lock);
	/* Held until he is replaced: nobody else becomes he meanwhile. */
	if (!d->owned[i] && !umbi_file_own(d->lock_fd, i)) {
		ret = replace(d, was);
		if (ret) {
			clean(d, i);
			count(&d->shared->reaped);
		}
		umbi_file_disown(d->lock_fd, i);
	}
	umbi_unlock(&d->lock);
	return ret;
}

static void follow(struct umb_domain *d, uint32_t was, uint64_t ns,
		   struct umbi_wait *wait)
{
	uint32_t now = was | UMBI_FOLLOWED, i = (was & ~UMBI_FOLLOWED) - 1;

	if (was != now
	    && !__atomic_compare_exchange_n(&d->shared->leader, &was, now, 0,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	umbi_sleep_shared(&d->shared->leader, now, umbi_stall_nap(wait, ns));
	if (__atomic_load_n(&d->shared->leader, __ATOMIC_RELAXED) != now)
		umbi_stall_anew(wait);
	umbi_stall_look(wait, UMB_STALL_LEADER, i < d->total
			? __atomic_load_n(&d->slots[i].pid, __ATOMIC_RELAXED) : 0);
}

/* L2. Nonzero: we lead. Zero: somebody does, or has done it. */
static int become_leader(struct umb_domain *d, uint64_t end)
{
	struct umbi_wait wait = { .gp = &d->gp };
	uint64_t nap = NAP_MIN, left;
	int leads = 0;

	for (;;) {
		uint32_t was = __atomic_load_n(&d->shared->leader,
					       __ATOMIC_RELAXED);

		left = umbi_time_left(end);
		if (!(was & ~UMBI_FOLLOWED))
			leads = replace(d, was);
		else if (nap > NAP_MIN || !left)
			leads = replace_dead(d, was);
		if (leads || served(d) || !left)
			break;
		if (was & ~UMBI_FOLLOWED)
			follow(d, was, left < nap ? left : nap, &wait);
		nap = 2 * nap < NAP_MAX ? 2 * nap : NAP_MAX;
	}
	umbi_stall_over(&wait);
	return leads;
}

static int lead(struct umbi_gp *gp, int first, uint64_t end)
{
	struct umb_domain *d = umbi_domain_of(gp);
	int ret = umbi_domain_ready(d);

	if (ret)
		return ret;
	if (first) {
		d->target = __atomic_load_n(&d->shared->started,
					    __ATOMIC_RELAXED) + 1;
		d->given_up = 0;
	}
	if (!become_leader(d, end))
		return served(d) ? UMBI_SERVED : UMBI_LEADS_NOT;
	if (served(d)) {
		unlead(d);
		return UMBI_SERVED;
	}
	mend_word(d);
	if (d->given_up)
		return UMBI_LEADS_ON;
	d->number = __atomic_load_n(&d->shared->started, __ATOMIC_RELAXED) + 1;
	__atomic_store_n(&d->shared->started, d->number, __ATOMIC_RELAXED);
	/*
	 * fence DOMAIN.started, full. Pairs: COMBINE.started (full).
	 * Orders the grace period's number before all that it looks at.
	 * Without: a process counts on it that it missed the removals of.
	 */
	umbi_fence_full();
	return UMBI_LEADS;
}

static void leave(struct umbi_gp *gp, int progress)
{
	struct umb_domain *d = umbi_domain_of(gp);

	d->given_up = progress == UMBI_BEGUN;
	if (progress == UMBI_COMPLETE && d->self != UMBI_NO_SLOT)
		/*
		 * access DOMAIN.completed, release. Pairs: DOMAIN.served (acquire).
		 * Orders the grace period before the news that it is over.
		 */
		__atomic_store_n(&d->shared->completed, d->number,
				 __ATOMIC_RELEASE);
	unlead(d);
}

static void census(struct umbi_gp *gp)
{
	struct umb_domain *d = umbi_domain_of(gp);
	uint32_t used = __atomic_load_n(&d->shared->used, __ATOMIC_RELAXED);

	d->readers.used = used < d->count ? used : d->count;
	/* Those who go offline are others. */
	gp->look_first = 1;
}

static int lives(struct umbi_gp *gp, umbi_reader *slot)
{
	struct umb_domain *d = umbi_domain_of(gp);

	return umbi_slot_lives(d, index_of(d, slot));
}

static int fence_fully(void)
{
	/*
	 * fence DOMAIN.full, full. Pairs: DOMAIN.enter (full), DOMAIN.oldest (full).
	 * GP.before-word where all readers pass a full fence.
	 */
	umbi_fence_full();
	return 0;
}

static int never_slow(void)
{
	return 0;
}

const struct umbi_gp_kind umbi_domain_expedited = {
	.fence = umbi_fence_processes,
	.fence_is_slow = never_slow,
	.released = 1,
	.lead = lead,
	.unlead = leave,
	.census = census,
	.lives = lives,
};

const struct umbi_gp_kind umbi_domain_full = {
	.fence = fence_fully,
	.fence_is_slow = never_slow,
	.released = 1,
	.lead = lead,
	.unlead = leave,
	.census = census,
	.lives = lives,
};
