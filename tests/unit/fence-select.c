/* SPDX-License-Identifier: MIT */

/*
 * Which mode is in force: umb_fence_select(), the environment, and that the
 * heavy fence may be called from anywhere. The mode is chosen once a process,
 * so most of it is seen in children: this program again, with a word that says
 * what to do. Their exit status is their answer, plus ANSWER. White-box only
 * because a set-uid copy would not find a library that is not installed.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/again.h"
#include "tests/lib/tap.h"
#include "urcu-membarrier/fence.h"

#define VARIABLE	"URCU_MEMBARRIER_MODE"
#define ANSWER		64
#define PLAIN		100	/* the answer of one that is not set-uid */
#define MODES		5
#define ERRNO		4711
#define THREADS		8
#define OWNER		65533	/* two users, neither of them root */
#define CALLER		65534

static const char *const names[MODES + 1] = {
	NULL, "private-expedited", "global-expedited", "global", "signal",
	"visit",
};

/* What a child said. */
struct child {
	int answer;		/* -1: it died, or has none */
	size_t written;		/* to stdout, in bytes */
	unsigned int lines;	/* on stderr */
	char text[4096];	/* of stderr */
};

static int available[MODES + 1];

static int do_mode(const char *word)
{
	(void) word;
	return (int) umb_fence_mode();
}

/* 0: no such thing; 1: chosen, and in force; 2: a contract was broken. */
static int do_select(const char *word)
{
	enum umb_fence_mode mode = (enum umb_fence_mode) atoi(word);
	enum umb_fence_mode before = umb_fence_mode();
	int ret = umb_fence_select(mode);

	if (ret)
		return ret == -ENOTSUP && umb_fence_mode() == before ? 0 : 2;
	umb_fence_register_thread();
	umb_fence_heavy();
	if (umb_fence_mode() != mode)
		return 2;
	/* One thread is not too many; nor does choosing end anything. */
	if (umb_fence_select(before) || umb_fence_mode() != before)
		return 2;
	return umb_fence_select(mode) || umb_fence_mode() != mode ? 2 : 1;
}

static int do_secure(const char *word)
{
	(void) word;
	return getauxval(AT_SECURE) ? (int) umb_fence_mode() : PLAIN;
}

static int act(const char *what, const char *word)
{
	if (!strcmp(what, "mode"))
		return ANSWER + do_mode(word);
	if (!strcmp(what, "select"))
		return ANSWER + do_select(word);
	return ANSWER + do_secure(word);
}

static void exec_child(const char *file, uid_t user, const char *value,
		       const char *what, const char *word, const int fds[2])
{
	if (dup2(fds[0], STDOUT_FILENO) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		_exit(1);
	if (value)
		setenv(VARIABLE, value, 1);
	else
		unsetenv(VARIABLE);
	if (user && (setgroups(0, NULL) || setgid(user) || setuid(user)))
		_exit(1);
	exec_again(file, (char *[]) { (char *) file, (char *) what,
				      (char *) word, NULL });
	_exit(1);
}

static void harvest(struct child *c, int status, FILE *out, FILE *err)
{
	size_t length;

	c->answer = WIFEXITED(status) && WEXITSTATUS(status) >= ANSWER
		? WEXITSTATUS(status) - ANSWER : -1;
	fseek(out, 0, SEEK_END);
	c->written = (size_t) ftell(out);
	rewind(err);
	length = fread(c->text, 1, sizeof c->text - 1, err);
	c->text[length] = 0;
	c->lines = 0;
	for (size_t i = 0; i < length; i++)
		c->lines += c->text[i] == '\n';
	if (length && c->text[length - 1] != '\n')
		c->lines++;
}

/* Run `file` as `user` (0: as we are) with the variable at `value`. */
static struct child run_as(const char *file, uid_t user, const char *value,
			   const char *what, const char *word)
{
	struct child c = { .answer = -1 };
	FILE *out = tmpfile(), *err = tmpfile();
	int status = -1;
	pid_t pid;

	if (!out || !err) {
		puts("Bail out! no temporary file");
		exit(1);
	}
	pid = fork();
	if (!pid)
		exec_child(file, user, value, what, word,
			   (int [2]) { fileno(out), fileno(err) });
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		harvest(&c, status, out, err);
	fclose(out);
	fclose(err);
	return c;
}

static struct child run(const char *value, const char *what, const char *word)
{
	return run_as(SELF, 0, value, what, word);
}

static void test_names(void)
{
	static const int others[] = { INT_MIN, -1, 0, MODES + 1, INT_MAX };
	int good = 1;

	for (int i = 1; i <= MODES; i++) {
		const char *name = umb_fence_mode_name((enum umb_fence_mode) i);

		good &= name && !strcmp(name, names[i]);
	}
	tap_ok(good, "each mode has the name that the environment uses");
	good = 1;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		good &= !umb_fence_mode_name((enum umb_fence_mode) others[i]);
	tap_ok(good, "no other value has one");
}

static void test_select(void)
{
	for (int i = 1; i <= MODES; i++) {
		char word[8];
		struct child c;

		snprintf(word, sizeof word, "%d", i);
		c = run(NULL, "select", word);
		available[i] = c.answer == 1;
		tap_ok((c.answer == 0 || c.answer == 1) && !c.lines,
		       "select %s: %s", names[i], c.answer == 1
		       ? "in force at once" : "-ENOTSUP, the mode stays");
	}
}

static void test_unknown_mode(void)
{
	static const int others[] = { INT_MIN, -1, 0, MODES + 1, INT_MAX };
	enum umb_fence_mode before = umb_fence_mode();
	int good = 1;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		good &= umb_fence_select((enum umb_fence_mode) others[i])
			== -EINVAL;
	tap_ok(good, "select: unknown values are -EINVAL");
	tap_ok(umb_fence_mode() == before, "and the mode stays");
}

/* Is this name there, and not as a part of another one? */
static int names_mode(const char *text, const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
	size_t length = strlen(name);

	for (const char *at = strstr(text, name); at; at = strstr(at + 1, name))
		if (at > text && !strchr(letters, at[-1])
		    && (!at[length] || !strchr(letters, at[length])))
			return 1;
	return 0;
}

/* One line, and all that could have been asked for is in it. */
static int one_good_line(const struct child *c)
{
	int good = c->lines == 1 && !c->written && strstr(c->text, VARIABLE);

	for (int i = 1; i <= MODES; i++)
		good &= !available[i] || names_mode(c->text, names[i]);
	return good;
}

static void test_environment(void)
{
	static const char *const bad[] = {
		"bogus", "private", "global-", "Global", " global", "3", "%s%n",
	};
	int automatic = run(NULL, "mode", "").answer;
	struct child c = run("", "mode", "");
	int known = automatic > 0 && automatic <= MODES;

	tap_ok(known && available[automatic], "automatic choice: %s",
	       known ? names[automatic] : "none");
	tap_ok(c.answer == automatic && !c.lines && !c.written,
	       "empty is unset");
	for (int i = 1; i <= MODES; i++) {
		c = run(names[i], "mode", "");
		if (available[i])
			tap_ok(c.answer == i && !c.lines && !c.written,
			       "environment forces %s", names[i]);
		else
			tap_ok(c.answer == automatic && one_good_line(&c),
			       "environment, %s: one line, and the automatic "
			       "choice", names[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		c = run(bad[i], "mode", "");
		tap_ok(c.answer == automatic && one_good_line(&c),
		       "environment, \"%s\": one line, and the automatic choice",
		       bad[i]);
	}
}

static int copy_self(int to)
{
	char buffer[65536];
	int from = open(SELF, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	while (from >= 0 && (n = read(from, buffer, sizeof buffer)) > 0)
		if (write(to, buffer, (size_t) n) != n)
			break;
	if (from >= 0)
		close(from);
	return n ? -1 : 0;
}

/* Set-uid to a user without rights, for another one to run. */
static void test_secure(const char *file)
{
	int automatic = run(NULL, "mode", "").answer, other = 0;
	struct child c;

	for (int i = 1; i <= MODES; i++)
		if (available[i] && i != automatic)
			other = i;
	c = run_as(file, CALLER, other ? names[other] : "", "secure", "");
	if (c.answer == PLAIN || c.answer < 0 || !other) {
		tap_skip(!other ? "one mode only" : c.answer < 0
			 ? "it does not run" : "nosuid", "set-uid programs");
		return;
	}
	tap_ok(c.answer == automatic && !c.lines,
	       "set-uid: a valid value is ignored");
	c = run_as(file, CALLER, "bogus", "secure", "");
	tap_ok(c.answer == automatic && !c.lines,
	       "set-uid: an unknown value is ignored, and silently");
}

static void test_set_uid(void)
{
	const char *dir = getenv("TMPDIR");
	char file[PATH_MAX];
	int fd, ready;

	if (geteuid()) {
		tap_skip("only root can make one", "set-uid programs");
		return;
	}
	snprintf(file, sizeof file, "%s/umb-set-uid-XXXXXX",
		 dir && *dir ? dir : P_tmpdir);
	fd = mkstemp(file);
	ready = fd >= 0 && !copy_self(fd) && !fchown(fd, OWNER, OWNER)
		&& !fchmod(fd, 04555);
	if (fd >= 0)
		close(fd);
	if (ready)
		test_secure(file);
	else
		tap_skip("no temporary file", "set-uid programs");
	if (fd >= 0)
		unlink(file);
}

static int errno_kept;

#define KEEPS_ERRNO(call) do {			\
	errno = ERRNO;				\
	(void) (call);				\
	errno_kept &= errno == ERRNO;		\
} while (0)

static void test_errno(void)
{
	enum umb_fence_mode mode = umb_fence_mode();

	errno_kept = 1;
	for (int i = 0; i < 3; i++) {
		KEEPS_ERRNO((umb_fence_light(), 0));
		KEEPS_ERRNO((umb_fence_heavy(), 0));
		KEEPS_ERRNO((umb_fence_register_thread(), 0));
		KEEPS_ERRNO(umb_fence_mode());
		KEEPS_ERRNO(umb_fence_mode_name(mode));
		KEEPS_ERRNO(umb_fence_mode_name((enum umb_fence_mode) 99));
		KEEPS_ERRNO(umb_fence_select((enum umb_fence_mode) 99));
		for (int m = 1; m <= MODES; m++)
			KEEPS_ERRNO(umb_fence_select((enum umb_fence_mode) m));
		KEEPS_ERRNO(umb_fence_select(mode));
	}
	tap_ok(errno_kept, "no function touches errno");
	tap_ok(umb_fence_mode() == mode, "select leads back to the first mode");
}

static pthread_barrier_t gate;

static void *stand_registered(void *arg)
{
	(void) arg;
	umb_fence_register_thread();
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	return NULL;
}

static void start(pthread_t *thread, void *(*run_thread)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run_thread, arg)) {
		puts("Bail out! no thread");
		exit(1);
	}
}

/* The caller is registered, and a second thread comes. */
static void test_busy(void)
{
	enum umb_fence_mode before = umb_fence_mode();
	int good = 1, kept;
	pthread_t thread;

	pthread_barrier_init(&gate, NULL, 2);
	start(&thread, stand_registered, NULL);
	pthread_barrier_wait(&gate);
	for (int i = 1; i <= MODES; i++)
		if (available[i])
			good &= umb_fence_select((enum umb_fence_mode) i)
				== -EBUSY;
	errno = ERRNO;
	good &= umb_fence_select((enum umb_fence_mode) 99) == -EINVAL;
	good &= umb_fence_select(before) == -EBUSY;
	kept = errno == ERRNO;
	tap_ok(good, "select: -EBUSY with two threads registered");
	tap_ok(umb_fence_mode() == before, "and the mode stays");
	tap_ok(kept, "and errno too");
	umb_fence_heavy();
	pthread_barrier_wait(&gate);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&gate);
}

static void *call_heavy(void *arg)
{
	unsigned long n = tap_scale(2000, 10);

	if (arg)
		umb_fence_register_thread();
	errno = ERRNO;
	while (n--)
		umb_fence_heavy();
	return (void *) (long) (errno == ERRNO);
}

/* How many of the threads came back with errno as it was? */
static int call_from(int threads, int registered)
{
	pthread_t thread[THREADS];
	int good = 0;

	for (int i = 0; i < threads; i++)
		start(&thread[i], call_heavy, i < registered ? &gate : NULL);
	for (int i = 0; i < threads; i++) {
		void *kept;

		pthread_join(thread[i], &kept);
		good += (long) kept;
	}
	return good;
}

static void test_callers(void)
{
	tap_ok(call_from(1, 0) == 1, "heavy, from an unregistered thread");
	tap_ok(call_from(1, 1) == 1, "heavy, from a registered thread");
	tap_ok(call_from(THREADS, 0) == THREADS,
	       "heavy, from many unregistered threads at the same time");
	tap_ok(call_from(THREADS, THREADS / 2) == THREADS,
	       "heavy, from many threads at the same time, some registered");
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return act(argv[1], argv[2]);
	tap_begin();
	umb_fence_heavy();
	tap_ok(1, "heavy, before any thread is registered");
	test_names();
	test_select();
	test_unknown_mode();
	test_environment();
	test_set_uid();
	test_errno();
	test_busy();
	test_callers();
	return tap_end();
}
