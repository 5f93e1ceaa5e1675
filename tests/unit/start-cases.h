/* SPDX-License-Identifier: MIT */
#ifndef TESTS_START_CASES_H
#define TESTS_START_CASES_H

/* The cases of start.c: a policy, and what the library makes of it. */

#include <errno.h>
#include <signal.h>

#include "sys/sys.h"
#include "tests/lib/policy.h"
#include "urcu-membarrier/fence.h"

#define NONE		((enum umb_fence_mode) 0)
#define PRIVATE		UMB_FENCE_PRIVATE_EXPEDITED
#define GLOBAL		UMB_FENCE_GLOBAL
#define SIGNAL		UMB_FENCE_SIGNAL
#define VISIT		UMB_FENCE_VISIT

#define QUERY			UMBI_MEMBARRIER_QUERY
#define GLOBAL_COMMAND		UMBI_MEMBARRIER_GLOBAL
#define GLOBAL_EXPEDITED	UMBI_MEMBARRIER_GLOBAL_EXPEDITED
#define REGISTER_GLOBAL		UMBI_MEMBARRIER_REGISTER_GLOBAL_EXPEDITED
#define PRIVATE_EXPEDITED	UMBI_MEMBARRIER_PRIVATE_EXPEDITED
#define REGISTER_PRIVATE	UMBI_MEMBARRIER_REGISTER_PRIVATE_EXPEDITED

#define KILL		SCMP_ACT_KILL_PROCESS
#define KILL_THREAD	SCMP_ACT_KILL_THREAD
#define TRAP		SCMP_ACT_TRAP

#define NO_CPUS		ALL_OF(sched_setaffinity, REFUSE(EPERM))
#define NO_TGKILL	SENDING(REFUSE(EPERM), SIGURG)
#define NO_HANDLER	WITH(rt_sigaction, REFUSE(EPERM), 0, SIGURG)
#define END		{ 0, 0, 0, 0, 0 }

/* What else is special. */
#define NO_PROC		1
#define SET_UID		2
#define LEAVES_CHILD	4	/* nothing can be done about it */
#define NO_SIGNAL_MODE	8	/* here, where it would be the best */

struct scenario {
	const char *what;
	struct policy_rule rules[POLICY_RULES];
	enum umb_fence_mode mode;	/* on a full machine; 0: none */
	enum umb_fence_mode later;	/* after work, if it is another one */
	unsigned int flags;
	unsigned int lines;		/* on stderr */
	const char *wants;		/* the environment; NULL: nothing */
	const char *wants_signal;
	int signal;			/* that results; 0: SIGURG */
};

static const struct scenario scenarios[] = {
	{ "a filter that lets all pass", { COMMAND(REFUSE(EINVAL), 1 << 30) },
	  .mode = PRIVATE },
	{ "ENOSYS for all", { MEMBARRIER(REFUSE(ENOSYS)) }, .mode = SIGNAL },
	{ "EPERM for all", { MEMBARRIER(REFUSE(EPERM)) }, .mode = SIGNAL },
	{ "EINVAL for all", { MEMBARRIER(REFUSE(EINVAL)) }, .mode = SIGNAL },
	{ "ENOSYS for the query", { COMMAND(REFUSE(ENOSYS), QUERY) },
	  .mode = SIGNAL },
	{ "EPERM for the query", { COMMAND(REFUSE(EPERM), QUERY) },
	  .mode = SIGNAL },
	{ "EINVAL for the query", { COMMAND(REFUSE(EINVAL), QUERY) },
	  .mode = SIGNAL },
	{ "ENOSYS for private registration",
	  { COMMAND(REFUSE(ENOSYS), REGISTER_PRIVATE) }, .mode = GLOBAL },
	{ "EPERM for private registration",
	  { COMMAND(REFUSE(EPERM), REGISTER_PRIVATE) }, .mode = GLOBAL },
	{ "EINVAL for private registration",
	  { COMMAND(REFUSE(EINVAL), REGISTER_PRIVATE) }, .mode = GLOBAL },
	{ "EPERM for global registration",
	  { COMMAND(REFUSE(EPERM), REGISTER_GLOBAL) }, .mode = PRIVATE },
	{ "ENOSYS for private-expedited",
	  { COMMAND(REFUSE(ENOSYS), PRIVATE_EXPEDITED) }, .mode = GLOBAL },
	{ "EPERM for private-expedited",
	  { COMMAND(REFUSE(EPERM), PRIVATE_EXPEDITED) }, .mode = GLOBAL },
	{ "EINVAL for private-expedited",
	  { COMMAND(REFUSE(EINVAL), PRIVATE_EXPEDITED) }, .mode = GLOBAL },
	{ "EPERM for private-expedited and global",
	  { COMMAND(REFUSE(EPERM), PRIVATE_EXPEDITED),
	    COMMAND(REFUSE(EPERM), GLOBAL_COMMAND) }, .mode = SIGNAL },

	{ "all is deadly", { MEMBARRIER(KILL) }, .mode = SIGNAL },
	{ "all is deadly, and getcpu", { MEMBARRIER(KILL), ALL_OF(getcpu, KILL) },
	  .mode = SIGNAL },
	{ "all is deadly to the thread", { MEMBARRIER(KILL_THREAD) },
	  .mode = SIGNAL },
	{ "all is a SIGSYS", { MEMBARRIER(TRAP) }, .mode = SIGNAL },
	{ "the query is deadly", { COMMAND(KILL, QUERY) }, .mode = SIGNAL },
	{ "the query is deadly to the thread", { COMMAND(KILL_THREAD, QUERY) },
	  .mode = SIGNAL },
	{ "the query is a SIGSYS", { COMMAND(TRAP, QUERY) }, .mode = SIGNAL },
	{ "private registration is deadly", { COMMAND(KILL, REGISTER_PRIVATE) },
	  .mode = GLOBAL },
	{ "private registration is deadly to the thread",
	  { COMMAND(KILL_THREAD, REGISTER_PRIVATE) }, .mode = GLOBAL },
	{ "private registration is a SIGSYS",
	  { COMMAND(TRAP, REGISTER_PRIVATE) }, .mode = GLOBAL },
	{ "private-expedited is deadly", { COMMAND(KILL, PRIVATE_EXPEDITED) },
	  .mode = GLOBAL },
	{ "private-expedited is deadly to the thread",
	  { COMMAND(KILL_THREAD, PRIVATE_EXPEDITED) }, .mode = GLOBAL },
	{ "private-expedited is a SIGSYS", { COMMAND(TRAP, PRIVATE_EXPEDITED) },
	  .mode = GLOBAL },
	{ "private-expedited and global are deadly",
	  { COMMAND(KILL, PRIVATE_EXPEDITED), COMMAND(KILL, GLOBAL_COMMAND) },
	  .mode = SIGNAL },
	{ "global is deadly", { COMMAND(KILL, GLOBAL_COMMAND) },
	  .mode = PRIVATE },
	{ "global-expedited is deadly",
	  { COMMAND(KILL, GLOBAL_EXPEDITED), COMMAND(KILL, REGISTER_GLOBAL) },
	  .mode = PRIVATE },

	{ "ENOSYS for all, CPUs are refused too",
	  { MEMBARRIER(REFUSE(ENOSYS)), NO_CPUS }, .mode = SIGNAL },
	{ "all is deadly, CPUs are refused too", { MEMBARRIER(KILL), NO_CPUS },
	  .mode = SIGNAL },
	{ "ENOSYS for all, signals are refused too",
	  { MEMBARRIER(REFUSE(ENOSYS)), NO_TGKILL }, .mode = SIGNAL,
	  .later = VISIT },
	{ "all is deadly, signals are refused too",
	  { MEMBARRIER(KILL), NO_TGKILL }, .mode = SIGNAL, .later = VISIT },
	{ "ENOSYS for all, the handler is refused too",
	  { MEMBARRIER(REFUSE(ENOSYS)), NO_HANDLER }, .mode = VISIT },
	{ "all is deadly, the handler is refused too",
	  { MEMBARRIER(KILL), NO_HANDLER }, .mode = VISIT },
	{ "all is deadly, handler and CPUs are refused too",
	  { MEMBARRIER(KILL), NO_HANDLER, NO_CPUS }, .mode = NONE, .lines = 1 },
	{ "no new process", { NEW_PROCESS(REFUSE(EPERM)) }, .mode = SIGNAL },
	{ "all is deadly, no new process",
	  { MEMBARRIER(KILL), NEW_PROCESS(REFUSE(EPERM)) }, .mode = SIGNAL },
	{ "no wait", { ALL_OF(wait4, REFUSE(EPERM)) }, .mode = SIGNAL,
	  .flags = LEAVES_CHILD },
	{ "all is deadly, no wait",
	  { MEMBARRIER(KILL), ALL_OF(wait4, REFUSE(EPERM)) }, .mode = SIGNAL,
	  .flags = LEAVES_CHILD },

	{ "no /proc", { END }, .mode = PRIVATE, .flags = NO_PROC },
	{ "no /proc, EPERM for private-expedited",
	  { COMMAND(REFUSE(EPERM), PRIVATE_EXPEDITED) }, .mode = GLOBAL,
	  .flags = NO_PROC },
	{ "no /proc, all is deadly", { MEMBARRIER(KILL) }, .mode = SIGNAL,
	  .flags = NO_PROC },

	{ "set-uid, all is deadly", { MEMBARRIER(KILL) }, .mode = SIGNAL,
	  .flags = SET_UID },
	{ "set-uid, all is deadly, what is wanted is ignored",
	  { MEMBARRIER(KILL) }, .mode = SIGNAL, .flags = SET_UID,
	  .wants = "visit", .wants_signal = "SIGUSR1" },
	{ "set-uid, no filter, what is wanted is ignored", { END },
	  .mode = PRIVATE, .flags = SET_UID, .wants = "signal",
	  .wants_signal = "SIGUSR1" },
	{ "set-uid, nonsense is ignored silently", { MEMBARRIER(KILL) },
	  .mode = SIGNAL, .flags = SET_UID, .wants = "bogus",
	  .wants_signal = "bogus" },

	{ "private-expedited wanted, registration refused",
	  { COMMAND(REFUSE(EPERM), REGISTER_PRIVATE) }, .mode = GLOBAL,
	  .lines = 1, .wants = "private-expedited" },
	{ "private-expedited wanted, all is deadly", { MEMBARRIER(KILL) },
	  .mode = SIGNAL, .lines = 1, .wants = "private-expedited" },
	{ "global-expedited wanted, registration refused",
	  { COMMAND(REFUSE(EPERM), REGISTER_GLOBAL) }, .mode = PRIVATE,
	  .lines = 1, .wants = "global-expedited" },
	{ "global-expedited wanted, the command is deadly",
	  { COMMAND(KILL, GLOBAL_EXPEDITED) }, .mode = PRIVATE, .lines = 1,
	  .wants = "global-expedited" },
	{ "global wanted, refused", { COMMAND(REFUSE(EINVAL), GLOBAL_COMMAND) },
	  .mode = PRIVATE, .lines = 1, .wants = "global" },
	{ "global wanted, a SIGSYS", { COMMAND(TRAP, GLOBAL_COMMAND) },
	  .mode = PRIVATE, .lines = 1, .wants = "global" },
	{ "signal wanted, the handler is refused", { NO_HANDLER },
	  .mode = PRIVATE, .lines = 1, .flags = NO_SIGNAL_MODE,
	  .wants = "signal" },
	{ "signal wanted, signals are refused", { NO_TGKILL }, .mode = SIGNAL,
	  .later = VISIT, .wants = "signal" },
	{ "signal wanted, all is deadly", { MEMBARRIER(KILL) }, .mode = SIGNAL,
	  .wants = "signal" },
	{ "visit wanted, CPUs are refused", { NO_CPUS }, .mode = PRIVATE,
	  .lines = 1, .wants = "visit" },
	{ "visit wanted, all is deadly", { MEMBARRIER(KILL) }, .mode = VISIT,
	  .wants = "visit" },
	{ "nonsense wanted, all is deadly", { MEMBARRIER(KILL) },
	  .mode = SIGNAL, .lines = 2, .wants = "bogus",
	  .wants_signal = "SIGKILL" },
};

/* Not fit: unknown, ill spelt, or the kernel's or the C library's. */
static const char *const bad_signals[] = {
	"bogus", "SIGKILL", "SIGALRM", "SIGCHLD", "sigusr1", " SIGUSR1", "USR1",
	"0", "9", "-1", "+10", "32", "99999999999999999999", "SIGRTMIN-1",
	"SIGRTMIN+", "SIGRTMIN+99", "SIGRTMIN+1x", "%s%n",
};

#endif /* TESTS_START_CASES_H */
