/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/sys.h"

pid_t umbi_gettid(void)
{
	return (pid_t) syscall(__NR_gettid);
}
