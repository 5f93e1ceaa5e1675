/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sys/call.h"
#include "sys/sys.h"

#ifndef __NR_membarrier
# error "no number for membarrier(2): install kernel headers of 4.3 or later"
#endif

int umbi_membarrier(int cmd)
{
	return (int) umbi_call(__NR_membarrier, cmd);
}
