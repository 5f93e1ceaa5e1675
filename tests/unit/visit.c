/* SPDX-License-Identifier: MIT */

/*
 * Fences by visiting CPUs: where the caller runs meanwhile and afterwards, and
 * what it may not say of CPUs where it was not. White-box: calls into src/sys/cpu.c
 * and src/sys/signal.c go through this program, so that it sees each step, and
 * can do what a cpuset does.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fence/backend.h"
#include "fence/fence.h"
#include "tests/lib/cases.h"
#include "tests/lib/cpu.h"
#include "tests/lib/tap.h"
#include "thread/hold.h"

#define CALLERS		4
#define ROUNDS		20
#define CROWD		100	/* records */
#define BREATH		64	/* before the lock is free for a moment */
#define LEAVES		10
#define NO_TID		0x70000000U
#define LINE_MS		10000
#define STALL_NS	50000000
#define GRACE_US	20000	/* in which a fence must not end */

static cpu_set_t cpus;			/* that this program may use */
static int forbidden = -1;		/* a CPU, to callers only */
static int all_forbidden;		/* to set a mask at all */
static int no_membarrier;		/* nor is there another way */
static int lies;			/* so many calls lead elsewhere */
static int visits;			/* to single CPUs */
static int slow;			/* each takes milliseconds */
static int send_error;			/* instead of signals */
static int sends;
static cpu_set_t visited_cpus;

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* The linker puts these before the library's, see local.mk. */
int __real_umbi_cpus_set(const struct umbi_cpus *set);
int __wrap_umbi_cpus_set(const struct umbi_cpus *wanted);
int __real_umbi_signal_send(uint32_t tid, int signal);
int __wrap_umbi_signal_send(uint32_t tid, int signal);
int __real_umbi_membarrier(int cmd);
int __wrap_umbi_membarrier(int cmd);

int __wrap_umbi_membarrier(int cmd)
{
	return load(&no_membarrier) ? -ENOSYS : __real_umbi_membarrier(cmd);
}

int __wrap_umbi_cpus_set(const struct umbi_cpus *wanted)
{
	struct umbi_cpus set = *wanted;
	cpu_set_t seen;
	int ret, cpu = load(&forbidden);

	if (load(&all_forbidden))
		return -EPERM;
	if (lies && lies--)
		return 0;
	if (slow)
		usleep(1000);
	if (cpu >= 0)
		set.bits[(size_t) cpu / UMBI_CPU_BITS] &=
			~(1UL << (size_t) cpu % UMBI_CPU_BITS);
	ret = __real_umbi_cpus_set(&set);
	if (!ret && !sched_getaffinity(0, sizeof seen, &seen)
	    && CPU_COUNT(&seen) == 1) {
		__atomic_fetch_add(&visits, 1, __ATOMIC_SEQ_CST);
		if (!worker_self())
			CPU_OR(&visited_cpus, &visited_cpus, &seen);
	}
	return ret;
}

/* Records without threads, in the order of the registry. */
static umbi_reader crowd[CROWD];

/*
 * Under the lock, before the scan breathes: what another thread does while it
 * breathes. The last record is put where the scan has still to come.
 */
static void leave_meanwhile(const umbi_reader *asked)
{
	if (asked == &crowd[BREATH])
		umbi_registry_remove(&umbi_registry, &crowd[LEAVES]);
}

int __wrap_umbi_signal_send(uint32_t tid, int signal)
{
	if (tid >= NO_TID) {
		leave_meanwhile(&crowd[tid - NO_TID]);
		return 0;	/* and it never comes */
	}
	if (signal)
		__atomic_fetch_add(&sends, 1, __ATOMIC_SEQ_CST);
	if (load(&send_error))
		return load(&send_error);
	return __real_umbi_signal_send(tid, signal);
}

static int is_in(const struct umbi_cpus *set, int cpu)
{
	return set->bits[(size_t) cpu / UMBI_CPU_BITS]
		>> (size_t) cpu % UMBI_CPU_BITS & 1;
}

static void limit_to(const cpu_set_t *set)
{
	expect(!sched_setaffinity(0, sizeof *set, set), "sched_setaffinity");
}

static void expect_mask(const cpu_set_t *set)
{
	cpu_set_t now;

	expect(!sched_getaffinity(0, sizeof now, &now) && CPU_EQUAL(&now, set),
	       "the caller's CPUs are what they were");
}

static void expect_nobody_waits(void)
{
	for (int i = 0; i < UMBI_SCOPES; i++)
		expect(!load((int *) &umbi_hold_barriers[i].outstanding),
		       "nobody waits");
}

static void two_cpus(void)
{
	if (CPU_COUNT(&cpus) < 2)
		case_skip("one CPU only");
}

/* To the CPUs of the caller's, and to these. */
static struct umbi_cpus visit(const cpu_set_t *wanted)
{
	struct umbi_cpus set = { { 0 } }, visited = { { 0 } };

	for (int cpu = 0; wanted && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, wanted))
			set.bits[(size_t) cpu / UMBI_CPU_BITS]
				|= 1UL << (size_t) cpu % UMBI_CPU_BITS;
	expect(!umbi_visit(&set, &visited), "the visit succeeds");
	return visited;
}

/* Answers that there are already. */
static void run_spared(const void *arg)
{
	struct umbi_cpus set = { { 0 } }, visited;

	(void) arg;
	expect(!umbi_fence_visit.prepare(), "visits are possible");
	memset(&visited, 0xFF, sizeof visited);
	expect(!umbi_visit(&set, &visited), "the visit succeeds");
	expect(!load(&visits), "it goes nowhere");
}

static void run_visit(const void *arg)
{
	struct umbi_cpus visited;
	cpu_set_t all = cpus;

	(void) arg;
	expect(!umbi_fence_visit.prepare(), "visits are possible");
	visited = visit(NULL);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		expect(is_in(&visited, cpu) == !!CPU_ISSET(cpu, &cpus),
		       "it names the CPUs of this program");
	for (int i = 0; i < ROUNDS; i++) {
		int cpu = cpu_nth(&cpus, i), other = cpu_nth(&cpus, i + 1);

		/* From where it begins it need not go there. */
		cpu_pin(cpu);
		CPU_ZERO(&visited_cpus);
		visited = visit(&cpus);
		CPU_SET(cpu, &visited_cpus);
		expect(CPU_ISSET(other, &visited_cpus), "it was on the others");
		expect(is_in(&visited, other), "and says so");
	}
	CPU_AND(&visited_cpus, &visited_cpus, &all);
	expect(CPU_EQUAL(&visited_cpus, &all), "on all");
}

/* Others set our mask meanwhile, or a CPU goes. */
static void run_elsewhere(const void *arg)
{
	struct umbi_cpus visited;
	int gone = cpu_nth(&cpus, 1);

	(void) arg;
	two_cpus();
	cpu_pin(cpu_nth(&cpus, 0));
	expect(!umbi_fence_visit.prepare(), "visits are possible");
	/* It has another try. */
	lies = 1;
	visited = visit(&cpus);
	expect(is_in(&visited, gone), "it came there all the same");
	lies = 0;
	store(&forbidden, gone);
	visited = visit(&cpus);
	expect(!is_in(&visited, gone), "it does not name where it was not");
}

/* The n-th mask to begin with: all, or a single CPU. */
static cpu_set_t nth_mask(int n)
{
	cpu_set_t set = cpus;

	if (n) {
		CPU_ZERO(&set);
		CPU_SET(cpu_nth(&cpus, n - 1), &set);
	}
	return set;
}

/* Fences, from each mask; afterwards it is there again. */
static void fence_from_masks(void)
{
	for (int n = 0; n <= CPU_COUNT(&cpus) && n < ROUNDS; n++) {
		cpu_set_t mask = nth_mask(n);

		limit_to(&mask);
		errno = CASE_ERRNO;
		for (int i = 0; i < ROUNDS; i++) {
			umb_fence_heavy();
			expect_mask(&mask);
			urcu_membarrier_synchronize_rcu();
			expect_mask(&mask);
		}
		expect(errno == CASE_ERRNO, "errno stays");
	}
	limit_to(&cpus);
}

static void run_mask(const void *arg)
{
	struct worker pinned, free_one;

	(void) arg;
	case_mode(UMB_FENCE_VISIT);
	worker_start(&pinned, READS | SLEEPS, cpu_nth(&cpus, 1));
	worker_start(&free_one, 0, -1);
	fence_from_masks();
	worker_stop(&pinned);
	worker_stop(&free_one);
	expect(load(&visits) > 0, "there were visits");
	expect(umb_fence_mode() == UMB_FENCE_VISIT, "the mode stays");
}

/* In signal mode, for those who block it. */
static void run_blocked(const void *arg)
{
	struct worker w[3];

	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	worker_start(&w[0], BLOCKED | SLEEPS | READS, cpu_nth(&cpus, 1));
	worker_start(&w[1], BLOCKED | READS, -1);
	worker_start(&w[2], SLEEPS, -1);
	fence_from_masks();
	expect(load(&visits) > 0, "there were visits");
	expect(w[0].record->asked == UMBI_ASKED_BY_SIGNAL
	       && w[1].record->asked == UMBI_ASKED_BY_SIGNAL,
	       "a signal is on its way to them, and nothing else");
	expect_nobody_waits();
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode stays");
	for (int i = 0; i < 3; i++)
		worker_stop(&w[i]);
}

struct caller {
	pthread_t thread;
	int n;
};

static void *call_fences(void *arg)
{
	struct caller *c = arg;
	cpu_set_t mask = nth_mask(c->n % (CPU_COUNT(&cpus) + 1));
	struct worker w;

	limit_to(&mask);
	if (c->n % 2)
		worker_become(&w);
	errno = CASE_ERRNO;
	for (int i = 0; i < 5 * ROUNDS; i++) {
		if (c->n % 3)
			umb_fence_heavy();
		else
			urcu_membarrier_synchronize_rcu();
		expect_mask(&mask);
	}
	expect(errno == CASE_ERRNO, "errno stays");
	return NULL;
}

static void run_callers(const void *arg)
{
	struct caller c[CALLERS];
	struct worker reader;

	(void) arg;
	case_mode(UMB_FENCE_VISIT);
	worker_start(&reader, READS | SLEEPS, -1);
	for (int i = 0; i < CALLERS; i++) {
		c[i].n = i;
		pthread_create(&c[i].thread, NULL, call_fences, &c[i]);
	}
	for (int i = 0; i < CALLERS; i++)
		pthread_join(c[i].thread, NULL);
	worker_stop(&reader);
	expect(umb_fence_mode() == UMB_FENCE_VISIT, "the mode stays");
}

/* A thread where the caller may not go, and which takes no signals. */
static struct {
	pthread_t thread;
	struct urcu_membarrier_reader *record;
	int ready, act;
	void (*how)(void);
} far;

static int fence_ended;

static void take_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void unregister(void)
{
	urcu_membarrier_unregister_thread();
}

static void exit_thread(void)
{
	pthread_exit(NULL);
}

static void come_here(void)
{
	cpu_pin(cpu_nth(&cpus, 0));
}

static void *stay_far(void *arg)
{
	sigset_t all;

	(void) arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	cpu_pin(cpu_nth(&cpus, 1));
	urcu_membarrier_thread_online();
	far.record = &urcu_membarrier_reader;
	store(&far.ready, 1);
	while (!load(&far.act))
		;
	far.how();
	while (!load(&fence_ended))
		usleep(1000);
	return NULL;
}

static void *one_fence(void *arg)
{
	/* Where the caller's cpuset ends is where the far one is. */
	cpu_pin(cpu_nth(&cpus, 0));
	if (arg)
		umbi_fence_online();
	else
		umb_fence_heavy();
	store(&fence_ended, 1);
	return NULL;
}

static void start_far(void (*how)(void))
{
	two_cpus();
	far.how = how;
	pthread_create(&far.thread, NULL, stay_far, NULL);
	while (!load(&far.ready))
		usleep(100);
}

static const struct ending {
	const char *name;
	void (*how)(void);
} endings[] = {
	{ "until it takes the signal", take_signals },
	{ "until it unregisters", unregister },
	{ "until it exits", exit_thread },
	{ "until it comes to another CPU", come_here },
};

static int lines;			/* a pipe, which is stderr */

static void catch_lines(void)
{
	int fds[2];

	expect(!pipe2(fds, O_NONBLOCK) && dup2(fds[1], STDERR_FILENO) >= 0,
	       "pipe");
	lines = fds[0];
	umb_stall_set(NULL, STALL_NS);
}

static int lines_written(void)
{
	char text[4096];
	ssize_t n = read(lines, text, sizeof text);
	int count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += text[i] == '\n';
	return count;
}

/* It says so on stderr when it has waited for long. And on it goes. */
static void expect_that_it_waits(int scope)
{
	struct pollfd p = { .fd = lines, .events = POLLIN };

	expect(poll(&p, 1, LINE_MS) == 1 && lines_written() == 1,
	       "there is a line on stderr");
	umb_stall_set(NULL, 0);
	usleep(GRACE_US);
	expect(!load(&fence_ended), "a fence waits for the thread");
	expect(far.record->asked & umbi_hold_barriers[scope].flag,
	       "its record says so");
}

static void wait_for_far(const struct ending *e, int scope)
{
	pthread_t caller;

	catch_lines();
	case_mode(UMB_FENCE_SIGNAL);
	store(&no_membarrier, 1);
	start_far(e->how);
	store(&forbidden, cpu_nth(&cpus, 1));
	pthread_create(&caller, NULL, one_fence,
		       scope == UMBI_ONLINE ? "" : NULL);
	expect_that_it_waits(scope);
	store(&far.act, 1);
	pthread_join(caller, NULL);
	pthread_join(far.thread, NULL);
	expect_nobody_waits();
	expect(!lines_written(), "there is one line only");
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode stays");
}

static void run_far(const void *arg)
{
	wait_for_far(arg, UMBI_EVERYBODY);
}

static void run_far_online(const void *arg)
{
	wait_for_far(arg, UMBI_ONLINE);
}

/* The visit mode cannot wait: it lets another mode do it, this time. */
static void run_far_visit(const void *arg)
{
	(void) arg;
	case_needs_membarrier();	/* which can do it */
	case_mode(UMB_FENCE_VISIT);
	start_far(unregister);
	store(&forbidden, cpu_nth(&cpus, 1));
	one_fence(NULL);
	expect(umb_fence_mode() == UMB_FENCE_VISIT, "the mode stays");
	store(&far.act, 1);
	pthread_join(far.thread, NULL);
}

static void run_refused(const void *arg)
{
	enum umb_fence_mode before = umb_fence_mode();

	(void) arg;
	case_needs_membarrier();	/* or visits were tried out at load */
	store(&all_forbidden, 1);
	expect(umb_fence_select(UMB_FENCE_VISIT) == -ENOTSUP, "-ENOTSUP");
	expect(umb_fence_mode() == before, "the mode stays");
}

static void run_refused_later(const void *arg)
{
	struct worker w;

	(void) arg;
	case_mode(UMB_FENCE_VISIT);
	worker_start(&w, SLEEPS, -1);
	store(&all_forbidden, 1);
	errno = CASE_ERRNO;
	umb_fence_heavy();
	expect(errno == CASE_ERRNO, "errno stays");
	expect(umb_fence_mode() != UMB_FENCE_VISIT, "another mode is in use");
	worker_stop(&w);
}

static void run_refused_blocked(const void *arg)
{
	pthread_t caller;

	(void) arg;
	catch_lines();
	case_mode(UMB_FENCE_SIGNAL);
	store(&no_membarrier, 1);
	start_far(take_signals);
	store(&all_forbidden, 1);
	pthread_create(&caller, NULL, one_fence, NULL);
	expect_that_it_waits(UMBI_EVERYBODY);
	store(&far.act, 1);
	pthread_join(caller, NULL);
	pthread_join(far.thread, NULL);
	expect_nobody_waits();
}

/* Where membarrier works nobody waits for long for such a thread. */
static void run_refused_once(const void *arg)
{
	(void) arg;
	case_needs_membarrier();
	case_mode(UMB_FENCE_SIGNAL);
	start_far(take_signals);
	store(&all_forbidden, 1);
	one_fence(NULL);
	expect(umb_fence_mode() == UMB_FENCE_SIGNAL, "the mode stays");
	store(&far.act, 1);
	pthread_join(far.thread, NULL);
	expect_nobody_waits();
}

/* A record that a scan comes by twice is waited for once. */
static void run_twice(const void *arg)
{
	(void) arg;
	case_mode(UMB_FENCE_SIGNAL);
	/* So that signals to all look cheaper. */
	slow = 1;
	for (int i = 0; i < ROUNDS; i++)
		visit(&cpus);
	slow = 0;
	umbi_lock(&umbi_registry.lock);
	for (uint32_t i = 0; i < CROWD; i++) {
		crowd[i].tid = NO_TID + i;
		umbi_registry_add(&umbi_registry, &crowd[i]);
	}
	umbi_unlock(&umbi_registry.lock);
	umb_fence_heavy();
	expect(crowd[0].asked == UMBI_ASKED_BY_SIGNAL, "all were asked");
	expect(umbi_thread_count() == CROWD - 1, "one has left meanwhile");
	expect_nobody_waits();
}

/* What the kernel says to a signal, and who has to do it then. */
static const struct refusal {
	const char *name;
	int error;
	int fence_visits;	/* each fence does */
	int mode_stays;
} refusals[] = {
	{ "no room in the queue", -EAGAIN, 1, 1 },
	{ "no such thread", -ESRCH, 1, 1 },
	{ "forbidden", -EPERM, 1, 0 },
};

static void run_refusal(const void *arg)
{
	const struct refusal *r = arg;
	struct worker w;

	two_cpus();
	case_mode(UMB_FENCE_SIGNAL);
	cpu_pin(cpu_nth(&cpus, 0));
	worker_start(&w, SLEEPS, cpu_nth(&cpus, 1));
	store(&send_error, r->error);
	for (int i = 1; i <= ROUNDS; i++) {
		int before = load(&visits);

		umb_fence_heavy();
		if (!r->mode_stays)
			break;
		expect(r->fence_visits == (load(&visits) > before),
		       "it visits if it has to");
		expect(load(&sends) == i, "each fence tries once");
		expect(!w.record->asked, "and leaves nothing behind");
	}
	expect_nobody_waits();
	expect(r->mode_stays == (umb_fence_mode() == UMB_FENCE_SIGNAL),
	       "the mode stays, or does not");
	expect(!(w.record->asked & ~UMBI_ASKED_BY_SIGNAL),
	       "the thread is not waited for");
	worker_stop(&w);
}

static const struct {
	const char *name;
	void (*run)(const void *arg);
} cases[] = {
	{ "a visit goes to all CPUs", run_visit },
	{ "a visit where there were answers", run_spared },
	{ "a visit that is led elsewhere", run_elsewhere },
	{ "visit mode: the caller's mask and errno", run_mask },
	{ "visit mode: many callers", run_callers },
	{ "signal mode, blocked signals: mask and errno", run_blocked },
	{ "visit mode, a thread where the caller may not go", run_far_visit },
	{ "visit mode: refused", run_refused },
	{ "visit mode: refused later", run_refused_later },
	{ "signal mode: visits are refused", run_refused_blocked },
	{ "signal mode: visits are refused, membarrier is not",
	  run_refused_once },
	{ "signal mode: a record moves down while it is asked", run_twice },
};

int main(int argc, char **argv)
{
	case_main(argc, argv);
	if (sched_getaffinity(0, sizeof cpus, &cpus)) {
		puts("Bail out! no sched_getaffinity");
		return 1;
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		case_run(cases[i].run, NULL, "%s", cases[i].name);
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		case_run(run_refusal, &refusals[i], "signals are refused: %s",
			 refusals[i].name);
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		case_run(run_far, &endings[i],
			 "a thread where the caller may not go: %s",
			 endings[i].name);
		case_run(run_far_online, &endings[i],
			 "the same, by a grace period's fence: %s",
			 endings[i].name);
	}
	return tap_end();
}
