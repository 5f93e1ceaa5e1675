/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#define URCU_API_MAP
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/hooks.h"
#include "tests/fault/meddle.h"
#include "tests/lib/cases.h"
#include "tests/lib/cpu.h"
#include "urcu/urcu-membarrier.h"

#define NOBODY		65534
#define STACK_USE	(256 * 1024)	/* more than the row's thread will need */
#define VFORK_NS	20000000
#define STOP_US		10000
#define STOPS		5

static pthread_t thread;
static int stop;

static void start(void *(*run)(void *arg))
{
	row_needs(!pthread_create(&thread, NULL, run, NULL), "a thread");
}

static int goes_on(void)
{
	return !__atomic_load_n(&stop, __ATOMIC_SEQ_CST);
}

void meddle_over(const struct row *row)
{
	(void) row;
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
}

static void set_limit(int what, rlim_t limit)
{
	struct rlimit now;

	row_needs(!getrlimit(what, &now), "a limit");
	now.rlim_cur = limit < now.rlim_max ? limit : now.rlim_max;
	row_needs(!setrlimit(what, &now), "a limit is set");
}

/* A stack that cannot grow is the end. */
static __attribute__((noinline)) void use_stack(void)
{
	volatile char room[STACK_USE];

	for (size_t i = 0; i < sizeof room; i += 1024)
		room[i] = 1;
}

void meddle_no_address_space(const struct row *row)
{
	(void) row;
	use_stack();
	set_limit(RLIMIT_AS, 0);
}

void meddle_address_space_again(const struct row *row)
{
	(void) row;
	set_limit(RLIMIT_AS, RLIM_INFINITY);
}

void meddle_queued_signal(const struct row *row)
{
	(void) row;
	row_needs(!umb_fence_set_signal(SIGRTMIN), "a real-time signal");
}

void meddle_no_queue(const struct row *row)
{
	sigset_t set;

	(void) row;
	set_limit(RLIMIT_SIGPENDING, 0);
	/* Blocked, so that it would have to wait. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_kill(pthread_self(), SIGRTMIN + 1) == EAGAIN)
		hook_hit();
}

/* Root may have as many processes as it likes. */
void meddle_no_root(const struct row *row)
{
	(void) row;
	if (!getuid() && setresuid(NOBODY, NOBODY, NOBODY))
		case_skip("root cannot be somebody else");
}

void meddle_no_process(const struct row *row)
{
	(void) row;
	set_limit(RLIMIT_NPROC, 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static int called;

static void note_call(void *arg)
{
	(void) arg;
	called = 1;
}

void meddle_want_threads(const struct row *row)
{
	pthread_t none;
	int ret;

	(void) row;
	if (!pthread_create(&none, NULL, nothing, NULL)) {
		pthread_join(none, NULL);
		return;
	}
	hook_hit();
	row_needs(!create_call_rcu_data(0, -1), "no thread, no worker");
	ret = create_all_cpu_call_rcu_data(0);
	row_needs(ret == -EAGAIN || ret == -ENOMEM, "nor the CPUs' workers");
	free_all_cpu_call_rcu_data();
	defer_rcu(note_call, NULL);
	rcu_defer_barrier();
	row_needs(called, "a deferred call is made");
}

static cpu_set_t cpus_at_first;

static void set_mask_of(pid_t tid, const cpu_set_t *mask)
{
	if (!sched_setaffinity(tid, sizeof *mask, mask))
		hook_hit();
}

static void set_masks(const cpu_set_t *mask)
{
	for (int i = 0; i < LOAD_PARTS; i++)
		set_mask_of(load_tid((enum load_part) i), mask);
}

static void only(cpu_set_t *mask, int n)
{
	CPU_ZERO(mask);
	CPU_SET((size_t) cpu_nth(&cpus_at_first, n), mask);
}

static void *set_masks_all_the_time(void *arg)
{
	struct timespec t = { 0, 200000 };
	cpu_set_t one;

	for (int n = 0; goes_on(); n++) {
		for (int i = 0; i < LOAD_PARTS; i++) {
			only(&one, n + i);
			set_mask_of(load_tid((enum load_part) i),
				    n % 3 ? &one : &cpus_at_first);
		}
		nanosleep(&t, NULL);
	}
	set_masks(&cpus_at_first);
	return arg;
}

static void need_cpus(void)
{
	sched_getaffinity(0, sizeof cpus_at_first, &cpus_at_first);
	if (CPU_COUNT(&cpus_at_first) < 2)
		case_skip("one CPU");
}

void meddle_masks(const struct row *row)
{
	(void) row;
	need_cpus();
	start(set_masks_all_the_time);
}

void meddle_one_cpu(const struct row *row)
{
	cpu_set_t one;

	(void) row;
	need_cpus();
	only(&one, 0);
	set_masks(&one);
	set_mask_of(0, &one);
}

static int set_online(int cpu, const char *to)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ret = fd >= 0 && write(fd, to, strlen(to)) == (ssize_t) strlen(to);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int far_cpu(void)
{
	return cpu_nth(&cpus_at_first, CPU_COUNT(&cpus_at_first) - 1);
}

static void *go_offline(void *arg)
{
	int cpu = far_cpu();

	do {
		if (set_online(cpu, "0"))
			hook_hit();
		usleep(STOP_US);
		while (!set_online(cpu, "1"))
			usleep(STOP_US);
		usleep(STOP_US);
	} while (goes_on());
	return arg;
}

void meddle_cpu_offline(const struct row *row)
{
	(void) row;
	if (!getenv("UMB_TEST_CPU_OFFLINE"))
		case_skip("UMB_TEST_CPU_OFFLINE is not set");
	need_cpus();
	if (!set_online(far_cpu(), "1"))
		case_skip("no CPU can be taken away");
	start(go_offline);
	while (!hook_hits())
		usleep(STOP_US);
}

void meddle_cpus_online(void)
{
	if (!getenv("UMB_TEST_CPU_OFFLINE"))
		return;
	for (int cpu = 1; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		set_online(cpu, "1");
}

/* The child shares our memory, and the parent takes no signal meanwhile. */
static void *vfork_all_the_time(void *arg)
{
	static const struct timespec t = { 0, VFORK_NS };
	pid_t child;

	while (goes_on()) {
		load_read();
		child = vfork();
		if (!child) {
			nanosleep(&t, NULL);
			_exit(0);
		}
		if (child > 0 && waitpid(child, NULL, 0) == child)
			hook_hit();
	}
	return arg;
}

void meddle_vfork(const struct row *row)
{
	(void) row;
	start(vfork_all_the_time);
}

static int go;				/* a pipe's end */
static pid_t helper;

static void __attribute__((noreturn)) help(int wait, pid_t whom)
{
	char byte;

	if (read(wait, &byte, 1) == 1)
		for (int i = 0; i < STOPS; i++) {
			kill(whom, SIGSTOP);
			usleep(STOP_US);
			kill(whom, SIGCONT);
			usleep(STOP_US);
		}
	_exit(0);
}

/* Forked while there is one thread. */
void meddle_helper(const struct row *row)
{
	pid_t parent = getpid();
	int ends[2];

	(void) row;
	row_needs(!pipe(ends), "a pipe");
	helper = fork();
	if (!helper) {
		close(ends[1]);
		help(ends[0], parent);
	}
	close(ends[0]);
	go = ends[1];
}

void meddle_stops(const struct row *row)
{
	int status = -1;

	(void) row;
	row_needs(helper > 0 && write(go, "", 1) == 1, "a helper");
	row_needs(waitpid(helper, &status, 0) == helper && !status,
		  "the helper has done its work");
	close(go);
	hook_hit();
}
