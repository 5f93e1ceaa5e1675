/* SPDX-License-Identifier: MIT */

/*
 * The visit backend: the caller runs, for a moment, on each CPU where a thread
 * of the scope may run. It needs no help of the other threads: no handler, no
 * open signal mask.
 *
 * Take a thread T of the scope, and the time between the call and the return.
 * - T is switched out, or in, in that time: a switch is a full barrier, and it
 *   is the point P.
 * - T does not run at all in that time. That comes to the same.
 * - T runs all the time without a switch, so on one CPU. That is none where the
 *   caller has been: T was not running then. So it is one that the caller wanted
 *   to visit and could not, and we say so; or one that T's mask did not allow
 *   when we read it, because somebody had changed the mask a moment before,
 *   and T was still to be moved. So the caller visits its own CPUs too. (What
 *   we would miss: at this very moment, others move T away from a CPU where
 *   the caller may not go, or does not unless for T.)
 */

#include <errno.h>
#include <string.h>

#include "fence/backend.h"
#include "thread/hold.h"

#define TRIES		3	/* CPUs come and go */
#define UNKNOWN_CPU	(UMBI_CPUS_MAX - 1)	/* where nobody comes to */
#define VISIT_NS_MIN	50000u	/* bounds of its price */
#define VISIT_NS_MAX	1000000u

/* Under the registry lock, behind FENCE.call. */
int umbi_in_scope(const umbi_reader *reader, enum umbi_scope scope)
{
	if (reader == &urcu_membarrier_reader)
		return 0;
	/*
	 * access FENCE.offline, acquire. Pairs: RD.offline (release), RD.online (full).
	 * As GP.scan: behind FENCE.call, a thread that looks offline sees what
	 * the fence is for when it comes online, and its sections are over.
	 */
	return scope == UMBI_EVERYBODY
		|| __atomic_load_n(&reader->ctr, __ATOMIC_ACQUIRE)
			!= URCU_MEMBARRIER_OFFLINE;
}

static void add_cpu(struct umbi_cpus *cpus, int cpu)
{
	if (cpu >= 0 && cpu < UMBI_CPUS_MAX)
		cpus->bits[(size_t) cpu / UMBI_CPU_BITS]
			|= 1UL << (size_t) cpu % UMBI_CPU_BITS;
}

static void remove_cpu(struct umbi_cpus *cpus, int cpu)
{
	cpus->bits[(size_t) cpu / UMBI_CPU_BITS]
		&= ~(1UL << (size_t) cpu % UMBI_CPU_BITS);
}

static void add_cpus(struct umbi_cpus *to, const struct umbi_cpus *from)
{
	for (size_t i = 0; i < UMBI_CPUS_MAX / UMBI_CPU_BITS; i++)
		to->bits[i] |= from->bits[i];
}

static uint32_t count(const struct umbi_cpus *cpus)
{
	uint32_t n = 0;

	for (size_t i = 0; i < UMBI_CPUS_MAX / UMBI_CPU_BITS; i++)
		n += (uint32_t) __builtin_popcountl(cpus->bits[i]);
	return n;
}

/* A CPU of `these` that is not in `those`, or -1. */
static int first_outside(const struct umbi_cpus *these,
			 const struct umbi_cpus *those)
{
	for (size_t i = 0; i < UMBI_CPUS_MAX / UMBI_CPU_BITS; i++) {
		unsigned long bits = these->bits[i] & ~those->bits[i];

		if (bits)
			return (int) (i * UMBI_CPU_BITS) + __builtin_ctzl(bits);
	}
	return -1;
}

int umbi_cpus_within(const struct umbi_cpus *these, const struct umbi_cpus *those)
{
	return first_outside(these, those) < 0;
}

void umbi_cpus_of(const umbi_reader *reader, struct umbi_cpus *to)
{
	uint32_t tid = reader->tid;
	struct umbi_cpus cpus;
	int ret;

	/* Its number is one of another process: a bare fork. It has our mask. */
	if (reader->pid != (uint32_t) umbi_getpid())
		tid = 0;
	ret = umbi_cpus_get(tid, &cpus);
	if (!ret)
		add_cpus(to, &cpus);
	else if (ret != -ESRCH)		/* gone, and its record stayed behind */
		add_cpu(to, UNKNOWN_CPU);
}

/* By experience, for guesses. Relaxed: they are no more than that. */
static uint32_t cpus_seen;
static uint32_t ns_a_move = VISIT_NS_MIN;

static void learn(uint32_t cpus, uint32_t moves, uint64_t took)
{
	uint64_t old = __atomic_load_n(&ns_a_move, __ATOMIC_RELAXED);

	__atomic_store_n(&cpus_seen, cpus, __ATOMIC_RELAXED);
	if (!moves)
		return;
	took = (3 * old + took / moves) / 4;
	__atomic_store_n(&ns_a_move,
			 (uint32_t) (took < VISIT_NS_MAX ? took : VISIT_NS_MAX),
			 __ATOMIC_RELAXED);
}

uint64_t umbi_visit_ns(void)
{
	uint64_t ns = (uint64_t) __atomic_load_n(&ns_a_move, __ATOMIC_RELAXED)
		* __atomic_load_n(&cpus_seen, __ATOMIC_RELAXED);

	return ns < VISIT_NS_MIN ? VISIT_NS_MIN
		: ns > VISIT_NS_MAX ? VISIT_NS_MAX : ns;
}

int umbi_visit_is_short(const struct umbi_cpus *visited)
{
	uint32_t seen = __atomic_load_n(&cpus_seen, __ATOMIC_RELAXED);

	/* With the CPU where we are. */
	return seen && count(visited) + 1 >= seen;
}

/* Somebody else may set our mask meanwhile: see where we are. */
static int run_on(int cpu)
{
	struct umbi_cpus only = { { 0 } };
	int ret = 0;

	add_cpu(&only, cpu);
	for (int i = 0; i < TRIES && !ret; i++) {
		ret = umbi_cpus_set(&only);
		if (!ret && umbi_cpu() == cpu)
			return 0;
	}
	return ret ? ret : -EINVAL;
}

/*
 * A thread whose mask was never set follows its cpuset, and shall go on to: if
 * it had all CPUs, it gets all that there may ever be. Nor shall it stay where
 * we have left it if its own CPUs have gone meanwhile.
 */
static void restore(const struct umbi_cpus *mine)
{
	struct umbi_cpus now, everywhere;

	memset(&everywhere, 0xFF, sizeof everywhere);
	umbi_cpus_set(&everywhere);
	if (umbi_cpus_get(0, &now) || memcmp(&now, mine, sizeof now))
		umbi_cpus_set(mine);
}

int umbi_visit(const struct umbi_cpus *wanted, struct umbi_cpus *visited)
{
	uint64_t begin = umbi_now_ns();
	struct umbi_cpus mine, all;
	uint32_t moves = 0;
	int cpu, ret = __atomic_load_n(&umbi_visits_allowed, __ATOMIC_RELAXED)
		? umbi_cpus_get(0, &mine) : -EPERM;	/* not prepared */

	if (ret)
		return ret;
	all = mine;
	add_cpus(&all, wanted);
	/* Here we run. */
	add_cpu(visited, umbi_cpu());
	while (!ret && (cpu = first_outside(&all, visited)) >= 0) {
		moves++;
		ret = run_on(cpu);
		if (!ret)
			add_cpu(visited, cpu);
		if (ret == -EINVAL) {	/* not allowed, or not there */
			remove_cpu(&all, cpu);
			ret = 0;
		}
	}
	if (moves)
		restore(&mine);
	learn(count(&all), moves, umbi_now_ns() - begin);
	return ret;
}

int umbi_visit_everywhere(void)
{
	struct umbi_cpus all, visited = { { 0 } };
	int cpu, ret;

	memset(&all, 0xFF, sizeof all);
	ret = umbi_cpus_set(&all);
	if (!ret)
		ret = umbi_cpus_get(0, &all);
	while (!ret && (cpu = first_outside(&all, &visited)) >= 0) {
		ret = run_on(cpu);
		add_cpu(&visited, cpu);
	}
	return ret;
}

static struct umbi_cpus cpus_in_scope(enum umbi_scope scope)
{
	struct umbi_cpus cpus = { { 0 } };
	umbi_reader *reader;

	umbi_lock(&umbi_registry.lock);
	for (struct umbi_scan s = umbi_scan(&umbi_registry);
	     (reader = umbi_scan_next(&s)); umbi_scan_breathe(&s))
		if (umbi_in_scope(reader, scope))
			umbi_cpus_of(reader, &cpus);
	umbi_unlock(&umbi_registry.lock);
	return cpus;
}

/* All the system calls that a visit takes: is one refused, or deadly? */
static int visit_prepare(void)
{
	struct umbi_cpus mine;
	int ret = umbi_cpus_get(0, &mine), cpu = umbi_cpu();

	if (!ret && cpu < 0)
		ret = cpu;
	if (!ret)
		ret = umbi_cpus_set(&mine);
	if (!ret) {
		restore(&mine);
		learn(count(&mine), 0, 0);
		__atomic_store_n(&umbi_visits_allowed, 1, __ATOMIC_RELAXED);
	}
	return ret;
}

static int visit_run(enum umbi_scope scope)
{
	for (int i = 0; i < TRIES; i++) {
		struct umbi_cpus wanted = cpus_in_scope(scope);
		struct umbi_cpus visited = { { 0 } };
		int ret = 0;

		if (!umbi_cpus_within(&wanted, &visited))
			ret = umbi_visit(&wanted, &visited);
		if (ret || umbi_cpus_within(&wanted, &visited))
			return ret;
	}
	return -EXDEV;		/* a cpuset keeps us from some CPUs */
}

const struct umbi_fence_ops umbi_fence_visit = {
	.mode = UMB_FENCE_VISIT,
	.risky = 1,
	.one_by_one = 1,
	.prepare = visit_prepare,
	.run = visit_run,
};
