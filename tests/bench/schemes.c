/* SPDX-License-Identifier: MIT */

/*
 * The table of schemes. A scheme file that was not built leaves its weak name
 * at NULL: "not installed". This library's modes are whatever it has names for.
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/shared.h"
#include "urcu-membarrier/domain.h"

#define WEAK __attribute__((weak))
extern const struct loops loops_umb, loops_umb_bounded, loops_umb_calls,
	loops_bare, loops_empty, loops_rwlock, loops_unprotected,
	loops_in_process, loops_domain, loops_rwlock_shared, loops_seqlock;
extern const struct loops loops_memb WEAK, loops_memb_calls WEAK;
extern const struct loops loops_mb WEAK, loops_mb_calls WEAK;
extern const struct loops loops_bp WEAK, loops_bp_calls WEAK;
extern const struct loops loops_qsbr WEAK, loops_qsbr_calls WEAK;
extern const struct loops loops_signal WEAK, loops_signal_calls WEAK;
extern const struct loops loops_ck WEAK;
extern const struct loops loops_lmdb WEAK, loops_lmdb_renew WEAK;

struct scheme schemes[SCHEMES_MAX];
size_t scheme_count;

/* Last: the verbs it has a part in, then what is not zero. */
#define SCHEME(symbol, name_, what_, ...) \
	{ .name = name_, .what = what_, .loops = &loops_##symbol, \
		.verbs = __VA_ARGS__ }
#define CALLED	"the same, sections by call"

static const struct scheme others[] = {
	SCHEME(umb, "umb", "this library, mode it chooses", CALL),
	SCHEME(umb_bounded, "umb-bounded",
	       "the same, callers wait above a backlog", CALL),
	SCHEME(umb_calls, "umb-calls", "this library, mode it chooses, by call",
	       READ),
	SCHEME(memb, "memb", "liburcu's memb flavour", RW | READ | GP | CALL),
	SCHEME(memb_calls, "memb-calls", CALLED, READ),
	SCHEME(mb, "mb", "liburcu's mb flavour", RW | READ | GP | CALL),
	SCHEME(mb_calls, "mb-calls", CALLED, READ),
	SCHEME(bp, "bp", "liburcu's bulletproof flavour", RW | READ | GP | CALL),
	SCHEME(bp_calls, "bp-calls", CALLED, READ),
	SCHEME(qsbr, "qsbr", "liburcu's QSBR flavour", RW | READ | GP | CALL),
	SCHEME(qsbr_calls, "qsbr-calls", CALLED, READ),
	SCHEME(signal, "signal", "liburcu's signal flavour", RW | READ | GP | CALL,
	       .idle_max = 1000),
	SCHEME(signal_calls, "signal-calls", CALLED, READ),
	SCHEME(ck, "ck", "Concurrency Kit's epochs", RW | READ),
	SCHEME(rwlock, "rwlock", "pthread_rwlock_t, a write lock a grace period",
	       RW | READ),
	SCHEME(empty, "empty", "the loop alone", READ),
	SCHEME(bare, "bare", "membarrier(2) private expedited, readers do nothing",
	       RW | FENCE, .command = BARE_PRIVATE_EXPEDITED),
	SCHEME(bare, "bare-global-expedited", "membarrier(2) global expedited",
	       FENCE, .command = BARE_GLOBAL_EXPEDITED),
	SCHEME(bare, "bare-global", "membarrier(2) global",
	       FENCE, .command = BARE_GLOBAL),
	SCHEME(unprotected, "unprotected", "the loop and the read alone", SHARED),
	SCHEME(in_process, "in-process", "this library's flavour, each process its own",
	       SHARED),
	SCHEME(domain, "domain-expedited", "a shared domain, global expedited",
	       SHARED, .domain = UMB_DOMAIN_EXPEDITED),
	SCHEME(domain, "domain-full", "a shared domain, readers run full fences",
	       SHARED, .domain = UMB_DOMAIN_FULL),
	SCHEME(lmdb, "lmdb", "LMDB, a read transaction: begin, get, abort", SHARED),
	SCHEME(lmdb_renew, "lmdb-renew", "LMDB, the same: renew, get, reset",
	       SHARED),
	SCHEME(rwlock_shared, "rwlock-shared", "pthread_rwlock_t, process-shared",
	       SHARED),
	SCHEME(seqlock, "seqlock", "a seqlock, its data in place", SHARED),
};

/* Asked in a child: finding out registers the process with the kernel. */
static int usable(const struct scheme *s)
{
	pid_t pid;
	int status;

	if (!s->mode && !s->command && !s->domain)
		return 1;
	pid = fork();
	if (!pid && s->mode)
		_exit(umb_fence_select(s->mode) ? 1 : 0);
	if (!pid && s->domain) {
		domain_mode = s->domain;
		_exit(!domain_usable());
	}
	if (!pid)
		_exit(bare_membarrier(BARE_QUERY) <= 0
		      || !(bare_membarrier(BARE_QUERY) & s->command));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void add(const struct scheme *from)
{
	struct scheme *s = &schemes[scheme_count++];

	*s = *from;
	s->state = s->loops ? MEASURED : NOT_INSTALLED;
}

void schemes_find(void)
{
	const char *name;

	for (int mode = 1; (name = umb_fence_mode_name(mode)); mode++) {
		struct scheme s = {
			.loops = &loops_umb,
			.verbs = RW | READ | GP | FENCE,
			.mode = mode,
		};

		if (scheme_count + ARRAY_SIZE(others) == SCHEMES_MAX)
			break;
		snprintf(s.name, sizeof s.name, "umb-%s", name);
		snprintf(s.what, sizeof s.what, "this library, mode %s", name);
		add(&s);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		add(&others[i]);
}

void schemes_probe(void)
{
	for (size_t i = 0; i < scheme_count; i++)
		if (schemes[i].loops && !usable(&schemes[i]))
			schemes[i].state = NOT_AVAILABLE;
}

struct scheme *scheme_named(const char *name, size_t length)
{
	for (size_t i = 0; i < scheme_count; i++)
		if (strlen(schemes[i].name) == length
		    && !memcmp(schemes[i].name, name, length))
			return &schemes[i];
	return NULL;
}

void schemes_list(void)
{
	static const char *const states[] = {
		[MEASURED] = "available",
		[NOT_INSTALLED] = "not installed",
		[NOT_AVAILABLE] = "not available here",
	};

	printf("%-23s %-19s %-17s %s\n", "scheme", "state", "verbs", "what it is");
	for (size_t i = 0; i < scheme_count; i++) {
		const struct scheme *s = &schemes[i];
		char verbs[40];

		snprintf(verbs, sizeof verbs, "%s%s%s%s%s%s",
			 s->verbs & RW ? "rw " : "", s->verbs & READ ? "read " : "",
			 s->verbs & GP ? "gp " : "",
			 s->verbs & FENCE ? "fence " : "",
			 s->verbs & CALL ? "call" : "",
			 s->verbs & SHARED ? "shared" : "");
		printf("%-23s %-19s %-17s %s\n", s->name, states[s->state], verbs,
		       s->what);
	}
}
