/* SPDX-License-Identifier: MIT */
#include "thread/registry.h"

#define SLOTS_MAX	((size_t) 1 << 18)	/* 2 MiB of address space */
#define SLOTS_FIRST	((size_t) 512)
#define SLOTS_BREATH	((size_t) 64)
#define OVERFLOWED	(~0UL)			/* reader.index in the list */

struct umbi_registry umbi_registry;

/* Room for one more slot? */
static int grow(struct umbi_registry *reg)
{
	size_t usable = reg->usable ? 2 * reg->usable : SLOTS_FIRST;

	if (reg->used < reg->usable)
		return 1;
	if (!reg->slots)
		reg->slots = umbi_reserve(SLOTS_MAX * sizeof reg->slots[0]);
	if (!reg->slots || usable > SLOTS_MAX
	    || umbi_commit(reg->slots, usable * sizeof reg->slots[0]))
		return 0;
	reg->usable = usable;
	return 1;
}

void umbi_registry_add(struct umbi_registry *reg, umbi_reader *reader)
{
	if (grow(reg)) {
		reader->index = reg->used;
		reg->slots[reg->used++] = reader;
	} else {
		reader->index = OVERFLOWED;
		reader->next = reg->overflow;
		reg->overflow = reader;
		reg->overflowed++;
	}
}

void umbi_registry_remove(struct umbi_registry *reg, umbi_reader *reader)
{
	umbi_reader **at = &reg->overflow;

	if (reader->index != OVERFLOWED) {
		umbi_reader *last = reg->slots[--reg->used];

		reg->slots[reader->index] = last;
		last->index = reader->index;
		return;
	}
	while (*at != reader)
		at = &(*at)->next;
	*at = reader->next;
	reg->overflowed--;
}

int umbi_registry_valid(const struct umbi_registry *reg)
{
	size_t overflowed = 0;

	for (size_t i = 0; i < reg->used; i++)
		if (reg->slots[i]->index != i || !reg->slots[i]->registered)
			return 0;
	for (const umbi_reader *r = reg->overflow; r; r = r->next)
		overflowed += r->index == OVERFLOWED;
	return reg->used <= reg->usable && overflowed == reg->overflowed;
}

void umbi_registry_forked(struct umbi_registry *reg)
{
	reg->lock.word = 0;
	reg->used = 0;
	reg->overflow = NULL;
	reg->overflowed = 0;
}

void umbi_registry_free(struct umbi_registry *reg)
{
	if (reg->slots)
		umbi_release(reg->slots, SLOTS_MAX * sizeof reg->slots[0]);
}

void umbi_scan_breathe(struct umbi_scan *s)
{
	/* The list has no place to come back to. */
	if (s->overflow || !s->left || s->left % SLOTS_BREATH)
		return;
	umbi_unlock(&s->reg->lock);
	umbi_lock(&s->reg->lock);
	if (s->left > s->reg->used)
		s->left = s->reg->used;
}
