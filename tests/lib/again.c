/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/again.h"

#define ARGUMENTS_MAX	8

void exec_again(const char *file, char *const argv[])
{
	char *emulator = getenv("UMB_TEST_EMULATOR");
	char path[PATH_MAX], *args[ARGUMENTS_MAX + 1] = { emulator, path };
	ssize_t length;

	if (!emulator) {
		execv(file, argv);
		return;
	}
	/* Not SELF, to the kernel that is the emulator; copies are no links. */
	length = readlink(file, path, sizeof path - 1);
	if (length < 0)
		args[1] = (char *) file;
	else
		path[length] = 0;
	for (size_t n = 1; n + 1 < ARGUMENTS_MAX && argv[n]; n++)
		args[n + 1] = argv[n];
	execv(emulator, args);
}
