/* SPDX-License-Identifier: MIT */

/*
 * The signal backend: each thread of the scope passes a barrier in a signal
 * handler. All are asked first and then waited for together, see hold.h; a
 * thread that exits meanwhile lets go of us.
 *
 * A thread that does not answer, as it blocks the signal, is stopped, or waits
 * for a CPU, is fenced by a visit. An answer is as good as a visit of the CPU
 * where it was given: so where all CPUs run threads that answer, nobody has to
 * go anywhere. Where visits are possible, whether signals arrive is a matter of
 * speed only. A thread that has not taken a signal is not sent another, but for
 * now and then: the first might have been lost.
 */

#include <errno.h>
#include <string.h>

#include "fence/backend.h"
#include "thread/hold.h"
#include "thread/stall.h"

#define SIGNAL_NS	4000		/* what one to an idle thread costs */
#define LOOK_NS		50000		/* between two looks at the answers */
#define AGAIN		256		/* requests between two to the deaf */
#define RETRY_MIN	10000000u	/* ns; of visits that do not reach all */
#define RETRY_MAX	1000000000u
#define PATIENCE	50000000u	/* before another way is tried, if there is one */

/* So many threads that a visit costs less than their signals? */
static int crowded(enum umbi_scope scope)
{
	uint64_t limit = umbi_visit_ns(), cost = 0;
	umbi_reader *reader;

	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry);
	     cost <= limit && (reader = umbi_scan_next(&s));
	     umbi_scan_breathe(&s))
		if (umbi_in_scope(reader, scope))
			cost += SIGNAL_NS;
	umbi_unlock(&umbi_registry.lock);
	return cost > limit;
}

struct asked {
	int signal;
	int again;		/* send it to those, too, who have not taken it */
	uint32_t silent;	/* threads that will hardly answer in time */
	int error;		/* signals cannot be sent */
};

static void send(umbi_reader *reader, struct asked *asked)
{
	int ret = umbi_signal_send(reader->tid, asked->signal);

	if (!ret)
		return;
	__atomic_fetch_and(&reader->asked, ~UMBI_ASKED_BY_SIGNAL,
			   __ATOMIC_RELAXED);
	/*
	 * The queue of a real-time signal is full; or the thread has another
	 * number by now (a bare fork), or is gone, and its record stayed behind.
	 */
	if (ret == -EAGAIN || ret == -ESRCH)
		asked->silent++;
	else
		asked->error = ret;
}

static void ask(struct umbi_hold *hold, umbi_reader *reader, struct asked *asked)
{
	uint32_t was;

	/* A scan that breathes comes by some threads twice. */
	if (umbi_held(hold, &reader->asked))
		return;
	was = umbi_hold_add(hold, &reader->asked, UMBI_ASKED_BY_SIGNAL);
	if (was & UMBI_ASKED_BY_SIGNAL)
		asked->silent++;
	if (!(was & UMBI_ASKED_BY_SIGNAL) || asked->again)
		send(reader, asked);
}

static struct asked ask_all(struct umbi_hold *hold, enum umbi_scope scope,
			    int signal)
{
	static uint32_t requests;	/* relaxed: any rhythm will do */
	struct asked asked = { .signal = signal };
	umbi_reader *reader;

	asked.again = !(__atomic_fetch_add(&requests, 1, __ATOMIC_RELAXED)
			% AGAIN);
	memset(&umbi_answered_on[scope], 0, sizeof umbi_answered_on[scope]);
	umbi_hold_open(hold);
	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry);
	     !asked.error && (reader = umbi_scan_next(&s));
	     umbi_scan_breathe(&s))
		if (umbi_in_scope(reader, scope))
			ask(hold, reader, &asked);
	umbi_unlock(&umbi_registry.lock);
	umbi_hold_close(hold);
	return asked;
}

/* Let go of those that were reached; `visited` NULL: of all. Is nobody left? */
static int let_go(struct umbi_hold *hold, const struct umbi_cpus *visited)
{
	umbi_reader *reader;
	int nobody = 1;

	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry);
	     (reader = umbi_scan_next(&s)); umbi_scan_breathe(&s)) {
		struct umbi_cpus cpus = { { 0 } };

		if (!umbi_held(hold, &reader->asked))
			continue;
		if (visited)
			umbi_cpus_of(reader, &cpus);
		if (!visited || umbi_cpus_within(&cpus, visited))
			umbi_hold_drop(hold, &reader->asked);
		else
			nobody = 0;
	}
	umbi_unlock(&umbi_registry.lock);
	return nobody;
}

/* Where may those run that have not answered? Asks them again, if so wished. */
static struct umbi_cpus cpus_of_held(struct umbi_hold *hold,
				     struct asked *asked)
{
	struct umbi_cpus cpus = { { 0 } };
	umbi_reader *reader;

	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry);
	     (reader = umbi_scan_next(&s)); umbi_scan_breathe(&s)) {
		if (!umbi_held(hold, &reader->asked))
			continue;
		umbi_cpus_of(reader, &cpus);
		if (asked->again)
			send(reader, asked);
	}
	umbi_unlock(&umbi_registry.lock);
	return cpus;
}

static struct umbi_cpus answers(enum umbi_scope scope)
{
	const struct umbi_cpus *from = &umbi_answered_on[scope];
	struct umbi_cpus cpus;

	/*
	 * access FENCE.covered, acquire. Pairs: HOLD.where (release).
	 * Orders what threads did that were on that CPU before its answer.
	 * Without: a thread that was switched out there is not fenced.
	 */
	for (size_t i = 0; i < UMBI_CPUS_MAX / UMBI_CPU_BITS; i++)
		cpus.bits[i] = __atomic_load_n(&from->bits[i], __ATOMIC_ACQUIRE);
	return cpus;
}

/* Until those have answered that will, or a visit looks better. */
static void wait_for_answers(struct umbi_hold *hold, enum umbi_scope scope,
			     uint32_t silent)
{
	struct umbi_cpus cpus;
	uint64_t end;

	if (umbi_hold_spin(hold, silent))
		return;
	end = umbi_now_ns() + umbi_visit_ns();
	do {
		cpus = answers(scope);
		if (umbi_visit_is_short(&cpus))
			return;
	} while (!umbi_hold_wait(hold, silent, LOOK_NS)
		 && umbi_now_ns() < end);
}

/* One round of visits. Nonzero: it has not reached all. */
static int visit_round(struct umbi_hold *hold, enum umbi_scope scope,
		       struct asked *asked)
{
	struct umbi_cpus wanted = cpus_of_held(hold, asked);
	struct umbi_cpus visited = answers(scope);

	if (asked->again) {
		umbi_handler_doubt(asked->signal);
		/* It may have failed for the moment only. */
		umbi_fence_ready(UMB_FENCE_VISIT);
	}
	return umbi_visit(&wanted, &visited)
		|| !let_go(hold, umbi_cpus_within(&wanted, &visited)
				 ? NULL : &visited);
}

/*
 * A thread that neither answers nor can be visited is waited for if there is no
 * other way to reach it.
 */
static int visit_others(struct umbi_hold *hold, enum umbi_scope scope,
			struct asked *asked)
{
	struct umbi_wait wait = { 0 };
	uint64_t retry = 0, begin = umbi_now_ns();
	int ret = 0;

	asked->again = 0;
	while (!umbi_hold_wait(hold, 0, umbi_stall_nap(&wait, retry))) {
		umbi_stall_look(&wait, UMB_STALL_FENCE, 0);
		if (retry && umbi_now_ns() - begin > PATIENCE
		    && umbi_fence_has_kernel()) {
			let_go(hold, NULL);
			/* But who is just counting down. */
			umbi_hold_wait(hold, 0, UMBI_FOREVER);
			ret = -EXDEV;
			break;
		}
		asked->again = visit_round(hold, scope, asked);
		retry = retry < RETRY_MIN ? RETRY_MIN
			: retry < RETRY_MAX ? 2 * retry : retry;
	}
	umbi_stall_over(&wait);
	return ret;
}

static int signal_run(enum umbi_scope scope)
{
	struct umbi_hold *hold = &umbi_hold_barriers[scope];
	int signal = umbi_handler_signal();
	int ret = umbi_handler_check(signal), missed;
	struct asked asked;

	if (ret)
		return ret;
	if (crowded(scope) && !umbi_fence_visit.run(scope))
		return 0;
	asked = ask_all(hold, scope, signal);
	/* Now and then: who was trusted to pass it on may do so no more. */
	if (asked.again)
		umbi_handler_distrust();
	ret = asked.error;
	if (ret)
		let_go(hold, NULL);
	else
		wait_for_answers(hold, scope, asked.silent);
	missed = visit_others(hold, scope, &asked);
	return ret ? ret : missed;
}

static int signal_prepare(void)
{
	return umbi_handler_install(umbi_handler_signal());
}

const struct umbi_fence_ops umbi_fence_signal = {
	.mode = UMB_FENCE_SIGNAL,
	.one_by_one = 1,
	.prepare = signal_prepare,
	.run = signal_run,
};
