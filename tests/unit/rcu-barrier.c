/* SPDX-License-Identifier: MIT */

/*
 * rcu_barrier: what it waits for, and where it must not be called. Each case in
 * a process of its own.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/cpu.h"
#include "tests/lib/reader.h"
#include "tests/lib/said.h"
#include "tests/lib/tap.h"

#define THREADS		4
#define EACH		500

static struct rcu_head heads[THREADS * EACH];
static pthread_t threads[THREADS];

/* With callbacks that wait for a reader, which leaves while the barrier waits. */
static void expect_barrier_waits(void (*queue)(void), int n)
{
	struct reader reader;
	int before = load(&ran);

	reader_start(&reader);
	reader_enter(&reader);
	queue();
	reader_leave_soon(&reader);
	rcu_barrier();
	expect_ran(before + n);
	reader_stop(&reader);
}

static void queue_one(void)
{
	call_rcu(&heads[0], count_run);
}

static struct call_rcu_data *workers[THREADS];

static void *queue_some(void *arg)
{
	struct rcu_head *mine = arg;

	set_thread_call_rcu_data(workers[(mine - heads) / EACH]);
	for (int i = 0; i < EACH; i++)
		call_rcu(&mine[i], count_run);
	return NULL;
}

static void queue_in_threads(void)
{
	for (int i = 0; i < THREADS; i++)
		start_thread(&threads[i], queue_some, &heads[i * EACH]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void for_own_and_others(const void *arg)
{
	(void) arg;
	for (int i = 0; i < 5; i++)
		expect_barrier_waits(queue_one, 1);
	expect_barrier_waits(queue_in_threads, THREADS * EACH);
}

/* The default worker last, and first, and no worker but one. */
static void for_every_worker(const void *arg)
{
	(void) arg;
	for (int i = 0; i < THREADS - 1; i++) {
		workers[i] = create_call_rcu_data(i & 1 ? URCU_CALL_RCU_RT : 0, -1);
		set_thread_call_rcu_data(workers[i]);
		expect_barrier_waits(queue_one, 1);
	}
	set_thread_call_rcu_data(NULL);
	expect_barrier_waits(queue_in_threads, THREADS * EACH);
	for (int i = 0; i < THREADS - 1; i++)
		call_rcu_data_free(workers[i]);
	expect_ran(THREADS - 1 + THREADS * EACH);
}

static void for_every_cpu(const void *arg)
{
	cpu_set_t allowed;

	(void) arg;
	sched_getaffinity(0, sizeof allowed, &allowed);
	expect(!create_all_cpu_call_rcu_data(0), "CPUs' workers");
	for (int i = 0; i < 4; i++) {
		cpu_pin(cpu_nth(&allowed, i));
		expect_barrier_waits(queue_one, 1);
	}
	free_all_cpu_call_rcu_data();
	expect_barrier_waits(queue_one, 1);
}

/* A callback that keeps its worker from the others, until it is told. */
static int gate, gated;

static void stand_at_gate(struct rcu_head *head)
{
	store(&gated, 1);
	await(&gate, 1);
	note_run();
	(void) head;
}

static void *open_gate_soon(void *arg)
{
	nap(READER_STAYS_US);
	store(&gate, 1);
	return arg;
}

static void *free_worker(void *arg)
{
	call_rcu_data_free(arg);
	return NULL;
}

/* Before and after it has gone, and at the same time. */
static void for_what_freed_workers_leave(const void *arg)
{
	(void) arg;
	for (int round = 0; round < 4; round++) {
		struct call_rcu_data *w = create_call_rcu_data(0, -1);

		store(&gate, 0);
		store(&gated, 0);
		set_thread_call_rcu_data(w);
		call_rcu(&heads[0], stand_at_gate);
		await(&gated, 1);
		for (int i = 1; i < EACH; i++)
			call_rcu(&heads[i], count_run);
		set_thread_call_rcu_data(NULL);
		start_thread(&threads[0], free_worker, w);
		start_thread(&threads[1], open_gate_soon, NULL);
		if (round & 1)
			pthread_join(threads[0], NULL);
		rcu_barrier();
		expect_ran((round + 1) * EACH);
		if (!(round & 1))
			pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
	}
}

struct numbered {
	struct rcu_head head;
	int run;
};

static void count_mine(struct rcu_head *head)
{
	caa_container_of(head, struct numbered, head)->run++;
	note_run();
}

static void *queue_and_wait(void *arg)
{
	int rounds = (int) tap_scale(300, 5);
	struct numbered *mine = arg;

	for (int i = 1; i <= rounds; i++) {
		call_rcu(&mine->head, count_mine);
		rcu_barrier();
		expect(mine->run == i, "a barrier waits for the caller's own");
	}
	return NULL;
}

static void barriers_at_once(const void *arg)
{
	static struct numbered mine[THREADS];

	(void) arg;
	for (int i = 0; i < THREADS; i++)
		start_thread(&threads[i], queue_and_wait, &mine[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	expect_ran(THREADS * (int) tap_scale(300, 5));
}

static void barrier_without_anything(const void *arg)
{
	(void) arg;
	rcu_barrier();
	rcu_read_lock();
	rcu_read_unlock();
	rcu_barrier();
	expect_ran(0);
}

static int is_one_line(const char *said)
{
	const char *end = strchr(said, '\n');

	return end && !end[1];
}

static void barrier_in_a_section(const void *arg)
{
	(void) arg;
	rcu_read_lock();
	store(&holding, 1);
	call_rcu(&heads[0], count_run);
	rcu_barrier();
	if (!rcu_read_ongoing() || load(&ran))
		_exit(1);
	store(&holding, 0);
	rcu_read_unlock();
	rcu_barrier();
	_exit(load(&ran) != 1 || early);
}

static void barrier_in_section(const void *arg)
{
	char said[512];

	(void) arg;
	expect(!said_by(barrier_in_a_section, NULL, CASE_SECONDS / 2, said,
			 sizeof said),
	       "it returns, and later ones do their work");
	expect(is_one_line(said) && strstr(said, "rcu_barrier")
	       && strstr(said, "inside a read-side"), "it says why");
}

static void call_barrier(struct rcu_head *head)
{
	(void) head;
	rcu_barrier();
}

static void free_own_worker(struct rcu_head *head)
{
	(void) head;
	call_rcu_data_free(get_thread_call_rcu_data());
}

static void barrier_in_callback(const void *arg)
{
	(void) arg;
	call_rcu(&heads[0], call_barrier);
	pause();
}

static void free_in_callback(const void *arg)
{
	(void) arg;
	set_thread_call_rcu_data(create_call_rcu_data(0, -1));
	call_rcu(&heads[0], free_own_worker);
	pause();
}

static void aborts_in_callbacks(const void *arg)
{
	char said[512];
	int status;

	(void) arg;
	status = said_by(barrier_in_callback, NULL, CASE_SECONDS / 2, said,
			 sizeof said);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	       "a barrier in a callback aborts");
	expect(is_one_line(said) && strstr(said, "rcu_barrier: in a callback"),
	       "and says why");
	status = said_by(free_in_callback, NULL, CASE_SECONDS / 2, said,
			 sizeof said);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	       "call_rcu_data_free in a callback aborts");
	expect(is_one_line(said)
	       && strstr(said, "call_rcu_data_free: in a callback"),
	       "and says why");
}

int main(void)
{
	tap_begin();
	case_run(for_own_and_others, NULL, "for the caller's callbacks, and others'");
	case_run(for_every_worker, NULL, "for those of all workers");
	case_run(for_every_cpu, NULL, "for those of all CPUs");
	case_run(for_what_freed_workers_leave, NULL,
		 "for those that a freed worker has left");
	case_run(barriers_at_once, NULL, "barriers of several threads");
	case_run(barrier_without_anything, NULL, "a barrier without callbacks");
	case_run(barrier_in_section, NULL, "a barrier in a section");
	case_run(aborts_in_callbacks, NULL, "what may not be called in callbacks");
	return tap_end();
}
