/* SPDX-License-Identifier: MIT */
#ifndef UMBI_HOLD_H
#define UMBI_HOLD_H

/*
 * How somebody sleeps until other threads have done something: an updater until
 * readers have left their sections, a heavy fence until threads have passed a
 * barrier. Each thread that is waited for carries the hold's flag in a word of
 * its record.
 */

#include "sys/sys.h"
#include "thread/thread.h"

#pragma GCC visibility push(hidden)

struct umbi_hold {
	uint32_t outstanding;		/* flags, and a bit while they are set */
	uint32_t flag;
	uint32_t enough;		/* as few as the sleeper waits for */
};

/* In reader.waiting: the outermost section ends. */
extern struct umbi_hold umbi_hold_sections;
/*
 * In reader.asked: the thread passes a barrier. An entry for each scope, and
 * the CPUs where those were that did.
 */
extern struct umbi_hold umbi_hold_barriers[UMBI_SCOPES];
extern struct umbi_cpus umbi_answered_on[UMBI_SCOPES];
/* Nonzero: getcpu(2), and what else a visit takes, are known to do no harm. */
extern int umbi_visits_allowed;
/* The signal that asks, for those who sleep in the library. */
extern int umbi_barrier_signal;

/*
 * In threads of our own, and around the host's code: the host's signals are for its
 * own threads. Ours and the C library's stay open. `how` as for pthread_sigmask(3).
 */
void umbi_block_signals(int how, sigset_t *before);

/*
 * The sleeper's side, one thread at a time, and whatever names a record under
 * the registry lock. Open, add threads, close, wait. Add sets more bits of the
 * word, if asked to, and returns what was in it.
 */
void umbi_hold_open(struct umbi_hold *hold);
uint32_t umbi_hold_add(struct umbi_hold *hold, uint32_t *word, uint32_t more);
int umbi_held(const struct umbi_hold *hold, const uint32_t *word);

/* Is anybody waited for? A hint. */
int umbi_hold_is_open(const struct umbi_hold *hold);
void umbi_hold_close(struct umbi_hold *hold);

/*
 * Until no more than `enough` flags are left. Nonzero: it has come to that. Zero:
 * the time was over first.
 */
int umbi_hold_spin(const struct umbi_hold *hold, uint32_t enough);
int umbi_hold_wait(struct umbi_hold *hold, uint32_t enough, uint64_t ns);

/* Either side: the thread need not be waited for any longer. */
void umbi_hold_drop(struct umbi_hold *hold, uint32_t *word);

/*
 * The owner's side of the barriers: if asked to, pass one, and let go of all who
 * asked. In signal handlers too.
 */
void umbi_hold_answer(umbi_reader *self);

/*
 * As umbi_futex_wait(). The sleeper may be asked for a barrier meanwhile, where
 * no visit can replace its answer: if it blocks the signal, it looks now and then.
 */
void umbi_sleep(uint32_t *word, uint32_t value, uint64_t ns);
/* On a word that processes share, for milliseconds. */
void umbi_sleep_shared(uint32_t *word, uint32_t value, uint64_t ns);

/*
 * Will the outermost unlock of this reader, whose counter was c and in a
 * section, take the slow path? If not, make it so: a heavy fence will tell.
 */
int umbi_hold_armed(umbi_reader *reader, unsigned long c);

/* In a forked child: other threads are waited for, and count down, no more. */
void umbi_hold_forked(struct umbi_hold *hold);
void umbi_holds_forked(void);

#pragma GCC visibility pop

#endif /* UMBI_HOLD_H */
