/* SPDX-License-Identifier: MIT */

/*
 * When stalls are told, to the millisecond: by a clock that this program sets.
 * White-box. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include <time.h>

#include "sys/sys.h"
#include "tests/lib/tap.h"
#include "tests/unit/clock.h"
#include "tests/unit/stall.h"
#include "thread/stall.h"

#define HOUR		3600000UL	/* ms */
#define TEN_S		(10000 * MS)
/* What a clock of 32 bits shows a moment later is 0. */
#define WRAPS		(UINT64_C(1) << 32)

static unsigned long since(void)
{
	return umbi_ms(umbi_now_ns());
}

/* How many were counted by this look, and all is told when it returns. */
static uint64_t look(unsigned long begun)
{
	struct umbi_wait wait = { .since = begun, .began = begun };
	uint64_t before = stats().stalls;

	umbi_stall_look(&wait, UMB_STALL_SECTION, 0);
	set_limit(note, TEN_S);
	return stats().stalls - before;
}

/* The same, and what is told of it goes on counting. */
static uint64_t looks_at(enum umb_stall_kind kind, unsigned long begun,
			 uint64_t at)
{
	struct umbi_wait wait = { .since = begun, .began = begun };
	uint64_t before = stats().stalls;

	set_clock(at);
	errno = CASE_ERRNO;
	umbi_stall_look(&wait, kind, (uint32_t) own_tid());
	expect(errno == CASE_ERRNO, "errno stays");
	return stats().stalls - before;
}

static uint64_t looks(unsigned long begun, uint64_t at)
{
	return looks_at(UMB_STALL_SECTION, begun, at);
}

static void naps(const void *arg)
{
	const uint64_t start = *(const uint64_t *) arg;
	struct umbi_wait w = { 0 };

	set_limit(note, TEN_S);
	set_clock(start);
	expect(!umbi_stall_nap(&w, 0) && !w.since, "no sleep is none");
	expect(umbi_stall_nap(&w, 5 * MS) == 5 * MS, "a short one");
	expect(w.since == since() && w.since, "which begins now");
	expect(umbi_stall_nap(&w, UMBI_FOREVER) == TEN_S,
	       "a long one ends at the limit");
	set_clock(start + 4000);
	expect(umbi_stall_nap(&w, UMBI_FOREVER) == 6000 * MS
	       && umbi_stall_nap(&w, 6001 * MS) == 6000 * MS
	       && umbi_stall_nap(&w, 5999 * MS) == 5999 * MS,
	       "as does one that goes on");
	set_clock(start + 123456);
	expect(umbi_stall_nap(&w, UMBI_FOREVER) == 6544 * MS,
	       "and at its multiples");
	set_limit(note, 0);
	w.since = 0;
	expect(umbi_stall_nap(&w, UMBI_FOREVER) == UMBI_FOREVER && !w.since,
	       "without a limit it never does");
}

/* One wait, from the first report to those an hour apart. */
static void gaps(const void *arg)
{
	const uint64_t start = *(const uint64_t *) arg;
	uint64_t at = start + 10000, gap = 20000;
	unsigned long begun;

	set_limit(note, TEN_S);
	set_clock(start);
	begun = since();
	expect(!looks(0, start + 20000), "no wait, no report");
	expect(!looks(begun, start) && !looks(begun, at - 1),
	       "nothing below the limit");
	expect(looks(begun, at) == 1, "a report at the limit");
	for (int i = 0; i < 14; i++) {
		expect(!looks(begun, at) && !looks(begun, at + gap - 1),
		       "nothing below the gap");
		at += gap;
		expect(looks(begun, at) == 1, "a report after the gap");
		gap = 2 * gap < HOUR ? 2 * gap : HOUR;
	}
	expect(gap == HOUR, "which grows to an hour");
}

/* A gap above an hour is the limit. */
static void long_limit(const void *arg)
{
	const uint64_t start = 1000, limit = 2 * HOUR;
	unsigned long begun;

	(void) arg;
	set_limit(note, limit * MS);
	set_clock(start);
	begun = since();
	expect(!looks(begun, start + limit - 1)
	       && looks(begun, start + limit) == 1, "at the limit");
	expect(!looks(begun, start + 2 * limit - 1)
	       && looks(begun, start + 2 * limit) == 1, "and after it again");
}

static void over(const void *arg)
{
	const struct umbi_wait none = { 0 };
	const uint64_t start = 5000;
	struct umbi_wait wait = { 0 };
	unsigned long begun;

	(void) arg;
	set_limit(note, TEN_S);
	set_clock(start);
	begun = since();
	expect(looks(begun, start + 10000) == 1
	       && looks(begun, start + 30000) == 1
	       && looks(begun, start + 70000) == 1, "three reports");
	umbi_stall_over(&none);
	expect(!looks(begun, start + 100000), "what was none is not over");
	wait.began = wait.since = begun;
	umbi_stall_over(&wait);
	begun = since();
	expect(!looks(begun, start + 109999)
	       && looks(begun, start + 110000) == 1,
	       "the next stall is told of at the limit");
	set_clock(start + 120000);
	expect(!look(begun), "in its turn only after the gap");
	expect(looks(begun, start + 130000) == 1, "but a new handler anew");
}

/* A leader is told of later, and not while he tells himself. */
static void leaders(const void *arg)
{
	const uint64_t start = 5000;
	unsigned long begun;

	(void) arg;
	set_limit(note, TEN_S);
	set_clock(start);
	begun = since();
	expect(!looks_at(UMB_STALL_LEADER, begun, start + 19999)
	       && looks_at(UMB_STALL_LEADER, begun, start + 20000) == 1,
	       "after twice the limit");
	expect(looks_at(UMB_STALL_SECTION, begun, start + 20001) == 1,
	       "each kind has its rhythm");
	expect(!looks_at(UMB_STALL_LEADER, begun, start + 59999)
	       && looks_at(UMB_STALL_SECTION, begun, start + 60000) == 1
	       && !looks_at(UMB_STALL_LEADER, begun, start + 60000)
	       && !looks_at(UMB_STALL_LEADER, begun, start + 139999)
	       && looks_at(UMB_STALL_LEADER, begun, start + 140001) == 1,
	       "he tells himself");
}

/* Who wakes up much too late was not kept waiting: the machine stood still. */
static void standstill(const void *arg)
{
	const uint64_t start = 5000;
	struct umbi_wait wait = { 0 };
	uint64_t before = stats().stalls;

	(void) arg;
	set_limit(note, TEN_S);
	set_clock(start);
	umbi_stall_nap(&wait, UMBI_FOREVER);
	set_clock(start + 10000 + 5001);
	umbi_stall_look(&wait, UMB_STALL_SECTION, 0);
	expect(stats().stalls == before, "it is not told of");
	expect(umbi_stall_nap(&wait, UMBI_FOREVER) <= TEN_S, "but goes on");
	set_clock(start + 10000 + 5001 + 10000);
	umbi_stall_look(&wait, UMB_STALL_SECTION, 0);
	expect(stats().stalls == before + 1, "and is told of in its time");
	wait = (struct umbi_wait) { 0 };
	set_clock(start + HOUR);
	umbi_stall_nap(&wait, UMBI_FOREVER);
	set_clock(start + HOUR + 10000 + 5000);
	umbi_stall_look(&wait, UMB_STALL_SECTION, 0);
	expect(stats().stalls == before + 2, "a busy machine is no excuse");
}

/* What the kernel no longer knows. */
static void *say_tid(void *arg)
{
	*(pid_t *) arg = own_tid();
	return NULL;
}

static void gone(const void *arg)
{
	struct umbi_task task;
	pthread_t thread;
	pid_t tid = 0;

	(void) arg;
	start_thread(&thread, say_tid, &tid);
	pthread_join(thread, NULL);
	errno = CASE_ERRNO;
	/* It is gone a moment after it has been joined. */
	do
		umbi_task_look(0, (uint32_t) tid, &task);
	while (task.state != 'X' && !nanosleep(&(struct timespec) { 0, 1000 }, NULL));
	expect(!*task.name && !task.blocked, "nothing else is known");
	expect(errno == CASE_ERRNO, "errno stays");
	umbi_task_look(0, (uint32_t) own_tid(), &task);
	expect(strchr("RS", task.state) && *task.name, "of us it is");
}

int main(int argc, char **argv)
{
	static const uint64_t starts[] = { 1000, WRAPS - 20000, WRAPS - 15000 };

	case_main(argc, argv);
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		case_run(naps, &starts[i], "naps (%zu)", i);
		case_run(gaps, &starts[i], "gaps (%zu)", i);
	}
	case_run(long_limit, NULL, "a limit above the longest gap");
	case_run(over, NULL, "a stall that is over");
	case_run(leaders, NULL, "leaders");
	case_run(standstill, NULL, "a machine that stood still");
	case_run(gone, NULL, "a thread that has ended");
	return tap_end();
}
