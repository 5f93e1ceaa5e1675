/* SPDX-License-Identifier: MIT */
#ifndef UMBI_BACKEND_H
#define UMBI_BACKEND_H

#include "thread/registry.h"
#include "urcu-membarrier/fence.h"

#pragma GCC visibility push(hidden)

/* One way to do the heavy half. */
struct umbi_fence_ops {
	enum umb_fence_mode mode;
	/* What it begins with may be deadly in a sandbox. */
	unsigned int risky : 1;
	/* Threads are reached one by one, so it pays to leave some alone. */
	unsigned int one_by_one : 1;
	/*
	 * Make it usable. 0 or a negative errno; again after a success it may
	 * only repeat what the kernel forgot.
	 */
	int (*prepare)(void);
	/*
	 * Fence these threads. 0 or a negative errno. One thread at a time for
	 * each scope.
	 */
	int (*run)(enum umbi_scope scope);
};

extern const struct umbi_fence_ops umbi_fence_private_expedited;
extern const struct umbi_fence_ops umbi_fence_global_expedited;
extern const struct umbi_fence_ops umbi_fence_global;
extern const struct umbi_fence_ops umbi_fence_signal;
extern const struct umbi_fence_ops umbi_fence_visit;

/* Make this one usable, if it is not yet. 0 or a negative errno. */
int umbi_fence_ready(enum umb_fence_mode mode);
/* May membarrier(2) work for the calling thread, in one of its modes? */
int umbi_fence_has_kernel(void);

/* Under the registry lock: must a fence of this scope reach the thread? */
int umbi_in_scope(const umbi_reader *reader, enum umbi_scope scope);

/*
 * Run on each of these CPUs, and of those where we may run anyway, but not on
 * those that are in `visited` already; add to that where we were. 0, or a
 * negative errno where the kernel does not let us choose.
 */
int umbi_visit(const struct umbi_cpus *wanted, struct umbi_cpus *visited);

/* Run on each CPU that the process may use, and stay on one. 0 or a negative errno. */
int umbi_visit_everywhere(void);

/* Guesses: what it takes to visit all, and whether few are left after these. */
uint64_t umbi_visit_ns(void);
int umbi_visit_is_short(const struct umbi_cpus *visited);

/*
 * Under the registry lock: add the CPUs where this thread may run, or one where
 * nobody can, if it is not known.
 */
void umbi_cpus_of(const umbi_reader *reader, struct umbi_cpus *to);
int umbi_cpus_within(const struct umbi_cpus *these, const struct umbi_cpus *those);

/* The signal of the signal backend, and its handler: see handler.c. */
extern const struct umbi_signal {
	const char *name;
	int number;
} umbi_signals[];			/* fit for it; and the real-time ones */
int umbi_handler_fits(int signal);
void umbi_handler_choose(int signal);	/* one that has the handler */
int umbi_handler_signal(void);		/* the chosen one */
int umbi_handler_install(int signal);	/* 0 or a negative errno */
int umbi_handler_check(int signal);	/* the same: whether it is in its place */
void umbi_handler_doubt(int signal);	/* signals do not seem to arrive */
void umbi_handler_distrust(void);	/* check anew, next time, who is on top */

void umbi_handler_forked(void);		/* in a forked child */

/* What the environment asks for, and complaints about it. */
enum umb_fence_mode umbi_environment_mode(void);	/* 0: nothing */
void umbi_environment_refused(void);	/* the mode */
void umbi_environment_signal(void);
uint32_t umbi_environment_stall_ms(uint32_t otherwise);

#pragma GCC visibility pop

#endif /* UMBI_BACKEND_H */
