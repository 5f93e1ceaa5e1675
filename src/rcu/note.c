/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "rcu/gp.h"
#include "rcu/note.h"
#include "sys/probe.h"
#include "sys/sys.h"

static unsigned long periods, elided, slept, given_up, quiet;
static unsigned long longest_us;

/* When readers were found that are waited for, and when they were last seen. */
static uint64_t began_ns, seen_ns;
static struct umbi_wait wait;
static int has_slept;

static void tell_debuggers(void)
{
	__atomic_store_n(&urcu_membarrier_gp.waits_since_ms, wait.since,
			 __ATOMIC_RELAXED);
}

void umbi_note_begin(void)
{
	umbi_probe(gp_start, umbi_counted(&periods) + 1);
	has_slept = 0;
}

void umbi_note_end(int was_elided)
{
	umbi_count(&periods);
	if (was_elided)
		umbi_count(&elided);
	if (has_slept)
		umbi_count(&slept);
	umbi_probe(gp_end, umbi_counted(&periods), has_slept);
}

void umbi_note_given_up(void)
{
	umbi_count(&given_up);
}

void umbi_note_quiet(void)
{
	__atomic_fetch_add(&quiet, 1, __ATOMIC_RELAXED);
}

void umbi_note_holding(void)
{
	seen_ns = umbi_now_ns();
	if (wait.since)
		return;
	began_ns = seen_ns;
	umbi_stall_begin(&wait, umbi_ms(began_ns));
	tell_debuggers();
}

void umbi_note_sleep(void)
{
	has_slept = 1;
}

void umbi_note_out(void)
{
	uint64_t us = (seen_ns - began_ns) / 1000;

	if (!wait.since)
		return;
	if (us > umbi_counted(&longest_us))
		__atomic_store_n(&longest_us, us < ULONG_MAX
				 ? (unsigned long) us : ULONG_MAX,
				 __ATOMIC_RELAXED);
	umbi_stall_over(&wait);
	umbi_note_forget();
}

struct umbi_wait *umbi_note_wait(void)
{
	return &wait;
}

void umbi_note_forget(void)
{
	wait = (struct umbi_wait) { 0 };
	tell_debuggers();
}

void umbi_gp_stats(struct umb_stats *stats)
{
	stats->grace_periods = umbi_counted(&periods);
	stats->elided = umbi_counted(&elided);
	stats->slept = umbi_counted(&slept);
	stats->quiet = umbi_counted(&quiet);
	stats->given_up = umbi_counted(&given_up);
	stats->longest_ns = (uint64_t) umbi_counted(&longest_us) * 1000;
}
