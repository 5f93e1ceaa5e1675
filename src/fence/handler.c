/* SPDX-License-Identifier: MIT */

/*
 * The handler of the signal backend's signal, in a process where others may
 * have handlers for the same signal, before us or after us.
 *
 * Ours passes every delivery on to the handler that it found: the kernel merges
 * signals, so there is no telling for whom one was. Each time that we have to
 * put ours on top again it is another function, a level, with a successor of
 * its own: so the chain does not run in a circle if a handler above an older
 * level of ours passes on to that one; and who puts the old state back, as
 * plugins do when they leave, puts back what was right then. Others can still
 * close a circle, by putting one handler on top twice: see deliver().
 *
 * A handler that somebody put on top is left there if it passes on to us.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "fence/backend.h"
#include "thread/hold.h"

#define LEVELS	8

typedef void (*action)(int signal, siginfo_t *info, void *context);

static struct level {
	action successor;	/* NULL: none */
	sigset_t mask;		/* that it wants blocked */
} levels[LEVELS];
static unsigned int used;	/* levels; under the lock */
static struct umbi_lock lock;
static action trusted;		/* not ours, but it passes on to us */
static unsigned int puts;	/* times that ours was put on top */

/* The kernel's set is shorter than the C library's; the rest is not there. */
static void add_signals(sigset_t *to, const sigset_t *from)
{
	unsigned char *t = (unsigned char *) to;
	const unsigned char *f = (const unsigned char *) from;

	for (size_t i = 0; i < _NSIG / 8; i++)
		t[i] |= f[i];
}

static int is_full(const sigset_t *mask)
{
	sigset_t set = *mask, all;

	/* These cannot be blocked. */
	sigaddset(&set, SIGKILL);
	sigaddset(&set, SIGSTOP);
	memset(&all, 0xFF, sizeof all);
	return !memcmp(&set, &all, _NSIG / 8);
}

/*
 * With the signals blocked that it would find blocked without us: if it was the
 * kernel that called us, those of the thread and its own; else whatever the
 * handler above us has blocked.
 */
static void pass_on(const struct level *level, action successor, int signal,
		    siginfo_t *info, void *context)
{
	sigset_t before, mask;

	umbi_signal_mask(NULL, &before);
	mask = before;
	if (is_full(&before)) {
		mask = level->mask;
		add_signals(&mask, &((ucontext_t *) context)->uc_sigmask);
	}
	umbi_signal_mask(&mask, NULL);
	/* If it takes less arguments it ignores these, as it does the kernel's. */
	successor(signal, info, context);
	umbi_signal_mask(&before, NULL);
}

/*
 * The thread's record has the delivery that is being passed on, by its context;
 * where in the stack that was last; and the levels that pass it on. If a level
 * is reached again, deeper in the same delivery, that looks like a circle. But
 * the record may be of an old delivery, which somebody left by siglongjmp(), and
 * its context may be one again. So the delivery is passed on once more, and only
 * then not again.
 */
#define FIRST(n)	(1U << (n))
#define SECOND(n)	(1U << (n) << LEVELS)

static void deliver(unsigned int n, int signal, siginfo_t *info, void *context)
{
	umbi_reader *self = &urcu_membarrier_reader;
	action successor = __atomic_load_n(&levels[n].successor,
					   __ATOMIC_ACQUIRE);
	const void *frame = __builtin_frame_address(0);
	const void *delivery = self->delivery, *begun = self->frame;
	uint32_t passing = self->levels;
	int saved = errno;

	__atomic_store_n(&self->heard, (uint32_t) signal, __ATOMIC_RELAXED);
	umbi_hold_answer(self);
	errno = saved;
	if (delivery != context || frame >= begun)
		self->levels = 0;
	if (successor && !(self->levels & SECOND(n))) {
		self->levels |= self->levels & FIRST(n) ? SECOND(n) : FIRST(n);
		self->delivery = context;
		self->frame = frame;
		pass_on(&levels[n], successor, signal, info, context);
	}
	self->delivery = delivery;
	self->frame = begun;
	self->levels = passing;
}

#define LEVEL(n) \
	static void level_##n(int signal, siginfo_t *info, void *context) \
	{ \
		deliver(n, signal, info, context); \
	}
LEVEL(0) LEVEL(1) LEVEL(2) LEVEL(3) LEVEL(4) LEVEL(5) LEVEL(6) LEVEL(7)

static const action ours[LEVELS] = {
	level_0, level_1, level_2, level_3, level_4, level_5, level_6, level_7,
};

const struct umbi_signal umbi_signals[] = {
	{ "SIGURG", SIGURG },
	{ "SIGUSR1", SIGUSR1 },
	{ "SIGUSR2", SIGUSR2 },
	{ "SIGWINCH", SIGWINCH },
	{ "SIGIO", SIGIO },
	{ NULL, 0 },
};

/* Any whose arrival means nothing to the kernel or to the C library. */
int umbi_handler_fits(int signal)
{
	const struct umbi_signal *s = umbi_signals;

	while (s->name && s->number != signal)
		s++;
	return s->name || (signal >= SIGRTMIN && signal <= SIGRTMAX);
}

void umbi_handler_choose(int signal)
{
	umbi_handler_distrust();
	__atomic_store_n(&umbi_barrier_signal, signal, __ATOMIC_RELAXED);
}

int umbi_handler_signal(void)
{
	return __atomic_load_n(&umbi_barrier_signal, __ATOMIC_RELAXED);
}

/* NULL: nobody's. Both members of the union are one place, in every ABI. */
static action handler_in(const struct sigaction *a)
{
	return a->sa_handler == SIG_DFL || a->sa_handler == SIG_IGN ? NULL
		: a->sa_sigaction;
}

static int is_ours(const struct sigaction *a)
{
	for (int i = 0; i < LEVELS; i++)
		if (a->sa_sigaction == ours[i])
			return 1;
	return 0;
}

static void set_level(struct level *level, int signal,
		      const struct sigaction *below)
{
	level->mask = below->sa_mask;
	if (!(below->sa_flags & SA_NODEFER))
		sigaddset(&level->mask, signal);
	/* Release: its mask, before it is called. */
	__atomic_store_n(&level->successor, handler_in(below), __ATOMIC_RELEASE);
}

/* A new level; above nothing, an old one that has no successor will do. */
static unsigned int level_above(const struct sigaction *below)
{
	unsigned int n = 0;

	while (n < used && (handler_in(below) || levels[n].successor))
		n++;
	return n;
}

static int put_on_top(int signal, const struct sigaction *below)
{
	struct sigaction new = {
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK,
	}, old = *below;
	unsigned int n = level_above(below);
	int ret;

	if (n == LEVELS)
		return -EBUSY;
	new.sa_sigaction = ours[n];
	/* Whoever is passed on to gets the mask that it wants, see pass_on(). */
	memset(&new.sa_mask, 0xFF, sizeof new.sa_mask);
	set_level(&levels[n], signal, below);
	/* Before it is installed, for a forked child. */
	if (n == used)
		used++;
	__atomic_fetch_add(&puts, 1, __ATOMIC_SEQ_CST);
	ret = umbi_signal_action(signal, &new, &old);
	/* Did somebody come between? That is what we have replaced. */
	if (!ret && old.sa_sigaction != below->sa_sigaction)
		set_level(&levels[n], signal, &old);
	if (ret)
		__atomic_store_n(&levels[n].successor, NULL, __ATOMIC_RELAXED);
	return ret;
}

/* Signals that went to a handler not ours are not on their way any more. */
static void forget_signals(void)
{
	umbi_reader *reader;

	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry); (reader = umbi_scan_next(&s)); )
		__atomic_fetch_and(&reader->asked, ~UMBI_ASKED_BY_SIGNAL,
				   __ATOMIC_RELAXED);
	umbi_unlock(&umbi_registry.lock);
}

int umbi_handler_install(int signal)
{
	struct sigaction now;
	int ret;

	umbi_lock(&lock);
	/* No signal: only whether we may send any. */
	ret = umbi_signal_send((uint32_t) umbi_gettid(), 0);
	if (!ret)
		ret = umbi_signal_action(signal, NULL, &now);
	if (!ret && !is_ours(&now))
		ret = put_on_top(signal, &now);
	umbi_unlock(&lock);
	if (!ret)
		forget_signals();
	return ret;
}

/*
 * Does a signal to ourselves arrive at deliver()? If so, before the system call
 * returns. 1: yes, 0: no, -1: we block it, so there is no telling.
 */
static int arrives(int signal)
{
	umbi_reader *self = &urcu_membarrier_reader;

	if (umbi_signal_blocked(signal))
		return -1;
	__atomic_store_n(&self->heard, 0, __ATOMIC_RELAXED);
	umbi_signal_send((uint32_t) umbi_gettid(), signal);
	return __atomic_load_n(&self->heard, __ATOMIC_RELAXED)
		== (uint32_t) signal;
}

int umbi_handler_check(int signal)
{
	unsigned int before = __atomic_load_n(&puts, __ATOMIC_SEQ_CST);
	struct sigaction now;
	int ret = umbi_signal_action(signal, NULL, &now), there;
	action other;

	if (ret || is_ours(&now))
		return ret;
	other = handler_in(&now);
	if (!other)
		return umbi_handler_install(signal);
	if (other == __atomic_load_n(&trusted, __ATOMIC_RELAXED))
		return 0;
	there = arrives(signal);
	if (!there)
		return umbi_handler_install(signal);
	/* By that handler, or by ours, which somebody has just put on top? */
	if (there > 0 && before == __atomic_load_n(&puts, __ATOMIC_SEQ_CST))
		__atomic_store_n(&trusted, other, __ATOMIC_RELAXED);
	return 0;
}

void umbi_handler_distrust(void)
{
	__atomic_store_n(&trusted, NULL, __ATOMIC_RELAXED);
}

void umbi_handler_doubt(int signal)
{
	umbi_handler_distrust();
	if (arrives(signal) <= 0)
		umbi_handler_install(signal);
}

void umbi_handler_forked(void)
{
	lock.word = 0;
}
