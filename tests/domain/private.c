/* SPDX-License-Identifier: MIT */

/*
 * Private domains: grace periods of their own. What blocks is ended by the alarm. Each
 * case in a process of its own.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu/call-rcu.h>

#define URCU_API_MAP
#include "tests/lib/cases.h"
#include "tests/lib/reader.h"
#include "tests/lib/tap.h"
#include "urcu-membarrier/domain.h"

#define MS		UINT64_C(1000000)
#define ELEMENTS	3000
#define READERS		3

static struct umb_domain *d, *other;

/* A thread that sits in a section of a domain until it is told to leave. */
struct sitter {
	pthread_t thread;
	struct umb_domain *domain;
	int depth, in, leave, ends_inside;
};

static void *sit(void *arg)
{
	struct sitter *s = arg;
	struct umb_domain_reader *r;

	expect(!umb_domain_reader_register(s->domain, &r), "registers");
	for (int i = 0; i < s->depth; i++)
		umb_domain_read_lock(r);
	expect(umb_domain_read_ongoing(r) == s->depth, "the depth is known");
	store(&s->in, 1);
	await(&s->leave, 1);
	for (int i = s->ends_inside; i < s->depth; i++)
		umb_domain_read_unlock(r);
	if (!s->ends_inside)
		umb_domain_reader_unregister(r);
	return NULL;
}

static void sitter_start(struct sitter *s, struct umb_domain *domain, int depth)
{
	*s = (struct sitter) { .domain = domain, .depth = depth };
	start_thread(&s->thread, sit, s);
	await(&s->in, 1);
}

static void sitter_stop(struct sitter *s)
{
	store(&s->leave, 1);
	pthread_join(s->thread, NULL);
}

/* arg: a fence mode, or NULL. */
static void two_domains(const void *arg)
{
	if (arg)
		case_mode(*(const enum umb_fence_mode *) arg);
	errno = CASE_ERRNO;
	expect(!umb_domain_create(&d) && !umb_domain_create(&other), "two domains");
	expect(umb_domain_mode(d) == UMB_DOMAIN_PRIVATE, "they are private");
}

static void no_domains(void)
{
	expect(!umb_domain_destroy(d) && !umb_domain_destroy(other), "their end");
	expect(errno == CASE_ERRNO, "errno stays");
}

static int over_in(struct umb_domain *domain, uint64_t ms)
{
	return umb_domain_synchronize_timeout_ns(domain, ms * MS);
}

static void waits(const void *arg)
{
	struct sitter s;

	two_domains(arg);
	sitter_start(&s, d, 3);
	expect(over_in(d, 30) == -ETIMEDOUT, "a section is waited for");
	expect(over_in(d, 0) == -ETIMEDOUT, "and is not by who does not wait");
	sitter_stop(&s);
	expect(!over_in(d, 10000) && !umb_domain_synchronize(d), "until it is over");
	no_domains();
}

static void *leave_later(void *arg)
{
	nap(READER_STAYS_US);
	sitter_stop(arg);
	return NULL;
}

static void sleeps(const void *arg)
{
	pthread_t thread;
	struct sitter s;

	two_domains(arg);
	for (int i = 0; i < 10; i++) {
		sitter_start(&s, d, 1);
		start_thread(&thread, leave_later, &s);
		expect(!umb_domain_synchronize(d), "whoever sleeps is woken");
		expect(load(&s.leave), "and not before");
		pthread_join(thread, NULL);
	}
	no_domains();
}

/* A slow reader of one delays nobody in another. */
static void apart(const void *arg)
{
	struct reader flavour;
	struct sitter s;

	two_domains(arg);
	sitter_start(&s, d, 1);
	expect(!umb_domain_synchronize(other), "another domain does not wait");
	synchronize_rcu();
	sitter_stop(&s);
	reader_start(&flavour);
	reader_enter(&flavour);
	expect(!umb_domain_synchronize(d), "nor for the flavour's readers");
	reader_leave(&flavour);
	reader_stop(&flavour);
	no_domains();
}

static void polls(const void *arg)
{
	struct sitter s;
	unsigned long cookie;

	two_domains(arg);
	cookie = umb_domain_poll_start(d);
	while (!umb_domain_poll(d, cookie))
		;
	sitter_start(&s, d, 1);
	cookie = umb_domain_poll_start(d);
	for (int i = 0; i < 100; i++) {
		expect(!umb_domain_poll(d, cookie), "not over");
		nap(200);
	}
	sitter_stop(&s);
	while (!umb_domain_poll(d, cookie))
		nap(100);
	expect(umb_domain_poll(d, cookie) == 1, "it stays over");
	no_domains();
}

static void ends_inside(const void *arg)
{
	struct sitter s;

	two_domains(arg);
	sitter_start(&s, d, 2);
	s.ends_inside = 1;
	expect(umb_domain_destroy(d) == -EBUSY, "no end while readers are there");
	sitter_stop(&s);
	expect(!umb_domain_synchronize(d), "a thread's sections end with it");
	no_domains();
}

static struct umb_domain_reader *handlers_reader;
static int handled;

static void read_in_handler(int signal)
{
	(void) signal;
	umb_domain_read_lock(handlers_reader);
	handled += umb_domain_read_ongoing(handlers_reader) > 0;
	umb_domain_read_unlock(handlers_reader);
}

static void *send_signals(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_kill(*(pthread_t *) arg, SIGUSR1);
		if (!(i % 20))
			nap(50);
	}
	store(&ran, 1);
	return NULL;
}

static void in_handlers(const void *arg)
{
	struct sigaction action = { .sa_handler = read_in_handler };
	pthread_t self = pthread_self(), thread;
	struct umb_domain_reader *r;

	two_domains(arg);
	expect(!umb_domain_reader_register(d, &r), "registers");
	handlers_reader = r;
	sigaction(SIGUSR1, &action, NULL);
	start_thread(&thread, send_signals, &self);
	while (!load(&ran)) {
		umb_domain_read_lock(r);
		umb_domain_read_lock(r);
		umb_domain_read_unlock(r);
		umb_domain_read_unlock(r);
		expect(!umb_domain_read_ongoing(r), "handlers leave the depth alone");
	}
	pthread_join(thread, NULL);
	expect(handled > 0, "handlers have read");
	umb_domain_reader_unregister(r);
	expect(!umb_domain_synchronize(d), "nothing is left");
	no_domains();
}

static void callbacks(const void *arg)
{
	static struct rcu_head heads[50], flavours;
	struct sitter s;

	two_domains(arg);
	expect(!umb_domain_barrier(d), "nothing to wait for");
	sitter_start(&s, d, 1);
	store(&holding, 1);
	for (int i = 0; i < 50; i++)
		expect(!umb_domain_call(d, &heads[i], count_run), "call");
	nap(READER_STAYS_US);
	expect(!load(&ran), "no callback under a section");
	/* Its barrier is not the flavour's. */
	rcu_barrier();
	store(&holding, 0);
	call_rcu(&flavours, count_run);
	rcu_barrier();
	expect(load(&ran) == 1, "the flavour's has run, and no other");
	sitter_stop(&s);
	expect(!umb_domain_barrier(d), "barrier");
	expect_ran(51);
	expect(!umb_domain_call(d, &heads[0], count_run), "one more");
	no_domains();
	expect(load(&ran) == 52, "the domain's end has waited for it");
}

static void barrier_in_callback(struct rcu_head *head)
{
	(void) head;
	store(&early, umb_domain_barrier(d) != -EDEADLK);
	add(&ran, 1);
}

static void refusals(const void *arg)
{
	static struct rcu_head head;
	struct umb_domain_info info = { .size = sizeof info };
	struct umb_domain_reader *r;
	umb_offset offset = { 5 };

	two_domains(arg);
	expect(!umb_domain_call(d, &head, barrier_in_callback), "call");
	expect(!umb_domain_barrier(d), "barrier");
	expect(load(&ran) == 1 && !load(&early), "in a callback: EDEADLK");
	expect(!umb_domain_reader_register(d, &r), "registers");
	umb_domain_read_lock(r);
	expect(umb_domain_barrier(d) == -EDEADLK, "in a section: EDEADLK");
	expect(!umb_domain_barrier(other), "in another domain's: it is none");
	umb_domain_read_unlock(r);
	umb_domain_reader_unregister(r);
	expect(umb_domain_fd(d) == -1 && !umb_domain_area(d, NULL), "no segment");
	expect(umb_domain_info(d, &info) == -EINVAL, "none to tell of");
	expect(!umb_domain_reap(d), "nor to reap in");
	expect(umb_offset_assign(d, &offset, &info) == -EINVAL
	       && !umb_offset_dereference(d, &offset, 1), "nor to point into");
	no_domains();
}

static int child_dies(void (*act)(void))
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		/* It says what is wrong; it is not wanted here. */
		close(STDERR_FILENO);
		act();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static struct umb_domain_reader *mistaken;

static void synchronize_inside(void)
{
	umb_domain_read_lock(mistaken);
	umb_domain_synchronize(d);
}

static void unregister_inside(void)
{
	umb_domain_read_lock(mistaken);
	umb_domain_reader_unregister(mistaken);
}

static void unlock_too_often(void)
{
	umb_domain_read_unlock(mistaken);
	umb_domain_read_lock(mistaken);
}

static void nest_too_deep(void)
{
	for (int i = 0; i < 0x4000; i++)
		umb_domain_read_lock(mistaken);
}

static void mistakes(const void *arg)
{
	two_domains(arg);
	expect(!umb_domain_reader_register(d, &mistaken), "registers");
	expect(child_dies(synchronize_inside), "synchronize inside a section");
	expect(child_dies(unregister_inside), "unregister inside a section");
	expect(child_dies(unlock_too_often), "an unlock too many");
	expect(child_dies(nest_too_deep), "nested too deep");
	umb_domain_reader_unregister(mistaken);
	no_domains();
}

/* Grace periods, callbacks and readers go on in a child; others' sections do not. */
static void forks(const void *arg)
{
	static struct rcu_head head, childs;
	struct umb_domain_reader *r;
	struct sitter s;
	int status = 1;
	pid_t child;

	if (getenv("UMB_TEST_NO_FORK"))
		case_skip("a sanitizer's locks may not survive it");
	two_domains(arg);
	expect(!umb_domain_reader_register(d, &r), "registers");
	sitter_start(&s, d, 1);
	expect(!umb_domain_call(d, &head, count_run), "call");
	umb_domain_read_lock(r);
	child = fork();
	if (!child) {
		int good = umb_domain_read_ongoing(r) == 1;

		umb_domain_read_unlock(r);
		umb_domain_call(d, &childs, count_run);
		good &= !umb_domain_synchronize(d) && !umb_domain_barrier(d)
			&& load(&ran) == 2;
		umb_domain_read_lock(r);
		umb_domain_read_unlock(r);
		umb_domain_reader_unregister(r);
		_exit(!good || umb_domain_destroy(d));
	}
	waitpid(child, &status, 0);
	expect(!status, "the child has its own");
	umb_domain_read_unlock(r);
	umb_domain_reader_unregister(r);
	expect(!load(&ran), "the parent goes on waiting");
	sitter_stop(&s);
	expect(!umb_domain_barrier(d), "barrier");
	expect(load(&ran) == 1, "it has run there, too");
	no_domains();
}

/* Readers that would notice what is freed too early; sections of all kinds. */
struct element {
	int alive;
	struct rcu_head head;
};
static struct element *newest;
static int stop, broken;

static void *read_on(void *arg)
{
	struct umb_domain_reader *r;

	(void) arg;
	expect(!umb_domain_reader_register(d, &r), "registers");
	while (!load(&stop)) {
		struct element *e;

		umb_domain_read_lock(r);
		e = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
		umb_domain_read_lock(r);
		umb_domain_read_unlock(r);
		for (int i = 0; i < 20; i++)
			if (!__atomic_load_n(&e->alive, __ATOMIC_RELAXED))
				store(&broken, 1);
		umb_domain_read_unlock(r);
	}
	return NULL;
}

static void kill_element(struct rcu_head *head)
{
	struct element *e = (struct element *) ((char *) head
				- offsetof(struct element, head));

	__atomic_store_n(&e->alive, 0, __ATOMIC_RELAXED);
	free(e);
}

static void replace(int how)
{
	struct element *e = malloc(sizeof *e), *old;
	unsigned long cookie;

	e->alive = 1;
	old = __atomic_exchange_n(&newest, e, __ATOMIC_ACQ_REL);
	if (!old)
		return;
	cookie = umb_domain_poll_start(d);
	if (how % 3 == 0) {
		expect(!umb_domain_synchronize(d), "synchronize");
	} else if (how % 3 == 1) {
		while (!umb_domain_poll(d, cookie))
			sched_yield();
	} else {
		expect(!umb_domain_call(d, &old->head, kill_element), "call");
		return;
	}
	kill_element(&old->head);
}

static void keeps(const void *arg)
{
	pthread_t threads[READERS];
	int n;

	two_domains(arg);
	n = (int) tap_scale(ELEMENTS, 60);
	replace(0);
	for (int i = 0; i < READERS; i++)
		start_thread(&threads[i], read_on, NULL);
	for (int i = 0; i < n; i++)
		replace(i);
	store(&stop, 1);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	expect(!load(&broken), "no reader has seen what was freed");
	expect(!umb_domain_barrier(d), "barrier");
	free(newest);
	no_domains();
}

int main(int argc, char **argv)
{
	static const enum umb_fence_mode modes[] = {
		UMB_FENCE_GLOBAL, UMB_FENCE_SIGNAL, UMB_FENCE_VISIT,
	};

	case_main(argc, argv);
	case_run(waits, NULL, "a grace period waits for its domain's sections");
	case_run(sleeps, NULL, "it sleeps, and is woken");
	case_run(apart, NULL, "a slow reader of one delays nobody in another");
	case_run(polls, NULL, "polling");
	case_run(ends_inside, NULL, "a thread that ends inside a section");
	case_run(in_handlers, NULL, "sections in signal handlers");
	case_run(callbacks, NULL, "callbacks, and their barrier");
	case_run(refusals, NULL, "what cannot be, by an error");
	case_run(mistakes, NULL, "what is wrong, by an abort");
	case_run(forks, NULL, "a forked child has domains of its own");
	case_run(keeps, NULL, "no reader sees what was freed");
	for (int i = 0; i < 3; i++) {
		case_run(sleeps, &modes[i], "%s: it sleeps, and is woken",
			 umb_fence_mode_name(modes[i]));
		case_run(keeps, &modes[i], "%s: no reader sees what was freed",
			 umb_fence_mode_name(modes[i]));
	}
	return tap_end();
}
