/* SPDX-License-Identifier: MIT */

/*
 * Numbers of grace periods come round: soon where long has 32 bits, and here
 * wherever the word is set near its end. White-box for that.
 *
 * The second half stops a reader before each instruction of read_lock in turn,
 * by the processor's trap flag: the handler of SIGTRAP is where it is stopped.
 * Meanwhile an updater runs as many grace periods as there are numbers, if it
 * can; then the reader goes on, and its section must be waited for whatever
 * number it carries. All turns are taken by looking, not by waiting some time.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "thread/hold.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define ONE		(1UL << URCU_MEMBARRIER_NEST_BITS)
#define FIRST		(URCU_MEMBARRIER_SEQ_FIRST * ONE | 1)
#define LAST		((~URCU_MEMBARRIER_SLOW & ~URCU_MEMBARRIER_NEST_MASK) | 1)
#define NUMBERS		((LAST - FIRST) / ONE + 1)
#define NARROW		(__SIZEOF_LONG__ == 4)
#define BEFORE_END	(LAST - ONE)
#define STEPS_MAX	2000
#define LIMIT_SECONDS	60

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static unsigned long word(void)
{
	return __atomic_load_n(&urcu_membarrier_gp.word, __ATOMIC_SEQ_CST);
}

/* Between grace periods only. */
static void set_word(unsigned long value)
{
	__atomic_store_n(&urcu_membarrier_gp.word, value, __ATOMIC_SEQ_CST);
}

/* Safe in a signal handler. */
static void nap(void)
{
	const struct timespec t = { 0, 20000 };

	nanosleep(&t, NULL);
}

/* Somebody is online and idle, or no grace period would take a number. */
static int present, dismissed;

static void *stay_online(void *arg)
{
	rcu_thread_online();
	store(&present, 1);
	while (!load(&dismissed))
		usleep(1000);
	return arg;
}

/* `count` grace periods from `start`: numbers that were not the next one. */
static unsigned long run_numbers(unsigned long start, unsigned long count)
{
	unsigned long expected = start, wrong = 0;

	set_word(start);
	while (count--) {
		expected = expected == LAST ? FIRST : expected + ONE;
		synchronize_rcu();
		wrong += word() != expected;
	}
	return wrong;
}

static void test_numbers(void)
{
	unsigned long near = tap_scale(1000, 3), count = 2 * NUMBERS + 1;

	tap_ok(!run_numbers(LAST - near * ONE, 2 * near) && word() < LAST / 2,
	       "after the last number the first one follows, none is left out");
	if (!NARROW || tap_scale(count, 1) < count)
		tap_skip("it would take too long", "all numbers, twice");
	else
		tap_ok(!run_numbers(FIRST, count) && word() == FIRST + ONE,
		       "%lu grace periods, twice all numbers and one", count);
}

/*
 * A reader's turn, and the updater's beside it. Where the reader is stopped
 * with nothing in its counter to hold a grace period, FREE of them end; then
 * the word is set to what it would be just before all numbers have come round.
 */
static struct turn {
	unsigned long start;	/* the word at its beginning */
	int stop;		/* before which instruction; 0: nowhere */
	int offline;		/* the reader is, at first */
	int stopped, counter_holds;
	int ended;		/* grace periods while it was stopped */
	int inside, over;	/* the section */
	int early, done;	/* the updater's: one that did not wait */
} turn;
static int free_periods;

static int held(void)
{
	return umbi_held(&umbi_hold_sections, &urcu_membarrier_reader.waiting);
}

static void run_while_stopped(void)
{
	while (turn.ended < free_periods) {
		synchronize_rcu();
		store(&turn.ended, turn.ended + 1);
		if (!load(&turn.stopped))
			return;		/* it was held till then */
	}
	/* So many grace periods take centuries where long has 64 bits. */
	if (NARROW)
		set_word(turn.start - ONE);
	store(&turn.ended, turn.ended + 1);
}

static void *update_side(void *arg)
{
	while (!load(&turn.inside)) {
		if (load(&turn.stopped) && !turn.ended)
			run_while_stopped();
		nap();
	}
	synchronize_rcu();
	store(&turn.early, !load(&turn.over));
	store(&turn.done, 1);
	return arg;
}

static void leave_section(void)
{
	store(&turn.inside, 1);
	while (!held() && !load(&turn.done))
		nap();
	store(&turn.over, 1);
	rcu_read_unlock();
}

static void begin_turn(pthread_t *updater)
{
	set_word(turn.start);
	pthread_create(updater, NULL, update_side, NULL);
}

static void *read_unstopped(void *arg)
{
	rcu_read_lock();
	leave_section();
	return arg;
}

/* Sections of the numbers on both sides of the end. */
static void test_sections(void)
{
	unsigned long starts[] = { LAST - ONE, LAST, FIRST, FIRST + ONE };
	int early = 0;

	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		pthread_t reader, updater;

		turn = (struct turn) { .start = starts[i] };
		begin_turn(&updater);
		pthread_create(&reader, NULL, read_unstopped, NULL);
		pthread_join(reader, NULL);
		pthread_join(updater, NULL);
		early += turn.early;
	}
	tap_ok(!early, "sections are waited for where the numbers end and begin");
}

#if defined(__x86_64__) || defined(__i386__)
#include <ucontext.h>

#define TRAP_FLAG	0x100

static int steps;		/* instructions of read_lock so far */

/* In the reader, between two of its instructions. */
static void stand_still(void)
{
	turn.counter_holds =
		_urcu_membarrier_depth(urcu_membarrier_reader.ctr) != 0;
	store(&turn.stopped, 1);
	while (load(&turn.ended) < free_periods + 1 && !held())
		nap();
	store(&turn.stopped, 0);
}

/* A breakpoint turns the steps on, and the next one off. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	(void) sig;
	if (info->si_code == SI_KERNEL || info->si_code == TRAP_BRKPT)
		interrupted->uc_mcontext.gregs[REG_EFL] ^= TRAP_FLAG;
	else if (++steps == turn.stop)
		stand_still();
}

static void breakpoint(void)
{
	__asm__ __volatile__ ("int3" : : : "memory");
}

static void *read_stopped(void *arg)
{
	rcu_thread_online();
	if (turn.offline)
		rcu_thread_offline();
	steps = 0;
	breakpoint();
	rcu_read_lock();
	breakpoint();
	leave_section();
	return arg;
}

/* 0 if the section was waited for, and the stopped reader as it should. */
static int take_turn(int stop, int offline)
{
	pthread_t reader, updater;

	turn = (struct turn) {
		.start = BEFORE_END, .stop = stop, .offline = offline,
	};
	begin_turn(&updater);
	pthread_create(&reader, NULL, read_stopped, NULL);
	pthread_join(reader, NULL);
	pthread_join(updater, NULL);
	if (turn.early)
		tap_diag("stopped before instruction %d: not waited for", stop);
	if (steps < stop)
		return turn.early;
	if (turn.counter_holds != (turn.ended <= 1))
		tap_diag("stopped before instruction %d: %d ended", stop,
			 turn.ended);
	return turn.early || turn.counter_holds != (turn.ended <= 1);
}

static void test_stopped(int offline, const char *what)
{
	int bad = 0, stop = 0;

	do
		bad += take_turn(++stop, offline);
	while (stop <= steps && stop < STEPS_MAX);
	if (stop == 1)
		tap_skip("no single steps on this machine", "%s", what);
	else
		tap_ok(!bad && stop < STEPS_MAX, "%s, stopped before each of "
		       "%d instructions", what, stop - 1);
}

static void test_stops(void)
{
	struct sigaction action = {
		.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO,
	};

	sigaction(SIGTRAP, &action, NULL);
	/* Whoever blocks a trap dies of it. */
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGTRAP);
	pthread_sigmask(SIG_UNBLOCK, &action.sa_mask, NULL);
	test_stopped(0, "a reader");
	test_stopped(1, "a reader that was offline");
}
#else
static void test_stops(void)
{
	tap_skip("not an x86", "a reader stopped before each instruction");
}
#endif

int main(void)
{
	pthread_t idle;

	tap_begin();
	alarm(LIMIT_SECONDS);
	free_periods = (int) tap_scale(3, 1);
	pthread_create(&idle, NULL, stay_online, NULL);
	while (!load(&present))
		nap();
	test_numbers();
	test_sections();
	test_stops();
	store(&dismissed, 1);
	pthread_join(idle, NULL);
	return tap_end();
}
