/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

/*
 * Cases that spoil the process for each other, such as those that choose a
 * fence mode: each in a child of its own, with an alarm, so that a hang is a
 * failure. And threads for the library to fence.
 */

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

#include "urcu-membarrier/fence.h"
#include "urcu/urcu-membarrier.h"

#define CASE_SECONDS	120	/* a hang; on a busy machine much takes long */
#define CASE_ERRNO	4711
#define STACK_BYTES	((size_t) 65536)

/*
 * Instead of tap_begin(): without the environment's mode and signal, so that
 * the library has touched no signal before a case says so. argv[1], if given,
 * names the only cases to run.
 */
void case_main(int argc, char **argv);

/*
 * One result: run(arg) in a child. From a process with one thread, which has
 * not registered it.
 */
void case_run(void (*run)(const void *arg), const void *arg,
	      const char *format, ...) __attribute__((format(printf, 3, 4)));

/* In the child, any thread; the first that fails is shown. Returns `pass`. */
int expect(int pass, const char *what);
/* In the child: no case here, or a line for the reader. */
void case_skip(const char *why) __attribute__((noreturn));
void case_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In the child: this mode, or a skip where there is none. */
void case_mode(enum umb_fence_mode mode);
/* In the child, first of all: a skip where there is no membarrier. */
void case_needs_membarrier(void);

enum {
	BLOCKED = 1,		/* takes no signals */
	SLEEPS = 2,		/* most of the time; else it spins */
	READS = 4,		/* so it is online; else it is offline */
	ALTSTACK = 8,		/* has an alternate signal stack */
};

struct worker {
	pthread_t thread;
	unsigned int kind;
	int cpu;		/* pinned there; -1: nowhere */
	pid_t tid;
	struct urcu_membarrier_reader *record;
	char *stack;		/* the alternate one */
	unsigned int runs;	/* worker_ran() in it */
	int errno_lost;
	int ready, stop;
};

/* The worker that the calling thread is, or NULL. For handlers. */
struct worker *worker_self(void);
void worker_ran(void);		/* in the program's handler: count it */
unsigned int worker_runs(const struct worker *w);

/* Registered when it returns. */
void worker_start(struct worker *w, unsigned int kind, int cpu);
void worker_stop(struct worker *w);
/* Make the calling thread one. */
void worker_become(struct worker *w);

/*
 * Heavy fences until the worker's handler has run so often, or all signals to
 * it have been answered. Zero after seconds in vain.
 */
int fence_until_runs(const struct worker *w, unsigned int runs);
int fence_until_answered(const struct worker *w);

/* Sleeps for a while, is nonzero while there is time left since `begin`. */
int wait_a_little(long begin);
long now_seconds(void);

#endif /* TESTS_CASES_H */
