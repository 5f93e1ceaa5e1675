/* SPDX-License-Identifier: MIT */

/*
 * membarrier(2) refused while the program runs, by a filter. Each case in a
 * process of its own, with a reader beside it.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sys.h"
#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define PRIVATE		UMBI_MEMBARRIER_PRIVATE_EXPEDITED
#define EXPEDITED	(PRIVATE | UMBI_MEMBARRIER_GLOBAL_EXPEDITED)
#define ALL		(EXPEDITED | UMBI_MEMBARRIER_GLOBAL)

static const struct refusal {
	const char *what;
	int commands;			/* that are refused, */
	int error;			/* with this */
	enum umb_fence_mode mode;	/* that is in use then; 0: the end */
} refusals[] = {
	/* global-expedited needs it too. */
	{ "ENOSYS for private-expedited", PRIVATE, ENOSYS, UMB_FENCE_GLOBAL },
	{ "EPERM for private-expedited", PRIVATE, EPERM, UMB_FENCE_GLOBAL },
	{ "EACCES for both expedited modes", EXPEDITED, EACCES,
	  UMB_FENCE_GLOBAL },
	{ "ENOMEM for private-expedited, the step is not for good", PRIVATE,
	  ENOMEM, UMB_FENCE_PRIVATE_EXPEDITED },
	{ "ENOSYS for all", ALL, ENOSYS, (enum umb_fence_mode) 0 },
};

static int stop, reads;

static void *reader(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		rcu_read_lock();
		__atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
		rcu_read_unlock();
	}
	return arg;
}

/* For all threads at once. */
static int refuse(const struct refusal *r)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1)
			 : -ENOMEM;

	for (int command = 1; command <= PRIVATE && !ret; command <<= 1)
		if (command & r->commands)
			ret = seccomp_rule_add(filter,
				SCMP_ACT_ERRNO((uint32_t) r->error),
				SCMP_SYS(membarrier), 1,
				SCMP_A0(SCMP_CMP_EQ, (unsigned int) command, 0));
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

/* Exit status: 0 good, 1 bad, 77 no filter. */
static int refused(const struct refusal *r)
{
	pthread_t thread;

	pthread_create(&thread, NULL, reader, NULL);
	while (!__atomic_load_n(&reads, __ATOMIC_RELAXED))
		sched_yield();
	synchronize_rcu();
	if (refuse(r))
		return 77;
	if (!r->mode)
		fclose(stderr);
	for (int i = 0; i < 3; i++)
		synchronize_rcu();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return umb_fence_mode() != r->mode;
}

static void run(const struct refusal *r)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		alarm(60);
		_exit(refused(r));
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip("the filter is refused", "%s", r->what);
	else if (r->mode)
		tap_ok(!status, "%s: %s", r->what, umb_fence_mode_name(r->mode));
	else
		tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
		       "%s: the end", r->what);
}

int main(void)
{
	tap_begin();
	if (umb_fence_mode() != UMB_FENCE_PRIVATE_EXPEDITED)
		tap_skip("begins in private-expedited mode", "all refusals");
	else
		for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
			run(&refusals[i]);
	return tap_end();
}
