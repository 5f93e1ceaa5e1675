/* SPDX-License-Identifier: MIT */

/*
 * Shared domains: processes that read, wait, stop and die. What blocks is ended by the
 * alarm. Each case in a process of its own, once for each mode.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/domain/member.h"
#include "tests/lib/cases.h"
#include "tests/lib/tap.h"
#include "urcu-membarrier/stall.h"

#define MS		UINT64_C(1000000)
#define SLOTS		4
#define LONG_MS		20000

static struct umb_domain *d;
static enum umb_domain_mode mode;
static struct member members[SLOTS + 1];

static void create(const void *arg)
{
	struct umb_domain_attr attr = {
		.size = sizeof attr,
		.mode = *(const enum umb_domain_mode *) arg,
		.readers = SLOTS,
		.bytes = 10000,
	};
	int ret;

	mode = attr.mode;
	/* Members are to die with us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ret = umb_domain_create_memfd(&d, &attr);
	if (ret == -ENOTSUP)
		case_skip(attr.why);
	expect(!ret, attr.why);
	expect(umb_domain_mode(d) == mode, "its mode is what was asked for");
}

static struct member *start(int n)
{
	struct member *m = &members[n];

	member_start(m, umb_domain_fd(d));
	expect(!member_do(m, MEMBER_ATTACH), "attaches");
	return m;
}

static struct member *start_reader(int n)
{
	struct member *m = start(n);

	expect(!member_do(m, MEMBER_REGISTER), "registers");
	return m;
}

static int over_in(uint64_t ms)
{
	return umb_domain_synchronize_timeout_ns(d, ms * MS);
}

static struct umb_domain_info info(void)
{
	struct umb_domain_info now = { .size = sizeof now };

	expect(!umb_domain_info(d, &now), "info");
	return now;
}

static struct umb_domain_slot slot(unsigned int i)
{
	struct umb_domain_slot now = { .size = sizeof now };

	expect(!umb_domain_slot(d, i, &now), "slot");
	return now;
}

static void waits(const void *arg)
{
	struct member *m;

	create(arg);
	m = start_reader(0);
	expect(!umb_domain_synchronize(d), "a reader outside a section");
	member_do(m, MEMBER_LOCK);
	member_do(m, MEMBER_LOCK);
	expect(over_in(50) == -ETIMEDOUT && over_in(0) == -ETIMEDOUT,
	       "a section is waited for");
	expect(slot(0).depth == 2 && slot(0).age && slot(0).waited_ns
	       && slot(0).pid == m->pid, "it is told of");
	member_do(m, MEMBER_UNLOCK);
	expect(over_in(20) == -ETIMEDOUT, "to its outermost end");
	member_do(m, MEMBER_UNLOCK);
	expect(!over_in(LONG_MS), "and not longer");
	expect(!member_do(m, MEMBER_SYNCHRONIZE), "all can wait");
	expect(!member_do(m, MEMBER_UNREGISTER) && !member_do(m, MEMBER_DETACH),
	       "it goes");
	expect(slot(0).kind == UMB_DOMAIN_SLOT_FREE && info().taken == 1,
	       "and leaves nothing");
	member_kill(m);
	expect(info().grace_periods >= 3, "they are counted");
	expect(!umb_domain_destroy(d), "the end");
}

static void polls(const void *arg)
{
	unsigned long cookie;
	struct member *m;

	create(arg);
	m = start_reader(0);
	member_do(m, MEMBER_LOCK);
	cookie = umb_domain_poll_start(d);
	for (int i = 0; i < 50; i++) {
		expect(!umb_domain_poll(d, cookie), "not over");
		usleep(200);
	}
	/* Given up, and gone on with; other updaters' words are in between. */
	expect(over_in(5) == -ETIMEDOUT, "nor for one who waits");
	member_do(m, MEMBER_UNLOCK);
	member_do(m, MEMBER_LOCK);
	while (!umb_domain_poll(d, cookie))
		usleep(100);
	expect(over_in(5) == -ETIMEDOUT, "a newer section is waited for by newer");
	member_kill(m);
}

static void many_wait(const void *arg)
{
	struct member *reader, *m;

	create(arg);
	reader = start_reader(0);
	member_do(reader, MEMBER_LOCK);
	for (int i = 1; i < SLOTS; i++)
		member_ask(start(i), MEMBER_SYNCHRONIZE);
	usleep(30000);
	expect(over_in(20) == -ETIMEDOUT, "behind a leader, too, for a time only");
	expect(info().leader != 0, "somebody leads");
	member_do(reader, MEMBER_UNLOCK);
	for (int i = 1; i < SLOTS; i++)
		expect(!member_answer(&members[i]), "each is served");
	/* The leader dies. */
	member_do(reader, MEMBER_LOCK);
	for (int i = 1; i < SLOTS; i++)
		member_ask(&members[i], MEMBER_SYNCHRONIZE);
	usleep(30000);
	for (int i = 1; i < SLOTS; i++) {
		m = &members[i];
		if (info().leader == m->pid) {
			member_kill(m);
			m->pid = 0;
			break;
		}
	}
	member_do(reader, MEMBER_UNLOCK);
	expect(!over_in(LONG_MS), "somebody else leads");
	for (int i = 1; i < SLOTS; i++)
		expect(!members[i].pid || !member_answer(&members[i]),
		       "and each is served");
}

/* Readers die outside a section, inside, nested; idle ones leave their slots. */
static void deaths(const void *arg)
{
	unsigned long long begin, longest = 0;

	create(arg);
	for (int depth = 0; depth < 3; depth++)
		for (int i = 0; i < 10; i++) {
			struct member *m = start_reader(0);

			for (int n = 0; n < depth; n++)
				member_do(m, MEMBER_LOCK);
			if (depth)
				expect(over_in(1) == -ETIMEDOUT, "it holds");
			member_kill(m);
			begin = now_ns();
			expect(!over_in(LONG_MS), "a dead reader is not waited for");
			if (now_ns() - begin > longest)
				longest = now_ns() - begin;
		}
	case_note("dead readers were found within %llu us", longest / 1000);
}

static void full_of_dead(const void *arg)
{
	struct umb_domain_reader *r;

	create(arg);
	for (int i = 0; i < SLOTS; i++)
		start_reader(i);
	expect(umb_domain_reader_register(d, &r) == -EAGAIN, "all slots are taken");
	expect(umb_domain_reader_register_timeout_ns(d, &r, 30 * MS) == -ETIMEDOUT,
	       "whoever waits for one may wait in vain");
	for (int i = 0; i < SLOTS; i++) {
		member_do(&members[i], MEMBER_LOCK);
		member_kill(&members[i]);
	}
	expect(info().taken > SLOTS && slot(1).dead == 1, "the dead are seen");
	expect(!umb_domain_reader_register(d, &r), "their slots are free");
	umb_domain_reader_unregister(r);
	expect(!over_in(LONG_MS), "they hold nothing");
	expect(umb_domain_reap(d) >= 1 && info().taken == 1, "all are reaped");
	for (int i = 0; i < SLOTS; i++)
		start_reader(i);
	member_do(&members[2], MEMBER_UNREGISTER);
	expect(!umb_domain_reader_register_timeout_ns(d, &r, LONG_MS * MS),
	       "one that is given back is free");
	umb_domain_reader_unregister(r);
}

static int told;
static pid_t told_pid;
static char told_state;

static void hear(const struct umb_stall *stall)
{
	told_pid = stall->pid;
	told_state = stall->state;
	__atomic_store_n(&told, 1, __ATOMIC_RELEASE);
}

/* Not a death: it goes on. */
static void stops(const void *arg)
{
	struct member *m;

	create(arg);
	umb_stall_set(hear, 50 * MS);
	m = start_reader(0);
	member_do(m, MEMBER_LOCK);
	kill(m->pid, SIGSTOP);
	expect(over_in(400) == -ETIMEDOUT, "who is stopped is waited for");
	for (int i = 0; i < 1000 && !__atomic_load_n(&told, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	expect(told_pid == m->pid && told_state == 'T', "and told of");
	expect(!umb_domain_reap(d), "it is not dead");
	kill(m->pid, SIGCONT);
	expect(member_do(m, MEMBER_DEPTH) == 1, "its section is there");
	member_do(m, MEMBER_UNLOCK);
	expect(!over_in(LONG_MS), "and ends");
	umb_stall_set(NULL, 0);
}

static void execs(const void *arg)
{
	struct member *m;

	create(arg);
	m = start_reader(0);
	member_do(m, MEMBER_LOCK);
	member_do(m, MEMBER_EXEC);
	expect(!over_in(LONG_MS), "a new program is no reader");
	member_kill(m);
}

/* Handles are the parent's; its slots do not live on in the child. */
static void forks(const void *arg)
{
	struct umb_domain_reader *r;
	int status = 1;
	pid_t child;

	create(arg);
	expect(!umb_domain_reader_register(d, &r), "registers");
	umb_domain_read_lock(r);
	child = fork();
	if (!child) {
		int good = umb_domain_read_ongoing(r) == 1;

		umb_domain_read_unlock(r);
		good &= over_in(20) == -ETIMEDOUT;	/* the parent's section */
		umb_domain_reader_unregister(r);
		good &= !umb_domain_reader_register(d, &r);
		umb_domain_read_lock(r);
		umb_domain_read_unlock(r);
		umb_domain_reader_unregister(r);
		_exit(!good || umb_domain_destroy(d));
	}
	waitpid(child, &status, 0);
	expect(!status, "the child has none, and gets its own");
	expect(umb_domain_read_ongoing(r) == 1, "the parent's is there");
	umb_domain_read_unlock(r);
	umb_domain_reader_unregister(r);
	expect(!over_in(LONG_MS), "the end");
}

/* A parent dies; its child, which has not touched the domain, lives on. */
static void orphans(const void *arg)
{
	pid_t parent, child = 0;
	int ready[2], fd;

	create(arg);
	fd = umb_domain_fd(d);
	expect(!pipe(ready), "pipe");
	parent = fork();
	if (!parent) {
		struct umb_domain *mine;
		struct umb_domain_reader *r;

		if (umb_domain_attach_fd(&mine, fd, NULL)
		    || umb_domain_reader_register(mine, &r))
			_exit(1);
		umb_domain_read_lock(r);
		child = fork();
		if (child && write(ready[1], &child, sizeof child) != sizeof child)
			_exit(1);
		pause();
	}
	expect(read(ready[0], &child, sizeof child) == sizeof child && child > 0,
	       "it reads");
	expect(over_in(20) == -ETIMEDOUT, "and holds");
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	expect(!over_in(LONG_MS), "its child does not");
	expect(!kill(child, SIGKILL), "which lives");
}

static void *end_inside(void *arg)
{
	struct umb_domain_reader *r;

	(void) arg;
	expect(!umb_domain_reader_register(d, &r), "registers");
	umb_domain_read_lock(r);
	return NULL;
}

static void thread_ends_inside(const void *arg)
{
	pthread_t thread;

	create(arg);
	for (int i = 0; i < 2 * SLOTS; i++) {
		pthread_create(&thread, NULL, end_inside, NULL);
		pthread_join(thread, NULL);
	}
	expect(!over_in(LONG_MS), "sections end with their threads");
	expect(info().taken == 1, "and so do readers");
}

/* Whoever has had two threads fences fully, and so does its next reader. */
static void threads(const void *arg)
{
	struct member *m;
	int lightly;

	create(arg);
	m = start_reader(0);
	lightly = member_do(m, MEMBER_WATCH);
	expect(lightly == 0 || mode == UMB_DOMAIN_EXPEDITED, "fully, where all do");
	member_do(m, MEMBER_LOCK);
	member_do(m, MEMBER_THREAD);
	member_do(m, MEMBER_LOCK);
	expect(member_do(m, MEMBER_DEPTH) == 2, "in a section that was there");
	expect(over_in(20) == -ETIMEDOUT, "which is waited for");
	member_do(m, MEMBER_UNLOCK);
	member_do(m, MEMBER_UNLOCK);
	for (int i = 0; i < 3; i++) {
		member_do(m, MEMBER_LOCK);
		expect(!member_do(m, MEMBER_WATCH), "the next are full");
		member_do(m, MEMBER_LOCK);
		expect(over_in(5) == -ETIMEDOUT, "and waited for");
		member_do(m, MEMBER_UNLOCK);
		member_do(m, MEMBER_UNLOCK);
		expect(!over_in(LONG_MS), "until they are over");
	}
	member_do(m, MEMBER_UNREGISTER);
	member_do(m, MEMBER_REGISTER);
	expect(!member_do(m, MEMBER_WATCH), "for good");
	case_note("the reader fenced %s before", lightly ? "lightly" : "fully");
}

/* Twice in one process, at two addresses; offsets mean the same in both. */
static void twice(const void *arg)
{
	umb_offset *head, bad;
	struct umb_domain *e;
	struct umb_domain_reader *r;
	size_t bytes;
	char *area, *again;

	create(arg);
	expect(!umb_domain_attach_fd(&e, umb_domain_fd(d), NULL), "attaches");
	area = umb_domain_area(d, &bytes);
	again = umb_domain_area(e, NULL);
	expect(bytes == 10000 && area != again && !((uintptr_t) area % 64),
	       "two areas");
	head = (umb_offset *) (void *) area;
	expect(!umb_offset_dereference(d, head, 1), "zero is none");
	expect(!umb_offset_assign(d, head, area + 800), "assign");
	memcpy(area + 800, "element", 8);
	expect(umb_offset_dereference(e, (umb_offset *) (void *) again, 8)
	       == again + 800, "the same element");
	expect(!memcmp(again + 800, "element", 8), "is there");
	expect(umb_offset_assign(d, head, area + bytes) == -EINVAL
	       && umb_offset_assign(d, head, area - 1) == -EINVAL
	       && umb_offset_assign(d, head, &bytes) == -EINVAL, "not elsewhere");
	expect(!umb_offset_dereference(d, head, bytes - 799)
	       && umb_offset_dereference(d, head, bytes - 800), "with its length");
	for (uint64_t i = 0; i < 64; i++) {
		char *p;

		bad.value = UINT64_C(1) << i | (i & 7);
		p = umb_offset_dereference(d, &bad, 16);
		expect(!p || (p >= area && p + 16 <= area + bytes
			      && !((uintptr_t) p % 8)), "within the area");
		bad.value = 0 - (UINT64_C(1) << i);
		expect(!umb_offset_dereference(d, &bad, 16), "nor before it");
	}
	expect(!umb_domain_reader_register(e, &r), "reads by one");
	umb_domain_read_lock(r);
	expect(over_in(20) == -ETIMEDOUT, "the other waits");
	umb_domain_read_unlock(r);
	expect(!over_in(LONG_MS), "until it is over");
	expect(umb_domain_destroy(e) == -EBUSY, "a reader is there");
	umb_domain_reader_unregister(r);
	expect(!umb_domain_destroy(e) && !umb_domain_destroy(d), "the end");
}

static void run(void (*act)(const void *arg), const char *what)
{
	static const enum umb_domain_mode modes[] = {
		UMB_DOMAIN_EXPEDITED, UMB_DOMAIN_FULL,
	};

	case_run(act, &modes[0], "expedited: %s", what);
	case_run(act, &modes[1], "full: %s", what);
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	run(waits, "readers in other processes");
	run(polls, "polling");
	run(many_wait, "many who wait, and a leader who dies");
	run(deaths, "readers that die");
	run(full_of_dead, "a table full of dead");
	run(stops, "a process that is stopped");
	run(execs, "a process that becomes another program");
	run(forks, "a child of a reader");
	run(orphans, "a child that outlives a reader");
	run(thread_ends_inside, "threads that end inside sections");
	run(threads, "a process that gets threads");
	run(twice, "attached twice, and offsets");
	return tap_end();
}
