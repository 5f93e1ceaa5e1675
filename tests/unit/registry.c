/* SPDX-License-Identifier: MIT */

/*
 * The registry of threads, seen from inside: it grows, shrinks and overflows,
 * and at no time holds a wrong record. Grace periods run meanwhile.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#include "thread/registry.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define CROWD		3000
#define CROWD_LEAST	1100	/* the registry has grown twice */
#define SPAWNERS	3
#define BATCH		8
#define FEW		9
#define MIXED		1400	/* more slots than a page holds */
#define MIXED_FIRST	400	/* less than the registry's first growth */
#define ELEMENTS	64
#define POISON		0x0DEADUL
#define VALID		0x600DUL
#define SKIPPED		77
#define STACK_BYTES	(64 * 1024)
#define LIMIT_SECONDS	120

#define OVERFLOWED	(~0UL)

/* Inconsistencies at this moment. */
static unsigned long registry_errors(void)
{
	struct umbi_registry *reg = &umbi_registry;
	unsigned long errors = 0;
	size_t listed = 0;

	umbi_lock(&reg->lock);
	/* An index that points at itself: no two slots hold the same record. */
	for (size_t i = 0; i < reg->used; i++)
		errors += !reg->slots[i] || reg->slots[i]->index != i
			|| !reg->slots[i]->registered;
	for (umbi_reader *r = reg->overflow; r && listed <= reg->overflowed;
	     r = r->next, listed++)
		errors += r->index != OVERFLOWED || !r->registered;
	errors += listed != reg->overflowed || reg->used > reg->usable;
	umbi_unlock(&reg->lock);
	return errors;
}

static size_t overflowed(void)
{
	size_t count;

	umbi_lock(&umbi_registry.lock);
	count = umbi_registry.overflowed;
	umbi_unlock(&umbi_registry.lock);
	return count;
}

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static int spawn(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	ret = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return ret;
}

/* An updater that replaces an element and poisons the old one, for ever. */
struct element {
	unsigned long value;
};
static struct element elements[ELEMENTS];
static struct element *current = &elements[0];
static int stop_updating;
static unsigned long grace_periods, stale;

static void *update_side(void *arg)
{
	struct element *old;

	(void) arg;
	for (unsigned long i = 1; !load(&stop_updating); i++) {
		elements[i % ELEMENTS].value = VALID;
		old = umb_xchg_pointer(&current, &elements[i % ELEMENTS]);
		synchronize_rcu();
		__atomic_store_n(&old->value, POISON, __ATOMIC_RELAXED);
		grace_periods++;
		usleep(100);
	}
	return NULL;
}

static void start_updater(pthread_t *thread)
{
	stop_updating = 0;
	grace_periods = 0;
	elements[0].value = VALID;
	current = &elements[0];
	pthread_create(thread, NULL, update_side, NULL);
}

static void stop_updater(pthread_t thread)
{
	store(&stop_updating, 1);
	pthread_join(thread, NULL);
}

static void look(void)
{
	struct element *e = umb_dereference(current);

	for (int i = 0; i < 3; i++)
		if (__atomic_load_n(&e->value, __ATOMIC_RELAXED) != VALID)
			__atomic_fetch_add(&stale, 1, __ATOMIC_RELAXED);
}

static void read_once(void)
{
	rcu_read_lock();
	look();
	rcu_read_unlock();
}

/* A crowd that is there all at once. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static int arrived, gate_open;

static void *join_the_crowd(void *arg)
{
	size_t number = (size_t) arg;

	read_once();
	pthread_mutex_lock(&gate);
	arrived++;
	pthread_cond_broadcast(&gate_moved);
	while (!gate_open)
		pthread_cond_wait(&gate_moved, &gate);
	pthread_mutex_unlock(&gate);
	read_once();
	if (number % 2)
		rcu_unregister_thread();
	return NULL;
}

static void wait_for_the_crowd(int size)
{
	pthread_mutex_lock(&gate);
	while (arrived < size)
		pthread_cond_wait(&gate_moved, &gate);
	pthread_mutex_unlock(&gate);
}

static void open_the_gate(void)
{
	pthread_mutex_lock(&gate);
	gate_open = 1;
	pthread_cond_broadcast(&gate_moved);
	pthread_mutex_unlock(&gate);
}

static void test_growth(void)
{
	static pthread_t crowd[CROWD];
	pthread_t updater;
	int size = 0, wanted = tap_emulated() ? CROWD_LEAST : CROWD;
	size_t count;

	start_updater(&updater);
	while (size < wanted && !spawn(&crowd[size], join_the_crowd,
				      (void *) (size_t) size))
		size++;
	wait_for_the_crowd(size);
	count = umbi_thread_count();
	synchronize_rcu();
	if (size < CROWD_LEAST)
		tap_skip("the machine refuses more threads",
			 "growth past two steps");
	else
		tap_ok(count == (size_t) size, "%d threads, all in the registry",
		       size);
	tap_ok(!registry_errors(), "each at the place its record names");
	open_the_gate();
	for (int i = 0; i < size; i++) {
		pthread_join(crowd[i], NULL);
		if (i == size / 2)
			tap_ok(!registry_errors(), "still so while they leave");
	}
	stop_updater(updater);
	tap_ok(grace_periods > 0 && umbi_thread_count() == 0,
	       "all have left, after %lu grace periods", grace_periods);
}

/* Threads that come, read and go. */
static void *come_and_go(void *arg)
{
	switch ((size_t) arg % 4) {
	case 0:
		read_once();
		break;
	case 1:
		rcu_register_thread();
		read_once();
		rcu_unregister_thread();
		break;
	case 2:
		read_once();
		rcu_thread_offline();
		break;
	case 3:
		rcu_read_lock();
		look();
		pthread_exit(NULL);
	}
	return NULL;
}

static int spawners_left;

static void *spawn_them(void *arg)
{
	unsigned long batches = (unsigned long) arg;
	pthread_t threads[BATCH];

	for (unsigned long n = 0; n < batches; n++) {
		size_t made = 0;

		while (made < BATCH && !spawn(&threads[made], come_and_go,
					      (void *) made))
			made++;
		while (made)
			pthread_join(threads[--made], NULL);
	}
	__atomic_fetch_sub(&spawners_left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_churn(void)
{
	unsigned long batches = tap_emulated() ? 40 : 200;
	unsigned long errors = 0, checks = 0;
	pthread_t spawners[SPAWNERS], updater;

	stale = 0;
	spawners_left = SPAWNERS;
	start_updater(&updater);
	for (int i = 0; i < SPAWNERS; i++)
		pthread_create(&spawners[i], NULL, spawn_them, (void *) batches);
	for (; load(&spawners_left); checks++) {
		errors += registry_errors();
		usleep(500);
	}
	for (int i = 0; i < SPAWNERS; i++)
		pthread_join(spawners[i], NULL);
	stop_updater(updater);
	tap_ok(!errors, "no wrong record in %lu looks during churn", checks);
	tap_ok(!stale, "no stale element seen in %lu short lives",
	       SPAWNERS * BATCH * batches);
	tap_ok(grace_periods && umbi_thread_count() == 0,
	       "nobody left, after %lu grace periods", grace_periods);
}

/* Threads that do as they are told. */
enum order { ENTER, LEAVE, HOLD, UNREGISTER, EXIT };
struct actor {
	pthread_t thread;
	sem_t told, did;
	enum order order;
	int over;
};

static void act(struct actor *self, enum order order)
{
	switch (order) {
	case ENTER:
		rcu_read_lock();
		break;
	case LEAVE:
		rcu_read_unlock();
		break;
	case HOLD:
		store(&self->over, 0);
		rcu_read_lock();
		sem_post(&self->did);
		/* Long enough for the updater to fall asleep. */
		usleep(60 * 1000);
		store(&self->over, 1);
		rcu_read_unlock();
		break;
	case UNREGISTER:
		rcu_unregister_thread();
		break;
	case EXIT:
		break;
	}
}

static void *play(void *arg)
{
	struct actor *self = arg;
	enum order order;

	do {
		while (sem_wait(&self->told))
			;
		order = self->order;	/* ours until we say that we did it */
		act(self, order);
		sem_post(&self->did);
	} while (order != EXIT);
	return NULL;
}

static void tell(struct actor *actor, enum order order)
{
	actor->order = order;
	sem_post(&actor->told);
	while (sem_wait(&actor->did))
		;
}

static int make_actors(struct actor *actors, int count)
{
	for (int i = 0; i < count; i++) {
		sem_init(&actors[i].told, 0, 0);
		sem_init(&actors[i].did, 0, 0);
		if (spawn(&actors[i].thread, play, &actors[i]))
			return -1;
	}
	return 0;
}

static void dismiss(struct actor *actor)
{
	tell(actor, EXIT);
	pthread_join(actor->thread, NULL);
}

static void read_by_all(struct actor *actors, int first, int end)
{
	for (int i = first; i < end; i++) {
		tell(&actors[i], ENTER);
		tell(&actors[i], LEAVE);
	}
}

/* In a child: what failed there is said as a comment and counted. */
static int failed;

static void check(int pass, const char *what)
{
	if (!pass) {
		failed++;
		tap_diag("failed: %s", what);
	}
}

static void check_held(struct actor *actor, const char *what)
{
	tell(actor, HOLD);
	synchronize_rcu();
	check(load(&actor->over), what);
	while (sem_wait(&actor->did))
		;
}

static void check_left(size_t count, const char *what)
{
	synchronize_rcu();
	check(!registry_errors() && umbi_thread_count() == count, what);
}

static void limit(int resource, rlim_t soft)
{
	struct rlimit r;

	getrlimit(resource, &r);
	r.rlim_cur = soft < r.rlim_max ? soft : r.rlim_max;
	setrlimit(resource, &r);
}

/* No room for the array at all. Newest is the head of the list. */
static int without_array(void)
{
	struct actor a[FEW] = { 0 };

	if (make_actors(a, FEW))
		return SKIPPED;
	limit(RLIMIT_AS, 4096);
	read_by_all(a, 0, FEW);
	if (!overflowed()) {
		tap_diag("RLIMIT_AS does not keep the registry from growing");
		return SKIPPED;
	}
	check(overflowed() == FEW, "not all are in the list");
	check_left(FEW, "a list of all");
	check_held(&a[FEW - 1], "head of the list waited for");
	check_held(&a[FEW / 2], "middle of the list waited for");
	check_held(&a[0], "tail of the list waited for");
	tell(&a[FEW - 1], UNREGISTER);
	check_left(FEW - 1, "head removed");
	tell(&a[0], UNREGISTER);
	check_left(FEW - 2, "tail removed");
	tell(&a[FEW / 2], UNREGISTER);
	check_left(FEW - 3, "middle removed");
	check_held(&a[1], "tail waited for after removals");
	check_held(&a[FEW - 2], "head waited for after removals");
	/* Removed ones come back; with room again, into the array. */
	tell(&a[0], ENTER);
	tell(&a[0], LEAVE);
	check_left(FEW - 2, "one is back");
	limit(RLIMIT_AS, RLIM_INFINITY);
	tell(&a[FEW / 2], ENTER);
	tell(&a[FEW / 2], LEAVE);
	check(overflowed() == FEW - 2, "with room again the array is used");
	check_held(&a[FEW / 2], "the array's reader waited for");
	check_held(&a[0], "the list's reader waited for");
	for (int i = 0; i < FEW; i++)
		dismiss(&a[i]);
	check_left(0, "all gone by thread exit");
	return failed;
}

/* The array stops growing on the way. */
static int half_an_array(void)
{
	static struct actor a[MIXED];
	size_t listed;

	if (make_actors(a, MIXED))
		return SKIPPED;
	read_by_all(a, 0, MIXED_FIRST);
	check(!overflowed(), "the list is used while there is room");
	limit(RLIMIT_DATA, 4096);
	read_by_all(a, MIXED_FIRST, MIXED);
	listed = overflowed();
	if (!listed) {
		tap_diag("RLIMIT_DATA does not keep the registry from growing");
		return SKIPPED;
	}
	check_left(MIXED, "array and list together");
	check_held(&a[0], "the array's first waited for");
	check_held(&a[MIXED - 1], "the list's head waited for");
	check_held(&a[MIXED - (int) listed], "the list's tail waited for");
	/* Room in the array, by leaving, is used again. */
	tell(&a[0], UNREGISTER);
	tell(&a[MIXED - 1], UNREGISTER);
	check_left(MIXED - 2, "one of each removed");
	read_by_all(a, 0, 1);
	read_by_all(a, MIXED - 1, MIXED);
	check(overflowed() == listed, "one of each back");
	check_left(MIXED, "and all there");
	for (int i = MIXED - 1; i >= 0; i -= 2)
		dismiss(&a[i]);
	check_left(MIXED / 2, "every other thread gone");
	limit(RLIMIT_DATA, RLIM_INFINITY);
	for (int i = MIXED - 2; i >= 0; i -= 2)
		dismiss(&a[i]);
	check_left(0, "all gone by thread exit");
	return failed;
}

/* While this process has one thread, and the registry nothing. */
static void in_child(int (*run)(void), const char *what)
{
	pid_t child = fork();
	int status;

	if (!child) {
		alarm(LIMIT_SECONDS);
		_exit(run());
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		tap_skip("the limit cannot be had", "%s", what);
	else if (!tap_ok(!status, "%s", what))
		tap_diag("wait status %#x", (unsigned int) status);
}

int main(void)
{
	tap_begin();
	alarm(LIMIT_SECONDS);
	tap_ok(umbi_thread_count() == 0, "nobody registers on the program's behalf");
	in_child(without_array, "no address space: all records in the list");
	in_child(half_an_array, "no more memory: records in array and list");
	test_growth();
	test_churn();
	return tap_end();
}
