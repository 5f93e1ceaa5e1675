/* SPDX-License-Identifier: MIT */

/*
 * A configuration that one process serves to others, through a shared domain in a memfd.
 * The readers are programs of their own, who get its descriptor, and are killed at any
 * moment, most of them inside a section. The updater goes on, and no reader ever sees
 * a table half loaded, or one that has been taken away: each has a sum.
 *
 * "shared-config hasty" does not wait for grace periods, to show that this is noticed.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <urcu-membarrier/domain.h>

#define SECONDS		2
#define READERS		3
#define SETTINGS	256
#define ROUNDS_A_DEATH	4	/* versions between two deaths */

struct table {
	uint64_t version;
	uint64_t settings[SETTINGS];
	uint64_t sum;
};

/* The program's area of the segment: the same for all, at another place in each. */
struct config {
	umb_offset current;
	uint64_t reads, wrong;
	struct table tables[2];		/* the current one, and the next */
};

static struct umb_domain *domain;
static struct config *config;
static pid_t readers[READERS];
static unsigned long versions, killed, killed_inside;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "shared-config: %s: %s\n", what, why);
	exit(1);
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec) { .tv_nsec = us * 1000 }, NULL);
}

static uint64_t sum_of(const struct table *t)
{
	uint64_t sum = t->version;

	for (int i = 0; i < SETTINGS; i++)
		sum = sum * 31 + t->settings[i];
	return sum;
}

static void use_area(void)
{
	size_t bytes;

	config = umb_domain_area(domain, &bytes);
	if (bytes < sizeof *config)
		die("area", "too small");
}

/* A section: look, dawdle, look again. */
static void read_once(struct umb_domain_reader *reader)
{
	const struct table *t;
	uint64_t version;
	int right;

	umb_domain_read_lock(reader);
	t = umb_offset_dereference(domain, &config->current, sizeof *t);
	if (t) {
		version = t->version;
		right = t->sum == sum_of(t);
		pause_us(200);
		right &= t->version == version && t->sum == sum_of(t);
		__atomic_fetch_add(right ? &config->reads : &config->wrong, 1,
				   __ATOMIC_RELAXED);
	}
	umb_domain_read_unlock(reader);
}

/* Another process, another program for all the domain cares. */
static void read_for_ever(int fd)
{
	/* One thread, and no vfork() nor the like: a promise that saves fences. */
	struct umb_domain_attr attr = { .size = sizeof attr, .alone = 1 };
	struct umb_domain_reader *reader;
	int ret = umb_domain_attach_fd(&domain, fd, &attr);

	if (ret)
		die("attach", attr.why);
	ret = umb_domain_reader_register(domain, &reader);
	if (ret)
		die("register", strerror(-ret));
	use_area();
	for (;;)
		read_once(reader);
}

static pid_t start_reader(void)
{
	char number[16];
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork", "failed");
	if (pid)
		return pid;
	/* Not longer than the updater. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	/* Without close-on-exec. */
	snprintf(number, sizeof number, "%d", dup(umb_domain_fd(domain)));
	execl("/proc/self/exe", "shared-config", "read", number, (char *) NULL);
	_exit(1);
}

/* Did it die inside a section? Its slot still says so. */
static int was_inside(pid_t pid)
{
	struct umb_domain_slot slot = { .size = sizeof slot };

	for (unsigned int i = 0; !umb_domain_slot(domain, i, &slot); i++)
		if (slot.kind == UMB_DOMAIN_SLOT_READER && slot.pid == pid)
			return slot.depth > 0;
	return 0;
}

static void kill_reader(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)
	    || WTERMSIG(status) != SIGKILL)
		die("a reader", "ended by itself");
	killed++;
	killed_inside += (unsigned long) was_inside(pid);
}

/* Setting by setting: it takes a while, and nobody may see it before it is done. */
static void load(struct table *t, uint64_t version)
{
	memset(t, 0xdd, sizeof *t);
	t->version = version;
	for (int i = 0; i < SETTINGS; i++)
		t->settings[i] = version * (uint64_t) (i + 1);
	t->sum = sum_of(t);
}

static void publish(int hasty)
{
	struct table *old = &config->tables[versions & 1];
	struct table *new = &config->tables[++versions & 1];

	load(new, versions);
	if (umb_offset_assign(domain, &config->current, new))
		die("assign", "not into the area");
	/* Whoever died inside is not waited for. */
	if (!hasty && umb_domain_synchronize(domain))
		die("synchronize", "failed");
	memset(old, 0, sizeof *old);
}

static void update(int hasty)
{
	time_t end = time(NULL) + SECONDS + 1;

	srand((unsigned int) getpid());
	while (time(NULL) < end) {
		publish(hasty);
		pause_us(1000);
		if (versions % ROUNDS_A_DEATH == 0) {
			pid_t *victim = &readers[rand() % READERS];

			kill_reader(*victim);
			*victim = start_reader();
		}
	}
}

int main(int argc, char **argv)
{
	struct umb_domain_attr attr = { .size = sizeof attr, .bytes = sizeof *config };

	if (argc == 3 && !strcmp(argv[1], "read"))
		read_for_ever((int) strtol(argv[2], NULL, 10));
	if (umb_domain_create_memfd(&domain, &attr))
		die("create", attr.why);
	use_area();
	for (int i = 0; i < READERS; i++)
		readers[i] = start_reader();
	update(argc == 2 && !strcmp(argv[1], "hasty"));
	for (int i = 0; i < READERS; i++)
		kill_reader(readers[i]);
	printf("%lu versions, %llu reads, %lu readers killed, %lu inside a section\n",
	       versions, (unsigned long long) config->reads, killed, killed_inside);
	if (config->wrong)
		printf("%llu times a table was half loaded, or gone\n",
		       (unsigned long long) config->wrong);
	else
		printf("no reader saw a table half loaded, or gone\n");
	return umb_domain_destroy(domain) != 0;
}
