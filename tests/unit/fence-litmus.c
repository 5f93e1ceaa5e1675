/* SPDX-License-Identifier: MIT */

/*
 * The ordering table of <urcu-membarrier/fence.h>, cell by cell.
 *
 * Two threads run free, each at its own pace, and number their stores. What
 * each iteration read is kept, so that every pair of iterations is judged
 * afterwards: one heavy fence stands against as many light ones as there is
 * time for. Store buffering ("sb"), thread 0 and thread 1 alike:
 *
 *      mine = i; fence; seen[i] = other
 *
 * Forbidden in an ordered cell: i and j with seen0[i] < j and seen1[j] < i,
 * for neither saw the other's store. As seen[] only grows, the one j to look
 * at is seen0[i] + 1. Load buffering ("lb") has the load first; message
 * passing ("mp") has a thread that stores both variables and one that loads
 * both, in the opposite order.
 *
 * Stores that miss the cache and the TLB stand in the store buffer before the
 * tested one: without a fence the load overtakes them all.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/again.h"
#include "tests/lib/cpu.h"
#include "tests/lib/tap.h"
#include "urcu-membarrier/fence.h"
#include "urcu/urcu-membarrier.h"

#define STEPS_MAX	(1U << 20)
#define CLUTTER_BYTES	(64UL << 20)
#define CLUTTER_STORES	48
#define LINE		64
#define CELL_MS		120
#define HEIR_MS		20
#define STAY		16	/* steps between two registrations */
#define TRAP_TRIES	8
#define TRAP_ARGUMENT	"stale-mark"

enum kind { LIGHT, FULL, HEAVY, KINDS };
enum shape { SB, LB, MP };

static const char *const kinds[] = { "light", "full", "heavy" };
static const char *const shapes[] = { "sb", "lb", "mp" };
static const int ordered[KINDS][KINDS] = {
	{ 0, 0, 1 },
	{ 0, 1, 1 },
	{ 1, 1, 1 },
};

/* Where the two threads run, and what else does. */
struct setting {
	const char *name;
	int together;		/* both on one CPU */
	int naps;		/* thread 0 sleeps between its accesses */
	int hogs;		/* threads that spin, anywhere */
	int hog_beside;		/* one that spins on thread 0's CPU */
	int callers;		/* threads that call heavy fences, anywhere */
	int heirs;		/* thread 0 takes the place of one that exits */
	int blocks;		/* thread 0 takes no signals */
	int comes_and_goes;	/* thread 0 leaves the registry now and then */
};

static const struct setting settings[] = {
	{ .name = "apart" },
	{ .name = "on one CPU", .together = 1 },
	{ .name = "with a hog beside", .hog_beside = 1 },
	{ .name = "asleep between its accesses", .naps = 1 },
	{ .name = "under load", .hogs = 2 },
	{ .name = "among other callers", .callers = 2 },
	/*
	 * The kernel clears a CPU's mark for the global-expedited barrier when
	 * a thread exits there, and sets it on a switch between memory maps:
	 * not for the next thread of the same process (Linux 6.18).
	 */
	{ .name = "where a thread has just exited", .heirs = 1 },
	{ .name = "with signals blocked", .blocks = 1 },
	{ .name = "registering again and again", .comes_and_goes = 1 },
};
#define SETTINGS	(sizeof settings / sizeof settings[0])
#define APART		(&settings[0])

struct side {
	int index;
	int cpu;
	int naps;
	int heirs;
	int blocks;
	int comes_and_goes;
	pthread_t elder, heir;
	enum kind kind;
	enum shape shape;
	unsigned int random;
	unsigned int steps;
	unsigned int bad;	/* mp: judged on the spot */
	unsigned int *seen;	/* [1 ... steps] */
};

struct tally {
	unsigned long chances;	/* times that one caught up with the other */
	unsigned long bad;
};

static struct {
	unsigned int value;
} __attribute__((aligned(256))) var[2];
static int stop __attribute__((aligned(256)));
static int ready __attribute__((aligned(256)));
static int crowd_stop __attribute__((aligned(256)));
static int cpus[2];
static char *clutter;
static unsigned int seen[2][STEPS_MAX + 1];

static unsigned int next_random(struct side *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 17;
	s->random ^= s->random << 5;
	return s->random;
}

static void store(int which, unsigned int value)
{
	__atomic_store_n(&var[which].value, value, __ATOMIC_RELAXED);
}

static unsigned int load(int which)
{
	return __atomic_load_n(&var[which].value, __ATOMIC_RELAXED);
}

static void between(const struct side *s)
{
	static const struct timespec nap = { 0, 20000 };

	if (s->naps)
		nanosleep(&nap, NULL);
	switch (s->kind) {
	case LIGHT:
		umb_fence_light();
		break;
	case FULL:
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		break;
	default:
		umb_fence_heavy();
	}
}

/*
 * A random pause, then a random number of stores that take their time. The
 * heavy side has few: it is the number of its fences that counts.
 */
static void disturb(struct side *s)
{
	unsigned int r = next_random(s);
	unsigned int stores = (r >> 8) % CLUTTER_STORES;

	for (unsigned int n = r & 63; n; n--)
		umb_fence_light();
	if (s->kind == HEAVY && (r & 0xc0))
		return;
	for (unsigned int n = stores; n; n--)
		*(volatile char *) (clutter + (unsigned long) next_random(s)
				    * LINE % CLUTTER_BYTES) = 1;
}

static void step(struct side *s, unsigned int i)
{
	int mine = s->index, other = !mine;

	if (s->shape == SB) {
		store(mine, i);
		between(s);
		s->seen[i] = load(other);
	} else if (s->shape == LB) {
		s->seen[i] = load(other);
		between(s);
		store(mine, i);
	} else if (mine == 0) {
		store(0, i);
		between(s);
		store(1, i);
	} else {
		s->seen[i] = load(1);
		between(s);
		s->bad += load(0) < s->seen[i];
	}
}

static void *run_side(void *arg)
{
	struct side *s = arg;
	sigset_t all;

	sigfillset(&all);
	if (s->blocks)
		pthread_sigmask(SIG_SETMASK, &all, NULL);
	umb_fence_register_thread();
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ready, __ATOMIC_RELAXED) < 2)
		sched_yield();
	while (s->steps < STEPS_MAX && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (s->comes_and_goes && s->steps % STAY == 0) {
			urcu_membarrier_unregister_thread();
			umb_fence_register_thread();
		}
		disturb(s);
		step(s, s->steps + 1);
		s->steps++;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void start(pthread_t *thread, int cpu, void *(*run)(void *), void *arg)
{
	cpu_set_t before;

	/* A thread begins where its creator may run. */
	sched_getaffinity(0, sizeof before, &before);
	if (cpu >= 0)
		cpu_pin(cpu);
	if (pthread_create(thread, NULL, run, arg)) {
		puts("Bail out! no thread");
		exit(1);
	}
	if (cpu >= 0)
		sched_setaffinity(0, sizeof before, &before);
}

static void *run_heir(void *arg)
{
	struct side *s = arg;

	pthread_join(s->elder, NULL);
	return run_side(s);
}

static void *run_elder(void *arg)
{
	struct side *s = arg;

	s->elder = pthread_self();
	start(&s->heir, -1, run_heir, s);	/* on the same CPU */
	return NULL;
}

static void *run_hog(void *arg)
{
	(void) arg;
	while (!__atomic_load_n(&crowd_stop, __ATOMIC_RELAXED))
		umb_fence_light();
	return NULL;
}

static void *run_caller(void *arg)
{
	(void) arg;
	while (!__atomic_load_n(&crowd_stop, __ATOMIC_RELAXED))
		umb_fence_heavy();
	return NULL;
}

/* Times that this side saw the other move. */
static unsigned long moves(const struct side *s)
{
	unsigned long n = 0;

	for (unsigned int i = 2; i <= s->steps; i++)
		n += s->seen[i] != s->seen[i - 1];
	return n;
}

static unsigned long judge(const struct side *a, const struct side *b)
{
	unsigned long bad = 0;

	for (unsigned int i = 1; i <= a->steps; i++) {
		unsigned int j = a->seen[i] + (a->shape == SB);

		if (!j || j > b->steps)
			continue;
		bad += a->shape == SB ? b->seen[j] < i : b->seen[j] >= i;
	}
	return bad;
}

static void count(struct tally *t, const struct side s[2])
{
	unsigned long left = moves(&s[0]), right = moves(&s[1]);

	if (s[0].shape == MP) {
		t->chances += right;
		t->bad += s[1].bad;
	} else {
		t->chances += left < right ? left : right;
		t->bad += judge(&s[0], &s[1]);
	}
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void run_once(const struct setting *set, enum shape shape,
		     enum kind a, enum kind b, uint64_t until,
		     struct tally *t)
{
	struct side s[2] = {
		{ .kind = a, .cpu = cpus[0], .naps = set->naps,
		  .heirs = set->heirs, .blocks = set->blocks,
		  .comes_and_goes = set->comes_and_goes },
		{ .kind = b, .cpu = cpus[!set->together] },
	};
	pthread_t thread[2];

	store(0, 0);
	store(1, 0);
	stop = ready = 0;
	for (int i = 0; i < 2; i++) {
		s[i].index = i;
		s[i].shape = shape;
		s[i].random = (unsigned int) (now_ms() * 2 + 1) * 2654435761U
			+ (unsigned int) i;
		s[i].seen = seen[i];
		start(&thread[i], s[i].cpu,
		      s[i].heirs ? run_elder : run_side, &s[i]);
	}
	while (now_ms() < until && !__atomic_load_n(&stop, __ATOMIC_RELAXED))
		usleep(500);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < 2)
		usleep(100);
	for (int i = 0; i < 2; i++)
		pthread_join(s[i].heirs ? s[i].heir : thread[i], NULL);
	count(t, s);
}

/* For some time, and for longer if the two did not meet in it. */
static struct tally run(const struct setting *set, enum shape shape,
			enum kind a, enum kind b)
{
	struct tally t = { 0, 0 };
	uint64_t end = now_ms() + CELL_MS;
	int n = set->hogs + set->hog_beside + set->callers;
	pthread_t crowd[4];

	crowd_stop = 0;
	for (int i = 0; i < n; i++)
		start(&crowd[i], set->hog_beside ? cpus[0] : -1,
		      set->callers ? run_caller : run_hog, NULL);
	for (int more = 20; now_ms() < end || (!t.chances && more--); ) {
		uint64_t until = now_ms() + (set->heirs ? HEIR_MS : CELL_MS);

		run_once(set, shape, a, b, until, &t);
	}
	__atomic_store_n(&crowd_stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < n; i++)
		pthread_join(crowd[i], NULL);
	return t;
}

static void test(const struct setting *set, enum shape shape,
		 enum kind a, enum kind b)
{
	struct tally t = run(set, shape, a, b);
	char what[80];

	snprintf(what, sizeof what, "%s %s/%s, %s", shapes[shape], kinds[a],
		 kinds[b], set->name);
	if (!t.chances)
		tap_skip("the threads never met", "%s", what);
	else if (ordered[a][b])
		tap_ok(!t.bad, "%s: %lu of %lu out of order", what, t.bad,
		       t.chances);
	else if (!t.bad)
		tap_skip("never seen out of order here", "%s", what);
	else
		tap_ok(1, "%s: as it may, %lu of %lu out of order", what, t.bad,
		       t.chances);
}

static void test_table(void)
{
	for (enum kind a = LIGHT; a < KINDS; a++)
		for (enum kind b = LIGHT; b < KINDS; b++) {
			test(APART, SB, a, b);
			if (!ordered[a][b])
				continue;
			test(APART, MP, a, b);
			if (a <= b)
				test(APART, LB, a, b);
		}
}

/* Thread 0 is the one that is kept from running. */
static void test_settings(void)
{
	for (const struct setting *s = settings + 1; s < settings + SETTINGS; s++) {
		test(s, SB, LIGHT, HEAVY);
		test(s, SB, FULL, HEAVY);
		test(s, SB, HEAVY, s->naps ? LIGHT : HEAVY);
	}
}

/*
 * The kernel's global-expedited barrier goes by a mark on each CPU. Here this
 * process has left CPU 1 idle with its memory map before it registers on CPU
 * 0, so nothing sets the mark when it comes back there.
 */
static int stale_mark(void)
{
	uint64_t end = now_ms() + 50;
	struct tally t;

	cpu_pin(cpus[1]);
	while (now_ms() < end)
		;
	cpu_pin(cpus[0]);
	if (umb_fence_select(UMB_FENCE_GLOBAL_EXPEDITED))
		return 77;
	t = run(APART, SB, HEAVY, LIGHT);
	return t.bad ? 1 : t.chances ? 0 : 2;
}

static void test_stale_mark(void)
{
	static char self[] = SELF, trap[] = TRAP_ARGUMENT;
	char *argv[] = { self, trap, NULL };
	int worst = 0;

	for (int i = 0; i < TRAP_TRIES; i++) {
		int status = 0;
		pid_t child = fork();

		if (!child) {
			unsetenv("URCU_MEMBARRIER_MODE");
			exec_again(self, argv);
			_exit(126);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			status = -1;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
			tap_skip("no such mode", "a CPU left before "
				 "global-expedited is chosen");
			return;
		}
		if (status)
			worst = status;
	}
	tap_ok(!worst, "a CPU left before global-expedited is chosen is fenced "
	       "(wait status %#x)", (unsigned int) worst);
}

static int find_cpus(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof set, &set))
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	return n == 2;
}

static int make_clutter(void)
{
	clutter = mmap(NULL, CLUTTER_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (clutter == MAP_FAILED)
		return 0;
	madvise(clutter, CLUTTER_BYTES, MADV_NOHUGEPAGE);
	memset(clutter, 1, CLUTTER_BYTES);
	return 1;
}

int main(int argc, char **argv)
{
	int two = find_cpus();

	if (!make_clutter())
		return 1;
	if (argc > 1 && !strcmp(argv[1], TRAP_ARGUMENT))
		return stale_mark();
	tap_begin();
	if (!two) {
		tap_skip("one CPU only", "ordering between CPUs");
		return tap_end();
	}
	test_table();
	test_settings();
	test_stale_mark();
	return tap_end();
}
