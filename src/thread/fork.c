/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sys/sys.h"
#include "thread/fork.h"

uint32_t umbi_forks;

/* In this process, by any thread. */
static uint32_t forks_begun, forks_ended;

int umbi_forks_run(uint32_t *begun)
{
	/* In this order: none is missed that began before the first look. */
	uint32_t ended = __atomic_load_n(&forks_ended, __ATOMIC_SEQ_CST);

	*begun = __atomic_load_n(&forks_begun, __ATOMIC_SEQ_CST);
	return *begun != ended;
}

int umbi_forks_since(uint32_t begun)
{
	return __atomic_load_n(&forks_begun, __ATOMIC_SEQ_CST) != begun;
}

/* Of the thread that forks; the kernel's set is shorter than the C library's. */
static __thread unsigned char mask[_NSIG / 8]
	__attribute__((tls_model("initial-exec")));

static void before(void)
{
	sigset_t all, was;

	/* But the C library's own, for which others may be waiting. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &was);
	memcpy(mask, &was, sizeof mask);
	__atomic_fetch_add(&forks_begun, 1, __ATOMIC_SEQ_CST);
	umbi_reclaim_before_fork();
}

static void restore_mask(void)
{
	sigset_t was;

	memset(&was, 0, sizeof was);
	memcpy(&was, mask, sizeof mask);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
}

static void in_parent(void)
{
	__atomic_fetch_add(&forks_ended, 1, __ATOMIC_SEQ_CST);
	umbi_reclaim_after_fork();
	restore_mask();
}

static void in_child(void)
{
	__atomic_store_n(&umbi_forks, umbi_forks + 1, __ATOMIC_RELAXED);
	forks_ended = forks_begun;
	umbi_threads_forked();
	umbi_fence_forked();
	umbi_gp_forked();
	umbi_domains_forked();
	umbi_reclaim_forked();
	umbi_stall_forked();
	restore_mask();
}

void umbi_fork_watch(void)
{
	/*
	 * An allocator registers its own handlers when it is first used, and takes
	 * its locks in them. What was registered last comes first before a fork:
	 * we wait there for others' callbacks, which free.
	 */
	void *volatile block = malloc(1);

	free(block);
	pthread_atfork(before, in_parent, in_child);
}
