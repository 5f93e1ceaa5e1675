/* SPDX-License-Identifier: MIT */

/* Children with a time limit. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/lib/family.h"
#include "urcu/urcu-membarrier.h"

#define LINE_MAX_BYTES	512

static int generation;
static int failures;

/* One write: lines of many processes stay whole. No stdio: see handlers. */
static void say(const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, sizeof line, "# process %d, generation %d: ",
			 (int) getpid(), generation);

	n += vsnprintf(line + n, sizeof line - (size_t) n - 1, format, args);
	if (n > (int) sizeof line - 2)
		n = (int) sizeof line - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t) n) < 0)
		_exit(3);
}

int family_expect(int pass, const char *format, ...)
{
	va_list args;

	if (pass || __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST) > 3)
		return pass;
	va_start(args, format);
	say(format, args);
	va_end(args);
	return pass;
}

int family_good(void)
{
	return !__atomic_load_n(&failures, __ATOMIC_SEQ_CST);
}

int family_generation(void)
{
	return generation;
}

/* Its state, unless that hangs, too: the second alarm ends it. */
static void hang(int signal)
{
	struct umb_stats s = { 0 };
	sigset_t set;

	(void) signal;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	family_expect(0, "hangs; %lu callbacks have run", family_ran());
	alarm(1);
	umb_stats_get(&s, sizeof s);
	family_expect(0, "%lu queued, %lu run, %lu batches, %lu workers; section %d",
		      (unsigned long) s.queued, (unsigned long) s.run,
		      (unsigned long) s.batches, (unsigned long) s.workers,
		      urcu_membarrier_read_ongoing());
	_exit(2);
}

void family_limit(unsigned int seconds)
{
	struct sigaction action = {
		.sa_handler = hang, .sa_flags = (int) SA_RESETHAND,
	};
	sigset_t set;

	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm(seconds);
}

pid_t family_fork(void)
{
	sigset_t before = { { 0 } }, after = { { 0 } };
	pid_t child;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	child = fork();
	pthread_sigmask(SIG_SETMASK, NULL, &after);

	if (!child) {
		generation++;
		failures = 0;
		family_limit(FAMILY_SECONDS);
	}
	family_expect(child >= 0, "fork: %s", strerror(errno));
	family_expect(!memcmp(&before, &after, sizeof before),
		      "the signal mask is another one after the fork");
	return child;
}

int family_wait(pid_t child)
{
	int status = -1;

	if (child <= 0)
		return 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return family_expect(!status, "child %d ends with status %#x",
			     (int) child, (unsigned int) status);
}

void family_end(int normally)
{
	if (normally)
		exit(!family_good());
	_exit(!family_good());
}
