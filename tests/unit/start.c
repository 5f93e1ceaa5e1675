/* SPDX-License-Identifier: MIT */

/*
 * Start without membarrier(2), or under policies that kill who calls it: which
 * mode results, that the program works in it, and that the host has noticed
 * nothing. Each case is this program again, executed behind a filter, so that
 * the library's constructor meets it.
 *
 * It sees the library as any program does; linked with the archive because a
 * set-uid copy would not find a library that is not installed.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/policy.h"
#include "tests/lib/tap.h"
#include "tests/unit/start-cases.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define MODE_VARIABLE	"URCU_MEMBARRIER_MODE"
#define SIGNAL_VARIABLE	"URCU_MEMBARRIER_SIGNAL"
#define LIMIT_SECONDS	60
#define READERS		2
#define OWNER		65533	/* two users, neither of them root */
#define CALLER		65534
#define REFUSED		77	/* exit status: the case cannot be had */

/* That one complains where it cannot read what is mapped. */
#if defined(__SANITIZE_ADDRESS__)
# define SANITIZER_NEEDS_PROC	1
#elif defined(__has_feature)
# define SANITIZER_NEEDS_PROC	__has_feature(address_sanitizer)
#else
# define SANITIZER_NEEDS_PROC	0
#endif

/* What the child tells about itself. */
struct report {
	int secure;
	int mode, later, signal;
	int children;		/* that a wait() of any kind finds */
	int sigchld, sigsys, forks;
	int stale;		/* elements that readers saw too late */
};

static int available[VISIT + 1];
static char dir[PATH_MAX];
static int self;		/* this program */

/*
 * The host: what it would notice. Before the library's constructor, which has
 * no priority. Shared with a child of the library's, whose handlers count too.
 */
static struct report *noticed;

static void on_signal(int signal)
{
	if (signal == SIGCHLD)
		__atomic_fetch_add(&noticed->sigchld, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&noticed->sigsys, 1, __ATOMIC_RELAXED);
}

static void on_fork(void)
{
	__atomic_fetch_add(&noticed->forks, 1, __ATOMIC_RELAXED);
}

static __attribute__((constructor(101))) void be_a_host(void)
{
	noticed = mmap(NULL, sizeof *noticed, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (noticed == MAP_FAILED)
		abort();
	signal(SIGCHLD, on_signal);
	signal(SIGSYS, on_signal);
	pthread_atfork(on_fork, on_fork, on_fork);
}

/* The child: grace periods and fences, with readers beside them. */

static int elements[2] = { 1, 0 };	/* nonzero while they may be seen */
static int *current = &elements[0];
static int stop, reading, stale;

static void *read_on(void *arg)
{
	static const struct timespec pause = { 0, 100000 };
	unsigned long n = 0;
	const int *seen;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		rcu_read_lock();
		seen = rcu_dereference(current);
		if (!__atomic_load_n(seen, __ATOMIC_RELAXED))
			__atomic_store_n(&stale, 1, __ATOMIC_RELAXED);
		rcu_read_unlock();
		if (!n)
			__atomic_fetch_add(&reading, 1, __ATOMIC_SEQ_CST);
		if (!(++n % 256))
			nanosleep(&pause, NULL);
	}
	return arg;
}

static void replace(unsigned int i)
{
	int *old = &elements[i % 2], *new = &elements[!(i % 2)];

	__atomic_store_n(new, 1, __ATOMIC_RELAXED);
	rcu_assign_pointer(current, new);
	synchronize_rcu();
	__atomic_store_n(old, 0, __ATOMIC_RELAXED);
	umb_fence_heavy();
}

static void work(void)
{
	pthread_t threads[READERS];

	for (int i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, read_on, NULL))
			_exit(1);
	while (__atomic_load_n(&reading, __ATOMIC_SEQ_CST) < READERS)
		sched_yield();
	for (unsigned int i = 0; i < tap_scale(50, 4); i++)
		replace(i);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
}

static int has_child(void)
{
	/* A zombie without an exit signal is shown to __WALL only. */
	return waitpid(-1, NULL, WNOHANG | __WALL) >= 0 || errno != ECHILD;
}

static int be_the_child(int to)
{
	struct report r = *noticed;

	alarm(LIMIT_SECONDS);
	r.secure = getauxval(AT_SECURE) != 0;
	r.mode = (int) umb_fence_mode();
	r.children = has_child();
	if (r.mode)
		work();
	r.later = (int) umb_fence_mode();
	r.signal = umb_fence_signal();
	r.children |= has_child();
	r.sigchld = noticed->sigchld;
	r.sigsys = noticed->sigsys;
	r.forks = noticed->forks;
	r.stale = stale;
	if (write(to, &r, sizeof r) != (ssize_t) sizeof r)
		_exit(1);
	umb_fence_heavy();
	_exit(0);
}

/* The parent, up to exec. */

static int without_proc(void)
{
	return unshare(CLONE_NEWNS)
		|| mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)
		|| mount("none", "/proc", "tmpfs", 0, NULL);
}

static int want(const char *variable, const char *value)
{
	return value ? setenv(variable, value, 1) : unsetenv(variable);
}

/* Core files are wanted, to be missed: but not of the end that is expected. */
static void allow_core(int allow)
{
	struct rlimit r;

	getrlimit(RLIMIT_CORE, &r);
	r.rlim_cur = allow ? r.rlim_max : 0;
	setrlimit(RLIMIT_CORE, &r);
}

static void unblock_all(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int prepare(const struct scenario *s)
{
	unblock_all();
	allow_core(s->mode != NONE);
	if (chdir(dir) || want(MODE_VARIABLE, s->wants)
	    || want(SIGNAL_VARIABLE, s->wants_signal)
	    || (s->flags & NO_PROC && without_proc())
	    || (s->rules[0].call && policy_load(s->rules)))
		return -1;
	return s->flags & SET_UID
		&& (setgroups(0, NULL) || setgid(CALLER) || setuid(CALLER));
}

static void exec_child(const struct scenario *s, FILE *out, FILE *err, int to)
{
	char number[16], *argv[] = { (char *) "start", number, NULL };

	snprintf(number, sizeof number, "%d", to);
	if (dup2(fileno(out), STDOUT_FILENO) < 0
	    || dup2(fileno(err), STDERR_FILENO) < 0 || prepare(s))
		_exit(REFUSED);
	if (s->flags & SET_UID)
		execv("./start", argv);
	else
		fexecve(self, argv, environ);
	_exit(REFUSED);
}

struct outcome {
	int status;
	int told;		/* a whole report */
	struct report report;
	long written;		/* to stdout, in bytes */
	char text[4096];	/* of stderr */
	unsigned int lines;
};

static void look_at(struct outcome *o, FILE *out, FILE *err)
{
	size_t length;

	fseek(out, 0, SEEK_END);
	o->written = ftell(out);
	rewind(err);
	length = fread(o->text, 1, sizeof o->text - 1, err);
	o->text[length] = 0;
	for (size_t i = 0; i < length; i++)
		o->lines += o->text[i] == '\n';
	if (length && o->text[length - 1] != '\n')
		o->lines++;
}

static struct outcome run(const struct scenario *s)
{
	struct outcome o = { .status = -1 };
	FILE *out = tmpfile(), *err = tmpfile();
	int ends[2];
	pid_t child;

	if (!out || !err || pipe(ends)) {
		puts("Bail out! no temporary file");
		exit(1);
	}
	child = fork();
	if (!child)
		exec_child(s, out, err, ends[1]);
	close(ends[1]);
	o.told = read(ends[0], &o.report, sizeof o.report)
		== (ssize_t) sizeof o.report;
	close(ends[0]);
	waitpid(child, &o.status, 0);
	look_at(&o, out, err);
	fclose(out);
	fclose(err);
	return o;
}

/* The parent: what is wrong with it, in words. */

static int wrong;

static void expect(int good, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void expect(int good, const char *format, ...)
{
	va_list args;

	if (good)
		return;
	wrong++;
	fputs("# wrong: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static const char *name_of(int mode)
{
	const char *name = umb_fence_mode_name((enum umb_fence_mode) mode);

	return name ? name : "none";
}

/* Is it there, and not as a part of something else? */
static int has_word(const char *text, const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+";
	size_t length = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if (at > text && !strchr(letters, at[-1])
		    && (!at[length] || !strchr(letters, at[length])))
			return 1;
	return 0;
}

/* The variable, its value with blanks as '?', and all that is valid. */
static void expect_complaint(const char *text, const char *variable,
			     const char *value, const char *const *valid)
{
	char asked[128];

	snprintf(asked, sizeof asked, "%s=%s", variable, value);
	for (char *blank; (blank = strchr(asked, ' ')); )
		*blank = '?';
	expect(strstr(text, asked) != NULL, "no \"%s\" in %s", asked, text);
	for (; *valid; valid++)
		expect(has_word(text, *valid), "no %s in %s", *valid, text);
}

static void expect_lines(const struct scenario *s, const struct outcome *o)
{
	static const char *const modes[] = {
		"private-expedited", "global-expedited", "global", "signal",
		"visit", NULL,
	};
	static const char *const signals[] = {
		"SIGURG", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGIO",
		"SIGRTMIN", NULL,
	};

	expect(!o->written, "%ld bytes on stdout", o->written);
	expect(o->lines == s->lines, "%u lines on stderr, not %u: %s", o->lines,
	       s->lines, o->text);
	if (s->mode == NONE)
		expect(strstr(o->text, "no way to fence") != NULL,
		       "the end is not explained");
	else if (s->wants && s->lines)
		expect_complaint(o->text, MODE_VARIABLE, s->wants, modes);
	if (s->wants_signal && s->lines)
		expect_complaint(o->text, SIGNAL_VARIABLE, s->wants_signal,
				 signals);
}

/* The best there is from that one down; the last two are everywhere. */
static int here(const struct scenario *s, enum umb_fence_mode mode)
{
	int m = (int) mode;

	while (m != NONE && m < SIGNAL && !available[m])
		m++;
	return m == SIGNAL && s->flags & NO_SIGNAL_MODE ? VISIT : m;
}

static void expect_report(const struct scenario *s, const struct report *r)
{
	int signal = s->signal ? s->signal : SIGURG;
	int mode = here(s, s->mode), later = s->later ? (int) s->later : mode;

	expect(r->mode == mode, "mode %s, not %s", name_of(r->mode),
	       name_of(mode));
	expect(r->later == later, "after work mode %s, not %s",
	       name_of(r->later), name_of(later));
	expect(r->signal == signal, "signal %d, not %d", r->signal, signal);
	expect(!r->children || s->flags & LEAVES_CHILD, "a child is left");
	expect(!r->sigchld, "the host got %d SIGCHLD", r->sigchld);
	expect(!r->sigsys, "the host's SIGSYS handler ran %d times", r->sigsys);
	expect(!r->forks, "fork handlers ran %d times", r->forks);
	expect(!r->stale, "a reader saw what was gone");
}

static int has_core(void)
{
	DIR *files = opendir(dir);
	struct dirent *file;
	int found = 0;

	while (files && (file = readdir(files)))
		if (strncmp(file->d_name, "core", 4) == 0)
			found = !unlinkat(dirfd(files), file->d_name, 0);
	if (files)
		closedir(files);
	return found;
}

static void test(const struct scenario *s)
{
	struct outcome o;

	if (s->flags & (NO_PROC | SET_UID) && geteuid()) {
		tap_skip("for root only", "%s", s->what);
		return;
	}
	if (s->flags & NO_PROC && SANITIZER_NEEDS_PROC) {
		tap_skip("the sanitizer needs /proc", "%s", s->what);
		return;
	}
	o = run(s);
	if (WIFEXITED(o.status) && WEXITSTATUS(o.status) == REFUSED) {
		tap_skip("it cannot be had", "%s", s->what);
		return;
	}
	if (s->flags & SET_UID && o.told && !o.report.secure) {
		tap_skip("nosuid", "%s", s->what);
		return;
	}
	wrong = 0;
	expect(o.told, "no report");
	if (o.told)
		expect_report(s, &o.report);
	expect(s->mode == NONE ? WIFSIGNALED(o.status)
	       && WTERMSIG(o.status) == SIGABRT : !o.status,
	       "wait status %#x", (unsigned int) o.status);
	expect_lines(s, &o);
	expect(!has_core(), "a core file");
	tap_ok(!wrong, "%s: %s%s%s", s->what, name_of(here(s, s->mode)),
	       s->later ? ", then " : "", s->later ? name_of(s->later) : "");
}

static void test_signal(const char *value, int number)
{
	char what[128];
	struct scenario s = {
		.what = what, .mode = SIGNAL, .wants = "signal",
		.wants_signal = value, .signal = number, .lines = !number,
	};
	struct outcome o = run(&s);

	snprintf(what, sizeof what, "%s=%s: %s", SIGNAL_VARIABLE, value,
		 number ? "in force" : "one line, and SIGURG");
	wrong = 0;
	expect(o.told && !o.status, "wait status %#x", (unsigned int) o.status);
	expect_report(&s, &o.report);
	/* The mode is had, so the line is about the signal. */
	s.wants = NULL;
	expect_lines(&s, &o);
	tap_ok(!wrong, "%s", what);
}

static void test_signals(void)
{
	char word[32];

	for (size_t i = 0; i < sizeof bad_signals / sizeof bad_signals[0]; i++)
		test_signal(bad_signals[i], 0);
	snprintf(word, sizeof word, "%d", SIGRTMAX + 1);
	test_signal(word, 0);
	test_signal("", SIGURG);
	test_signal("SIGURG", SIGURG);
	test_signal("SIGUSR1", SIGUSR1);
	test_signal("SIGUSR2", SIGUSR2);
	test_signal("SIGWINCH", SIGWINCH);
	test_signal("SIGIO", SIGIO);
	test_signal("SIGRTMIN", SIGRTMIN);
	test_signal("SIGRTMIN+2", SIGRTMIN + 2);
	snprintf(word, sizeof word, "%d", SIGUSR2);
	test_signal(word, SIGUSR2);
	snprintf(word, sizeof word, "%d", SIGRTMAX);
	test_signal(word, SIGRTMAX);
}

/* Would a core file be seen, if there were one? */
static void test_core(void)
{
	pid_t child = fork();

	if (!child) {
		unblock_all();
		allow_core(1);
		_exit(chdir(dir) || raise(SIGQUIT));
	}
	waitpid(child, NULL, 0);
	if (has_core())
		tap_ok(1, "a core file would have been seen");
	else
		tap_skip("none is written here", "core files");
}

/* What there is without a filter of ours: asked for, and got without a word. */
static void find_modes(void)
{
	for (int m = PRIVATE; m <= VISIT; m++) {
		struct scenario s = { .wants = name_of(m), .mode = PRIVATE };
		struct outcome o = run(&s);

		available[m] = o.told && o.report.mode == m && !o.lines;
		tap_diag("%s: %s", name_of(m), available[m] ? "yes" : "no");
	}
}

static int copy_self(const char *path)
{
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	char buffer[65536];
	off_t at = 0;
	ssize_t n = -1;

	while (to >= 0 && (n = pread(self, buffer, sizeof buffer, at)) > 0) {
		if (write(to, buffer, (size_t) n) != n)
			break;
		at += n;
	}
	if (!n && !geteuid() && (fchown(to, OWNER, OWNER) || fchmod(to, 04555)))
		n = -1;
	return to < 0 || close(to) || n;
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	char file[PATH_MAX + 8];

	if (argc == 2)
		return be_the_child(atoi(argv[1]));
	tap_begin();
	snprintf(dir, sizeof dir, "%s/umb-start-XXXXXX",
		 tmp && *tmp ? tmp : P_tmpdir);
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0 || !mkdtemp(dir) || chmod(dir, 0755)) {
		puts("Bail out! no temporary directory");
		return 1;
	}
	snprintf(file, sizeof file, "%s/start", dir);
	if (copy_self(file))
		tap_diag("no set-uid copy");
	find_modes();
	test_core();
	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		test(&scenarios[i]);
	test_signals();
	unlink(file);
	rmdir(dir);
	return tap_end();
}
