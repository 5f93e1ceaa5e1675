/* SPDX-License-Identifier: MIT */

/*
 * Death at any time: a crowd, of which one is killed now and then, or all; and how soon
 * it is found out. And what only looks like death.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/domain/kill.h"
#include "tests/lib/tap.h"

#define PAUSE_US	4000	/* between two deaths, on average */
#define MANY		16	/* one in so many kills all, or all but one */
#define STOP_US		50000
#define FIND_US		12000	/* of a wait, at most, before a death */

static const char *const roles[] = { "ARL", "aRL", "ART", "M0", "M1", "C", "AN" };
#define CROWD	(sizeof roles / sizeof roles[0])

static struct actor crowd[CROWD];

static void join(size_t i)
{
	actor_start(&crowd[i], roles[i][0] == 'M' ? "AR" : roles[i]);
	if (roles[i][0] != 'M')
		return;
	actor_answers(&crowd[i], NULL);
	actor_ask(&crowd[i], roles[i]);
}

static void die_as(struct actor *a)
{
	actor_kill(a);
	kills++;
}

static void die(size_t i)
{
	die_as(&crowd[i]);
}

/* Whoever ends by itself has found a fault. */
static int all_run(void)
{
	for (size_t i = 0; i < CROWD; i++)
		if (waitpid(crowd[i].pid, NULL, WNOHANG)) {
			bad("a process of the crowd is gone");
			crowd[i].pid = 0;
		}
	return !state->bad;
}

static int is_well(void)
{
	struct actor last;
	int good;

	state->readers = state->processes = 1;
	actor_start(&last, "AR");
	good = actor_answers(&last, NULL) && actor_does(&last, "SpQWV(())rFGS");
	actor_kill(&last);
	return good;
}

void storm_test(enum umb_domain_mode mode)
{
	unsigned long before = kills, gps = state->grace_periods;
	unsigned long sections = state->sections;
	uint64_t seed = options.seed, end;
	int good;

	world_make(mode);
	state->stop = 0;
	state->longest_ns = 0;
	for (size_t i = 0; i < CROWD; i++)
		join(i);
	end = now_ns() + options.storm_ms * UINT64_C(1000000);
	while (now_ns() < end && all_run()) {
		uint64_t dice = draw(&seed);
		size_t one = dice / MANY % CROWD, spared = CROWD;

		usleep((unsigned int) (dice / 1024 % (2 * PAUSE_US)));
		if (dice % MANY) {
			die(one);
			join(one);
			continue;
		}
		if (dice / 512 % 2)
			spared = one;
		for (size_t i = 0; i < CROWD; i++)
			if (i != spared)
				die(i);
		for (size_t i = 0; i < CROWD; i++)
			if (i != spared)
				join(i);
	}
	for (size_t i = 0; i < CROWD; i++)
		die(i);
	good = !state->bad && is_well();
	if (!good) {
		tap_diag("%s", state->why);
		world_show();
	}
	tap_ok(good, "a crowd, mode %d: %lu deaths, %lu grace periods, %lu sections, "
	       "the longest wait %.1f ms, seed %llu", (int) mode, kills - before,
	       state->grace_periods - gps, state->sections - sections,
	       (double) state->longest_ns / 1e6, (unsigned long long) options.seed);
	world_end();
	state->bad = 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Nothing, where we were told later than those who found out. */
static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/*
 * Readers die in sections, before a grace period begins, or while it waits for them. Two
 * updaters at times, of whom one leads.
 */
static void find(struct actor updaters[2], uint64_t dice)
{
	static const char *const deaths[] = { "AR(", "AR((", "AX", "aR(" };
	int before = dice % 2, two = dice / 2 % 2;
	struct actor doomed;
	struct report report;
	uint64_t killed_at, dead_at, begin;

	actor_start(&doomed, deaths[dice / 4 % 4]);
	actor_answers(&doomed, NULL);
	if (before)
		die_as(&doomed);
	for (int i = 0; i <= two; i++)
		actor_ask(&updaters[i], "S");
	usleep((unsigned int) (dice / 16 % FIND_US));
	killed_at = now_ns();
	if (!before)
		die_as(&doomed);
	dead_at = now_ns();
	for (int i = 0; i <= two; i++) {
		actor_answers(&updaters[i], &report);
		if (before) {
			latency_add(FOUND_AT_ONCE, report.ns);
		} else if (report.at_ns < killed_at) {
			bad("a section was not waited for");
		} else {
			begin = report.at_ns - report.ns;
			latency_add(FOUND_SINCE_KILL,
				    since(report.at_ns, later(begin, killed_at)));
			latency_add(FOUND, since(report.at_ns, later(begin, dead_at)));
		}
	}
}

void found_test(enum umb_domain_mode mode)
{
	struct actor updaters[2];
	uint64_t seed = options.seed;
	unsigned long n = 0;

	world_make(mode);
	for (int i = 0; i < 2; i++) {
		actor_start(&updaters[i], "AR");
		actor_answers(&updaters[i], NULL);
	}
	while (n < options.kills / 4 + 16 && !state->bad) {
		find(updaters, draw(&seed));
		n++;
	}
	tap_ok(!state->bad, "%lu readers that die in sections, mode %d%s%s", n,
	       (int) mode, state->bad ? ": " : "", state->why);
	state->bad = 0;
	state->why[0] = 0;
	for (int i = 0; i < 2; i++)
		actor_kill(&updaters[i]);
	world_end();
}

/* Stopped is not dead. */
static int stays(void)
{
	struct umb_domain_info info = { .size = sizeof info };
	struct umb_domain *d;
	int ret, reaped;

	if (umb_domain_attach_fd(&d, state->fd, NULL))
		return 0;
	ret = umb_domain_synchronize_timeout_ns(d, STOP_US * UINT64_C(1000));
	reaped = umb_domain_reap(d);
	umb_domain_info(d, &info);
	umb_domain_destroy(d);
	if (ret != -ETIMEDOUT || reaped)
		bad("a stopped one: synchronize_timeout says %s, reap %d",
		    strerror(-ret), reaped);
	return !state->bad;
}

static void stop(const struct actor *a, int sig)
{
	if (a->pid > 0)
		kill(a->pid, sig);
	usleep(2000);
}

void stops_test(enum umb_domain_mode mode)
{
	struct actor reader, leader, other;
	int good;

	world_make(mode);
	state->readers = 3;
	state->processes = 4;	/* the director, too */
	actor_start(&reader, "AR(");
	actor_start(&leader, "AR");
	actor_start(&other, "aR");
	good = actor_answers(&reader, NULL) && actor_answers(&leader, NULL)
		&& actor_answers(&other, NULL);
	stop(&reader, SIGSTOP);
	good = good && stays();
	actor_ask(&other, "w");
	good = good && stays();
	stop(&reader, SIGCONT);
	good = good && actor_does(&reader, ")") && actor_answers(&other, NULL)
		&& actor_does(&other, "SpQ");
	tap_ok(good, "a stopped reader is waited for, mode %d%s%s", (int) mode,
	       state->bad ? ": " : "", state->bad ? state->why : "");
	state->bad = 0;

	good = actor_does(&reader, "(");
	actor_ask(&leader, "w");
	usleep(3000);
	stop(&leader, SIGSTOP);
	good = good && actor_does(&reader, ")") && stays();
	stop(&leader, SIGCONT);
	good = good && actor_answers(&leader, NULL) && actor_does(&other, "SpQu")
		&& actor_does(&reader, "(())");
	tap_ok(good, "a stopped leader stays the leader, mode %d%s%s", (int) mode,
	       state->bad ? ": " : "", state->bad ? state->why : "");
	state->bad = 0;

	good = actor_does(&reader, "(");
	actor_ask(&leader, "w");
	usleep(3000);
	stop(&leader, SIGSTOP);
	die_as(&leader);
	actor_ask(&other, "W");
	usleep(3000);
	good = good && actor_does(&reader, ")") && actor_answers(&other, NULL)
		&& actor_does(&other, "SpQ");
	tap_ok(good, "a stopped leader that is killed is none, mode %d%s%s", (int) mode,
	       state->bad ? ": " : "", state->bad ? state->why : "");
	state->bad = 0;
	actor_kill(&reader);
	actor_kill(&other);
	world_end();
}
