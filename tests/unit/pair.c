/* SPDX-License-Identifier: MIT */

/*
 * The price of a section, as a number of instructions: whoever changes it shall
 * have to say so here. Sections are in a loop and inlined; the compiler may keep
 * addresses in registers, as it may in programs.
 */

#include "tests/lib/steps.h"
#include "tests/lib/tap.h"
#include "urcu/urcu-membarrier.h"

/*
 * x86-64	lock: mov, test, jne, mov, mov; unlock: decq, js. Nested: cmp, jb, incq
 *		for the last two moves, and what the compiler makes of it.
 * i386		OLDEST is stored before the word; the unlock looks at `waiting`.
 */
#if !defined(__OPTIMIZE__)
# define SECTION	0
# define NESTED		0
#elif defined(__x86_64__) && __SIZEOF_LONG__ == 8
# define SECTION	7
# define NESTED		10
#elif defined(__i386__)
# define SECTION	12
# define NESTED		15
#else
# define SECTION	0
# define NESTED		0
#endif

static void sections(void *arg, unsigned long n)
{
	(void) arg;
	do {
		urcu_membarrier_read_lock();
		__asm__ __volatile__ ("" : : : "memory");
		urcu_membarrier_read_unlock();
	} while (--n);
}

static void nested(void *arg, unsigned long n)
{
	urcu_membarrier_read_lock();
	sections(arg, n);
	urcu_membarrier_read_unlock();
}

static void nothing(void *arg, unsigned long n)
{
	(void) arg;
	do
		__asm__ __volatile__ ("" : : : "memory");
	while (--n);
}

static void check(void (*loop)(void *arg, unsigned long n), const char *what,
		  long least, long most)
{
	long steps = steps_each(loop, nothing, NULL);

	if (steps < 0)
		tap_skip("tracing is refused", "%s", what);
	else if (!most)
		tap_skip("not written down for this machine", "%s: %ld", what,
			 steps);
	else
		tap_ok(steps >= least && steps <= most,
		       "%s: %ld instructions, of %ld", what, steps, most);
}

int main(void)
{
	tap_begin();
	/* The first section of a thread is its registration. */
	urcu_membarrier_read_lock();
	urcu_membarrier_read_unlock();
	check(sections, "an inlined section", SECTION, SECTION);
	check(nested, "an inlined section in another one", 1, NESTED);
	return tap_end();
}
