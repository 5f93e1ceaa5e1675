/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MEDDLE_H
#define TESTS_MEDDLE_H

/* What befalls a process from outside: limits, CPUs, stops. Hooks of rows. */

#include "tests/fault/rows.h"

void meddle_no_address_space(const struct row *row);
void meddle_address_space_again(const struct row *row);

/* A barrier signal that is queued, and no room in the queue. */
void meddle_queued_signal(const struct row *row);
void meddle_no_queue(const struct row *row);

void meddle_no_root(const struct row *row);
void meddle_no_process(const struct row *row);
/* Under either of these, and under a filter. */
void meddle_want_threads(const struct row *row);

/* Somebody sets the threads' masks, all the time; or for good, to one CPU. */
void meddle_masks(const struct row *row);
void meddle_one_cpu(const struct row *row);
void meddle_cpu_offline(const struct row *row);
void meddle_cpus_online(void);	/* also where a row has failed */

/* A thread waits in vfork() most of the time. */
void meddle_vfork(const struct row *row);
/* Ends it, or any of those above that go on. */
void meddle_over(const struct row *row);

/* The process is stopped some times, by one who was made before. */
void meddle_helper(const struct row *row);
void meddle_stops(const struct row *row);

#endif /* TESTS_MEDDLE_H */
