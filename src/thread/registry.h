/* SPDX-License-Identifier: MIT */
#ifndef UMBI_REGISTRY_H
#define UMBI_REGISTRY_H

/*
 * An array of pointers to records, so that the loads of a scan do not wait for
 * each other. Its address range is reserved once and made usable as it grows:
 * no malloc, no move. Where the address space is too tight for that, records
 * go to a list linked through them. Everything here under the lock, which is
 * never held across a fence, a sleep, or a wait for a reader of more than
 * microseconds.
 */

#include "sys/sys.h"
#include "thread/thread.h"

#pragma GCC visibility push(hidden)

/* Debuggers know its first three members, by way of urcu_membarrier_gp. */
struct umbi_registry {
	umbi_reader **slots;
	size_t used;			/* slots in use, no holes */
	umbi_reader *overflow;
	size_t overflowed;
	size_t usable;			/* slots that may be written */
	struct umbi_lock lock;
};
/* The flavour's: all threads that read. Domains have others. */
extern struct umbi_registry umbi_registry;

void umbi_registry_add(struct umbi_registry *reg, umbi_reader *reader);
void umbi_registry_remove(struct umbi_registry *reg, umbi_reader *reader);
/* Does it hold together? In debug builds. */
int umbi_registry_valid(const struct umbi_registry *reg);
/* In a forked child, without the lock: it is empty. */
void umbi_registry_forked(struct umbi_registry *reg);
/* Its memory, when nobody uses it any more. */
void umbi_registry_free(struct umbi_registry *reg);

/* for (struct umbi_scan s = umbi_scan(reg); (r = umbi_scan_next(&s)); ) */
struct umbi_scan {
	struct umbi_registry *reg;
	umbi_reader *overflow;		/* first */
	size_t left;			/* then the slots, downwards */
};

static inline struct umbi_scan umbi_scan(struct umbi_registry *reg)
{
	return (struct umbi_scan) { reg, reg->overflow, reg->used };
}

static inline umbi_reader *umbi_scan_next(struct umbi_scan *s)
{
	umbi_reader *reader = s->overflow;

	if (reader) {
		s->overflow = reader->next;
		return reader;
	}
	return s->left ? s->reg->slots[--s->left] : NULL;
}

/*
 * Between two records of a long scan: let others at the lock now and then.
 * Whoever stays in the registry from begin to end is come by, some of them
 * twice: what a removal moves into a hole below us stood above.
 */
void umbi_scan_breathe(struct umbi_scan *s);

#pragma GCC visibility pop

#endif /* UMBI_REGISTRY_H */
