/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_DOMAIN_H
#define URCU_MEMBARRIER_DOMAIN_H

/*
 * Domains: grace periods of their own, for readers of their own. A slow reader of one
 * delays nobody in another, nor in the flavour.
 *
 * A private domain belongs to one process. A shared one lives in a segment of memory
 * that processes map: a memfd, a POSIX shared memory object, or a file. Its readers may
 * die at any moment, and do not stop the others: doc/domains.md says how.
 *
 * No function here changes errno. Those that can fail return 0 or a negative errno.
 * None is for signal handlers but the read side. Since 0.1, all of them.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <urcu-membarrier/fence.h>
#include <urcu/static/urcu-membarrier.h>
#ifdef __has_include
# if __has_include(<sys/single_threaded.h>)
#  include <sys/single_threaded.h>
#  define UMB_DOMAIN_WATCHES	1
# endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct rcu_head;
struct umb_domain;

/* A reader's handle: one thread's, in one domain. Inline code alone looks inside. */
struct umb_domain_reader {
	struct urcu_membarrier_reader *slot;	/* its counter */
	const unsigned long *word;		/* what it copies */
	unsigned long watch;			/* light, while the process has one thread */
	struct umb_domain_reader *self;		/* for the slow paths: see below */
	unsigned long reserved[4];
};

/* How the readers and updaters of a domain fence. */
enum umb_domain_mode {
	UMB_DOMAIN_BEST = 0,		/* at creation: the first below that works */
	UMB_DOMAIN_PRIVATE = 1,		/* as the flavour: umb_fence_heavy() */
	UMB_DOMAIN_EXPEDITED = 2,	/* shared: membarrier, global-expedited; readers in
					   processes with threads run a full fence */
	UMB_DOMAIN_FULL = 3,		/* shared: all readers run a full fence */
};

/* What a shared domain shall be like; and, on failure, what was wrong. */
struct umb_domain_attr {
	size_t size;			/* sizeof (struct umb_domain_attr) */
	enum umb_domain_mode mode;
	unsigned int readers;		/* at the same time, and as many processes and 32
					   more; 0: 64 */
	size_t bytes;			/* of the program's own area */
	mode_t permissions;		/* of a new name or file, less the umask; 0: 0600 */
	int alone;			/* nonzero: a promise of this process, not of children
					   that it forks, so that its readers run no fence;
					   see umb_domain_read_lock() */
	char why[128];			/* set on failure: names the field and what is valid */
};
#define UMB_DOMAIN_READERS_MAX	32768u

/* A private domain. 0 or -ENOMEM. */
int umb_domain_create(struct umb_domain **domain);

/*
 * A shared domain in a new segment, attached: in a memfd, which is sealed so that it
 * can be neither cut nor grown (hand umb_domain_fd() to others); under a name as of
 * shm_open(3); in a file; or in this file, open for reading and writing and empty.
 * => attr NULL: as if all 0. The area's memory comes as it is touched: where there
 *    is none left then, the kernel sends SIGBUS, as it does where the file was cut.
 * => 0; -EEXIST: the name or file is there, or the descriptor's is not empty;
 *    -EINVAL: attr; -ENOTSUP: the mode; -ENOMEM; or what memfd_create(2), open(2),
 *    ftruncate(2), mmap(2) or fcntl(2) say. /proc must be mounted: -ENOENT.
 */
int umb_domain_create_memfd(struct umb_domain **domain, struct umb_domain_attr *attr);
int umb_domain_create_name(struct umb_domain **domain, const char *name,
			   struct umb_domain_attr *attr);
int umb_domain_create_file(struct umb_domain **domain, const char *path,
			   struct umb_domain_attr *attr);
int umb_domain_create_fd(struct umb_domain **domain, int fd,
			 struct umb_domain_attr *attr);

/*
 * Attach to a segment. Of attr, size, alone and why are used, or it is NULL. The descriptor
 * may be closed afterwards. A process may attach more than once.
 * => 0; -EAGAIN: its creator has not finished (or has died: remove it), or there are as
 *    many living processes already as it has slots for; -EINVAL: it is no domain, or not
 *    one for this program, as why tells; -ENOTSUP: this process cannot use its mode; or
 *    an error of the system calls named above.
 */
int umb_domain_attach_name(struct umb_domain **domain, const char *name,
			   struct umb_domain_attr *attr);
int umb_domain_attach_file(struct umb_domain **domain, const char *path,
			   struct umb_domain_attr *attr);
int umb_domain_attach_fd(struct umb_domain **domain, int fd,
			 struct umb_domain_attr *attr);

/*
 * Free a private domain, after its callbacks have run; or detach from a shared one,
 * which stays for others, and its name or file for ever, until that is removed.
 * => When no other thread uses it or its handles. Outside its sections.
 * => 0; -EBUSY: readers of this process are registered; -EDEADLK: in a callback.
 */
int umb_domain_destroy(struct umb_domain *domain);

enum umb_domain_mode umb_domain_mode(const struct umb_domain *domain);
/* The segment's descriptor, close-on-exec, the library's own; -1: a private domain. */
int umb_domain_fd(const struct umb_domain *domain);
/* The program's area, zero at creation, aligned to 64 bytes; NULL: a private domain. */
void *umb_domain_area(const struct umb_domain *domain, size_t *bytes);

/*
 * Make a handle for the calling thread, which alone may read with it. It ends with the
 * thread, in the second round of key destructors, a section that is open included.
 * => In a forked child, those of a shared domain are not registered: unlocks do nothing,
 *    sections inside one that was open protect nothing, another lock aborts. Unregister
 *    them, and register anew. There the first call that needs to attaches the child,
 *    and may fail as attach does.
 *    A signal handler that interrupts a function of this file may not fork, unless the
 *    child leaves the domain alone.
 * => 0; -EAGAIN: all slots are taken by living processes; -ENOMEM: also where the
 *    thread's end could not be watched; -EIO: the segment has been cut, or the
 *    library's descriptors were closed.
 * _timeout_ns: where all slots are taken it waits for one, that many nanoseconds at most;
 *    -ETIMEDOUT instead of -EAGAIN. It looks every 10 ms.
 */
int umb_domain_reader_register(struct umb_domain *domain,
			       struct umb_domain_reader **reader);
int umb_domain_reader_register_timeout_ns(struct umb_domain *domain,
			struct umb_domain_reader **reader, uint64_t ns);
/* By that thread, outside its sections: inside one it aborts. NULL: nothing. */
void umb_domain_reader_unregister(struct umb_domain_reader *reader);

/*
 * Wait for a grace period of the domain.
 * => Outside its sections: inside one, in the calling thread, it aborts. Sections of
 *    other domains and of the flavour may be open, but make them wait.
 * => 0; -ETIMEDOUT, and then nothing is promised; shared domains also: -EIO, as above,
 *    and what membarrier(2) says once a filter refuses it: then there is no way to
 *    fence other processes, and nothing may be freed.
 * => Readers of dead processes are not waited for: it takes some ms to find out.
 *    Those of stopped ones are: see umb_stall_set(3).
 */
int umb_domain_synchronize(struct umb_domain *domain);
int umb_domain_synchronize_timeout_ns(struct umb_domain *domain, uint64_t ns);

/*
 * The same without waiting: a cookie for a grace period that begins now, good in this
 * process; and whether it is over: 1 or 0, or a negative errno as above. A poll pushes the
 * grace period on, by a fence at most. It does not get over a section of the caller's own.
 */
unsigned long umb_domain_poll_start(struct umb_domain *domain);
int umb_domain_poll(struct umb_domain *domain, unsigned long cookie);

/*
 * call_rcu() and rcu_barrier() of a private domain; its callbacks have a worker of their
 * own. call: 0; -ENOMEM; -ENOTSUP: the domain is shared. barrier: -ENOTSUP as well;
 * -EDEADLK: in a callback, or inside a section of the domain.
 */
int umb_domain_call(struct umb_domain *domain, struct rcu_head *head,
		    void (*func)(struct rcu_head *head));
int umb_domain_barrier(struct umb_domain *domain);

/*
 * Free the slots of dead processes now: how many (0: a private domain), or a negative
 * errno. Nobody needs to:
 * registration and grace periods do it when they come upon them.
 */
int umb_domain_reap(struct umb_domain *domain);

/* What a shared domain, or a slot of it, is like at the moment. */
struct umb_domain_info {
	size_t size;			/* sizeof (struct umb_domain_info) */
	enum umb_domain_mode mode;
	unsigned int slots, taken;	/* taken: in use, by the dead as well */
	uint64_t bytes, area_bytes;	/* of the segment, and of the program's area */
	uint64_t grace_periods;		/* that are over, in all processes */
	uint64_t reaped;		/* slots of dead processes that were freed */
	pid_t leader;			/* who runs a grace period; 0: nobody */
};
enum umb_domain_slot_kind {
	UMB_DOMAIN_SLOT_FREE = 0,
	UMB_DOMAIN_SLOT_PROCESS = 1,	/* an attached process */
	UMB_DOMAIN_SLOT_READER = 2,
};
struct umb_domain_slot {
	size_t size;			/* sizeof (struct umb_domain_slot) */
	enum umb_domain_slot_kind kind;
	pid_t pid, tid;			/* as their owner's namespace has them */
	int dead;			/* 1: its process is gone; -1: not known */
	unsigned long depth;		/* of its section; 0: in none */
	uint64_t age;			/* grace periods begun since the section did */
	uint64_t waited_ns;		/* since a grace period waits for it; 0: none does */
};
/* 0; -EINVAL: NULL, size, a private domain, or (slot) an index that is none; -EIO. */
int umb_domain_info(struct umb_domain *domain, struct umb_domain_info *info);
int umb_domain_slot(struct umb_domain *domain, unsigned int index,
		    struct umb_domain_slot *slot);

/*
 * Processes map a segment at different addresses: pointers into it are kept as offsets.
 * assign publishes, dereference follows, as umb_assign_pointer() and umb_dereference()
 * do: to be used in the section that fetched it.
 * => NULL is offset 0 and back.
 * => assign: 0, or -EINVAL: the pointer is not into the program's area, or not aligned
 *    to 8.
 * => dereference: NULL also where the offset does not leave that many bytes within the
 *    program's area, or is not aligned to 8: whatever others wrote, it is no
 *    pointer to elsewhere.
 */
typedef struct { uint64_t value; } umb_offset;
int umb_offset_assign(const struct umb_domain *domain, umb_offset *offset,
		      const void *pointer);
void *umb_offset_dereference(const struct umb_domain *domain,
			     const umb_offset *offset, size_t bytes);

void umb_domain_read_lock_slow(struct umb_domain_reader *reader)
	__attribute__((cold));
void umb_domain_read_unlock_slow(struct umb_domain_reader *reader)
	__attribute__((cold));

/*
 * Has the process more than one thread, where that matters? Heavy fences of other
 * processes may miss it then: see doc/domains.md.
 */
#ifdef UMB_DOMAIN_WATCHES
# define UMB_DOMAIN_HAS_THREADS_(reader)				\
	(__builtin_expect(!__atomic_load_n(&__libc_single_threaded,	\
					   __ATOMIC_RELAXED), 0)	\
	 && (reader)->watch)
#else
/* There is no telling. */
# define UMB_DOMAIN_HAS_THREADS_(reader)	((reader)->watch)
#endif

/*
 * A read-side critical section of the domain. They nest, and are safe in signal
 * handlers, between any two instructions of themselves. A compiler barrier each; a
 * full fence at the begin of the outermost, for shared domains, but in mode
 * UMB_DOMAIN_EXPEDITED in processes that have one thread and have promised (attr.alone)
 * that nothing else ends in their memory while they are attached: no child of vfork(2)
 * or posix_spawn(3) that does not come to exec, no io_uring, no bare clone(CLONE_VM).
 * The kernel loses sight of a process that breaks it: then readers see what was freed.
 *
 * Loops that are in a hurry may read by a copy of the handle on the stack, which the
 * compiler keeps in registers: until the handle is unregistered, or the process forks.
 */
static inline void umb_domain_read_lock(const struct umb_domain_reader *reader)
{
	/*
	 * Readers that are to fence fully have the flavour's visitors' counters, with
	 * which no lock is fast. See DOMAIN.enter.
	 */
	if (UMB_DOMAIN_HAS_THREADS_(reader)
	    || __builtin_expect(!_urcu_membarrier_enter(reader->slot,
							reader->word), 0))
		umb_domain_read_lock_slow(reader->self);
}

static inline void umb_domain_read_unlock(const struct umb_domain_reader *reader)
{
	/*
	 * access DOMAIN.leave, release. Pairs: GP.scan (acquire).
	 * Orders the section's accesses before the end that an updater sees.
	 * Without: it frees under a section that still reads. The flavour has
	 * GP.after-scan instead, which cannot be relied on in processes with threads.
	 */
	if (__builtin_expect(_urcu_membarrier_leave(reader->slot,
						    __ATOMIC_RELEASE), 0))
		umb_domain_read_unlock_slow(reader->self);
}

/* The depth of the calling thread's sections of the domain. */
static inline int umb_domain_read_ongoing(const struct umb_domain_reader *reader)
{
	return (int) _urcu_membarrier_depth(
		__atomic_load_n(&reader->slot->ctr, __ATOMIC_RELAXED));
}

#ifdef __cplusplus
}
#endif

#endif /* URCU_MEMBARRIER_DOMAIN_H */
