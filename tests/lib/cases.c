/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/again.h"
#include "tests/lib/cases.h"
#include "tests/lib/cpu.h"
#include "tests/lib/tap.h"

#define PATIENCE	10	/* seconds; below CASE_SECONDS */

/* What a child tells, shared with it. */
struct report {
	int done;
	int failed, skipped;
	char why[256];
	char note[256];
};

static struct report *report;
static __thread struct worker *self;

static const char *only = "";

void case_main(int argc, char **argv)
{
	tap_begin();
	only = argc > 1 ? argv[1] : "";
	if (!getenv("URCU_MEMBARRIER_MODE")
	    && !getenv("URCU_MEMBARRIER_SIGNAL"))
		return;
	unsetenv("URCU_MEMBARRIER_MODE");
	unsetenv("URCU_MEMBARRIER_SIGNAL");
	unsetenv("UMB_TEST_MODE");	/* it was in force */
	exec_again(SELF, argv);
	puts("Bail out! no " SELF);
	exit(1);
}

static struct report *new_report(void)
{
	void *page = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		puts("Bail out! no memory");
		exit(1);
	}
	return page;
}

static void in_child(void (*run)(const void *), const void *arg)
{
	alarm(CASE_SECONDS);
	run(arg);
	report->done = 1;
	_exit(0);
}

static void judge(const char *name, int status)
{
	if (report->note[0])
		tap_diag("%s", report->note);
	if (report->skipped)
		tap_skip(report->why, "%s", name);
	else if (report->failed)
		tap_ok(0, "%s: not so: %s", name, report->why);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		tap_ok(0, "%s: hangs", name);
	else
		tap_ok(!status && report->done, "%s%s", name,
		       status ? ": dies" : "");
	if (status)
		tap_diag("wait status %#x", (unsigned int) status);
}

void case_run(void (*run)(const void *), const void *arg,
	      const char *format, ...)
{
	char name[256];
	va_list args;
	int status = -1;
	pid_t pid;

	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	if (!strstr(name, only))
		return;
	if (!report)
		report = new_report();
	memset(report, 0, sizeof *report);
	fflush(stdout);
	pid = fork();
	if (!pid)
		in_child(run, arg);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	judge(name, status);
}

int expect(int pass, const char *what)
{
	if (!pass && !__atomic_exchange_n(&report->failed, 1, __ATOMIC_SEQ_CST))
		snprintf(report->why, sizeof report->why, "%s", what);
	return pass;
}

void case_skip(const char *why)
{
	snprintf(report->why, sizeof report->why, "%s", why);
	report->skipped = 1;
	_exit(0);
}

void case_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->note, sizeof report->note, format, args);
	va_end(args);
}

void case_needs_membarrier(void)
{
	if (umb_fence_mode() > UMB_FENCE_GLOBAL)
		case_skip("no membarrier: signals and visits are in use");
}

void case_mode(enum umb_fence_mode mode)
{
	int ret = umb_fence_select(mode);

	if (ret == -ENOTSUP)
		case_skip("no such mode");
	expect(!ret && umb_fence_mode() == mode, "the mode is selected");
}

struct worker *worker_self(void)
{
	return self;
}

void worker_ran(void)
{
	if (self)
		__atomic_fetch_add(&self->runs, 1, __ATOMIC_SEQ_CST);
}

unsigned int worker_runs(const struct worker *w)
{
	return __atomic_load_n(&w->runs, __ATOMIC_SEQ_CST);
}

void worker_become(struct worker *w)
{
	self = w;
	w->tid = (pid_t) syscall(__NR_gettid);
	w->record = &urcu_membarrier_reader;
	umb_fence_register_thread();
}

static void prepare(struct worker *w, stack_t *old)
{
	stack_t mine = { .ss_sp = w->stack, .ss_size = STACK_BYTES };
	sigset_t all;

	sigfillset(&all);
	if (w->kind & BLOCKED)
		pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (w->kind & ALTSTACK)
		expect(!sigaltstack(&mine, old), "an alternate stack is set");
	if (w->cpu >= 0)
		expect(!cpu_pin(w->cpu), "a thread is pinned");
	worker_become(w);
	if (w->kind & READS)
		urcu_membarrier_thread_online();
}

static void *work(void *arg)
{
	struct worker *w = arg;
	stack_t old;

	prepare(w, &old);
	errno = CASE_ERRNO;
	__atomic_store_n(&w->ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		if (w->kind & READS) {
			urcu_membarrier_read_lock();
			urcu_membarrier_read_unlock();
		}
		w->errno_lost |= errno != CASE_ERRNO;
		if (w->kind & SLEEPS) {
			usleep(1000);
			errno = CASE_ERRNO;	/* EINTR is usleep()'s */
		}
	}
	/* As it was: sanitizers have one, and take it back. */
	if (w->kind & ALTSTACK)
		sigaltstack(&old, NULL);
	return NULL;
}

void worker_start(struct worker *w, unsigned int kind, int cpu)
{
	pthread_attr_t attr;

	*w = (struct worker) { .kind = kind, .cpu = cpu };
	if (kind & ALTSTACK)
		w->stack = malloc(STACK_BYTES);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (pthread_create(&w->thread, &attr, work, w))
		case_skip("no thread");
	pthread_attr_destroy(&attr);
	while (!__atomic_load_n(&w->ready, __ATOMIC_SEQ_CST))
		usleep(50);
}

void worker_stop(struct worker *w)
{
	__atomic_store_n(&w->stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(w->thread, NULL);
	free(w->stack);
}

long now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long) t.tv_sec;
}

int wait_a_little(long begin)
{
	usleep(200);
	return now_seconds() - begin < PATIENCE;
}

int fence_until_runs(const struct worker *w, unsigned int runs)
{
	long begin = now_seconds();

	while (worker_runs(w) < runs) {
		umb_fence_heavy();
		if (worker_runs(w) < runs && !wait_a_little(begin))
			return 0;
	}
	return 1;
}

int fence_until_answered(const struct worker *w)
{
	long begin = now_seconds();

	do
		umb_fence_heavy();
	while (__atomic_load_n(&w->record->asked, __ATOMIC_SEQ_CST)
	       && wait_a_little(begin));
	return !__atomic_load_n(&w->record->asked, __ATOMIC_SEQ_CST);
}
