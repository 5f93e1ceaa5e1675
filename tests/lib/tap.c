/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "urcu-membarrier/fence.h"
#include "urcu-membarrier/tsan.h"

static unsigned int results, failures;

static void bail_out_unless_blocked(void)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (!getenv("UMB_TEST_BLOCKED") || sigismember(&mask, SIGURG))
		return;
	puts("Bail out! SIGURG is not blocked");
	exit(1);
}

static void unblock(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void tap_begin(void)
{
	const char *wanted = getenv("UMB_TEST_MODE");
	const char *mode = umb_fence_mode_name(umb_fence_mode());

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (wanted && (!mode || strcmp(wanted, mode))) {
		printf("Bail out! fence mode is %s, not %s\n",
		       mode ? mode : "none", wanted);
		exit(1);
	}
	bail_out_unless_blocked();
	unblock(SIGALRM);
}

static void result(const char *verdict, const char *format, va_list args,
		   const char *why)
{
	printf("%s %u - ", verdict, ++results);
	vprintf(format, args);
	if (why)
		printf(" # SKIP %s", why);
	putchar('\n');
}

int tap_ok(int pass, const char *format, ...)
{
	va_list args;

	failures += !pass;
	va_start(args, format);
	result(pass ? "ok" : "not ok", format, args, NULL);
	va_end(args);
	return pass;
}

void tap_skip(const char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result("ok", format, args, why);
	va_end(args);
}

void tap_diag(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("# ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

int tap_end(void)
{
	printf("1..%u\n", results);
	return failures || !results;
}

int tap_emulated(void)
{
	return getenv("UMB_TEST_EMULATOR") != NULL;
}

unsigned long tap_scale(unsigned long count, unsigned long least)
{
	unsigned long scaled = count;

	if (UMB_TSAN || umb_fence_mode() >= UMB_FENCE_GLOBAL)
		scaled = count / 1000;
	return scaled > least ? scaled : least;
}
