/* SPDX-License-Identifier: MIT */

/* What a process, or a thread, may do; and whether it was done. */

#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "tests/lib/family.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define SOME		20UL
#define NAP_US		500
#define NAPS		20000		/* until we give up */
#define SECTION_US	20000
#define LIVING		0x11fe11feUL
#define DEAD		0xdeadUL

struct element {
	struct rcu_head head;
	unsigned long state;
};

/* All of this process, at least what has returned, at most what was begun. */
static struct count {
	unsigned long begun, queued, ran;
} calls, deferrals;
static unsigned long forgiven;
static struct urcu_gp_poll_state cookie;
static struct element *published;

static unsigned long load(const unsigned long *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void add(unsigned long *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
}

unsigned long family_ran(void)
{
	return load(&calls.ran);
}

void family_forgive(unsigned long callbacks)
{
	forgiven += callbacks;
}

static void bury(struct element *e)
{
	family_expect(e->state == LIVING, "reclaimed: %#lx", e->state);
	e->state = DEAD;
	free(e);
}

static void reclaim(struct rcu_head *head)
{
	bury(caa_container_of(head, struct element, head));
	add(&calls.ran);
}

static struct element *new_element(void)
{
	struct element *e = malloc(sizeof *e);

	if (!family_expect(e != NULL, "no memory"))
		_exit(1);
	e->state = LIVING;
	return e;
}

void family_queue(unsigned long n)
{
	while (n--) {
		struct element *e = new_element();

		add(&calls.begun);
		call_rcu(&e->head, reclaim);
		add(&calls.queued);
	}
}

static void undo(void *p)
{
	bury(p);
	add(&deferrals.ran);
}

static void defer(unsigned long n)
{
	while (n--) {
		struct element *e = new_element();

		add(&deferrals.begun);
		defer_rcu(undo, e);
		add(&deferrals.queued);
	}
}

static void check_count(const struct count *c, unsigned long queued,
			const char *what)
{
	unsigned long ran = load(&c->ran), begun = load(&c->begun);

	family_expect(ran + forgiven >= queued && ran <= begun,
		      "%lu of %lu to %lu %s have run", ran, queued, begun, what);
}

/* What others queue meanwhile may have run, or not. */
void family_count(void)
{
	unsigned long queued = load(&calls.queued);
	unsigned long deferred = load(&deferrals.queued);

	rcu_barrier();
	check_count(&calls, queued, "callbacks");
	rcu_defer_barrier();
	check_count(&deferrals, deferred, "deferred calls");
}

/* Without a push from us. */
static void await(const struct count *c, const char *what)
{
	unsigned long queued = load(&c->queued);

	for (int n = 0; n < NAPS && load(&c->ran) + forgiven < queued; n++)
		usleep(NAP_US);
	check_count(c, queued, what);
}

static void read_side(void)
{
	struct element *e;

	for (int i = 0; i < 3; i++) {
		rcu_read_lock();
		e = rcu_dereference(published);
		rcu_read_lock();
		if (e)
			family_expect(e->state == LIVING, "read: %#lx", e->state);
		rcu_read_unlock();
		if (e)
			family_expect(e->state == LIVING, "read: %#lx", e->state);
		rcu_read_unlock();
	}
}

static void update(void)
{
	struct element *e = rcu_xchg_pointer(&published, new_element());

	synchronize_rcu();
	if (e)
		bury(e);
}

static void update_by_callback(void)
{
	struct element *e = rcu_xchg_pointer(&published, new_element());

	if (!e)
		return;
	add(&calls.begun);
	call_rcu(&e->head, reclaim);
	add(&calls.queued);
}

static void poll_until_over(struct urcu_gp_poll_state state)
{
	int n = 0;

	while (!poll_state_synchronize_rcu(state) && n++ < NAPS)
		usleep(NAP_US);
	family_expect(n < NAPS, "a cookie's grace period does not end");
}

static void poll_by_eventfd(void)
{
	struct pollfd fd = { eventfd(0, EFD_CLOEXEC), POLLIN, 0 };
	int ret = umb_poll_eventfd(start_poll_synchronize_rcu(), fd.fd);

	family_expect(!ret, "umb_poll_eventfd: %d", ret);
	ret = poll(&fd, 1, NAPS * NAP_US / 1000);
	family_expect(ret == 1, "poll on the eventfd: %d", ret);
	close(fd.fd);
}

static void use_own_worker(unsigned int serves_us)
{
	struct call_rcu_data *w = create_call_rcu_data(0, -1);
	struct call_rcu_data *before = get_thread_call_rcu_data();

	if (!family_expect(w != NULL, "no worker"))
		return;
	set_thread_call_rcu_data(w);
	family_queue(SOME);
	set_thread_call_rcu_data(before);
	if (serves_us)
		usleep(serves_us);
	call_rcu_data_free(w);
}

static void *live(void *arg)
{
	family_act("rsqrufr");
	return arg;
}

static void use_threads(void)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		if (!family_expect(!pthread_create(&threads[i], NULL, live, NULL),
				   "no thread"))
			_exit(1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void *synchronize_and_say(void *over)
{
	synchronize_rcu();
	__atomic_store_n((int *) over, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void be_waited_for(void)
{
	pthread_t thread;
	int over = 0;

	pthread_create(&thread, NULL, synchronize_and_say, &over);
	usleep(SECTION_US);
	family_expect(!__atomic_load_n(&over, __ATOMIC_SEQ_CST),
		      "a grace period does not wait for our section");
	while (rcu_read_ongoing())
		rcu_read_unlock();
	pthread_join(thread, NULL);
}

static void have_child(const char *acts)
{
	pid_t child = family_fork();

	if (!child) {
		if (rcu_read_ongoing())
			family_act("rqW");
		family_act(acts);
		family_count();
		family_end(0);
	}
	family_wait(child);
}

static void fork_politely(void)
{
	pid_t child;

	call_rcu_before_fork();
	child = family_fork();
	if (!child) {
		call_rcu_after_fork_child();
		family_act("rcs");
		family_end(1);
	}
	call_rcu_after_fork_parent();
	family_wait(child);
}

static void act(char what)
{
	switch (what) {
	case '(': rcu_read_lock(); break;
	case ')': rcu_read_unlock(); break;
	case 'r': read_side(); break;
	case 's': update(); break;
	case 'S': family_expect(!umb_synchronize_timeout_ns(9000000000),
				"a grace period takes seconds"); break;
	case 'f': umb_fence_heavy(); break;
	case 'K': cookie = start_poll_synchronize_rcu(); break;
	case 'P': poll_until_over(cookie); break;
	case 'p': poll_until_over(start_poll_synchronize_rcu()); break;
	case 'q': family_queue(SOME); update_by_callback(); break;
	case 'c': family_act("q"); family_count(); break;
	case 'C': await(&calls, "callbacks"); break;
	case 'i': defer(SOME); break;
	case 'd': defer(SOME); family_count(); break;
	case 'D': await(&deferrals, "deferred calls"); break;
	case 'e': poll_by_eventfd(); break;
	case 'w': use_own_worker(0); break;
	case 'v': use_own_worker(10 * NAP_US); break;
	case 't': use_threads(); break;
	case 'W': be_waited_for(); break;
	case 'b': fork_politely(); break;
	case 'g': have_child(""); have_child("rscdpt"); break;
	case 'u': rcu_unregister_thread(); break;
	default: family_expect(0, "no act: %c", what);
	}
}

void family_act(const char *acts)
{
	for (; *acts; acts++)
		act(*acts);
}
