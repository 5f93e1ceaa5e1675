/* SPDX-License-Identifier: MIT */
#ifndef UMBI_SYS_H
#define UMBI_SYS_H

/*
 * The system calls, and nothing that needs to know what they are for. All
 * leave errno alone and are safe in signal handlers; those that can fail
 * return a negative errno.
 */

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

/* enum membarrier_cmd, for kernel headers older than the kernel. */
#define UMBI_MEMBARRIER_QUERY				0
#define UMBI_MEMBARRIER_GLOBAL				(1 << 0)
#define UMBI_MEMBARRIER_GLOBAL_EXPEDITED		(1 << 1)
#define UMBI_MEMBARRIER_REGISTER_GLOBAL_EXPEDITED	(1 << 2)
#define UMBI_MEMBARRIER_PRIVATE_EXPEDITED		(1 << 3)
#define UMBI_MEMBARRIER_REGISTER_PRIVATE_EXPEDITED	(1 << 4)

/* membarrier(2). Its own barriers are conditional: see FENCE.call. */
int umbi_membarrier(int cmd);

/* Sleep while *word == value. Returns on a wake, on a signal, or for nothing. */
void umbi_futex_wait(uint32_t *word, uint32_t value);
/* Wake at most n sleepers. The word may be gone: its address is all we use. */
void umbi_futex_wake(uint32_t *word, int n);

/*
 * A mutex for short holds in code that signal handlers may run too: it is held
 * with every signal blocked, and waited for with signals as they were.
 */
struct umbi_lock {
	uint32_t word;		/* 0 free, 1 held, 2 held and waited for */
	sigset_t mask;		/* the holder's, to be restored */
};
void umbi_lock(struct umbi_lock *lock);
void umbi_unlock(struct umbi_lock *lock);

/* Address space without memory, or NULL; and its first bytes made usable. */
void *umbi_reserve(size_t bytes);
int umbi_commit(void *range, size_t bytes);

pid_t umbi_gettid(void);

/* One line on stderr, in parts; NULL ends them. */
void umbi_say(const char *part, ...) __attribute__((sentinel));
/* The same for a broken contract, and the end. */
void umbi_die(const char *part, ...) __attribute__((sentinel, noreturn, cold));

#pragma GCC visibility pop

#endif /* UMBI_SYS_H */
