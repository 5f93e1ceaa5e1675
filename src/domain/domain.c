/* SPDX-License-Identifier: MIT */

/* What all domains have in common; and private ones. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain/parts.h"
#include "fence/fence.h"
#include "reclaim/worker.h"
#include "thread/fork.h"

struct umbi_domains umbi_domains;

static const struct umbi_gp_kind private_kind = {
	.fence = umbi_fence_all,
	.fence_is_slow = umbi_fence_is_slow,
	.released = 1,
};

void umbi_domain_block_signals(sigset_t *before)
{
	sigset_t all;

	memset(&all, 0xFF, sizeof all);
	umbi_signal_mask(&all, before);
}

struct umb_domain *umbi_domain_new(const struct umbi_gp_kind *kind)
{
	struct umb_domain *d = NULL;
	int saved = errno;

	if (posix_memalign((void **) &d, __alignof__(*d), sizeof *d))
		d = NULL;
	errno = saved;
	if (!d)
		return NULL;
	memset(d, 0, sizeof *d);
	d->gp = (struct umbi_gp) {
		.kind = kind,
		.readers = &d->readers,
		.hold = &d->hold,
		.note.wait.gp = &d->gp,
		.look_first = 1,
	};
	d->hold.flag = UMBI_WAITING_UPDATER;
	d->fd = d->lock_fd = -1;
	d->self = UMBI_NO_SLOT;
	return d;
}

void umbi_domain_enlist(struct umb_domain *d)
{
	umbi_lock(&umbi_domains.lock);
	d->next = umbi_domains.first;
	umbi_in_order();
	umbi_domains.first = d;
	umbi_unlock(&umbi_domains.lock);
}

void umbi_domain_unlist(const struct umb_domain *d)
{
	struct umb_domain **at = &umbi_domains.first;

	umbi_lock(&umbi_domains.lock);
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	umbi_unlock(&umbi_domains.lock);
}

void umbi_domain_free(struct umb_domain *d)
{
	int saved = errno;

	if (!umbi_domain_is_shared(d))
		umbi_registry_free(&d->readers);
	else
		free(d->readers.slots);
	free(d->owned);
	free(d);
	errno = saved;
}

int umb_domain_create(struct umb_domain **domain)
{
	struct umb_domain *d = umbi_domain_new(&private_kind);

	if (!d)
		return -ENOMEM;
	d->mode = UMB_DOMAIN_PRIVATE;
	d->word = UMBI_GP_FIRST_WORD;
	d->gp.word = &d->word;
	d->gp.unsettled = &d->unsettled;
	d->gp.note.since_ms = &d->since_ms;
	umbi_domain_enlist(d);
	*domain = d;
	return 0;
}

static int has_handles(struct umb_domain *d)
{
	int has;

	umbi_lock(&d->lock);
	has = d->handles != NULL;
	umbi_unlock(&d->lock);
	return has;
}

int umb_domain_destroy(struct umb_domain *d)
{
	if (!d)
		return 0;
	if (has_handles(d))
		return -EBUSY;
	if (d->worker) {
		if (umbi_in_callback())
			return -EDEADLK;
		umbi_barrier(&d->gp);
		umbi_worker_stop(d->worker);
		/* Callbacks have queued others. */
		umbi_worker_drain(d->worker);
		umbi_worker_free(d->worker);
	}
	umbi_domain_unlist(d);
	/* Somebody may be telling who has stalled it. */
	umbi_stall_settle();
	umbi_segment_close(d);
	umbi_domain_free(d);
	return 0;
}

enum umb_domain_mode umb_domain_mode(const struct umb_domain *d)
{
	return d->mode;
}

static int synchronize(struct umb_domain *d, const char *caller, uint64_t end)
{
	int ret;

	if (umbi_reads_domain(d))
		umbi_die(caller, ": inside a read-side critical section of the domain "
			 "it would wait for itself", NULL);
	ret = umbi_gp_wait(&d->gp, end);
	return ret > 0 ? 0 : ret ? ret : -ETIMEDOUT;
}

int umb_domain_synchronize(struct umb_domain *d)
{
	return synchronize(d, "umb_domain_synchronize", UMBI_FOREVER);
}

int umb_domain_synchronize_timeout_ns(struct umb_domain *d, uint64_t ns)
{
	return synchronize(d, "umb_domain_synchronize_timeout_ns",
			   umbi_time_after(ns));
}

unsigned long umb_domain_poll_start(struct umb_domain *d)
{
	return umbi_gp_target(&d->gp);
}

int umb_domain_poll(struct umb_domain *d, unsigned long cookie)
{
	return umbi_gp_push(&d->gp, cookie);
}

/* The domain's worker, made by whoever needs it first. */
static struct call_rcu_data *worker_of(struct umb_domain *d)
{
	struct call_rcu_data *none = NULL, *w = __atomic_load_n(&d->worker,
							__ATOMIC_ACQUIRE);

	if (w)
		return w;
	w = umbi_worker_create(&d->gp, 0, -1);
	/* Release: its contents, before others queue with it. */
	if (!w || __atomic_compare_exchange_n(&d->worker, &none, w, 0,
				__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return w;
	umbi_worker_stop(w);
	umbi_worker_free(w);
	return none;
}

int umb_domain_call(struct umb_domain *d, struct rcu_head *head,
		    void (*func)(struct rcu_head *head))
{
	struct call_rcu_data *w;

	if (umbi_domain_is_shared(d))
		return -ENOTSUP;
	w = worker_of(d);
	if (!w)
		return -ENOMEM;
	head->func = func;
	umbi_queue_push(w, head);
	if (umbi_high() && !umbi_reads_domain(d))
		umbi_limit(w);
	return 0;
}

int umb_domain_barrier(struct umb_domain *d)
{
	if (umbi_domain_is_shared(d))
		return -ENOTSUP;
	if (umbi_in_callback() || umbi_reads_domain(d))
		return -EDEADLK;
	umbi_barrier(&d->gp);
	return 0;
}

void umbi_domains_forked(void)
{
	unsigned long *since_ms;

	umbi_domains.lock.word = 0;
	for (struct umb_domain *d = umbi_domains.first; d; d = d->next) {
		d->lock.word = 0;
		if (umbi_domain_is_shared(d))
			umbi_slots_forked(d);
		else
			umbi_registry_forked(&d->readers);
		umbi_hold_forked(&d->hold);
		umbi_handles_forked(d);
		/* What others see of a wait is the parent's. */
		since_ms = d->gp.note.since_ms;
		d->gp.note.since_ms = &d->since_ms;
		umbi_gp_fork_one(&d->gp);
		d->gp.note.since_ms = since_ms;
	}
}
