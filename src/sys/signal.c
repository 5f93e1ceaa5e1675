/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sys/call.h"
#include "sys/sys.h"

/*
 * By the raw system call: pthread_sigmask() leaves the C library's own signals
 * open. _NSIG / 8 is the size of the kernel's set.
 */
void umbi_signal_mask(const sigset_t *new, sigset_t *old)
{
	umbi_call(__NR_rt_sigprocmask, SIG_SETMASK, (long) new, (long) old,
		  _NSIG / 8);
}

int umbi_signal_blocked(int signal)
{
	sigset_t mask = { { 0 } };

	umbi_signal_mask(NULL, &mask);
	return sigismember(&mask, signal);
}

int umbi_signal_action(int signal, const struct sigaction *new,
		       struct sigaction *old)
{
	int saved = errno;
	int ret = (int) umbi_fault(__NR_rt_sigaction, signal);

	if (!ret && sigaction(signal, new, old))
		ret = -errno;
	errno = saved;
	return ret;
}

int umbi_signal_send(uint32_t tid, int signal)
{
	return (int) umbi_call(__NR_tgkill, umbi_getpid(), (pid_t) tid, signal);
}
