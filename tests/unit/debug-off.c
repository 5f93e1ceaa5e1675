/* SPDX-License-Identifier: MIT */

/*
 * A program that is built without DEBUG_RCU: nothing of tests/unit/debug.c happens,
 * until it turns on what is for the whole process.
 */

#define _GNU_SOURCE
#include <string.h>

#define URCU_API_MAP
#include "tests/lib/said.h"
#include "tests/lib/tap.h"
#include "tests/unit/stall.h"

#define SECONDS		20

static void *pointer = &pointer;

static void act(const void *arg)
{
	if (arg)
		umb_debug_enable();
	(void) umb_dereference(pointer);
	(void) umb_dereference_protected(pointer);
	(void) rcu_dereference(pointer);
	rcu_read_lock();
	if (urcu_membarrier_reader.entered)
		abort();
	rcu_thread_offline();
	rcu_read_unlock();
	synchronize_rcu();
}

static void silent(const void *arg)
{
	char said[1024];

#ifdef UMB_DEBUG
	case_skip("the library is built for debugging");
#endif
	expect(!said_by(act, arg, SECONDS, said, sizeof said), "it ends well");
	expect(!*said, "and says nothing");
}

static void turned_on(const void *arg)
{
	char said[1024];

	expect(!said_by(act, "", SECONDS, said, sizeof said), "it ends well");
	expect(strstr(said, "rcu_thread_offline: inside") != NULL,
	       "what is for the process is told");
	expect(!strstr(said, "rcu_dereference"),
	       "what is for those that are built so is not");
	(void) arg;
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	case_run(silent, NULL, "nothing is told");
	case_run(turned_on, NULL, "umb_debug_enable");
	return tap_end();
}
