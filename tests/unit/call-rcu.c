/* SPDX-License-Identifier: MIT */

/*
 * call_rcu: when callbacks run, in which order, and where. Each case in a process
 * of its own.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"

#define THREADS		4
#define ROUNDS		4

static struct rcu_head heads[64];
static pthread_t threads[THREADS];

static void waits_for_a_reader(const void *arg)
{
	struct reader reader;

	(void) arg;
	reader_start(&reader);
	for (int i = 0; i < ROUNDS; i++) {
		reader_enter(&reader);
		call_rcu(&heads[i], count_run);
		reader_leave_soon(&reader);
		await(&ran, i + 1);
	}
	reader_stop(&reader);
	expect_ran(ROUNDS);
}

static void waits_for_own_section(const void *arg)
{
	(void) arg;
	for (int i = 0; i < ROUNDS; i++) {
		rcu_read_lock();
		rcu_read_lock();
		store(&holding, 1);
		call_rcu(&heads[i], count_run);
		rcu_read_unlock();
		nap(READER_STAYS_US);
		expect(rcu_read_ongoing() == 1, "call_rcu leaves no section");
		store(&holding, 0);
		rcu_read_unlock();
		await(&ran, i + 1);
	}
	expect_ran(ROUNDS);
}

/* It comes when the worker has a batch already, and is not to join that. */
static int second_held;

static void count_second(struct rcu_head *head)
{
	if (load(&second_held))
		store(&early, 1);
	count_run(head);
}

static void waits_in_the_next_batch(const void *arg)
{
	struct reader old, new;

	(void) arg;
	reader_start(&old);
	reader_start(&new);
	for (int i = 0; i < ROUNDS; i++) {
		reader_enter(&old);
		call_rcu(&heads[2 * i], count_run);
		nap(READER_STAYS_US);		/* the worker takes it up */
		reader_enter(&new);
		store(&second_held, 1);
		call_rcu(&heads[2 * i + 1], count_second);
		/* What the first waits for is the old one. */
		add(&holding, -1);
		reader_leave(&old);
		nap(READER_STAYS_US);
		add(&holding, 1);
		store(&second_held, 0);
		reader_leave(&new);
		await(&ran, 2 * i + 2);
	}
	reader_stop(&old);
	reader_stop(&new);
	expect_ran(2 * ROUNDS);
}

/* It comes while the worker runs a batch, and is not to join that either. */
#define BATCH	1000

static int gate, at_gate;

static void stand_at_gate(struct rcu_head *head)
{
	(void) head;
	store(&at_gate, 1);
	await(&gate, 1);
	add(&ran, 1);
}

static void waits_beside_a_running_batch(const void *arg)
{
	static struct rcu_head batch[BATCH];
	struct reader reader;

	(void) arg;
	reader_start(&reader);
	reader_enter(&reader);
	call_rcu(&heads[1], count_run);
	nap(READER_STAYS_US);		/* the worker takes it up */
	for (int i = 0; i < BATCH; i++)
		call_rcu(&batch[i], stand_at_gate);
	reader_leave(&reader);
	await(&at_gate, 1);
	reader_enter(&reader);
	store(&second_held, 1);
	call_rcu(&heads[0], count_second);
	store(&gate, 1);
	await(&ran, BATCH + 1);
	nap(READER_STAYS_US);
	store(&second_held, 0);
	reader_leave(&reader);
	rcu_barrier();
	expect_ran(BATCH + 2);
	reader_stop(&reader);
}

/* FIFO */

#define LINE	6000

struct numbered {
	struct rcu_head head;
	int *last;		/* of its thread's */
	int number;
};

struct queuer {
	int last;
	struct numbered line[LINE];
};
static struct queuer queuers[THREADS];
static int disorder;

static void next_in_line(struct rcu_head *head)
{
	struct numbered *n = caa_container_of(head, struct numbered, head);

	if (++*n->last != n->number)
		disorder = 1;
	note_run();
}

static void *queue_line(void *arg)
{
	struct queuer *q = arg;

	for (int i = 0; i < LINE; i++) {
		q->line[i].last = &q->last;
		q->line[i].number = i + 1;
		call_rcu(&q->line[i].head, next_in_line);
	}
	return NULL;
}

static void queue_lines(void)
{
	for (int i = 0; i < THREADS; i++)
		start_thread(&threads[i], queue_line, &queuers[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void in_order(const void *arg)
{
	(void) arg;
	queue_lines();
	rcu_barrier();
	expect(!disorder, "each thread's callbacks run in order");
	expect_ran(THREADS * LINE);
}

static void in_order_one_batch(const void *arg)
{
	struct reader reader;

	(void) arg;
	reader_start(&reader);
	reader_enter(&reader);
	call_rcu(&heads[0], count_run);
	queue_lines();
	reader_leave_soon(&reader);
	rcu_barrier();
	reader_stop(&reader);
	expect(!disorder, "each thread's callbacks run in order");
	expect_ran(THREADS * LINE + 1);
}

static int left;

static void again(struct rcu_head *head)
{
	note_run();
	if (--left)
		call_rcu(head, again);
}

static void from_callbacks(const void *arg)
{
	(void) arg;
	left = (int) tap_scale(500, 5);
	int n = left;

	call_rcu(&heads[0], again);
	rcu_barrier();
	expect(load(&ran) >= 1, "a barrier waits for the first");
	await(&ran, n);
	rcu_barrier();
	expect_ran(n);
}

static void queue_one_from_a_callback(struct rcu_head *head)
{
	note_run();
	/* In this callback's own section, it must not come too early. */
	rcu_read_lock();
	store(&holding, 1);
	call_rcu(head, count_run);
	nap(READER_STAYS_US / 4);
	store(&holding, 0);
	rcu_read_unlock();
	expect(!rcu_read_ongoing(), "outside sections again");
}

static void callbacks_may_read(const void *arg)
{
	(void) arg;
	for (int i = 0; i < ROUNDS; i++) {
		call_rcu(&heads[i], queue_one_from_a_callback);
		await(&ran, 2 * i + 2);
		/* A worker that has read keeps no grace period from its end. */
		synchronize_rcu();
	}
	expect_ran(2 * ROUNDS);
}

static void wait_in_callback(struct rcu_head *head)
{
	(void) head;
	expect(!rcu_read_ongoing(), "callbacks run outside sections");
	synchronize_rcu();
	expect(!umb_synchronize_timeout_ns(UINT64_MAX), "as any thread may");
	note_run();
}

static void callbacks_may_wait(const void *arg)
{
	(void) arg;
	call_rcu(&heads[0], wait_in_callback);
	rcu_barrier();
	expect_ran(1);
}

/* Where threads stand. */

static void *never_registered(void *arg)
{
	call_rcu(&heads[0], count_run);
	expect(rcu_reader.ctr == URCU_MEMBARRIER_UNREGISTERED,
	       "call_rcu does not register");
	rcu_barrier();
	expect(rcu_reader.ctr == URCU_MEMBARRIER_UNREGISTERED,
	       "nor does rcu_barrier");
	return arg;
}

static void *offline(void *arg)
{
	rcu_read_lock();
	rcu_read_unlock();
	rcu_thread_offline();
	call_rcu(&heads[1], count_run);
	expect(rcu_reader.ctr == URCU_MEMBARRIER_OFFLINE,
	       "call_rcu leaves a thread offline");
	rcu_barrier();
	expect(rcu_reader.ctr == URCU_MEMBARRIER_OFFLINE, "so does a barrier");
	return arg;
}

static void by_any_thread(const void *arg)
{
	(void) arg;
	start_thread(&threads[0], never_registered, NULL);
	pthread_join(threads[0], NULL);
	start_thread(&threads[0], offline, NULL);
	pthread_join(threads[0], NULL);
	expect_ran(2);
}

/* Signals. */

static int handled;

static void handler(int signal)
{
	(void) signal;
	add(&handled, 1);
}

static int host_signal(int signal)
{
	return signal != SIGKILL && signal != SIGSTOP && signal != SIGALRM
		&& signal != umb_fence_signal();
}

static void look_at_mask(struct rcu_head *head)
{
	unsigned long long mask = 0;

	(void) head;
	/* The kernel's view: the C library hides its own signals. */
	expect(!syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, NSIG / 8),
	       "the mask");
	for (int s = 1; s < NSIG; s++)
		if (host_signal(s) && (s < 32 || s >= SIGRTMIN))
			expect(mask >> (s - 1) & 1, "a host's signal is blocked");
	for (int s = 32; s < SIGRTMIN && s < 34; s++)
		expect(!(mask >> (s - 1) & 1), "the C library's are not");
	if (umb_fence_mode() == UMB_FENCE_SIGNAL)
		expect(!(mask >> (umb_fence_signal() - 1) & 1),
		       "nor is the library's");
	note_run();
}

static void no_host_handlers(const void *arg)
{
	struct sigaction act = { .sa_handler = handler };
	const int sent[] = { SIGUSR1, SIGHUP, SIGRTMIN + 3 };
	sigset_t none, all;

	(void) arg;
	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	for (int i = 0; i < 3; i++)
		sigaction(sent[i], &act, NULL);
	/* The worker is not to have our mask, which lets all through. */
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	call_rcu(&heads[0], count_run);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 3; i++)
		kill(getpid(), sent[i]);
	call_rcu(&heads[1], look_at_mask);
	rcu_barrier();
	expect(!load(&handled), "no handler has run in the worker");
	for (int i = 0; i < 3; i++)
		sigdelset(&all, sent[i]);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	expect(load(&handled) == 3, "but they do in the program's threads");
	expect_ran(2);
}

static void errno_stays(const void *arg)
{
	(void) arg;
	errno = CASE_ERRNO;
	call_rcu(&heads[0], count_run);
	expect(errno == CASE_ERRNO, "call_rcu, which starts the worker");
	rcu_barrier();
	call_rcu(&heads[0], count_run);
	expect(errno == CASE_ERRNO, "rcu_barrier, call_rcu");
	rcu_barrier();
	rcu_barrier();
	expect(errno == CASE_ERRNO, "rcu_barrier");
	expect_ran(2);
}

int main(void)
{
	tap_begin();
	case_run(waits_for_a_reader, NULL, "a callback waits for a section");
	case_run(waits_for_own_section, NULL,
		 "for the one in which it was queued");
	case_run(waits_in_the_next_batch, NULL,
		 "and for those that began during an earlier grace period");
	case_run(waits_beside_a_running_batch, NULL,
		 "or while another batch was running");
	case_run(in_order, NULL, "callbacks run in order");
	case_run(in_order_one_batch, NULL, "in one large batch, too");
	case_run(from_callbacks, NULL, "callbacks queue themselves again");
	case_run(callbacks_may_read, NULL, "callbacks read, and queue in sections");
	case_run(callbacks_may_wait, NULL, "callbacks wait for grace periods");
	case_run(by_any_thread, NULL, "threads stay unregistered, and offline");
	case_run(no_host_handlers, NULL, "the host's signals");
	case_run(errno_stays, NULL, "errno stays");
	return tap_end();
}
