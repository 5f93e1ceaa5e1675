/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STALL_H
#define TESTS_STALL_H

/*
 * For the tests of stalls: readers that stay until they are let go, updaters that
 * wait for them, and a handler that notes what it is told. Needs _GNU_SOURCE.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "urcu/urcu-membarrier.h"

#define MS		UINT64_C(1000000)	/* ns */
#define LIMIT		(10 * MS)		/* of most cases */
#define TOLD_MAX	16			/* threads a report */
#define NOTES		1024

static struct umb_stall notes[NOTES];
static int noted;
/* Fences may be slow on a busy machine: told of, and noted by their number only. */
static int others;

/* Handlers. One thread at a time. */
static inline void note_any(const struct umb_stall *stall)
{
	int n = load(&noted);

	if (n < NOTES)
		notes[n] = *stall;
	add(&noted, 1);
}

static inline void note(const struct umb_stall *stall)
{
	if (stall->kind == UMB_STALL_SECTION)
		note_any(stall);
	else
		add(&others, 1);
}

static inline pid_t own_tid(void)
{
	return (pid_t) syscall(SYS_gettid);
}

/* As the kernel tells it; 0: it does not. */
static inline char state_of(pid_t tid)
{
	char path[64], text[512];
	const char *end;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int) tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof text - 1);
		close(fd);
	}
	if (n <= 0)
		return 0;
	text[n] = 0;
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

static inline void await_state(pid_t tid, char state)
{
	if (!state_of(own_tid()))
		case_skip("no /proc");
	while (state_of(tid) != state)
		nap(200);
}

/* A reader that stays. */
struct stuck {
	pthread_t thread;
	unsigned int depth;	/* 0 means 1 */
	int blocked;		/* takes no signals */
	int spins;		/* else it sleeps */
	int first;		/* its first section brings it online */
	const char *name;
	pid_t tid;
	int inside, leave;
	int gate[2];		/* it sleeps in a read of this pipe */
};

static inline void stay(struct stuck *s)
{
	char c;

	while (!load(&s->leave))
		if (!s->spins && read(s->gate[0], &c, 1) < 0 && errno != EINTR)
			abort();
}

static inline void *stuck_run(void *arg)
{
	struct stuck *s = arg;
	sigset_t all;

	sigfillset(&all);
	if (s->blocked)
		pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (s->name)
		pthread_setname_np(pthread_self(), s->name);
	if (!s->first)
		urcu_membarrier_thread_online();
	for (unsigned int i = 0; i < s->depth; i++)
		urcu_membarrier_read_lock();
	s->tid = own_tid();
	store(&s->inside, 1);
	stay(s);
	for (unsigned int i = 0; i < s->depth; i++)
		urcu_membarrier_read_unlock();
	return NULL;
}

/* When it returns it is where it stays. */
static inline void stuck_start(struct stuck *s)
{
	s->depth += !s->depth;
	if (pipe(s->gate))
		abort();
	start_thread(&s->thread, stuck_run, s);
	await(&s->inside, 1);
	if (!s->spins)
		await_state(s->tid, 'S');
}

static inline void stuck_let_go(struct stuck *s)
{
	store(&s->leave, 1);
	expect(write(s->gate[1], "", 1) == 1, "a reader is let go");
}

static inline void stuck_end(struct stuck *s)
{
	if (!load(&s->leave))
		stuck_let_go(s);
	pthread_join(s->thread, NULL);
	close(s->gate[0]);
	close(s->gate[1]);
}

struct updater {
	pthread_t thread;
	pid_t tid;
	int done;
};

static inline void *update(void *arg)
{
	struct updater *u = arg;
	sigset_t before, after;

	__atomic_store_n(&u->tid, own_tid(), __ATOMIC_SEQ_CST);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	errno = CASE_ERRNO;
	urcu_membarrier_synchronize_rcu();
	expect(errno == CASE_ERRNO, "the updater's errno stays");
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int i = 1; i <= SIGRTMAX; i++)
		expect(sigismember(&before, i) == sigismember(&after, i),
		       "and its signals");
	store(&u->done, 1);
	return NULL;
}

static inline void updater_start(struct updater *u)
{
	*u = (struct updater) { 0 };
	start_thread(&u->thread, update, u);
}

static inline void updater_end(struct updater *u)
{
	pthread_join(u->thread, NULL);
	expect(load(&u->done), "the grace period has ended");
}

static inline void set_limit(void (*handler)(const struct umb_stall *),
			     uint64_t limit)
{
	errno = CASE_ERRNO;
	expect(!umb_stall_set(handler, limit), "umb_stall_set");
	expect(errno == CASE_ERRNO, "it leaves errno alone");
}

/* One reader is told of, at least so often, and leaves. */
static inline void one_stall(struct stuck *s, int reports)
{
	int before = load(&noted);
	struct updater u;

	stuck_start(s);
	updater_start(&u);
	await(&noted, before + reports);
	expect(!load(&u.done), "it is told while the updater waits");
	stuck_end(s);
	updater_end(&u);
}

/* Nobody is told, from here on. Afterwards the notes stay as they are. */
static inline void hush(void)
{
	set_limit(NULL, 0);
}

/* What stderr is from now on: a pipe; returns where it is read. */
static inline int catch_stderr(void)
{
	int fds[2];

	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) || dup2(fds[1], STDERR_FILENO) < 0)
		abort();
	close(fds[1]);
	return fds[0];
}

/* Until so many lines can be read there, or the text is full; its length. */
static inline size_t await_lines(int from, int lines, char *text, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (lines > 0 && n + 1 < size) {
		got = read(from, text + n, 1);
		if (got == 1)
			lines -= text[n++] == '\n';
		else
			nap(200);
	}
	text[n] = 0;
	return n;
}

/* Its end blocks who writes. */
static inline void block_stderr(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	fcntl(STDERR_FILENO, F_SETFL, flags & ~O_NONBLOCK);
}

static inline void fill_stderr(void)
{
	char page[4096];

	memset(page, '.', sizeof page);
	while (write(STDERR_FILENO, page, sizeof page) > 0)
		;
	while (write(STDERR_FILENO, page, 1) > 0)
		;
	block_stderr();
}

/* What a program may have for stderr. */

static inline void no_stderr(void)
{
	close(STDERR_FILENO);
}

static inline void full_stderr(void)
{
	catch_stderr();
	fill_stderr();
}

static inline void broken_stderr(void)
{
	signal(SIGPIPE, SIG_DFL);
	close(catch_stderr());
}

struct surroundings {
	const char *name;
	void (*set_up)(void);
};

static const struct surroundings outputs[] __attribute__((unused)) = {
	{ "stderr is closed", no_stderr },
	{ "stderr is a pipe that is full", full_stderr },
	{ "stderr is a pipe that nobody reads", broken_stderr },
};

#endif /* TESTS_STALL_H */
