/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MEMBER_H
#define TESTS_MEMBER_H

/*
 * Processes that use a shared domain, and do as they are told by a pipe: the parent
 * writes a letter, the member answers with what came of it.
 */

#include <stddef.h>
#include <sys/types.h>

#include "urcu-membarrier/domain.h"

struct member {
	pid_t pid;
	int to, from;
};

enum member_act {
	MEMBER_ATTACH = 'a',	/* what the parent has open, member_fd */
	MEMBER_REGISTER = 'r',
	MEMBER_UNREGISTER = 'u',
	MEMBER_LOCK = 'l',
	MEMBER_UNLOCK = 'o',
	MEMBER_DEPTH = 'd',
	MEMBER_SYNCHRONIZE = 's',
	MEMBER_THREAD = 't',	/* one that comes and goes */
	MEMBER_WATCH = 'w',	/* does its reader fence lightly? */
	MEMBER_EXEC = 'x',	/* becomes sleep(1), and says 0 before */
	MEMBER_DETACH = 'q',
};

/* Forked; by its own descriptor of the file, if not -1. */
void member_start(struct member *m, int fd);
/* What came of it. */
int member_do(struct member *m, enum member_act act);
/* As member_do(), in two halves. */
void member_ask(struct member *m, enum member_act act);
int member_answer(struct member *m);
void member_kill(struct member *m);

/* Nanoseconds. */
unsigned long long now_ns(void);

#endif /* TESTS_MEMBER_H */
