/* SPDX-License-Identifier: MIT */

/*
 * Looks at shared domains, and frees the slots of the dead. It attaches as any process
 * does, so it needs a slot, and is in its own tables.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <urcu-membarrier/domain.h>

#include "config.h"
#include "tools/print.h"

enum { OK, FAILURE, USAGE };

/* As the kernel has it: 15 bytes, and the newline that /proc adds. */
#define COMMAND_SIZE	17

static int as_json;

static void complain(const char *about, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "urcu-domain: ABOUT: ...": a line on stderr. */
static void complain(const char *about, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("urcu-domain: ", stderr);
	if (about) {
		print_safely(stderr, about);
		fputs(": ", stderr);
	}
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* A segment is not to be cut while processes use it. Somebody did. */
static void on_sigbus(int signal)
{
	static const char text[] = "urcu-domain: a segment has been cut while it was "
		"looked at, or has no memory\n";
	ssize_t said = write(STDERR_FILENO, text, sizeof text - 1);

	(void) signal;
	(void) said;
	_exit(FAILURE);
}

static const char *mode_name(enum umb_domain_mode mode)
{
	return mode == UMB_DOMAIN_FULL ? "full" : "expedited";
}

static const char *state_name(int dead)
{
	return dead > 0 ? "dead" : dead < 0 ? "unknown" : "alive";
}

/* The name of a process, or thread, that is alive. NULL: there is none to be had. */
static const char *command_of(pid_t pid, pid_t tid, char command[COMMAND_SIZE])
{
	char path[80];
	size_t length;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int) pid, (int) tid);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	length = fread(command, 1, COMMAND_SIZE - 1, f);
	fclose(f);
	if (length && command[length - 1] == '\n')
		length--;
	command[length] = 0;
	return length ? command : NULL;
}

/*
 * Of a file that is open: 0, or a negative errno, with the reason. Closes fd.
 */
static int attach(int fd, struct umb_domain **d, struct umb_domain_attr *attr)
{
	int ret;

	memset(attr, 0, sizeof *attr);
	attr->size = sizeof *attr;
	ret = umb_domain_attach_fd(d, fd, attr);
	close(fd);
	if (ret && !attr->why[0])
		snprintf(attr->why, sizeof attr->why, "%s", strerror(-ret));
	return ret;
}

/* "/NAME", and no other slash: as of shm_open(3). */
static int is_name(const char *file)
{
	return file[0] == '/' && !strchr(file + 1, '/');
}

/* The domain that the command line names, or NULL, and it has been told why. */
static struct umb_domain *attach_named(const char *file)
{
	struct umb_domain *d = NULL;
	struct umb_domain_attr attr;
	int fd, ret;

	fd = is_name(file) ? shm_open(file, O_RDWR, 0)
		: open(file, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		complain(file, "%s%s", strerror(errno), is_name(file)
			 ? "; it was taken for a name of shared memory, as it begins "
			   "with the only slash in it" : "");
		return NULL;
	}
	ret = attach(fd, &d, &attr);
	if (!ret)
		return d;
	complain(file, "%s%s", ret == -EINVAL
		 ? "no shared domain, or none for this program: " : "", attr.why);
	return NULL;
}

static struct umb_domain_info info_of(struct umb_domain *d)
{
	struct umb_domain_info info = { .size = sizeof info };

	umb_domain_info(d, &info);
	return info;
}

/* Slot i, if it is in use. */
static int in_use(struct umb_domain *d, unsigned int i, struct umb_domain_slot *slot)
{
	slot->size = sizeof *slot;
	return !umb_domain_slot(d, i, slot) && slot->kind != UMB_DOMAIN_SLOT_FREE;
}

/* For whoever has seen a pid only: what its process's slot says. */
static int is_dead(struct umb_domain *d, const struct umb_domain_info *info, pid_t pid)
{
	struct umb_domain_slot slot;

	for (unsigned int i = 0; i < info->slots; i++)
		if (in_use(d, i, &slot) && slot.kind == UMB_DOMAIN_SLOT_PROCESS
		    && slot.pid == pid)
			return slot.dead;
	return -1;
}

static void info_as_json(const char *file, const struct umb_domain_info *info)
{
	json_text("file", file);
	json_text("mode", mode_name(info->mode));
	json_number("bytes", info->bytes);
	json_number("area_bytes", info->area_bytes);
	json_number("slots", info->slots);
	json_number("taken", info->taken);
	json_number("grace_periods", info->grace_periods);
	json_number("reaped", info->reaped);
}

static void slot_as_json(unsigned int i, const struct umb_domain_slot *slot,
			 const char *command)
{
	json_open(NULL, '{');
	json_number("slot", i);
	json_text("kind", slot->kind == UMB_DOMAIN_SLOT_READER ? "reader" : "process");
	json_number("pid", (uint32_t) slot->pid);
	json_number("tid", (uint32_t) slot->tid);
	json_text("state", state_name(slot->dead));
	json_text("command", command);
	if (slot->kind == UMB_DOMAIN_SLOT_READER) {
		json_number("depth", slot->depth);
		json_number("age", slot->age);
		json_number("waited_ns", slot->waited_ns);
	}
	json_close('}');
}

static void slot_as_row(unsigned int i, const struct umb_domain_slot *slot,
			const char *command)
{
	const char *state = slot->dead > 0 ? "DEAD" : state_name(slot->dead);

	printf("%-6u %-8s %8d %8d %-8s", i, slot->kind == UMB_DOMAIN_SLOT_READER
	       ? "reader" : "process", (int) slot->pid, (int) slot->tid, state);
	if (slot->kind != UMB_DOMAIN_SLOT_READER)
		printf("%6s %6s", "-", "-");
	else if (!slot->depth)
		printf("%6s %6s", "0", "-");
	else
		printf("%6lu %6llu", slot->depth, (unsigned long long) slot->age);
	if (slot->waited_ns)
		printf(" %9.3f s  ", (double) slot->waited_ns / 1e9);
	else
		printf(" %11s  ", "-");
	print_safely(stdout, command ? command : "-");
	if (slot->kind == UMB_DOMAIN_SLOT_PROCESS && slot->pid == getpid())
		printf(" (this one)");
	putchar('\n');
}

static void print_slots(struct umb_domain *d, const struct umb_domain_info *info)
{
	char buffer[COMMAND_SIZE];
	struct umb_domain_slot slot;

	for (unsigned int i = 0; i < info->slots; i++) {
		const char *command;

		if (!in_use(d, i, &slot))
			continue;
		/* A dead one's pid may be another's by now. */
		command = slot.dead > 0 ? NULL : command_of(slot.pid,
			slot.kind == UMB_DOMAIN_SLOT_READER ? slot.tid : slot.pid,
			buffer);
		if (as_json)
			slot_as_json(i, &slot, command);
		else
			slot_as_row(i, &slot, command);
	}
}

static void show_as_json(const char *file, struct umb_domain *d,
			 const struct umb_domain_info *info, const char *leader)
{
	json_open(NULL, '{');
	info_as_json(file, info);
	if (info->leader) {
		json_open("leader", '{');
		json_number("pid", (uint32_t) info->leader);
		json_text("state", state_name(is_dead(d, info, info->leader)));
		json_text("command", leader);
		json_close('}');
	} else {
		json_text("leader", NULL);
	}
	json_open("in_use", '[');
	print_slots(d, info);
	json_close(']');
	json_close('}');
}

static void show_as_table(const char *file, struct umb_domain *d,
			  const struct umb_domain_info *info, const char *leader)
{
	print_safely(stdout, file);
	printf("\n  mode           %s\n", mode_name(info->mode));
	printf("  bytes          %llu, of which the program's area %llu\n",
	       (unsigned long long) info->bytes,
	       (unsigned long long) info->area_bytes);
	printf("  slots          %u, for readers and for processes; in use %u\n",
	       info->slots, info->taken);
	printf("  grace periods  %llu\n", (unsigned long long) info->grace_periods);
	printf("  reaped         %llu slots of dead processes\n",
	       (unsigned long long) info->reaped);
	printf("  leader         ");
	if (info->leader) {
		printf("process %d, %s, ", (int) info->leader,
		       state_name(is_dead(d, info, info->leader)));
		print_safely(stdout, leader ? leader : "-");
	} else {
		printf("none");
	}
	printf("\n\n%-6s %-8s %8s %8s %-8s%6s %6s %11s  %s\n", "SLOT", "KIND", "PID",
	       "TID", "STATE", "DEPTH", "AGE", "WAITED", "COMMAND");
	print_slots(d, info);
}

static int show(const char *file)
{
	struct umb_domain *d = attach_named(file);
	char buffer[COMMAND_SIZE];
	struct umb_domain_info info;
	const char *leader = NULL;

	if (!d)
		return FAILURE;
	info = info_of(d);
	if (info.leader && is_dead(d, &info, info.leader) <= 0)
		leader = command_of(info.leader, info.leader, buffer);
	if (as_json)
		show_as_json(file, d, &info, leader);
	else
		show_as_table(file, d, &info, leader);
	umb_domain_destroy(d);
	return OK;
}

static int reap(const char *file)
{
	struct umb_domain *d = attach_named(file);
	int reaped;

	if (!d)
		return FAILURE;
	reaped = umb_domain_reap(d);
	umb_domain_destroy(d);
	if (reaped < 0) {
		complain(file, "its slots cannot be freed: %s", strerror(-reaped));
		return FAILURE;
	}
	if (as_json) {
		json_open(NULL, '{');
		json_text("file", file);
		json_number("reaped", (unsigned int) reaped);
		json_close('}');
	} else {
		print_safely(stdout, file);
		printf(": %d slot%s of dead processes freed\n", reaped,
		       reaped == 1 ? "" : "s");
	}
	return OK;
}

static unsigned int count_dead(struct umb_domain *d, unsigned int slots)
{
	struct umb_domain_slot slot;
	unsigned int dead = 0;

	for (unsigned int i = 0; i < slots; i++)
		dead += in_use(d, i, &slot) && slot.dead > 0;
	return dead;
}

/* One that can be attached to; else d is NULL, and why says why not. */
static void list_row(const char *path, struct umb_domain *d, const char *why)
{
	struct umb_domain_info info = { 0 };
	unsigned int dead = 0;

	if (d) {
		info = info_of(d);
		dead = count_dead(d, info.slots);
	}
	if (as_json) {
		json_open(NULL, '{');
		if (d) {
			info_as_json(path, &info);
			json_number("dead", dead);
		} else {
			json_text("file", path);
			json_text("error", why);
		}
		json_close('}');
		return;
	}
	if (d)
		printf("%-9s %12llu %6u %6u %6u %14llu  ", mode_name(info.mode),
		       (unsigned long long) info.bytes, info.slots, info.taken, dead,
		       (unsigned long long) info.grace_periods);
	else
		printf("%-9s %12s %6s %6s %6s %14s  ", "-", "-", "-", "-", "-", "-");
	print_safely(stdout, path);
	if (!d)
		printf(": %s", why);
	putchar('\n');
}

/*
 * A file that has a domain's first bytes is worth a line even where it cannot be used;
 * the reason names what was wrong, in the order in which the library looks.
 */
static int is_something_else(int error, const char *why)
{
	return (error == -EINVAL || error == -EAGAIN)
		&& (!strncmp(why, "magic:", 6)
		    || !strncmp(why, "size of the file:", 17));
}

/* Only regular files are opened: of others, that might be an action. */
static int list_file(int fd_of_dir, const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct umb_domain_attr attr;
	struct umb_domain *d = NULL;
	struct stat st;
	int fd, ret;

	if (fstatat(fd_of_dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return 0;
	fd = openat(fd_of_dir, name,
		    O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	ret = attach(fd, &d, &attr);
	if (!ret || !is_something_else(ret, attr.why))
		list_row(path, d, attr.why);
	umb_domain_destroy(d);
	return 0;
}

static int list_directory(const char *dir)
{
	unsigned int unknown = 0;
	struct dirent **entries;
	int fd, count, error = 0;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	count = fd < 0 ? -1 : scandir(dir, &entries, NULL, alphasort);
	if (count < 0) {
		complain(dir, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return FAILURE;
	}
	for (int i = 0; i < count; i++) {
		int ret = list_file(fd, dir, entries[i]->d_name);

		unknown += ret < 0;
		error = ret < 0 ? ret : error;
		free(entries[i]);
	}
	free(entries);
	close(fd);
	if (unknown)
		complain(dir, "%u file%s could not be looked into: %s", unknown,
			 unknown == 1 ? "" : "s", strerror(-error));
	return OK;
}

static int list(const char *const *dirs)
{
	static const char *const standard[] = { "/dev/shm", NULL };
	int status = OK;

	if (!*dirs)
		dirs = standard;
	if (as_json)
		json_open(NULL, '[');
	else
		printf("%-9s %12s %6s %6s %6s %14s  %s\n", "MODE", "BYTES", "SLOTS",
		       "IN-USE", "DEAD", "GRACE-PERIODS", "FILE");
	for (; *dirs; dirs++)
		if (list_directory(*dirs))
			status = FAILURE;
	if (as_json)
		json_close(']');
	return status;
}

static const char help[] =
"usage: urcu-domain [--json] list [DIR...]\n"
"       urcu-domain [--json] show FILE|/NAME\n"
"       urcu-domain [--json] reap FILE|/NAME\n"
"       urcu-domain --help | --version\n"
"\n"
"Shared domains: RCU between processes, in a segment of memory.\n"
"\n"
"  list  which files in these directories are domains (/dev/shm)\n"
"  show  one domain, and each of its slots that is in use\n"
"  reap  free the slots of dead processes\n"
"\n"
"  /NAME is one of shm_open(3); whatever has another slash, or none first, is a\n"
"  FILE: /proc/PID/fd/N, too, for the memfd of a process.\n"
"\n"
"  --json     one JSON value instead of tables\n"
"  --help     this text\n"
"  --version  the version\n"
"\n"
"It attaches as any process does: that takes a slot for processes as long as it\n"
"runs, and the right to write to the file.\n"
"\n"
"Exit status: 0 done, 1 failure, 2 usage.\n";

static const char *const options[] = { "--help", "--json", "--version" };

/* "--json" and so on are taken out; the rest stays, NULL at its end. */
static int parse_options(char **argv, int *wants_help, int *wants_version)
{
	char **to = argv + 1, **from;
	int over = 0;

	for (from = to; *from; from++) {
		int *flags[] = { wants_help, &as_json, wants_version };
		size_t i = 0;

		if (over || (*from)[0] != '-' || !(*from)[1]) {
			*to++ = *from;
			continue;
		}
		over = !strcmp(*from, "--");
		if (over)
			continue;
		while (i < 3 && strcmp(*from, options[i]))
			i++;
		if (i == 3) {
			complain(NULL, "unknown option \"%s\"; valid: --help, --json, "
				 "--version", *from);
			return USAGE;
		}
		*flags[i] = 1;
	}
	*to = NULL;
	return OK;
}

/* What is left of the command line. */
static int run(const char *const *words)
{
	const char *verb = words[0], *file = verb ? words[1] : NULL;
	int (*work)(const char *file) = NULL;

	if (!verb) {
		complain(NULL, "a verb is missing; valid: list, show, reap");
		return USAGE;
	}
	if (!strcmp(verb, "list"))
		return list(words + 1);
	if (!strcmp(verb, "show"))
		work = show;
	else if (!strcmp(verb, "reap"))
		work = reap;
	if (!work)
		complain(NULL, "unknown verb \"%s\"; valid: list, show, reap", verb);
	else if (!file || !*file)
		complain(NULL, "%s needs FILE or /NAME", verb);
	else if (words[2])
		complain(NULL, "%s takes one FILE or /NAME, not \"%s\" as well", verb,
			 words[2]);
	else
		return work(file);
	return USAGE;
}

int main(int argc, char **argv)
{
	int wants_help = 0, wants_version = 0, status;

	if (!argc)
		return USAGE;
	signal(SIGBUS, on_sigbus);
	status = parse_options(argv, &wants_help, &wants_version);
	if (status)
		return status;
	if (wants_help)
		fputs(help, stdout);
	else if (wants_version)
		printf("urcu-domain %s\n", PACKAGE_VERSION);
	else
		status = run((const char *const *) argv + 1);
	if (fflush(stdout) || ferror(stdout)) {
		complain("stdout", "%s", strerror(errno));
		return FAILURE;
	}
	return status;
}
