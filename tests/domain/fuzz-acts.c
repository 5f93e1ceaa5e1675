/* SPDX-License-Identifier: MIT */

/* What a program does with a domain, whatever others have written into it. */

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/domain/fuzz.h"

#define SHORT_NS	1000000
#define LONG_NS		UINT64_C(3000000000)	/* an act; machines are busy */

static void step_aside(struct fuzz_self *self, int i)
{
	struct umb_domain_reader *reader = self->reader[i];

	/* Out of what the counter says: others may have written it. */
	umb_domain_reader_unregister(reader);
	self->reader[i] = NULL;
}

static int register_one(struct fuzz_self *self, int i)
{
	int ret;

	if (self->reader[i]) {
		step_aside(self, i);
		return 0;
	}
	ret = umb_domain_reader_register(self->domain, &self->reader[i]);
	if (ret)
		self->reader[i] = NULL;
	else
		state->light += self->reader[i]->watch != 0;
	return ret;
}

static int read_something(struct fuzz_self *self, int i)
{
	if (!self->reader[i])
		return 0;
	umb_domain_read_lock(self->reader[i]);
	umb_domain_read_lock(self->reader[i]);
	umb_domain_read_unlock(self->reader[i]);
	umb_domain_read_unlock(self->reader[i]);
	return 0;
}

/* Offsets count from the segment's begin: this is the area's, behind the slots. */
static uint64_t area_begin(struct umb_domain *d)
{
	struct umb_domain_info info = { .size = sizeof info };

	umb_domain_info(d, &info);
	return template_slots + info.slots * sizeof(struct urcu_membarrier_reader);
}

static void check_pointer(const struct umb_domain *d, uint64_t begin, uint64_t offset,
			  size_t bytes)
{
	umb_offset o = { offset };
	size_t size;
	const char *area = umb_domain_area(d, &size);
	const volatile char *at = umb_offset_dereference(d, &o, bytes);
	uint64_t in = offset - begin;
	int good = offset >= begin && offset % 8 == 0 && bytes <= size
		&& in <= size - bytes;

	if (area == NULL || (at != NULL) != good || (good && at != area + in)) {
		bad("offset %llu, %llu bytes: %s", (unsigned long long) offset,
		    (unsigned long long) bytes, at ? "a pointer" : "none");
		return;
	}
	if (good && bytes)
		(void) (at[0] + at[bytes - 1]);
}

static int follow_offsets(struct fuzz_self *self, uint64_t *seed)
{
	struct umb_domain *d = self->domain;
	umb_offset o = { 0 };
	size_t size;
	char *area = umb_domain_area(d, &size);
	uint64_t begin = area_begin(d);

	for (int i = 0; i < 4; i++) {
		uint64_t n = draw(seed);

		check_pointer(d, begin, interesting(seed), n % 64);
		check_pointer(d, begin, begin + n / 64 % (size + 64),
			      interesting(seed));
		check_pointer(d, begin, begin - 16 + n / 64 % (size + 64), n % 64);
	}
	if (size < 8 || size % 8)
		return 0;
	if (umb_offset_assign(d, &o, area - 8) != -EINVAL
	    || umb_offset_assign(d, &o, area + size) != -EINVAL
	    || umb_offset_assign(d, &o, area + 4) != -EINVAL
	    || umb_offset_assign(d, &o, (char *) &o) != -EINVAL
	    || umb_offset_assign(d, &o, area + size - 8)
	    || umb_offset_dereference(d, &o, 8) != area + size - 8)
		bad("offsets of what is in the area, and is not");
	return 0;
}

static int look(struct fuzz_self *self, uint64_t *seed)
{
	struct umb_domain_info info = { .size = sizeof info };
	struct umb_domain_slot slot = { .size = sizeof slot };
	int ret = umb_domain_info(self->domain, &info);

	if (ret || info.taken > info.slots)
		bad("info: %d, %u slots, %u taken", ret, info.slots, info.taken);
	for (unsigned int i = 0; i < info.slots && i < 16; i++)
		if (umb_domain_slot(self->domain, i, &slot))
			bad("slot %u is none of %u", i, info.slots);
	if (umb_domain_slot(self->domain, info.slots, &slot) != -EINVAL)
		bad("there is a slot too many");
	umb_domain_slot(self->domain, (unsigned int) interesting(seed), &slot);
	return 0;
}

static int reap(struct fuzz_self *self)
{
	struct umb_domain_info info = { .size = sizeof info };
	int ret = umb_domain_reap(self->domain);

	umb_domain_info(self->domain, &info);
	if (ret > (int) info.slots)
		bad("%d slots of %u reaped", ret, info.slots);
	return ret;
}

static int in_section(const struct fuzz_self *self)
{
	for (int i = 0; i < 2; i++)
		if (self->reader[i] && umb_domain_read_ongoing(self->reader[i]))
			return 1;
	return 0;
}

static int act(struct fuzz_self *self, uint64_t *seed)
{
	struct umb_domain *d = self->domain;
	uint64_t n = draw(seed);
	int i = (int) (n / 16 % 2);

	state->doing = "rrSSsspPiolgyx"[n % 14];
	switch (state->doing) {
	case 'r': return register_one(self, i);
	case 'S': return read_something(self, i);
	case 's': return in_section(self) ? 0
			: umb_domain_synchronize_timeout_ns(d, SHORT_NS);
	case 'p': return umb_domain_poll(d, umb_domain_poll_start(d));
	case 'P': return umb_domain_poll(d, (unsigned long) draw(seed));
	case 'i': return look(self, seed);
	case 'y': return reap(self);
	default: return follow_offsets(self, seed);
	}
}

void act_for_a_while(struct fuzz_self *self, uint64_t *seed, unsigned int acts,
		     int spoils)
{
	while (acts--) {
		uint64_t begin, took;

		for (int i = 0; spoils && i < 3; i++)
			segment_spoil(self->map, template_shared, template_area, seed);
		begin = now_ns();
		state->failed += act(self, seed) < 0;
		took = now_ns() - begin;
		state->acts++;
		if (took > state->longest_ns)
			state->longest_ns = took;
		if (took > LONG_NS)
			bad("%c takes %.1f s", state->doing, (double) took / 1e9);
	}
	state->doing = 'e';
	for (int i = 0; i < 2; i++)
		if (self->reader[i])
			step_aside(self, i);
	state->doing = 'd';
	if (umb_domain_destroy(self->domain))
		bad("it cannot be destroyed");
	state->doing = '-';
}
