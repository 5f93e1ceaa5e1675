/* SPDX-License-Identifier: MIT */

/*
 * Lines about stalls: what they say, where they go, and what the environment says
 * of them. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include "tests/lib/again.h"
#include "tests/lib/said.h"
#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#define VARIABLE	"URCU_MEMBARRIER_STALL_MS"
#define ACT_SECONDS	20
#define STAYS_US	40000	/* longer than the limits, where nothing is told */

static const struct line {
	struct umb_stall stall;
	const char *says[4];
} lines[] = {
	{ { .kind = UMB_STALL_SECTION, .index = 0, .count = 3,
	    .waited_ns = 12345678901, .tid = 4711, .name = "worker",
	    .state = 'S', .blocks_signal = 1, .depth = 2 },
	  { "a grace period has waited 12.345 s for thread 4711 (worker)",
	    "asleep, in a section of depth 2, with the barrier signal blocked "
	    "(1 of 3)" } },
	{ { .kind = UMB_STALL_FENCE, .index = 1, .count = 2, .tid = 12,
	    .state = 't', .blocks_signal = -1 },
	  { "a heavy fence has waited 0.000 s for thread 12,",
	    "stopped by a tracer", "memory barrier (2 of 2)" } },
	{ { .kind = UMB_STALL_LEADER, .count = 1, .tid = 1, .state = 'R' },
	  { "a grace period or heavy fence has waited", "for thread 1,",
	    "running or waiting for a CPU, which runs it for all (1 of 1)" } },
	{ { .kind = UMB_STALL_CALLBACK, .count = 1, .tid = 1, .name = "w",
	    .state = 'S', .entered = lines },
	  { "a barrier of callbacks has waited", "thread 1 (w), asleep",
	    ", in the callback ", "+0x" } },
	{ { .kind = UMB_STALL_SECTION, .count = 1, .tid = 1, .state = 'X' },
	  { "which has ended" } },
	{ { .kind = UMB_STALL_SECTION, .count = 1, .tid = 1, .state = 'T' },
	  { "stopped by a signal" } },
	{ { .kind = UMB_STALL_SECTION, .count = 1, .tid = 1, .state = 'D' },
	  { "asleep in the kernel" } },
	{ { .kind = UMB_STALL_SECTION, .count = 1, .tid = 1 },
	  { "in a state that is not known" } },
};

static void describe(const void *arg)
{
	const struct line *l = arg;
	char text[512], part[512];
	int n;

	errno = CASE_ERRNO;
	n = umb_stall_describe(&l->stall, text, sizeof text);
	expect(n == (int) strlen(text), "its length is returned");
	for (int i = 0; i < 4 && l->says[i]; i++)
		expect(strstr(text, l->says[i]) != NULL, l->says[i]);
	expect((l->stall.blocks_signal > 0) == !!strstr(text, "signal blocked"),
	       "a signal that is blocked, and no other");
	expect(!strchr(text, '\n'), "one line");
	memset(part, 'x', sizeof part);
	expect(umb_stall_describe(&l->stall, part, 10) == n
	       && !strncmp(part, text, 9) && !part[9] && part[10] == 'x',
	       "as much as there is room for");
	expect(umb_stall_describe(&l->stall, NULL, 0) == n, "or nothing");
	expect(errno == CASE_ERRNO, "errno stays");
}

static void expect_words(const char *said, const struct stuck *s)
{
	char words[64];

	snprintf(words, sizeof words, "thread %ld (a-reader)", (long) s->tid);
	expect(strstr(said, words) != NULL, "the line names the thread");
	expect(!strncmp(said, "liburcu-membarrier: a grace period has waited ", 46),
	       "and what it is about");
}

static void on_stderr(const void *arg)
{
	struct stuck s = { .name = "a-reader" };
	char said[2048];
	struct updater u;
	int from = catch_stderr();

	(void) arg;
	set_limit(NULL, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	for (int i = 0; i < 2; i++) {
		await_lines(from, 1, said, sizeof said);
		expect_words(said, &s);
	}
	stuck_end(&s);
	updater_end(&u);
}

/* Where nobody handles it. */
static void output(const void *arg)
{
	const struct surroundings *o = arg;
	uint64_t stalls = 2;

	o->set_up();
	set_limit(NULL, LIMIT);
	for (int i = 0; i < 2; i++, stalls += 2) {
		struct stuck s = { 0 };
		struct updater u;

		stuck_start(&s);
		updater_start(&u);
		while (stats().stalls < stalls)
			nap(1000);
		stuck_end(&s);
		updater_end(&u);
	}
}

/* The environment. */

/* This program again, for one act. */
static int act(const char *what)
{
	struct stuck s = { .name = "a-reader" };
	int out = dup(STDERR_FILENO), from = catch_stderr();
	char said[2048];
	struct updater u;
	ssize_t n = 0;

	stuck_start(&s);
	updater_start(&u);
	if (!strcmp(what, "told"))
		n = (ssize_t) await_lines(from, 1, said, sizeof said);
	else
		nap(STAYS_US);
	stuck_end(&s);
	updater_end(&u);
	umb_stall_set(NULL, 0);
	if (!n)
		n = read(from, said, sizeof said);
	return n > 0 && write(out, said, (size_t) n) != n;
}

static const struct setting {
	const char *value, *what;
	int lines;		/* on stderr */
} settings[] = {
	{ "10", "told", 1 },
	{ "1", "told", 1 },
	{ NULL, "quiet", 0 },
	{ "", "quiet", 0 },
	{ "0", "quiet", 0 },
	{ "86400000", "quiet", 0 },
	{ "86400001", "quiet", 1 },
	{ "99999999999999999999", "quiet", 1 },
	{ "-1", "quiet", 1 },
	{ "+5", "quiet", 1 },
	{ "1.5", "quiet", 1 },
	{ " 5", "quiet", 1 },
	{ "5 ", "quiet", 1 },
	{ "5ms", "quiet", 1 },
	{ "0x5", "quiet", 1 },
	{ "never\nand", "quiet", 1 },
};

static void exec_with(const void *arg)
{
	const struct setting *s = arg;

	if (s->value)
		setenv(VARIABLE, s->value, 1);
	else
		unsetenv(VARIABLE);
	exec_again(SELF, (char *[]) { "stall", "act", (char *) s->what, NULL });
	_exit(1);
}

static void environment(const void *arg)
{
	const struct setting *s = arg;
	int status, lines_said = 0;
	char said[4096];

	status = said_by(exec_with, s, ACT_SECONDS, said, sizeof said);
	expect(!status, "the program ends well");
	for (const char *c = said; *c; c++)
		lines_said += *c == '\n';
	expect(lines_said == s->lines, "so many lines");
	if (!strcmp(s->what, "told"))
		expect(strstr(said, "(a-reader), asleep") != NULL,
		       "which name the reader");
	else if (s->lines)
		expect(strstr(said, VARIABLE "=") && strstr(said, "valid: 0 ")
		       && strstr(said, "86400000"), "which name what is valid");
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "act"))
		return act(argv[2]);
	case_main(argc, argv);
	unsetenv(VARIABLE);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		case_run(describe, &lines[i], "a line for state %c, kind %d",
			 lines[i].stall.state ? lines[i].stall.state : '0',
			 (int) lines[i].stall.kind);
	case_run(on_stderr, NULL, "lines on stderr");
	for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
		case_run(output, &outputs[i], "%s", outputs[i].name);
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		case_run(environment, &settings[i], VARIABLE " is %s (%zu)",
			 settings[i].value && !strchr(settings[i].value, '\n')
			 ? settings[i].value : "something else", i);
	return tap_end();
}
