/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

/* Commands of membarrier(2), as old headers lack some. */
#define BARE_QUERY			0
#define BARE_GLOBAL			(1 << 0)
#define BARE_GLOBAL_EXPEDITED		(1 << 1)
#define BARE_PRIVATE_EXPEDITED		(1 << 3)
#define BARE_REGISTERS(command)		((command) << 1)

extern int bare_command;	/* what the loops of the scheme "bare" issue */
int bare_membarrier(int command);

#endif /* BENCH_BARE_H */
