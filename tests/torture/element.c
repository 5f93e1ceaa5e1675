/* SPDX-License-Identifier: MIT */
#include "tests/torture/row.h"

#define ALIVE	UINT64_C(0x600D600D600D600D)
#define POISON	UINT64_C(0xDEADDEADDEADDEAD)

#ifdef WITH_ASAN
# include <sanitizer/asan_interface.h>
#else
# define ASAN_POISON_MEMORY_REGION(at, size)	((void) 0)
# define ASAN_UNPOISON_MEMORY_REGION(at, size)	((void) 0)
#endif

/* Relaxed: the grace period alone shall keep it from changing under a reader. */
static unsigned int age_of(const struct element *element)
{
	return __atomic_load_n(&element->age, __ATOMIC_RELAXED);
}

void slot_prepare(struct slot *slot)
{
	for (struct element *e = slot->pool; e < slot->pool + POOL; e++) {
		e->age = AGE_REUSE;
		e->canary = POISON;
	}
	slot->current = element_take(slot);
}

struct element *element_take(struct slot *slot)
{
	unsigned int tries = POOL;
	struct element *e;

	/* In turn: what is freed too early shall stay so. Acquire: from a callback. */
	do
		e = &slot->pool[++slot->taken % POOL];
	while (__atomic_load_n(&e->age, __ATOMIC_ACQUIRE) < AGE_REUSE && --tries);
	if (!tries)
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(&e->canary, sizeof e->canary);
	e->called = 0;
	e->canary = ALIVE;
	__atomic_store_n(&e->lives, e->lives + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&e->age, 0, __ATOMIC_RELAXED);
	return e;
}

void element_grow_older(struct element *e)
{
	unsigned int age = age_of(e) + 1;

	if (age == 2) {
		e->canary = POISON;
		ASAN_POISON_MEMORY_REGION(&e->canary, sizeof e->canary);
	}
	__atomic_store_n(&e->age, age, __ATOMIC_RELEASE);
}

/* A grace period has passed over all that its updater has removed. */
void slot_grow_older(struct slot *slot)
{
	for (struct element *e = slot->pool; e < slot->pool + POOL; e++)
		if (!e->called && e != slot->current && age_of(e) < AGE_REUSE)
			element_grow_older(e);
}

/* Elements that callbacks have yet to bring back. */
unsigned int slot_outstanding(const struct slot *slot)
{
	unsigned int n = 0;

	for (const struct element *e = slot->pool; e < slot->pool + POOL; e++)
		n += e->called && age_of(e) < AGE_REUSE;
	return n;
}

unsigned int element_life(const struct element *e)
{
	return __atomic_load_n(&e->lives, __ATOMIC_RELAXED);
}

void sight_note(struct sight *sight, const struct element *e, unsigned int life)
{
	unsigned int age = age_of(e);

	sight->poisoned += e->canary != ALIVE || element_life(e) != life;
	sight->ages[age < AGE_REUSE ? age : AGE_REUSE]++;
	count_one(&sight->sections);
}
