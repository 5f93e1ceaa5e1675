/* SPDX-License-Identifier: MIT */
#ifndef UMBI_DOMAIN_H
#define UMBI_DOMAIN_H

/*
 * Domains. The grace-period engine is the flavour's; what is here is who its readers
 * are. Those of a private domain have their records in their handles, in a registry of
 * the domain's. Those of a shared one have theirs in the segment, in an array of slots:
 * see slots.c.
 *
 * Nothing that is read from a segment is believed: it may be another process's
 * mistake. What is needed to find one's way is checked once, and kept here.
 */

#include "rcu/gp.h"
#include "urcu-membarrier/domain.h"

#pragma GCC visibility push(hidden)

struct umbi_handle;

/* The engine's words in a segment, and what goes with them. */
struct umbi_shared {
	unsigned long word __attribute__((aligned(128)));	/* readers copy it */

	unsigned long started __attribute__((aligned(128)));
	unsigned long completed;	/* numbers of grace periods: see slots.c */
	unsigned long unsettled;
	unsigned long since_ms;		/* a grace period waits for readers */
	unsigned long reaped;		/* slots of the dead, cleaned for others */
	uint32_t leader;		/* a process's slot + 1, and UMBI_FOLLOWED */
	uint32_t used;			/* readers' slots from here on were never used */

	uint32_t event __attribute__((aligned(128)));	/* a reader has left */
};
#define UMBI_FOLLOWED	(UINT32_C(1) << 31)	/* somebody sleeps on `leader` */

/* slot.registered */
#define UMBI_SLOT_FREE		0
#define UMBI_SLOT_PROCESS	1
#define UMBI_SLOT_READER	2
#define UMBI_NO_SLOT		UINT32_MAX

struct umb_domain {
	struct umbi_gp gp;			/* first: umbi_domain_of() */
	enum umb_domain_mode mode;
	struct umbi_lock lock;			/* handles; owned, and bytes of the file */
	struct umbi_handle *handles;		/* of all threads of this process */
	struct umb_domain *next;		/* in umbi_domains */
	struct umbi_registry readers;

	/* A private one's. */
	struct umbi_hold hold;
	unsigned long word, unsettled, since_ms;
	struct call_rcu_data *worker;		/* NULL: no callback yet */

	/* A shared one's. Readers have the first slots, processes the rest. */
	struct umbi_shared *shared;
	umbi_reader *slots;
	uint32_t count, total;			/* of readers' slots, and of all */
	void *segment, *area;
	uint64_t bytes, area_bytes;
	uint64_t device, inode;
	int fd;					/* to look at the file, and map it */
	int lock_fd;				/* to own bytes; -1: in a forked child */
	unsigned char *owned;			/* by this process, a byte a slot */
	uint32_t self;				/* this process's slot */
	int alone, reached;			/* promised; and by heavy fences */
	unsigned long target, number;		/* the leader's: see lead() */
	int given_up;				/* that number, begun */
};

struct umbi_handle {
	struct umb_domain_reader reader;	/* first */
	struct umb_domain *domain;
	uint32_t slot;				/* UMBI_NO_SLOT: its own record */
	const void *owner;			/* the thread's record */
	struct umbi_handle *next;		/* in domain.handles */
	struct umbi_handle *mine;		/* the thread's next */
	umbi_reader own;			/* of a private domain, or after a fork */
};

struct umbi_domains {
	struct umbi_lock lock;
	struct umb_domain *first;
};
extern struct umbi_domains umbi_domains;

static inline struct umb_domain *umbi_domain_of(struct umbi_gp *gp)
{
	return (struct umb_domain *) gp;
}

static inline int umbi_domain_is_shared(const struct umb_domain *d)
{
	return d->shared != NULL;
}

/* domain.c: memory for one, all 0 but for what is the same everywhere; and its end. */
struct umb_domain *umbi_domain_new(const struct umbi_gp_kind *kind);
void umbi_domain_enlist(struct umb_domain *d);
void umbi_domain_unlist(const struct umb_domain *d);	/* if it is */
void umbi_domain_free(struct umb_domain *d);
/* So that no handler forks while a slot, or the domain, is in no list. */
void umbi_domain_block_signals(sigset_t *before);

/* slots.c */
extern const struct umbi_gp_kind umbi_domain_expedited, umbi_domain_full;

/*
 * Own a reader's slot, clean of who had it before; the process's own first, if it has
 * none, or (NULL) that alone. 0 or a negative errno.
 */
int umbi_slot_take(struct umb_domain *d, uint32_t *slot);
void umbi_slot_give(struct umb_domain *d, uint32_t slot);
/* Is its owner alive? If not, it has none any more, and is clean. */
int umbi_slot_lives(struct umb_domain *d, uint32_t slot);
/* The file is there, as large as it was, and this process has a slot. */
int umbi_domain_ready(struct umb_domain *d);
/* The file alone: 0 or -EIO. */
int umbi_domain_whole(const struct umb_domain *d);
/* One of the two descriptors, if it is still that. */
void umbi_domain_close(const struct umb_domain *d, int *fd);
/* The end of a section, or of a reader, that an updater has asked to hear of. */
void umbi_slot_left(struct umb_domain *d, umbi_reader *slot);
/* In a forked child: bytes are the parent's. */
void umbi_slots_forked(struct umb_domain *d);

/* segment.c */
void umbi_segment_close(struct umb_domain *d);

/* reader.c: is the calling thread in a section of it? */
int umbi_reads_domain(const struct umb_domain *d);
void umbi_handles_forked(struct umb_domain *d);

#pragma GCC visibility pop

#endif /* UMBI_DOMAIN_H */
