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

#include "fence/fence.h"
#include "rcu/gp.h"
#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/debug.h"
#include "thread/fork.h"
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

/* Between two looks at readers that may be dead. */
#define SLICE_MIN	1000000
#define SLICE_MAX	4000000

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
	.word = UMBI_GP_FIRST_WORD,
	.registry = &umbi_registry,
};

static const struct umbi_gp_kind flavour = {
	.fence = umbi_fence_online,
	.fence_is_slow = umbi_fence_is_slow,
};

static unsigned long unsettled;

struct umbi_gp umbi_gp = {
	.kind = &flavour,
	.word = &urcu_membarrier_gp.word,
	.unsettled = &unsettled,
	.readers = &umbi_registry,
	.hold = &umbi_hold_sections,
	.note = { .since_ms = &urcu_membarrier_gp.waits_since_ms },
	.look_first = 1,
};

static struct umbi_gp *gp_of(struct umbi_combine *c)
{
	return (struct umbi_gp *) c;
}

/*
 * look_first: a thread has gone offline since an updater last looked whether all
 * are. A hint, without order: it saves looks that would find somebody online.
 */
void umbi_gp_thread_went_offline(struct umbi_gp *gp)
{
	if (!__atomic_load_n(&gp->look_first, __ATOMIC_RELAXED))
		__atomic_store_n(&gp->look_first, 1, __ATOMIC_RELAXED);
}

/*
 * unsettled: words stored by leaders since all sections carried the newest, see
 * settle(). In 15 bits they must not come round while a section carries an old one.
 */
#define UNSETTLED_MAX	((SEQ_MASK - SEQ_FIRST) / SEQ_ONE / 2)

static unsigned long current_word(const struct umbi_gp *gp)
{
	/* Relaxed: leaders write it, and we lead; or just want to tell of them. */
	return __atomic_load_n(gp->word, __ATOMIC_RELAXED);
}

unsigned long umbi_gp_quiescent(const struct umbi_gp *gp)
{
	/* 15-bit numbers could come round meanwhile: oldest, see RD.oldest. */
	return (sizeof(long) > 4 ? current_word(gp) : URCU_MEMBARRIER_OLDEST) - 1;
}

/*
 * From the last word, not from the grace period's number: those that were elided
 * have left no number behind, and in 15 bits theirs would come round unnoticed.
 */
static void store_next_word(struct umbi_gp *gp)
{
	unsigned long last = current_word(gp);
	unsigned long next = (last & SEQ_MASK) == SEQ_MASK
		? SEQ_FIRST | 1 : last + SEQ_ONE;

	/* Relaxed: readers need no order from it, see above. */
	__atomic_store_n(gp->word, next, __ATOMIC_RELAXED);
	++*gp->unsettled;
}

static unsigned long counter_of(const umbi_reader *reader)
{
	/*
	 * access GP.scan, acquire. Pairs: RD.leave (light), RD.offline (release), RD.online (full), DOMAIN.leave (release), DOMAIN.gone (release), DOMAIN.clean (release), DOMAIN.join (full), DOMAIN.register (full).
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

/* Readers in other processes have slots that stay where they are, and no lock. */
static void lock_registry(struct umbi_gp *gp)
{
	if (gp->kind->census) {
		gp->kind->census(gp);
		return;
	}
	/*
	 * access GP.lock, acquire. Pairs: THREAD.gone (release), DOMAIN.left (release).
	 * Orders the sections of threads that have left before what follows.
	 */
	umbi_lock(&gp->readers->lock);
	umbi_tsan_acquire(&gp->readers->lock);
}

static void unlock_registry(struct umbi_gp *gp)
{
	if (!gp->kind->census)
		umbi_unlock(&gp->readers->lock);
}

/*
 * G1. The callers have stored what they removed and passed COMBINE.enter, the
 * leader has passed COMBINE.started and looks at the counters, GP.scan; a reader
 * that comes online stores its counter, passes RD.online and reads. One sees the
 * other: a reader that looks offline here sees the removal. A thread that
 * registers later does so after our hold of the lock, and sees it too.
 */
static int nobody_online(struct umbi_gp *gp)
{
	umbi_reader *reader;
	int nobody = 1;

	if (!__atomic_load_n(&gp->look_first, __ATOMIC_RELAXED))
		return 0;
	__atomic_store_n(&gp->look_first, 0, __ATOMIC_RELAXED);
	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers);
	     nobody && (reader = umbi_scan_next(&s)); )
		nobody = counter_of(reader) == URCU_MEMBARRIER_OFFLINE;
	unlock_registry(gp);
	if (nobody)
		umbi_gp_thread_went_offline(gp);
	return nobody;
}

/* G4: hold the readers that are not out after a short wait; how many? */
static unsigned long hold_readers(struct umbi_gp *gp, unsigned long word)
{
	unsigned int spins = SPINS_READERS;
	unsigned long c, held = 0, online = 0;
	umbi_reader *reader;

	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers); (reader = umbi_scan_next(&s)); ) {
		c = counter_of(reader);
		online |= c ^ URCU_MEMBARRIER_OFFLINE;
		for (; holds(c, word) && spins; spins--) {
			umbi_relax();
			c = counter_of(reader);
		}
		if (!holds(c, word))
			continue;
		if (!held++)
			umbi_hold_open(gp->hold);
		umbi_hold_add(gp->hold, &reader->waiting, 0);
		umbi_hold_armed(reader, c);
	}
	unlock_registry(gp);
	if (!online)
		umbi_gp_thread_went_offline(gp);
	return held;
}

/* G5: let go who has left. Will the others' unlocks see to us? */
static int all_armed(struct umbi_gp *gp, unsigned long word)
{
	umbi_reader *reader;
	int all = 1;

	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers); (reader = umbi_scan_next(&s)); ) {
		unsigned long c;

		if (!umbi_held(gp->hold, &reader->waiting))
			continue;
		c = counter_of(reader);
		if (!holds(c, word))
			umbi_hold_drop(gp->hold, &reader->waiting);
		else if (!umbi_hold_armed(reader, c))
			all = 0;
	}
	unlock_registry(gp);
	return all;
}

/* The time is over first: let go of all. */
static void let_go_readers(struct umbi_gp *gp)
{
	umbi_reader *reader;

	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers); (reader = umbi_scan_next(&s)); )
		if (umbi_held(gp->hold, &reader->waiting))
			umbi_hold_drop(gp->hold, &reader->waiting);
	unlock_registry(gp);
	/* Some may be just about to count down. */
	umbi_hold_wait(gp->hold, 0, UMBI_FOREVER);
}

/* Until all have left, or the time is over; if it takes long it is told on whom. */
static int wait_for_readers(struct umbi_gp *gp, uint64_t end)
{
	uint64_t left;
	int out;

	do {
		left = umbi_time_left(end);
		out = umbi_hold_wait(gp->hold, 0,
				     umbi_stall_nap(&gp->note.wait, left));
		if (!out)
			umbi_stall_look(&gp->note.wait, UMB_STALL_SECTION, 0);
	} while (!out && left);
	return out;
}

/*
 * A flag or bit that is set without a fence is seen but for an accident: the
 * reader was just leaving. Where fences are slow we sleep on that for a while.
 */
static int sleep_on_readers(struct umbi_gp *gp, unsigned long word, uint64_t end)
{
	uint64_t left = umbi_time_left(end);

	umbi_hold_close(gp->hold);
	if (gp->kind->fence_is_slow()
	    && umbi_hold_wait(gp->hold, 0,
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
			gp->kind->fence();
		while (!all_armed(gp, word));
		if (wait_for_readers(gp, end))
			return 1;
	}
	let_go_readers(gp);
	return 0;
}

/* Is any section older than the word? Without flags and without waiting. */
static int anyone_holds(struct umbi_gp *gp, unsigned long word)
{
	umbi_reader *reader;
	int any = 0;

	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers);
	     !any && (reader = umbi_scan_next(&s)); )
		any = holds(counter_of(reader), word);
	unlock_registry(gp);
	return any;
}

/*
 * Where readers are other processes, and may die: no fence, no counting down, and
 * nothing that they have written is believed but that they are out. An unlock that
 * misses its flag costs a slice.
 */
static int still_held(struct umbi_gp *gp, unsigned long word)
{
	umbi_reader *reader;
	int any = 0, lives;

	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers);
	     any >= 0 && (reader = umbi_scan_next(&s)); ) {
		unsigned long c = counter_of(reader);

		if (!holds(c, word) || !(lives = gp->kind->lives(gp, reader)))
			continue;
		any = lives;
		__atomic_fetch_or(&reader->waiting, gp->hold->flag,
				  __ATOMIC_RELAXED);
		umbi_hold_armed(reader, c);
	}
	unlock_registry(gp);
	return any;
}

static int sleep_in_slices(struct umbi_gp *gp, unsigned long word, uint64_t end)
{
	uint64_t slice = SLICE_MIN, left;

	do {
		/* Acquire: before the looks at what it tells of. */
		uint32_t event = __atomic_load_n(gp->event, __ATOMIC_ACQUIRE);
		int held = still_held(gp, word);

		if (held <= 0)
			return held ? held : 1;
		left = umbi_time_left(end);
		umbi_sleep_shared(gp->event, event,
				  umbi_stall_nap(&gp->note.wait,
						 left < slice ? left : slice));
		umbi_stall_look(&gp->note.wait, UMB_STALL_SECTION, 0);
		slice = 2 * slice < SLICE_MAX ? 2 * slice : SLICE_MAX;
	} while (left);
	return 0;
}

/* wait_word: the one for which readers were found that hold, see look_at_wait(). */
static void note_holding(struct umbi_gp *gp, unsigned long word)
{
	if (!gp->note.wait.since)
		gp->wait_word = word;
	umbi_note_holding(&gp->note);
}

/* G4 and G5. Positive: all sections that are left carry the word. Or an errno. */
static int settle(struct umbi_gp *gp, uint64_t end)
{
	unsigned long word = current_word(gp);
	int out;

	if (!umbi_time_left(end)) {
		out = gp->kind->lives ? still_held(gp, word)
			: anyone_holds(gp, word);
		out = out < 0 ? out : !out;
		if (!out)
			note_holding(gp, word);
	} else {
		out = !hold_readers(gp, word);
		if (!out) {
			note_holding(gp, word);
			umbi_note_sleep(&gp->note);
			out = gp->kind->lives ? sleep_in_slices(gp, word, end)
				: sleep_on_readers(gp, word, end);
			note_holding(gp, word);
		}
	}
	if (out > 0) {
		umbi_note_out(&gp->note);
		*gp->unsettled = 0;
	} else {
		gp->note.wait.nap_ends = 0;
		umbi_stall_look(&gp->note.wait, UMB_STALL_SECTION, 0);
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
static void look_at_wait(struct umbi_gp *gp)
{
	umbi_reader *reader;
	int any = 0;

	if (!gp->note.wait.since)
		return;
	lock_registry(gp);
	for (struct umbi_scan s = umbi_scan(gp->readers);
	     !any && (reader = umbi_scan_next(&s)); )
		any = is_as_old(counter_of(reader), gp->wait_word);
	unlock_registry(gp);
	if (!any)
		umbi_note_out(&gp->note);
}

/* What leaders rely on, between two grace periods. In processes with debugging. */
static void check(struct umbi_gp *gp)
{
	umbi_reader *reader;
	int flags = 0, states = 1, registry;

	if (!umbi_debug() || gp->kind->lives)
		return;
	lock_registry(gp);
	registry = umbi_registry_valid(gp->readers);
	for (struct umbi_scan s = umbi_scan(gp->readers); (reader = umbi_scan_next(&s)); ) {
		unsigned long c = counter_of(reader);

		flags |= umbi_held(gp->hold, &reader->waiting);
		states &= _urcu_membarrier_depth(c)
			|| !(c & URCU_MEMBARRIER_NEST_MASK
			       & ~URCU_MEMBARRIER_VISITOR)
			|| c == URCU_MEMBARRIER_OFFLINE
			|| c == URCU_MEMBARRIER_ENTERING;
	}
	unlock_registry(gp);
	umbi_debug_invariant(registry, "the registry of threads");
	umbi_debug_invariant(!flags, "a reader is flagged and nobody waits");
	umbi_debug_invariant(states, "a thread's counter: an earlier "
			     "rcu_read_unlock had no rcu_read_lock");
	umbi_debug_invariant((current_word(gp) & URCU_MEMBARRIER_NEST_MASK) == 1
			     && current_word(gp) / SEQ_ONE
				>= URCU_MEMBARRIER_SEQ_FIRST,
			     "the number of the grace period");
}

/*
 * Before the heavy fence, not with the word: a section that acquires this earlier is
 * one that began before the point P, and is waited for.
 */
static void begin_for_tsan(struct umbi_gp *gp)
{
	umbi_tsan_release(gp->word);
}

static int run_grace_period(struct umbi_gp *gp, int begun, uint64_t end)
{
	int ret;

	if (!begun) {
		umbi_note_begin(&gp->note);
		look_at_wait(gp);
		begin_for_tsan(gp);
		if (nobody_online(gp)) {
			umbi_note_end(&gp->note, 1);
			return UMBI_COMPLETE;
		}
		if (*gp->unsettled >= UNSETTLED_MAX && settle(gp, end) <= 0)
			return UMBI_NOT_BEGUN;
		/*
		 * fence GP.before-word, heavy. Pairs: RD.enter (light), RD.oldest (light), RD.first (light), DOMAIN.enter (full), DOMAIN.oldest (full).
		 * Orders the callers' removals before gp.word.
		 * Without: a section that saw the removed element can carry
		 * the new number, or be invisible to the scan.
		 */
		ret = gp->kind->fence();
		if (ret)
			return ret;
		store_next_word(gp);
	}
	ret = settle(gp, end);
	if (ret <= 0) {
		umbi_note_given_up(&gp->note);
		return ret < 0 ? ret : UMBI_BEGUN;
	}
	/*
	 * fence GP.after-scan, heavy. Pairs: RD.leave (light).
	 * Orders the sections' accesses before the end of the grace period.
	 * Without: a load of a section that looks over runs after the free.
	 * On TSO machines nothing moves a load past a later store; and domains
	 * end sections by a release, DOMAIN.leave.
	 */
	if (!MACHINE_IS_TSO && !gp->kind->released)
		gp->kind->fence();
	check(gp);
	umbi_note_end(&gp->note, 0);
	return UMBI_COMPLETE;
}

static int run_turn(struct umbi_combine *c, int begun, uint64_t end)
{
	struct umbi_gp *gp = gp_of(c);
	int ret;

	if (!gp->kind->lead)
		return run_grace_period(gp, begun, end);
	ret = gp->kind->lead(gp, !begun, end);
	if (ret == UMBI_SERVED)
		return UMBI_COMPLETE;
	/* To be gone on with: others' grace periods may serve it. */
	if (ret == UMBI_LEADS_NOT)
		return UMBI_BEGUN;
	if (ret > 0) {
		ret = run_grace_period(gp, ret == UMBI_LEADS_ON, end);
		gp->kind->unlead(gp, ret);
	}
	return ret;
}

int umbi_gp_wait(struct umbi_gp *gp, uint64_t end)
{
	return umbi_combine(&gp->turn, run_turn, SPINS_FOLLOWER, end);
}

unsigned long umbi_gp_target(struct umbi_gp *gp)
{
	return umbi_combine_target(&gp->turn);
}

int umbi_gp_over(struct umbi_gp *gp, unsigned long target)
{
	return umbi_combine_served(&gp->turn, target);
}

int umbi_gp_push(struct umbi_gp *gp, unsigned long target)
{
	return umbi_combine_push(&gp->turn, run_turn, target);
}

/*
 * The quiet way: a fence outside any turn, then a word of its own, and looks now
 * and then, without flags. Nobody waits meanwhile but the caller. Others may store
 * newer words: to wait for all that are older than those is to wait for more.
 * Their grace periods, if they began after ours, are as good.
 */
static int look_again(struct umbi_combine *c)
{
	return settle(gp_of(c), 0);
}

static int look_first_time(struct umbi_combine *c)
{
	struct umbi_gp *gp = gp_of(c);

	look_at_wait(gp);
	if (*gp->unsettled >= UNSETTLED_MAX && !settle(gp, 0))
		return -1;
	store_next_word(gp);
	return settle(gp, 0);
}

static int wait_quietly(struct umbi_gp *gp, unsigned long target, uint32_t *hurry)
{
	int (*look)(struct umbi_combine *c) = look_first_time;
	uint64_t nap = QUIET_NAP_MIN;

	while (!umbi_gp_over(gp, target)) {
		int ret = umbi_combine_aside(&gp->turn, look);

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

int umbi_gp_wait_quietly(struct umbi_gp *gp, unsigned long target,
			 uint32_t *hurry)
{
	begin_for_tsan(gp);
	/*
	 * fence GP.quiet, heavy. Pairs: RD.enter (light), RD.oldest (light), RD.first (light).
	 * As GP.before-word, for the word that look_first_time() stores.
	 */
	if (umbi_fence_quietly() || !wait_quietly(gp, target, hurry))
		return 0;
	/*
	 * fence GP.quiet-end, heavy. Pairs: RD.leave (light).
	 * As GP.after-scan.
	 */
	if (!MACHINE_IS_TSO && !gp->kind->released && umbi_fence_quietly())
		return 0;
	umbi_note_quiet(&gp->note);
	return 1;
}

unsigned long umbi_gp_holds_on(const struct umbi_gp *gp, const umbi_reader *reader)
{
	unsigned long c = counter_of(reader);

	/* A leader who sleeps has flagged those that he sleeps on. */
	if (umbi_hold_is_open(gp->hold)
	    && !umbi_held(gp->hold, &reader->waiting))
		return 0;
	return holds(c, current_word(gp)) ? _urcu_membarrier_depth(c) : 0;
}

int umbi_gp_ours(const struct umbi_gp *gp)
{
	return umbi_combine_ours(&gp->turn) || umbi_fence_ours();
}

void umbi_gp_fork_one(struct umbi_gp *gp)
{
	umbi_combine_forked(&gp->turn);
	if (!umbi_combine_ours(&gp->turn))
		umbi_note_forget(&gp->note);
	umbi_gp_thread_went_offline(gp);
}

void umbi_gp_forked(void)
{
	umbi_gp_fork_one(&umbi_gp);
}
