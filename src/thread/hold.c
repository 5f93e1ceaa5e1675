/* SPDX-License-Identifier: MIT */

/*
 * Sleeping on other threads. `outstanding` counts the flags of a hold, and has
 * one bit more until it is closed. Each flag is taken away once, by an atomic
 * operation, and whoever takes it away counts down; who reaches zero wakes the
 * sleeper. So a sleeper on any number of threads is woken once, looks at no
 * record again, and leaves nothing behind for the next one.
 *
 * What makes an unlock look at its flag is another matter. Where the counter is
 * stored and then `waiting` loaded, with RD.left between, this is store
 * buffering against the updater's flag, GP.before-sleep and look at the
 * counter: one of them sees the other.
 *
 * On x86-64 the unlock is one instruction that loads, stores and tests the
 * counter, and the wish is the counter's top bit. The updater sets it by
 * compare-and-exchange, in a counter that it saw in a section. The owner's
 * instruction may have loaded before and store after, which wipes the bit out;
 * but the instruction is before the point P of the heavy fence, or after it:
 * - before: its store is done when the updater looks, and the updater sees that
 *   the bit is gone, sets it again and fences again; or that the reader left;
 * - after: it loads after P and finds the bit, which no other owner's store
 *   wipes out inside a section.
 * A store of another kind, read_lock's copy of the word, has tested a counter
 * of depth 0 before; if P is between the two, the updater sees depth 0, or the
 * copy without the bit, and goes on as above.
 */

#include <string.h>

#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/fork.h"
#include "thread/hold.h"

#define SPINS		400
#define OPEN		(UINT32_C(1) << 31)	/* more may be counted */
#define DEAF_NS		100000000	/* see umbi_sleep() */

struct umbi_hold umbi_hold_sections = { .flag = UMBI_WAITING_UPDATER };
struct umbi_hold umbi_hold_barriers[UMBI_SCOPES] = {
	[UMBI_EVERYBODY].flag = UMBI_ASKED_EVERYBODY,
	[UMBI_ONLINE].flag = UMBI_ASKED_ONLINE,
};
struct umbi_cpus umbi_answered_on[UMBI_SCOPES];
int umbi_visits_allowed;
int umbi_barrier_signal = SIGURG;

void umbi_block_signals(int how, sigset_t *before)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, __atomic_load_n(&umbi_barrier_signal, __ATOMIC_RELAXED));
	pthread_sigmask(how, &set, before);
}

void umbi_hold_open(struct umbi_hold *hold)
{
	/* Relaxed: nobody else counts before the first flag is set. */
	__atomic_store_n(&hold->outstanding, OPEN, __ATOMIC_RELAXED);
}

uint32_t umbi_hold_add(struct umbi_hold *hold, uint32_t *word, uint32_t more)
{
	__atomic_fetch_add(&hold->outstanding, 1, __ATOMIC_RELAXED);
	/*
	 * access HOLD.flag, release. Pairs: HOLD.unflag (acquire), HOLD.answer (acquire).
	 * Orders what the flag is about before whoever finds it: for a heavy
	 * fence, what its callers stored.
	 */
	return __atomic_fetch_or(word, hold->flag | more, __ATOMIC_RELEASE);
}

int umbi_held(const struct umbi_hold *hold, const uint32_t *word)
{
	/* Relaxed: the sleeper set the flag; gone is gone. */
	return !!(__atomic_load_n(word, __ATOMIC_RELAXED) & hold->flag);
}

static uint32_t count_down(struct umbi_hold *hold, uint32_t by)
{
	/*
	 * access HOLD.leave, seq_cst. Pairs: HOLD.woken (acquire), HOLD.enough (seq_cst).
	 * Orders what was waited for before the sleeper's wake, and the count
	 * before the look at what is enough.
	 * Without: the updater frees under a section that still reads.
	 */
	return __atomic_sub_fetch(&hold->outstanding, by, __ATOMIC_SEQ_CST);
}

static void leave(struct umbi_hold *hold)
{
	uint32_t left = count_down(hold, 1);

	if (left <= __atomic_load_n(&hold->enough, __ATOMIC_SEQ_CST))
		umbi_futex_wake(&hold->outstanding, 1);
}

void umbi_hold_close(struct umbi_hold *hold)
{
	count_down(hold, OPEN);
}

void umbi_hold_forked(struct umbi_hold *hold)
{
	hold->outstanding &= OPEN;
}

void umbi_holds_forked(void)
{
	umbi_hold_forked(&umbi_hold_sections);
	for (int scope = 0; scope < UMBI_SCOPES; scope++)
		umbi_hold_forked(&umbi_hold_barriers[scope]);
}

void umbi_hold_drop(struct umbi_hold *hold, uint32_t *word)
{
	uint32_t forks = umbi_forks_now();

	/* access HOLD.unflag, acquire. Pairs: HOLD.flag (release). */
	if ((__atomic_fetch_and(word, ~hold->flag, __ATOMIC_ACQUIRE)
	     & hold->flag) && forks == umbi_forks_now())
		leave(hold);
}

static void note_cpu(struct umbi_cpus *cpus, int cpu)
{
	if (cpu >= 0 && cpu < UMBI_CPUS_MAX)
		/*
		 * access HOLD.where, release. Pairs: FENCE.covered (acquire).
		 * Orders what threads did that ran on this CPU before us.
		 */
		__atomic_fetch_or(&cpus->bits[(size_t) cpu / UMBI_CPU_BITS],
				  1UL << (size_t) cpu % UMBI_CPU_BITS,
				  __ATOMIC_RELEASE);
}

static void answer(umbi_reader *self)
{
	uint32_t asked;

	/*
	 * fence HOLD.pass, full. Pairs: FENCE.call (full), FENCE.return (full).
	 * The point P of a heavy fence that came by signal. (The release of
	 * HOLD.leave and the acquire of HOLD.answer would do between the two
	 * threads; others were promised a full barrier.)
	 */
	umbi_fence_full();
	/* access HOLD.answer, acquire. Pairs: HOLD.flag (release). */
	asked = __atomic_exchange_n(&self->asked, 0, __ATOMIC_ACQUIRE);
	for (int scope = 0; scope < UMBI_SCOPES; scope++) {
		if (!(asked & umbi_hold_barriers[scope].flag))
			continue;
		if (__atomic_load_n(&umbi_visits_allowed, __ATOMIC_RELAXED))
			note_cpu(&umbi_answered_on[scope], umbi_cpu());
		leave(&umbi_hold_barriers[scope]);
	}
}

void umbi_hold_answer(umbi_reader *self)
{
	sigset_t all, mask;

	/* Relaxed: what is asked for later is answered later. */
	if (!__atomic_load_n(&self->asked, __ATOMIC_RELAXED))
		return;
	/*
	 * No handler may leave by siglongjmp(), nor end the thread, between the
	 * flag and the count: nobody else would count down.
	 */
	memset(&all, 0xFF, sizeof all);
	umbi_signal_mask(&all, &mask);
	answer(self);
	umbi_signal_mask(&mask, NULL);
}

static uint32_t left_of(const struct umbi_hold *hold)
{
	/* access HOLD.woken, acquire. Pairs: HOLD.leave (seq_cst). */
	return __atomic_load_n(&hold->outstanding, __ATOMIC_ACQUIRE);
}

int umbi_hold_is_open(const struct umbi_hold *hold)
{
	return left_of(hold) != 0;
}

int umbi_hold_spin(const struct umbi_hold *hold, uint32_t enough)
{
	for (int i = 0; i < SPINS; i++) {
		if (left_of(hold) <= enough)
			return 1;
		umbi_relax();
	}
	return 0;
}

void umbi_sleep(uint32_t *word, uint32_t value, uint64_t ns)
{
	int signal = __atomic_load_n(&umbi_barrier_signal, __ATOMIC_RELAXED);

	if (ns > DEAF_NS && umbi_signal_blocked(signal))
		ns = DEAF_NS;
	umbi_futex_wait(word, value, ns);
	umbi_hold_answer(&urcu_membarrier_reader);
}

void umbi_sleep_shared(uint32_t *word, uint32_t value, uint64_t ns)
{
	umbi_futex_wait_shared(word, value, ns);
	umbi_hold_answer(&urcu_membarrier_reader);
}

int umbi_hold_wait(struct umbi_hold *hold, uint32_t enough, uint64_t ns)
{
	uint64_t now = ns == UMBI_FOREVER ? 0 : umbi_now_ns();
	uint64_t end = ns == UMBI_FOREVER ? ns : now + ns;
	uint32_t left;

	/*
	 * access HOLD.enough, seq_cst. Pairs: HOLD.leave (seq_cst).
	 * Orders what is enough before the kernel's look at the count.
	 * Without: nobody wakes us when it comes to that.
	 */
	__atomic_store_n(&hold->enough, enough, __ATOMIC_SEQ_CST);
	while ((left = left_of(hold)) > enough && now < end) {
		umbi_sleep(&hold->outstanding, left, end - now);
		if (ns != UMBI_FOREVER)
			now = umbi_now_ns();
	}
	umbi_tsan_acquire(&hold->outstanding);
	return left <= enough;
}

int umbi_hold_armed(umbi_reader *reader, unsigned long c)
{
	if (!URCU_MEMBARRIER_SLOW_IN_COUNTER || (c & URCU_MEMBARRIER_SLOW))
		return 1;
	/* Relaxed: a heavy fence follows. If it fails, the reader has moved. */
	__atomic_compare_exchange_n(&reader->ctr, &c, c | URCU_MEMBARRIER_SLOW,
				    0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return 0;
}
