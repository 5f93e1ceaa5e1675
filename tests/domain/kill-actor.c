/* SPDX-License-Identifier: MIT */

/* What an actor does. kill.h says which letter is what. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/domain/kill.h"
#include "tests/lib/tap.h"

#define ALIVE		UINT64_C(0x600D600D600D600D)
#define SPOILT		UINT64_C(0xDEADDEADDEADDEAD)
#define SHORT_NS	3000000
#define LONG_NS		(PATIENCE * UINT64_C(1000000000))

struct element {
	uint64_t canary, version;
};

/* An updater's. It dies between any two of its stores. */
struct cell {
	umb_offset current;
	uint64_t least;		/* no section may see one that is older */
	uint64_t next;		/* version */
	struct element pool[POOL];
};

struct element_area {
	struct cell cells[CELLS];
};

struct state *state;

void bad(const char *format, ...)
{
	va_list args;

	if (__atomic_fetch_add(&state->bad, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(args, format);
	vsnprintf(state->why, sizeof state->why, format, args);
	va_end(args);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

uint64_t draw(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static struct cell *cell_of(const struct umb_domain *d, int i)
{
	struct element_area *area = umb_domain_area(d, NULL);

	return &area->cells[i];
}

size_t area_bytes(void)
{
	return sizeof(struct element_area);
}

void area_prepare(struct umb_domain *d)
{
	for (int i = 0; i < CELLS; i++) {
		struct cell *cell = cell_of(d, i);

		for (int k = 0; k < POOL; k++)
			cell->pool[k] = (struct element) { SPOILT, 0 };
		cell->pool[0] = (struct element) { ALIVE, 1 };
		cell->least = 1;
		cell->next = 2;
		umb_offset_assign(d, &cell->current, &cell->pool[0]);
	}
}

/* In a section. `first`: what it sees from now on must stay. */
static void look(struct self *self, int first)
{
	for (int i = 0; i < CELLS; i++) {
		struct cell *cell = cell_of(self->domain, i);
		const struct element *e = first
			? umb_offset_dereference(self->domain, &cell->current,
						 sizeof *e)
			: self->element[i];
		uint64_t version;

		if (!e) {
			bad("cell %d: no element", i);
			continue;
		}
		version = load(&e->version);
		if (load(&e->canary) != ALIVE)
			bad("cell %d: a section sees a freed element", i);
		else if (version < self->seen[i]
			 || (!first && version != self->seen[i]))
			bad("cell %d: a section sees version %llu after %llu", i,
			    (unsigned long long) version,
			    (unsigned long long) self->seen[i]);
		else if (version < load(&cell->least))
			bad("cell %d: a section sees version %llu, replaced a grace "
			    "period ago", i, (unsigned long long) version);
		self->element[i] = e;
		self->seen[i] = version;
	}
}

static int may_be_light(const struct self *self)
{
#ifdef UMB_DOMAIN_WATCHES
	return self->alone && __libc_single_threaded
		&& umb_domain_mode(self->domain) == UMB_DOMAIN_EXPEDITED;
#else
	(void) self;
	return 0;
#endif
}

/* Readers run no fence where they need none, and only there. */
static int registered(const struct self *self, int ret)
{
	int light = may_be_light(self);

	/* Emulators do not have all that it takes. */
	if (!ret && (self->reader->watch != 0) != light
	    && !(light && tap_emulated()))
		bad("a new reader is %slight", light ? "not " : "");
	return ret;
}

static int register_reader(struct self *self)
{
	return registered(self, umb_domain_reader_register(self->domain, &self->reader));
}

static int register_in_time(struct self *self)
{
	int ret = umb_domain_reader_register_timeout_ns(self->domain, &self->reader,
							LONG_NS);

	return registered(self, ret);
}

static void enter(struct self *self)
{
	umb_domain_read_lock(self->reader);
	if (self->reader->watch)
		count(&state->light);
	look(self, umb_domain_read_ongoing(self->reader) == 1);
	count(&state->sections);
}

static void leave(struct self *self)
{
	look(self, 0);
	umb_domain_read_unlock(self->reader);
}

static int poll_until_over(struct self *self)
{
	uint64_t end = now_ns() + LONG_NS;
	int ret;

	while (!(ret = umb_domain_poll(self->domain, self->cookie)))
		if (now_ns() > end) {
			bad("polling does not come to an end");
			return -ETIMEDOUT;
		} else {
			usleep(200);
		}
	return ret < 0 ? ret : 0;
}

static int wait_long(struct self *self)
{
	int ret = umb_domain_synchronize_timeout_ns(self->domain, LONG_NS);

	if (ret)
		bad("synchronize_timeout: %s", strerror(-ret));
	else
		count(&state->grace_periods);
	return ret;
}

static int wait_somehow(struct self *self, uint64_t version)
{
	if (version % 4)
		return wait_long(self);
	self->cookie = umb_domain_poll_start(self->domain);
	return poll_until_over(self);
}

static int replace(struct self *self, int i)
{
	struct cell *cell = cell_of(self->domain, i);
	struct element *old = umb_offset_dereference(self->domain, &cell->current,
						     sizeof *old), *e = cell->pool;
	uint64_t version = cell->next++;
	int ret;

	/* In turn: what is freed too early shall stay so. */
	e += version % POOL;
	for (int k = 0; k < POOL && load(&e->canary) != SPOILT; k++)
		e = e + 1 < cell->pool + POOL ? e + 1 : cell->pool;
	if (!old || load(&e->canary) != SPOILT) {
		bad("cell %d: no free element", i);
		return 0;
	}
	store(&e->version, version);
	store(&e->canary, ALIVE);
	umb_offset_assign(self->domain, &cell->current, e);
	ret = wait_somehow(self, version);
	if (ret)
		return ret;
	store(&cell->least, version);
	store(&old->canary, SPOILT);
	store(&old->version, 0);
	return 0;
}

/* Whatever a dead updater was about to do: all but the current one are free. */
static int recover(struct self *self, int i)
{
	struct cell *cell = cell_of(self->domain, i);
	const struct element *e;
	int ret = wait_long(self);

	if (ret)
		return ret;
	e = umb_offset_dereference(self->domain, &cell->current, sizeof *e);
	store(&cell->least, load(&e->version));
	for (int k = 0; k < POOL; k++)
		if (&cell->pool[k] != e) {
			store(&cell->pool[k].canary, SPOILT);
			store(&cell->pool[k].version, 0);
		}
	return replace(self, i);
}

static void enter_all(struct self *self)
{
	while (!register_reader(self))
		enter(self);
}

static int take_all_readers(struct self *self)
{
	struct umb_domain_reader *r[READERS + 1];
	unsigned int n = 0, wanted = READERS - state->readers;
	int ret = 0;

	while (n <= wanted
	       && !(ret = umb_domain_reader_register(self->domain, &r[n])))
		n++;
	if (n != wanted || ret != -EAGAIN)
		bad("%u readers could register, of %u: %s", n, wanted, strerror(-ret));
	while (n)
		umb_domain_reader_unregister(r[--n]);
	return 0;
}

/* Whoever has a dead leader's slot now does not lead. */
static int take_all_processes(struct self *self)
{
	struct umb_domain *d[PROCESSES + 1];
	unsigned int n = 0, wanted = PROCESSES - state->processes;
	int ret = 0;

	while (n <= wanted && !(ret = umb_domain_attach_fd(&d[n], state->fd, NULL)))
		n++;
	if (n != wanted || ret != -EAGAIN)
		bad("%u processes could attach, of %u: %s", n, wanted, strerror(-ret));
	wait_long(self);
	while (n)
		umb_domain_destroy(d[--n]);
	return 0;
}

static int reap(struct self *self)
{
	struct umb_domain_info info = { .size = sizeof info };
	int ret = umb_domain_reap(self->domain);
	uint64_t reaped;

	umb_domain_info(self->domain, &info);
	reaped = info.reaped;
	wait_long(self);
	umb_domain_info(self->domain, &info);
	if (reaped != info.reaped)
		bad("%llu are reaped once more",
		    (unsigned long long) (info.reaped - reaped));
	if (ret >= 0 && info.taken != state->readers + state->processes)
		bad("%u slots are taken after reap, by %u readers and %u processes",
		    info.taken, state->readers, state->processes);
	return ret < 0 ? ret : 0;
}

static int look_at_all(struct self *self)
{
	struct umb_domain_info info = { .size = sizeof info };
	struct umb_domain_slot slot = { .size = sizeof slot };
	int ret = umb_domain_info(self->domain, &info);

	for (unsigned int i = 0; !ret && i < info.slots; i++)
		ret = umb_domain_slot(self->domain, i, &slot);
	return ret;
}

static int stopped(void)
{
	return __atomic_load_n(&state->stop, __ATOMIC_RELAXED);
}

static int read_on(struct self *self)
{
	uint64_t seed = (uint64_t) getpid();

	while (!stopped()) {
		uint64_t n = draw(&seed);
		int depth = 1 + (int) (n % 3);

		for (int i = 0; i < depth; i++)
			enter(self);
		/* Long ones, so that leaders wait, and die of it. */
		if (n / 4 % 2 == 0)
			usleep((unsigned int) (n / 32 % 2000));
		for (int i = 0; i < depth; i++)
			leave(self);
		if (n / 8 % 16 == 0) {
			umb_domain_reader_unregister(self->reader);
			if (register_in_time(self)) {
				bad("no slot for a reader");
				return -EAGAIN;
			}
		}
		usleep((unsigned int) (n / 64 % 100));
	}
	return 0;
}

static void *read_beside(void *arg)
{
	const struct self *other = arg;
	struct self self = { .domain = other->domain, .alone = other->alone };

	if (register_in_time(&self)) {
		bad("no slot for a thread's reader");
		return NULL;
	}
	read_on(&self);
	umb_domain_reader_unregister(self.reader);
	return NULL;
}

static int read_twice(struct self *self)
{
	pthread_t thread;
	int ret = -pthread_create(&thread, NULL, read_beside, self);

	if (!ret) {
		ret = read_on(self);
		pthread_join(thread, NULL);
	}
	return ret;
}

static int update_on(struct self *self)
{
	int ret = recover(self, self->argument);

	while (!ret && !stopped()) {
		uint64_t begin = now_ns(), took;

		ret = replace(self, self->argument);
		took = now_ns() - begin;
		if (took > __atomic_load_n(&state->longest_ns, __ATOMIC_RELAXED))
			__atomic_store_n(&state->longest_ns, took, __ATOMIC_RELAXED);
		usleep(50);
	}
	return ret;
}

/* It leads, for updaters who follow. */
static int wait_on(struct self *self)
{
	int ret = 0;

	while (!ret && !stopped()) {
		ret = wait_long(self);
		usleep(50);
	}
	return ret;
}

static int come_and_go(struct self *self)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && !stopped(); i++) {
		ret = do_act(self, i % 4 ? 'A' : 'a');
		if (!ret)
			ret = register_in_time(self);
		if (ret) {
			bad("come and go: %s", strerror(-ret));
			break;
		}
		for (const char *act = "(())tpPiUD"; *act && !ret; act++)
			ret = do_act(self, *act);
	}
	return ret;
}

/* The table may be in the hands of somebody who cleans it, for a moment. */
static int attach(struct self *self, int alone)
{
	struct umb_domain_attr attr = { .size = sizeof attr, .alone = alone };
	uint64_t end = now_ns() + LONG_NS;
	int ret;

	self->alone = alone;
	while ((ret = umb_domain_attach_fd(&self->domain, state->fd, &attr)) == -EAGAIN
	       && now_ns() < end)
		usleep(500);
	count(&state->attached);
	memset(self->seen, 0, sizeof self->seen);
	return ret;
}

int do_act(struct self *self, char act)
{
	struct umb_domain *d = self->domain;
	int ret = 0;

	switch (act) {
	case 'A': return attach(self, 1);
	case 'a': return attach(self, 0);
	case 'D': return umb_domain_destroy(d);
	case 'R': return register_reader(self);
	case 'U': umb_domain_reader_unregister(self->reader); break;
	case '(': enter(self); break;
	case ')': leave(self); break;
	case 's': ret = umb_domain_synchronize(d); count(&state->grace_periods); break;
	case 'S': return wait_long(self);
	case 't': ret = umb_domain_synchronize_timeout_ns(d, SHORT_NS); break;
	case 'p': self->cookie = umb_domain_poll_start(d); break;
	case 'P': ret = umb_domain_poll(d, self->cookie); break;
	case 'Q': return poll_until_over(self);
	case 'w': return replace(self, 0);
	case 'u': return replace(self, 1);
	case 'W': return recover(self, 0);
	case 'V': return recover(self, 1);
	case 'X': enter_all(self); break;
	case 'r': return reap(self);
	case 'y': ret = umb_domain_reap(d); break;
	case 'i': return look_at_all(self);
	case 'F': return take_all_readers(self);
	case 'G': return take_all_processes(self);
	case 'L': return read_on(self);
	case 'T': return read_twice(self);
	case 'M': return update_on(self);
	case 'N': return wait_on(self);
	case 'C': return come_and_go(self);
	}
	return ret < 0 && ret != -ETIMEDOUT ? ret : 0;
}
