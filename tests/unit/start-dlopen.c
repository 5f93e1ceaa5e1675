/* SPDX-License-Identifier: MIT */

/*
 * The library opened by a program that runs already, with threads, fork
 * handlers and signal handlers of its own, under policies that kill who calls
 * membarrier(2): nothing of the host runs on the library's behalf.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/policy.h"
#include "tests/lib/tap.h"
#include "urcu-membarrier/fence.h"

#define LIBRARY_VARIABLE	"UMB_TEST_LIBRARY"
#define LIBRARY_BUILT		".libs/liburcu-membarrier.so"
#define LIMIT_SECONDS		60
#define THREADS			2
#define REFUSED			77
#define OTHER			(1 << 30)	/* a command that is none */

static const struct scenario {
	const char *what;
	struct policy_rule rules[POLICY_RULES];
	int signal;			/* it must be signal mode */
} scenarios[] = {
	{ "all passes", { COMMAND(REFUSE(EINVAL), OTHER) }, 0 },
	{ "ENOSYS for all", { MEMBARRIER(REFUSE(ENOSYS)) }, 1 },
	{ "all is deadly", { MEMBARRIER(SCMP_ACT_KILL_PROCESS) }, 1 },
	{ "all is deadly to the thread", { MEMBARRIER(SCMP_ACT_KILL_THREAD) },
	  1 },
	{ "all is a SIGSYS", { MEMBARRIER(SCMP_ACT_TRAP) }, 1 },
	{ "no new process", { NEW_PROCESS(REFUSE(EPERM)) }, 1 },
};

static const char *path;

/*
 * For tap_begin(), which is not called: this program must not link with the
 * library, and nothing is loaded whose mode could be told.
 */
enum umb_fence_mode umb_fence_mode(void)
{
	return (enum umb_fence_mode) 0;
}

const char *umb_fence_mode_name(enum umb_fence_mode mode)
{
	(void) mode;
	return NULL;
}

/* What the host noticed, in itself and in children that share the page. */
static struct {
	int sigchld, sigsys, forks;
} *noticed;

static void on_signal(int signal)
{
	__atomic_fetch_add(signal == SIGCHLD ? &noticed->sigchld
			   : &noticed->sigsys, 1, __ATOMIC_RELAXED);
}

static void on_fork(void)
{
	__atomic_fetch_add(&noticed->forks, 1, __ATOMIC_RELAXED);
}

static int stop;
static void (*lock)(void), (*unlock)(void), (*synchronize)(void);

static void *live_on(void *arg)
{
	static const struct timespec pause = { 0, 100000 };
	void (*enter)(void), (*leave)(void);

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		leave = __atomic_load_n(&unlock, __ATOMIC_ACQUIRE);
		enter = __atomic_load_n(&lock, __ATOMIC_RELAXED);
		if (leave) {
			enter();
			leave();
		}
		nanosleep(&pause, NULL);
	}
	return arg;
}

static void *function(void *library, const char *name)
{
	void *found = dlsym(library, name);

	if (!found)
		_exit(1);
	return found;
}

static enum umb_fence_mode mode_in(void *library)
{
	enum umb_fence_mode (*mode)(void);

	*(void **) &mode = function(library, "umb_fence_mode");
	return mode();
}

static void use(void *library)
{
	void (*found)(void);

	*(void **) &lock = function(library, "urcu_membarrier_read_lock");
	*(void **) &synchronize = function(library,
					   "urcu_membarrier_synchronize_rcu");
	*(void **) &found = function(library, "urcu_membarrier_read_unlock");
	__atomic_store_n(&unlock, found, __ATOMIC_RELEASE);
	for (int i = 0; i < 50; i++)
		synchronize();
}

static int check(int good, const char *what)
{
	if (!good)
		tap_diag("wrong: %s", what);
	return !good;
}

static int wrong_with(const struct scenario *s, void *library)
{
	enum umb_fence_mode mode = mode_in(library);
	int wrong = check(mode == UMB_FENCE_SIGNAL || (!s->signal && mode),
			  "the mode");

	wrong += check(waitpid(-1, NULL, WNOHANG | __WALL) < 0
		       && errno == ECHILD, "a child is left");
	wrong += check(!noticed->sigchld, "SIGCHLD");
	wrong += check(!noticed->sigsys, "the SIGSYS handler ran");
	wrong += check(!noticed->forks, "fork handlers ran");
	return wrong;
}

/* Exit status of a host: 0 good, 1 bad, 77 no filter. */
static int host(const struct scenario *s)
{
	pthread_t threads[THREADS];
	void *library;
	int wrong;

	memset(noticed, 0, sizeof *noticed);
	pthread_atfork(on_fork, on_fork, on_fork);
	signal(SIGCHLD, on_signal);
	signal(SIGSYS, on_signal);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, live_on, NULL))
			return 1;
	if (policy_load(s->rules))
		return REFUSED;
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return 1;
	wrong = wrong_with(s, library);
	use(library);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return wrong + wrong_with(s, library) != 0;
}

static void test(const struct scenario *s)
{
	pid_t child = fork();
	int status = 0;

	if (!child) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		unsetenv("URCU_MEMBARRIER_MODE");
		alarm(LIMIT_SECONDS);
		_exit(host(s));
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
		tap_skip("the filter is refused", "%s", s->what);
	else if (!tap_ok(!status, "opened where %s", s->what))
		tap_diag("wait status %#x", (unsigned int) status);
}

int main(void)
{
	path = getenv(LIBRARY_VARIABLE);
	if (!path)
		path = LIBRARY_BUILT;
	if (access(path, R_OK)) {
		puts("1..0 # SKIP no shared library was built");
		return 0;
	}
	noticed = mmap(NULL, sizeof *noticed, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (noticed == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		test(&scenarios[i]);
	return tap_end();
}
