/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/load.h"
#include "tests/lib/spoil.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define POOL		64
#define LEAST		4	/* steps that show that something goes on */
#define REST_US		100	/* between two steps of those who reclaim */
#define LIMIT_NS	200000	/* the first; then twice as much, and so on */

/* Odd serial: free. It changes when the element is reclaimed, and when reused. */
struct element {
	struct rcu_head head;
	unsigned long serial;
	struct part *owner;
} __attribute__((aligned(64)));

static struct part {
	pthread_t thread;
	pid_t tid;
	void (*step)(struct part *p);
	unsigned long steps;	/* the thread's own */
	unsigned long done;	/* what is shown; for callbacks: how many ran */
	unsigned long queued;
	enum umb_fence_mode mode;
	cpu_set_t cpus;
	void (*act)(void);
	struct element *current;
	struct element pool[POOL];
} parts[LOAD_PARTS] __attribute__((aligned(128)));

static const char *const names[LOAD_ACTIVITIES] = {
	[LOAD_SPINS] = "the reader that spins",
	[LOAD_NAPS] = "the reader that naps",
	[LOAD_LEAVES] = "the reader that goes offline",
	[LOAD_BLOCKS] = "the reader that blocks signals",
	[LOAD_WAITS] = "synchronize_rcu",
	[LOAD_LIMITS] = "synchronize_rcu with a limit",
	[LOAD_POLLS] = "polling",
	[LOAD_QUEUES] = "callbacks",
	[LOAD_DEFERS] = "deferred calls",
	[LOAD_FENCES] = "heavy fences",
	[LOAD_BARRIERS] = "rcu_barrier",
};

static unsigned long barriers;
static unsigned int load_flags;
static int stop;
static const char *wrong;
static char *spoil;

static void nap(unsigned long us)
{
	struct timespec t = { (time_t) (us / 1000000),
			      (long) (us % 1000000 * 1000) };

	nanosleep(&t, NULL);
}

static void note_wrong(const char *what)
{
	const char *nothing = NULL;

	__atomic_compare_exchange_n(&wrong, &nothing, what, 0,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
}

static unsigned long counted(const unsigned long *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

/* Relaxed: the grace period alone shall keep it from changing under a reader. */
static unsigned long serial_of(const struct element *e)
{
	return __atomic_load_n(&e->serial, __ATOMIC_RELAXED);
}

/* One section: sees an element, stays, and sees whether it is still the same. */
static void section(unsigned long n, unsigned long spins, unsigned long us)
{
	struct part *p = &parts[LOAD_WAITS + n % (LOAD_FENCES - LOAD_WAITS)];
	unsigned long first, last;
	struct element *e;

	rcu_read_lock();
	e = umb_dereference(p->current);
	first = serial_of(e);
	while (spins--)
		__asm__ __volatile__ ("" : : : "memory");
	if (us)
		nap(us);
	last = serial_of(e);
	rcu_read_unlock();
	if (first % 2)
		note_wrong("a section found what had been reclaimed");
	else if (first != last)
		note_wrong("a section saw an element reclaimed: "
			   "its grace period was lost");
}

void load_read(void)
{
	static unsigned long n;

	section(__atomic_fetch_add(&n, 1, __ATOMIC_RELAXED), 0, 0);
}

/* The stores hide that of the reader's counter for a while. */
static void spin(struct part *p)
{
	uint64_t random = p->steps + 1;

	for (unsigned int i = 0; i < 64; i++) {
		spoil_stores(spoil, next_random(&random));
		section(i, i % 8 ? random % 64 : random % 4096, 0);
	}
	count(&p->done);
}

static void nap_in_sections(struct part *p)
{
	section(p->steps, 0, p->steps % 4 ? 0 : 300);
	count(&p->done);
}

static void leave(struct part *p)
{
	rcu_read_lock();
	section(p->steps, 50, 0);
	rcu_read_lock();
	section(p->steps + 1, 50, 0);
	rcu_read_unlock();
	rcu_read_unlock();
	if (p->steps % 4 == 0)
		rcu_thread_offline();
	if (p->steps % 8 == 0)
		rcu_thread_online();
	if (p->steps % 16 == 0)
		rcu_unregister_thread();
	count(&p->done);
	nap(50);
}

static void read_deaf(struct part *p)
{
	for (unsigned int i = 0; i < 16; i++)
		section(i, 20, 0);
	count(&p->done);
	nap(50);
}

static struct element *take_free(struct part *p)
{
	for (struct element *e = p->pool; e < p->pool + POOL; e++)
		if (__atomic_load_n(&e->serial, __ATOMIC_ACQUIRE) % 2)
			return e;
	return NULL;
}

static void reclaim(struct element *e)
{
	if (serial_of(e) % 2)
		note_wrong("an element was reclaimed twice");
	__atomic_fetch_add(&e->serial, 1, __ATOMIC_RELEASE);
}

/* Publish another element; the one that was there, or NULL: none is free. */
static struct element *replace(struct part *p)
{
	struct element *e = take_free(p);

	if (!e)
		return NULL;
	__atomic_fetch_add(&e->serial, 1, __ATOMIC_RELAXED);
	return umb_xchg_pointer(&p->current, e);
}

static void wait_for_readers(struct part *p)
{
	struct element *old = replace(p);

	synchronize_rcu();
	reclaim(old);
	count(&p->done);
}

static void wait_with_limit(struct part *p)
{
	struct element *old = replace(p);
	uint64_t ns = p->steps % 2 ? LIMIT_NS : 0;
	int ret;

	while ((ret = umb_synchronize_timeout_ns(ns)) == -ETIMEDOUT)
		ns = ns ? 2 * ns : LIMIT_NS;
	if (ret)
		note_wrong("umb_synchronize_timeout_ns has failed");
	reclaim(old);
	count(&p->done);
}

static void poll_readers(struct part *p)
{
	struct element *old = replace(p);
	struct urcu_gp_poll_state cookie = start_poll_synchronize_rcu();

	while (!poll_state_synchronize_rcu(cookie))
		nap(REST_US);
	reclaim(old);
	count(&p->done);
}

static void reclaim_for_owner(void *element)
{
	struct element *e = element;
	struct part *owner = e->owner;

	reclaim(e);
	count(&owner->done);
}

static void callback(struct rcu_head *head)
{
	reclaim_for_owner(caa_container_of(head, struct element, head));
}

static void queue(struct part *p)
{
	struct element *old = replace(p);

	if (old) {
		p->queued++;
		call_rcu(&old->head, callback);
	}
	if (p->steps % 32)
		return;
	rcu_barrier();
	if (counted(&p->done) != p->queued)
		note_wrong("rcu_barrier came back before the callbacks");
	count(&barriers);
}

static void defer(struct part *p)
{
	struct element *old = replace(p);

	if (!old)
		return;
	p->queued++;
	defer_rcu(reclaim_for_owner, old);
}

static void fence(struct part *p)
{
	umb_fence_heavy();
	count(&p->done);
}

static void (*const steps[LOAD_PARTS])(struct part *p) = {
	[LOAD_SPINS] = spin,
	[LOAD_NAPS] = nap_in_sections,
	[LOAD_LEAVES] = leave,
	[LOAD_BLOCKS] = read_deaf,
	[LOAD_WAITS] = wait_for_readers,
	[LOAD_LIMITS] = wait_with_limit,
	[LOAD_POLLS] = poll_readers,
	[LOAD_QUEUES] = queue,
	[LOAD_DEFERS] = defer,
	[LOAD_FENCES] = fence,
};

static void begin(struct part *p)
{
	sigset_t all_signals;

	sigfillset(&all_signals);
	if ((load_flags & LOAD_DEAF)
	    || (p == &parts[LOAD_BLOCKS] && !(load_flags & LOAD_OPEN)))
		pthread_sigmask(SIG_SETMASK, &all_signals, NULL);
	sched_getaffinity(0, sizeof p->cpus, &p->cpus);
	__atomic_store_n(&p->tid, (pid_t) syscall(__NR_gettid), __ATOMIC_SEQ_CST);
}

static void end(const struct part *p)
{
	cpu_set_t cpus;

	if ((load_flags & LOAD_STAYS)
	    && !sched_getaffinity(0, sizeof cpus, &cpus)
	    && !CPU_EQUAL(&cpus, &p->cpus))
		note_wrong("a thread may not run any more where it might");
}

static void *run(void *arg)
{
	struct part *p = arg;
	void (*act)(void);

	begin(p);
	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); p->steps++) {
		p->step(p);
		__atomic_store_n(&p->mode, umb_fence_mode(), __ATOMIC_RELAXED);
		act = __atomic_load_n(&p->act, __ATOMIC_ACQUIRE);
		if (act) {
			act();
			__atomic_store_n(&p->act, NULL, __ATOMIC_RELEASE);
		}
		if (p >= &parts[LOAD_WAITS])
			nap(REST_US);
	}
	end(p);
	return NULL;
}

static void prepare(struct part *p)
{
	for (struct element *e = p->pool; e < p->pool + POOL; e++) {
		e->owner = p;
		e->serial = 1;
	}
	p->current = p->pool;
	p->current->serial = 2;
}

int load_start(unsigned int flags)
{
	spoil = spoil_new();
	load_flags = flags;
	for (int i = 0; i < LOAD_PARTS; i++) {
		prepare(&parts[i]);
		parts[i].step = steps[i];
	}
	for (int i = 0; i < LOAD_PARTS; i++)
		if (pthread_create(&parts[i].thread, NULL, run, &parts[i]))
			return -1;
	return !spoil;
}

static const unsigned long *counter_of(int activity)
{
	return activity == LOAD_BARRIERS ? &barriers : &parts[activity].done;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

const char *load_await(unsigned int activities, unsigned int seconds)
{
	unsigned long before[LOAD_ACTIVITIES];
	double end = now() + seconds;

	for (int i = 0; i < LOAD_ACTIVITIES; i++)
		before[i] = counted(counter_of(i));
	for (int i = 0; i < LOAD_ACTIVITIES; i++)
		while ((activities & 1U << i)
		       && counted(counter_of(i)) - before[i] < LEAST) {
			if (now() > end)
				return names[i];
			nap(1000);
		}
	return NULL;
}

static void check_elements(const struct part *p)
{
	int used = 0;

	for (const struct element *e = p->pool; e < p->pool + POOL; e++)
		used += serial_of(e) % 2 == 0;
	if (used != 1 || serial_of(p->current) % 2)
		note_wrong("an element was lost");
	if (p->queued && p->queued != p->done)
		note_wrong("a call was lost, or made twice");
}

const char *load_stop(void)
{
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < LOAD_PARTS; i++)
		pthread_join(parts[i].thread, NULL);
	rcu_barrier();
	rcu_defer_barrier();
	for (int i = 0; i < LOAD_PARTS; i++)
		check_elements(&parts[i]);
	spoil_free(spoil);
	return wrong;
}

pid_t load_tid(enum load_part part)
{
	pid_t tid;

	while (!(tid = __atomic_load_n(&parts[part].tid, __ATOMIC_SEQ_CST)))
		nap(100);
	return tid;
}

enum umb_fence_mode load_mode(enum load_part part)
{
	return __atomic_load_n(&parts[part].mode, __ATOMIC_RELAXED);
}

void load_do(enum load_part part, void (*act)(void))
{
	__atomic_store_n(&parts[part].act, act, __ATOMIC_RELEASE);
	while (__atomic_load_n(&parts[part].act, __ATOMIC_ACQUIRE))
		nap(100);
}
