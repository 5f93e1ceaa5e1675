/* SPDX-License-Identifier: MIT */

/*
 * A measurement runs in a process that executes this program anew with
 * --measure, so that threads, handlers and a forced mode end with it. Its
 * answer is one line: a word, then the figures or a note.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/shared.h"

#define ARGS_MAX	24
#define ANSWER_SIZE	1024

static void execute(const struct scheme *s, const struct options *o)
{
	char readers[32], writers[32], idle_max[32], seconds[32];
	char callbacks[32], part[32];
	const char *argv[ARGS_MAX] = {
		"urcu-bench", o->verb->name, "--measure", "--scheme", s->name,
		"--seconds", seconds,
	};
	size_t n = 7;

	snprintf(seconds, sizeof seconds, "%.9g", o->seconds);
	if (o->verb->bit == RW) {
		snprintf(readers, sizeof readers, "--readers=%u", o->readers);
		snprintf(writers, sizeof writers, "--writers=%u", o->writers);
		argv[n++] = readers;
		argv[n++] = writers;
		if (o->pin)
			argv[n++] = "--pin";
	}
	if (o->verb->bit == GP) {
		snprintf(idle_max, sizeof idle_max, "--idle-max=%u", o->idle_max);
		argv[n++] = idle_max;
	}
	if (o->verb->bit == CALL) {
		snprintf(callbacks, sizeof callbacks, "--callbacks=%u",
			 o->callbacks);
		argv[n++] = callbacks;
	}
	if (o->verb->parts) {
		snprintf(part, sizeof part, "--part=%u", o->part);
		argv[n++] = part;
	}
	execv("/proc/self/exe", (char *const *) argv);
	die(1, "cannot execute /proc/self/exe: %s", strerror(errno));
}

/* Does not come back from a child that says nothing for too long. */
static void read_answer(int fd, pid_t pid, const struct scheme *s,
			const struct options *o, char *answer)
{
	double patience = 60 + 20 * o->seconds + 1e-5 * o->callbacks;
	double deadline = now() + patience;
	size_t used = 0;
	ssize_t got = 1;

	while (got > 0 && used < ANSWER_SIZE - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		double left = deadline - now();

		if (left < 0 || !poll(&p, 1, 1 + (int) (1000 * left))) {
			kill(pid, SIGKILL);
			die(1, "%s: no answer in %.0f s", s->name, patience);
		}
		got = read(fd, answer + used, ANSWER_SIZE - 1 - used);
		used += got > 0 ? (size_t) got : 0;
		got = got < 0 && errno == EINTR ? 1 : got;
	}
	answer[used] = 0;
}

static enum state parse(const struct scheme *s, char *answer, int status,
			struct result *r)
{
	char *at = answer + 2;

	answer[strcspn(answer, "\n")] = 0;
	if (WIFSIGNALED(status))
		die(1, "%s: measurement killed by signal %d", s->name,
		    WTERMSIG(status));
	if (!strncmp(answer, "unavailable", 11))
		return NOT_AVAILABLE;
	if (!strncmp(answer, "bad ", 4))
		die(1, "%s: %s", s->name, answer + 4);
	if (status || strncmp(answer, "ok ", 3))
		die(1, "%s: measurement failed", s->name);
	for (size_t i = 0; i < FIGURES_MAX; i++)
		r->values[i] = strtod(at, &at);
	snprintf(r->note, sizeof r->note, "%s", at + strspn(at, " "));
	return MEASURED;
}

static enum state measure_part(const struct scheme *s, const struct options *o,
			       struct result *r)
{
	char answer[ANSWER_SIZE];
	pid_t pid, parent = getpid();
	int fds[2], status;

	if (pipe2(fds, O_CLOEXEC))
		die(1, "cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(1, "cannot fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || dup2(fds[1], STDOUT_FILENO) < 0)
			_exit(1);
		execute(s, o);
	}
	close(fds[1]);
	read_answer(fds[0], pid, s, o, answer);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return parse(s, answer, status, r);
}

enum state child_measure(const struct scheme *s, const struct options *o,
			 struct result *r)
{
	struct options part = *o;

	for (size_t i = 0; i < FIGURES_MAX; i++)
		r->values[i] = NAN;
	do {
		struct result one;
		enum state state = measure_part(s, &part, &one);

		if (state != MEASURED)
			return state;
		for (size_t i = 0; i < FIGURES_MAX; i++)
			if (!isnan(one.values[i]))
				r->values[i] = one.values[i];
		if (one.note[0])
			memcpy(r->note, one.note, NOTE_SIZE);
	} while (++part.part < o->verb->parts);
	return MEASURED;
}

static int force(const struct scheme *s)
{
	if (s->command) {
		bare_command = s->command;
		if (s->command != BARE_GLOBAL
		    && bare_membarrier(BARE_REGISTERS(s->command)))
			return -1;
		return bare_membarrier(s->command);
	}
	domain_mode = s->domain;
	if (!s->mode)
		return 0;
	return umb_fence_select(s->mode) || umb_fence_mode() != s->mode ? -1 : 0;
}

/* The process ends with its threads asleep in it. */
static void answer(const char *word, const double *values, const char *note)
{
	printf("%s", word);
	for (size_t i = 0; values && i < FIGURES_MAX; i++)
		printf(" %.9g", values[i]);
	printf(" %s\n", note);
	fflush(stdout);
	_exit(0);
}

int child_main(const struct options *o)
{
	const struct scheme *s = schemes;
	double values[FIGURES_MAX];
	char note[NOTE_SIZE] = "";

	while (!s->selected)
		s++;
	if (force(s))
		answer("unavailable", NULL, "");
	for (size_t i = 0; i < FIGURES_MAX; i++)
		values[i] = NAN;
	s->loops->init();
	if (o->verb->measure(s, o, values, note))
		answer("bad", NULL, note);
	/* A mode that failed meanwhile was not measured. */
	if (s->mode && umb_fence_mode() != s->mode)
		answer("bad", NULL, "the fence mode changed meanwhile");
	answer("ok", values, note);
	return 1;
}
