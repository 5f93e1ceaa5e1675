/* SPDX-License-Identifier: MIT */

/*
 * The heavy half: which backend, and what happens when it fails.
 *
 * A step down is safe at any moment because the light half is the same in
 * every mode. Backends are made ready, and chosen, under the lock; they are run
 * by the leader of a combined turn and by that of a grace period, each for a scope
 * of its own.
 *
 * What fails for good fails for the thread that tried: filters of seccomp are a
 * thread's own. So each thread steps down for itself, at the price of one refused
 * call, and those who are allowed more go on as before. What fails for once is made
 * up for by the next backend, for this one fence.
 */

#include <errno.h>
#include <stddef.h>

#include "fence/backend.h"
#include "fence/combine.h"
#include "fence/fence.h"
#include "sys/probe.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "thread/stall.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define TRIES		3	/* of a backend that reports a passing failure */
#define SPINS		200	/* a follower's, against one expedited fence */
#define NAP_MIN		1000000u	/* ns; where nothing works for the moment */
#define NAP_MAX		100000000u

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
static int chosen = -1;			/* index of the best backend */
static unsigned int prepared;		/* a bit a backend */

/* Each scope has one writer at a time. The others count what is rare. */
static unsigned long runs[UMBI_SCOPES][ARRAY_SIZE(backends)];
static unsigned long quiet_runs, process_runs, failures, fallbacks, degradations;

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
	if (backends[i]->risky && sandboxed) {
		ret = umbi_survives(try_it);
		ret = ret > 0 ? 0 : ret ? ret : -EPERM;
	}
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

/* Index of the best backend; chosen at load, or by whoever needs it first. */
static int best(void)
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
	best();
}

/* Relaxed, here and below: the owner's flags. */
static int is_refused(int i)
{
	return (urcu_membarrier_reader.flags & UMBI_REFUSED(i)) != 0;
}

/* Index of the backend that the calling thread uses. */
static int current(void)
{
	int first = best();

	for (int n = 0; first < NONE && n < NONE; n++)
		if (!is_refused((first + n) % NONE))
			return (first + n) % NONE;
	return NONE;
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

int umbi_fence_ready(enum umb_fence_mode mode)
{
	return ready(backend_of(mode));
}

int umbi_fence_has_kernel(void)
{
	for (int i = 0; i < NONE; i++)
		if (!backends[i]->one_by_one && !is_refused(i))
			return 1;
	return 0;
}

static int passing(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EINTR
		|| error == -EXDEV;
}

static int run_once(int i, enum umbi_scope scope)
{
	int ret;

	umbi_probe(fence_start, backends[i]->mode, scope);
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
	umbi_probe(fence_end, backends[i]->mode, ret);
	if (ret)
		__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
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
		else if (passing(ret) && ret != -EXDEV && n + 1 < TRIES)
			ret = 0;	/* who says EXDEV has tried again himself */
	}
	return ret ? ret : -EPERM;
}

/*
 * Down the list from there, and on from its top; then once more what has been
 * refused. Index of the one that worked, or a negative errno: -EAGAIN where one
 * may work later.
 */
static int run_any(int first, enum umbi_scope scope)
{
	int hope = -EPERM;

	for (int n = 0; n < 2 * NONE; n++) {
		int i = (first + n) % NONE, ret;

		if (is_refused(i) != (n >= NONE))
			continue;
		ret = run_backend(i, scope);
		if (!ret || passing(ret))
			urcu_membarrier_reader.flags &= ~UMBI_REFUSED(i);
		else
			urcu_membarrier_reader.flags |= UMBI_REFUSED(i);
		if (!ret)
			return i;
		if (passing(ret))
			hope = -EAGAIN;
	}
	return hope;
}

/* Another one than the thread's own has done it: for this once, or for good? */
static void note_change(int from, int to)
{
	if (from != NONE && !is_refused(from)) {
		__atomic_fetch_add(&fallbacks, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&degradations, 1, __ATOMIC_RELAXED);
	umbi_probe(degradation, from == NONE ? 0 : backends[from]->mode,
		   backends[to]->mode);
	/* None was known: it is everybody's. */
	if (from == NONE)
		__atomic_compare_exchange_n(&chosen, &from, to, 0,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void run(enum umbi_scope scope)
{
	struct umbi_wait wait = { 0 };
	int from = current(), to;
	uint64_t nap = NAP_MIN;
	uint32_t never = 0;

	while ((to = run_any(from, scope)) < 0) {
		if (to != -EAGAIN)
			umbi_die("no way to fence the other threads is left: "
				 "membarrier(2), signals and the choice of CPUs "
				 "are all refused", NULL);
		umbi_sleep(&never, 0, umbi_stall_nap(&wait, nap));
		umbi_stall_look(&wait, UMB_STALL_LEADER, umbi_own_tid());
		nap = nap < NAP_MAX ? 2 * nap : NAP_MAX;
	}
	umbi_stall_over(&wait);
	umbi_count(&runs[scope][to]);
	if (to != from)
		note_change(from, to);
}

static int run_turn(struct umbi_combine *c, int begun, uint64_t end)
{
	(void) c;
	(void) begun;
	(void) end;
	run(UMBI_EVERYBODY);
	return UMBI_COMPLETE;
}

int umbi_fence_all(void)
{
	umbi_combine(&turn, run_turn, SPINS, UMBI_FOREVER);
	return 0;
}

void umb_fence_heavy(void)
{
	(void) umbi_fence_all();
}

int umbi_fence_online(void)
{
	int i = current();

	if (i >= NONE || !backends[i]->one_by_one)
		return umbi_fence_all();
	run(UMBI_ONLINE);
	return 0;
}

int umbi_fence_quietly(void)
{
	int i = backend_of(UMB_FENCE_GLOBAL), ret = ready(i);

	if (!ret)
		ret = run_once(i, UMBI_EVERYBODY);
	if (!ret)
		__atomic_fetch_add(&quiet_runs, 1, __ATOMIC_RELAXED);
	return ret;
}

int umbi_fence_join_processes(void)
{
	return umbi_fence_ready(UMB_FENCE_GLOBAL_EXPEDITED);
}

int umbi_fence_settle_alone(void)
{
	/*
	 * The kernel has marked the CPU where we are. On another, where we once were
	 * and which is idle since, the mark would stay away when we come back: it
	 * comes with a change of memory maps. So another map goes there first.
	 */
	return umbi_survives(umbi_visit_everywhere) <= 0;
}

int umbi_fence_processes(void)
{
	int ret = -EAGAIN;

	for (int n = 0; n < TRIES && passing(ret); n++) {
		/*
		 * fence FENCE.processes, full. Pairs: KERNEL.barrier (full), DOMAIN.enter (full), DOMAIN.oldest (full).
		 * As FENCE.call; and by itself against readers that fence fully.
		 */
		umbi_fence_full();
		ret = umbi_membarrier(UMBI_MEMBARRIER_GLOBAL_EXPEDITED);
		/*
		 * fence FENCE.processed, full. Pairs: KERNEL.barrier (full).
		 * As FENCE.return.
		 */
		umbi_fence_full();
	}
	if (!ret) {
		__atomic_fetch_add(&process_runs, 1, __ATOMIC_RELAXED);
		return 0;
	}
	__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
	return umbi_fence_quietly() ? ret : 0;
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
	best();
	if (umbi_thread_count() > 1)
		return -EBUSY;
	ret = ready(i);
	if (ret)
		return -ENOTSUP;
	urcu_membarrier_reader.flags &= ~UMBI_REFUSED(i);
	__atomic_store_n(&chosen, i, __ATOMIC_RELAXED);
	return 0;
}

int umb_fence_signal(void)
{
	best();
	return umbi_handler_signal();
}

int umb_fence_set_signal(int signal)
{
	int ret = 0;

	if (!umbi_handler_fits(signal))
		return -EINVAL;
	best();
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

static uint64_t sum_of_runs(int i)
{
	uint64_t sum = 0;

	for (int scope = 0; scope < UMBI_SCOPES; scope++)
		sum += umbi_counted(&runs[scope][i]);
	return sum;
}

void umbi_fence_stats(struct umb_stats *stats)
{
	for (int i = 0; i < NONE; i++)
		stats->fences[backends[i]->mode] = sum_of_runs(i);
	stats->fences[UMB_FENCE_GLOBAL] += umbi_counted(&quiet_runs);
	stats->fences[UMB_FENCE_GLOBAL_EXPEDITED] += umbi_counted(&process_runs);
	stats->failures = umbi_counted(&failures);
	stats->fallbacks = umbi_counted(&fallbacks);
	stats->degradations = umbi_counted(&degradations);
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
