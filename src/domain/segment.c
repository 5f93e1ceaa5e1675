/* SPDX-License-Identifier: MIT */

/* Segments: how they are laid out, found, and checked. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/parts.h"
#include "fence/fence.h"
#include "sys/sys.h"

#define MAGIC		UINT64_C(0x756d62646f6d2e31)	/* "umbdom.1" */
#define ENDIAN		UINT32_C(0x01020304)
#define VERSION		1u
#define READERS		64u		/* if nobody says otherwise */
#define NOT_READING	32u		/* processes */
#define PERMISSIONS	0600
#define PAGE		65536u		/* as large as any machine's */
#define AREA_MAX	(UINT64_C(1) << 40)
#define CREATION	UINT32_MAX	/* the byte of whoever makes a segment */

/* Written at creation, the magic last; read once at attach, and never again. */
struct header {
	uint64_t magic;
	uint32_t endian;
	uint32_t version;
	uint32_t bits;			/* of a long */
	uint32_t layout;
	uint32_t mode;
	uint32_t readers;
	uint64_t area_bytes;
	uint64_t bytes;
};

struct segment {
	struct header header;
	struct umbi_shared shared __attribute__((aligned(128)));
	umbi_reader slots[];
};

/* Two programs agree on this, or do not share a segment. */
#define MIX(sum, value)	((sum) * 31u + (uint32_t) (value))
#define LAYOUT \
	MIX(MIX(MIX(MIX(MIX(MIX(MIX(MIX(MIX(VERSION + NOT_READING,		\
		offsetof(struct segment, shared)),			\
		offsetof(struct segment, slots)),			\
		offsetof(struct umbi_shared, word)),			\
		offsetof(struct umbi_shared, started)),			\
		offsetof(struct umbi_shared, leader)),			\
		offsetof(struct umbi_shared, event)),			\
		offsetof(umbi_reader, waiting)),			\
		offsetof(umbi_reader, pid)),				\
		sizeof(umbi_reader))

/* A process for each reader, and some that do not read. */
static uint32_t slots_of(uint32_t readers)
{
	return 2 * readers + NOT_READING;
}

static uint64_t area_at(uint32_t readers)
{
	uint64_t end = offsetof(struct segment, slots)
		+ (uint64_t) slots_of(readers) * sizeof(umbi_reader);

	return (end + 63) / 64 * 64;
}

static uint64_t bytes_of(uint32_t readers, uint64_t area_bytes)
{
	uint64_t end = area_at(readers) + area_bytes;

	return (end + PAGE - 1) / PAGE * PAGE;
}

static int fits(uint32_t readers, uint64_t area_bytes)
{
	return area_bytes <= AREA_MAX
		&& bytes_of(readers, area_bytes) <= SIZE_MAX / 2;
}

static struct umb_domain_attr *attr_or(struct umb_domain_attr *attr,
				       struct umb_domain_attr *none)
{
	memset(none, 0, sizeof *none);
	none->size = sizeof *none;
	if (!attr)
		return none;
	if (attr->size != sizeof *attr)
		return NULL;
	attr->why[0] = 0;
	return attr;
}

/* Say what is wrong, and return that error. */
static int refuse(struct umb_domain_attr *attr, int error, const char *field,
		  unsigned long long found, const char *valid)
{
	snprintf(attr->why, sizeof attr->why, "%s: %llu; valid is %s", field, found,
		 valid);
	return error;
}

static int refuse_number(struct umb_domain_attr *attr, const char *field,
			 unsigned long long found, unsigned long long valid)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", valid);
	return refuse(attr, -EINVAL, field, found, text);
}

static int failed(struct umb_domain_attr *attr, int error, const char *what)
{
	/* That of -EAGAIN and -EINVAL says less than we do. */
	if (error == -EAGAIN || error == -EINVAL)
		snprintf(attr->why, sizeof attr->why, "%s", what);
	else
		snprintf(attr->why, sizeof attr->why, "%s: %s", what,
			 strerror(-error));
	return error;
}

static int check_attr(struct umb_domain_attr *attr)
{
	if (attr->mode != UMB_DOMAIN_BEST && attr->mode != UMB_DOMAIN_EXPEDITED
	    && attr->mode != UMB_DOMAIN_FULL)
		return refuse(attr, -EINVAL, "mode", attr->mode,
			      "UMB_DOMAIN_BEST, _EXPEDITED or _FULL");
	if (attr->readers > UMB_DOMAIN_READERS_MAX)
		return refuse(attr, -EINVAL, "readers", attr->readers,
			      "1 to 32768, or 0 for 64");
	if (!fits(attr->readers, attr->bytes))
		return refuse(attr, -EINVAL, "bytes", attr->bytes,
			      "what fits into the address space");
	if (attr->permissions & ~(mode_t) 0777)
		return failed(attr, -EINVAL, "permissions: valid is 0 to 0777, in octal");
	return 0;
}

/* What others wrote: a copy, so that it stays as it was checked. */
static int check_header(struct umb_domain_attr *attr, const struct header *h,
			uint64_t file_bytes)
{
	if (h->magic == __builtin_bswap64(MAGIC))
		return refuse(attr, -EINVAL, "byte order", h->endian,
			      "this machine's");
	if (h->magic != MAGIC)
		return refuse(attr, -EINVAL, "magic", h->magic, "that of a domain");
	if (h->endian != ENDIAN)
		return refuse_number(attr, "byte order", h->endian, ENDIAN);
	if (h->version != VERSION)
		return refuse_number(attr, h->version < VERSION
				     ? "version (older than this library)"
				     : "version (newer than this library)",
				     h->version, VERSION);
	if (h->bits != 8 * sizeof(long))
		return refuse_number(attr, "bits of a long", h->bits,
				     8 * sizeof(long));
	if (h->layout != LAYOUT)
		return refuse_number(attr, "layout", h->layout, LAYOUT);
	if (h->mode != UMB_DOMAIN_EXPEDITED && h->mode != UMB_DOMAIN_FULL)
		return refuse(attr, -EINVAL, "mode", h->mode, "2 or 3");
	if (!h->readers || h->readers > UMB_DOMAIN_READERS_MAX)
		return refuse(attr, -EINVAL, "readers", h->readers, "1 to 32768");
	if (h->area_bytes > AREA_MAX)
		return refuse(attr, -EINVAL, "area", h->area_bytes, "up to 2^40");
	if (h->bytes != bytes_of(h->readers, h->area_bytes))
		return refuse_number(attr, "bytes", h->bytes,
				     bytes_of(h->readers, h->area_bytes));
	if (!fits(h->readers, h->area_bytes))
		return refuse(attr, -EINVAL, "area", h->area_bytes,
			      "what fits into the address space");
	if (file_bytes < h->bytes)
		return refuse_number(attr, "size of the file", file_bytes, h->bytes);
	return 0;
}

/* The pointers, from numbers that are our own or have been checked. */
static int lay_out(struct umb_domain *d, const struct header *h)
{
	struct segment *seg = d->segment;
	uint32_t n = h->readers;
	int saved = errno;

	d->mode = (enum umb_domain_mode) h->mode;
	d->gp.kind = d->mode == UMB_DOMAIN_FULL ? &umbi_domain_full
		: &umbi_domain_expedited;
	d->count = n;
	d->total = slots_of(n);
	d->bytes = h->bytes;
	d->area = (char *) seg + area_at(n);
	d->area_bytes = h->area_bytes;
	d->slots = seg->slots;
	d->shared = &seg->shared;
	d->gp.word = &d->shared->word;
	d->gp.unsettled = &d->shared->unsettled;
	d->gp.event = &d->shared->event;
	d->gp.note.since_ms = &d->shared->since_ms;
	d->readers.slots = calloc(n, sizeof d->readers.slots[0]);
	d->owned = calloc(d->total, 1);
	errno = saved;
	if (!d->readers.slots || !d->owned)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		d->readers.slots[i] = &d->slots[i];
	return 0;
}

static void fill(struct umb_domain *d, const struct header *h)
{
	struct segment *seg = d->segment;

	seg->header = *h;
	seg->shared.word = UMBI_GP_FIRST_WORD;
	for (uint32_t i = 0; i < slots_of(h->readers); i++)
		seg->slots[i].ctr = URCU_MEMBARRIER_OFFLINE;
	/* access SEGMENT.made, release. Pairs: SEGMENT.found (acquire). */
	__atomic_store_n(&seg->header.magic, MAGIC, __ATOMIC_RELEASE);
}

void umbi_segment_close(struct umb_domain *d)
{
	if (d->self != UMBI_NO_SLOT)
		umbi_slot_give(d, d->self);
	if (d->segment)
		umbi_release(d->segment, (size_t) d->bytes);
	umbi_domain_close(d, &d->lock_fd);
	umbi_domain_close(d, &d->fd);
}

/* A descriptor of our own for the file, of which we know that it is one. */
static int take_file(struct umb_domain *d, int fd, struct umb_domain_attr *attr,
		     struct umbi_file *file)
{
	int flags = umbi_file_flags(fd), ret;

	if (flags < 0)
		return failed(attr, flags, "descriptor");
	if ((flags & O_ACCMODE) != O_RDWR)
		return failed(attr, -EACCES, "descriptor, not open for reading and "
			      "writing");
	d->fd = umbi_file_reopen(fd);
	if (d->fd < 0)
		return failed(attr, d->fd, "/proc/self/fd");
	ret = umbi_file_look(d->fd, file);
	if (ret)
		return failed(attr, ret, "fstat");
	if (!file->regular)
		return failed(attr, -EINVAL, "file, not a regular one");
	d->device = file->device;
	d->inode = file->inode;
	return 0;
}

static int map(struct umb_domain *d, const struct header *h,
	       struct umb_domain_attr *attr)
{
	int ret = umbi_file_map(d->fd, (size_t) h->bytes, &d->segment);

	d->bytes = h->bytes;
	if (ret)
		return failed(attr, ret, "mmap");
	ret = lay_out(d, h);
	return ret ? failed(attr, ret, "memory") : 0;
}

/* The process's slot, and what the mode takes. */
static int join(struct umb_domain *d, struct umb_domain_attr *attr)
{
	int ret;

	/* Before it has a lock that a child would have, too. */
	umbi_domain_enlist(d);
	ret = umbi_domain_ready(d);
	if (ret == -ENOTSUP)
		return failed(attr, ret, "mode: 2, global-expedited membarrier");
	if (ret == -EAGAIN)
		return failed(attr, ret, "slots for processes, all in use");
	return ret ? failed(attr, ret, "the segment's file") : 0;
}

static enum umb_domain_mode best_mode(void)
{
	return umbi_fence_join_processes() ? UMB_DOMAIN_FULL
		: UMB_DOMAIN_EXPEDITED;
}

static int make(struct umb_domain *d, int fd, struct umb_domain_attr *attr, int seal)
{
	struct umbi_file file;
	struct header h = {
		.endian = ENDIAN,
		.version = VERSION,
		.bits = 8 * sizeof(long),
		.layout = LAYOUT,
		.mode = attr->mode ? attr->mode : best_mode(),
		.readers = attr->readers ? attr->readers : READERS,
		.area_bytes = attr->bytes,
	};
	int ret = take_file(d, fd, attr, &file);

	if (ret)
		return ret;
	h.bytes = bytes_of(h.readers, h.area_bytes);
	/* Of two creators one has this byte; what it locks comes to nothing later. */
	ret = umbi_file_own(d->fd, CREATION);
	if (!ret)
		ret = umbi_file_look(d->fd, &file);
	if (ret && ret != -EAGAIN)
		return failed(attr, ret, "lock of the file");
	if (ret || file.bytes)
		return failed(attr, -EEXIST, "file, not empty");
	/* Not the area: to ask for all of it may be to take what others have. */
	ret = umbi_file_extend(d->fd, area_at(h.readers), h.bytes);
	if (!ret && seal)
		ret = umbi_file_seal(d->fd);
	if (ret)
		return failed(attr, ret, "size of the file");
	ret = map(d, &h, attr);
	if (ret)
		return ret;
	fill(d, &h);
	umbi_file_disown(d->fd, CREATION);
	return join(d, attr);
}

static int find(struct umb_domain *d, int fd, struct umb_domain_attr *attr)
{
	struct umbi_file file;
	struct header h = { 0 };
	int ret = take_file(d, fd, attr, &file);

	if (ret)
		return ret;
	ret = umbi_file_read(d->fd, &h, sizeof h);
	if (ret < 0)
		return failed(attr, ret, "header");
	if (!h.magic)
		return failed(attr, -EAGAIN, file.bytes
			      ? "magic: 0, not finished by its creator"
			      : "size of the file: 0, not finished by its creator");
	if ((size_t) ret < sizeof h)
		return refuse(attr, -EINVAL, "size of the file", file.bytes,
			      "a domain's");
	/*
	 * fence SEGMENT.found, acquire. Pairs: SEGMENT.made (release).
	 * Orders the look at the magic before that at the rest: read once more.
	 */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (umbi_file_read(d->fd, &h, sizeof h) != (int) sizeof h)
		return failed(attr, -EIO, "header");
	ret = check_header(attr, &h, file.bytes);
	if (!ret)
		ret = map(d, &h, attr);
	return ret ? ret : join(d, attr);
}

typedef int work_fn(struct umb_domain *d, int fd, struct umb_domain_attr *attr);

static int make_sealed(struct umb_domain *d, int fd, struct umb_domain_attr *attr)
{
	return make(d, fd, attr, 1);
}

static int make_plain(struct umb_domain *d, int fd, struct umb_domain_attr *attr)
{
	return make(d, fd, attr, 0);
}

/* A domain by the file that is open there. */
static int open_domain(struct umb_domain **domain, int fd,
		       struct umb_domain_attr *attr, work_fn *work)
{
	struct umb_domain *d = umbi_domain_new(NULL);
	sigset_t mask;
	int ret;

	if (!d)
		return failed(attr, -ENOMEM, "memory");
	d->alone = attr->alone;
	umbi_domain_block_signals(&mask);
	ret = work(d, fd, attr);
	if (!ret) {
		*domain = d;
	} else {
		umbi_domain_unlist(d);
		umbi_segment_close(d);
		umbi_domain_free(d);
	}
	umbi_signal_mask(&mask, NULL);
	return ret;
}

typedef int open_fn(const char *path, int flags, mode_t mode);

/* In a new file, which is removed again if nothing comes of it. */
static int create_in(struct umb_domain **domain, const char *path,
		     struct umb_domain_attr *attr, open_fn *open_it,
		     void (*remove_it)(const char *path))
{
	struct umb_domain_attr none;
	int fd, ret;

	attr = attr_or(attr, &none);
	ret = attr ? check_attr(attr) : -EINVAL;
	if (ret)
		return ret;
	fd = open_it(path, O_RDWR | O_CREAT | O_EXCL,
		     attr->permissions ? attr->permissions : PERMISSIONS);
	if (fd < 0)
		return failed(attr, fd, path);
	ret = open_domain(domain, fd, attr, make_plain);
	if (ret)
		remove_it(path);
	umbi_fd_close(fd);
	return ret;
}

static int attach_to(struct umb_domain **domain, const char *path,
		     struct umb_domain_attr *attr, open_fn *open_it)
{
	struct umb_domain_attr none;
	int fd, ret;

	attr = attr_or(attr, &none);
	if (!attr)
		return -EINVAL;
	fd = open_it(path, O_RDWR, 0);
	if (fd < 0)
		return failed(attr, fd, path);
	ret = open_domain(domain, fd, attr, find);
	umbi_fd_close(fd);
	return ret;
}

int umb_domain_create_memfd(struct umb_domain **domain, struct umb_domain_attr *attr)
{
	struct umb_domain_attr none;
	int fd, ret;

	attr = attr_or(attr, &none);
	ret = attr ? check_attr(attr) : -EINVAL;
	if (ret)
		return ret;
	fd = umbi_file_memfd("umb-domain");
	if (fd < 0)
		return failed(attr, fd, "memfd_create");
	ret = open_domain(domain, fd, attr, make_sealed);
	umbi_fd_close(fd);
	return ret;
}

int umb_domain_create_name(struct umb_domain **domain, const char *name,
			   struct umb_domain_attr *attr)
{
	return create_in(domain, name, attr, umbi_file_open_name,
			 umbi_file_remove_name);
}

int umb_domain_create_file(struct umb_domain **domain, const char *path,
			   struct umb_domain_attr *attr)
{
	return create_in(domain, path, attr, umbi_file_open, umbi_file_remove);
}

int umb_domain_create_fd(struct umb_domain **domain, int fd,
			 struct umb_domain_attr *attr)
{
	struct umb_domain_attr none;
	int ret;

	attr = attr_or(attr, &none);
	ret = attr ? check_attr(attr) : -EINVAL;
	return ret ? ret : open_domain(domain, fd, attr, make_plain);
}

int umb_domain_attach_name(struct umb_domain **domain, const char *name,
			   struct umb_domain_attr *attr)
{
	return attach_to(domain, name, attr, umbi_file_open_name);
}

int umb_domain_attach_file(struct umb_domain **domain, const char *path,
			   struct umb_domain_attr *attr)
{
	return attach_to(domain, path, attr, umbi_file_open);
}

int umb_domain_attach_fd(struct umb_domain **domain, int fd,
			 struct umb_domain_attr *attr)
{
	struct umb_domain_attr none;

	attr = attr_or(attr, &none);
	return attr ? open_domain(domain, fd, attr, find) : -EINVAL;
}
