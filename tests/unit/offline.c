/* SPDX-License-Identifier: MIT */

/*
 * Threads that go offline and come back. No grace period looks at an offline
 * thread; what it reads afterwards is protected all the same.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define THREADS		4
#define ELEMENTS	16	/* a thread's; poison stays in them for a while */
#define VALID		0x600DUL
#define POISON		0x0DEADUL
#define HOLD_US		(60 * 1000)
#define LIMIT_SECONDS	120

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void act_all(const char *acts)
{
	for (; *acts; acts++) {
		switch (*acts) {
		case 'R': rcu_register_thread(); break;
		case 'U': rcu_unregister_thread(); break;
		case 'O': rcu_thread_online(); break;
		case 'F': rcu_thread_offline(); break;
		case 'S': synchronize_rcu(); break;
		case 'Q': rcu_quiescent_state(); break;
		case 'E': rcu_read_lock(); break;
		case 'L': rcu_read_unlock(); break;
		}
	}
}

/*
 * Acts that leave a thread inside a section of that depth: a grace period must
 * wait for it. Letters as above.
 */
static const struct held {
	const char *what;
	const char *acts;
	int depth;
} held[] = {
	{ "an ordinary section", "E", 1 },
	{ "a section that tried to go offline", "EF", 1 },
	{ "the same in a nested one", "EEF", 2 },
	{ "nested around a try to go offline", "EFE", 2 },
	{ "the inner one left after a try", "EEFL", 1 },
	{ "online in a section", "EO", 1 },
	{ "registered in a section", "ER", 1 },
	{ "a quiescent state told in a section", "EQ", 1 },
	{ "a section of an offline thread", "ELFE", 1 },
	{ "the same, nested", "ELFEE", 2 },
	{ "one of an offline thread, back by hand", "ELFOE", 1 },
	{ "the first of a registered thread", "RE", 1 },
	{ "the first of a thread brought online", "OE", 1 },
	{ "the first of a thread that went offline first", "FE", 1 },
	{ "the first of a registered one that did", "RFE", 1 },
	{ "the next after a grace period of its own", "ELSE", 1 },
	{ "after that and back by hand", "ELSOE", 1 },
	{ "after grace periods while offline", "ELFSSE", 1 },
	{ "the first of a thread that only updated", "SE", 1 },
	{ "a section after unregistering", "ELUE", 1 },
	{ "after unregistering while offline", "ELFUE", 1 },
	{ "offline after unregistering, then read", "ELUFE", 1 },
	{ "to and fro", "OFOFELFELOEFEEFLL", 1 },
};

struct holder {
	const struct held *held;
	int depth;
	int inside, over;
};

static void *hold(void *arg)
{
	struct holder *self = arg;

	act_all(self->held->acts);
	self->depth = rcu_read_ongoing();
	store(&self->inside, 1);
	usleep(HOLD_US);
	store(&self->over, 1);
	for (int i = 0; i < self->held->depth; i++)
		rcu_read_unlock();
	return NULL;
}

static void test_held(const struct held *h)
{
	struct holder holder = { .held = h };
	pthread_t thread;
	int waited;

	pthread_create(&thread, NULL, hold, &holder);
	while (!load(&holder.inside))
		usleep(50);
	synchronize_rcu();
	waited = load(&holder.over);
	pthread_join(thread, NULL);
	tap_ok(waited, "waited for: %s", h->what);
	tap_ok(holder.depth == h->depth, "of depth %d", h->depth);
}

/*
 * Acts that leave a thread outside any section: no grace period waits for it,
 * while it sleeps.
 */
static const char *const idle[] = {
	"", "F", "R", "RF", "O", "OF", "EL", "ELF", "ELFO", "ELS", "SEL", "ELFS",
	"EFL", "EOL", "ERL", "EFLF", "EELL", "EEFLFL", "ELU", "ELUF", "ELFU",
	"ELFF", "ELOO", "ELUO", "S", "RFU", "U", "UF",
};

struct idler {
	const char *acts;
	int depth;
	int there, dismissed;
};

static void *idle_along(void *arg)
{
	struct idler *self = arg;

	act_all(self->acts);
	self->depth = rcu_read_ongoing();
	store(&self->there, 1);
	while (!load(&self->dismissed))
		usleep(200);
	return NULL;
}

static void test_idle(const char *acts)
{
	struct idler idler = { .acts = acts };
	pthread_t thread;

	pthread_create(&thread, NULL, idle_along, &idler);
	while (!load(&idler.there))
		usleep(50);
	synchronize_rcu();	/* or the alarm ends it */
	tap_ok(!idler.depth, "not waited for, depth 0: a thread that did \"%s\"",
	       acts);
	store(&idler.dismissed, 1);
	pthread_join(thread, NULL);
}

/* What the counter says, which the updater goes by. */
static void *look_at_counter(void *arg)
{
	int *errors = arg;
	unsigned long *ctr = &urcu_membarrier_reader.ctr;

	rcu_thread_offline();
	*errors += *ctr != URCU_MEMBARRIER_UNREGISTERED;
	rcu_register_thread();
	*errors += *ctr != URCU_MEMBARRIER_OFFLINE;
	rcu_thread_online();
	*errors += (*ctr & URCU_MEMBARRIER_NEST_MASK) != 0;
	synchronize_rcu();
	*errors += *ctr != URCU_MEMBARRIER_OFFLINE;
	rcu_read_lock();
	rcu_thread_offline();
	*errors += (*ctr & URCU_MEMBARRIER_NEST_MASK) != 1;
	rcu_read_unlock();
	*errors += (*ctr & URCU_MEMBARRIER_NEST_MASK) != 0;
	rcu_thread_offline();
	*errors += *ctr != URCU_MEMBARRIER_OFFLINE;
	rcu_unregister_thread();
	*errors += *ctr != URCU_MEMBARRIER_UNREGISTERED;
	rcu_thread_online();
	*errors += (*ctr & URCU_MEMBARRIER_NEST_MASK) != 0;
	return NULL;
}

static void test_counter(void)
{
	pthread_t thread;
	int errors = 0;

	pthread_create(&thread, NULL, look_at_counter, &errors);
	pthread_join(thread, NULL);
	tap_ok(!errors, "the counter says where the thread stands");
}

/* Everything at random, with elements that are poisoned after their time. */
static unsigned long *shared;
static unsigned long stale, sections;

struct mixer {
	pthread_t thread;
	unsigned int seed;
	unsigned long updates;
	unsigned long next;
	unsigned long elements[ELEMENTS];
};

static void look(void)
{
	unsigned long *element;

	rcu_read_lock();
	element = umb_dereference(shared);
	for (int i = 0; i < 4; i++)
		if (__atomic_load_n(element, __ATOMIC_RELAXED) != VALID)
			__atomic_fetch_add(&stale, 1, __ATOMIC_RELAXED);
	rcu_read_unlock();
}

static void look_nested(void)
{
	rcu_read_lock();
	rcu_thread_offline();
	look();
	rcu_thread_online();
	look();
	rcu_read_unlock();
}

static void update(struct mixer *self)
{
	unsigned long *new, *old;

	/* Not one that is in use, or that somebody has still to poison. */
	do
		new = &self->elements[self->next++ % ELEMENTS];
	while (__atomic_load_n(new, __ATOMIC_RELAXED) == VALID);
	self->updates--;
	__atomic_store_n(new, VALID, __ATOMIC_RELAXED);
	old = umb_xchg_pointer(&shared, new);
	synchronize_rcu();
	__atomic_store_n(old, POISON, __ATOMIC_RELAXED);
}

static void *mix(void *arg)
{
	struct mixer *self = arg;
	unsigned long mine = 0;

	while (self->updates) {
		switch (rand_r(&self->seed) % 32) {
		case 0: update(self); break;
		case 1: case 2: case 3: case 4: rcu_thread_offline(); break;
		case 5: case 6: rcu_thread_online(); break;
		case 7: rcu_register_thread(); break;
		case 8: rcu_unregister_thread(); break;
		case 9: case 10: case 11: case 12: look_nested(); break;
		default: look();
		}
		mine++;
	}
	__atomic_fetch_add(&sections, mine, __ATOMIC_RELAXED);
	return NULL;
}

static void test_mixed(void)
{
	static struct mixer mixers[THREADS];
	static unsigned long first = VALID;
	unsigned long updates = tap_scale(30000, 60);

	shared = &first;
	for (unsigned int i = 0; i < THREADS; i++) {
		mixers[i].seed = i + 1;
		mixers[i].updates = updates;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_create(&mixers[i].thread, NULL, mix, &mixers[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(mixers[i].thread, NULL);
	tap_ok(!stale && sections,
	       "no stale element in %lu acts of %d threads, %lu updates each",
	       sections, THREADS, updates);
}

int main(void)
{
	tap_begin();
	alarm(LIMIT_SECONDS);
	test_counter();
	for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
		test_idle(idle[i]);
	for (size_t i = 0; i < sizeof held / sizeof held[0]; i++)
		test_held(&held[i]);
	test_mixed();
	return tap_end();
}
