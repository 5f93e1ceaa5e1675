/* SPDX-License-Identifier: MIT */

/* The system call alone, against readers that mark nothing. */

#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/bare.h"

int bare_command = BARE_PRIVATE_EXPEDITED;

int bare_membarrier(int command)
{
	return (int) syscall(__NR_membarrier, command, 0, 0);
}

#define SCHEME			bare
#define LOCK(self)		do { } while (0)
#define UNLOCK(self)		do { } while (0)
#define SYNCHRONIZE(self)	bare_membarrier(bare_command)
#define RECLAIMS		0

#include "tests/bench/loops.h"
