/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STEP_H
#define TESTS_STEP_H

/* What step.c, the tracer, and step-thread.c, the thread that it steps, share. */

#if (defined(__x86_64__) && defined(__LP64__)) || defined(__i386__)
# define CAN_STEP	1

#include <sys/syscall.h>

#define EXIT_REFUSED	97	/* the child could not be traced */

/* What a thread is at rest. A handler's section may take it down the list. */
enum rest { UNREGISTERED, OFFLINE, ONLINE };

/*
 * What is done, a letter an act: R register, U unregister, O online, F offline,
 * N fence registration, E enter a section, L leave it, W be waited for by an
 * updater, J join that, Z forget that the thread's exit hook has run.
 */
struct operation {
	const char *what;
	const char *before;
	const char *measured;
	const char *after;	/* must leave all sections */
	enum rest rest;		/* after the measured acts, undisturbed */
	unsigned long least;	/* instructions that it must take */
};

/* Both processes see it, and neither while the other runs. */
struct shared {
	const struct operation *op;
	int visitor;
	int alternate;		/* handlers on a stack of their own */
	int interrupted;	/* handlers were run in this measurement */
	int synchronize;	/* have a grace period after it */
	int again;		/* measure once more */
	const char *failure;	/* the first */
};
extern struct shared *shared;

void expect(int good, const char *what);

/* The child: run the operation, as often as the tracer wants. */
void run_child(void) __attribute__((noreturn));

#ifdef __x86_64__
# define SYSTEM_CALL	"syscall"
# define PC		rip
# define RESULT		rax
#else
# define SYSTEM_CALL	"int $0x80"
# define PC		eip
# define RESULT		eax
#endif
#define STRING_OF(x)	#x
#define STRING(x)	STRING_OF(x)

#define MARK_BEGIN	0x6d756201
#define MARK_END	0x6d756202
#define MARK_HANDLED	__NR_rt_sigreturn	/* in its register already */

#else
# define CAN_STEP	0
#endif

#endif /* TESTS_STEP_H */
