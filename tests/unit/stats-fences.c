/* SPDX-License-Identifier: MIT */

/*
 * The statistics of fences, against a tracer's counts. Each case in a process of its
 * own, so that counters begin at 0. White-box, to have calls refused.
 */

#define _GNU_SOURCE
#include <sys/mman.h>

#include "fence/fence.h"
#include "sys/sys.h"
#include "tests/lib/count.h"
#include "tests/lib/tap.h"
#include "tests/lib/reader.h"

#define FENCES		20U
#define MODES		((int) UMB_FENCE_VISIT)

int __real_umbi_membarrier(int cmd);
int __wrap_umbi_membarrier(int cmd);

static int refusal;			/* of all but the global command */
static int refusals;			/* so many of them */
static int refused;

int __wrap_umbi_membarrier(int cmd)
{
	if (load(&refusal) && cmd & (UMBI_MEMBARRIER_PRIVATE_EXPEDITED
				     | UMBI_MEMBARRIER_GLOBAL_EXPEDITED)
	    && load(&refusals)) {
		add(&refusals, -1);
		add(&refused, 1);
		return load(&refusal);
	}
	return __real_umbi_membarrier(cmd);
}

static uint64_t all_fences(const struct umb_stats *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < 8; i++)
		sum += s->fences[i];
	return sum;
}

/* Fences, counted by a tracer. */

static struct measured {
	enum umb_fence_mode mode;
	struct umb_stats before, after;
	int ret;
} *measured;

static void prepare_fences(void *arg)
{
	struct measured *m = arg;

	m->ret = umb_fence_select(m->mode);
	m->before = stats();
}

static void make_fences(void *arg)
{
	struct measured *m = arg;

	for (unsigned int i = 0; i < FENCES; i++)
		umb_fence_heavy();
	m->after = stats();
}

/* Every fence in its mode's count, and in no other; so many calls each. */
static void fences_in(const void *arg)
{
	const enum umb_fence_mode mode = *(const enum umb_fence_mode *) arg;
	unsigned int calls = mode == UMB_FENCE_GLOBAL_EXPEDITED ? 2
		: mode <= UMB_FENCE_GLOBAL ? 1 : 0;
	struct syscall_count count;
	struct umb_stats *after;

	measured = mmap(NULL, sizeof *measured, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	measured->mode = mode;
	if (count_syscalls(prepare_fences, make_fences, measured, &count))
		case_skip("tracing is refused");
	if (measured->ret)
		case_skip("no such mode");
	after = &measured->after;
	expect(after->mode == (uint64_t) mode, "the mode");
	expect(count.membarrier == calls * FENCES, "so many calls");
	for (int i = 0; i < 8; i++)
		expect(after->fences[i] - measured->before.fences[i]
		       == (i == (int) mode ? FENCES : 0), "so many fences");
	expect(!after->failures && !after->fallbacks && !after->degradations,
	       "none fails");
}

/* A grace period's fences are counted too, in the modes that leave some alone. */
static void fences_online(const void *arg)
{
	const enum umb_fence_mode mode = *(const enum umb_fence_mode *) arg;
	struct umb_stats now;
	struct worker w;

	case_mode(mode);
	worker_start(&w, READS | SLEEPS, -1);
	for (unsigned int i = 1; i <= 3; i++)
		umbi_fence_online();
	now = stats();
	expect(now.fences[mode] == 3 && all_fences(&now) == 3,
	       "so many fences");
	umb_fence_heavy();
	expect(stats().fences[mode] == 4, "of both scopes");
	worker_stop(&w);
}

/* What the kernel refuses. */

static const struct refused_call {
	const char *name;
	int error, times;
	unsigned int failures, fallbacks, degradations;
} refused_calls[] = {
	{ "once, for the moment", -ENOMEM, 1, 1, 0, 0 },
	{ "twice, for the moment", -ENOMEM, 2, 2, 0, 0 },
	{ "for the moment, and another mode makes it", -ENOMEM, 3, 3, 1, 0 },
	{ "for good", -ENOSYS, 1000, 0, 0, 1 },
};

static void refused_is_counted(const void *arg)
{
	const struct refused_call *r = arg;
	struct umb_stats now;

	if (umb_fence_mode() != UMB_FENCE_PRIVATE_EXPEDITED)
		case_skip("another mode than private-expedited is in use");
	umb_fence_heavy();
	store(&refusals, r->times);
	store(&refusal, r->error);
	umb_fence_heavy();
	store(&refusal, 0);
	now = stats();
	expect(r->failures ? now.failures == r->failures : now.failures > 0,
	       "failures");
	expect(now.failures <= (uint64_t) load(&refused), "one each");
	expect(now.fallbacks == r->fallbacks, "fallbacks");
	expect(now.degradations == r->degradations, "degradations");
	expect(all_fences(&now) == 2
	       && now.fences[UMB_FENCE_PRIVATE_EXPEDITED]
			== 2 - r->fallbacks - r->degradations,
	       "and who has made the fence");
	expect(now.mode == (uint64_t) umb_fence_mode()
	       && (now.mode == UMB_FENCE_PRIVATE_EXPEDITED)
			== !r->degradations, "the mode is this thread's");
}

int main(int argc, char **argv)
{
	static enum umb_fence_mode modes[MODES + 1];

	case_main(argc, argv);
	for (int i = 1; i <= MODES; i++) {
		modes[i] = (enum umb_fence_mode) i;
		case_run(fences_in, &modes[i], "fences of mode %s",
			 umb_fence_mode_name(modes[i]));
		case_run(fences_online, &modes[i], "and of both scopes");
	}
	for (size_t i = 0; i < sizeof refused_calls / sizeof refused_calls[0]; i++)
		case_run(refused_is_counted, &refused_calls[i], "refused %s",
			 refused_calls[i].name);
	return tap_end();
}
