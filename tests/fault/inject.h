/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

/*
 * Faults that tests inject into system calls, in the library built with
 * UMBI_FAULTS. The library that is installed has nothing of this.
 */

#include <stdint.h>

#define FAULT_GO_ON	1

struct fault {
	long call;		/* __NR_...; 0 ends a plan */
	int at;			/* 1 to 6: only if this argument ... */
	long argument;		/* ... is that */
	uint32_t tid;		/* only in this thread; 0: in all */
	uint32_t one_in;	/* so many, by chance; 0: each */
	uint32_t times;		/* at most; 0: without end */
	uint32_t delay_us;	/* before anything else */
	int signal;		/* sent to the thread then; 0: none */
	/* A negative errno; 0: as if it had been done; or GO_ON: it is done. */
	int result;
	uint32_t hits;		/* how often so far */
};

/* From now on; NULL: none. The plan is the caller's, and stays until the next. */
void fault_plan(struct fault *plan);

#endif /* TESTS_INJECT_H */
