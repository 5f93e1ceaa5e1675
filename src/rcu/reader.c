/* SPDX-License-Identifier: MIT */

/*
 * The read side's slow paths. A thread's counter alone says where it stands:
 *
 *      UNREGISTERED            not in the registry
 *      OFFLINE                 in it, and no grace period looks at the thread
 *      ENTERING                about to come online
 *      nest 0                  online, quiescent
 *      nest 1 ... NEST_MAX     in a section
 *      VISITOR + 0 ... MAX     the same, registered for this section only
 *      anything else           there were more unlocks than locks
 *
 * A handler may run sections between any two instructions here, which can
 * register the thread, bring it online and, if the registration was for the
 * section only, undo both. So the counter comes online by atomic operations that
 * fail if a handler was faster, and everything is looked at again then.
 *
 * A visitor's record leaves with the last unlock of whoever comes first, be it
 * a handler within a handler. So there must be no counter of a visitor that the
 * fast path of read_lock would load, and store to after the record has left:
 * visitors' locks are all made here, by compare-and-exchange.
 */

#include <errno.h>

#include "rcu/gp.h"
#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/debug.h"
#include "thread/hold.h"
#include "thread/thread.h"
#include "urcu/urcu-membarrier.h"

static unsigned long counter(void)
{
	/* Relaxed: only the owner writes its counter. */
	return __atomic_load_n(&urcu_membarrier_reader.ctr, __ATOMIC_RELAXED);
}

static uint32_t waiting(void)
{
	/* Relaxed: the owner's flag is asked for, or another follows. */
	return __atomic_load_n(&urcu_membarrier_reader.waiting,
			       __ATOMIC_RELAXED);
}

static int in_section(unsigned long c)
{
	return _urcu_membarrier_depth(c) != 0;
}

static int not_online(unsigned long c)
{
	return c == URCU_MEMBARRIER_UNREGISTERED
		|| c == URCU_MEMBARRIER_OFFLINE
		|| c == URCU_MEMBARRIER_ENTERING;
}

static int broken(unsigned long c)
{
	return (c & URCU_MEMBARRIER_NEST_MASK & ~URCU_MEMBARRIER_VISITOR)
		> URCU_MEMBARRIER_NEST_MAX && !not_online(c);
}

static int replace(unsigned long from, unsigned long to)
{
	/* Relaxed: fences stand where they are needed. */
	return __atomic_compare_exchange_n(&urcu_membarrier_reader.ctr, &from,
			to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/*
 * From offline to a depth of 0 or 1. Nonzero if it was this call that did it.
 *
 * ENTERING keeps updaters from taking the thread for offline, and handlers from
 * the fast path, until the barrier has been passed: a handler in between comes
 * here too and passes one of its own.
 */
static int go_online(unsigned long depth)
{
	unsigned long to = URCU_MEMBARRIER_OLDEST;

	replace(URCU_MEMBARRIER_OFFLINE, URCU_MEMBARRIER_ENTERING);
	/*
	 * fence RD.online, full. Pairs: GP.scan (acquire), FENCE.offline (acquire).
	 * Orders ENTERING before the loads of all later sections.
	 * Without: an updater takes the thread for offline while it reads.
	 */
	umbi_fence_full();
	/* 15-bit numbers could come round meanwhile: oldest, see RD.oldest. */
	if (sizeof to > 4)
		to = __atomic_load_n(&urcu_membarrier_gp.word, __ATOMIC_RELAXED);
	to += depth - 1;
	if (waiting() & UMBI_WAITING_EXIT)
		to |= URCU_MEMBARRIER_SLOW | URCU_MEMBARRIER_VISITOR;
	return replace(URCU_MEMBARRIER_ENTERING, to);
}

/* One section more in a thread that c says is none, or a visitor. */
static int enter_slowly(unsigned long c)
{
	if (c == URCU_MEMBARRIER_UNREGISTERED)
		umbi_thread_register(UMBI_REGISTER_SECTION);
	return not_online(c) ? go_online(1) : replace(c, c + 1);
}

void urcu_membarrier_read_lock_slow(void)
{
	unsigned long c;

	do {
		c = counter();
		if (broken(c))
			umbi_die("rcu_read_lock: an earlier rcu_read_unlock "
				 "had no rcu_read_lock", NULL);
		if (_urcu_membarrier_depth(c) == URCU_MEMBARRIER_NEST_MAX)
			umbi_die("rcu_read_lock: nested too deep", NULL);
		if (!not_online(c) && !(c & URCU_MEMBARRIER_VISITOR)) {
			_urcu_membarrier_read_lock();
			break;
		}
	} while (!enter_slowly(c));
	/*
	 * fence RD.first, light. Pairs: GP.before-word (heavy), GP.quiet (heavy).
	 * As RD.enter, for the section that brought the thread online.
	 */
	umb_fence_light();
	umbi_tsan_acquire(&urcu_membarrier_gp.word);
}

void umbi_own_read_lock_slow(void)
	__attribute__((alias("urcu_membarrier_read_lock_slow"), cold));

void urcu_membarrier_read_unlock_slow(void)
{
	unsigned long c = counter();

	if (broken(c))
		umbi_die("rcu_read_unlock: no rcu_read_lock to match", NULL);
	if (in_section(c))
		return;
	/* Atomic: the updater may be about to set it. Relaxed: just a wish. */
	__atomic_fetch_and(&urcu_membarrier_reader.ctr, ~URCU_MEMBARRIER_SLOW,
			   __ATOMIC_RELAXED);
	umbi_tsan_release(&umbi_hold_sections.outstanding);
	umbi_hold_drop(&umbi_hold_sections, &urcu_membarrier_reader.waiting);
	if (waiting() & UMBI_WAITING_EXIT)
		umbi_thread_unregister();
}

void urcu_membarrier_thread_offline(void)
{
	unsigned long c = counter();

	if (umbi_debug() && in_section(c))
		umbi_debug_complain("rcu_thread_offline: inside a read-side "
				    "critical section, where it does nothing",
				    __builtin_return_address(0));
	/*
	 * access RD.offline, release. Pairs: GP.scan (acquire), FENCE.offline (acquire).
	 * Orders the sections before the counter says offline.
	 * Without: an updater frees under a section that still reads.
	 */
	while (!(c & URCU_MEMBARRIER_NEST_MASK))
		if (__atomic_compare_exchange_n(&urcu_membarrier_reader.ctr, &c,
				URCU_MEMBARRIER_OFFLINE, 0,
				__ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
			umbi_gp_thread_went_offline(&umbi_gp);
			break;
		}
}

void urcu_membarrier_thread_online(void)
{
	umbi_thread_register(UMBI_REGISTER_LASTING);
	if (!(waiting() & UMBI_WAITING_EXIT))
		go_online(0);
}

void urcu_membarrier_register_thread(void)
{
	umbi_thread_register(UMBI_REGISTER_LASTING);
}

void urcu_membarrier_unregister_thread(void)
{
	unsigned long c = counter();

	if (in_section(c))
		umbi_die("rcu_unregister_thread: inside a read-side critical "
			 "section", NULL);
	if (broken(c))
		umbi_die("rcu_unregister_thread: an earlier rcu_read_unlock had "
			 "no rcu_read_lock", NULL);
	/* Its handles of domains need it fenced as before. */
	if (urcu_membarrier_reader.flags & UMBI_HAS_HANDLES)
		urcu_membarrier_thread_offline();
	else
		umbi_thread_unregister();
}

static int synchronize(const char *caller, uint64_t end)
{
	if (in_section(counter()))
		umbi_die(caller, ": inside a read-side critical section it "
			 "would wait for itself", NULL);
	/* While it waits, this thread shall not keep others from GP.scan. */
	urcu_membarrier_thread_offline();
	return umbi_gp_wait(&umbi_gp, end);
}

void urcu_membarrier_synchronize_rcu(void)
{
	synchronize("synchronize_rcu", UMBI_FOREVER);
}

int umb_synchronize_timeout_ns(uint64_t ns)
{
	return synchronize("umb_synchronize_timeout_ns", umbi_time_after(ns))
		? 0 : -ETIMEDOUT;
}

void urcu_membarrier_quiescent_state(void)
{
}

void urcu_membarrier_init(void)
{
}

void urcu_membarrier_exit(void)
{
}

/* In debug builds sections of those who call these, as liburcu-cds, begin somewhere. */
void (urcu_membarrier_read_lock)(void)
{
	int nested = UMBI_DEBUG_BUILD && _urcu_membarrier_read_ongoing();

	_urcu_membarrier_read_lock();
	if (UMBI_DEBUG_BUILD && !nested)
		umbi_debug_entered(__builtin_return_address(0));
}

void (urcu_membarrier_read_unlock)(void)
{
	if (UMBI_DEBUG_BUILD && _urcu_membarrier_read_ongoing() == 1)
		umbi_debug_entered(NULL);
	_urcu_membarrier_read_unlock();
}

int (urcu_membarrier_read_ongoing)(void)
{
	return _urcu_membarrier_read_ongoing();
}
