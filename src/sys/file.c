/* SPDX-License-Identifier: MIT */

/* Files that processes map, and the locks on their bytes. */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sys/call.h"
#include "sys/sys.h"

#ifdef __NR_fcntl64
# define NR_FCNTL	__NR_fcntl64	/* with 64 bits of offset */
#else
# define NR_FCNTL	__NR_fcntl
#endif
#ifdef __NR_ftruncate64
# define NR_FTRUNCATE	__NR_ftruncate64
#else
# define NR_FTRUNCATE	__NR_ftruncate
#endif
#ifdef __NR_mmap2
# define NR_MMAP	__NR_mmap2
#else
# define NR_MMAP	__NR_mmap
#endif
#ifdef __NR_fstat64
# define NR_FSTAT	__NR_fstat64
#elif defined(__NR_fstat)
# define NR_FSTAT	__NR_fstat
#else
# define NR_FSTAT	__NR_statx
#endif

/* The C library's calls, where their arguments differ between machines. */
#define checked(number, call) \
	__extension__ ({						\
		int saved_ = errno;					\
		long ret_ = umbi_fault((number), 0);			\
		if (!ret_)						\
			ret_ = (long) (call);				\
		if (ret_ == -1)						\
			ret_ = -errno;					\
		errno = saved_;						\
		(int) ret_;						\
	})

int umbi_file_memfd(const char *name)
{
	return checked(__NR_memfd_create,
		       memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

int umbi_file_open(const char *path, int flags, mode_t mode)
{
	return checked(__NR_openat, open(path, flags | O_CLOEXEC | O_NOCTTY, mode));
}

int umbi_file_open_name(const char *name, int flags, mode_t mode)
{
	return checked(__NR_openat, shm_open(name, flags, mode));
}

void umbi_file_remove(const char *path)
{
	(void) checked(__NR_unlinkat, unlink(path));
}

void umbi_file_remove_name(const char *name)
{
	(void) checked(__NR_unlinkat, shm_unlink(name));
}

int umbi_file_flags(int fd)
{
	return checked(NR_FCNTL, fcntl(fd, F_GETFL));
}

int umbi_file_reopen(int fd)
{
	static const char before[] = "/proc/self/fd/";
	char path[sizeof before + 12], *at = path + sizeof path;

	*--at = 0;
	do
		*--at = (char) ('0' + fd % 10);
	while (fd /= 10);
	at -= sizeof before - 1;
	memcpy(at, before, sizeof before - 1);
	return umbi_file_open(at, O_RDWR, 0);
}

int umbi_file_look(int fd, struct umbi_file *file)
{
	struct stat st;
	int ret = checked(NR_FSTAT, fstat(fd, &st));

	if (ret)
		return ret;
	*file = (struct umbi_file) {
		.device = st.st_dev,
		.inode = st.st_ino,
		.bytes = (uint64_t) st.st_size,
		.regular = S_ISREG(st.st_mode),
	};
	return 0;
}

int umbi_file_read(int fd, void *to, size_t bytes)
{
	return checked(__NR_pread64, pread(fd, to, bytes, 0));
}

int umbi_file_extend(int fd, uint64_t reserved, uint64_t bytes)
{
	int ret = checked(__NR_fallocate, fallocate(fd, 0, 0, (off_t) reserved));

	/* Not every file system can reserve. */
	if (ret && ret != -EOPNOTSUPP)
		return ret;
	return checked(NR_FTRUNCATE, ftruncate(fd, (off_t) bytes));
}

int umbi_file_seal(int fd)
{
	return checked(NR_FCNTL, fcntl(fd, F_ADD_SEALS,
				       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
}

int umbi_file_map(int fd, size_t bytes, void **at)
{
	void *range = MAP_FAILED;
	int ret = checked(NR_MMAP, (range = mmap(NULL, bytes,
				PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0))
			  == MAP_FAILED ? -1 : 0);

	if (!ret)
		*at = range;
	return ret;
}

static int lock_byte(int fd, uint32_t byte, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t) byte,
		.l_len = 1,
	};

	return (int) umbi_call(NR_FCNTL, fd, F_OFD_SETLK, (long) &lock);
}

int umbi_file_own(int fd, uint32_t byte)
{
	int ret = lock_byte(fd, byte, F_WRLCK);

	return ret == -EACCES ? -EAGAIN : ret;
}

void umbi_file_disown(int fd, uint32_t byte)
{
	lock_byte(fd, byte, F_UNLCK);
}

int umbi_file_owned(int fd, uint32_t byte)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t) byte,
		.l_len = 1,
	};
	int ret = (int) umbi_call(NR_FCNTL, fd, F_OFD_GETLK, (long) &lock);

	return ret ? ret : lock.l_type != F_UNLCK;
}
