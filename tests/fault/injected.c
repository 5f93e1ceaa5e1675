/* SPDX-License-Identifier: MIT */

/*
 * It never stops: system calls of the library fail, lie and take their time while it
 * is under load; memory and threads are refused, and the program meddles.
 *
 *	injected [--list | ID ...]
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "sys/sys.h"
#include "tests/fault/hooks.h"
#include "tests/fault/inject.h"
#include "tests/fault/rows.h"

#ifdef __NR_mmap2
# define NR_MMAP	__NR_mmap2
#else
# define NR_MMAP	__NR_mmap
#endif
#ifdef __NR_futex
# define NR_FUTEX	__NR_futex
#else
# define NR_FUTEX	__NR_futex_time64
#endif

#define PLAN(...)	(struct fault[]) { __VA_ARGS__, { 0 } }
#define ALWAYS(number, error)	{ .call = (number), .result = -(error) }
#define OFTEN(number, error) \
	{ .call = (number), .one_in = 2, .result = -(error) }
#define SLOW(number, us) \
	{ .call = (number), .delay_us = (us), .result = FAULT_GO_ON }
#define NOW_AND_THEN_SLOW(number) \
	{ .call = (number), .one_in = 8, .delay_us = 300, .result = FAULT_GO_ON }
#define NAMED(error, number_at, value) \
	.at = (number_at), .argument = (value), .result = -(error)

#define MEMBARRIER(error)	ALWAYS(__NR_membarrier, error)
#define COMMAND(error, which) \
	{ .call = __NR_membarrier, NAMED(error, 1, UMBI_MEMBARRIER_##which) }
#define SENDING(error)	{ .call = __NR_tgkill, NAMED(error, 3, SIGURG) }
#define SENDING_OFTEN(error) \
	{ .call = __NR_tgkill, .one_in = 2, NAMED(error, 3, SIGURG) }
#define WAITING(error)	{ .call = NR_FUTEX, NAMED(error, 2, FUTEX_WAIT_PRIVATE) }
#define MOVING(error)	ALWAYS(__NR_sched_setaffinity, error)

#define ON(name)	.mode = UMB_FENCE_##name

static struct fault *plan_of(const struct row *row)
{
	return row->fault;
}

static void begin(const struct row *row)
{
	if (row->fault)
		fault_plan(row->fault);
}

static void end(const struct row *row)
{
	(void) row;
	fault_plan(NULL);
}

static int struck(const struct row *row)
{
	for (struct fault *f = plan_of(row); f && f->call; f++)
		if (!__atomic_load_n(&f->hits, __ATOMIC_SEQ_CST))
			return (row->flags & FIRST) && f != row->fault;
	return row->fault || hook_hits();
}

static void at_waiter(const struct row *row)
{
	plan_of(row)->tid = (uint32_t) load_tid(LOAD_WAITS);
}

/* The argument that the plan's first asks for is a thread. */
static void about_a_reader(const struct row *row)
{
	plan_of(row)->argument = load_tid(LOAD_NAPS);
}

static const struct row rows[] = {
	/* membarrier(2). */
	{ "membarrier-enosys", "membarrier is no more", ON(PRIVATE_EXPEDITED),
	  GONE_MEMBARRIER, .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(MEMBARRIER(ENOSYS)) },
	{ "membarrier-eperm", "membarrier is forbidden, registration too",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER,
	  .must = FAILURES | DEGRADATIONS, .fault = PLAN(MEMBARRIER(EPERM)) },
	{ "membarrier-eperm-barrier", "forbidden, and registration succeeds",
	  ON(PRIVATE_EXPEDITED), GONE_EXPEDITED,
	  .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(COMMAND(EPERM, PRIVATE_EXPEDITED)) },
	{ "membarrier-eacces", "the private command is refused",
	  ON(PRIVATE_EXPEDITED), GONE_EXPEDITED,
	  .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(COMMAND(EACCES, PRIVATE_EXPEDITED)) },
	{ "membarrier-einval", "the private command is unknown",
	  ON(PRIVATE_EXPEDITED), GONE_EXPEDITED,
	  .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(COMMAND(EINVAL, PRIVATE_EXPEDITED)) },
	{ "membarrier-one-thread", "membarrier is refused to one thread",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER,
	  .must = FAILURES | DEGRADATIONS, .flags = ONE_THREAD,
	  .aim = at_waiter, .fault = PLAN(MEMBARRIER(ENOSYS)) },
	{ "membarrier-unregistered", "the kernel has forgotten the registration",
	  ON(PRIVATE_EXPEDITED), .must = FAILURES, .fault = PLAN({
		.call = __NR_membarrier, .times = 1,
		NAMED(EPERM, 1, UMBI_MEMBARRIER_PRIVATE_EXPEDITED) }) },
	{ "membarrier-enomem-once", "no memory, once", ON(PRIVATE_EXPEDITED),
	  .must = FAILURES, .fault = PLAN({ .call = __NR_membarrier,
					    .times = 1, .result = -ENOMEM }) },
	{ "membarrier-enomem-often", "no memory, every second time",
	  ON(PRIVATE_EXPEDITED), .must = FAILURES, .may = FALLBACKS,
	  .fault = PLAN(OFTEN(__NR_membarrier, ENOMEM)) },
	{ "membarrier-enomem-always", "no memory for the private command",
	  ON(PRIVATE_EXPEDITED), .must = FAILURES | FALLBACKS,
	  .fault = PLAN(COMMAND(ENOMEM, PRIVATE_EXPEDITED)) },
	{ "membarrier-eintr", "interrupted, every second time",
	  ON(PRIVATE_EXPEDITED), .must = FAILURES, .may = FALLBACKS,
	  .fault = PLAN(OFTEN(__NR_membarrier, EINTR)) },
	{ "membarrier-slow", "each takes 2 ms more", ON(PRIVATE_EXPEDITED),
	  .fault = PLAN(SLOW(__NR_membarrier, 2000)) },
	{ "expedited-enosys", "global-expedited is no more", ON(GLOBAL_EXPEDITED),
	  GONE(GLOBAL_EXPEDITED), .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(COMMAND(ENOSYS, GLOBAL_EXPEDITED)) },
	{ "expedited-half", "global-expedited, and not its private half",
	  ON(GLOBAL_EXPEDITED), GONE_EXPEDITED,
	  .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(COMMAND(EACCES, PRIVATE_EXPEDITED)) },
	{ "global-einval", "global is no more, as with nohz_full", ON(GLOBAL),
	  GONE(GLOBAL), .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(COMMAND(EINVAL, GLOBAL)) },
	{ "lazy-global-einval", "lazy workers' quiet fences are refused",
	  ON(PRIVATE_EXPEDITED), .must = FAILURES, .before = hook_lazy,
	  .meanwhile = hook_not_quiet,
	  .fault = PLAN(COMMAND(EINVAL, GLOBAL)) },

	/* Signals. */
	{ "signal-eperm", "signals are refused", ON(SIGNAL), GONE(SIGNAL),
	  .must = FAILURES | DEGRADATIONS, .fault = PLAN(SENDING(EPERM)) },
	{ "signal-eagain", "every second one finds the queue full", ON(SIGNAL),
	  .fault = PLAN(SENDING_OFTEN(EAGAIN)) },
	{ "signal-esrch", "every second one finds no thread", ON(SIGNAL),
	  .fault = PLAN(SENDING_OFTEN(ESRCH)) },
	{ "signal-lost", "every second one is lost", ON(SIGNAL),
	  .load = LOAD_STAYS,
	  .fault = PLAN(SENDING_OFTEN(0)) },
	{ "signal-lost-all", "all are lost", ON(SIGNAL),
	  .load = LOAD_STAYS,
	  .fault = PLAN(SENDING(0)) },
	{ "signal-lost-no-cpus", "every second one is lost, and no CPU to be chosen",
	  ON(SIGNAL), .may = FAILURES | FALLBACKS, .load = LOAD_OPEN,
	  .flags = FIRST,
	  .fault = PLAN(SENDING_OFTEN(0), MOVING(EPERM)) },
	{ "signal-slow", "each takes 1 ms more", ON(SIGNAL),
	  .fault = PLAN(SLOW(__NR_tgkill, 1000)) },
	{ "signal-action", "the handler cannot be looked at", ON(SIGNAL),
	  GONE(SIGNAL), .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(ALWAYS(__NR_rt_sigaction, EPERM)) },
	{ "signal-no-cpus", "each is slow, and no CPU to be chosen", ON(SIGNAL),
	  .may = FAILURES | FALLBACKS, .load = LOAD_OPEN, .flags = FIRST,
	  .fault = PLAN(SLOW(__NR_tgkill, 200), MOVING(EPERM)) },
	{ "signal-all-block", "all threads block the signal", ON(SIGNAL),
	  .load = LOAD_DEAF | LOAD_STAYS,
	  .fault = PLAN(SLOW(__NR_sched_getaffinity, 100)) },
	{ "signal-out-of-reach", "all threads block it, and the CPUs go away",
	  ON(SIGNAL), .load = LOAD_DEAF, .must = FAILURES | FALLBACKS,
	  .fault = PLAN(MOVING(EINVAL)) },
	{ "handler-replaced", "the program has the signal, now and then",
	  ON(SIGNAL), .meanwhile = hook_take_signal },
	{ "handler-ignored", "the program ignores the signal, now and then",
	  ON(SIGNAL), .meanwhile = hook_ignore_signal },
	{ "handler-war", "the program takes the signal each time", ON(SIGNAL),
	  GONE(SIGNAL), .must = FAILURES | DEGRADATIONS,
	  .meanwhile = hook_fight_for_signal },

	/* Visits. */
	{ "visit-eperm", "no CPU to be chosen", ON(VISIT), GONE(VISIT),
	  .must = FAILURES | DEGRADATIONS, .fault = PLAN(MOVING(EPERM)) },
	{ "visit-einval", "the CPUs go away", ON(VISIT),
	  .must = FAILURES | FALLBACKS, .fault = PLAN(MOVING(EINVAL)) },
	{ "visit-einval-often", "the CPUs come and go", ON(VISIT),
	  .may = FAILURES | FALLBACKS,
	  .fault = PLAN(OFTEN(__NR_sched_setaffinity, EINVAL)) },
	{ "visit-pretended", "every second move is none", ON(VISIT),
	  .may = FAILURES | FALLBACKS,
	  .fault = PLAN(OFTEN(__NR_sched_setaffinity, 0)) },
	{ "visit-getcpu", "nobody knows where he is", ON(VISIT),
	  .must = FAILURES | FALLBACKS, .fault = PLAN(ALWAYS(__NR_getcpu, ENOSYS)) },
	{ "visit-masks", "masks cannot be read", ON(VISIT), GONE(VISIT),
	  .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(ALWAYS(__NR_sched_getaffinity, EPERM)) },
	{ "visit-mask", "one reader's mask cannot be read", ON(VISIT),
	  .must = FAILURES | FALLBACKS, .aim = about_a_reader,
	  .fault = PLAN({ .call = __NR_sched_getaffinity,
			  NAMED(EPERM, 1, 0) }) },
	{ "visit-esrch", "one reader is said to be gone", ON(VISIT),
	  .aim = about_a_reader,
	  .fault = PLAN({ .call = __NR_sched_getaffinity,
			  NAMED(ESRCH, 1, 0) }) },
	{ "visit-slow", "each move takes 1 ms more", ON(VISIT),
	  .load = LOAD_STAYS,
	  .fault = PLAN(SLOW(__NR_sched_setaffinity, 1000)) },

	/* Several ways at once. */
	{ "visits-left", "no membarrier, no signals", ON(PRIVATE_EXPEDITED),
	  GONE_MEMBARRIER | GONE(SIGNAL), .must = FAILURES | DEGRADATIONS,
	  .fault = PLAN(MEMBARRIER(ENOSYS), SENDING(EPERM)) },
	{ "signals-left", "no membarrier, no CPU to be chosen",
	  ON(PRIVATE_EXPEDITED), GONE_MEMBARRIER | GONE(VISIT),
	  .must = FAILURES | DEGRADATIONS, .load = LOAD_OPEN, .flags = FIRST,
	  .fault = PLAN(MEMBARRIER(ENOSYS), MOVING(EPERM)) },
	{ "nothing-for-now", "all ways fail for a moment", ON(PRIVATE_EXPEDITED),
	  .flags = READERS_ONLY, .load = LOAD_DEAF,
	  .fault = PLAN(MEMBARRIER(ENOMEM), SENDING(EAGAIN), MOVING(EINVAL)) },
	{ "nothing-to-begin", "all ways fail at their first call, for a moment",
	  ON(PRIVATE_EXPEDITED), .flags = READERS_ONLY,
	  .fault = PLAN(MEMBARRIER(ENOMEM), ALWAYS(__NR_rt_sigaction, EAGAIN),
			MOVING(EAGAIN)) },
	{ "nothing-for-visits", "CPUs go away, and membarrier has no memory for a while",
	  ON(VISIT), .must = FAILURES | FALLBACKS, .load = LOAD_DEAF,
	  .fault = PLAN(
		{ .call = __NR_membarrier, .times = 50, .result = -ENOMEM },
		MOVING(EINVAL)) },

	/* Sleeping. */
	{ "futex-eintr", "nobody can sleep: interrupted", .fault =
	  PLAN(WAITING(EINTR)) },
	{ "futex-eagain", "nobody can sleep: too late", .fault =
	  PLAN(WAITING(EAGAIN)) },
	/* From the start: who sleeps already would not be woken. */
	{ "futex-enosys", "there are no futexes", .flags = EARLY, .fault =
	  PLAN(ALWAYS(NR_FUTEX, ENOSYS)) },
	{ "futex-slow", "each call takes 1 ms more", .fault =
	  PLAN(SLOW(NR_FUTEX, 1000)) },
	{ "futex-signals", "a handler that reads, before each sleep",
	  .before = hook_handler, .fault = PLAN({ .call = NR_FUTEX, .at = 2,
		.argument = FUTEX_WAIT_PRIVATE, .signal = SIGUSR1,
		.result = FAULT_GO_ON }) },
	{ "futex-signals-eintr", "and it ends the sleep", ON(SIGNAL),
	  .before = hook_handler, .fault = PLAN({ .call = NR_FUTEX, .at = 2,
		.argument = FUTEX_WAIT_PRIVATE, .signal = SIGUSR1,
		.result = -EINTR }) },

	{ "lock-eintr", "a lock is held for long, and waited for in vain", ON(VISIT),
	  .fault = PLAN(SLOW(__NR_sched_getaffinity, 200), WAITING(EINTR)) },

	/* Memory, threads, files. */
	{ "mmap-enomem", "no address space for the registry", .flags = EARLY,
	  .fault = PLAN(ALWAYS(NR_MMAP, ENOMEM)) },
	{ "mmap-enomem-visits", "the same, threads found one by one", ON(VISIT),
	  .flags = EARLY, .fault = PLAN(ALWAYS(NR_MMAP, ENOMEM)) },
	{ "mprotect-enomem", "no memory for the registry", .flags = EARLY,
	  .fault = PLAN(ALWAYS(__NR_mprotect, ENOMEM)) },
	{ "malloc-enomem", "no memory", .meanwhile = hook_refuse_memory },
	{ "threads-eagain", "no thread for callbacks", .before = hook_no_threads,
	  .meanwhile = hook_without_threads, .end = hook_threads_again },
	{ "stall-proc", "a stall, and /proc is closed", .meanwhile = hook_stall,
	  .end = hook_stall_over, .says = "in a state that is not known",
	  .fault = PLAN(ALWAYS(__NR_openat, EACCES)) },
	{ "stall-stderr", "a stall, and stderr cannot be written",
	  .meanwhile = hook_stall, .end = hook_stall_over,
	  .fault = PLAN(ALWAYS(__NR_writev, EIO)) },
	{ "stall-no-thread", "a stall, and no thread to tell of it",
	  .meanwhile = hook_stall_alone, .end = hook_stall_over, .says = " has waited " },
	{ "eventfd-eio", "eventfds cannot be written",
	  .meanwhile = hook_eventfd, .fault = PLAN(ALWAYS(__NR_write, EIO)) },

	/* Everything. */
	{ "all-slow", "each system call is slow now and then", .fault = PLAN(
		NOW_AND_THEN_SLOW(__NR_membarrier),
		NOW_AND_THEN_SLOW(__NR_rt_sigprocmask),
		NOW_AND_THEN_SLOW(NR_FUTEX)) },
	{ "all-slow-signal", "the same, in signal mode", ON(SIGNAL), .flags = FIRST,
	  .fault = PLAN(
		NOW_AND_THEN_SLOW(__NR_rt_sigprocmask),
		NOW_AND_THEN_SLOW(__NR_tgkill), NOW_AND_THEN_SLOW(NR_FUTEX),
		NOW_AND_THEN_SLOW(__NR_sched_setaffinity),
		NOW_AND_THEN_SLOW(__NR_sched_getaffinity),
		NOW_AND_THEN_SLOW(__NR_getcpu)) },
	{ "all-slow-visit", "the same, in visit mode", ON(VISIT), .flags = FIRST,
	  .load = LOAD_STAYS, .fault = PLAN(
		NOW_AND_THEN_SLOW(__NR_rt_sigprocmask), NOW_AND_THEN_SLOW(NR_FUTEX),
		NOW_AND_THEN_SLOW(__NR_sched_setaffinity),
		NOW_AND_THEN_SLOW(__NR_sched_getaffinity),
		NOW_AND_THEN_SLOW(__NR_getcpu)) },
	{ "storm", "a storm of signals", .before = hook_handler,
	  .begin = hook_storm, .end = hook_storm_over },
	{ "storm-signal", "the same, and strays of our own", ON(SIGNAL),
	  .before = hook_handler, .begin = hook_storm, .end = hook_storm_over },
};

int main(int argc, char **argv)
{
	static const struct rows all = {
		rows, sizeof rows / sizeof rows[0], begin, end, struck,
	};

	return rows_main(argc, argv, &all);
}
