/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "sys/call.h"
#include "sys/sys.h"

/* The kernel's answers: a C library's may be older than a bare fork. */

pid_t umbi_getpid(void)
{
	return (pid_t) umbi_call(__NR_getpid);
}

pid_t umbi_gettid(void)
{
	return (pid_t) umbi_call(__NR_gettid);
}

static char *put_number(char *at, uint32_t number)
{
	char digits[12], *from = digits + sizeof digits;

	*--from = 0;
	do
		*--from = (char) ('0' + number % 10);
	while (number /= 10);
	return stpcpy(at, from);
}

/* "/proc/PID/task/TID/status"; no stdio, which may allocate. */
static void name_file(char *path, uint32_t pid, uint32_t tid)
{
	path = stpcpy(path, "/proc/");
	path = pid ? put_number(path, pid) : stpcpy(path, "self");
	path = put_number(stpcpy(path, "/task/"), tid);
	stpcpy(path, "/status");
}

/* What stands behind "\nKEY:\t" in the text. */
static const char *value_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

static void parse(const char *text, struct umbi_task *task)
{
	const char *name = value_of(text, "Name:\t");
	const char *state = value_of(text, "\nState:\t");
	const char *blocked = value_of(text, "\nSigBlk:\t");

	for (size_t i = 0; name && name[i] && name[i] != '\n'
	     && i < sizeof task->name - 1; i++)
		task->name[i] = name[i];
	task->state = state ? *state : 0;
	task->mask_known = blocked != NULL;
	task->blocked = blocked ? strtoull(blocked, NULL, 16) : 0;
}

void umbi_task_look(uint32_t pid, uint32_t tid, struct umbi_task *task)
{
	char path[64], text[4096];
	int saved = errno, fd;
	long n = -1;

	memset(task, 0, sizeof *task);
	name_file(path, pid, tid);
	fd = umbi_fd_open(path);
	if (fd >= 0) {
		n = umbi_call(__NR_read, fd, (long) text, sizeof text - 1);
		umbi_fd_close(fd);
	}
	if (n > 0) {
		text[n] = 0;
		parse(text, task);
	} else if ((fd == -ENOENT || n == -ESRCH)
		   && !pid && umbi_signal_send(tid, 0) == -ESRCH) {
		/* It is the thread that is not there, and not /proc. */
		task->state = 'X';
	}
	errno = saved;
}
