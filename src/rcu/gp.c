/* SPDX-License-Identifier: MIT */

/*
 * The grace-period engine. One leader at a time runs a grace period for all
 * who were waiting before it began (see combine.c):
 *
 *      removal by the updater, COMBINE.enter ... COMBINE.started
 *      G1  nobody online? then the grace period is over  GP.scan
 *      G2  heavy fence                                  GP.before-word
 *      G3  gp.word = g
 *      G4  scan for sections with an older number       GP.scan
 *      G5  flag those, heavy fence, sleep               GP.before-sleep
 *      G6  where loads may pass later stores: heavy     GP.after-scan
 *
 * Take a section that may still see the removed element: one of its loads ran
 * before the point P at which G2 put a full barrier into its thread.
 *
 * - Its counter's store precedes that load in program order, so it precedes P,
 *   and G4 sees it. It carries a number older than g: a reader that loads g
 *   does so after G3, hence after P, and then all of its section's loads are
 *   after P too. So the reader needs no acquire, and G4 holds on it.
 * - A reader stopped between its load of the word and its store stores an old
 *   number late. It is waited for, needlessly; never too little.
 * - What G4 did not find need not be looked for again: a section that looks
 *   old only afterwards stored its counter after P.
 *
 * With one grace period at a time every reader carries its number or something
 * older, so "older" is "different".
 */

#include "fence/combine.h"
#include "fence/fence.h"
#include "rcu/gp.h"
#include "rcu/note.h"
#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/debug.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "thread/registry.h"
#include "thread/stall.h"

#define SEQ_MASK	(~URCU_MEMBARRIER_SLOW & ~URCU_MEMBARRIER_NEST_MASK)
#define SEQ_ONE		(1UL << URCU_MEMBARRIER_NEST_BITS)
#define SEQ_FIRST	(URCU_MEMBARRIER_SEQ_FIRST * SEQ_ONE)

/* Looks at readers that hold, all together, before the updater sleeps. */
#define SPINS_READERS	100
/* Looks at a grace period that somebody else runs, before a follower sleeps. */
#define SPINS_FOLLOWER	0

/* Between two looks at readers by one who is in no hurry. */
#define QUIET_NAP_MIN	500000
#define QUIET_NAP_MAX	10000000

/* How long the updater sleeps on readers before it pays for a slow fence. */
#define UNFENCED_NS	10000000

/*
 * Where stores are not reordered and loads are not delayed past later stores,
 * an unlock that is visible implies a section that is over.
 */
#if defined(__x86_64__) || defined(__i386__) || defined(__s390__) \
	|| defined(__sparc__) || defined(__riscv_ztso)
# define MACHINE_IS_TSO	1
#else
# define MACHINE_IS_TSO	0
#endif

struct urcu_membarrier_gp urcu_membarrier_gp = {
	.word = SEQ_FIRST | 1,
	.registry = &umbi_registry,
};

static struct umbi_combine gp;

/*
 * Nonzero: a thread has gone offline since an updater last looked whether all
 * are. A hint, without order: it saves looks that would find somebody online.
 */
static int look_first = 1;

void umbi_gp_thread_went_offline(void)
{
	if (!__atomic_load_n(&look_first, __ATOMIC_RELAXED))
		__atomic_store_n(&look_first, 1, __ATOMIC_RELAXED);
}

/*
 * Words stored by leaders since all sections carried the newest, see settle(). In 15
 * bits they must not come round while a section carries an old one.
 */
static unsigned long unsettled;
#define UNSETTLED_MAX	((SEQ_MASK - SEQ_FIRST) / SEQ_ONE / 2)

static unsigned long current_word(void)
{
	/* Relaxed: leaders write it, and we lead; or just want to tell of them. */
	return __atomic_load_n(&urcu_membarrier_gp.word, __ATOMIC_RELAXED);
}

/*
 * From the last word, not from the grace period's number: those that were elided
 * have left no number behind, and in 15 bits theirs would come round unnoticed.
 */
static void store_next_word(void)
{
	unsigned long last = current_word();
	unsigned long next = (last & SEQ_MASK) == SEQ_MASK
		? SEQ_FIRST | 1 : last + SEQ_ONE;

	/* Relaxed: readers need no order from it, see above. */
	__atomic_store_n(&urcu_membarrier_gp.word, next, __ATOMIC_RELAXED);
	unsettled++;
}

static unsigned long counter_of(const umbi_reader *reader)
{
	/*
	 * access GP.scan, acquire. Pairs: RD.leave (light), RD.offline (release), RD.online (full).
	 * Orders the look at the counter before what follows the grace period.
	 * Without: the updater's frees run ahead of its look.
	 */
	unsigned long c = __atomic_load_n(&reader->ctr, __ATOMIC_ACQUIRE);

	umbi_tsan_acquire(&reader->ctr);
	return c;
}

/* Is this a section that began before `word` was there to copy? */
static int holds(unsigned long c, unsigned long word)
{
	return _urcu_membarrier_depth(c) && ((c ^ word) & SEQ_MASK);
}

static void lock_registry(void)
{
	/*
	 * access GP.lock, acquire. Pairs: THREAD.gone (release).
	 * Orders the sections of threads that have left before what follows.
	 */
	umbi_lock(&umbi_registry.lock);
	umbi_tsan_acquire(&umbi_registry.lock);
}

/*
 * G1. The callers have stored what they removed and passed COMBINE.enter, the
 * leader has passed COMBINE.started and looks at the counters, GP.scan; a reader
 * that comes online stores its counter, passes RD.online and reads. One sees the
 * other: a reader that looks offline here sees the removal. A thread that
 * registers later does so after our hold of the lock, and sees it too.
 */
static int nobody_online(void)
{
	umbi_reader *reader;
	int nobody = 1;

	if (!__atomic_load_n(&look_first, __ATOMIC_RELAXED))
		return 0;
	__atomic_store_n(&look_first, 0, __ATOMIC_RELAXED);
	lock_registry();
	for (struct umbi_scan s = umbi_scan();
	     nobody && (reader = umbi_scan_next(&s)); )
		nobody = counter_of(reader) == URCU_MEMBARRIER_OFFLINE;
	umbi_unlock(&umbi_registry.lock);
	if (nobody)
		umbi_gp_thread_went_offline();
	return nobody;
}

/* G4: hold the readers that are not out after a short wait; how many? */
static unsigned long hold_readers(unsigned long word)
{
	unsigned int spins = SPINS_READERS;
	unsigned long c, held = 0, online = 0;
	umbi_reader *reader;

	lock_registry();
	for (struct umbi_scan s = umbi_scan(); (reader = umbi_scan_next(&s)); ) {
		c = counter_of(reader);
		online |= c ^ URCU_MEMBARRIER_OFFLINE;
		for (; holds(c, word) && spins; spins--) {
			umbi_relax();
			c = counter_of(reader);
		}
		if (!holds(c, word))
			continue;
		if (!held++)
			umbi_hold_open(&umbi_hold_sections);
		umbi_hold_add(&umbi_hold_sections, &reader->waiting, 0);
		umbi_hold_armed(reader, c);
	}
	umbi_unlock(&umbi_registry.lock);
	if (!online)
		umbi_gp_thread_went_offline();
	return held;
}

/* G5: let go who has left. Will the others' unlocks see to us? */
static int all_armed(unsigned long word)
{
	umbi_reader *reader;
	int all = 1;

	lock_registry();
	for (struct umbi_scan s = umbi_scan(); (reader = umbi_scan_next(&s)); ) {
		unsigned long c;

		if (!umbi_held(&umbi_hold_sections, &reader->waiting))
			continue;
		c = counter_of(reader);
		if (!holds(c, word))
			umbi_hold_drop(&umbi_hold_sections, &reader->waiting);
		else if (!umbi_hold_armed(reader, c))
			all = 0;
	}
	umbi_unlock(&umbi_registry.lock);
	return all;
}

/* The time is over first: let go of all. */
static void let_go_readers(void)
{
	umbi_reader *reader;

	lock_registry();
	for (struct umbi_scan s = umbi_scan(); (reader = umbi_scan_next(&s)); )
		if (umbi_held(&umbi_hold_sections, &reader->waiting))
			umbi_hold_drop(&umbi_hold_sections, &reader->waiting);
	umbi_unlock(&umbi_registry.lock);
	/* Some may be just about to count down. */
	umbi_hold_wait(&umbi_hold_sections, 0, UMBI_FOREVER);
}

/* Until all have left, or the time is over; if it takes long it is told on whom. */
static int wait_for_readers(uint64_t end)
{
	uint64_t left;
	int out;

	do {
		left = umbi_time_left(end);
		out = umbi_hold_wait(&umbi_hold_sections, 0,
				     umbi_stall_nap(umbi_note_wait(), left));
		if (!out)
			umbi_stall_look(umbi_note_wait(), UMB_STALL_SECTION, 0);
	} while (!out && left);
	return out;
}

/*
 * A flag or bit that is set without a fence is seen but for an accident: the
 * reader was just leaving. Where fences are slow we sleep on that for a while.
 */
static int sleep_on_readers(unsigned long word, uint64_t end)
{
	uint64_t left = umbi_time_left(end);

	umbi_hold_close(&umbi_hold_sections);
	if (umbi_fence_is_slow()
	    && umbi_hold_wait(&umbi_hold_sections, 0,
			      left < UNFENCED_NS ? left : UNFENCED_NS))
		return 1;
	left = umbi_time_left(end);
	if (left) {
		do
			/*
			 * fence GP.before-sleep, heavy. Pairs: RD.left (light).
			 * Orders the flags before the second look at the
			 * counters. Without: the updater sleeps on a section
			 * that is over.
			 */
			umbi_fence_online();
		while (!all_armed(word));
		if (wait_for_readers(end))
			return 1;
	}
	let_go_readers();
	return 0;
}

/* Is any section older than the word? Without flags and without waiting. */
static int anyone_holds(unsigned long word)
{
	umbi_reader *reader;
	int any = 0;

	lock_registry();
	for (struct umbi_scan s = umbi_scan();
	     !any && (reader = umbi_scan_next(&s)); )
		any = holds(counter_of(reader), word);
	umbi_unlock(&umbi_registry.lock);
	return any;
}

/* The word for which readers were found that hold, see look_at_wait(). */
static unsigned long wait_word;

static void note_holding(unsigned long word)
{
	if (!umbi_note_wait()->since)
		wait_word = word;
	umbi_note_holding();
}

/* G4 and G5. Nonzero: all sections that are left carry the word. */
static int settle(uint64_t end)
{
	unsigned long word = current_word();
	int out;

	if (!umbi_time_left(end)) {
		out = !anyone_holds(word);
		if (!out)
			note_holding(word);
	} else {
		out = !hold_readers(word);
		if (!out) {
			note_holding(word);
			umbi_note_sleep();
			out = sleep_on_readers(word, end);
			note_holding(word);
		}
	}
	if (out) {
		umbi_note_out();
		unsettled = 0;
	} else {
		umbi_note_wait()->nap_ends = 0;
		umbi_stall_look(umbi_note_wait(), UMB_STALL_SECTION, 0);
	}
	return out;
}

/* Is this a section that was there when the wait for that word began? */
static int is_as_old(unsigned long c, unsigned long word)
{
	/* Numbers come round; and of OLDEST there is no telling. */
	return _urcu_membarrier_depth(c) && (c & SEQ_MASK) >= SEQ_FIRST
		&& (long) (((word - (c & SEQ_MASK)) & SEQ_MASK) << 1) > 0;
}

/*
 * Before a new word: does one wait that was given up, and are its readers still there?
 * Else that wait is over.
 */
static void look_at_wait(void)
{
	umbi_reader *reader;
	int any = 0;

	if (!umbi_note_wait()->since)
		return;
	lock_registry();
	for (struct umbi_scan s = umbi_scan();
	     !any && (reader = umbi_scan_next(&s)); )
		any = is_as_old(counter_of(reader), wait_word);
	umbi_unlock(&umbi_registry.lock);
	if (!any)
		umbi_note_out();
}

/* What leaders rely on, between two grace periods. In processes with debugging. */
static void check(void)
{
	umbi_reader *reader;
	int flags = 0, states = 1, registry;

	if (!umbi_debug())
		return;
	lock_registry();
	registry = umbi_registry_valid();
	for (struct umbi_scan s = umbi_scan(); (reader = umbi_scan_next(&s)); ) {
		unsigned long c = counter_of(reader);

		flags |= umbi_held(&umbi_hold_sections, &reader->waiting);
		states &= _urcu_membarrier_depth(c)
			|| !(c & URCU_MEMBARRIER_NEST_MASK
			       & ~URCU_MEMBARRIER_VISITOR)
			|| c == URCU_MEMBARRIER_OFFLINE
			|| c == URCU_MEMBARRIER_ENTERING;
	}
	umbi_unlock(&umbi_registry.lock);
	umbi_debug_invariant(registry, "the registry of threads");
	umbi_debug_invariant(!flags, "a reader is flagged and nobody waits");
	umbi_debug_invariant(states, "a thread's counter: an earlier "
			     "rcu_read_unlock had no rcu_read_lock");
	umbi_debug_invariant((current_word() & URCU_MEMBARRIER_NEST_MASK) == 1
			     && current_word() / SEQ_ONE
				>= URCU_MEMBARRIER_SEQ_FIRST,
			     "the number of the grace period");
}

/*
 * Before the heavy fence, not with the word: a section that acquires this earlier is
 * one that began before the point P, and is waited for.
 */
static void begin_for_tsan(void)
{
	umbi_tsan_release(&urcu_membarrier_gp.word);
}

static enum umbi_progress run_grace_period(int begun, uint64_t end)
{
	if (!begun) {
		umbi_note_begin();
		look_at_wait();
		begin_for_tsan();
		if (nobody_online()) {
			umbi_note_end(1);
			return UMBI_COMPLETE;
		}
		if (unsettled >= UNSETTLED_MAX && !settle(end))
			return UMBI_NOT_BEGUN;
		/*
		 * fence GP.before-word, heavy. Pairs: RD.enter (light), RD.oldest (light), RD.first (light).
		 * Orders the callers' removals before gp.word.
		 * Without: a section that saw the removed element can carry
		 * the new number, or be invisible to the scan.
		 */
		umbi_fence_online();
		store_next_word();
	}
	if (!settle(end)) {
		umbi_note_given_up();
		return UMBI_BEGUN;
	}
	/*
	 * fence GP.after-scan, heavy. Pairs: RD.leave (light).
	 * Orders the sections' accesses before the end of the grace period.
	 * Without: a load of a section that looks over runs after the free.
	 * On TSO machines nothing moves a load past a later store.
	 */
	if (!MACHINE_IS_TSO)
		umbi_fence_online();
	check();
	umbi_note_end(0);
	return UMBI_COMPLETE;
}

int umbi_gp_wait(uint64_t end)
{
	return umbi_combine(&gp, run_grace_period, SPINS_FOLLOWER, end);
}

unsigned long umbi_gp_target(void)
{
	return umbi_combine_target(&gp);
}

int umbi_gp_over(unsigned long target)
{
	return umbi_combine_served(&gp, target);
}

int umbi_gp_push(unsigned long target)
{
	return umbi_combine_push(&gp, run_grace_period, target);
}

/*
 * The quiet way: a fence outside any turn, then a word of its own, and looks now
 * and then, without flags. Nobody waits meanwhile but the caller. Others may store
 * newer words: to wait for all that are older than those is to wait for more.
 * Their grace periods, if they began after ours, are as good.
 */
static int look_again(void)
{
	return settle(0);
}

static int look_first_time(void)
{
	look_at_wait();
	if (unsettled >= UNSETTLED_MAX && !settle(0))
		return -1;
	store_next_word();
	return settle(0);
}

static int wait_quietly(unsigned long target, uint32_t *hurry)
{
	int (*look)(void) = look_first_time;
	uint64_t nap = QUIET_NAP_MIN;

	while (!umbi_gp_over(target)) {
		int ret = umbi_combine_aside(&gp, look);

		if (ret > 0)
			return 1;
		if (!ret)
			look = look_again;
		if (__atomic_load_n(hurry, __ATOMIC_RELAXED))
			return 0;
		umbi_sleep(hurry, 0, nap);
		nap = 2 * nap < QUIET_NAP_MAX ? 2 * nap : QUIET_NAP_MAX;
	}
	return 1;
}

int umbi_gp_wait_quietly(unsigned long target, uint32_t *hurry)
{
	begin_for_tsan();
	/*
	 * fence GP.quiet, heavy. Pairs: RD.enter (light), RD.oldest (light), RD.first (light).
	 * As GP.before-word, for the word that look_first_time() stores.
	 */
	if (umbi_fence_quietly() || !wait_quietly(target, hurry))
		return 0;
	/*
	 * fence GP.quiet-end, heavy. Pairs: RD.leave (light).
	 * As GP.after-scan.
	 */
	if (!MACHINE_IS_TSO && umbi_fence_quietly())
		return 0;
	umbi_note_quiet();
	return 1;
}

unsigned long umbi_gp_holds_on(const umbi_reader *reader)
{
	unsigned long c = counter_of(reader);

	/* A leader who sleeps has flagged those that he sleeps on. */
	if (umbi_hold_is_open(&umbi_hold_sections)
	    && !umbi_held(&umbi_hold_sections, &reader->waiting))
		return 0;
	return holds(c, current_word()) ? _urcu_membarrier_depth(c) : 0;
}

int umbi_gp_ours(void)
{
	return umbi_combine_ours(&gp) || umbi_fence_ours();
}

void umbi_gp_forked(void)
{
	umbi_combine_forked(&gp);
	if (!umbi_combine_ours(&gp))
		umbi_note_forget();
	umbi_gp_thread_went_offline();
}
