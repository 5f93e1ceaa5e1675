/* SPDX-License-Identifier: MIT */

/*
 * Broken contracts: each ends the program by abort(), with a line that names
 * the function and the fault. And what is just not broken yet.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/said.h"
#include "tests/lib/tap.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define LIMIT_SECONDS	60

/*
 * The acts, a letter each: R register, U unregister, O online, F offline,
 * S synchronize, E enter a section, L leave it, r enter and leave,
 * D as deep as it goes. Then the line must have all of `words`.
 */
static const struct misuse {
	const char *what;
	const char *acts;
	const char *words[3];
} misuses[] = {
	{ "unlock, never registered, then lock", "LE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, never registered, then register and lock", "LRE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, never registered, then unregister", "LU",
	  { "rcu_unregister_thread", "no rcu_read_lock", NULL } },
	{ "unlock, registered, then lock", "RLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, registered, then unregister", "RLU",
	  { "rcu_unregister_thread", "no rcu_read_lock", NULL } },
	{ "unlock, offline, then lock", "rFLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, offline, then unregister", "rFLU",
	  { "rcu_unregister_thread", "no rcu_read_lock", NULL } },
	{ "unlock, offline after a grace period, then lock", "rSLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, online, then lock", "rLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, online by hand, then lock", "OLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, online, then unregister", "rLU",
	  { "rcu_unregister_thread", "no rcu_read_lock", NULL } },
	{ "unlock, online, a grace period between, then lock", "rLSE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, online, offline between, then lock", "rLFE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock, online, online again between, then lock", "rLOE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "unlock after unregistering, then lock", "rULE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "three unlocks, never registered, then lock", "LLLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "three unlocks, online, then lock", "rLLLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	/* No reserved value is that far below a number. */
	{ "eight unlocks, online, then lock", "rLLLLLLLLE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "thousands of unlocks, online, then lock", "rTE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "thousands of unlocks, never registered, then lock", "TE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "thousands of unlocks, offline, then lock", "rFTE",
	  { "rcu_read_unlock", "no rcu_read_lock", NULL } },
	{ "thousands of unlocks, online, then unregister", "rTU",
	  { "rcu_unregister_thread", "no rcu_read_lock", NULL } },
	{ "nesting too deep", "DE", { "rcu_read_lock", "too deep", NULL } },
	{ "nesting too deep, registered", "RDE",
	  { "rcu_read_lock", "too deep", NULL } },
	{ "unregister in a section", "EU",
	  { "rcu_unregister_thread", "inside a read-side", NULL } },
	{ "unregister in a nested section", "rEEU",
	  { "rcu_unregister_thread", "inside a read-side", NULL } },
	{ "unregister in the deepest section", "DU",
	  { "rcu_unregister_thread", "inside a read-side", NULL } },
	{ "synchronize_rcu in a section", "ES",
	  { "synchronize_rcu", "inside a read-side", NULL } },
	{ "synchronize_rcu in a nested section", "rEES",
	  { "synchronize_rcu", "inside a read-side", NULL } },
#ifndef UMB_DEBUG	/* which has a line for each of the two */
	{ "synchronize_rcu in a section that tried to go offline", "EFS",
	  { "synchronize_rcu", "inside a read-side", NULL } },
#endif
	{ "synchronize_rcu in a section of an offline thread", "rFES",
	  { "synchronize_rcu", "inside a read-side", NULL } },
};

static void act_all(const char *acts)
{
	for (; *acts; acts++) {
		switch (*acts) {
		case 'R': rcu_register_thread(); break;
		case 'U': rcu_unregister_thread(); break;
		case 'O': rcu_thread_online(); break;
		case 'F': rcu_thread_offline(); break;
		case 'S': synchronize_rcu(); break;
		case 'E': rcu_read_lock(); break;
		case 'L': rcu_read_unlock(); break;
		case 'r': act_all("EL"); break;
		case 'T':
			for (int n = 0; n < 15000; n++)
				rcu_read_unlock();
			break;
		case 'D':
			for (unsigned long n = 0; n < URCU_MEMBARRIER_NEST_MAX; n++)
				rcu_read_lock();
		}
	}
}

static void act(const void *acts)
{
	act_all(acts);
}

static int says_all(const char *said, const char *const *words)
{
	const char *newline = strchr(said, '\n');

	if (!newline || newline[1])
		return 0;
	for (; *words; words++)
		if (!strstr(said, *words))
			return 0;
	return 1;
}

static void test_misuse(const struct misuse *m)
{
	char said[512];
	int status = said_by(act, m->acts, LIMIT_SECONDS, said, sizeof said);

	if (!tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
		    "%s: aborts", m->what))
		tap_diag("wait status %#x", (unsigned int) status);
	if (!tap_ok(says_all(said, m->words), "and says why"))
		tap_diag("said: %s", said);
}

/* Not misuse, however odd. */
static const char *const allowed[] = {
	"", "RR", "UU", "RUU", "FF", "RFF", "OO", "rUr", "ERL", "EOL",
#ifndef UMB_DEBUG	/* which says so */
	"EFLF",
#endif
	"SS", "rFS", "RS", "rUS", "FS", "UF",
};

static void test_allowed(const char *acts)
{
	char said[512];
	int status = said_by(act, acts, LIMIT_SECONDS, said, sizeof said);

	tap_ok(!status && !said[0], "allowed, and silent: \"%s\"", acts);
}

static void test_deepest(void)
{
	unsigned long n = 0;

	while (n < URCU_MEMBARRIER_NEST_MAX
	       && (unsigned long) rcu_read_ongoing() == n) {
		rcu_read_lock();
		n++;
	}
	tap_ok(n == URCU_MEMBARRIER_NEST_MAX
	       && (unsigned long) rcu_read_ongoing() == n,
	       "%lu sections nest, and are counted", n);
	while (n && (unsigned long) rcu_read_ongoing() == n) {
		rcu_read_unlock();
		n--;
	}
	tap_ok(!n && !rcu_read_ongoing(), "and all are left");
	synchronize_rcu();
	rcu_read_lock();
	rcu_read_unlock();
	rcu_unregister_thread();
	tap_ok(1, "life goes on");
}

int main(void)
{
	tap_begin();
	alarm(2 * LIMIT_SECONDS);
	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
		test_allowed(allowed[i]);
	for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++)
		test_misuse(&misuses[i]);
	test_deepest();
	return tap_end();
}
