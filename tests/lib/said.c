/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/said.h"
#include "tests/lib/tap.h"

/* What an emulator adds for each program that a signal ends. */
static void cut_emulator(char *said)
{
	char *line, *end;

	while ((line = strstr(said, "qemu: uncaught target signal "))
	       && (end = strchr(line, '\n')))
		memmove(line, end + 1, strlen(end));
}

int said_by(void (*act)(const void *arg), const void *arg, unsigned int seconds,
	    char *said, size_t size)
{
	const struct rlimit no_core = { 0, 0 };
	ssize_t got, length = 0;
	int ends[2], status = -1;
	pid_t child;

	if (pipe(ends))
		return -1;
	child = fork();
	if (!child) {
		alarm(seconds);
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(ends[1], STDERR_FILENO);
		act(arg);
		_exit(0);
	}
	close(ends[1]);
	while ((got = read(ends[0], said + length,
			   size - 1 - (size_t) length)) > 0)
		length += got;
	said[length] = 0;
	if (tap_emulated())
		cut_emulator(said);
	close(ends[0]);
	waitpid(child, &status, 0);
	return status;
}
