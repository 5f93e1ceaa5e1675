/* SPDX-License-Identifier: MIT */

/*
 * The thread that tells of a stall: how it is made, and what is done where none can be
 * had. White-box: the library makes its threads by way of this program. Each case in a
 * process of its own.
 */

#define _GNU_SOURCE
#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

static int no_threads, look_at_mask;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *), void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (load(&look_at_mask)) {
		expect(sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGTERM)
		       && sigismember(&mask, umb_fence_signal()),
		       "it is made with signals blocked");
		add(&look_at_mask, 1);
	}
	if (load(&no_threads)) {
		errno = EAGAIN;
		return EAGAIN;
	}
	return __real_pthread_create(thread, attr, run, arg);
}

/* Stalled by its waits together. */
static void *time_out(void *arg)
{
	errno = CASE_ERRNO;
	while (umb_synchronize_timeout_ns(LIMIT / 4))
		;
	expect(errno == CASE_ERRNO, "errno stays");
	return arg;
}

/* So no handler of the host runs in it, from its first instruction on. */
static void made_blocked(const void *arg)
{
	struct stuck s = { 0 };
	struct updater u;

	(void) arg;
	set_limit(note, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	store(&look_at_mask, 1);
	await(&look_at_mask, 3);
	store(&look_at_mask, 0);
	stuck_end(&s);
	updater_end(&u);
}

static void refused(const void *arg)
{
	struct stuck s = { .name = "a-reader" };
	char said[1024], words[64];
	struct updater u;
	int from = catch_stderr();

	(void) arg;
	set_limit(note, LIMIT);
	stuck_start(&s);
	updater_start(&u);
	store(&no_threads, 1);
	await_lines(from, 1, said, sizeof said);
	/* The first may have come before. */
	if (load(&noted))
		case_note("a thread was there at first");
	snprintf(words, sizeof words, "thread %ld (a-reader), asleep",
		 (long) s.tid);
	expect(strstr(said, words) != NULL, "it is told on stderr");
	stuck_end(&s);
	updater_end(&u);
	/* And later by a thread again. */
	store(&no_threads, 0);
	noted = 0;
	s = (struct stuck) { 0 };
	one_stall(&s, 1);
}

static void refused_and(const void *arg)
{
	const struct surroundings *o = arg;
	struct stuck s = { 0 };
	struct updater u;

	o->set_up();
	set_limit(note, LIMIT);
	stuck_start(&s);
	start_thread(&u.thread, time_out, NULL);
	store(&no_threads, 1);
	while (stats().stalls < 3)
		nap(1000);
	stuck_end(&s);
	pthread_join(u.thread, NULL);
	store(&no_threads, 0);
	hush();
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	case_run(made_blocked, NULL, "the thread for the report");
	case_run(refused, NULL, "no thread for the report");
	for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
		case_run(refused_and, &outputs[i], "no thread, and %s",
			 outputs[i].name);
	return tap_end();
}
