/* SPDX-License-Identifier: MIT */

/*
 * Many threads, and difficult ones, in the modes that reach threads one by one:
 * those that come and go while fences run, that are stopped, that nobody can
 * send a signal, that fence each other. A step that waits for too much hangs;
 * the alarm ends it. White-box: afterwards no record may carry a flag that
 * nobody will take away.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/backend.h"
#include "fence/fence.h"
#include "tests/lib/cases.h"
#include "tests/lib/tap.h"
#include "thread/hold.h"

#define PASSING		600		/* threads, all in all */
#define BATCH		8		/* at a time */
#define IDLE		2000
#define CALLERS		2
#define FENCES		20
#define DUEL_SECONDS	1
#define RECORDS		200
#define ANSWERS		20000

static int stop;
static unsigned int fences;

static const enum umb_fence_mode modes[] = {
	UMB_FENCE_SIGNAL, UMB_FENCE_VISIT,
};

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static enum umb_fence_mode mode_of(const void *arg)
{
	return *(const enum umb_fence_mode *) arg;
}

/* All callers have returned; `blocked`: some threads take no signal. */
static void expect_quiet(enum umb_fence_mode mode, int blocked)
{
	umbi_reader *reader;

	for (int i = 0; i < UMBI_SCOPES; i++)
		expect(!umbi_hold_barriers[i].outstanding, "nobody waits");
	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry); (reader = umbi_scan_next(&s)); )
		expect(!(__atomic_load_n(&reader->asked, __ATOMIC_SEQ_CST)
			 & ~UMBI_ASKED_BY_SIGNAL), "nobody is waited for");
	umbi_unlock(&umbi_registry.lock);
	expect(umb_fence_mode() == mode, "the mode has stayed");
	/* What is on its way arrives, where it can. */
	for (long begin = now_seconds(); !blocked && umbi_thread_count(); ) {
		uint32_t asked = 0;

		umbi_lock(&umbi_registry.lock);
		for (struct umbi_scan s = umbi_scan(&umbi_registry);
		     (reader = umbi_scan_next(&s)); )
			asked |= __atomic_load_n(&reader->asked,
						 __ATOMIC_SEQ_CST);
		umbi_unlock(&umbi_registry.lock);
		if (!asked || !expect(wait_a_little(begin), "all answer"))
			break;
	}
}

/* The even ones call public fences, the odd ones grace periods. */
static void *call_fences(void *arg)
{
	size_t n = (size_t) arg;
	struct worker w;

	if (n & 2)
		worker_become(&w);
	while (!load(&stop)) {
		if (n & 1)
			urcu_membarrier_synchronize_rcu();
		else
			umb_fence_heavy();
		__atomic_fetch_add(&fences, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *pass_by(void *arg)
{
	size_t n = (size_t) arg;
	sigset_t all;

	sigfillset(&all);
	if (n & 1)
		pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (size_t i = n % 5; i; i--) {
		urcu_membarrier_read_lock();
		urcu_membarrier_read_unlock();
		if (i & 1)
			urcu_membarrier_unregister_thread();
		umb_fence_register_thread();
	}
	umb_fence_register_thread();
	return NULL;
}

static void run_passing(const void *arg)
{
	pthread_t caller[CALLERS], thread[BATCH];

	case_mode(mode_of(arg));
	for (size_t i = 0; i < CALLERS; i++)
		pthread_create(&caller[i], NULL, call_fences, (void *) i);
	for (size_t n = 0; n < PASSING; n += BATCH) {
		for (size_t i = 0; i < BATCH; i++)
			if (pthread_create(&thread[i], NULL, pass_by,
					   (void *) (n + i)))
				case_skip("no thread");
		for (size_t i = 0; i < BATCH; i++)
			pthread_join(thread[i], NULL);
	}
	store(&stop, 1);
	for (size_t i = 0; i < CALLERS; i++)
		pthread_join(caller[i], NULL);
	expect(fences > 0, "there were fences");
	expect(!umbi_thread_count(), "all have left");
	expect_quiet(mode_of(arg), 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned int idle;

static void *stand_idle(void *arg)
{
	umb_fence_register_thread();
	if (arg)
		urcu_membarrier_thread_online();
	pthread_mutex_lock(&mutex);
	idle++;
	while (!load(&stop))
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* As many as this machine has room for; how many? */
static size_t start_idle(pthread_t *thread)
{
	pthread_attr_t attr;
	size_t n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (n < IDLE && !pthread_create(&thread[n], &attr, stand_idle,
					   n % 4 ? NULL : ""))
		n++;
	pthread_attr_destroy(&attr);
	for (unsigned int seen = 0; seen < n; usleep(1000)) {
		pthread_mutex_lock(&mutex);
		seen = idle;
		pthread_mutex_unlock(&mutex);
	}
	return n;
}

static void run_idle(const void *arg)
{
	static pthread_t thread[IDLE];
	pthread_t caller[CALLERS];
	size_t n;

	case_mode(mode_of(arg));
	n = start_idle(thread);
	case_note("%zu idle threads", n);
	for (size_t i = 0; i < CALLERS; i++)
		pthread_create(&caller[i], NULL, call_fences,
			       (void *) (i + 2));
	while (__atomic_load_n(&fences, __ATOMIC_SEQ_CST) < 10 * FENCES)
		usleep(1000);
	pthread_mutex_lock(&mutex);
	store(&stop, 1);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (size_t i = 0; i < CALLERS; i++)
		pthread_join(caller[i], NULL);
	expect_quiet(mode_of(arg), 0);
	while (n)
		pthread_join(thread[--n], NULL);
}

/* Both scopes have a leader; one of the two takes no signals. */
static void *duel(void *arg)
{
	sigset_t all;
	long begin = now_seconds();
	struct worker w;

	sigfillset(&all);
	if (arg)
		pthread_sigmask(SIG_SETMASK, &all, NULL);
	worker_become(&w);
	while (now_seconds() - begin <= DUEL_SECONDS) {
		if (arg) {
			urcu_membarrier_synchronize_rcu();
			urcu_membarrier_thread_online();
		} else {
			umb_fence_heavy();
		}
		__atomic_fetch_add(&fences, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void run_duel(const void *arg)
{
	pthread_t thread[2];
	struct worker reader[2];
	size_t blocked = mode_of(arg) == UMB_FENCE_SIGNAL;

	case_mode(mode_of(arg));
	worker_start(&reader[0], READS, -1);
	worker_start(&reader[1], READS | SLEEPS, -1);
	pthread_create(&thread[0], NULL, duel, NULL);
	pthread_create(&thread[1], NULL, duel, blocked ? "" : NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	case_note("%u fences", fences);
	expect_quiet(mode_of(arg), 0);
	for (int i = 0; i < 2; i++)
		worker_stop(&reader[i]);
}

/*
 * The two scopes' leaders ask the same thread, at the same time: no answer gets
 * lost, none is given twice.
 */
static void *call_scope(void *arg)
{
	while (!load(&stop)) {
		if (arg)
			umbi_fence_signal.run(UMBI_ONLINE);
		else
			umbi_fence_signal.run(UMBI_EVERYBODY);
		__atomic_fetch_add(&fences, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void run_scopes(const void *arg)
{
	pthread_t thread[UMBI_SCOPES];
	struct worker reader;

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&reader, READS, -1);
	for (size_t i = 0; i < UMBI_SCOPES; i++)
		pthread_create(&thread[i], NULL, call_scope, i ? "" : NULL);
	sleep(DUEL_SECONDS);
	store(&stop, 1);
	for (int i = 0; i < UMBI_SCOPES; i++)
		pthread_join(thread[i], NULL);
	case_note("%u fences", fences);
	expect_quiet(UMB_FENCE_SIGNAL, 0);
	worker_stop(&reader);
}

static void run_answer(const void *arg)
{
	struct umbi_hold *hold = &umbi_hold_barriers[UMBI_ONLINE];
	struct worker w;

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w, SLEEPS, -1);
	for (int i = 0; i < FENCES; i++) {
		umbi_hold_open(hold);
		umbi_lock(&umbi_registry.lock);
		umbi_hold_add(hold, &w.record->asked, 0);
		umbi_unlock(&umbi_registry.lock);
		umbi_hold_close(hold);
		expect(!umbi_hold_wait(hold, 0, 1000000), "nobody has told it");
		umbi_signal_send((uint32_t) w.tid, umb_fence_signal());
		/* No limit: the wake is all there is. */
		expect(umbi_hold_wait(hold, 0, UMBI_FOREVER), "the answer wakes");
	}
	worker_stop(&w);
	expect_quiet(UMB_FENCE_SIGNAL, 0);
}

/* Answers without end, and without being asked. */
static void *answer(void *arg)
{
	struct worker *w = arg;

	worker_become(w);
	store(&w->ready, 1);
	while (!load(&w->stop))
		umbi_hold_answer(w->record);
	return NULL;
}

struct asker {
	pthread_t thread;
	struct umbi_hold *hold;
	struct worker *w;
};

/* In every other round it lets go too: one of the two counts. */
static void *ask(void *arg)
{
	struct asker *a = arg;

	for (int i = 0; i < ANSWERS; i++) {
		umbi_hold_open(a->hold);
		umbi_hold_add(a->hold, &a->w->record->asked, 0);
		umbi_hold_close(a->hold);
		if (i & 1)
			umbi_hold_drop(a->hold, &a->w->record->asked);
		umbi_hold_wait(a->hold, 0, UMBI_FOREVER);
	}
	return NULL;
}

static void run_answers(const void *arg)
{
	struct asker askers[UMBI_SCOPES];
	struct worker w = { .stop = 0 };

	(void) arg;
	case_mode(UMB_FENCE_VISIT);
	pthread_create(&w.thread, NULL, answer, &w);
	while (!load(&w.ready))
		usleep(100);
	for (int i = 0; i < UMBI_SCOPES; i++) {
		askers[i] = (struct asker) {
			.hold = &umbi_hold_barriers[i], .w = &w,
		};
		pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
	}
	for (int i = 0; i < UMBI_SCOPES; i++)
		pthread_join(askers[i].thread, NULL);
	store(&w.stop, 1);
	pthread_join(w.thread, NULL);
	expect_quiet(UMB_FENCE_VISIT, 0);
}

/* Stops a thread of its parent, and holds it until told to go. */
static void trace(pid_t tid, int from, int to)
{
	char c = 0;
	int status;

	alarm(CASE_SECONDS);
	if (!ptrace(PTRACE_SEIZE, tid, NULL, NULL)
	    && !ptrace(PTRACE_INTERRUPT, tid, NULL, NULL)
	    && waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status))
		c = 1;
	if (write(to, &c, 1) == 1 && read(from, &c, 1) == 1)
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
	_exit(0);
}

static void run_stopped(const void *arg)
{
	int in[2], out[2];
	struct worker w;
	char c = 0;
	pid_t pid;

	case_mode(mode_of(arg));
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	worker_start(&w, READS, -1);
	expect(!pipe(in) && !pipe(out), "pipe");
	pid = fork();
	if (!pid)
		trace(w.tid, in[0], out[1]);
	if (pid < 0 || read(out[0], &c, 1) != 1 || !c)
		case_skip("no ptrace");
	for (int i = 0; i < FENCES; i++)
		umb_fence_heavy();
	for (int i = 0; i < FENCES; i++)
		umbi_fence_online();
	expect(write(in[1], &c, 1) == 1, "write");
	waitpid(pid, NULL, 0);
	expect_quiet(mode_of(arg), 0);
	worker_stop(&w);
}

static void run_all_blocked(const void *arg)
{
	struct worker w[4];
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	case_mode(mode_of(arg));
	for (unsigned int i = 0; i < 4; i++)
		worker_start(&w[i], BLOCKED | (i & 1 ? READS : 0)
			     | (i & 2 ? SLEEPS : 0), -1);
	for (int i = 0; i < FENCES; i++) {
		umb_fence_heavy();
		urcu_membarrier_synchronize_rcu();
	}
	expect_quiet(mode_of(arg), 1);
	for (int i = 0; i < 4; i++)
		worker_stop(&w[i]);
}

/* A scan that breathes, at a multiple of 64, and most of the records leave. */
static void run_breath(const void *arg)
{
	static umbi_reader records[RECORDS];
	struct umbi_scan s;
	umbi_reader *reader;
	size_t removed = 0;

	(void) arg;
	umbi_lock(&umbi_registry.lock);
	for (size_t i = 0; i < RECORDS; i++) {
		umbi_registry_add(&umbi_registry, &records[i]);
		records[i].registered = 1;
	}
	for (s = umbi_scan(&umbi_registry); (reader = umbi_scan_next(&s));
	     umbi_scan_breathe(&s)) {
		expect(reader->registered, "none that has left is found");
		while (removed < RECORDS - 20 && s.left == 128) {
			records[removed].registered = 0;
			umbi_registry_remove(&umbi_registry, &records[removed++]);
		}
	}
	while (removed < RECORDS)
		umbi_registry_remove(&umbi_registry, &records[removed++]);
	umbi_unlock(&umbi_registry.lock);
	expect(!umbi_thread_count(), "all have left");
}

static const struct {
	const char *name;
	void (*run)(const void *arg);
} cases[] = {
	{ "threads that come and go", run_passing },
	{ "thousands of idle threads", run_idle },
	{ "two leaders", run_duel },
	{ "a thread that a debugger has stopped", run_stopped },
	{ "all threads block all signals, the caller too", run_all_blocked },
};

int main(int argc, char **argv)
{
	case_main(argc, argv);
	for (int m = 0; m < 2; m++)
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
			case_run(cases[i].run, &modes[m], "%s: %s",
				 umb_fence_mode_name(modes[m]), cases[i].name);
	case_run(run_scopes, NULL, "both scopes ask one thread");
	case_run(run_answer, NULL, "an answer wakes who waits for it");
	case_run(run_answers, NULL, "each answer counts, and once");
	case_run(run_breath, NULL, "a scan, while threads leave");
	return tap_end();
}
