/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

/* What the schemes of verb shared have beside: see shared.c. */

#include <stddef.h>

#include "tests/bench/rw.h"

enum {		/* its parts */
	SECTIONS,			/* readers, one on each CPU */
	GRACE_PERIODS,			/* an updater and a reader */
	UPDATES,			/* a writer and a reader */
};
#define PART(part)	(1U << (part))

extern struct rw *shared_rw;		/* at the same address in all processes */
/* Of this process and those it forks afterwards; zero. */
void *shared_memory(size_t bytes);

extern int domain_mode;			/* of the domain that will be created */
int domain_usable(void);		/* can it be? */

#endif /* BENCH_SHARED_H */
