/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/steps.h"

#define FEW	10
#define MORE	50

typedef void loop_fn(void *arg, unsigned long n);

/* Nothing is counted but between two of these. */
static void stop(void)
{
	syscall(__NR_tgkill, syscall(__NR_getpid), syscall(__NR_gettid),
		SIGSTOP);
}

static void run_child(loop_fn *loop, void *arg, unsigned long n)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	stop();
	loop(arg, n);
	stop();
	_exit(0);
}

/* Which signal has stopped it? 0: it is gone. */
static int next_stop(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status)
		? WSTOPSIG(status) : 0;
}

static long steps_of(loop_fn *loop, void *arg, unsigned long n)
{
	pid_t child = fork();
	long steps = 0;
	int signal;

	if (!child)
		run_child(loop, arg, n);
	if (child < 0)
		return -1;
	if (next_stop(child) != SIGSTOP)
		return -1;
	do {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL))
			break;
		signal = next_stop(child);
		steps++;
	} while (signal == SIGTRAP);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return signal == SIGSTOP ? steps : -1;
}

static long more_steps(loop_fn *loop, void *arg)
{
	long few = steps_of(loop, arg, FEW);
	long more = few < 0 ? -1 : steps_of(loop, arg, MORE);

	return more < 0 ? -1 : more - few;
}

long steps_each(loop_fn *loop, loop_fn *other, void *arg)
{
	long steps = more_steps(loop, arg);
	long others = steps < 0 ? -1 : more_steps(other, arg);

	return others < 0 ? -1 : (steps - others) / (MORE - FEW);
}
