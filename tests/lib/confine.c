/* SPDX-License-Identifier: MIT */

/*
 * Start a program as a sandbox or a careless parent would:
 *
 *	confine [--refuse ERRNO] [--block] PROGRAM [ARGUMENT...]
 *
 * --refuse: membarrier(2) answers ERRNO, by a filter; 77 where that is refused.
 * --block: every signal is blocked, and exec hands that down.
 *
 * The filter is spelled out, so that it needs no libseccomp.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USAGE	2
#define SKIP	77

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "EACCES", EACCES },
	{ "EINVAL", EINVAL },
	{ "ENOSYS", ENOSYS },
	{ "EPERM", EPERM },
};
#define ERRORS	(sizeof errors / sizeof errors[0])

static __attribute__((noreturn)) void usage(const char *what, const char *word)
{
	fprintf(stderr, "confine: %s%s; valid: "
		"confine [--refuse ERRNO] [--block] PROGRAM [ARGUMENT...], "
		"where ERRNO is one of", what, word);
	for (size_t i = 0; i < ERRORS; i++)
		fprintf(stderr, " %s", errors[i].name);
	fputc('\n', stderr);
	exit(USAGE);
}

static int error_named(const char *name)
{
	if (!name)
		usage("--refuse without ERRNO", "");
	for (size_t i = 0; i < ERRORS; i++)
		if (!strcmp(name, errors[i].name))
			return errors[i].number;
	usage("unknown ERRNO ", name);
}

static void refuse(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (__u32) error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof code / sizeof code[0], code };

	/* Root needs no promise, and set-uid programs work on without it. */
	if (!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return;
	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	    && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return;
	perror("confine: the filter is refused");
	exit(SKIP);
}

static void block(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

int main(int argc, char **argv)
{
	int error = 0, blocking = 0;

	(void) argc;
	for (argv++; *argv && !strncmp(*argv, "--", 2); argv++)
		if (!strcmp(*argv, "--block"))
			blocking = 1;
		else if (!strcmp(*argv, "--refuse"))
			error = error_named(*++argv);
		else
			usage("unknown option ", *argv);
	if (!*argv)
		usage("no PROGRAM", "");
	if (blocking)
		block();
	if (error)
		refuse(error);
	execvp(*argv, argv);
	fprintf(stderr, "confine: %s: %s\n", *argv, strerror(errno));
	return USAGE;
}
