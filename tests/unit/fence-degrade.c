/* SPDX-License-Identifier: MIT */

/*
 * What the heavy fence needs is refused while the program runs, by a filter.
 * Each case in a process of its own, with readers beside it: it must go on, in
 * the next mode that is left, and abort only where there is none.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/sys.h"
#include "tests/lib/policy.h"
#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define LIMIT_SECONDS	60
#define MODES		((int) UMB_FENCE_VISIT)
#define BIT(mode)	(1U << UMB_FENCE_##mode)
/* The expedited modes both need the private command. */
#define EXPEDITED	(BIT(PRIVATE_EXPEDITED) | BIT(GLOBAL_EXPEDITED))
#define ALL		(EXPEDITED | BIT(GLOBAL))
#define EVERYTHING	(ALL | BIT(SIGNAL) | BIT(VISIT))

#define PRIVATE(error) \
	COMMAND(REFUSE(error), UMBI_MEMBARRIER_PRIVATE_EXPEDITED)
#define GLOBAL(error) \
	COMMAND(REFUSE(error), UMBI_MEMBARRIER_GLOBAL_EXPEDITED)
#define NO_MEMBARRIER	MEMBARRIER(REFUSE(ENOSYS))
#define NO_SIGNAL	SENDING(REFUSE(EPERM), SIGURG)
#define NO_CPUS		ALL_OF(sched_setaffinity, REFUSE(EPERM))

static int one_reads(const struct policy_rule *rules);
static int one_blocks(const struct policy_rule *rules);
static int updater_sleeps(const struct policy_rule *rules);

static const struct refusal {
	const char *what;
	struct policy_rule rules[POLICY_RULES];
	unsigned int modes;		/* that are no more */
	/* What goes on meanwhile. Nonzero: no filter. */
	int (*act)(const struct policy_rule *rules);
} refusals[] = {
	{ "ENOSYS for private-expedited", { PRIVATE(ENOSYS) }, EXPEDITED,
	  one_reads },
	{ "EPERM for private-expedited", { PRIVATE(EPERM) }, EXPEDITED,
	  one_reads },
	{ "EACCES for both expedited modes",
	  { PRIVATE(EACCES), GLOBAL(EACCES) }, EXPEDITED, one_reads },
	{ "ENOMEM for private-expedited, the step is not for good",
	  { PRIVATE(ENOMEM) }, 0, one_reads },
	{ "ENOSYS for all", { NO_MEMBARRIER }, ALL, one_reads },
	{ "EPERM for all", { MEMBARRIER(REFUSE(EPERM)) }, ALL, one_reads },
	{ "ENOSYS for all, the updater sleeps on readers", { NO_MEMBARRIER },
	  ALL, updater_sleeps },
	{ "membarrier and signals", { NO_MEMBARRIER, NO_SIGNAL },
	  ALL | BIT(SIGNAL), one_reads },
	{ "membarrier and signals, the updater sleeps on readers",
	  { NO_MEMBARRIER, NO_SIGNAL }, ALL | BIT(SIGNAL), updater_sleeps },
	{ "membarrier and CPUs", { NO_MEMBARRIER, NO_CPUS }, ALL | BIT(VISIT),
	  one_reads },
	{ "membarrier and CPUs, until a reader unblocks the signal",
	  { NO_MEMBARRIER, NO_CPUS }, ALL | BIT(VISIT), one_blocks },
	{ "membarrier, signals and CPUs", { NO_MEMBARRIER, NO_SIGNAL, NO_CPUS },
	  EVERYTHING, one_reads },
};

static int stop;
static int inside;			/* readers that have read */
static int held;			/* sections stay open meanwhile */
static int filtered, open_again;
static int bad;

static void nap(long ms)
{
	struct timespec t = { 0, ms * 1000000 };

	nanosleep(&t, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void *reader(void *arg)
{
	int known = 0;

	while (!load(&stop)) {
		rcu_read_lock();
		if (!known)
			__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST);
		known = 1;
		while (load(&held))
			nap(1);
		rcu_read_unlock();
	}
	return arg;
}

static void mask(int how, int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	pthread_sigmask(how, &set, NULL);
}

/* Deaf, and running, until the fence has waited for a while. */
static void *deaf_reader(void *arg)
{
	mask(SIG_BLOCK, umb_fence_signal());
	rcu_read_lock();
	rcu_read_unlock();
	__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST);
	while (!load(&filtered))
		;
	for (uint64_t end = now_ms() + 50; now_ms() < end; )
		;
	store(&open_again, 1);
	mask(SIG_UNBLOCK, umb_fence_signal());
	return arg;
}

static void start(pthread_t *threads, int count, void *(*run)(void *))
{
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, run, NULL);
	while (load(&inside) < count)
		nap(1);
}

static void end(pthread_t *threads, int count)
{
	store(&stop, 1);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static int one_reads(const struct policy_rule *rules)
{
	pthread_t thread;

	start(&thread, 1, reader);
	synchronize_rcu();
	if (policy_load(rules))
		return -1;
	for (int i = 0; i < 3; i++)
		synchronize_rcu();
	end(&thread, 1);
	return 0;
}

static int one_blocks(const struct policy_rule *rules)
{
	pthread_t thread;

	start(&thread, 1, deaf_reader);
	if (policy_load(rules))
		return -1;
	store(&filtered, 1);
	umb_fence_heavy();
	bad = !load(&open_again);
	end(&thread, 1);
	return 0;
}

static void *updater(void *arg)
{
	for (int i = 0; i < 20; i++)
		synchronize_rcu();
	return arg;
}

static int updater_sleeps(const struct policy_rule *rules)
{
	pthread_t threads[4], sleeper;

	store(&held, 1);
	start(threads, 4, reader);
	pthread_create(&sleeper, NULL, updater, NULL);
	nap(50);
	if (policy_load(rules))
		return -1;
	store(&held, 0);
	pthread_join(sleeper, NULL);
	/* Each thread finds out for itself. */
	synchronize_rcu();
	end(threads, 4);
	return 0;
}

/* Exit status: 0 good, 1 bad, 77 no filter. */
static int refused(const struct refusal *r, enum umb_fence_mode mode)
{
	static const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	/* It may come blocked, and then nobody would miss it. */
	mask(SIG_UNBLOCK, umb_fence_signal());
	alarm(LIMIT_SECONDS);
	if (r->act(r->rules))
		return 77;
	return bad || umb_fence_mode() != mode;
}

/* In a child, as modes can be chosen by a lone thread. */
static int available(enum umb_fence_mode mode)
{
	pid_t child = fork();
	int status = -1;

	if (!child)
		_exit(umb_fence_select(mode) != 0);
	waitpid(child, &status, 0);
	return !status;
}

/* Down the list from here, and then from its top. */
static enum umb_fence_mode next_mode(unsigned int refused_modes)
{
	int first = (int) umb_fence_mode();

	for (int n = 0; n < MODES; n++) {
		int m = (first - 1 + n) % MODES + 1;

		if (!(refused_modes & 1U << m)
		    && available((enum umb_fence_mode) m))
			return (enum umb_fence_mode) m;
	}
	return (enum umb_fence_mode) 0;
}

static int lines(FILE *file)
{
	int count = 0, c;

	rewind(file);
	while ((c = getc(file)) != EOF)
		count += c == '\n';
	return count;
}

static void test(const struct refusal *r)
{
	enum umb_fence_mode mode = next_mode(r->modes);
	FILE *err = tmpfile();
	int status = 0, said;
	pid_t child = fork();

	if (!child) {
		dup2(fileno(err), STDERR_FILENO);
		_exit(refused(r, mode));
	}
	waitpid(child, &status, 0);
	said = lines(err);
	fclose(err);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip("the filter is refused", "%s", r->what);
	else if (!mode)
		tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
		       && said == 1, "%s: the end, and one line", r->what);
	else
		tap_ok(!status && !said, "%s: %s", r->what,
		       umb_fence_mode_name(mode));
}

int main(void)
{
	tap_begin();
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		test(&refusals[i]);
	return tap_end();
}
