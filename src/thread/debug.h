/* SPDX-License-Identifier: MIT */
#ifndef UMBI_DEBUG_H
#define UMBI_DEBUG_H

/*
 * Looks for mistakes, of programs and of ours, that cost too much to be made always.
 * On in libraries configured so, and in processes with a part that is built with
 * DEBUG_RCU. Defined in diag, and named here, as those who look are below.
 */

#include "thread/thread.h"

#pragma GCC visibility push(hidden)

#ifdef UMB_DEBUG
# define UMBI_DEBUG_BUILD	1
#else
# define UMBI_DEBUG_BUILD	0
#endif

extern int umbi_debugging;

static inline int umbi_debug(void)
{
	/* Relaxed: it goes on, once, at load. */
	return __builtin_expect(__atomic_load_n(&umbi_debugging,
						__ATOMIC_RELAXED), 0);
}

/* The calling thread's section began there; NULL: it ends. */
static inline void umbi_debug_entered(const void *place)
{
	__atomic_store_n(&urcu_membarrier_reader.entered, place,
			 __ATOMIC_RELAXED);
}

/* A callback is about to be queued, or run: it must not be queued already. */
void umbi_debug_queue(const void *callback);
void umbi_debug_unqueue(const void *callback);

/* A line on stderr, once for each place in the program. */
void umbi_debug_complain(const char *what, const void *place);

/* Die with a line that names it, if this does not hold. */
void umbi_debug_invariant(int holds, const char *what);

#pragma GCC visibility pop

#endif /* UMBI_DEBUG_H */
