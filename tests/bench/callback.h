/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CALLBACK_H
#define BENCH_CALLBACK_H

/* What is queued and what is called; the same code and memory in every scheme. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <urcu/call-rcu.h>

#include "tests/bench/bench.h"

#define CALLS_PER_LOOK	1024	/* at quiescent states, as READS_PER_LOOK */
#define ITEM_SIZE	64	/* a cache line */
#define ITEM_QUEUED	0x9e0edU
#define ITEM_RAN	0x4a4U

struct item {
	struct rcu_head head;
	uint32_t state;
	char rest[ITEM_SIZE - sizeof(struct rcu_head) - sizeof(uint32_t)];
};

/* Callbacks. Each counts itself, and looks for a state other than queued. */
void item_ran(struct rcu_head *head);
void item_free(struct rcu_head *head);

/*
 * Callbacks that have run, and whether one ran on an element that was not queued:
 * so none ran twice. Exact after a barrier.
 */
unsigned long callbacks_run(void);
int callbacks_astray(void);

static inline struct rcu_head *item_ready(struct item *item)
{
	item->state = ITEM_QUEUED;
	return &item->head;
}

static inline struct rcu_head *item_new(void)
{
	struct item *item = malloc(sizeof *item);

	if (!item)
		die(1, "out of memory");
	return item_ready(item);
}

#endif /* BENCH_CALLBACK_H */
