/* SPDX-License-Identifier: MIT */

/* Where segments are, and what is refused: by name, file and descriptor. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/domain/member.h"
#include "tests/lib/cases.h"
#include "tests/lib/tap.h"

static char directory[64], path[96], name[64];
static struct umb_domain_attr attr;

static struct umb_domain_attr *full(void)
{
	attr = (struct umb_domain_attr) {
		.size = sizeof attr,
		.mode = UMB_DOMAIN_FULL,
		.bytes = 100,
	};
	return &attr;
}

static void set_up(void)
{
	snprintf(directory, sizeof directory, "/tmp/umb-domain.XXXXXX");
	expect(mkdtemp(directory) != NULL, "a directory");
	snprintf(path, sizeof path, "%s/segment", directory);
	snprintf(name, sizeof name, "/umb-domain-test-%ld", (long) getpid());
}

static void clean_up(void)
{
	unlink(path);
	rmdir(directory);
}

static int says(const char *words)
{
	if (strstr(attr.why, words))
		return 1;
	case_note("why: %s", attr.why);
	return 0;
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void use(struct umb_domain *d)
{
	struct umb_domain_reader *r;

	expect(!umb_domain_reader_register(d, &r), "registers");
	umb_domain_read_lock(r);
	umb_domain_read_unlock(r);
	umb_domain_reader_unregister(r);
	expect(!umb_domain_synchronize(d), "synchronize");
}

static void places(const void *arg)
{
	struct umb_domain *d, *e;
	struct stat st;
	int before = descriptors();

	(void) arg;
	set_up();
	errno = CASE_ERRNO;
	expect(!umb_domain_create_file(&d, path, full()), attr.why);
	expect(umb_domain_create_file(&e, path, full()) == -EEXIST && says(path),
	       "a file that is there stays");
	expect(!stat(path, &st) && (st.st_mode & 0777) == 0600, "for its owner");
	expect(!umb_domain_attach_file(&e, path, full()), attr.why);
	use(d);
	use(e);
	expect(!umb_domain_destroy(d) && !umb_domain_destroy(e), "detached");
	expect(!umb_domain_attach_file(&e, path, NULL), "it outlives all");
	use(e);
	umb_domain_destroy(e);
	full()->permissions = 0640;
	expect(!umb_domain_create_name(&d, name, &attr), attr.why);
	expect(umb_domain_create_name(&e, name, full()) == -EEXIST, "so by name");
	expect(!umb_domain_attach_name(&e, name, full()), attr.why);
	use(e);
	umb_domain_destroy(e);
	umb_domain_destroy(d);
	expect(!shm_unlink(name), "its name is a name");
	expect(umb_domain_attach_name(&e, name, full()) == -ENOENT && says(name),
	       "no such name");
	expect(descriptors() == before, "no descriptor is left");
	clean_up();
}

static void seals(const void *arg)
{
	struct umb_domain *d, *e;
	int fd, other;

	(void) arg;
	set_up();
	expect(!umb_domain_create_memfd(&d, full()), attr.why);
	fd = umb_domain_fd(d);
	expect(ftruncate(fd, 0) == -1 && errno == EPERM, "it cannot be cut");
	expect(ftruncate(fd, 1 << 30) == -1, "nor grown");
	expect(fcntl(fd, F_GETFD) == FD_CLOEXEC, "programs do not inherit it");
	expect(umb_domain_create_fd(&e, fd, full()) == -EEXIST, "it is not empty");
	umb_domain_destroy(d);
	other = memfd_create("empty", 0);
	expect(!umb_domain_create_fd(&d, other, full()), attr.why);
	expect(!umb_domain_attach_fd(&e, other, full()), attr.why);
	close(other);
	use(e);
	umb_domain_destroy(e);
	use(d);
	umb_domain_destroy(d);
	expect(umb_domain_attach_fd(&d, -1, full()) == -EBADF, "no descriptor");
	expect(!mkfifo(path, 0600) && (fd = open(path, O_RDWR)) >= 0, "a pipe");
	expect(umb_domain_attach_fd(&d, fd, full()) == -EINVAL && says("regular"),
	       "no file");
	close(fd);
	clean_up();
}

static void attributes(const void *arg)
{
	struct umb_domain *d;

	(void) arg;
	set_up();
	full()->size = 3;
	expect(umb_domain_create_memfd(&d, &attr) == -EINVAL, "its size");
	full()->mode = UMB_DOMAIN_PRIVATE;
	expect(umb_domain_create_file(&d, path, &attr) == -EINVAL && says("mode"),
	       "its mode");
	full()->readers = UMB_DOMAIN_READERS_MAX + 1;
	expect(umb_domain_create_memfd(&d, &attr) == -EINVAL && says("readers"),
	       "its readers");
	full()->bytes = SIZE_MAX - 5;
	expect(umb_domain_create_memfd(&d, &attr) == -EINVAL && says("bytes"),
	       "its bytes");
	full()->permissions = 04777;
	expect(umb_domain_create_file(&d, path, &attr) == -EINVAL
	       && says("permissions"), "its permissions");
	expect(access(path, F_OK), "no file comes of it");
	expect(umb_domain_create_file(&d, "/nowhere/at/all", full()) == -ENOENT
	       && says("/nowhere"), "nor where there can be none");
	clean_up();
}

/* The header's fields, as src/domain/segment.c has them: offset, bytes, and a name. */
static const struct field {
	unsigned int at, bytes;
	unsigned char add;
	const char *name;
} fields[] = {
	{ 0, 8, 1, "magic" },
	{ 8, 4, 1, "byte order" },
	{ 12, 4, 1, "newer" },
	{ 12, 4, 0xFF, "older" },
	{ 16, 4, 1, "bits" },
	{ 20, 4, 1, "layout" },
	{ 24, 4, 7, "mode" },
	{ 28, 4, 0xC0, "readers" },
	{ 29, 1, 4, "bytes" },
	{ 32, 8, 0x7F, "area" },
	{ 40, 8, 1, "bytes" },
};

static void spoil(int fd, const struct field *f, char *old)
{
	unsigned int at = f->at + (f->add > 0x40 && f->add < 0xFF ? f->bytes - 1 : 0);
	unsigned char byte = 0;

	expect(pread(fd, old, 8, f->at) == 8 && pread(fd, &byte, 1, at) == 1, "read");
	byte = (unsigned char) (byte + f->add);
	expect(pwrite(fd, &byte, 1, at) == 1, "write");
}

static void headers(const void *arg)
{
	struct umb_domain *d;
	char old[8];
	int fd;

	(void) arg;
	set_up();
	expect(!umb_domain_create_file(&d, path, full()), attr.why);
	umb_domain_destroy(d);
	fd = open(path, O_RDWR);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		spoil(fd, &fields[i], old);
		expect(umb_domain_attach_fd(&d, fd, full()) == -EINVAL
		       && says(fields[i].name), fields[i].name);
		expect(pwrite(fd, old, 8, fields[i].at) == 8, "mended");
	}
	expect(!umb_domain_attach_fd(&d, fd, full()), attr.why);
	umb_domain_destroy(d);
	expect(!ftruncate(fd, 4096), "cut");
	expect(umb_domain_attach_fd(&d, fd, full()) == -EINVAL && says("size"),
	       "a part is refused");
	expect(!ftruncate(fd, 20), "cut");
	expect(umb_domain_attach_fd(&d, fd, full()) == -EINVAL && says("size"),
	       "so is less than a header");
	expect(!ftruncate(fd, 0), "cut");
	expect(umb_domain_attach_fd(&d, fd, full()) == -EAGAIN && says("size"),
	       "so is one that has not begun");
	expect(!ftruncate(fd, 8192), "zeroes");
	expect(umb_domain_attach_fd(&d, fd, full()) == -EAGAIN && says("magic"),
	       "one that is just being made");
	close(fd);
	clean_up();
}

/* Somebody cuts the file, or closes our descriptors: an error, where there may be one. */
static void cut(const void *arg)
{
	struct umb_domain *d;
	struct umb_domain_reader *r, *other;
	int before = descriptors();

	(void) arg;
	set_up();
	expect(!umb_domain_create_file(&d, path, full()), attr.why);
	expect(!umb_domain_reader_register(d, &r), "registers");
	expect(!truncate(path, 0), "cut");
	expect(umb_domain_reader_register(d, &other) == -EIO, "no reader there");
	expect(umb_domain_synchronize(d) == -EIO, "nor a grace period");
	umb_domain_reader_unregister(r);
	expect(!umb_domain_destroy(d), "but an end");
	clean_up();
	set_up();
	expect(!umb_domain_create_file(&d, path, full()), attr.why);
	for (int fd = before; fd < 256; fd++)
		close(fd);
	expect(umb_domain_reader_register(d, &r) == -EIO, "nor without descriptors");
	expect(umb_domain_synchronize(d) == -EIO, "nor a grace period");
	expect(umb_domain_reap(d) == -EIO, "nor a look for the dead");
	clean_up();
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	case_run(places, NULL, "by file and by name");
	case_run(seals, NULL, "by descriptor, and sealed");
	case_run(attributes, NULL, "attributes that are wrong are named");
	case_run(headers, NULL, "headers that are wrong are named");
	case_run(cut, NULL, "a file that is cut, descriptors that are closed");
	return tap_end();
}
