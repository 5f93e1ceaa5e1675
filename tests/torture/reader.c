/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torture/row.h"

#define HARASS		SIGUSR1
#define HARASS_NS	400000	/* between two signals to a thread, at most */
#define THREAD_LASTS	500	/* sections, of those that come and go */
#define HARASS_DEPTH	4	/* handlers within handlers */
#define LATE_SECTIONS	10	/* in each round of key destructors */
/* In the last one ThreadSanitizer is through with the thread. */
#define LATE_ROUNDS	(PTHREAD_DESTRUCTOR_ITERATIONS - UMB_TSAN)
#define CHILD_STEPS	20
#define SLOW_STEPS	2	/* where a fence takes 10 ms and more */

#ifndef sigev_notify_thread_id
# define sigev_notify_thread_id	_sigev_un._tid
#endif

static __thread struct worker *self;
static pthread_key_t leaving;

void nap_us(unsigned int us)
{
	struct timespec t = { (time_t) (us / 1000000),
			      (long) (us % 1000000 * 1000) };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Now and then, about as long as the row says. */
static void dawdle(const struct row *row, uint64_t *random)
{
	uint64_t r = next_random(random);

	if (row->nap_us && r % 512 == 0)
		nap_us((unsigned int) (r >> 32) % row->nap_us);
	else if (row->spins && r % 2)
		for (volatile unsigned int i = 0; i < (r >> 32) % row->spins; i++)
			;
}

/*
 * The stores before it hide that of the reader's counter for a while, those in it
 * that of the unlock.
 */
static void section(struct worker *w, struct sight *sight, unsigned int depth)
{
	uint64_t r = next_random(&sight->random);
	struct slot *slot = &w->slots[r % w->row->updaters];
	struct element *element;
	unsigned int life;

	if (r >> 63)
		spoil_stores(w->spoil, r);
	rcu_read_lock();
	element = umb_dereference(slot->current);
	life = element_life(element);
	if (depth)
		section(w, sight, depth - 1);
	dawdle(w->row, &sight->random);
	if (r >> 60 == 0)
		sched_yield();
	sight_note(sight, element, life);
	if (r >> 62 & 1)
		spoil_stores(w->spoil, r >> 8);
	rcu_read_unlock();
}

static void sections(struct worker *w, struct sight *sight)
{
	section(w, sight, (unsigned int) next_random(&sight->random)
			% (w->row->depth + 1));
}

static void set_timer(const struct worker *w, uint64_t ns)
{
	struct itimerspec when = { .it_value.tv_nsec = (long) ns };

	timer_settime(w->timer, 0, &when, NULL);
}

/*
 * At any point of a section, or of the library. A long nap is a preemption there. Where
 * handlers are slower than the timer they do not pile up.
 */
static void on_signal(int signal)
{
	struct worker *w = self;
	int saved = errno;
	uint64_t r;

	(void) signal;
	if (!w)
		return;
	r = next_random(&w->handlers.random);
	if (++w->nested < HARASS_DEPTH)
		set_timer(w, 1 + r % HARASS_NS);
	if (r >> 62 == 0)
		sections(w, &w->handlers);
	else if (r >> 60 == 4)
		sched_yield();
	else if (r >> 56 == 0x80)
		nap_us(1000);
	if (w->nested-- == HARASS_DEPTH)
		set_timer(w, HARASS_NS);
	errno = saved;
}

void harass(struct worker *w, int on)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART | SA_NODEFER };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = HARASS };

	if (!(w->row->habits & SIGNALS))
		return;
	if (!on) {
		if (self)
			timer_delete(w->timer);
		self = NULL;
		return;
	}
	w->nested = 0;
	sigaction(HARASS, &action, NULL);
	event.sigev_notify_thread_id = (pid_t) syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &w->timer))
		return;
	self = w;
	set_timer(w, HARASS_NS);
}

/* A child is a process like others: its one thread reads, and a new one updates. */
static int act_as_child(struct worker *w)
{
	static const struct row row = {
		.readers = 1, .updaters = 1, .depth = 1, .spins = 256,
		.ways = (1U << WAYS) - 1,
	};
	struct slot *slot = &slots[THREADS_MAX - 1];	/* no row's */
	struct worker updater = {
		.row = &row, .slot = slot, .own.random = w->own.random,
		.spoil = w->spoil,
	};
	unsigned long poisoned = w->own.poisoned;
	unsigned long steps = umb_fence_mode() == UMB_FENCE_GLOBAL
		? SLOW_STEPS : CHILD_STEPS;

	alarm(2 * w->patience);
	slot_prepare(slot);
	w->row = &row;
	w->slots = slot;
	__atomic_store_n(&over, 0, __ATOMIC_RELAXED);
	if (pthread_create(&updater.thread, NULL, updater_run, &updater))
		return 0;
	while (read_count(&slot->steps) < steps)
		sections(w, &w->own);
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	pthread_join(updater.thread, NULL);
	for (int i = 0; i <= AGE_REUSE; i++)
		rcu_barrier();
	rcu_defer_barrier();
	return !slot_outstanding(slot) && !updater.early_barriers
		&& w->own.poisoned == poisoned;
}

static void have_child(struct worker *w)
{
	pid_t child = fork();
	int status = 0;

	if (!child)
		_exit(act_as_child(w) ? 0 : 1);
	if (child < 0)
		return;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	w->bad_forks += status != 0;
	count_one(&w->forks);
}

static void behave(struct worker *w)
{
	unsigned int habits = w->row->habits;
	uint64_t r = next_random(&w->own.random) >> 32;

	if ((habits & OFFLINE) && r % 4 == 0)
		rcu_thread_offline();
	if ((habits & OFFLINE) && r % 8 == 0)
		rcu_thread_online();
	if ((habits & REGISTER) && r % 16 == 1)
		rcu_unregister_thread();
	if ((habits & REGISTER) && r % 32 == 1)
		rcu_register_thread();
	if ((habits & UPDATES) && r % 1024 == 2)
		synchronize_rcu();
	if ((habits & FORKS) && (!w->forks || r % 2048 == 3))
		have_child(w);
}

/*
 * A section as an updater begins to wait, and then none until he has come on: who
 * waits for this thread must not need its next one.
 */
static void call_on_updater(struct worker *w)
{
	struct slot *slot = &slots[w->own.random % w->row->updaters];
	unsigned long steps = read_count(&slot->steps);

	__atomic_fetch_add(&slot->visits, 1, __ATOMIC_RELAXED);
	sections(w, &w->own);
	while (read_count(&slot->steps) == steps && !is_over())
		sched_yield();
}

/*
 * A thread that ends still reads: in the midst of a section, which ends after the
 * library has been told that the thread ends, and when that has taken its leave.
 */
static void read_late(void *worker)
{
	struct worker *w = worker;

	for (int i = 0; i < LATE_SECTIONS; i++)
		sections(w, &w->own);
	/* Some never end. */
	if (w->rounds && w->left_open && w->left_life % 4) {
		sight_note(&w->own, w->left_open, w->left_life);
		rcu_read_unlock();
		w->left_open = NULL;
	}
	if (++w->rounds == LATE_ROUNDS
	    || pthread_setspecific(leaving, w))
		harass(w, 0);
}

static void leave(struct worker *w)
{
	w->rounds = 0;
	w->left_open = NULL;
	if (!(w->row->habits & CHURN) || pthread_setspecific(leaving, w)) {
		harass(w, 0);
	} else if (next_random(&w->own.random) >> 63) {
		rcu_read_lock();
		w->left_open = umb_dereference(w->slots->current);
		w->left_life = element_life(w->left_open);
	}
}

/* Where all signals are blocked, those of the torture are not. */
void reader_prepare(void)
{
	sigset_t set;

	pthread_key_create(&leaving, read_late);
	sigemptyset(&set);
	sigaddset(&set, HARASS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *read_some(void *worker)
{
	struct worker *w = worker;
	unsigned int left = w->row->habits & CHURN ? THREAD_LASTS : ~0U;

	harass(w, 1);
	while (left-- && !is_over()) {
		if (w->row->habits & IDLES)
			call_on_updater(w);
		else
			sections(w, &w->own);
		behave(w);
	}
	leave(w);
	return NULL;
}

void *reader_run(void *worker)
{
	struct worker *w = worker;
	pthread_t thread;

	if (!(w->row->habits & CHURN))
		return read_some(w);
	while (!is_over() && !pthread_create(&thread, NULL, read_some, w))
		pthread_join(thread, NULL);
	return NULL;
}
