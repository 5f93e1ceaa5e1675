/* SPDX-License-Identifier: MIT */

/*
 * The heavy half: which backend, and what happens when it fails.
 *
 * A step down is safe at any moment because the light half is the same in
 * every mode. Backends are made ready, and chosen, under the lock; they are run,
 * and stepped down from, by the leader of a combined turn and by that of a
 * grace period, each for a scope of its own.
 */

#include <errno.h>
#include <stddef.h>

#include "fence/backend.h"
#include "fence/combine.h"
#include "fence/fence.h"
#include "thread/fork.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define TRIES		3	/* of a backend that reports a passing failure */
#define SPINS		200	/* a follower's, against one expedited fence */

static const char *const mode_names[] = {
	[UMB_FENCE_PRIVATE_EXPEDITED] = "private-expedited",
	[UMB_FENCE_GLOBAL_EXPEDITED] = "global-expedited",
	[UMB_FENCE_GLOBAL] = "global",
	[UMB_FENCE_SIGNAL] = "signal",
	[UMB_FENCE_VISIT] = "visit",
};

static const struct umbi_fence_ops *const backends[] = {
	&umbi_fence_private_expedited,
	&umbi_fence_global_expedited,
	&umbi_fence_global,
	&umbi_fence_signal,
	&umbi_fence_visit,
};
#define NONE	((int) ARRAY_SIZE(backends))

static struct umbi_combine turn;
static struct umbi_lock choice;
static int chosen = -1;			/* index of the backend in use */
static unsigned int prepared;		/* a bit a backend */

static int sandboxed;			/* at load: system calls may be deadly */

/* For umbi_survives(), which passes no argument: it is called under the lock. */
static int tried;

static int try_it(void)
{
	const struct umbi_fence_ops *b = backends[tried];
	int ret = b->prepare();

	/* Those that look at threads need locks, which others may hold. */
	return ret || b->one_by_one ? ret : b->run(UMBI_EVERYBODY);
}

/* Under the lock. */
static int prepare(int i)
{
	int ret = 0;

	if (__atomic_load_n(&prepared, __ATOMIC_RELAXED) & 1U << i)
		return 0;
	tried = i;
	if (backends[i]->risky && sandboxed && !umbi_survives(try_it))
		ret = -EPERM;
	if (!ret)
		ret = backends[i]->prepare();
	if (!ret)
		__atomic_fetch_or(&prepared, 1U << i, __ATOMIC_RELAXED);
	/* Signals need visits, or to know that there are none. */
	if (!ret && backends[i] == &umbi_fence_signal)
		prepare(i + 1);
	return ret;
}

static int first_usable(void)
{
	int i = 0;

	while (i < NONE && prepare(i))
		i++;
	return i;
}

static int backend_of(enum umb_fence_mode mode)
{
	int i = 0;

	while (i < NONE && backends[i]->mode != mode)
		i++;
	return i;
}

/* What the environment asks for, or the best there is. */
static int from_environment(void)
{
	int i = backend_of(umbi_environment_mode());

	if (i == NONE)
		return first_usable();
	if (!prepare(i))
		return i;
	umbi_environment_refused();
	return first_usable();
}

/* Index of the backend in use; chosen at load, or by whoever needs it first. */
static int current(void)
{
	int i = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (i >= 0)
		return i;
	umbi_lock(&choice);
	if (chosen < 0) {
		sandboxed = umbi_sandboxed();
		umbi_environment_signal();
		__atomic_store_n(&chosen, from_environment(), __ATOMIC_RELAXED);
	}
	i = chosen;
	umbi_unlock(&choice);
	return i;
}

/*
 * At load, while the program has one thread: registration with the kernel
 * takes microseconds now and tens of milliseconds later.
 */
static __attribute__((constructor)) void choose(void)
{
	current();
}

static int ready(int i)
{
	int ret;

	if (__atomic_load_n(&prepared, __ATOMIC_RELAXED) & 1U << i)
		return 0;
	umbi_lock(&choice);
	ret = prepare(i);
	umbi_unlock(&choice);
	return ret;
}

static int passing(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EINTR
		|| error == -EXDEV;
}

static int run_once(int i, enum umbi_scope scope)
{
	int ret;

	/*
	 * fence FENCE.call, full. Pairs: KERNEL.barrier (full), HOLD.pass (full).
	 * Orders the caller's accesses before those barriers.
	 * Without: the kernel returns at once, with no barrier, when the caller
	 * is the only user of its memory map or one CPU is online.
	 */
	umbi_fence_full();
	ret = backends[i]->run(scope);
	/*
	 * fence FENCE.return, full. Pairs: KERNEL.barrier (full), HOLD.pass (full).
	 * Orders those barriers before the caller's later accesses.
	 * Without: as for FENCE.call.
	 */
	umbi_fence_full();
	return ret;
}

static int run_backend(int i, enum umbi_scope scope)
{
	int ret = ready(i);

	for (int n = 0; n < TRIES && !ret; n++) {
		ret = run_once(i, scope);
		if (!ret)
			return 0;
		if (ret == -EPERM && !backends[i]->prepare())
			ret = 0;	/* it was not registered; now it is */
		else if (passing(ret) && n + 1 < TRIES)
			ret = 0;
	}
	return ret ? ret : -EPERM;
}

/* For good, unless somebody else has made the step. */
static void step(int from, int to)
{
	__atomic_compare_exchange_n(&chosen, &from, to, 0, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

/* Down the list, and before the end once more from its top. */
static void run(enum umbi_scope scope)
{
	int first = current(), failed = first == NONE;

	for (int n = 0; n < NONE; n++) {
		int i = (first + n) % NONE, ret = run_backend(i, scope);

		if (!ret) {
			if (failed)
				step(first, i);
			return;
		}
		failed |= i == first && !passing(ret);
	}
	umbi_die("no way to fence the other threads is left: membarrier(2), "
		 "signals and the choice of CPUs are all refused", NULL);
}

static enum umbi_progress run_turn(int begun, uint64_t end)
{
	(void) begun;
	(void) end;
	run(UMBI_EVERYBODY);
	return UMBI_COMPLETE;
}

void umb_fence_heavy(void)
{
	umbi_combine(&turn, run_turn, SPINS, UMBI_FOREVER);
}

void umbi_fence_online(void)
{
	int i = current();

	if (i < NONE && backends[i]->one_by_one)
		run(UMBI_ONLINE);
	else
		umbi_combine(&turn, run_turn, SPINS, UMBI_FOREVER);
}

int umbi_fence_quietly(void)
{
	int i = backend_of(UMB_FENCE_GLOBAL), ret = ready(i);

	return ret ? ret : run_once(i, UMBI_EVERYBODY);
}

int umbi_fence_is_slow(void)
{
	int i = current();

	return i < NONE && backends[i]->mode >= UMB_FENCE_GLOBAL;
}

void umb_fence_register_thread(void)
{
	umbi_thread_register(UMBI_REGISTER_LASTING);
}

enum umb_fence_mode umb_fence_mode(void)
{
	int i = current();

	return i < NONE ? backends[i]->mode : (enum umb_fence_mode) 0;
}

const char *umb_fence_mode_name(enum umb_fence_mode mode)
{
	size_t i = (size_t) mode;

	return i < ARRAY_SIZE(mode_names) ? mode_names[i] : NULL;
}

int umb_fence_select(enum umb_fence_mode mode)
{
	int i = backend_of(mode), ret;

	if (i == NONE)
		return -EINVAL;
	current();
	if (umbi_thread_count() > 1)
		return -EBUSY;
	ret = ready(i);
	if (ret)
		return -ENOTSUP;
	__atomic_store_n(&chosen, i, __ATOMIC_RELAXED);
	return 0;
}

int umb_fence_signal(void)
{
	current();
	return umbi_handler_signal();
}

int umb_fence_set_signal(int signal)
{
	int ret = 0;

	if (!umbi_handler_fits(signal))
		return -EINVAL;
	current();
	if (umbi_thread_count() > 1)
		return -EBUSY;
	umbi_lock(&choice);
	/* Whoever fences now must not send it before it is handled. */
	if (prepared & 1U << backend_of(UMB_FENCE_SIGNAL))
		ret = umbi_handler_install(signal);
	if (!ret)
		umbi_handler_choose(signal);
	umbi_unlock(&choice);
	return ret;
}

int umbi_fence_ours(void)
{
	return umbi_combine_ours(&turn);
}

void umbi_fence_forked(void)
{
	umbi_combine_forked(&turn);
	choice.word = 0;
	umbi_handler_forked();
}
