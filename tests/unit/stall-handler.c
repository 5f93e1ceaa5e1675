/* SPDX-License-Identifier: MIT */

/*
 * What a handler of stalls may do, and in what surroundings it runs. Each case in a
 * process of its own: a hang is ended by the alarm.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <sys/wait.h>

#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#define ROUNDS		40
#define NEVER		INT32_MAX

static int entered, left;
static int gate;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* A handler of each kind; what it does cannot be done before a reader leaves. */

static void take_mutex(const struct umb_stall *stall)
{
	add(&entered, 1);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	note(stall);
}

static void read_and_wait(const struct umb_stall *stall)
{
	add(&entered, 1);
	errno = 0;
	urcu_membarrier_read_lock();
	urcu_membarrier_read_unlock();
	urcu_membarrier_synchronize_rcu();
	note(stall);
}

static void leave_offline_section(const struct umb_stall *stall)
{
	urcu_membarrier_register_thread();
	urcu_membarrier_thread_online();
	add(&entered, 1);
	note(stall);
}

static void free_callback(struct rcu_head *head)
{
	add(&ran, 1);
	free(head);
}

static void allocate(const struct umb_stall *stall)
{
	char *text = malloc(512);
	struct rcu_head *head = malloc(sizeof *head);

	umb_stall_describe(stall, text, 512);
	free(text);
	urcu_membarrier_call_rcu(head, free_callback);
	add(&entered, 1);
	note(stall);
}

static void ask(const struct umb_stall *stall)
{
	struct umb_stats now = stats();

	expect(now.stalls >= 1, "this stall is counted");
	/* Later the reader may have left. */
	expect(now.threads_reading == 1 || load(&entered), "one thread reads");
	add(&entered, 1);
	note(stall);
}

static void never_return(const struct umb_stall *stall)
{
	note(stall);
	add(&entered, 1);
	await(&gate, NEVER);
}

static void *update_with_mutex(void *arg)
{
	pthread_mutex_lock(&mutex);
	update(arg);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void handled_by(void (*handler)(const struct umb_stall *))
{
	struct stuck s = { 0 };
	struct updater u = { 0 };
	int before = load(&entered);

	set_limit(handler, LIMIT);
	stuck_start(&s);
	start_thread(&u.thread, update_with_mutex, &u);
	await(&entered, before + 1);
	expect(!load(&u.done), "the updater still waits");
	stuck_end(&s);
	updater_end(&u);
}

struct act {
	const char *name;
	void (*handler)(const struct umb_stall *stall);
};

static const struct act acts[] = {
	{ "takes a mutex that the updater holds", take_mutex },
	{ "reads, and waits for a grace period", read_and_wait },
	{ "stays online", leave_offline_section },
	{ "allocates, and queues a callback", allocate },
	{ "asks for the statistics", ask },
};

static void does(const void *arg)
{
	const struct act *a = arg;

	handled_by(a->handler);
	await(&noted, 1);
	hush();
	urcu_membarrier_barrier();
	expect(a->handler != allocate || load(&ran) == load(&entered),
	       "what it has queued runs");
	urcu_membarrier_synchronize_rcu();
	handled_by(a->handler);
	hush();
	expect(load(&noted) == load(&entered), "it has returned each time");
}

/* Meanwhile nobody else is told, and all goes on. */
static void blocks(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;
	uint64_t stalls;

	(void) arg;
	handled_by(never_return);
	stalls = stats().stalls;
	for (int i = 0; i < 3; i++)
		urcu_membarrier_synchronize_rcu();
	stuck_start(&s);
	updater_start(&u);
	while (stats().stalls < stalls + 2)
		nap(1000);
	stuck_end(&s);
	updater_end(&u);
	expect(load(&noted) == 1, "nobody else is told");
}

/* umb_stall_set() */

static void second(const struct umb_stall *stall)
{
	expect(load(&entered) == 2, "it comes after the first");
	note(stall);
}

/* Of two threads it is told of both: it has begun. */
static void replace_itself(const struct umb_stall *stall)
{
	expect(stall->count == 2 && (int) stall->index == load(&entered),
	       "it is told of two");
	set_limit(second, LIMIT);
	add(&entered, 1);
}

static void end_itself(const struct umb_stall *stall)
{
	(void) stall;
	hush();
	add(&entered, 1);
}

static void set_in_handler(const void *arg)
{
	struct stuck s[2] = { { 0 }, { 0 } };
	struct updater u;

	(void) arg;
	set_limit(replace_itself, LIMIT);
	stuck_start(&s[0]);
	stuck_start(&s[1]);
	updater_start(&u);
	await(&noted, 2);
	stuck_end(&s[0]);
	stuck_end(&s[1]);
	updater_end(&u);
	hush();
	entered = 0;
	handled_by(end_itself);
	nap(20000);
	expect(load(&entered) == 1, "it ends itself");
}

static int allowed[2];

static void guarded(int i)
{
	expect(load(&allowed[i]), "it is the one that is set");
	add(&entered, 1);
	nap(500);
	expect(load(&allowed[i]), "until it returns");
	add(&left, 1);
}

static void guarded_first(const struct umb_stall *stall)
{
	(void) stall;
	guarded(0);
}

static void guarded_second(const struct umb_stall *stall)
{
	(void) stall;
	guarded(1);
}

/* The old one does not run when the new one has been set. */
static void set_often(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;
	int before;

	(void) arg;
	stuck_start(&s);
	set_limit(guarded_first, MS);
	allowed[0] = 1;
	updater_start(&u);
	for (int i = 1; i < ROUNDS; i++) {
		before = load(&entered);
		store(&allowed[i % 2], 1);
		set_limit(i % 2 ? guarded_second : guarded_first, MS);
		store(&allowed[!(i % 2)], 0);
		await(&entered, before + 1);
	}
	hush();
	expect(load(&entered) == load(&left), "none runs any more");
	stuck_end(&s);
	updater_end(&u);
}

/* fork() */

static void child_stalls(void)
{
	struct stuck s = { 0 };

	alarm(CASE_SECONDS / 2);
	noted = 0;
	set_limit(note, LIMIT);
	one_stall(&s, 2);
	expect(notes[0].tid == s.tid && notes[0].count == 1,
	       "it is told of the child's own");
	hush();
}

static void expect_child(pid_t pid)
{
	int status;

	expect(pid > 0 && waitpid(pid, &status, 0) == pid && !status,
	       "the child ends well");
}

static void fork_meanwhile(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;
	pid_t child;

	(void) arg;
	set_limit(never_return, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	await(&entered, 1);
	child = fork();
	if (!child) {
		child_stalls();
		_exit(0);
	}
	expect_child(child);
	stuck_end(&s);
	updater_end(&u);
}

/* Between any two instructions of the reporter, as far as that may be had. */
static void fork_often(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;

	(void) arg;
	set_limit(note, MS);
	stuck_start(&s);
	updater_start(&u);
	for (int i = 0; i < ROUNDS / 4; i++) {
		pid_t child;

		/* It begins anew. */
		set_limit(note, MS);
		nap(i * 100);
		child = fork();
		if (!child) {
			child_stalls();
			_exit(0);
		}
		expect_child(child);
	}
	stuck_end(&s);
	updater_end(&u);
}

/* It is in a handler still, so nobody else is told. */
static void child_in_handler(void)
{
	uint64_t stalls = stats().stalls;
	struct stuck s = { 0 };
	struct updater u;

	alarm(CASE_SECONDS / 2);
	stuck_start(&s);
	updater_start(&u);
	while (stats().stalls < stalls + 2)
		nap(1000);
	expect(!load(&u.done), "the child's updaters wait");
	stuck_end(&s);
	updater_end(&u);
	_exit(0);
}

static void fork_in_handler(const struct umb_stall *stall)
{
	static int in_child;
	pid_t child;

	expect(!load(&in_child), "nobody else is told");
	child = fork();
	if (!child) {
		store(&in_child, 1);
		child_in_handler();
	}
	expect_child(child);
	add(&entered, 1);
	note(stall);
}

static void fork_inside(const void *arg)
{
	(void) arg;
	handled_by(fork_in_handler);
	hush();
	expect(load(&noted) == load(&entered), "the handler returns");
}

/* Its surroundings. */

static int handled;

static void host_handler(int signal)
{
	(void) signal;
	add(&handled, 1);
}

/* Those that anybody may send; not the alarm, which ends the case. */
static int is_host_signal(int signal)
{
	return signal != SIGKILL && signal != SIGSTOP && signal != SIGALRM
		&& signal != umb_fence_signal()
		&& (signal < 32 || signal >= SIGRTMIN);
}

static void take_signals(const struct umb_stall *stall)
{
	int detached = 0;
	pthread_attr_t attr;
	sigset_t mask;

	if (!pthread_getattr_np(pthread_self(), &attr)) {
		pthread_attr_getdetachstate(&attr, &detached);
		pthread_attr_destroy(&attr);
		expect(detached == PTHREAD_CREATE_DETACHED,
		       "nobody has to join its thread");
	}
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i <= SIGRTMAX; i++)
		if (is_host_signal(i)) {
			expect(sigismember(&mask, i), "signals are blocked");
			kill(getpid(), i);
		}
	add(&entered, 1);
	nap(5000);
	note(stall);
}

/* All other threads block them, so that they go to this one, or nowhere. */
static void signals(const void *arg)
{
	struct sigaction action = { .sa_handler = host_handler };
	sigset_t all, before;

	(void) arg;
	for (int i = 1; i <= SIGRTMAX; i++)
		if (is_host_signal(i))
			sigaction(i, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	handled_by(take_signals);
	hush();
	expect(!load(&handled), "no handler of the host has run");
	expect(!sigpending(&all) && sigismember(&all, SIGTERM),
	       "what was sent is still there");
}

static int threads_now(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	if (!dir)
		case_skip("no /proc");
	for (struct dirent *d; (d = readdir(dir)); )
		n += *d->d_name != '.';
	closedir(dir);
	return n;
}

static void nobody_stays(const void *arg)
{
	int before = threads_now();

	(void) arg;
	for (int i = 0; i < 3; i++)
		handled_by(ask);
	while (threads_now() != before)
		nap(1000);
	expect(stats().threads == 0, "nor any record");
}

/* While it is at it the process ends. */
static void exits(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;
	pid_t child = fork();

	(void) arg;
	if (child) {
		expect_child(child);
		return;
	}
	alarm(CASE_SECONDS / 2);
	set_limit(never_return, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	await(&entered, 1);
	exit(0);
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
		case_run(does, &acts[i], "a handler that %s", acts[i].name);
	case_run(blocks, NULL, "a handler that never returns");
	case_run(set_in_handler, NULL, "a handler that sets another");
	case_run(set_often, NULL, "one that is set in place of another");
	case_run(fork_meanwhile, NULL, "a fork while a handler runs");
	case_run(fork_often, NULL, "forks while reports are made");
	case_run(fork_inside, NULL, "a handler that forks");
	case_run(signals, NULL, "the host's signals");
	case_run(nobody_stays, NULL, "its thread ends");
	case_run(exits, NULL, "the process ends meanwhile");
	return tap_end();
}
