/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RW_H
#define BENCH_RW_H

/* What readers and writers share; the same memory in every scheme. */

#include <stdint.h>

#define READS_PER_LOOK	1024	/* at the stop flag; qsbr's quiescent states */
#define ELEMENT_GOOD	0x600dUL
#define ELEMENT_POISON	0xdeadUL

#define SPARES		16	/* how long a reclaimed element stays poisoned */

struct element {
	unsigned long value;
} __attribute__((aligned(128)));

/* A writer's elements that are not published, used in turn. */
struct spares {
	struct element *ring[SPARES];
};

struct rw {
	struct element *pointer;
	int stop __attribute__((aligned(128)));
	int poisoned;
} __attribute__((aligned(128)));

extern struct rw rw;

static inline int rw_stopped(const struct rw *data)
{
	return __atomic_load_n(&data->stop, __ATOMIC_RELAXED);
}

static inline void rw_poisoned(struct rw *data)
{
	__atomic_store_n(&data->poisoned, 1, __ATOMIC_RELAXED);
}

/* 0 if the element is good. No branch: it would shape the reader's loop. */
static inline unsigned long element_read(const struct element *e)
{
	return __atomic_load_n(&e->value, __ATOMIC_RELAXED) ^ ELEMENT_GOOD;
}

static inline void element_fill(struct element *e)
{
	__atomic_store_n(&e->value, ELEMENT_GOOD, __ATOMIC_RELAXED);
}

static inline void element_poison(struct element *e)
{
	__atomic_store_n(&e->value, ELEMENT_POISON, __ATOMIC_RELAXED);
}

#endif /* BENCH_RW_H */
