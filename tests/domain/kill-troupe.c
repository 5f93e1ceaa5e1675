/* SPDX-License-Identifier: MIT */

/* The actors' processes, and the domain that they are in. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/domain/kill.h"
#include "tests/lib/tap.h"

#define ACTS_MAX	32

static void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void act_on(int fd)
{
	struct self self = { 0 };
	char acts[ACTS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, acts, sizeof acts) == (ssize_t) sizeof acts) {
		struct report report = { 0 };
		uint64_t begin = now_ns();

		self.argument = acts[ACTS_MAX - 1];
		for (char *act = acts; *act && !report.ret; act++)
			report.ret = do_act(&self, *act);
		report.at_ns = now_ns();
		report.ns = report.at_ns - begin;
		if (write(fd, &report, sizeof report) != (ssize_t) sizeof report)
			break;
	}
	_exit(0);
}

void actor_ask(struct actor *a, const char *acts)
{
	char message[ACTS_MAX] = "";

	strncpy(message, acts, sizeof message - 2);
	if (strlen(acts) == 2 && acts[0] == 'M') {
		message[1] = 0;
		message[ACTS_MAX - 1] = (char) (acts[1] - '0');
	}
	if (write(a->fd, message, sizeof message) != (ssize_t) sizeof message)
		give_up("an actor is gone");
	a->asked = 1;
}

void actor_start(struct actor *a, const char *acts)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		give_up("socketpair");
	fflush(stdout);
	a->pid = fork();
	if (a->pid < 0)
		give_up("fork");
	if (!a->pid) {
		close(fds[0]);
		act_on(fds[1]);
	}
	close(fds[1]);
	a->fd = fds[0];
	actor_ask(a, acts);
}

int actor_answers(struct actor *a, struct report *report)
{
	struct pollfd fd = { .fd = a->fd, .events = POLLIN };
	int n = poll(&fd, 1, PATIENCE * 1000 + 500);
	struct report mine;

	report = report ? report : &mine;
	a->asked = 0;
	if (n != 1) {
		bad("an actor hangs");
		return 0;
	}
	if (read(a->fd, report, sizeof *report) != (ssize_t) sizeof *report) {
		bad("an actor dies");
		return 0;
	}
	if (report->ret)
		bad("an actor fails: %s", strerror(-report->ret));
	return !report->ret && !state->bad;
}

int actor_does(struct actor *a, const char *acts)
{
	actor_ask(a, acts);
	return actor_answers(a, NULL);
}

void actor_kill(struct actor *a)
{
	if (!a->pid)
		return;
	kill(a->pid, SIGKILL);
	if (waitpid(a->pid, NULL, __WALL) != a->pid)
		give_up("waitpid");
	close(a->fd);
	*a = (struct actor) { 0 };
}

int world_make(enum umb_domain_mode mode)
{
	struct umb_domain_attr attr = {
		.size = sizeof attr, .mode = mode, .readers = READERS,
		.bytes = area_bytes(),
	};
	struct umb_domain *d;
	int ret = umb_domain_create_memfd(&d, &attr);

	if (ret == -ENOTSUP)
		return ret;
	if (ret) {
		errno = -ret;
		give_up(attr.why);
	}
	state->fd = dup(umb_domain_fd(d));
	area_prepare(d);
	if (umb_domain_destroy(d) || state->fd < 0)
		give_up("a domain");
	return 0;
}

void world_end(void)
{
	close(state->fd);
}

static const char *dead_or_alive(int dead)
{
	return dead < 0 ? "?" : dead ? "dead" : "alive";
}

void world_show(void)
{
	struct umb_domain_info info = { .size = sizeof info };
	struct umb_domain_attr attr = { .size = sizeof attr };
	struct umb_domain_slot slot = { .size = sizeof slot };
	struct umb_domain *d;
	int ret = umb_domain_attach_fd(&d, state->fd, &attr);

	if (ret) {
		tap_diag("attach: %s", attr.why);
		return;
	}
	umb_domain_info(d, &info);
	tap_diag("%llu grace periods, leader %d, %llu reaped",
		 (unsigned long long) info.grace_periods, (int) info.leader,
		 (unsigned long long) info.reaped);
	for (unsigned int i = 0; i < info.slots; i++) {
		umb_domain_slot(d, i, &slot);
		if (slot.kind)
			tap_diag("slot %u: %s %d, %s, depth %lu, age %llu", i,
				 slot.kind == UMB_DOMAIN_SLOT_READER ? "reader"
				 : "process", (int) slot.pid, dead_or_alive(slot.dead),
				 slot.depth, (unsigned long long) slot.age);
	}
	umb_domain_destroy(d);
}
