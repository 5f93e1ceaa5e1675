/* SPDX-License-Identifier: MIT */

/* What programs and tools see of a segment: the area, and the slots. */

#include <errno.h>
#include <string.h>

#include "domain/parts.h"
#include "sys/sys.h"

#define ALIGNMENT	8

int umb_domain_fd(const struct umb_domain *d)
{
	return umbi_domain_is_shared(d) ? d->fd : -1;
}

void *umb_domain_area(const struct umb_domain *d, size_t *bytes)
{
	if (bytes)
		*bytes = umbi_domain_is_shared(d) ? (size_t) d->area_bytes : 0;
	return umbi_domain_is_shared(d) ? d->area : NULL;
}

/* Offsets count from the segment's begin, so that 0 is none. */
static int within(const struct umb_domain *d, uint64_t at, uint64_t bytes)
{
	uint64_t begin = (uint64_t) ((char *) d->area - (char *) d->segment);

	return at >= begin && bytes <= d->area_bytes
		&& at - begin <= d->area_bytes - bytes;
}

int umb_offset_assign(const struct umb_domain *d, umb_offset *offset,
		      const void *pointer)
{
	/* As numbers: it may be no pointer into the area. */
	uint64_t at = (uint64_t) ((uintptr_t) pointer - (uintptr_t) d->segment);

	if (!umbi_domain_is_shared(d))
		return -EINVAL;
	if (!pointer)
		at = 0;
	else if (at % ALIGNMENT || !within(d, at, 1))
		return -EINVAL;
	/*
	 * access OFFSET.publish, release. Pairs: OFFSET.follow (consume).
	 * Orders the element's contents before the way to it.
	 */
	__atomic_store_n(&offset->value, at, __ATOMIC_RELEASE);
	return 0;
}

void *umb_offset_dereference(const struct umb_domain *d, const umb_offset *offset,
			     size_t bytes)
{
	/*
	 * access OFFSET.follow, consume. Pairs: OFFSET.publish (release).
	 * As POINTER.follow. It is read once: others may change it.
	 */
	uint64_t at = __atomic_load_n(&offset->value, __ATOMIC_CONSUME);

	if (!umbi_domain_is_shared(d) || at % ALIGNMENT || !within(d, at, bytes))
		return NULL;
	return (char *) d->segment + at;
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

int umb_domain_reap(struct umb_domain *d)
{
	int ret = umbi_domain_is_shared(d) ? umbi_domain_ready(d) : 0, reaped = 0;

	for (uint32_t i = 0; !ret && i < d->total; i++)
		if (load(&d->slots[i].registered)) {
			int lives = umbi_slot_lives(d, i);

			reaped += !lives;
			ret = lives < 0 ? lives : 0;
		}
	return ret ? ret : reaped;
}

static pid_t leader_of(const struct umb_domain *d)
{
	uint32_t i = (load(&d->shared->leader) & ~UMBI_FOLLOWED) - 1;

	return i < d->total ? (pid_t) load(&d->slots[i].pid) : 0;
}

int umb_domain_info(struct umb_domain *d, struct umb_domain_info *info)
{
	int ret;

	if (!info || info->size != sizeof *info || !umbi_domain_is_shared(d))
		return -EINVAL;
	ret = umbi_domain_whole(d);
	if (ret)
		return ret;
	*info = (struct umb_domain_info) {
		.size = sizeof *info,
		.mode = d->mode,
		.slots = d->total,
		.bytes = d->bytes,
		.area_bytes = d->area_bytes,
		.grace_periods = __atomic_load_n(&d->shared->completed,
						 __ATOMIC_RELAXED),
		.reaped = __atomic_load_n(&d->shared->reaped, __ATOMIC_RELAXED),
		.leader = leader_of(d),
	};
	for (uint32_t i = 0; i < info->slots; i++)
		info->taken += load(&d->slots[i].registered) != UMBI_SLOT_FREE;
	return 0;
}

static int is_dead(struct umb_domain *d, uint32_t i)
{
	int owned = d->owned[i] ? 1 : umbi_file_owned(d->lock_fd, i);

	return owned < 0 ? -1 : !owned;
}

/* A section, and since when a grace period waits for it. */
static void look_at_section(const struct umb_domain *d, const umbi_reader *slot,
			    struct umb_domain_slot *info)
{
	unsigned long c = __atomic_load_n(&slot->ctr, __ATOMIC_RELAXED);
	unsigned long word = __atomic_load_n(&d->shared->word, __ATOMIC_RELAXED);
	unsigned long since = __atomic_load_n(&d->shared->since_ms,
					      __ATOMIC_RELAXED);

	info->depth = _urcu_membarrier_depth(c);
	if (!info->depth)
		return;
	c &= ~URCU_MEMBARRIER_SLOW;
	info->age = (word >> URCU_MEMBARRIER_NEST_BITS)
		- (c >> URCU_MEMBARRIER_NEST_BITS);
	if (info->age && since)
		info->waited_ns = (uint64_t) (umbi_ms(umbi_now_ns()) - since)
			* 1000000;
}

int umb_domain_slot(struct umb_domain *d, unsigned int index,
		    struct umb_domain_slot *info)
{
	const umbi_reader *slot;
	uint32_t kind;
	int ret;

	if (!info || info->size != sizeof *info || !umbi_domain_is_shared(d)
	    || index >= d->total)
		return -EINVAL;
	ret = umbi_domain_whole(d);
	if (ret)
		return ret;
	slot = &d->slots[index];
	kind = load(&slot->registered);
	*info = (struct umb_domain_slot) { .size = sizeof *info };
	if (kind != UMBI_SLOT_PROCESS && kind != UMBI_SLOT_READER)
		return 0;
	info->kind = (enum umb_domain_slot_kind) kind;
	info->pid = (pid_t) load(&slot->pid);
	info->tid = (pid_t) load(&slot->tid);
	info->dead = is_dead(d, index);
	if (kind == UMBI_SLOT_READER)
		look_at_section(d, slot, info);
	return 0;
}
