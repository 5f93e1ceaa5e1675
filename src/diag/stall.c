/* SPDX-License-Identifier: MIT */

/*
 * Telling of stalls. Who waits notices, and starts a thread that looks who is waited
 * for, and tells; then it goes on waiting. One such thread at a time: while it is
 * at it nothing else is told. It ends when it has told, so there is none to be left
 * behind by dlclose() or at exit.
 *
 * Times are milliseconds that come round, so that 32-bit machines can share them
 * without a lock.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "diag/place.h"
#include "diag/stall.h"
#include "fence/backend.h"
#include "rcu/gp.h"
#include "reclaim/worker.h"
#include "sys/probe.h"
#include "thread/fork.h"
#include "thread/hold.h"
#include "thread/registry.h"
#include "thread/stall.h"
#include "urcu-membarrier/stall.h"

#define LIMIT_MS	10000		/* if nobody says otherwise */
#define GAP_MAX_MS	3600000u	/* between two reports of the same */
#define TOLD_MAX	16		/* threads that one report tells of */
#define LATE_MS		1000		/* to wake so late is no matter of the scheduler's */
#define KINDS		5
#define NOT_ASKED	UINT32_MAX	/* the environment */

typedef void handler(const struct umb_stall *stall);

static uint32_t limit_ms = NOT_ASKED;
static handler *told;			/* NULL: stderr */
static unsigned long stalls;
static uint32_t telling;		/* somebody is */
/* In the thread that tells, or is about to have it told. */
static __thread int am_telling __attribute__((tls_model("initial-exec")));

/* Of each kind: the last report, whose it was, and how long until the next. */
static struct {
	unsigned long at, began, gap;
} last[KINDS];

/* What there is to tell, by who claimed `telling`. */
static struct {
	enum umb_stall_kind kind;
	struct umbi_gp *gp;		/* whose readers */
	uint32_t tid;			/* of a leader; of a shared domain's: its process */
	unsigned long waited_ms;
} news;

static uint32_t limit(void)
{
	/* Relaxed, here and below: nothing else follows from these. */
	uint32_t ms = __atomic_load_n(&limit_ms, __ATOMIC_RELAXED);

	if (ms != NOT_ASKED)
		return ms;
	/* Programs with the archive may have set it before we are loaded. */
	__atomic_compare_exchange_n(&limit_ms, &ms,
			umbi_environment_stall_ms(LIMIT_MS), 0,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return __atomic_load_n(&limit_ms, __ATOMIC_RELAXED);
}

static unsigned long now(void)
{
	return umbi_ms(umbi_now_ns());
}

uint64_t umbi_stall_nap(struct umbi_wait *wait, uint64_t ns)
{
	uint32_t ms = limit();
	unsigned long at;
	uint64_t left;

	if (!ms || !ns)
		return ns;
	at = now();
	if (!wait->since)
		umbi_stall_begin(wait, at);
	left = (uint64_t) (ms - (at - wait->since) % ms) * 1000000;
	wait->nap_ends = at + (unsigned long) ((left < ns ? left : ns) / 1000000);
	return left < ns ? left : ns;
}

static const char *doing(char state)
{
	switch (state) {
	case 'R': return "running or waiting for a CPU";
	case 'S': return "asleep";
	case 'D': return "asleep in the kernel";
	case 'T': return "stopped by a signal";
	case 't': return "stopped by a tracer";
	case 'X': case 'Z': return "which has ended";
	default: return "in a state that is not known";
	}
}

static const char *waiter(enum umb_stall_kind kind)
{
	switch (kind) {
	case UMB_STALL_SECTION: return "a grace period";
	case UMB_STALL_FENCE: return "a heavy fence";
	case UMB_STALL_CALLBACK: return "a barrier of callbacks";
	default: return "a grace period or heavy fence";
	}
}

typedef void place_fn(const void *address, char text[UMBI_PLACE_MAX]);

/* For a thread that may not wait for the loader's lock. */
static void plain_place(const void *address, char text[UMBI_PLACE_MAX])
{
	snprintf(text, UMBI_PLACE_MAX, "%p", address);
}

static void describe_deed(const struct umb_stall *s, place_fn *find_place,
			  char *text, size_t size)
{
	char place[UMBI_PLACE_MAX] = "";

	if (s->entered)
		find_place(s->entered, place);
	if (s->kind == UMB_STALL_SECTION)
		snprintf(text, size, "in a section of depth %lu%s%s", s->depth,
			 s->entered ? " that began at " : "", place);
	else if (s->kind == UMB_STALL_FENCE)
		snprintf(text, size, "to pass a memory barrier");
	else if (s->kind == UMB_STALL_CALLBACK)
		snprintf(text, size, "in the callback %s", place);
	else
		snprintf(text, size, "which runs it for all");
}

static int describe(const struct umb_stall *s, place_fn *find_place, char *text,
		    size_t size)
{
	char deed[UMBI_PLACE_MAX + 64], process[32] = "";
	int saved = errno, n;

	describe_deed(s, find_place, deed, sizeof deed);
	if (s->pid)
		snprintf(process, sizeof process, " of process %ld", (long) s->pid);
	n = snprintf(text, size, "%s has waited %llu.%03u s for thread %ld%s%s%s%s, "
		     "%s, %s%s (%u of %u)", waiter(s->kind),
		     (unsigned long long) (s->waited_ns / 1000000000),
		     (unsigned int) (s->waited_ns / 1000000 % 1000),
		     (long) s->tid, process, *s->name ? " (" : "", s->name,
		     *s->name ? ")" : "", doing(s->state), deed,
		     s->blocks_signal > 0 ? ", with the barrier signal blocked"
			: "", s->index + 1, s->count);
	errno = saved;
	return n;
}

int umb_stall_describe(const struct umb_stall *s, char *text, size_t size)
{
	return describe(s, umbi_place, text, size);
}

static void print_with(const struct umb_stall *stall, place_fn *find_place)
{
	char text[512];

	if (!umbi_can_say())
		return;
	describe(stall, find_place, text, sizeof text);
	umbi_say(text, NULL);
}

static void print(const struct umb_stall *stall)
{
	print_with(stall, umbi_place);
}

/* By whoever waits. */
static void print_plainly(const struct umb_stall *stall)
{
	print_with(stall, plain_place);
}

static struct umb_stall *start_of(struct umb_stall *to, uint32_t tid)
{
	*to = (struct umb_stall) {
		.size = sizeof *to,
		.kind = news.kind,
		.tid = (pid_t) tid,
	};
	return to;
}

/* Under the registry lock: the depth for which it is waited for, or 1; or 0. */
static unsigned long waited_for(const umbi_reader *reader)
{
	if (news.kind == UMB_STALL_SECTION)
		return umbi_gp_holds_on(news.gp, reader);
	return (__atomic_load_n(&reader->asked, __ATOMIC_RELAXED)
		& (UMBI_ASKED_EVERYBODY | UMBI_ASKED_ONLINE)) != 0;
}

static void add_reader(struct umb_stall *to, const umbi_reader *reader,
		       unsigned long depth)
{
	/* Relaxed: other processes may write them. */
	start_of(to, __atomic_load_n(&reader->tid, __ATOMIC_RELAXED));
	if (news.kind != UMB_STALL_SECTION)
		return;
	if (news.gp->kind->lives)
		to->pid = (pid_t) __atomic_load_n(&reader->pid, __ATOMIC_RELAXED);
	to->depth = depth;
	if (!to->pid)
		to->entered = __atomic_load_n(&reader->entered, __ATOMIC_RELAXED);
}

static unsigned int find_readers(struct umb_stall *to)
{
	struct umbi_registry *readers = news.gp->readers;
	umbi_reader *reader;
	unsigned long depth;
	unsigned int n = 0;

	umbi_lock(&readers->lock);
	for (struct umbi_scan s = umbi_scan(readers);
	     (reader = umbi_scan_next(&s)); umbi_scan_breathe(&s))
		if ((depth = waited_for(reader)) && n++ < TOLD_MAX)
			add_reader(&to[n - 1], reader, depth);
	umbi_unlock(&readers->lock);
	return n;
}

static unsigned int find_callbacks(struct umb_stall *to)
{
	unsigned int n = 0;

	umbi_lock(&umbi_workers.lock);
	for (struct call_rcu_data *w = umbi_workers.first; w; w = w->next) {
		void (*callback)(struct rcu_head *head) =
			__atomic_load_n(&w->running, __ATOMIC_RELAXED);

		if (!callback || !__atomic_load_n(&w->waiters, __ATOMIC_RELAXED)
		    || n++ >= TOLD_MAX)
			continue;
		start_of(&to[n - 1], __atomic_load_n(&w->tid, __ATOMIC_RELAXED))
			->entered = (const void *) (uintptr_t) callback;
	}
	umbi_unlock(&umbi_workers.lock);
	return n;
}

/* Those that are waited for, TOLD_MAX of them at most; how many there are. */
static unsigned int find(struct umb_stall *to)
{
	if (news.kind == UMB_STALL_CALLBACK)
		return find_callbacks(to);
	if (news.kind != UMB_STALL_LEADER)
		return find_readers(to);
	start_of(to, news.tid);
	if (news.gp->kind->lives)
		to->pid = (pid_t) news.tid;
	return 1;
}

static void complete(struct umb_stall *stall)
{
	int signal = umbi_handler_signal();
	struct umbi_task task;

	umbi_task_look((uint32_t) stall->pid, (uint32_t) stall->tid, &task);
	memcpy(stall->name, task.name, sizeof stall->name);
	stall->state = task.state;
	stall->blocks_signal = stall->pid || !task.mask_known || signal > 64
		? -1 : (int) (task.blocked >> (signal - 1) & 1);
	stall->waited_ns = news.waited_ms * UINT64_C(1000000);
}

static void tell(handler *to)
{
	struct umb_stall found[TOLD_MAX];
	unsigned int count = find(found);

	for (unsigned int i = 0; i < count && i < TOLD_MAX; i++) {
		found[i].index = i;
		found[i].count = count;
		complete(&found[i]);
		umbi_probe(stall, found[i].tid, (long) news.waited_ms);
		to(&found[i]);
	}
}

static void end_telling(void *arg)
{
	(void) arg;
	am_telling = 0;
	/* Release: the news, before they are others'. */
	__atomic_store_n(&telling, 0, __ATOMIC_RELEASE);
	umbi_futex_wake(&telling, INT32_MAX);
}

static void *run(void *arg)
{
	handler *to = __atomic_load_n(&told, __ATOMIC_SEQ_CST);

	umbi_block_signals(SIG_SETMASK, NULL);
	am_telling = 1;
	/* A handler may end its thread. */
	pthread_cleanup_push(end_telling, NULL);
	tell(to ? to : print);
	pthread_cleanup_pop(1);
	return arg;
}

/* As for the workers of callbacks: no handler of the host in the new thread. */
static int start(void)
{
	sigset_t all, mask;
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	ret = pthread_attr_init(&attr);
	if (!ret) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ret = pthread_create(&thread, &attr, run, NULL);
		pthread_attr_destroy(&attr);
	}
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return ret;
}

/* Was the process stopped, or the machine, for a good part of the wait? */
static int was_stopped(struct umbi_wait *wait, unsigned long at, uint32_t ms)
{
	unsigned long late = at - wait->nap_ends;
	long much = ms / 2 > LATE_MS ? (long) (ms / 2) : LATE_MS;

	if (!wait->nap_ends || (long) late <= much)
		return 0;
	wait->since += late;
	return 1;
}

/* A leader tells for himself, if he can: so of him one hears later. */
static int is_long(const struct umbi_wait *wait, enum umb_stall_kind kind,
		   unsigned long at, uint32_t ms)
{
	return at - wait->since >= (kind == UMB_STALL_LEADER ? 2UL : 1UL) * ms;
}

static unsigned long gap_of(enum umb_stall_kind kind, uint32_t ms)
{
	unsigned long gap = __atomic_load_n(&last[kind].gap, __ATOMIC_RELAXED);

	return gap < ms ? ms : gap;
}

/* Within so many gaps? */
static int was_told(enum umb_stall_kind kind, unsigned long at, uint32_t ms,
		    unsigned int gaps)
{
	unsigned long was = __atomic_load_n(&last[kind].at, __ATOMIC_RELAXED);

	return was && at - was < gaps * gap_of(kind, ms);
}

/* Has nobody been told for a while? Then we tell. */
static int claim(const struct umbi_wait *wait, enum umb_stall_kind kind,
		 unsigned long at, uint32_t ms)
{
	unsigned long was = __atomic_load_n(&last[kind].at, __ATOMIC_RELAXED);
	unsigned long gap = 2 * gap_of(kind, ms);

	if (was_told(kind, at, ms, 1))
		return 0;
	if (kind == UMB_STALL_LEADER
	    && (was_told(UMB_STALL_SECTION, at, ms, 2)
		|| was_told(UMB_STALL_FENCE, at, ms, 2)))
		return 0;
	if (!__atomic_compare_exchange_n(&last[kind].at, &was, at, 0,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return 0;
	__atomic_store_n(&last[kind].gap, gap < GAP_MAX_MS ? gap : GAP_MAX_MS,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&last[kind].began, wait->began, __ATOMIC_RELAXED);
	return 1;
}

static void report(const struct umbi_wait *wait, enum umb_stall_kind kind,
		   uint32_t tid, unsigned long at)
{
	int saved = errno;

	news.kind = kind;
	news.tid = tid;
	news.gp = wait->gp ? wait->gp : &umbi_gp;
	news.waited_ms = at - wait->since;
	/* A handler that forks here leaves it to us in the child, too. */
	am_telling = 1;
	if (start()) {
		tell(print_plainly);
		end_telling(NULL);
	}
	am_telling = 0;
	errno = saved;
}

void umbi_stall_look(struct umbi_wait *wait, enum umb_stall_kind kind,
		     uint32_t tid)
{
	uint32_t ms = limit();
	unsigned long at;

	if (!wait->since || !ms)
		return;
	at = now();
	if (was_stopped(wait, at, ms) || !is_long(wait, kind, at, ms)
	    || !claim(wait, kind, at, ms))
		return;
	__atomic_fetch_add(&stalls, 1, __ATOMIC_RELAXED);
	if (!__atomic_exchange_n(&telling, 1, __ATOMIC_SEQ_CST))
		report(wait, kind, tid, at);
}

void umbi_stall_over(const struct umbi_wait *wait)
{
	if (!wait->since)
		return;
	/* Others' waits may go on. */
	for (int kind = 0; kind < KINDS; kind++)
		if (__atomic_load_n(&last[kind].began, __ATOMIC_RELAXED)
		    == wait->began)
			__atomic_store_n(&last[kind].gap, 0, __ATOMIC_RELAXED);
}

void umbi_stall_settle(void)
{
	while (!am_telling && __atomic_load_n(&telling, __ATOMIC_SEQ_CST))
		umbi_sleep(&telling, 1, UMBI_FOREVER);
}

int umb_stall_set(void (*new)(const struct umb_stall *stall), uint64_t limit_ns)
{
	if (limit_ns > UMB_STALL_LIMIT_MAX)
		return -EINVAL;
	__atomic_store_n(&told, new, __ATOMIC_SEQ_CST);
	__atomic_store_n(&limit_ms, (uint32_t) ((limit_ns + 999999) / 1000000),
			 __ATOMIC_RELAXED);
	for (int kind = 0; kind < KINDS; kind++)
		__atomic_store_n(&last[kind].gap, 0, __ATOMIC_RELAXED);
	umbi_stall_settle();
	return 0;
}

void umbi_stall_stats(struct umb_stats *stats)
{
	stats->stalls = umbi_counted(&stalls);
}

void umbi_stall_forked(void)
{
	telling = am_telling != 0;
	memset(last, 0, sizeof last);
}

static __attribute__((constructor)) void at_load(void)
{
	limit();
}
