/* SPDX-License-Identifier: MIT */
#ifndef UMBI_SYS_H
#define UMBI_SYS_H

/*
 * The machine and the system calls, and nothing that needs to know what they are
 * for. All leave errno alone and are safe in signal handlers; those that can fail
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

static inline void umbi_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__ARM_ARCH_7A__)
	__asm__ __volatile__ ("yield" : : : "memory");
#else
	__asm__ __volatile__ ("" : : : "memory");
#endif
}

/* The compiler's and the machine's full fence. Callers label it. */
static inline void umbi_fence_full(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* membarrier(2). Its own barriers are conditional: see FENCE.call. */
int umbi_membarrier(int cmd);

/*
 * Sleep while *word == value, at most that long. Returns on a wake, on a signal,
 * or for nothing.
 */
#define UMBI_FOREVER	UINT64_MAX
void umbi_futex_wait(uint32_t *word, uint32_t value, uint64_t ns);
/* The same for a word in memory that processes share. */
void umbi_futex_wait_shared(uint32_t *word, uint32_t value, uint64_t ns);
void umbi_futex_wake_shared(uint32_t *word, int n);
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
void umbi_release(void *range, size_t bytes);
/* free(), after which older C libraries have another errno. Not in handlers. */
void umbi_free(void *block);

/* To read; a descriptor or a negative errno. */
int umbi_fd_open(const char *path);
/* Another descriptor for the same file, if it can be written to; 8 bytes of 1. */
int umbi_fd_dup(int fd);
int umbi_fd_add_one(int fd);
void umbi_fd_close(int fd);

/* Files that processes map. Descriptors are close-on-exec; a negative errno. */
struct umbi_file {
	uint64_t device, inode, bytes;
	int regular;
};
int umbi_file_memfd(const char *name);
int umbi_file_open(const char *path, int flags, mode_t mode);
int umbi_file_open_name(const char *name, int flags, mode_t mode);
void umbi_file_remove(const char *path);
void umbi_file_remove_name(const char *name);
int umbi_file_flags(int fd);		/* as for open(2) */
int umbi_file_reopen(int fd);		/* to read and write: a new description */
int umbi_file_look(int fd, struct umbi_file *file);
int umbi_file_read(int fd, void *to, size_t bytes);	/* from its begin: how many */
/* To that size; what is reserved of it can be touched without fear. */
int umbi_file_extend(int fd, uint64_t reserved, uint64_t bytes);
int umbi_file_seal(int fd);
int umbi_file_map(int fd, size_t bytes, void **at);
/*
 * A lock on a byte, by this description of the file: 0; -EAGAIN: another one has it.
 * Gone with the last descriptor. owned: does another one have it?
 */
int umbi_file_own(int fd, uint32_t byte);
void umbi_file_disown(int fd, uint32_t byte);
int umbi_file_owned(int fd, uint32_t byte);

pid_t umbi_getpid(void);
pid_t umbi_gettid(void);

/* What the kernel tells of a thread: of that process, or of this one (0). */
struct umbi_task {
	char name[16];		/* "": not known */
	char state;		/* as in ps(1); 0: not known, 'X': it is gone */
	int mask_known;
	uint64_t blocked;	/* signals, the first in the lowest bit */
};
void umbi_task_look(uint32_t pid, uint32_t tid, struct umbi_task *task);

/* A counter that one thread at a time writes and others read. */
static inline void umbi_count(unsigned long *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static inline unsigned long umbi_counted(const unsigned long *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Nanoseconds of a clock that does not jump. */
uint64_t umbi_now_ns(void);
/* In milliseconds, to take differences of: 0 means that there is no such time. */
static inline unsigned long umbi_ms(uint64_t ns)
{
	unsigned long ms = (unsigned long) (ns / 1000000);

	return ms || !ns ? ms : 1;
}
/* That time from now, UMBI_FOREVER if never; and how long it is until then. */
uint64_t umbi_time_after(uint64_t ns);
uint64_t umbi_time_left(uint64_t end);

/* The calling thread's mask, the C library's own signals included. */
void umbi_signal_mask(const sigset_t *new, sigset_t *old);
int umbi_signal_blocked(int signal);
int umbi_signal_action(int signal, const struct sigaction *new,
		       struct sigaction *old);
/* To one thread of this process. */
int umbi_signal_send(uint32_t tid, int signal);

/* A set of CPUs, as large as any kernel's. */
#define UMBI_CPUS_MAX	8192
#define UMBI_CPU_BITS	(8 * sizeof(unsigned long))
struct umbi_cpus {
	unsigned long bits[UMBI_CPUS_MAX / UMBI_CPU_BITS];
};
/* Those where a thread (0: this one) may run; and this one be made to run. */
int umbi_cpus_get(uint32_t tid, struct umbi_cpus *cpus);
int umbi_cpus_set(const struct umbi_cpus *cpus);
/* The CPU that we were on a moment ago. */
int umbi_cpu(void);
/* The same, faster, from the C library; and one more than the largest number. */
int umbi_cpu_hint(void);
int umbi_cpus_count(void);

/* May a policy forbid system calls? 1 also if there is no telling. */
int umbi_sandboxed(void);
/*
 * Does this return 0, in a child that is thrown away? 0 also if there may be none; a
 * negative errno if there can be none for now.
 */
int umbi_survives(int (*act)(void));

/* Would a line on stderr be written at once? */
int umbi_can_say(void);
/* One line on stderr, in parts; NULL ends them. */
void umbi_say(const char *part, ...) __attribute__((sentinel));
/* The same for a broken contract, and the end. */
void umbi_die(const char *part, ...) __attribute__((sentinel, noreturn, cold));

#pragma GCC visibility pop

#endif /* UMBI_SYS_H */
