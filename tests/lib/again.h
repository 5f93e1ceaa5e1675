/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_AGAIN_H
#define TESTS_LIB_AGAIN_H

#define SELF	"/proc/self/exe"

/*
 * execv() for this program, SELF, or a copy of it: by the emulator that
 * UMB_TEST_EMULATOR names, if one runs us. It returns if that fails.
 */
void exec_again(const char *file, char *const argv[]);

#endif /* TESTS_LIB_AGAIN_H */
