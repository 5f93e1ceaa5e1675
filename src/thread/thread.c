/* SPDX-License-Identifier: MIT */

/*
 * How threads come and go. The record is in the thread's own TLS, so it must
 * be out of the registry before the thread's memory goes: by a key destructor,
 * in the first round, or in the last one if the thread ends inside a section. A
 * section after that, or in a thread for which the destructor could not be
 * armed, enters the record for its own length.
 *
 * A thread may read for the first time in a key destructor, even in the last
 * round of them. The C libraries run destructors in the order of the keys'
 * numbers, so ours has the last number whose value stands in the thread itself:
 * armed by any destructor before it, it still runs in the same round.
 */

#include <limits.h>
#include <pthread.h>

#include "sys/sys.h"
#include "sys/tsan.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "thread/registry.h"
#include "thread/thread.h"

/*
 * Values of keys below this stand in the thread itself. For the others glibc
 * allocates, which a signal handler must not do.
 */
#define KEYS_IN_THREAD	32

_Static_assert(sizeof(struct urcu_membarrier_reader) == 128, "frozen ABI");
_Static_assert(sizeof(struct urcu_membarrier_gp) == 128, "frozen ABI");

/* Once more: from the declaration, gcc does not take it over. */
__thread struct urcu_membarrier_reader urcu_membarrier_reader
	__attribute__((tls_model("initial-exec"))) = {
	.ctr = URCU_MEMBARRIER_UNREGISTERED,
};
extern __thread umbi_reader umbi_own_reader
	__attribute__((alias("urcu_membarrier_reader")));

static pthread_key_t exit_key;
static int exit_key_usable;

/* The value counts calls, one a round from that on in which it was armed. */
static void exit_hook(void *value)
{
	size_t calls = (size_t) value;

	/* A section that is still open may end in a later destructor. */
	if ((_urcu_membarrier_read_ongoing()
	     || (urcu_membarrier_reader.flags & UMBI_HAS_HANDLES))
	    && calls < PTHREAD_DESTRUCTOR_ITERATIONS
	    && !pthread_setspecific(exit_key, (void *) (calls + 1)))
		return;
	urcu_membarrier_reader.flags &= ~UMBI_EXIT_ARMED;
	urcu_membarrier_reader.flags |= UMBI_EXITING;
	umbi_thread_unregister();
}

static int arm_exit_hook(umbi_reader *self, enum umbi_register how)
{
	if (self->flags & UMBI_EXIT_ARMED)
		return 1;
	if ((self->flags & UMBI_EXITING) || !exit_key_usable)
		return 0;
	if (exit_key >= KEYS_IN_THREAD && how == UMBI_REGISTER_SECTION)
		return 0;
	if (pthread_setspecific(exit_key, (void *) 1))
		return 0;
	self->flags |= UMBI_EXIT_ARMED;
	return 1;
}

/* A visitor stays: from here on its sections are like everybody's. */
static void settle(umbi_reader *self)
{
	__atomic_fetch_and(&self->waiting, ~UMBI_WAITING_EXIT,
			   __ATOMIC_RELAXED);
	if (_urcu_membarrier_read_ongoing())
		__atomic_fetch_and(&self->ctr, ~URCU_MEMBARRIER_VISITOR,
				   __ATOMIC_RELAXED);
}

void umbi_thread_register(enum umbi_register how)
{
	umbi_reader *self = &urcu_membarrier_reader;
	int lasts;

	/* Relaxed: the owner's flag. */
	if (self->registered
	    && (how == UMBI_REGISTER_SECTION
		|| !(__atomic_load_n(&self->waiting, __ATOMIC_RELAXED)
		     & UMBI_WAITING_EXIT)))
		return;
	lasts = arm_exit_hook(self, how);
	if (!lasts && how == UMBI_REGISTER_LASTING)
		return;
	umbi_lock(&umbi_registry.lock);
	if (self->registered && lasts)
		settle(self);
	if (!self->registered) {	/* a handler may have been faster */
		self->tid = (uint32_t) umbi_gettid();
		self->pid = (uint32_t) umbi_getpid();
		if (!lasts)
			__atomic_fetch_or(&self->waiting, UMBI_WAITING_EXIT,
					  __ATOMIC_RELAXED);
		umbi_registry_add(&umbi_registry, self);
		self->registered = 1;
		/* What an unlock too many has spoilt stays so, to be named. */
		if (__atomic_load_n(&self->ctr, __ATOMIC_RELAXED)
		    == URCU_MEMBARRIER_UNREGISTERED)
			__atomic_store_n(&self->ctr, URCU_MEMBARRIER_OFFLINE,
					 __ATOMIC_RELAXED);
	}
	umbi_unlock(&umbi_registry.lock);
}

void umbi_thread_unregister(void)
{
	umbi_reader *self = &urcu_membarrier_reader;

	/* If a thread ends inside one, ThreadSanitizer is through with it by now. */
	if (!_urcu_membarrier_read_ongoing()) {
		umbi_tsan_release(&umbi_registry.lock);
		umbi_tsan_release(&umbi_hold_sections.outstanding);
	}
	umbi_lock(&umbi_registry.lock);
	if (self->registered) {
		umbi_registry_remove(&umbi_registry, self);
		self->registered = 0;
		__atomic_fetch_and(&self->waiting, ~UMBI_WAITING_EXIT,
				   __ATOMIC_RELAXED);
		__atomic_store_n(&self->ctr, URCU_MEMBARRIER_UNREGISTERED,
				 __ATOMIC_RELAXED);
	}
	/*
	 * access THREAD.gone, release. Pairs: GP.lock (acquire).
	 * Orders the thread's sections before a scan that misses its record.
	 * Without: an updater frees under the last section of a thread.
	 */
	umbi_unlock(&umbi_registry.lock);
	/* Out of the registry, nobody can hold on it anew. */
	umbi_hold_drop(&umbi_hold_sections, &self->waiting);
	umbi_hold_answer(self);
}

size_t umbi_thread_count(void)
{
	size_t count;

	umbi_lock(&umbi_registry.lock);
	count = umbi_registry.used + umbi_registry.overflowed;
	umbi_unlock(&umbi_registry.lock);
	return count;
}

uint32_t umbi_own_tid(void)
{
	if (!urcu_membarrier_reader.tid)
		urcu_membarrier_reader.tid = (uint32_t) umbi_gettid();
	return urcu_membarrier_reader.tid;
}

/* While few keys are taken. */
static void create_exit_key(void)
{
	pthread_key_t key;
	uint32_t surplus = 0;

	while (!pthread_key_create(&key, exit_hook)) {
		/* An earlier one is as good, unless it is none. */
		if (key >= KEYS_IN_THREAD && exit_key_usable) {
			pthread_key_delete(key);
			break;
		}
		if (exit_key_usable)
			surplus |= UINT32_C(1) << exit_key;
		exit_key = key;
		exit_key_usable = 1;
		if (key >= KEYS_IN_THREAD - 1)
			break;
	}
	for (key = 0; surplus; key++, surplus >>= 1)
		if (surplus & 1)
			pthread_key_delete(key);
}

/* Whoever forked is the same thread by other numbers; nobody else is here. */
void umbi_threads_forked(void)
{
	umbi_reader *self = &urcu_membarrier_reader;

	umbi_registry_forked(&umbi_registry);
	umbi_holds_forked();
	self->tid = (uint32_t) umbi_gettid();
	self->pid = (uint32_t) umbi_getpid();
	if (self->registered)
		umbi_registry_add(&umbi_registry, self);
	/* Nobody waits for us; and pending signals are not inherited. */
	__atomic_fetch_and(&self->waiting, ~UMBI_WAITING_UPDATER,
			   __ATOMIC_RELAXED);
	__atomic_store_n(&self->asked, 0, __ATOMIC_RELAXED);
}

static __attribute__((constructor)) void at_load(void)
{
	create_exit_key();
	umbi_fork_watch();
	umbi_copies_look();
}
