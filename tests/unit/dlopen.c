/* SPDX-License-Identifier: MIT */

/*
 * The library opened and closed over and over by a program that does not link
 * with it: it is there once, stays, and its threads may end afterwards; and so
 * does its worker, with the process.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "urcu-membarrier/fence.h"
#include "urcu/call-rcu.h"

#define LIBRARY_VARIABLE	"UMB_TEST_LIBRARY"
#define LIBRARY_BUILT		".libs/liburcu-membarrier.so"
#define NAME			"liburcu-membarrier.so"
#define ROUNDS			2000
#define ROUNDS_VARIABLE		"UMB_TEST_ROUNDS"
#define THREADS			8
#define LIMIT_SECONDS		60

static const char *path;
static unsigned long rounds = ROUNDS;
static unsigned long called;

static void *open_library(void)
{
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void call(void *library, const char *name)
{
	void (*function)(void) = NULL;

	*(void **) &function = dlsym(library, name);
	if (!function) {
		tap_ok(0, "%s is there", name);
		exit(tap_end());
	}
	function();
}

/*
 * What tap.c asks the library: this program must not link with it, so the
 * opened one answers. Opened once more, and left open by its own flag.
 */
enum umb_fence_mode umb_fence_mode(void)
{
	void *library = open_library();
	enum umb_fence_mode (*mode)(void) = NULL;

	*(void **) &mode = dlsym(library, "umb_fence_mode");
	dlclose(library);
	return mode();
}

const char *umb_fence_mode_name(enum umb_fence_mode mode)
{
	void *library = open_library();
	const char *(*name)(enum umb_fence_mode mode) = NULL;

	*(void **) &name = dlsym(library, "umb_fence_mode_name");
	dlclose(library);
	return name(mode);
}

/* Mappings of the library, and of everything. */
static void count_maps(int *library, int *all)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[1024];

	*library = *all = 0;
	while (maps && fgets(line, sizeof line, maps)) {
		*library += strstr(line, NAME) != NULL;
		++*all;
	}
	if (maps)
		fclose(maps);
}

static long address_space(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (!statm || fscanf(statm, "%ld", &pages) != 1)
		pages = -1;
	if (statm)
		fclose(statm);
	return pages;
}

static void *read_and_wait(void *arg)
{
	pthread_barrier_t *closed = arg;
	void *library = open_library();

	call(library, "urcu_membarrier_read_lock");
	call(library, "urcu_membarrier_read_unlock");
	dlclose(library);
	pthread_barrier_wait(closed);
	return NULL;
}

/* Threads that have used it end when nobody has it open. */
static void test_threads(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_t closed;
	void *library;

	pthread_barrier_init(&closed, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, read_and_wait, &closed);
	pthread_barrier_wait(&closed);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	library = open_library();
	call(library, "urcu_membarrier_synchronize_rcu");
	dlclose(library);
	tap_ok(1, "threads end after the last dlclose, a grace period too");
}

static void one_round(void)
{
	void *library = open_library();

	call(library, "urcu_membarrier_read_lock");
	call(library, "urcu_membarrier_read_unlock");
	call(library, "urcu_membarrier_synchronize_rcu");
	dlclose(library);
}

static void test_loop(void)
{
	int once, all, now, all_now;
	void *here, *there, *library;
	long before, after;

	one_round();
	count_maps(&once, &all);
	library = open_library();
	here = dlsym(library, "urcu_membarrier_gp");
	dlclose(library);
	before = address_space();
	for (unsigned long i = 0; i < rounds; i++)
		one_round();
	after = address_space();
	count_maps(&now, &all_now);
	library = open_library();
	there = dlsym(library, "urcu_membarrier_gp");
	dlclose(library);
	tap_ok(once > 0 && now == once, "%d mappings of the library, then %d",
	       once, now);
	tap_ok(all == all_now, "%d mappings in all, then %d", all, all_now);
	tap_ok(before > 0 && before == after, "%ld pages, then %ld", before,
	       after);
	tap_ok(here && here == there, "its data stays where it was");
}

static void reclaim(struct rcu_head *head)
{
	__atomic_fetch_add(&called, 1, __ATOMIC_SEQ_CST);
	free(head);
}

static void queue(void *library)
{
	void (*call_rcu)(struct rcu_head *head,
			 void (*func)(struct rcu_head *head)) = NULL;
	struct rcu_head *head = malloc(sizeof *head);

	*(void **) &call_rcu = dlsym(library, "urcu_membarrier_call_rcu");
	if (head && call_rcu)
		call_rcu(head, reclaim);
}

/* The worker goes on when nobody has it open, and is asked for by the next. */
static void test_worker(void)
{
	unsigned long n = tap_scale(rounds, 20);
	void *library;

	for (unsigned long i = 0; i < n; i++) {
		library = open_library();
		queue(library);
		dlclose(library);
	}
	for (int i = 0; i < 10000
	     && __atomic_load_n(&called, __ATOMIC_SEQ_CST) < n; i++)
		usleep(1000);
	tap_ok(called == n, "%lu callbacks of %lu run, after a dlclose each",
	       called, n);
}

/* By the destructors of a library that is closed, and of one that is not. */
static void test_exit(int open)
{
	int status = -1;
	pid_t child;

	fflush(stdout);		/* not twice */
	child = fork();
	if (!child) {
		void *library = open_library();

		alarm(LIMIT_SECONDS / 2);
		queue(library);
		call(library, "urcu_membarrier_barrier");
		queue(library);
		if (!open)
			dlclose(library);
		exit(0);
	}
	waitpid(child, &status, 0);
	tap_ok(!status, "a process ends with a worker, the library %s",
	       open ? "open" : "closed");
}

static void test_stays(void)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);

	if (tap_ok(library != NULL, "closed, it is still loaded"))
		dlclose(library);
}

int main(void)
{
	void *library;

	alarm(LIMIT_SECONDS);
	path = getenv(LIBRARY_VARIABLE);
	if (!path)
		path = LIBRARY_BUILT;
	if (getenv(ROUNDS_VARIABLE))
		rounds = strtoul(getenv(ROUNDS_VARIABLE), NULL, 0);
	if (access(path, R_OK)) {
		puts("1..0 # SKIP no shared library was built");
		return 0;
	}
	library = open_library();
	if (!tap_ok(library != NULL, "the library can be opened")) {
		tap_diag("%s", dlerror());
		return tap_end();
	}
	dlclose(library);
	tap_begin();
	test_stays();
	test_loop();
	test_threads();
	test_worker();
	test_exit(0);
	test_exit(1);
	test_stays();
	return tap_end();
}
