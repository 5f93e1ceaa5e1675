/* SPDX-License-Identifier: MIT */

/*
 * The child marks begin and end by a system call that fails and that nobody
 * else makes. PTRACE_GET_SYSCALL_INFO (Linux 5.3) tells entry from exit and
 * knows every machine's registers.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/count.h"

/* Names for what <sys/ptrace.h> calls differently over the years. */
#define GET_SYSCALL_INFO	0x420e
#define INFO_ENTRY		1

struct info {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t pc, sp;
	uint64_t nr, args[6];	/* of an entry */
	uint64_t room[8];
};

#define MARK_BEGIN	0x6d756201
#define MARK_END	0x6d756202
#define EXIT_REFUSED	97	/* the child could not be traced */

#define OPTIONS	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE \
		 | PTRACE_O_EXITKILL)

struct tracer {
	pid_t child;
	int counting;
	int ended;		/* the end mark was seen */
	int status;		/* the child's, once it is gone */
	int error;
	struct syscall_count *counts;
};

static void mark(int which)
{
	syscall(__NR_getpriority, -1, which);
}

static void run_child(void (*prepare)(void *), void (*measured)(void *),
		      void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(EXIT_REFUSED);
	alarm(COUNT_SECONDS);
	raise(SIGSTOP);
	prepare(arg);
	mark(MARK_BEGIN);
	measured(arg);
	mark(MARK_END);
	_exit(0);
}

static void count_futex(struct syscall_count *counts, uint64_t op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		counts->futex_wait++;
		break;
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		counts->futex_wake++;
		break;
	default:
		break;
	}
}

static int is_futex(uint64_t nr)
{
#ifdef __NR_futex_time64
	if (nr == __NR_futex_time64)
		return 1;
#endif
#ifdef __NR_futex
	if (nr == __NR_futex)
		return 1;
#endif
	return 0;
}

static void count_entry(struct tracer *t, const struct info *info)
{
	if (info->nr == __NR_getpriority && (int) info->args[0] == -1) {
		t->counting = info->args[1] == MARK_BEGIN;
		t->ended |= info->args[1] == MARK_END;
		return;
	}
	if (!t->counting)
		return;
	t->counts->total++;
	if (info->nr == __NR_membarrier)
		t->counts->membarrier++;
	else if (info->nr == __NR_rt_sigprocmask)
		t->counts->sigprocmask++;
	else if (is_futex(info->nr))
		count_futex(t->counts, info->args[1]);
}

/* A thread stopped; which signal shall it have when it goes on? */
static int stopped(struct tracer *t, pid_t tid, int status)
{
	int sig = WSTOPSIG(status);
	struct info info;

	if (sig == (SIGTRAP | 0x80)) {
		memset(&info, 0, sizeof info);
		if (ptrace(GET_SYSCALL_INFO, tid, sizeof info, &info) < 0)
			t->error = t->error ? t->error : errno;
		else if (info.op == INFO_ENTRY)
			count_entry(t, &info);
		return 0;
	}
	/* A clone's event, and the stop with which a new thread begins. */
	if (status >> 16 || sig == SIGSTOP)
		return 0;
	return sig;
}

/* Until the child is gone. A thread that was killed meanwhile needs nothing. */
static void follow(struct tracer *t)
{
	int status, sig;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (tid <= 0)
			continue;
		if (!WIFSTOPPED(status)) {
			if (tid == t->child) {
				t->status = status;
				return;
			}
			continue;
		}
		sig = stopped(t, tid, status);
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *) (long) sig);
	}
}

static int outcome(const struct tracer *t)
{
	if (t->error)
		return t->error == EIO ? -ENOSYS : -t->error;
	if (WIFEXITED(t->status) && WEXITSTATUS(t->status) == EXIT_REFUSED)
		return -EPERM;
	return t->status || !t->ended ? -ECHILD : 0;
}

int count_syscalls(void (*prepare)(void *), void (*measured)(void *),
		   void *arg, struct syscall_count *counts)
{
	struct tracer t = { .counts = counts, .status = -1 };
	int status;

	memset(counts, 0, sizeof *counts);
	t.child = fork();
	if (!t.child)
		run_child(prepare, measured, arg);
	if (t.child < 0 || waitpid(t.child, &status, __WALL) != t.child)
		return -errno;
	if (!WIFSTOPPED(status)) {
		t.status = status;
		return outcome(&t);
	}
	if (ptrace(PTRACE_SETOPTIONS, t.child, NULL, (void *) (long) OPTIONS)) {
		t.error = errno;
		kill(t.child, SIGKILL);
	} else {
		ptrace(PTRACE_SYSCALL, t.child, NULL, NULL);
	}
	follow(&t);
	return outcome(&t);
}
