/* SPDX-License-Identifier: MIT */

/* Segments to spoil, and guards around those that the library maps. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/sys.h"
#include "tests/domain/fuzz.h"

#define GUARD		((size_t) 65536)
#define GUARDS_MAX	64

static char *template, *mapped;
static size_t template_bytes;
static int has_expedited;
const struct header *template_header;
size_t template_shared, template_slots, template_area;

static void give_up(const char *what)
{
	printf("Bail out! ");
	perror(what);
	exit(1);
}

void template_make(void)
{
	struct umb_domain_attr attr = {
		.size = sizeof attr, .readers = FUZZ_READERS, .bytes = FUZZ_AREA,
	};
	struct umb_domain_info info = { .size = sizeof info };
	struct umb_domain *d;

	attr.mode = UMB_DOMAIN_EXPEDITED;
	has_expedited = !umb_domain_create_memfd(&d, &attr) && !umb_domain_destroy(d);
	attr.mode = UMB_DOMAIN_FULL;
	if (umb_domain_create_memfd(&d, &attr))
		give_up(attr.why);
	umb_domain_info(d, &info);
	template_area = (size_t) ((char *) umb_domain_area(d, NULL) - mapped);
	template_bytes = (size_t) info.bytes;
	template = malloc(template_bytes);
	if (!template || pread(umb_domain_fd(d), template, template_bytes, 0)
			 != (ssize_t) template_bytes)
		give_up("a template");
	umb_domain_destroy(d);
	template_header = (const struct header *) template;
	template_shared = 128;
	if (info.slots != FUZZ_SLOTS(FUZZ_READERS))
		give_up("slots");
	template_slots = template_area - info.slots * sizeof(struct urcu_membarrier_reader);
}

int segment_of_template(uint64_t file_bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	size_t size = file_bytes < template_area ? (size_t) file_bytes : template_area;

	if (fd < 0 || ftruncate(fd, (off_t) file_bytes)
	    || pwrite(fd, template, size, 0) != (ssize_t) size)
		give_up("a file");
	return fd;
}

int segment_of_some_mode(uint64_t *seed, int *light)
{
	const uint32_t mode = UMB_DOMAIN_EXPEDITED;
	int fd = segment_of_template(template_bytes);

	*light = has_expedited && draw(seed) % 2;
	if (*light && pwrite(fd, &mode, sizeof mode, offsetof(struct header, mode))
		      != sizeof mode)
		give_up("a file");
	return fd;
}

uint64_t interesting(uint64_t *seed)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 127, 128, 0x7FFF, 0x8000, 0x8001,
		0xFFFF, 0x10000, 0xFFF8, 0x1FFF8, 0x2FFF8, 0x40001, 0x50001, 0x50000,
		0x54000, 0x53FFF, 0x60001, 0x1FFF7, 0x7FFFFFFF, 0x80000000,
		0x80000001, 0x80000008, 0xFFFFFFFF, 0x100000000, UINT64_MAX,
		UINT64_MAX - 1, UINT64_MAX / 2, UINT64_C(1) << 63,
		(UINT64_C(1) << 63) | 0x50001, UINT64_C(1) << 40,
		(UINT64_C(1) << 40) + 1, UINT64_C(0xFFFFFFFFFFFF0001),
	};
	uint64_t n = draw(seed), which = n % 8;

	if (which == 0)
		return draw(seed);
	if (which == 1)
		return n / 8 % 20;
	return values[n / 8 % (sizeof values / sizeof values[0])];
}

void segment_spoil(char *map, size_t from, size_t to, uint64_t *seed)
{
	uint64_t n = draw(seed);
	size_t at = from + n / 8 % (to - from);
	uint64_t value = interesting(seed);

	switch (n % 8) {
	case 0:
		map[at] = (char) value;
		return;
	case 1:
		map[at] = (char) (map[at] ^ (1 << (value % 8)));
		return;
	case 2: case 3: case 4:
		at &= ~(size_t) 3;
		*(volatile uint32_t *) (map + at) = (uint32_t) value;
		return;
	default:
		at &= ~(size_t) 7;
		*(volatile uint64_t *) (map + at) = value;
	}
}

/* Nothing may be mapped where it would hide that somebody looks outside. */
static struct { char *at; size_t bytes; } guards[GUARDS_MAX];
static unsigned int guards_n;

int __real_umbi_file_map(int fd, size_t bytes, void **at);
int __wrap_umbi_file_map(int fd, size_t bytes, void **at);

int __wrap_umbi_file_map(int fd, size_t bytes, void **at)
{
	char *range;

	if (bytes > SIZE_MAX / 4 || guards_n == GUARDS_MAX)
		return __real_umbi_file_map(fd, bytes, at);
	range = mmap(NULL, bytes + 2 * GUARD, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (range == MAP_FAILED)
		return __real_umbi_file_map(fd, bytes, at);
	guards[guards_n].at = range;
	guards[guards_n++].bytes = bytes;
	*at = mmap(range + GUARD, bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, fd, 0);
	mapped = *at;
	return *at == MAP_FAILED ? -ENOMEM : 0;
}

/* After the domains are gone. */
void guards_forget(void)
{
	while (guards_n) {
		guards_n--;
		munmap(guards[guards_n].at,
		       guards[guards_n].bytes + 2 * GUARD);
	}
}
