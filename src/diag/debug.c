/* SPDX-License-Identifier: MIT */

/* Mistakes, looked for: see debug.h, here and in include. */

#include <stdint.h>

#include "diag/place.h"
#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/debug.h"
#include "urcu/urcu-membarrier.h"

#define PLACES		256	/* that are told of once; then no more are told */
#define SETS		4096	/* of callbacks that are queued */
#define WAYS		16	/* so many a set; what finds no room is not watched */

int umbi_debugging = UMBI_DEBUG_BUILD;

static const void *places[PLACES];
static const void **queued;

static const void **callbacks(void)
{
	return __atomic_load_n(&queued, __ATOMIC_ACQUIRE);
}

void umb_debug_enable(void)
{
	const size_t bytes = SETS * WAYS * sizeof *queued;
	const void **none = NULL, **mine;

	if (!callbacks()) {
		mine = umbi_reserve(bytes);
		if (mine && umbi_commit(mine, bytes))
			mine = NULL;
		/* Who comes second leaves his to the process. */
		if (mine)
			__atomic_compare_exchange_n(&queued, &none, mine, 0,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&umbi_debugging, 1, __ATOMIC_RELAXED);
}

static __attribute__((constructor)) void at_load(void)
{
	if (UMBI_DEBUG_BUILD)
		umb_debug_enable();
}

/* Was this value put in one of n places, which begin empty? 0: it is now; -1: full. */
static int put(const void **at, unsigned int n, const void *value)
{
	const void *was;

	for (unsigned int i = 0; i < n; i++) {
		was = NULL;
		if (__atomic_compare_exchange_n(&at[i], &was, value, 0,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return 0;
		if (was == value)
			return 1;
	}
	return -1;
}

static const void **set_of(const void *callback)
{
	/* Knuth's multiplicative hash. */
	uint32_t h = (uint32_t) ((uintptr_t) callback / sizeof(void *))
		* UINT32_C(2654435761);

	return callbacks() + h / (UINT32_MAX / SETS + 1) * WAYS;
}

static int is_in(const void *const *at, const void *value)
{
	for (unsigned int i = 0; i < WAYS; i++)
		if (__atomic_load_n(&at[i], __ATOMIC_RELAXED) == value)
			return 1;
	return 0;
}

void umbi_debug_queue(const void *callback)
{
	if (!callbacks())
		return;
	if (is_in(set_of(callback), callback))
		umbi_die("call_rcu: the callback is queued already, and has "
			 "not run", NULL);
	put(set_of(callback), WAYS, callback);
}

void umbi_debug_unqueue(const void *callback)
{
	const void **at, *mine;

	if (!callbacks())
		return;
	at = set_of(callback);
	for (unsigned int i = 0; i < WAYS; i++) {
		mine = callback;
		if (__atomic_compare_exchange_n(&at[i], &mine, NULL, 0,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return;
	}
}

void umbi_debug_complain(const char *what, const void *place)
{
	char text[UMBI_PLACE_MAX];

	if (put(places, PLACES, place))
		return;
	umbi_place(place, text);
	umbi_say(what, ", at ", text, NULL);
}

void umbi_debug_invariant(int holds, const char *what)
{
	if (!holds)
		umbi_die("its own state is broken: ", what, NULL);
}

void umb_debug_read_lock(void)
{
	int nested = _urcu_membarrier_read_ongoing();

	_urcu_membarrier_read_lock();
	umbi_tsan_acquire(&urcu_membarrier_gp.word);
	if (!nested)
		umbi_debug_entered(__builtin_return_address(0));
}

void umb_debug_read_unlock(void)
{
	char text[UMBI_PLACE_MAX];
	int depth = _urcu_membarrier_read_ongoing();

	if (!depth) {
		umbi_place(__builtin_return_address(0), text);
		umbi_die("rcu_read_unlock: no rcu_read_lock to match, at ",
			 text, NULL);
	}
	if (depth == 1) {
		umbi_debug_entered(NULL);
		umbi_tsan_release(&urcu_membarrier_reader.ctr);
	}
	_urcu_membarrier_read_unlock();
}

void umb_debug_dereference(void)
{
	if (!_urcu_membarrier_read_ongoing())
		umbi_debug_complain("rcu_dereference: outside any read-side "
				    "critical section",
				    __builtin_return_address(0));
}
