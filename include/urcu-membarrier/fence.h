/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_FENCE_H
#define URCU_MEMBARRIER_FENCE_H

/*
 * The asymmetric fence: a light half that costs its caller a compiler
 * barrier, and a heavy half that makes every registered thread pass a full
 * memory barrier.
 *
 *      ordered?   light   full    heavy
 *      light        -       -       yes
 *      full         -      yes      yes
 *      heavy       yes     yes      yes
 *
 * A light fence in one thread is ordered against a heavy fence in another,
 * never against another light fence. "Full" is a seq_cst fence, such as
 * __atomic_thread_fence(__ATOMIC_SEQ_CST).
 *
 * No function here changes errno. Since 0.1, all of them.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* How the heavy half reaches the other threads, best first. */
enum umb_fence_mode {
	UMB_FENCE_PRIVATE_EXPEDITED = 1,	/* membarrier, this process */
	UMB_FENCE_GLOBAL_EXPEDITED = 2,		/* membarrier, registered processes */
	UMB_FENCE_GLOBAL = 3,			/* membarrier, all CPUs, milliseconds */
	UMB_FENCE_SIGNAL = 4,			/* a signal to each thread, else a visit */
	UMB_FENCE_VISIT = 5,			/* the caller runs on each CPU in turn */
};

/*
 * The light half: a compiler barrier, in every mode.
 * => Any thread, any context, signal handlers included. Never blocks.
 * => Orders nothing for a thread that was never registered: see
 *    umb_fence_register_thread().
 */
static inline void umb_fence_light(void)
{
	__asm__ __volatile__ ("" : : : "memory");
}

/*
 * The heavy half: when it returns, every registered thread has passed a full
 * memory barrier at some moment between call and return, or was not running
 * then. It is itself a full memory barrier on entry and on return.
 * => Any thread, registered or not; callers at the same time share fences.
 * => May block, for microseconds in the expedited modes, for tens of
 *    milliseconds in global mode, for as long as it takes the scheduler to run
 *    the threads, or the caller on each CPU, in the others. Waits for no read-side
 *    critical section, so it may be called inside one. Not for signal handlers.
 * => Never fails: where a mode stops working it goes on with the next one. What
 *    fails for the moment, as for want of memory, is tried again, and waited for if
 *    nothing else is left. Aborts, with a line on stderr, only where membarrier,
 *    signals and the choice of CPUs are all refused to the calling thread for good.
 */
void umb_fence_heavy(void);

/*
 * Make the calling thread one that heavy fences reach. Idempotent, cannot
 * fail; ends by itself when the thread exits. Reading sections of the
 * flavour do it on their own.
 * => Call before the thread's first light fence. Not for signal handlers; a
 *    handler's sections register the thread themselves.
 */
void umb_fence_register_thread(void);

/*
 * The mode of the calling thread's fences: the process's, as chosen at load, until
 * the thread is refused it for good (by a filter of seccomp, which is a thread's
 * own); then the next that it may use. 0 where there is none: then umb_fence_heavy()
 * aborts. umb_stats_get() counts steps and fences of all threads.
 */
enum umb_fence_mode umb_fence_mode(void);

/*
 * The name of a mode, as URCU_MEMBARRIER_MODE spells it: "private-expedited",
 * "global-expedited", "global", "signal", "visit". NULL for any other value.
 */
const char *umb_fence_mode_name(enum umb_fence_mode mode);

/*
 * Have all threads use this mode and, should it fail, those below it, and then those
 * above.
 * => While at most one thread is registered.
 * => 0; -EINVAL: no such mode; -ENOTSUP: this machine or this build does not
 *    have it; -EBUSY: too late. On error the mode stays as it was.
 */
int umb_fence_select(enum umb_fence_mode mode);

/*
 * The signal that the signal mode sends: SIGURG, unless the environment or the
 * program chose another. For threads that block signals but may leave this one
 * open: one that blocks it is reached by a visit, at a higher cost.
 */
int umb_fence_signal(void);

/*
 * Use this signal instead: SIGURG, SIGUSR1, SIGUSR2, SIGWINCH, SIGIO or a
 * real-time signal of the C library's range.
 * => While at most one thread is registered.
 * => 0; -EINVAL: not one of those; -EBUSY: too late, or the handler had to be
 *    put in its place too often before; -EPERM and the like: a sandbox has
 *    refused it. On error the signal stays as it was.
 */
int umb_fence_set_signal(int signal);

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_FENCE_H */
