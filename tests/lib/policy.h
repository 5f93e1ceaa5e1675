/* SPDX-License-Identifier: MIT */
#ifndef TESTS_POLICY_H
#define TESTS_POLICY_H

/* What a sandbox does to system calls. Needs libseccomp. */

#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>

/* Calls where an argument, of the bits in `mask`, has those of `value`. */
struct policy_rule {
	int call;
	uint32_t action;
	unsigned int argument;
	uint32_t mask, value;		/* mask 0: all */
};

#define POLICY_RULES	4

#define REFUSE(error)	SCMP_ACT_ERRNO((uint32_t) (error))
#define WITH(name, action, argument, number) \
	{ SCMP_SYS(name), action, argument, UINT32_MAX, (uint32_t) (number) }
#define ALL_OF(name, action)	{ SCMP_SYS(name), action, 0, 0, 0 }
#define MEMBARRIER(action)	ALL_OF(membarrier, action)
#define COMMAND(action, number)	WITH(membarrier, action, 0, number)
/* One signal: abort() shall have its own. */
#define SENDING(action, signal)	WITH(tgkill, action, 2, signal)
/* A new process, not a new thread. */
#define NEW_PROCESS(action)	{ SCMP_SYS(clone), action, 0, CLONE_THREAD, 0 }

/*
 * For all threads, and for what they execute. Up to POLICY_RULES, a rule that
 * is all zero ends them. 0, or a negative errno where filters are refused.
 */
int policy_load(const struct policy_rule *rules);
/* The same for the calling thread alone, and what it starts. */
int policy_load_here(const struct policy_rule *rules);

#endif /* TESTS_POLICY_H */
