/* SPDX-License-Identifier: MIT */

/*
 * fork() in a signal handler that came in while the thread was asleep in the
 * library, or in a section. The child comes back from the handler into what the
 * parent's thread was waiting for, where all whom it waited for are gone. And
 * fork() beside a thread that holds a lock which later handlers wait for.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/lib/family.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define LIMIT_SECONDS	60
#define NAP_US		500
#define ASLEEP_US	30000

static const struct victim {
	const char *what;
	const char *company;	/* whom it waits for */
	const char *before;
	const char *during;	/* the handler comes in here */
	const char *after;	/* in both processes */
	int busy;		/* it does not sleep: over and over */
} victims[] = {
	{ "synchronize_rcu", "R", "r", "s", "rsct", 0 },
	{ "synchronize_rcu, never registered", "R", "", "s", "rsct", 0 },
	{ "synchronize_rcu behind another", "RL", "r", "s", "rstttctt", 0 },
	{ "synchronize_rcu behind several", "RLLL", "r", "s", "rstttctt", 0 },
	{ "synchronize with a limit", "R", "r", "S", "rsctt", 0 },
	{ "the same, behind another", "RLL", "r", "S", "rscttt", 0 },
	{ "rcu_barrier", "R", "rc", "c", "rscctw", 0 },
	{ "rcu_barrier, beside others", "Rcc", "rc", "c", "rscctw", 0 },
	{ "call_rcu_data_free", "R", "rc", "v", "rscctw", 0 },
	{ "defer_barrier", "R", "rd", "d", "rscdit", 0 },
	{ "defer_barrier, beside others", "Rddd", "rd", "d", "rscdit", 0 },
	{ "sections", "", "", "r", "rsct", 1 },
	{ "sections, beside updaters", "ss", "", "r", "rsct", 1 },
	{ "heavy fences", "rr", "r", "f", "rfsct", 1 },
	{ "heavy fences, beside others", "fffr", "r", "f", "rfsctf", 1 },
	{ "polling", "R", "rK", "P", "rpsct", 0 },
};

static const struct victim *victim;
static int inside;		/* the handler forks in a section */
static int restart;
static pid_t child = -1;
static pthread_t main_thread;

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void forks(int signal)
{
	pid_t pid;

	(void) signal;
	if (inside)
		rcu_read_lock();
	pid = family_fork();
	if (inside)
		rcu_read_unlock();
	store(&child, pid);
}

static void take(int signal, void (*handler)(int signal))
{
	struct sigaction action = {
		.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0,
	};
	sigset_t set;

	sigaction(signal, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, signal);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *interrupt(void *arg)
{
	usleep(ASLEEP_US);
	pthread_kill(main_thread, SIGUSR1);
	while (load(&child) < 0)
		usleep(NAP_US);
	usleep(ASLEEP_US / 2);
	company_let_go();
	return arg;
}

static void be_interrupted(void)
{
	pthread_t thread;

	family_limit(LIMIT_SECONDS);
	family_act(victim->before);
	company_begin(victim->company);
	/* The default worker's, and those of company. */
	family_forgive(2);
	main_thread = pthread_self();
	take(SIGUSR1, forks);
	pthread_create(&thread, NULL, interrupt, NULL);
	do
		family_act(victim->during);
	while (victim->busy && load(&child) < 0);
	/* Late; but not in pthread_join(), which the child would be left in. */
	while (load(&child) < 0)
		usleep(NAP_US);
	if (!load(&child)) {
		family_act(victim->after);
		family_count();
		family_end(restart);
	}
	pthread_join(thread, NULL);
	family_act(victim->after);
	family_wait(child);
	company_end();
	family_count();
	family_end(1);
}

static pthread_key_t key;

static void end_late(void *value)
{
	(void) value;
	usleep(4 * ASLEEP_US);
}

static void set_key(struct rcu_head *head)
{
	pthread_setspecific(key, head);
}

/* The worker's thread has ended but for its keys' destructors. */
static void free_what_ends(void)
{
	static struct rcu_head head;
	struct call_rcu_data *w = create_call_rcu_data(0, -1);
	pthread_t thread;

	family_limit(LIMIT_SECONDS / 6);
	pthread_key_create(&key, end_late);
	set_thread_call_rcu_data(w);
	call_rcu(&head, set_key);
	rcu_barrier();
	set_thread_call_rcu_data(NULL);
	main_thread = pthread_self();
	take(SIGUSR1, forks);
	pthread_create(&thread, NULL, interrupt, NULL);
	call_rcu_data_free(w);
	while (load(&child) < 0)
		usleep(NAP_US);
	if (!load(&child))
		family_end(1);
	pthread_join(thread, NULL);
	family_wait(child);
	family_end(1);
}

static void test(void (*run)(void), const char *what, const char *how)
{
	pid_t pid = family_fork();

	if (!pid)
		run();
	tap_ok(family_wait(pid), "%s%s", what, how);
}

/*
 * A mutex that the program takes in handlers of its own, which were there before
 * the library's, so that they run inside ours: as an allocator's are. Whoever
 * holds it shall be able to use the library beside a fork.
 */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int wanted, held, forking;
static const char *held_acts;

static void lock_mutex(void)
{
	if (!load(&wanted))
		return;
	store(&forking, 1);
	pthread_mutex_lock(&mutex);
}

static void unlock_mutex(void)
{
	if (load(&wanted))
		pthread_mutex_unlock(&mutex);
}

/* White-box: this is linked with the library, and comes before it. */
static __attribute__((constructor(101))) void watch_early(void)
{
	pthread_atfork(lock_mutex, unlock_mutex, unlock_mutex);
}

static void act_when_forking(int signal)
{
	(void) signal;
	store(&held, 1);
	while (!load(&forking))
		usleep(NAP_US);
	usleep(ASLEEP_US);
	family_act(held_acts);
}

static void *hold_mutex(void *by_handler)
{
	pthread_mutex_lock(&mutex);
	if (by_handler) {
		take(SIGUSR2, act_when_forking);
		pthread_kill(pthread_self(), SIGUSR2);
	} else {
		act_when_forking(0);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void fork_beside_holder(const char *acts, int by_handler)
{
	pthread_t thread;
	pid_t pid;

	family_limit(LIMIT_SECONDS / 6);
	held_acts = acts;
	pthread_create(&thread, NULL, hold_mutex,
		       by_handler ? &held : NULL);
	while (!load(&held))
		usleep(NAP_US);
	store(&wanted, 1);
	pid = family_fork();
	if (!pid)
		family_end(1);
	family_wait(pid);
	pthread_join(thread, NULL);
	family_end(1);
}

static void first_section_in_handler(void)
{
	fork_beside_holder("r", 1);
}

static void grace_period_of_holder(void)
{
	fork_beside_holder("rS", 0);
}

int main(void)
{
	static const char *const how[] = {
		"", ", restarted", ", in a section", ", restarted, in a section",
	};

	tap_begin();
	for (size_t i = 0; i < sizeof victims / sizeof victims[0]; i++)
		for (int n = 0; n < 4; n++) {
			victim = &victims[i];
			restart = n & 1;
			inside = n & 2;
			test(be_interrupted, victim->what, how[n]);
		}
	test(free_what_ends, "call_rcu_data_free, of a worker whose thread ends", "");
	test(first_section_in_handler, "a handler's first section, beside a fork "
	     "that waits for who is interrupted", "");
	test(grace_period_of_holder, "a grace period, beside a fork that waits for "
	     "who waits for it", "");
	return tap_end();
}
