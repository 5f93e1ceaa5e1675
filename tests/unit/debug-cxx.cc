/* SPDX-License-Identifier: MIT */

/* DEBUG_RCU in C++: the same names, and the same mistakes. */

#include <cstring>
#include <sys/wait.h>

#define URCU_API_MAP
extern "C" {
#include "tests/lib/said.h"
}
#include "tests/lib/tap.h"
#include "urcu/urcu-membarrier.h"

#ifndef DEBUG_RCU
# error "for programs that define DEBUG_RCU"
#endif

static const unsigned int seconds = 20;

struct element {
	int value;
};

static element first = { 7 };
static element *shared = &first;

static void as_it_should(const void *)
{
	rcu_read_lock();
	const element *e = rcu_dereference(shared);
	if (e->value != 7 || !urcu_membarrier_reader.entered)
		std::abort();
	rcu_read_unlock();
	if (urcu_membarrier_reader.entered)
		std::abort();
	(void) umb_dereference_protected(shared);
}

/* A place of its own, whatever becomes of loops. */
static __attribute__((noinline)) void here()
{
	(void) rcu_dereference(shared);
}

static void outside(const void *)
{
	for (int i = 0; i < 3; i++)
		here();
	(void) umb_dereference(shared);
}

static void unlock(const void *)
{
	rcu_read_unlock();
}

static int lines_by(void (*act)(const void *), int &status)
{
	char said[2048];
	int lines = 0;

	status = said_by(act, nullptr, seconds, said, sizeof said);
	for (const char *c = said; *c; c++)
		lines += *c == '\n';
	return lines;
}

int main()
{
	int status;

	tap_begin();
	tap_ok(!lines_by(as_it_should, status) && !status,
	       "nothing is told of what is right");
	tap_ok(lines_by(outside, status) == 2 && !status,
	       "dereferences outside any section: a line for each place");
	tap_ok(lines_by(unlock, status) == 1 && WIFSIGNALED(status),
	       "an unlock without a lock: a line, and the end");
	return tap_end();
}
