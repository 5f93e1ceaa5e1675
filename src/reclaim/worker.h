/* SPDX-License-Identifier: MIT */
#ifndef UMBI_WORKER_H
#define UMBI_WORKER_H

/*
 * Workers and their queues of callbacks.
 *
 * Whoever queues pushes on a stack, by one compare-and-exchange: no state of it is
 * half-way, so that a forked child can go on with it, whatever other threads were
 * doing. (liburcu's wait-free queue is exchanged first and linked then; a child
 * would wait for ever for a link.) The worker takes the whole stack, turns it
 * round, waits for a grace period and runs the callbacks, oldest first.
 *
 * Callbacks are counted before they are pushed and run in the order of the
 * pushes. So when as many have run as were counted at some moment, all that were
 * queued by then have run: that is what a barrier waits for.
 */

#include <pthread.h>
#include <urcu/call-rcu.h>

#include "sys/sys.h"
#include "thread/thread.h"
#include "urcu-membarrier/stats.h"

#pragma GCC visibility push(hidden)

#define UMBI_RUN_CHUNK	256	/* callbacks between two looks around */

/* worker.newest: the queue is empty, and the worker sleeps or is not there. */
#define UMBI_ASLEEP	((struct rcu_head *) 1)

enum umbi_worker_state { UMBI_NO_THREAD, UMBI_STARTING, UMBI_RUNNING, UMBI_ENDED };

struct umbi_gp;

struct call_rcu_data {
	/* Those who queue. */
	struct rcu_head *newest;
	unsigned long queued;
	unsigned long run;		/* callbacks that have returned */
	uint32_t event;			/* the worker sleeps on it */
	uint32_t state;
	uint32_t refusals;		/* pushes since a thread was refused */

	/* Those who wait, see umbi_worker_wait(). */
	uint32_t progress __attribute__((aligned(128)));
	uint32_t waiters;
	uint32_t users;			/* who keep the worker from being freed */
	uint32_t stop;
	uint32_t hurry;			/* do not be lazy this time */
	uint32_t lazy_us;

	/* The server's, see queue.c. */
	const void *server __attribute__((aligned(128)));	/* his record */
	uint32_t tid;			/* and number, or the last one's */
	void (*running)(struct rcu_head *head);	/* NULL: no callback */
	struct rcu_head *taking, *taken, *rest;	/* newest first */
	struct rcu_head *turned, *turned_last;	/* oldest first */
	struct rcu_head *fresh, *fresh_last;
	struct rcu_head *ready;		/* their grace period is over */
	unsigned long off;		/* callbacks taken off ready */
	uint32_t busy;			/* callbacks run right now */
	int hasty;			/* the high watermark was passed */
	unsigned long peak, batches, lazy, hastened;
	unsigned long moved, run_elsewhere;	/* to another worker; counted as run */

	/* As a forked child has found them. */
	struct rcu_head *newest_at_fork;
	unsigned long queued_at_fork;

	struct umbi_gp *gp;			/* whose grace periods it waits for */
	unsigned long flags;
	int cpu;
	pthread_t thread;
	const void *runner;		/* its record */
	int shown;			/* the program knows it, and may join it */
	struct call_rcu_data *next;	/* in umbi_workers */
	struct call_rcu_data *leaving;	/* in the row of those to be freed */
};

/* All workers; the default one is the last. */
struct umbi_workers {
	struct umbi_lock lock;
	struct call_rcu_data *first;
};
extern struct umbi_workers umbi_workers;
extern struct call_rcu_data umbi_default_worker;

/* queue.c */
void umbi_queue_push(struct call_rcu_data *w, struct rcu_head *head);
/* The server: bring what was queued into order. Nonzero: there is some. */
int umbi_queue_take(struct call_rcu_data *w);
/* The server: its grace period is over. */
void umbi_queue_ready(struct call_rcu_data *w);
void umbi_queue_run(struct call_rcu_data *w);
/* A freed worker's, to another. */
void umbi_queue_move(struct call_rcu_data *from, struct call_rcu_data *to);
/* The server: tell those who wait how many have run. */
void umbi_queue_publish(struct call_rcu_data *w);
/*
 * In a forked child: finish what servers were at, and count. But for a server that
 * has forked itself, in a callback or a signal handler: it goes on.
 */
void umbi_queues_forked(void);
void umbi_queue_each(struct call_rcu_data *w, void (*see)(struct rcu_head *head));
/* As push, but whoever comes next wakes the worker. */
void umbi_queue_leave(struct call_rcu_data *w, struct rcu_head *head);

/* callback.c: one more, for callbacks of these grace periods; and the barrier for them. */
struct call_rcu_data *umbi_worker_create(struct umbi_gp *gp, unsigned long flags,
					 int cpu);
void umbi_worker_free(struct call_rcu_data *w);
void umbi_barrier(const struct umbi_gp *gp);

/* worker.c: start the thread, if there is none. 0 or a negative errno. */
int umbi_worker_start(struct call_rcu_data *w);
/* A push has found it asleep, or not there. */
void umbi_worker_wake(struct call_rcu_data *w);
/* It shall not be lazy this time, nor wait for its next look. */
void umbi_worker_hurry(struct call_rcu_data *w);
/* Until its thread has ended, and we are the server; and when nobody uses it. */
void umbi_worker_stop(struct call_rcu_data *w);
/* Between the two: run what there is, in this thread. */
void umbi_worker_drain(struct call_rcu_data *w);
void umbi_worker_end(struct call_rcu_data *w);
/* Until as many callbacks have run; where there is no thread, by running them. */
void umbi_worker_wait(struct call_rcu_data *w, unsigned long target);
/* Is the calling thread in a callback? */
int umbi_in_callback(void);

/*
 * Keep it from being freed: under the list's lock, or in a section. With
 * umbi_forks_now() at that time, let go of it.
 */
void umbi_worker_use(struct call_rcu_data *w);
void umbi_worker_unuse(struct call_rcu_data *w, uint32_t forks);
/*
 * for (struct umbi_walk walk = { NULL, 0 }; umbi_next(&walk); ): all workers, the
 * default one last, each in use while we are at it.
 */
struct umbi_walk {
	struct call_rcu_data *w;
	uint32_t forks;
};
struct call_rcu_data *umbi_next(struct umbi_walk *walk);

/* limit.c: after a push outside any section; and the server's side of it. */
unsigned long umbi_low(void);
unsigned long umbi_high(void);		/* 0: no watermarks */
void umbi_limit(struct call_rcu_data *w);
void umbi_limit_look(struct call_rcu_data *w);
/* Fill in what workers have counted. */
void umbi_reclaim_stats(struct umb_stats *stats);
/* Under the list's lock: what a worker has counted outlives it. */
void umbi_limit_keep(const struct call_rcu_data *w);

/* fork.c: callbacks run between these two, and forks outside. */
void umbi_busy(struct call_rcu_data *w);
void umbi_idle(struct call_rcu_data *w);

/*
 * Around a claim to queue a callback that stands for others, and the push: what it is
 * for; then NULL. A child that a handler forks meanwhile leaves that alone.
 */
void umbi_claiming(const void *what);

/* In a forked child, behind umbi_queues_forked(): whose callbacks are queued? */
void umbi_defer_forked(void);
void umbi_poll_forked(void);

static inline unsigned long umbi_backlog(const struct call_rcu_data *w)
{
	/* Run first, so that it is never negative but for a fork. */
	unsigned long run = __atomic_load_n(&w->run, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&w->queued, __ATOMIC_RELAXED) - run;
}

#pragma GCC visibility pop

#endif /* UMBI_WORKER_H */
