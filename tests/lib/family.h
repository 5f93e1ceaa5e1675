/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAMILY_H
#define TESTS_FAMILY_H

/*
 * Processes that fork, for the tests of that: children with a time limit, so
 * that a hang is a failure; what a process may do, letter by letter, with its
 * own counts checked; and company for those who fork, threads that do it all the
 * time.
 */

#include <pthread.h>
#include <sys/types.h>

#ifndef FAMILY_SECONDS
# define FAMILY_SECONDS	30	/* a child's */
#endif
#define MATES_MAX	16

/*
 * fork(), in any thread, callback or handler. The child's results are its exit
 * status; it says on stdout what was wrong, and where it was if it hangs.
 */
pid_t family_fork(void);
/* As the test itself: a hang is reported, and ends it. */
void family_limit(unsigned int seconds);
/* Nonzero: it did well. */
int family_wait(pid_t child);
/* In a child, instead of coming back: by exit() or by _exit(). */
void family_end(int normally) __attribute__((noreturn));
/* Nonzero in a child. How many generations down? */
int family_generation(void);

/* Any thread, any process. Returns `pass`. */
int family_expect(int pass, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* So far, in this process. */
int family_good(void);

/*
 * What a process does, a letter an act. Each checks what it can.
 *	( )	enter, leave a section	r	read, nested
 *	s	synchronize		S	the same, with a limit
 *	f	heavy fence		p	poll until it is over
 *	P	poll the cookie of 'K'	K	make a cookie
 *	q	queue callbacks		c	queue, and rcu_barrier
 *	C	wait for the worker's callbacks, without asking it
 *	d	defer, and defer_barrier
 *	D	wait for deferred calls, without asking
 *	e	wait for an eventfd	w	a worker of one's own
 *	v	the same, in a grace period when it is freed
 *	t	threads that read, update and queue
 *	W	in a section: an updater waits for it; ends the section
 *	b	call_rcu_before_fork, and the fitting end of it
 *	g	a grandchild that does "rscdpt", and one that does not
 *	u	unregister
 */
void family_act(const char *acts);

/* Queue n callbacks that malloc()ed their elements and free them. */
void family_queue(unsigned long n);
/* After rcu_barrier() and defer_barrier(): has all run that should have? */
void family_count(void);
/* Callbacks that have run, in this process. */
unsigned long family_ran(void);
/* After a fork, in the child, callbacks may have been cut short; so many. */
void family_forgive(unsigned long callbacks);

/*
 * Threads beside, a letter each, of those above that need nothing before: they
 * do it over and over. Others:
 *	R	stays in a section until let go		L	synchronizes, once
 *	B	blocks signals, online			m	malloc and free
 *	x	threads that come and go
 */
void company_begin(const char *letters);
void company_let_go(void);
void company_end(void);

#endif /* TESTS_FAMILY_H */
