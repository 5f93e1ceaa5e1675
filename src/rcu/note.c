/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "rcu/gp.h"
#include "sys/probe.h"
#include "sys/sys.h"

static void tell_others(struct umbi_note *n)
{
	__atomic_store_n(n->since_ms, n->wait.since, __ATOMIC_RELAXED);
}

void umbi_note_begin(struct umbi_note *n)
{
	umbi_probe(gp_start, umbi_counted(&n->periods) + 1);
	n->has_slept = 0;
}

void umbi_note_end(struct umbi_note *n, int was_elided)
{
	umbi_count(&n->periods);
	if (was_elided)
		umbi_count(&n->elided);
	if (n->has_slept)
		umbi_count(&n->slept);
	umbi_probe(gp_end, umbi_counted(&n->periods), n->has_slept);
}

void umbi_note_given_up(struct umbi_note *n)
{
	umbi_count(&n->given_up);
}

void umbi_note_quiet(struct umbi_note *n)
{
	__atomic_fetch_add(&n->quiet, 1, __ATOMIC_RELAXED);
}

void umbi_note_holding(struct umbi_note *n)
{
	n->seen_ns = umbi_now_ns();
	if (n->wait.since)
		return;
	n->began_ns = n->seen_ns;
	umbi_stall_begin(&n->wait, umbi_ms(n->began_ns));
	tell_others(n);
}

void umbi_note_sleep(struct umbi_note *n)
{
	n->has_slept = 1;
}

void umbi_note_out(struct umbi_note *n)
{
	uint64_t us = (n->seen_ns - n->began_ns) / 1000;

	if (!n->wait.since)
		return;
	if (us > umbi_counted(&n->longest_us))
		__atomic_store_n(&n->longest_us, us < ULONG_MAX
				 ? (unsigned long) us : ULONG_MAX,
				 __ATOMIC_RELAXED);
	umbi_stall_over(&n->wait);
	umbi_note_forget(n);
}

void umbi_note_forget(struct umbi_note *n)
{
	n->wait = (struct umbi_wait) { .gp = n->wait.gp };
	tell_others(n);
}

void umbi_gp_stats(const struct umbi_gp *gp, struct umb_stats *stats)
{
	const struct umbi_note *n = &gp->note;

	stats->grace_periods = umbi_counted(&n->periods);
	stats->elided = umbi_counted(&n->elided);
	stats->slept = umbi_counted(&n->slept);
	stats->quiet = umbi_counted(&n->quiet);
	stats->given_up = umbi_counted(&n->given_up);
	stats->longest_ns = (uint64_t) umbi_counted(&n->longest_us) * 1000;
}
