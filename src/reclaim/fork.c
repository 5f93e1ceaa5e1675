/* SPDX-License-Identifier: MIT */

/*
 * Reclamation around fork(). Before it, callbacks that run may return, for a while,
 * and liburcu-cds may see to its own worker. In the child no worker has a thread:
 * the next callback or barrier starts one, which goes on with what was queued.
 */

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "rcu/gp.h"
#include "reclaim/gate.h"
#include "reclaim/worker.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "urcu/urcu-membarrier.h"

#define PATIENCE_NS	10000000	/* for callbacks that run */

static uint32_t pauses;			/* who want no callback to run */

/*
 * liburcu-cds' hooks; those of all tables are the same. They count calls, without
 * atomic operations: so one thread at a time, until after the fork.
 */
static struct umbi_lock tables_lock;
static struct urcu_atfork *tables_hooks;
static unsigned long tables;
static struct umbi_gate hooks;
static struct urcu_atfork *hooked;	/* by fork(), behind the gate */
static unsigned int asked;		/* by the program, the same */
static struct urcu_atfork *asked_of;
static unsigned int nested;		/* forks in handlers of who is in there */

static void wait_for_idle(struct call_rcu_data *w, uint64_t end)
{
	while (w != urcu_membarrier_reader.serving && umbi_time_left(end)
	       && __atomic_load_n(&w->busy, __ATOMIC_SEQ_CST))
		umbi_sleep(&w->busy, 1, umbi_time_left(end));
}

/* The process's count and the thread's, as one for handlers that fork. */
static void count_pause(int by)
{
	sigset_t all, mask;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	urcu_membarrier_reader.pauses += (unsigned long) by;
	/*
	 * access FORK.pause, seq_cst. Pairs: FORK.busy (seq_cst).
	 * Orders the wish before the look at who is busy.
	 * Without: a callback begins that nobody waits for.
	 */
	__atomic_fetch_add(&pauses, (uint32_t) by, __ATOMIC_SEQ_CST);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void pause_callbacks(uint64_t end)
{
	struct umbi_walk walk = { NULL, 0 };
	struct call_rcu_data *w;

	count_pause(1);
	while ((w = umbi_next(&walk)))
		wait_for_idle(w, end);
}

static void resume_callbacks(void)
{
	count_pause(-1);
	/* At any number: it may be one that a server has asked for himself. */
	umbi_futex_wake(&pauses, INT32_MAX);
}

void umbi_busy(struct call_rcu_data *w)
{
	uint32_t n;

	/*
	 * access FORK.busy, seq_cst. Pairs: FORK.pause (seq_cst).
	 * Orders our being busy before the look at who wants a pause.
	 */
	while (__atomic_store_n(&w->busy, 1, __ATOMIC_SEQ_CST),
	       (n = __atomic_load_n(&pauses, __ATOMIC_SEQ_CST))
	       && n != urcu_membarrier_reader.pauses) {
		umbi_idle(w);
		umbi_sleep(&pauses, n, UMBI_FOREVER);
	}
}

void umbi_idle(struct call_rcu_data *w)
{
	__atomic_store_n(&w->busy, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pauses, __ATOMIC_SEQ_CST))
		umbi_futex_wake(&w->busy, INT32_MAX);
}

void umbi_claiming(const void *what)
{
	__atomic_store_n(&urcu_membarrier_reader.claiming, what,
			 __ATOMIC_RELAXED);
	/* Before the claim; the push, a call, is before it is gone. */
	umbi_in_order();
}

static struct urcu_atfork *current_hooks(void)
{
	struct urcu_atfork *current;

	umbi_lock(&tables_lock);
	current = tables_hooks;
	umbi_unlock(&tables_lock);
	return current;
}

/*
 * They wait for liburcu-cds' worker, which may be in a grace period: so not from
 * inside a section, nor in a handler that interrupts a leader. Others' heavy fences
 * should not wait for us then.
 */
static int may_hook(void)
{
	return !_urcu_membarrier_read_ongoing() && !umbi_gp_ours(&umbi_gp);
}

/* They contain cancellation points. */
static void call_hook(void (*function)(void *priv), void *priv)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	function(priv);
	pthread_setcancelstate(state, &state);
}

static void call_after(const struct urcu_atfork *h, int child)
{
	call_hook(child ? h->after_fork_child : h->after_fork_parent, h->priv);
}

static void hook(void)
{
	if (!may_hook())
		return;
	if (umbi_gate_ours(&hooks)) {
		nested++;
		return;
	}
	urcu_membarrier_thread_offline();
	umbi_gate_enter(&hooks);
	hooked = current_hooks();
	if (hooked)
		call_hook(hooked->before_fork, hooked->priv);
	else
		umbi_gate_leave(&hooks);
}

static void unhook(int child)
{
	if (!may_hook() || !umbi_gate_ours(&hooks))
		return;
	if (nested) {
		nested--;
		return;
	}
	call_after(hooked, child);
	hooked = NULL;
	umbi_gate_leave(&hooks);
}

void umbi_reclaim_before_fork(void)
{
	pause_callbacks(umbi_time_after(PATIENCE_NS));
	hook();
}

void umbi_reclaim_after_fork(void)
{
	unhook(0);
	resume_callbacks();
}

static void reset(struct call_rcu_data *w)
{
	int ours = w->runner == &urcu_membarrier_reader;

	w->waiters = w->users = w->stop = w->hurry = w->refusals = 0;
	w->event++;
	w->progress++;	/* who has waited may have to do it himself */
	w->state = ours ? UMBI_RUNNING : UMBI_NO_THREAD;
	if (!ours)
		w->runner = NULL;
	if (w->server == &urcu_membarrier_reader)
		return;
	w->run = w->off;
	w->server = NULL;
	w->busy = 0;
}

void umbi_reclaim_forked(void)
{
	umbi_workers.lock.word = 0;
	tables_lock.word = 0;
	umbi_queues_forked();
	for (struct call_rcu_data *w = umbi_workers.first; w; w = w->next)
		reset(w);
	umbi_defer_forked();
	umbi_poll_forked();
	if (!umbi_gate_ours(&hooks)) {
		hooked = NULL;
		nested = 0;
	}
	umbi_gate_forked(&hooks);
	/* What other threads had asked for, nobody else will undo. */
	for (; asked >= urcu_membarrier_reader.pauses && asked; asked--)
		call_after(asked_of, 1);
	unhook(1);
	pauses = (uint32_t) urcu_membarrier_reader.pauses;
	resume_callbacks();
}

/* The program's own calls; fork()'s stand within them. */
void urcu_membarrier_call_rcu_before_fork(void)
{
	struct urcu_atfork *h;

	pause_callbacks(UMBI_FOREVER);
	umbi_gate_enter(&hooks);
	h = current_hooks();
	if (h) {
		call_hook(h->before_fork, h->priv);
		asked_of = h;
		asked++;
	}
	umbi_gate_leave(&hooks);
}

static void after_asked(int child)
{
	umbi_gate_enter(&hooks);
	if (asked) {
		asked--;
		call_after(asked_of, child);
	}
	umbi_gate_leave(&hooks);
	if (urcu_membarrier_reader.pauses)
		resume_callbacks();
}

void urcu_membarrier_call_rcu_after_fork_parent(void)
{
	after_asked(0);
}

void urcu_membarrier_call_rcu_after_fork_child(void)
{
	after_asked(1);
}

void urcu_membarrier_register_rculfhash_atfork(struct urcu_atfork *atfork)
{
	umbi_lock(&tables_lock);
	if (!tables++)
		tables_hooks = atfork;
	umbi_unlock(&tables_lock);
}

void urcu_membarrier_unregister_rculfhash_atfork(struct urcu_atfork *atfork)
{
	(void) atfork;
	umbi_lock(&tables_lock);
	if (!--tables)
		tables_hooks = NULL;
	umbi_unlock(&tables_lock);
}
