/* SPDX-License-Identifier: MIT */

/*
 * Polling. A cookie is the number of a grace period; whoever polls pushes it one
 * step. Where a fence takes milliseconds a worker does that instead: any callback
 * that is queued after the cookie was made runs after its grace period.
 */

#include <errno.h>
#include <stdlib.h>

#include "fence/fence.h"
#include "rcu/gp.h"
#include "reclaim/worker.h"
#include "thread/fork.h"
#include "urcu/urcu-membarrier.h"

static struct rcu_head pushed;
static uint32_t pushing;	/* it is queued */
static int lost;		/* in a forked child: no, though it should be */

static void has_pushed(struct rcu_head *head)
{
	(void) head;
	__atomic_store_n(&pushing, 0, __ATOMIC_RELEASE);
}

static void push(struct call_rcu_data *w)
{
	pushed.func = has_pushed;
	umbi_queue_push(w, &pushed);
	/* A quiet grace period has no number. */
	umbi_worker_hurry(w);
}

/* Zero: it has no thread. */
static int push_by_worker(void)
{
	struct call_rcu_data *w = &umbi_default_worker;
	uint32_t forks = umbi_forks_now();
	int mine;

	umbi_claiming(&pushed);
	mine = !__atomic_load_n(&pushing, __ATOMIC_RELAXED)
		&& !__atomic_exchange_n(&pushing, 1, __ATOMIC_ACQUIRE);
	if (mine)
		push(w);
	umbi_claiming(NULL);
	/* A handler has forked: who had claimed it is not here. */
	if (forks != umbi_forks_now() && !mine && lost)
		push(w);
	/* Queued, perhaps, before a fork. */
	return !umbi_worker_start(w);
}

static void see(struct rcu_head *head)
{
	if (head == &pushed)
		lost = 0;
}

void umbi_poll_forked(void)
{
	lost = pushing != 0;
	for (struct call_rcu_data *w = umbi_workers.first; w; w = w->next)
		umbi_queue_each(w, see);
	/* Who was about to queue it, and has forked in a handler, will. */
	if (lost && urcu_membarrier_reader.claiming != &pushed)
		pushing = 0;
}

struct urcu_gp_poll_state urcu_membarrier_start_poll_synchronize_rcu(void)
{
	return (struct urcu_gp_poll_state) { umbi_gp_target(&umbi_gp) };
}

bool urcu_membarrier_poll_state_synchronize_rcu(struct urcu_gp_poll_state state)
{
	if (umbi_gp_over(&umbi_gp, state.grace_period_id))
		return true;
	if (umbi_fence_is_slow() && push_by_worker())
		return false;
	return umbi_gp_push(&umbi_gp, state.grace_period_id);
}

struct notice {
	struct rcu_head head;
	unsigned long target;
	int fd;
	pid_t pid;
};

static void notify(struct rcu_head *head)
{
	struct notice *n = caa_container_of(head, struct notice, head);

	/* Who is told shall find it over: our grace period may have been quiet. */
	if (!umbi_gp_over(&umbi_gp, n->target))
		umbi_gp_wait(&umbi_gp, UMBI_FOREVER);
	/* A forked child shares the eventfd, and asked for nothing. */
	if (n->pid == umbi_getpid())
		umbi_fd_add_one(n->fd);
	umbi_fd_close(n->fd);
	umbi_free(n);
}

int umb_poll_eventfd(struct urcu_gp_poll_state state, int fd)
{
	int saved = errno, copy;
	struct notice *n;

	if (umbi_gp_over(&umbi_gp, state.grace_period_id))
		return umbi_fd_add_one(fd);
	copy = umbi_fd_dup(fd);
	if (copy < 0)
		return copy;
	n = malloc(sizeof *n);
	errno = saved;
	if (!n) {
		umbi_fd_close(copy);
		return -ENOMEM;
	}
	*n = (struct notice) {
		.target = state.grace_period_id,
		.fd = copy,
		.pid = umbi_getpid(),
	};
	n->head.func = notify;
	umbi_queue_push(&umbi_default_worker, &n->head);
	umbi_worker_hurry(&umbi_default_worker);
	return 0;
}
