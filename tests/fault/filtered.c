/* SPDX-License-Identifier: MIT */

/*
 * It never stops, the library as it is shipped: while it is under load, filters are
 * put on the process or on one of its threads, limits are lowered, CPUs change,
 * and the process is stopped.
 *
 *	filtered [--list | ID ...]
 *
 * UMB_TEST_CPU_OFFLINE=1: a CPU of the machine, too, is taken away now and then.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "sys/sys.h"
#include "tests/fault/hooks.h"
#include "tests/fault/meddle.h"
#include "tests/fault/rows.h"
#include "tests/lib/cases.h"
#include "tests/lib/policy.h"

#define RULES(...)	(struct policy_rule[POLICY_RULES]) { __VA_ARGS__ }
#define PRIVATE(error) \
	COMMAND(REFUSE(error), UMBI_MEMBARRIER_PRIVATE_EXPEDITED)
#define NO_MEMBARRIER	MEMBARRIER(REFUSE(ENOSYS))
#define NO_SIGNAL	SENDING(REFUSE(EPERM), SIGURG)
#define NO_CPUS		ALL_OF(sched_setaffinity, REFUSE(EPERM))
#define NO_THREADS \
	ALL_OF(clone, REFUSE(EAGAIN)), ALL_OF(clone3, REFUSE(EAGAIN))

#define ON(name)	.mode = UMB_FENCE_##name
#define COSTS_A_STEP	.must = FAILURES | DEGRADATIONS, .flags = STAYS

static int refused;
static const struct policy_rule *rules_of_one;

static void load_here(void)
{
	refused = policy_load_here(rules_of_one) != 0;
}

static void begin(const struct row *row)
{
	rules_of_one = row->fault;
	if (row->flags & ONE_THREAD)
		load_do(LOAD_WAITS, load_here);
	else if (row->fault)
		refused = policy_load(row->fault) != 0;
	if (refused)
		case_skip("the filter is refused");
}

/* What a filter does shows in the counters. */
static int struck(const struct row *row)
{
	return row->must || hook_hits();
}

static const struct row rows[] = {
	{ "membarrier-enosys", "membarrier is no more", ON(PRIVATE_EXPEDITED),
	  GONE_MEMBARRIER, COSTS_A_STEP, .fault = RULES(NO_MEMBARRIER) },
	{ "membarrier-eperm", "membarrier is forbidden", ON(PRIVATE_EXPEDITED),
	  GONE_MEMBARRIER, COSTS_A_STEP,
	  .fault = RULES(MEMBARRIER(REFUSE(EPERM))) },
	{ "membarrier-eacces", "the private command is refused",
	  ON(PRIVATE_EXPEDITED), GONE_EXPEDITED, COSTS_A_STEP,
	  .fault = RULES(PRIVATE(EACCES)) },
	{ "membarrier-enomem", "no memory for the private command",
	  ON(PRIVATE_EXPEDITED), .must = FAILURES | FALLBACKS, .flags = STAYS,
	  .fault = RULES(PRIVATE(ENOMEM)) },
	{ "membarrier-one-thread", "membarrier is refused to one thread",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER,
	  .must = FAILURES | DEGRADATIONS, .flags = STAYS | ONE_THREAD,
	  .fault = RULES(NO_MEMBARRIER) },
	{ "visits-left-one-thread", "signals, too, are refused to one thread",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER | GONE(SIGNAL),
	  .must = FAILURES | DEGRADATIONS, .flags = STAYS | ONE_THREAD,
	  .fault = RULES(NO_MEMBARRIER, NO_SIGNAL) },
	{ "visits-left", "membarrier and signals are refused",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER | GONE(SIGNAL), COSTS_A_STEP,
	  .load = LOAD_STAYS,
	  .fault = RULES(NO_MEMBARRIER, NO_SIGNAL) },
	{ "signals-left", "membarrier and CPUs are refused",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER | GONE(VISIT), COSTS_A_STEP,
	  .load = LOAD_OPEN, .fault = RULES(NO_MEMBARRIER, NO_CPUS) },
	{ "signal-eperm", "signals are refused", ON(SIGNAL), GONE(SIGNAL),
	  COSTS_A_STEP, .fault = RULES(NO_SIGNAL) },
	{ "signal-action", "the handler cannot be looked at", ON(SIGNAL),
	  GONE(SIGNAL), COSTS_A_STEP, .fault = RULES(
		WITH(rt_sigaction, REFUSE(EPERM), 0, SIGURG)) },
	{ "visit-eperm", "CPUs cannot be chosen", ON(VISIT), GONE(VISIT),
	  COSTS_A_STEP, .fault = RULES(NO_CPUS) },
	{ "visit-masks", "masks cannot be read", ON(VISIT), GONE(VISIT),
	  COSTS_A_STEP,
	  .fault = RULES(ALL_OF(sched_getaffinity, REFUSE(EPERM))) },
	{ "visit-getcpu", "nobody knows where he is", ON(VISIT),
	  .must = FAILURES | FALLBACKS, .flags = STAYS,
	  .fault = RULES(ALL_OF(getcpu, REFUSE(ENOSYS))) },

	{ "threads", "threads are refused", .flags = STAYS,
	  .meanwhile = meddle_want_threads, .fault = RULES(NO_THREADS) },
	{ "threads-stall", "and nobody can be made to tell of a stall",
	  .flags = STAYS, .meanwhile = hook_stall, .says = " has waited ",
	  .fault = RULES(NO_THREADS) },
	{ "limit-processes", "no more threads for this user",
	  .before = meddle_no_root, .begin = meddle_no_process, .flags = STAYS,
	  .meanwhile = meddle_want_threads },
	{ "limit-memory", "the address space is used up",
	  .begin = meddle_no_address_space, .meanwhile = meddle_want_threads,
	  .end = meddle_address_space_again },
	{ "limit-signals", "no signal can be queued", ON(SIGNAL),
	  .before = meddle_queued_signal, .begin = meddle_no_queue,
	  .flags = STAYS },

	{ "masks", "somebody moves the threads about", ON(PRIVATE_EXPEDITED),
	  .begin = meddle_masks, .end = meddle_over },
	{ "masks-signal", "the same, in signal mode", ON(SIGNAL),
	  .may = FAILURES | FALLBACKS, .begin = meddle_masks,
	  .end = meddle_over },
	{ "masks-visit", "the same, in visit mode", ON(VISIT),
	  .may = FAILURES | FALLBACKS, .begin = meddle_masks,
	  .end = meddle_over },
	{ "one-cpu-signal", "all threads are put on one CPU", ON(SIGNAL),
	  .begin = meddle_one_cpu },
	{ "one-cpu-visit", "the same, in visit mode", ON(VISIT),
	  .begin = meddle_one_cpu },
	{ "cpu-offline", "a CPU comes and goes", ON(PRIVATE_EXPEDITED),
	  .begin = meddle_cpu_offline, .end = meddle_over },
	{ "cpu-offline-signal", "the same, in signal mode", ON(SIGNAL),
	  .may = FAILURES | FALLBACKS, .begin = meddle_cpu_offline,
	  .end = meddle_over },
	{ "cpu-offline-visit", "the same, in visit mode", ON(VISIT),
	  .may = FAILURES | FALLBACKS, .begin = meddle_cpu_offline,
	  .end = meddle_over },

	{ "vfork", "a reader waits in vfork()", ON(PRIVATE_EXPEDITED),
	  .begin = meddle_vfork, .end = meddle_over },
	{ "vfork-signal", "the same, in signal mode", ON(SIGNAL),
	  .begin = meddle_vfork, .end = meddle_over },
	{ "vfork-visit", "the same, in visit mode", ON(VISIT),
	  .load = LOAD_STAYS,
	  .begin = meddle_vfork, .end = meddle_over },
	{ "stops", "the process is stopped now and then", ON(PRIVATE_EXPEDITED),
	  .before = meddle_helper, .meanwhile = meddle_stops },
	{ "stops-signal", "the same, in signal mode", ON(SIGNAL),
	  .before = meddle_helper, .meanwhile = meddle_stops },
};

int main(int argc, char **argv)
{
	static const struct rows all = {
		rows, sizeof rows / sizeof rows[0], begin, NULL, struck,
	};

	int status = rows_main(argc, argv, &all);

	meddle_cpus_online();
	return status;
}
