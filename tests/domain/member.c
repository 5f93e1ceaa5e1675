/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/domain/member.h"

static struct umb_domain *domain;
static struct umb_domain_reader *reader;

static void *nothing(void *arg)
{
	return arg;
}

static int come_and_go(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL)
		|| pthread_join(thread, NULL);
}

static int act(enum member_act what, int fd)
{
	/* It keeps the promise, but for what MEMBER_THREAD tests. */
	struct umb_domain_attr attr = { .size = sizeof attr, .alone = 1 };
	int ret = 0;

	switch (what) {
	case MEMBER_ATTACH:
		return umb_domain_attach_fd(&domain, fd, &attr);
	case MEMBER_REGISTER:
		return umb_domain_reader_register(domain, &reader);
	case MEMBER_UNREGISTER:
		umb_domain_reader_unregister(reader);
		return 0;
	case MEMBER_LOCK:
		umb_domain_read_lock(reader);
		return 0;
	case MEMBER_UNLOCK:
		umb_domain_read_unlock(reader);
		return 0;
	case MEMBER_DEPTH:
		return umb_domain_read_ongoing(reader);
	case MEMBER_SYNCHRONIZE:
		return umb_domain_synchronize(domain);
	case MEMBER_THREAD:
		return come_and_go();
	case MEMBER_WATCH:
		return (int) reader->watch;
	case MEMBER_DETACH:
		ret = umb_domain_destroy(domain);
		domain = NULL;
		return ret;
	default:
		return -EINVAL;
	}
}

static void be_member(int from, int to, int fd)
{
	int ret = 0;
	char what;

	while (read(from, &what, 1) == 1) {
		if (what != MEMBER_EXEC)
			ret = act((enum member_act) what, fd);
		if (write(to, &ret, sizeof ret) != sizeof ret)
			break;
		if (what == MEMBER_EXEC)
			execlp("sleep", "sleep", "60", (char *) NULL);
	}
	_exit(0);
}

void member_start(struct member *m, int fd)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from) || (m->pid = fork()) < 0)
		abort();
	if (!m->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The parent's domain is none of the member's. */
		close(to[1]);
		close(from[0]);
		be_member(to[0], from[1], fd);
	}
	close(to[0]);
	close(from[1]);
	m->to = to[1];
	m->from = from[0];
}

void member_ask(struct member *m, enum member_act act)
{
	char what = (char) act;

	if (write(m->to, &what, 1) != 1)
		abort();
}

int member_answer(struct member *m)
{
	int ret = -EPIPE;

	if (read(m->from, &ret, sizeof ret) != sizeof ret)
		return -EPIPE;
	return ret;
}

int member_do(struct member *m, enum member_act act)
{
	member_ask(m, act);
	return member_answer(m);
}

void member_kill(struct member *m)
{
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	close(m->to);
	close(m->from);
}

unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long) t.tv_sec * 1000000000 + (unsigned long long) t.tv_nsec;
}
