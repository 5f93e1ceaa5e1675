/* SPDX-License-Identifier: MIT */

/*
 * A program that is built with DEBUG_RCU: where sections began, and mistakes that
 * are told, or end the process. Each case in a process of its own.
 */

#define _GNU_SOURCE
#include <link.h>
#include <sys/wait.h>

#define URCU_API_MAP
#include "tests/lib/said.h"
#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#ifndef DEBUG_RCU
# error "for programs that define DEBUG_RCU"
#endif

#define SECONDS		20
#define MANY		100000	/* more callbacks than are watched */

/* Sections of the program's text: the linker says where they are. */
#define PLACED(name)	__attribute__((noinline, section(#name)))
#define IS_IN(name, at) \
	((const char *) (at) >= __start_##name && (const char *) (at) < __stop_##name)
extern const char __start_entry[], __stop_entry[];
extern const char __start_mistake[], __stop_mistake[];
extern const char __start_other[], __stop_other[];

static void *pointer = &pointer;

static PLACED(entry) void enter(void)
{
	rcu_read_lock();
	__asm__ volatile ("");	/* no tail call */
}

/* What is added to the places that lines name, of the program: its first in the list. */
static int find_base(struct dl_phdr_info *module, size_t size, void *arg)
{
	(void) size;
	*(uintptr_t *) arg = module->dlpi_addr;
	return 1;
}

static uintptr_t base(void)
{
	uintptr_t address = 0;

	dl_iterate_phdr(find_base, &address);
	return address;
}

/* The place that a line names, behind these words; 0: it does not. */
static const char *place_in(const char *said, const char *before)
{
	const char *at = strstr(said, before), *name, *plus;

	name = strrchr(program_invocation_name, '/');
	name = name ? name + 1 : program_invocation_name;
	at = at ? strstr(at, name) : NULL;
	plus = at && at[strlen(name)] == '+' ? at + strlen(name) : NULL;
	return plus ? (const char *) (base() + strtoul(plus + 1, NULL, 16))
		: NULL;
}

static int lines_of(const char *said)
{
	int n = 0;

	for (; *said; said++)
		n += *said == '\n';
	return n;
}

/* Sections. */

static int inside, leave;

static void *stay_inside(void *arg)
{
	enter();
	for (long i = 1; i < (long) arg; i++)
		rcu_read_lock();
	store(&inside, 1);
	await(&leave, 1);
	for (long i = 1; i < (long) arg; i++)
		rcu_read_unlock();
	rcu_read_unlock();
	expect(!urcu_membarrier_reader.entered, "it began nowhere");
	return NULL;
}

static void entered(const void *arg)
{
	long depth = *(const long *) arg;
	char text[512];
	pthread_t thread;
	struct updater u;

	set_limit(note, LIMIT);
	start_thread(&thread, stay_inside, (void *) depth);
	await(&inside, 1);
	updater_start(&u);
	await(&noted, 1);
	store(&leave, 1);
	pthread_join(thread, NULL);
	updater_end(&u);
	hush();
	expect((long) notes[0].depth == depth, "its depth");
	expect(IS_IN(entry, notes[0].entered), "it began where it was entered");
	umb_stall_describe(&notes[0], text, sizeof text);
	expect(place_in(text, " that began at ") == notes[0].entered,
	       "and the line says so");
}

static const void *place_now(void)
{
	return __atomic_load_n(&urcu_membarrier_reader.entered, __ATOMIC_RELAXED);
}

static const void *in_handler;

static void handler(int signal)
{
	(void) signal;
	rcu_read_lock();
	in_handler = place_now();
	rcu_read_lock();
	rcu_read_unlock();
	expect(place_now() == in_handler, "nested, it is the outer one");
	rcu_read_unlock();
}

static void handlers(const void *arg)
{
	(void) arg;
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	expect(in_handler && !IS_IN(entry, in_handler), "the handler's own");
	expect(!place_now(), "and then none");
	enter();
	raise(SIGUSR1);
	expect(IS_IN(entry, in_handler) && IS_IN(entry, place_now()),
	       "inside a section that of the section");
	rcu_read_unlock();
	expect(!place_now(), "and then none");
}

/* Between any two instructions of a section. */
static int over;

static void *shoot(void *arg)
{
	while (!load(&over)) {
		pthread_kill(*(pthread_t *) arg, SIGUSR1);
		nap(50);
	}
	return NULL;
}

static void handlers_often(const void *arg)
{
	pthread_t self = pthread_self(), thread;

	(void) arg;
	signal(SIGUSR1, handler);
	rcu_register_thread();
	start_thread(&thread, shoot, &self);
	for (int i = 0; i < 200000; i++) {
		enter();
		if (!IS_IN(entry, place_now()))
			break;
		rcu_read_unlock();
	}
	store(&over, 1);
	pthread_join(thread, NULL);
	expect(!place_now() && !rcu_read_ongoing(), "it is always its own");
}

/* Mistakes. */

static PLACED(mistake) void follow_outside(void)
{
	(void) umb_dereference(pointer);
	__asm__ volatile ("");
}

static PLACED(other) void follow_elsewhere(void)
{
	(void) rcu_dereference(pointer);
	__asm__ volatile ("");
}

static PLACED(mistake) void go_offline(void)
{
	rcu_thread_offline();
	__asm__ volatile ("");
}

static PLACED(mistake) void unlock(void)
{
	rcu_read_unlock();
	__asm__ volatile ("");
}

static void often_in_one_place(const void *arg)
{
	(void) arg;
	for (int i = 0; i < 3; i++)
		follow_outside();
}

static void in_another_place(const void *arg)
{
	(void) arg;
	for (int i = 0; i < 3; i++)
		follow_elsewhere();
}

static void in_two_places(const void *arg)
{
	often_in_one_place(arg);
	in_another_place(arg);
	often_in_one_place(arg);
}

static void as_they_should(const void *arg)
{
	(void) arg;
	(void) umb_dereference_protected(pointer);
	rcu_read_lock();
	follow_outside();
	follow_elsewhere();
	rcu_read_lock();
	rcu_read_unlock();
	follow_outside();
	rcu_read_unlock();
	go_offline();
	rcu_read_lock();
	rcu_read_unlock();
	umb_assign_pointer(pointer, NULL);
	rcu_set_pointer(&pointer, NULL);
	synchronize_rcu();
}

static void offline_inside(const void *arg)
{
	(void) arg;
	rcu_read_lock();
	for (int i = 0; i < 3; i++)
		go_offline();
	expect(rcu_read_ongoing() == 1, "it stays inside");
	rcu_read_unlock();
}

static void unlock_too_often(const void *arg)
{
	for (int i = 0; i < *(const int *) arg; i++)
		rcu_read_lock();
	for (int i = 0; i < *(const int *) arg; i++)
		rcu_read_unlock();
	unlock();
}

static struct rcu_head head, heads[MANY];

static void queue_twice(const void *arg)
{
	rcu_read_lock();
	call_rcu(&head, count_run);
	if (arg)
		call_rcu(&heads[0], count_run);
	call_rcu(&head, count_run);
}

static void *queue_it(void *arg)
{
	call_rcu(&head, count_run);
	return arg;
}

static void queue_twice_elsewhere(const void *arg)
{
	pthread_t thread;

	(void) arg;
	rcu_read_lock();
	call_rcu(&head, count_run);
	start_thread(&thread, queue_it, NULL);
	pthread_join(thread, NULL);
}

static void queue_twice_in_child(const void *arg)
{
	int status;
	pid_t child;

	(void) arg;
	rcu_read_lock();
	call_rcu(&head, count_run);
	child = fork();
	if (!child) {
		call_rcu(&head, count_run);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		abort();
}

static const struct mistake {
	const char *name;
	void (*make)(const void *arg);
	const void *arg;
	int dies, lines;
	const char *words;
	const char *from, *to;		/* the place that is named */
} mistakes[] = {
	{ "a dereference outside", often_in_one_place, NULL, 0, 1,
	  "rcu_dereference: outside", __start_mistake, __stop_mistake },
	{ "an rcu_dereference outside", in_another_place, NULL, 0, 1,
	  "rcu_dereference: outside", __start_other, __stop_other },
	{ "the same in two places", in_two_places, NULL, 0, 2,
	  "rcu_dereference: outside", __start_mistake, __stop_mistake },
	{ "none", as_they_should, NULL, 0, 0, NULL, NULL, NULL },
	{ "going offline inside", offline_inside, NULL, 0, 1,
	  "rcu_thread_offline: inside", __start_mistake, __stop_mistake },
	{ "an unlock without a lock", unlock_too_often, &(const int) { 0 }, 1, 1,
	  "rcu_read_unlock: no", __start_mistake, __stop_mistake },
	{ "an unlock too many", unlock_too_often, &(const int) { 2 }, 1, 1,
	  "rcu_read_unlock: no", __start_mistake, __stop_mistake },
	{ "a callback that is queued twice", queue_twice, NULL, 1, 1,
	  "call_rcu: the callback is queued already", NULL, NULL },
	{ "and not in a row", queue_twice, "", 1, 1,
	  "call_rcu: the callback is queued already", NULL, NULL },
	{ "by two threads", queue_twice_elsewhere, NULL, 1, 1,
	  "call_rcu: the callback is queued already", NULL, NULL },
	{ "in a forked child once more", queue_twice_in_child, NULL, 1, 1,
	  "call_rcu: the callback is queued already", NULL, NULL },
};

static void made(const void *arg)
{
	const struct mistake *m = arg;
	char said[4096];
	const char *at;
	int status = said_by(m->make, m->arg, SECONDS, said, sizeof said);

	expect(m->dies ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
		: !status, "the process ends as it should");
	expect(lines_of(said) == m->lines, "so many lines");
	expect(!m->words || strstr(said, m->words), "which say what");
	at = place_in(said, m->words ? m->words : "");
	expect(!m->from || (at >= m->from && at < m->to), "and where");
}

/* What is none. */

static int again;

static void queue_itself(struct rcu_head *self)
{
	if (add(&again, -1) > 0)
		call_rcu(self, queue_itself);
	add(&ran, 1);
}

static void queued_again(const void *arg)
{
	(void) arg;
	again = 20;
	call_rcu(&head, queue_itself);
	await(&ran, 20);
	for (int i = 1; i <= 20; i++) {
		rcu_barrier();
		call_rcu(&head, count_run);
		await(&ran, 20 + i);
	}
}

static void many(const void *arg)
{
	(void) arg;
	for (int round = 1; round <= 2; round++) {
		rcu_read_lock();
		for (int i = 0; i < MANY; i++)
			call_rcu(&heads[i], count_run);
		rcu_read_unlock();
		rcu_thread_offline();
		rcu_barrier();
		expect(load(&ran) == round * MANY, "all have run");
	}
}

static void *queue_some(void *arg)
{
	struct rcu_head *mine = arg;

	for (int i = 0; i < 2000; i++)
		call_rcu(&mine[i], count_run);
	return NULL;
}

static void by_several(const void *arg)
{
	pthread_t threads[3];

	(void) arg;
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 3; i++)
			start_thread(&threads[i], queue_some, &heads[2000 * i]);
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		rcu_barrier();
		expect(load(&ran) == 6000 * round, "all have run");
	}
}

/* Those that wait are the child's, too, and may be queued when they have run. */
static void forked(const void *arg)
{
	int status;
	pid_t child;

	(void) arg;
	rcu_read_lock();
	for (int i = 0; i < 100; i++)
		call_rcu(&heads[i], count_run);
	child = fork();
	if (!child)
		alarm(SECONDS);
	rcu_read_unlock();
	rcu_thread_offline();
	rcu_barrier();
	expect(load(&ran) == 100, "all have run");
	for (int i = 0; i < 100; i++)
		call_rcu(&heads[i], count_run);
	rcu_barrier();
	expect(load(&ran) == 200, "and once more");
	if (!child)
		_exit(0);
	expect(waitpid(child, &status, 0) == child && !status, "the child");
}

/* Grace periods look at what they rely on, while all goes on. */
static void *read_often(void *arg)
{
	while (!load(&over)) {
		rcu_read_lock();
		(void) umb_dereference(pointer);
		rcu_read_unlock();
		rcu_thread_offline();
		rcu_read_lock();
		rcu_read_lock();
		rcu_read_unlock();
		rcu_read_unlock();
		rcu_unregister_thread();
	}
	return arg;
}

static void grace_periods(const void *arg)
{
	pthread_t threads[3];

	(void) arg;
	umb_debug_enable();
	umb_debug_enable();
	for (int i = 0; i < 3; i++)
		start_thread(&threads[i], read_often, NULL);
	for (unsigned int i = 0; i < tap_scale(1000, 20); i++) {
		synchronize_rcu();
		umb_synchronize_timeout_ns(0);
		call_rcu(&heads[i], count_run);
	}
	store(&over, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	rcu_barrier();
}

int main(int argc, char **argv)
{
	static const long once = 1, thrice = 3;

	case_main(argc, argv);
	case_run(entered, &once, "where a section began");
	case_run(entered, &thrice, "where the outermost section began");
	case_run(handlers, NULL, "sections in handlers");
	case_run(handlers_often, NULL, "handlers in sections");
	for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++)
		case_run(made, &mistakes[i], "mistakes: %s", mistakes[i].name);
	case_run(queued_again, NULL, "callbacks that are queued again");
	case_run(many, NULL, "many callbacks");
	case_run(by_several, NULL, "callbacks of several threads");
	case_run(forked, NULL, "callbacks in a forked child");
	case_run(grace_periods, NULL, "grace periods");
	return tap_end();
}
