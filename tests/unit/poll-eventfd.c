/* SPDX-License-Identifier: MIT */

/*
 * Grace periods that tell an eventfd of their end. Each case in a process of its
 * own. What is never told is ended by the alarm.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define MANY	100
#define HOUR_NS	(UINT64_C(3600) * 1000000000)

typedef struct urcu_gp_poll_state cookie;

static struct reader reader;

static int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	expect(fd >= 0, "an eventfd");
	return fd;
}

/* What has been added since the last time. */
static uint64_t told(int fd)
{
	uint64_t n = 0;

	expect(read(fd, &n, sizeof n) == sizeof n || errno == EAGAIN, "read");
	errno = CASE_ERRNO;
	return n;
}

static void wait_for_event(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	while (poll(&p, 1, -1) != 1)
		;
	expect(!load(&holding), "told in time");
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += dup2(fd, fd) == fd;
	return n;
}

static void begin(void)
{
	reader_start_online(&reader);
	errno = CASE_ERRNO;
}

static void end(void)
{
	reader_stop(&reader);
}

static void told_once(const void *arg)
{
	int fd = event(), fds;
	cookie c;

	(void) arg;
	begin();
	fds = open_fds();
	errno = CASE_ERRNO;
	for (int i = 0; i < 4; i++) {
		reader_enter(&reader);
		c = start_poll_synchronize_rcu();
		if (i & 1)
			poll_state_synchronize_rcu(c);
		expect(!umb_poll_eventfd(c, fd), "asked for");
		expect(errno == CASE_ERRNO, "errno stays");
		nap(READER_STAYS_US);
		expect(!told(fd), "not while a reader is there");
		reader_leave_soon(&reader);
		wait_for_event(fd);
		expect(poll_state_synchronize_rcu(c), "polling says the same");
		rcu_barrier();
		expect(told(fd) == 1, "once");
		synchronize_rcu();
		rcu_barrier();
		expect(!told(fd), "only");
	}
	expect(open_fds() == fds, "no descriptor is left open");
	close(fd);
	end();
}

static void told_at_once(const void *arg)
{
	int fd = event();
	cookie c = start_poll_synchronize_rcu();

	(void) arg;
	begin();
	synchronize_rcu();
	expect(poll_state_synchronize_rcu(c), "over");
	for (int i = 0; i < 2; i++) {
		/* Inside a section, too: that is a younger one. */
		expect(!umb_poll_eventfd(c, fd), "asked for");
		expect(told(fd) == 1, "and told");
		rcu_read_lock();
		expect(!umb_poll_eventfd(c, fd), "asked for in a section");
		expect(told(fd) == 1, "and told");
		rcu_read_unlock();
	}
	rcu_barrier();
	expect(!told(fd), "once");
	end();
}

static void in_own_section(const void *arg)
{
	int fd = event();

	(void) arg;
	rcu_read_lock();
	expect(!umb_poll_eventfd(start_poll_synchronize_rcu(), fd), "asked for");
	store(&holding, 1);
	nap(READER_STAYS_US);
	expect(!told(fd), "not inside it");
	store(&holding, 0);
	rcu_read_unlock();
	wait_for_event(fd);
	expect(told(fd) == 1, "but after it");
}

static void closed_meanwhile(const void *arg)
{
	int fd, copy;

	(void) arg;
	begin();
	for (int i = 0; i < 3; i++) {
		fd = event();
		copy = dup(fd);
		reader_enter(&reader);
		expect(!umb_poll_eventfd(start_poll_synchronize_rcu(), fd),
		       "asked for");
		close(fd);
		/* Somebody else's number now. */
		expect(event() == fd, "the number is used again");
		reader_leave_soon(&reader);
		wait_for_event(copy);
		expect(told(copy) == 1 && !told(fd), "told all the same");
		close(fd);
		close(copy);
	}
	end();
}

static void errors(const void *arg)
{
	struct rlimit few;
	cookie over = start_poll_synchronize_rcu(), c;
	int fd = event(), closed = dup(fd);

	(void) arg;
	begin();
	close(closed);
	synchronize_rcu();
	reader_enter(&reader);
	c = start_poll_synchronize_rcu();
	expect(umb_poll_eventfd(c, -1) == -EBADF, "-1");
	expect(umb_poll_eventfd(c, closed) == -EBADF, "closed");
	expect(umb_poll_eventfd(over, -1) == -EBADF, "-1, over");
	expect(umb_poll_eventfd(over, closed) == -EBADF, "closed, over");
	getrlimit(RLIMIT_NOFILE, &few);
	few.rlim_cur = (rlim_t) closed + 1;
	expect(!setrlimit(RLIMIT_NOFILE, &few), "no more files");
	while (dup(fd) >= 0)
		;
	errno = CASE_ERRNO;
	expect(umb_poll_eventfd(c, fd) == -EMFILE, "too many files");
	expect(!umb_poll_eventfd(over, fd) && told(fd) == 1, "over: needs none");
	expect(errno == CASE_ERRNO, "errno stays");
	reader_leave(&reader);
	rcu_barrier();
	expect(!told(fd), "what failed tells nothing");
	end();
}

static void many(const void *arg)
{
	int fd = event(), other = event();
	uint64_t n = 0;

	(void) arg;
	begin();
	reader_enter(&reader);
	for (int i = 0; i < MANY; i++) {
		cookie c = start_poll_synchronize_rcu();

		expect(!umb_poll_eventfd(c, fd), "asked for");
		if (!(i % 10))
			expect(!umb_poll_eventfd(c, other), "asked for, twice");
	}
	reader_leave_soon(&reader);
	while (n < MANY) {
		wait_for_event(fd);
		n += told(fd);
	}
	rcu_barrier();
	expect(n == MANY && !told(fd), "each tells once");
	expect(told(other) == MANY / 10, "each its own");
	end();
}

/* A worker that is lazy, even if it is at it, is hurried. */
static void lazy_worker(const void *arg)
{
	struct umb_stats stats;
	int fd = event();
	cookie c;

	(void) arg;
	begin();
	expect(!umb_reclaim_set_lazy(get_default_call_rcu_data(), HOUR_NS), "lazy");
	for (int i = 0; i < 4; i++) {
		reader_enter(&reader);
		c = start_poll_synchronize_rcu();
		expect(!umb_poll_eventfd(c, fd), "asked for");
		nap(i & 1 ? READER_STAYS_US : 0);
		reader_leave_soon(&reader);
		wait_for_event(fd);
		expect(told(fd) == 1, "told");
		/* And so it is where a worker pushes what is polled. */
		c = start_poll_synchronize_rcu();
		while (!poll_state_synchronize_rcu(c))
			nap(200);
	}
	rcu_barrier();
	expect(!umb_stats_get(&stats, sizeof stats)
	       && stats.queued == stats.run, "nothing is left");
	end();
}

static void in_child(int fd, cookie c)
{
	rcu_barrier();
	/* The reader is not here. */
	synchronize_rcu();
	if (told(fd))
		_exit(1);
	/* The child's own are its own. */
	c = start_poll_synchronize_rcu();
	if (umb_poll_eventfd(c, fd))
		_exit(2);
	wait_for_event(fd);
	rcu_barrier();
	_exit(told(fd) == 1 ? 0 : 3);
}

static void not_in_a_child(const void *arg)
{
	int fd = event(), status = -1;
	cookie c;
	pid_t child;

	(void) arg;
#ifdef __SANITIZE_ADDRESS__
	case_skip("the sanitizer's allocator is not made for fork()");
#endif
	begin();
	for (int i = 0; i < 3; i++) {
		reader_enter(&reader);
		c = start_poll_synchronize_rcu();
		expect(!umb_poll_eventfd(c, fd), "asked for");
		if (i)
			nap(READER_STAYS_US);
		child = fork();
		if (!child) {
			alarm(CASE_SECONDS / 2);
			store(&holding, 0);
			in_child(fd, c);
		}
		if (!expect(waitpid(child, &status, 0) == child && !status,
			    "a forked child tells of its own ones only"))
			case_note("wait status %#x", (unsigned int) status);
		expect(!told(fd), "nothing so far");
		reader_leave_soon(&reader);
		wait_for_event(fd);
		rcu_barrier();
		expect(told(fd) == 1, "the parent is told once");
	}
	end();
}

int main(void)
{
	tap_begin();
	case_run(told_once, NULL, "told once, when it is over");
	case_run(told_at_once, NULL, "at once, if it is over");
	case_run(in_own_section, NULL, "of the end of one's own section");
	case_run(closed_meanwhile, NULL, "the descriptor is closed meanwhile");
	case_run(errors, NULL, "errors");
	case_run(many, NULL, "many at a time");
	case_run(lazy_worker, NULL, "by a lazy worker");
	case_run(not_in_a_child, NULL, "not by a forked child");
	return tap_end();
}
