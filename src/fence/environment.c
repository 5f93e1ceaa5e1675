/* SPDX-License-Identifier: MIT */

/*
 * What the environment asks for. Not in set-uid programs; and what it asks in
 * vain costs one line on stderr, and no more.
 */

#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "fence/backend.h"

#define MODE	"URCU_MEMBARRIER_MODE"
#define SIGNAL	"URCU_MEMBARRIER_SIGNAL"
#define STALL	"URCU_MEMBARRIER_STALL_MS"
#define STALL_MAX	86400000
#define SIGNAL_MAX	10000
#define MODES	"private-expedited, global-expedited, global, signal, visit"

static void complain(const char *variable, const char *why)
{
	const char *value = secure_getenv(variable);
	char shown[32];
	size_t i = 0;

	/* One line, whatever stands there. */
	for (; i < sizeof shown - 1 && value[i]; i++)
		shown[i] = value[i] > ' ' && value[i] < 0x7F ? value[i] : '?';
	shown[i] = 0;
	umbi_say(variable, "=", shown, ": ", why, NULL);
}

enum umb_fence_mode umbi_environment_mode(void)
{
	const char *value = secure_getenv(MODE), *name;

	if (!value || !*value)
		return (enum umb_fence_mode) 0;
	for (int i = 1; (name = umb_fence_mode_name((enum umb_fence_mode) i)); i++)
		if (!strcmp(value, name))
			return (enum umb_fence_mode) i;
	complain(MODE, "unknown mode; valid: " MODES "; choosing by itself");
	return (enum umb_fence_mode) 0;
}

void umbi_environment_refused(void)
{
	complain(MODE, "not available here; it could be one of " MODES
		 "; choosing by itself");
}

/* A number up to max, or -1. Nothing but digits: no sign, no blank. */
static int number(const char *text, int max)
{
	int n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		int digit = *text - '0';

		if (digit < 0 || digit > 9 || n > (max - digit) / 10)
			return -1;
		n = 10 * n + digit;
	}
	return n;
}

uint32_t umbi_environment_stall_ms(uint32_t otherwise)
{
	const char *value = secure_getenv(STALL);
	int ms;

	if (!value || !*value)
		return otherwise;
	ms = number(value, STALL_MAX);
	if (ms >= 0)
		return (uint32_t) ms;
	complain(STALL, "not a time; valid: 0 (tell of no stalls) to 86400000 "
		 "milliseconds; using 10000");
	return otherwise;
}

static int signal_named(const char *text)
{
	static const char first[] = "SIGRTMIN";

	for (const struct umbi_signal *s = umbi_signals; s->name; s++)
		if (!strcmp(text, s->name))
			return s->number;
	if (strncmp(text, first, sizeof first - 1))
		return number(text, SIGNAL_MAX);
	text += sizeof first - 1;
	if (!*text)
		return SIGRTMIN;
	return *text == '+' && number(text + 1, SIGNAL_MAX) >= 0
		? SIGRTMIN + number(text + 1, SIGNAL_MAX) : -1;
}

void umbi_environment_signal(void)
{
	const char *value = secure_getenv(SIGNAL);
	int signal;

	if (!value || !*value)
		return;
	signal = signal_named(value);
	if (umbi_handler_fits(signal))
		umbi_handler_choose(signal);
	else
		complain(SIGNAL, "not a signal that this library can use; valid: "
			 "SIGURG, SIGUSR1, SIGUSR2, SIGWINCH, SIGIO, SIGRTMIN, "
			 "SIGRTMIN+1 and on, or their numbers; using SIGURG");
}
