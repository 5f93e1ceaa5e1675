/* SPDX-License-Identifier: MIT */

/*
 * Workers: who runs whose callbacks, how workers come and go, and what they are
 * told. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/count.h"
#include "tests/lib/cpu.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define MANY	3000

static struct numbered {
	struct rcu_head head;
	int number;
} line[MANY];
static int disorder;

/* Where the last callback ran. */
static pthread_t where;
static cpu_set_t where_allowed;

static void look_around(struct rcu_head *head)
{
	(void) head;
	where = pthread_self();
	pthread_getaffinity_np(where, sizeof where_allowed, &where_allowed);
	note_run();
}

/* Of the thread that does so; it is back when the callback has run. */
static void queue_one(void)
{
	int before = load(&ran);

	call_rcu(&line[0].head, look_around);
	await(&ran, before + 1);
}

static int runs_in(struct call_rcu_data *w)
{
	queue_one();
	return pthread_equal(where, get_call_rcu_thread(w));
}

static uint64_t workers(void)
{
	struct umb_stats stats;

	expect(!umb_stats_get(&stats, sizeof stats), "stats");
	return stats.workers;
}

/* They are counted when their creator knows of them, not before they run. */
static void expect_workers(uint64_t n, const char *what)
{
	long begin = now_seconds();

	while (workers() != n && wait_a_little(begin))
		;
	expect(workers() == n, what);
}

/* First before any thread is pinned: musl counts those where the caller may run. */
static int cpus(void)
{
	static int known;

	if (!known)
		known = (int) sysconf(_SC_NPROCESSORS_CONF);
	return known;
}

static void pin_to_first(cpu_set_t *allowed, int *cpu)
{
	sched_getaffinity(0, sizeof *allowed, allowed);
	*cpu = cpu_nth(allowed, 0);
	expect(!cpu_pin(*cpu), "pinned");
}

static void at_the_start(const void *arg)
{
	struct call_rcu_data *w = get_default_call_rcu_data();

	(void) arg;
	expect(!workers(), "no thread unless there is work");
	expect(w && get_call_rcu_data() == w, "the default worker is ours");
	expect(!get_thread_call_rcu_data(), "the thread has none");
	for (int cpu = -1; cpu <= cpus(); cpu++)
		expect(!get_cpu_call_rcu_data(cpu), "no CPU has one");
	expect(!get_cpu_call_rcu_data(INT_MAX)
	       && !get_cpu_call_rcu_data(INT_MIN), "nor such CPUs");
	call_rcu_data_free(NULL);
	call_rcu_data_free(w);
	free_all_cpu_call_rcu_data();
	expect(!pthread_equal(get_call_rcu_thread(w), pthread_self()),
	       "asked for its thread it has one");
	expect_workers(1, "one worker");
	expect(runs_in(w), "and runs callbacks there");
	call_rcu_data_free(w);
	expect(runs_in(w), "it cannot be freed");
	expect_workers(1, "still one");
}

static void *has_none(void *arg)
{
	expect(!get_thread_call_rcu_data(), "other threads have none");
	expect(runs_in(get_default_call_rcu_data()), "but the default one");
	set_thread_call_rcu_data(arg);
	expect(runs_in(arg), "until they are given one");
	return NULL;
}

static void of_threads(const void *arg)
{
	struct call_rcu_data *one = create_call_rcu_data(0, -1);
	struct call_rcu_data *two = create_call_rcu_data(0, -1);
	pthread_t thread;

	(void) arg;
	expect(one && two && one != two, "two workers");
	expect(workers() == 2, "are counted");
	set_thread_call_rcu_data(one);
	expect(get_thread_call_rcu_data() == one && get_call_rcu_data() == one,
	       "the thread's is the one in use");
	expect(runs_in(one), "callbacks run there");
	expect(workers() == 2, "without the default one");
	start_thread(&thread, has_none, two);
	pthread_join(thread, NULL);
	expect(get_thread_call_rcu_data() == one, "this thread has still its own");
	set_thread_call_rcu_data(NULL);
	expect(get_call_rcu_data() == get_default_call_rcu_data(), "no more");
	synchronize_rcu();
	call_rcu_data_free(one);
	call_rcu_data_free(two);
	expect(workers() == 1, "the default one is left");
	expect(runs_in(get_default_call_rcu_data()), "and in use");
}

static struct call_rcu_data *seen;

/* In a worker's callback its own worker is the thread's. */
static void look_at_own(struct rcu_head *head)
{
	(void) head;
	seen = get_call_rcu_data();
	note_run();
}

static void of_workers(const void *arg)
{
	struct call_rcu_data *w = create_call_rcu_data(0, -1);

	(void) arg;
	set_thread_call_rcu_data(w);
	call_rcu(&line[0].head, look_at_own);
	rcu_barrier();
	expect(seen == w, "what callbacks queue stays with their worker");
}

static void of_cpus(const void *arg)
{
	struct call_rcu_data *w = create_call_rcu_data(0, -1);
	struct call_rcu_data *mine = create_call_rcu_data(0, -1);
	cpu_set_t allowed;
	int cpu;

	(void) arg;
	pin_to_first(&allowed, &cpu);
	expect(!set_cpu_call_rcu_data(cpu, w), "set");
	expect(get_cpu_call_rcu_data(cpu) == w && get_call_rcu_data() == w,
	       "the CPU's is the one in use");
	expect(runs_in(w), "callbacks run there");
	rcu_thread_offline();
	queue_one();
	expect(rcu_reader.ctr == URCU_MEMBARRIER_OFFLINE,
	       "a thread that queues stays offline");
	rcu_read_lock();
	call_rcu(&line[1].head, look_around);
	expect(rcu_read_ongoing() == 1, "or in its section");
	rcu_read_unlock();
	rcu_barrier();
	set_thread_call_rcu_data(mine);
	expect(runs_in(mine), "a thread's goes first");
	set_thread_call_rcu_data(NULL);
	expect(!set_cpu_call_rcu_data(cpu, NULL), "unset");
	expect(runs_in(get_default_call_rcu_data()), "the default one again");
	synchronize_rcu();
	call_rcu_data_free(w);
	call_rcu_data_free(mine);
}

static void set_cpu_errors(const void *arg)
{
	struct call_rcu_data *w = create_call_rcu_data(0, -1);
	const int none[] = { -1, INT_MIN, cpus(), INT_MAX };

	(void) arg;
	errno = CASE_ERRNO;
	for (int i = 0; i < 4; i++) {
		expect(set_cpu_call_rcu_data(none[i], w) == -EINVAL,
		       "no such CPU");
		expect(set_cpu_call_rcu_data(none[i], NULL) == -EINVAL,
		       "no such CPU to unset");
	}
	for (int i = 0; i < 2; i++) {
		expect(!set_cpu_call_rcu_data(cpus() - 1, NULL), "unset");
		expect(!set_cpu_call_rcu_data(cpus() - 1, w), "set");
		expect(set_cpu_call_rcu_data(cpus() - 1, w) == -EEXIST, "again");
		expect(set_cpu_call_rcu_data(cpus() - 1,
				get_default_call_rcu_data()) == -EEXIST,
		       "to another one");
	}
	expect(get_cpu_call_rcu_data(cpus() - 1) == w, "errors change nothing");
	expect(!set_cpu_call_rcu_data(cpus() - 1, NULL), "unset");
	expect(!get_cpu_call_rcu_data(cpus() - 1), "it has none");
	synchronize_rcu();
	call_rcu_data_free(w);
	expect(errno == CASE_ERRNO, "errno stays");
}

static void affinity(const void *arg)
{
	struct call_rcu_data *bound, *passed_over;
	cpu_set_t allowed;
	int cpu;

	(void) arg;
	pin_to_first(&allowed, &cpu);
	sched_setaffinity(0, sizeof allowed, &allowed);
	bound = create_call_rcu_data(0, cpu);
	set_thread_call_rcu_data(bound);
	queue_one();
	expect(CPU_COUNT(&where_allowed) == 1 && CPU_ISSET(cpu, &where_allowed),
	       "it runs on its CPU");
	for (int none = cpus(); none > 0; none = none == INT_MAX ? 0 : INT_MAX) {
		passed_over = create_call_rcu_data(0, none);
		set_thread_call_rcu_data(passed_over);
		queue_one();
		expect(CPU_EQUAL(&where_allowed, &allowed),
		       "a CPU where it may not run is passed over");
	}
	set_thread_call_rcu_data(NULL);
	queue_one();
	expect(CPU_EQUAL(&where_allowed, &allowed), "the default one: anywhere");
}

static void next_in_line(struct rcu_head *head)
{
	struct numbered *n = caa_container_of(head, struct numbered, head);

	if (load(&ran) != n->number)
		disorder = 1;
	note_run();
}

static void *free_worker(void *arg)
{
	call_rcu_data_free(arg);
	return NULL;
}

static void queue_line(void)
{
	for (int i = 0; i < MANY; i++) {
		line[i].number = i;
		call_rcu(&line[i].head, next_in_line);
	}
}

static void freed_with_callbacks(const void *arg)
{
	for (int round = 0; round < 3; round++) {
		struct call_rcu_data *w =
			create_call_rcu_data(*(const unsigned long *) arg, -1);
		struct reader reader;
		pthread_t thread;

		store(&ran, 0);
		reader_start(&reader);
		reader_enter(&reader);
		set_thread_call_rcu_data(w);
		queue_line();
		set_thread_call_rcu_data(NULL);
		if (round == 1)
			nap(READER_STAYS_US);	/* they are taken up */
		start_thread(&thread, free_worker, w);
		reader_leave_soon(&reader);
		pthread_join(thread, NULL);
		rcu_barrier();
		reader_stop(&reader);
		expect(load(&ran) == MANY && !disorder,
		       "what it had is run, in order");
		expect(!early, "and not before its time");
	}
	expect(workers() <= 1, "none is left but the default one");
}

static void free_another(struct rcu_head *head)
{
	call_rcu_data_free(seen);
	look_around(head);
}

static void freed_by_another(const void *arg)
{
	(void) arg;
	seen = create_call_rcu_data(0, -1);
	call_rcu(&line[0].head, free_another);
	await(&ran, 1);
	rcu_barrier();
	expect(workers() == 1, "it is gone");
}

static void one_for_every_cpu(const void *arg)
{
	struct call_rcu_data *first = create_call_rcu_data(0, -1);
	cpu_set_t allowed;
	int cpu;

	(void) arg;
	pin_to_first(&allowed, &cpu);
	errno = CASE_ERRNO;
	expect(!set_cpu_call_rcu_data(cpu, first), "one beforehand");
	for (int i = 0; i < 2; i++) {
		expect(!create_all_cpu_call_rcu_data(0), "all");
		expect(workers() == (uint64_t) cpus(), "just one for each");
	}
	expect(get_cpu_call_rcu_data(cpu) == first, "the first one stays");
	for (int i = 0; i < CPU_COUNT(&allowed); i++) {
		cpu_pin(cpu_nth(&allowed, i));
		expect(runs_in(get_cpu_call_rcu_data(cpu_nth(&allowed, i))),
		       "the CPU's own runs its callbacks");
		expect(i == 0 || (CPU_COUNT(&where_allowed) == 1
			&& CPU_ISSET(cpu_nth(&allowed, i), &where_allowed)),
		       "there");
	}
	store(&ran, 0);
	queue_line();
	free_all_cpu_call_rcu_data();
	expect(errno == CASE_ERRNO, "errno stays");
	rcu_barrier();
	expect(load(&ran) == MANY, "what they had is run");
	expect(workers() <= 1, "all are gone");
	for (int i = 0; i < cpus(); i++)
		expect(!get_cpu_call_rcu_data(i), "no CPU has one");
	free_all_cpu_call_rcu_data();
	expect(runs_in(get_default_call_rcu_data()), "the default one is back");
}

/* Two workers take turns with CPUs, one has all; and then the default one. */
static void one_for_all_cpus(const void *arg)
{
	(void) arg;
	for (int step = 2; step > 0; step--) {
		struct call_rcu_data *w[2] = { create_call_rcu_data(0, -1), NULL };

		w[1] = step == 2 ? create_call_rcu_data(0, -1) : w[0];
		for (int i = 0; i < cpus(); i++)
			expect(!set_cpu_call_rcu_data(i, w[i % 2]), "set");
		queue_one();
		expect(pthread_equal(where, get_call_rcu_thread(w[0]))
		       || pthread_equal(where, get_call_rcu_thread(w[1])),
		       "they run all callbacks");
		free_all_cpu_call_rcu_data();
		/* Where there is one CPU, one of them was nobody's. */
		if (step == 2 && cpus() == 1)
			call_rcu_data_free(w[1]);
		expect(workers() <= 1, "they are gone");
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < cpus(); i++)
			expect(!set_cpu_call_rcu_data(i,
				get_default_call_rcu_data()), "set");
		expect(runs_in(get_default_call_rcu_data()), "by default");
		free_all_cpu_call_rcu_data();
		expect(runs_in(get_default_call_rcu_data()), "it stays");
	}
}

/* Real-time workers. */

static unsigned long flags;
static int burst;

static void queue_in_bursts(void *arg)
{
	(void) arg;
	for (int i = 0; i < burst; i++)
		queue_one();
}

static void prepare(void *arg)
{
	(void) arg;
	set_thread_call_rcu_data(create_call_rcu_data(flags, -1));
	queue_one();
	/* It may be about to fall asleep. */
	nap(READER_STAYS_US);
}

static void test_real_time(void)
{
	struct syscall_count calm, rt;
	int ret;

	burst = 10;
	flags = 0;
	ret = count_syscalls(prepare, queue_in_bursts, NULL, &calm);
	flags = URCU_CALL_RCU_RT;
	if (!ret)
		ret = count_syscalls(prepare, queue_in_bursts, NULL, &rt);
	if (ret) {
		tap_skip(strerror(-ret), "system calls of those who queue");
		return;
	}
	tap_ok(calm.futex_wake > 0, "those who queue wake a worker: %lu times",
	       calm.futex_wake);
	tap_ok(!rt.futex_wake, "but not a real-time one: %lu", rt.futex_wake);
}

static void real_time(const void *arg)
{
	struct call_rcu_data *w = create_call_rcu_data(URCU_CALL_RCU_RT, -1);

	(void) arg;
	set_thread_call_rcu_data(w);
	for (int i = 0; i < 5; i++)
		expect(runs_in(w), "it looks for itself");
	rcu_barrier();
	queue_line();
	rcu_barrier();
	expect(load(&ran) == 5 + MANY, "and a barrier waits for it");
	set_thread_call_rcu_data(NULL);
	synchronize_rcu();
	call_rcu_data_free(w);
	expect(!workers(), "it goes");
}

int main(void)
{
	static const unsigned long none, rt = URCU_CALL_RCU_RT;

	tap_begin();
	cpus();
	case_run(at_the_start, NULL, "at the start, and the default worker");
	case_run(of_threads, NULL, "threads' workers");
	case_run(of_workers, NULL, "workers' own");
	case_run(of_cpus, NULL, "CPUs' workers");
	case_run(set_cpu_errors, NULL, "errors of set_cpu_call_rcu_data");
	case_run(affinity, NULL, "where they run");
	case_run(freed_with_callbacks, &none, "freed with callbacks");
	case_run(freed_with_callbacks, &rt, "freed with callbacks, real-time");
	case_run(freed_by_another, NULL, "freed by another's callback");
	case_run(one_for_every_cpu, NULL, "one for every CPU");
	case_run(one_for_all_cpus, NULL, "one for all CPUs");
	case_run(real_time, NULL, "a real-time worker");
	test_real_time();
	return tap_end();
}
