/* SPDX-License-Identifier: MIT */

/*
 * The heavy half: which backend, and what happens when it fails.
 *
 * A step down is safe at any moment because the light half is the same in
 * every mode. Backends are run, and stepped down from, by the leader of a
 * combined turn; they are chosen under the lock.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fence/backend.h"
#include "fence/combine.h"
#include "sys/sys.h"
#include "thread/thread.h"

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
};
#define NONE	((int) ARRAY_SIZE(backends))

static struct umbi_combine turn;
static struct umbi_lock choice;
static int chosen = -1;			/* index of the backend in use */
static unsigned int prepared;		/* a bit a backend */

static int prepare(int i)
{
	int ret;

	if (__atomic_load_n(&prepared, __ATOMIC_RELAXED) & 1U << i)
		return 0;
	ret = backends[i]->prepare();
	if (!ret)
		__atomic_fetch_or(&prepared, 1U << i, __ATOMIC_RELAXED);
	return ret;
}

static int first_usable(int i)
{
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

static void complain(const char *value, const char *why)
{
	char shown[32];
	size_t i = 0;

	/* One line, whatever stands there. */
	for (; value[i] && i < sizeof shown - 1; i++)
		shown[i] = value[i] > ' ' && value[i] < 0x7F ? value[i] : '?';
	shown[i] = 0;
	umbi_say("URCU_MEMBARRIER_MODE=", shown, ": ", why,
		 "; valid: private-expedited, global-expedited, global",
		 "; choosing by itself", NULL);
}

/* What the environment asks for, or the best there is. */
static int from_environment(void)
{
	const char *value = secure_getenv("URCU_MEMBARRIER_MODE");

	if (!value || !*value)
		return first_usable(0);
	for (int i = 0; i < NONE; i++) {
		if (strcmp(value, mode_names[backends[i]->mode]))
			continue;
		if (!prepare(i))
			return i;
		complain(value, "not available on this machine");
		return first_usable(0);
	}
	complain(value, "unknown mode");
	return first_usable(0);
}

/* Index of the backend in use; chosen at load, or by whoever needs it first. */
static int current(void)
{
	int i = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (i >= 0)
		return i;
	umbi_lock(&choice);
	if (chosen < 0)
		__atomic_store_n(&chosen, from_environment(), __ATOMIC_RELAXED);
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

static int passing(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EINTR;
}

static int run_backend(int i)
{
	int ret = prepare(i);

	for (int n = 0; n < TRIES && !ret; n++) {
		ret = backends[i]->run();
		if (!ret)
			return 0;
		if (ret == -EPERM && !backends[i]->prepare())
			ret = 0;	/* it was not registered; now it is */
		else if (passing(ret) && n + 1 < TRIES)
			ret = 0;
	}
	return ret ? ret : -EPERM;
}

static void run_turn(unsigned long g)
{
	(void) g;
	for (int i = current(); i < NONE; i++) {
		int ret = run_backend(i);

		if (!ret)
			return;
		if (!passing(ret) && i == current())
			__atomic_store_n(&chosen, i + 1, __ATOMIC_RELAXED);
	}
	umbi_die("no way to fence the other threads is left: membarrier(2) is ",
		 "refused in every mode", NULL);
}

void umb_fence_heavy(void)
{
	umbi_combine(&turn, run_turn, SPINS);
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
	int i = backend_of(mode), ret = 0;

	if (!umb_fence_mode_name(mode))
		return -EINVAL;
	if (i == NONE)
		return -ENOTSUP;
	current();
	if (umbi_thread_count() > 1)
		return -EBUSY;
	umbi_lock(&choice);
	if (prepare(i))
		ret = -ENOTSUP;
	else
		__atomic_store_n(&chosen, i, __ATOMIC_RELAXED);
	umbi_unlock(&choice);
	return ret;
}
