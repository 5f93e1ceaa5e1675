/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HOOKS_H
#define TESTS_HOOKS_H

/* What rows do beside system calls that fail. Only one set of them in a process. */

#include "tests/fault/rows.h"

/* How often it struck. */
uint32_t hook_hits(void);
void hook_hit(void);

/* A worker in no hurry; and one that has no quiet grace periods all the same. */
void hook_lazy(const struct row *row);
void hook_not_quiet(const struct row *row);

/* The barrier signal is taken away: some times; or until the library gives up. */
void hook_take_signal(const struct row *row);
void hook_ignore_signal(const struct row *row);
void hook_fight_for_signal(const struct row *row);

/* SIGUSR1 has a handler that reads; and all threads get it, and ours, all the time. */
void hook_handler(const struct row *row);
void hook_storm(const struct row *row);
void hook_storm_over(const struct row *row);

/* The library gets no memory, and no thread: refuse.c. */
void hook_refuse_memory(const struct row *row);
void hook_no_threads(const struct row *row);
void hook_without_threads(const struct row *row);
void hook_threads_again(const struct row *row);
void hook_stall_alone(const struct row *row);

/* A section that is told of. */
void hook_stall(const struct row *row);
void hook_stall_over(const struct row *row);

void hook_eventfd(const struct row *row);

#endif /* TESTS_HOOKS_H */
