/* SPDX-License-Identifier: MIT */

/* The thread that step.c steps, and its handlers. */

#define _GNU_SOURCE
#include "tests/unit/step.h"

#if CAN_STEP

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "thread/registry.h"
#include "thread/thread.h"
#define URCU_API_MAP
#include "urcu/urcu-membarrier.h"

#define CHILD_SECONDS	20
#define ERRNO		4711	/* nobody's */
#define STACK_BYTES	(64 * 1024)

#define mark(which)	__asm__ volatile ("int3" : : "a" (which) : "memory")

static char stack[STACK_BYTES];
static pthread_t updater;

static void *update(void *arg)
{
	synchronize_rcu();
	return arg;
}

static void be_waited_for(void)
{
	umbi_reader *self = &urcu_membarrier_reader;

	expect(!pthread_create(&updater, NULL, update, NULL), "a thread");
	while (!(__atomic_load_n(&self->waiting, __ATOMIC_SEQ_CST)
		 & UMBI_WAITING_UPDATER)
	       || (URCU_MEMBARRIER_SLOW_IN_COUNTER
		   && !(__atomic_load_n(&self->ctr, __ATOMIC_SEQ_CST)
			& URCU_MEMBARRIER_SLOW)))
		usleep(50);
}

/* Once in this program, so that handlers go through instructions we know. */
static __attribute__((noinline)) void enter(void)
{
	rcu_read_lock();
}

static __attribute__((noinline)) void leave(void)
{
	rcu_read_unlock();
}

static void act(char what)
{
	switch (what) {
	case 'E': enter(); break;
	case 'F': rcu_thread_offline(); break;
	case 'J': pthread_join(updater, NULL); break;
	case 'L': leave(); break;
	case 'N': umb_fence_register_thread(); break;
	case 'O': rcu_thread_online(); break;
	case 'R': rcu_register_thread(); break;
	case 'U': rcu_unregister_thread(); break;
	case 'W': be_waited_for(); break;
	case 'Z': urcu_membarrier_reader.flags = 0; break;
	}
}

static void act_all(const char *acts)
{
	for (; *acts; acts++)
		act(*acts);
}

static size_t times_registered(void)
{
	const umbi_reader *reader;
	size_t times = 0;

	for (struct umbi_scan s = umbi_scan(&umbi_registry); (reader = umbi_scan_next(&s)); )
		times += reader == &urcu_membarrier_reader;
	return times;
}

/* A copy of gp.word, at this depth? Not one of the reserved numbers. */
static int is_online(unsigned long c, int depth)
{
	unsigned long nest = c & URCU_MEMBARRIER_NEST_MASK;
	unsigned long number = c & ~URCU_MEMBARRIER_SLOW;

	return (nest & ~URCU_MEMBARRIER_VISITOR) == (unsigned long) depth
		&& number >> URCU_MEMBARRIER_NEST_BITS
			>= URCU_MEMBARRIER_OLDEST >> URCU_MEMBARRIER_NEST_BITS;
}

/* A section that an updater would find. */
static void be_inside(int depth)
{
	expect(rcu_read_ongoing() == depth, "a handler's lock counts one");
	expect(is_online(urcu_membarrier_reader.ctr, depth),
	       "a handler's section has a number");
	expect(urcu_membarrier_reader.registered && times_registered() == 1,
	       "the registry has a handler's section, once");
}

static void read_once(void)
{
	int depth = rcu_read_ongoing();

	enter();
	be_inside(depth + 1);
	leave();
	expect(rcu_read_ongoing() == depth, "a handler's unlock counts one");
}

static void read_nested(void)
{
	int depth = rcu_read_ongoing();

	enter();
	be_inside(depth + 1);
	enter();
	be_inside(depth + 2);
	leave();
	be_inside(depth + 1);
	leave();
	expect(rcu_read_ongoing() == depth, "a handler's unlocks count two");
}

static void on_signal(int sig)
{
	int saved = errno;
	int alternate = (uintptr_t) &saved - (uintptr_t) stack < sizeof stack;

	expect(alternate == shared->alternate, "the handler has its stack");
	(void) sig;
	read_once();
	read_nested();
	expect(errno == saved, "errno in a handler");
}

/* Where a handler returns to: the trap is one step before the signal's end. */
void end_of_handler(void) __attribute__((visibility("hidden")));
__asm__ (".text\n"
	 ".globl end_of_handler\n"
	 ".hidden end_of_handler\n"
	 "end_of_handler:\n\t"
	 "mov $" STRING(__NR_rt_sigreturn) ", %eax\n\t"
	 "int3\n\t"
	 SYSTEM_CALL "\n");

/* By the raw system call: the C library would set a restorer of its own. */
static void handle(int sig)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = { .handler = on_signal, .restorer = end_of_handler };

	action.flags = SA_SIGINFO | 0x04000000 /* SA_RESTORER */
		| (shared->alternate ? SA_ONSTACK : 0);
	expect(!syscall(SYS_rt_sigaction, sig, &action, NULL, 8), "sigaction");
}

/* What the thread is, or -1 if its parts do not fit together. */
static int rest_of(const umbi_reader *self, int depth)
{
	size_t times = times_registered();
	unsigned long c = self->ctr, visitor = self->flags == UMBI_EXITING;

	if (times != self->registered || times != umbi_thread_count())
		return -1;
	if (self->waiting != (visitor && times ? UMBI_WAITING_EXIT : 0))
		return -1;
	if (!times)
		return c == URCU_MEMBARRIER_UNREGISTERED ? UNREGISTERED : -1;
	if (umbi_registry.slots[self->index] != self
	    || (!visitor && self->flags != UMBI_EXIT_ARMED))
		return -1;
	if (c == URCU_MEMBARRIER_OFFLINE && !visitor)
		return OFFLINE;
	/* A wish that outlived its section? Where unlocks look for it. */
	if (URCU_MEMBARRIER_SLOW_IN_COUNTER && !depth
	    && (c & URCU_MEMBARRIER_SLOW))
		return -1;
	if (!is_online(c, depth) || !(c & URCU_MEMBARRIER_VISITOR) != !visitor)
		return -1;
	return ONLINE;
}

static int depth_after(const struct operation *op)
{
	int depth = 0;

	for (const char *a = op->before; *a; a++)
		depth += (*a == 'E') - (*a == 'L');
	for (const char *a = op->measured; *a; a++)
		depth += (*a == 'E') - (*a == 'L');
	return depth;
}

static void check_rest(const struct operation *op)
{
	const umbi_reader *self = &urcu_membarrier_reader;
	int depth = depth_after(op), rest;

	expect(errno == ERRNO, "errno");
	expect(rcu_read_ongoing() == depth, "the depth afterwards");
	/* Still waited for? Then the counter has its mark, see "after". */
	if (self->waiting & UMBI_WAITING_UPDATER)
		return;
	rest = rest_of(self, depth);
	expect(rest >= 0, "the record fits together afterwards");
	if (shared->interrupted && self->flags != UMBI_EXITING)
		expect(rest >= (int) op->rest, "the state afterwards");
	else
		expect(rest == (int) op->rest, "the state, exactly");
}

/* The thread can still read, and a grace period does not hang on it. */
static void check_use(void)
{
	read_once();
	read_nested();
	expect(!rcu_read_ongoing(), "no depth in the end");
	expect(rest_of(&urcu_membarrier_reader, 0) >= 0,
	       "the record fits together in the end");
	if (shared->synchronize) {
		expect(!pthread_create(&updater, NULL, update, NULL),
		       "a thread");
		pthread_join(updater, NULL);
	}
}

static void measure(uint32_t flags)
{
	const struct operation *op = shared->op;

	/* As if the thread had never read, or only before its hook ran. */
	rcu_unregister_thread();
	urcu_membarrier_reader.flags = flags;
	handle(SIGUSR1);
	handle(SIGUSR2);
	act_all(op->before);
	errno = ERRNO;
	mark(MARK_BEGIN);
	act_all(op->measured);
	mark(MARK_END);
	check_rest(op);
	act_all(op->after);
	check_use();
}

static void measure_all(void)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
	uint32_t flags = urcu_membarrier_reader.flags;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(EXIT_REFUSED);
	expect(!sigaltstack(&alternate, NULL), "sigaltstack");
	do
		measure(flags);
	while (shared->again && !shared->failure);
}

static pthread_key_t key;

/* By the second round of destructors the library's own has run. */
static void visit(void *round)
{
	if (round == (void *) 1) {
		pthread_setspecific(key, (void *) 2);
		return;
	}
	expect(urcu_membarrier_reader.flags == UMBI_EXITING,
	       "the thread is a visitor");
	measure_all();
}

static void *live(void *arg)
{
	if (shared->visitor) {
		rcu_register_thread();
		pthread_setspecific(key, (void *) 1);
	} else {
		measure_all();
	}
	return arg;
}

/* Only the measured thread is traced; this one waits for it. */
void run_child(void)
{
	pthread_t thread;
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGUSR1);
	sigaddset(&ours, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
	alarm(CHILD_SECONDS);
	if (pthread_key_create(&key, visit)
	    || pthread_create(&thread, NULL, live, NULL))
		_exit(1);
	pthread_join(thread, NULL);
	_exit(0);
}

#else

typedef int nothing_here;

#endif
