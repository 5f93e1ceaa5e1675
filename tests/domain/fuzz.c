/* SPDX-License-Identifier: MIT */

/*
 * Segments that are spoilt: in their header, before a program attaches; in all that is
 * behind it, between two acts of the program; and by another process while it acts.
 * The program goes on within its segment and its time, or ends by the library's own
 * word that a reader's counter makes no sense.
 *
 *      fuzz [--cases N] [--seed N] [--only header|words|races|cuts] [--case N]
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/domain/fuzz.h"
#include "tests/lib/tap.h"

#define LIMIT_SECONDS	20	/* a case */
#define FAULTS_MAX	3	/* a kind */
#define RACE_CASES	100	/* that cost as much as one race */
#define RACE_NS		8000000
#define WORDS_EACH	12
#define PAGE		65536

struct state *state;
static unsigned long cases = 2400, only_case = 0;
static const char *only = "";
static uint64_t seed_given;

void bad(const char *format, ...)
{
	va_list args;

	if (state->bad++)
		return;
	va_start(args, format);
	vsnprintf(state->why, sizeof state->why, format, args);
	va_end(args);
}

uint64_t draw(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

/* A segment's, in pages. */
static uint64_t bytes_of(uint32_t readers, uint64_t area_bytes)
{
	uint64_t slots = FUZZ_SLOTS(readers) * sizeof(struct urcu_membarrier_reader);

	return ((template_slots + slots + 63) / 64 * 64 + area_bytes + PAGE - 1)
		/ PAGE * PAGE;
}

/* The first field that is wrong, as `why` shall name it; NULL: it is a good header. */
static const char *wrong_field(const struct header *h, uint64_t file_bytes)
{
	const struct header *t = template_header;

	if (!h->magic)
		return file_bytes ? "magic" : "size";
	if (file_bytes < sizeof *h)
		return "size";
	if (h->magic != t->magic)
		return h->magic == __builtin_bswap64(t->magic) ? "byte order" : "magic";
	if (h->endian != t->endian)
		return "byte order";
	if (h->version != t->version)
		return "version";
	if (h->bits != t->bits)
		return "bits";
	if (h->layout != t->layout)
		return "layout";
	if (h->mode != UMB_DOMAIN_EXPEDITED && h->mode != UMB_DOMAIN_FULL)
		return "mode";
	if (!h->readers || h->readers > UMB_DOMAIN_READERS_MAX)
		return "readers";
	if (h->area_bytes > UINT64_C(1) << 40)
		return "area";
	if (h->bytes != bytes_of(h->readers, h->area_bytes))
		return "bytes";
	if (h->bytes > SIZE_MAX / 2)
		return "area";
	return file_bytes < h->bytes ? "size" : NULL;
}

/* Sometimes one that is good, of another size. */
static void spoil_header(struct header *h, uint64_t *file_bytes, uint64_t *seed)
{
	uint64_t n = draw(seed);

	if (n % 16 == 0) {
		h->readers = 1 + (uint32_t) (n / 16 % 300);
		h->area_bytes = n / 65536 % 100000;
		h->bytes = bytes_of(h->readers, h->area_bytes);
		*file_bytes = h->bytes + n / 1024 % 3 * 4096;
		return;
	}
	for (uint64_t i = 0; i < 1 + n / 16 % 2; i++)
		segment_spoil((char *) h, 0, sizeof *h, seed);
	if (n / 64 % 4 == 0)
		*file_bytes = n / 256 % 2 ? draw(seed) % (2 * sizeof *h)
			: draw(seed) % (PAGE + PAGE / 2);
}

static void header_case(uint64_t seed)
{
	struct umb_domain_attr attr = { .size = sizeof attr };
	struct header h = *template_header;
	uint64_t file_bytes = template_header->bytes;
	struct fuzz_self self = { 0 };
	struct header seen = { 0 };
	const char *field;
	int fd, ret;

	spoil_header(&h, &file_bytes, &seed);
	memcpy(&seen, &h, file_bytes < sizeof seen ? (size_t) file_bytes
	       : sizeof seen);
	field = wrong_field(&seen, file_bytes);
	fd = segment_of_template(file_bytes);
	if (pwrite(fd, &seen, sizeof seen, 0) != (ssize_t) sizeof seen
	    || ftruncate(fd, (off_t) file_bytes))
		bad("a file");
	ret = umb_domain_attach_fd(&self.domain, fd, &attr);
	if (ret) {
		state->refused++;
		if (!field)
			bad("a good header is refused: %s", attr.why);
		else if (ret != (seen.magic ? -EINVAL : -EAGAIN))
			bad("attach: %s (%s)", strerror(-ret), attr.why);
		else if (!strstr(attr.why, field))
			bad("it is \"%s\" that is wrong, not: %s", field, attr.why);
	} else {
		state->attached++;
		if (field)
			bad("it attaches in spite of \"%s\"", field);
		act_for_a_while(&self, &seed, 3, 0);
	}
	close(fd);
	guards_forget();
}

static char *map_of(int fd)
{
	char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		_exit(3);
	return map;
}

/* Somebody who lives, has a few slots, and does nothing. */
static int open_neighbour(int fd, uint64_t dice)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = (off_t) (dice % FUZZ_SLOTS(FUZZ_READERS)),
		.l_len = (off_t) (dice / 64 % 4),
	};
	char path[32];
	int other;

	if (!lock.l_len)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	other = open(path, O_RDWR | O_CLOEXEC);
	if (other < 0 || fcntl(other, F_OFD_SETLK, &lock))
		bad("a neighbour");
	return other;
}

static void words_case(uint64_t seed)
{
	struct umb_domain_attr attr = { .size = sizeof attr };
	struct fuzz_self self = { 0 };
	int fd = segment_of_some_mode(&seed, &attr.alone), ret;
	int neighbour = open_neighbour(fd, draw(&seed));

	self.map = map_of(fd);
	for (int i = 0; i < WORDS_EACH; i++)
		segment_spoil(self.map, template_shared, template_area, &seed);
	ret = umb_domain_attach_fd(&self.domain, fd, &attr);
	if (ret)
		bad("attach: %s", strerror(-ret));
	else
		act_for_a_while(&self, &seed, 12, 1);
	state->attached++;
	munmap(self.map, PAGE);
	close(fd);
	if (neighbour >= 0)
		close(neighbour);
	guards_forget();
}

/* While it acts, another process writes. */
static void race_case(uint64_t seed)
{
	struct umb_domain_attr attr = { .size = sizeof attr };
	struct fuzz_self self = { 0 };
	int fd = segment_of_some_mode(&seed, &attr.alone);
	int neighbour = open_neighbour(fd, draw(&seed));
	uint64_t end = now_ns() + RACE_NS;
	uint64_t what = draw(&seed) % 4;
	/* All; the header; or without the word and the counters, so that it does not
	   end by the library's word. */
	size_t from = what > 1 ? template_shared + 128 : what ? 0 : template_shared;
	size_t to = what > 1 ? template_slots : what ? sizeof(struct header)
		: template_area;
	pid_t pid;
	int ret;

	self.map = map_of(fd);
	pid = fork();
	if (pid < 0)
		_exit(3);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			segment_spoil(self.map, from, to, &seed);
	}
	do {
		ret = umb_domain_attach_fd(&self.domain, fd, &attr);
		if (!ret)
			act_for_a_while(&self, &seed, 12, 0);
		else if (ret != -EINVAL && ret != -EAGAIN)
			bad("attach: %s", strerror(-ret));
		guards_forget();
	} while (now_ns() < end);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(self.map, PAGE);
	close(fd);
	if (neighbour >= 0)
		close(neighbour);
}

/* A file that has been cut: all that can fail says so. */
static void cut_case(uint64_t seed)
{
	struct umb_domain_info info = { .size = sizeof info };
	struct fuzz_self self = { 0 };
	int fd = segment_of_template(PAGE), ret;
	uint64_t what = draw(&seed);

	if (umb_domain_attach_fd(&self.domain, fd, NULL)) {
		bad("attach");
		return;
	}
	if (ftruncate(fd, (off_t) (what / 8 % 2 ? 0 : what / 16 % PAGE)))
		bad("ftruncate");
	state->doing = "rspiyd"[what % 6];
	switch (state->doing) {
	case 'r': ret = umb_domain_reader_register(self.domain, self.reader); break;
	case 's': ret = umb_domain_synchronize(self.domain); break;
	case 'p':
		ret = umb_domain_poll(self.domain, umb_domain_poll_start(self.domain));
		break;
	case 'y': ret = umb_domain_reap(self.domain); break;
	case 'i': ret = umb_domain_info(self.domain, &info); break;
	default: ret = umb_domain_destroy(self.domain) ? 0 : -EIO;
	}
	if (ret != -EIO)
		bad("%c says %d, not -EIO", state->doing, ret);
	/* The process ends; it need not go on with this. */
	close(fd);
	guards_forget();
}

/* It ended by the library's word: on a counter that others have written. */
static int is_word(int status, FILE *said, char *text, size_t size)
{
	size_t n;

	rewind(said);
	n = fread(text, 1, size - 1, said);
	text[n] = 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
		&& !strncmp(text, "liburcu-membarrier: umb_domain_", 31);
}

/* In a child, from state->next on. */
static void run_cases(void (*one)(uint64_t seed), unsigned long end, FILE *said)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fileno(said), STDERR_FILENO);
	for (; state->next < end && !state->bad; state->next++) {
		uint64_t seed = seed_given;

		alarm(LIMIT_SECONDS);
		one(draw(&seed) + state->next);
	}
	_exit(0);
}

static void test(const char *what, void (*one)(uint64_t seed), unsigned long n,
		 int words)
{
	unsigned long faults = 0, ended = 0;
	int status = 0;

	if (*only && strcmp(only, what))
		return;
	memset(state, 0, sizeof *state);
	state->next = only_case;
	n = *only && only_case ? only_case + 1 : n;
	while (state->next < n && faults < FAULTS_MAX) {
		FILE *said = tmpfile();
		char text[512] = "";
		pid_t pid;

		if (!said) {
			puts("Bail out! no temporary file");
			exit(1);
		}

		fflush(stdout);
		pid = fork();
		if (!pid)
			run_cases(one, n, said);
		if (waitpid(pid, &status, 0) != pid)
			status = -1;
		if (words && is_word(status, said, text, sizeof text)) {
			ended++;
		} else if (status || state->bad) {
			is_word(status, said, text, sizeof text);
			faults++;
			tap_diag("status %#x, act %c: %s %s; again: --only %s --seed "
				 "%llu --case %lu", (unsigned int) status, state->doing,
				 state->why, text, what, (unsigned long long)
				 seed_given, state->next);
			state->next += state->bad && !status;
			state->bad = 0;
			state->why[0] = 0;
		}
		state->next += status != 0;
		fclose(said);
	}
	tap_ok(!faults, "%s: %lu cases, %lu refused, %lu attached, %lu acts, %lu of "
	       "them failed, %lu readers light, the longest %.1f ms, %lu ended by a "
	       "word", what, state->next, state->refused, state->attached, state->acts,
	       state->failed, state->light, (double) state->longest_ns / 1e6, ended);
}

static unsigned long long number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (end == text || *end) {
		fprintf(stderr, "fuzz: %s is no number\n", text);
		exit(2);
	}
	return n;
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "cases", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 'r' },
		{ "only", required_argument, NULL, 'o' },
		{ "case", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	seed_given = (uint64_t) time(NULL);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (option) {
		case 'n': cases = (unsigned long) number(optarg); break;
		case 'r': seed_given = number(optarg); break;
		case 'o': only = optarg; break;
		case 'c': only_case = (unsigned long) number(optarg); break;
		default:
			fprintf(stderr, "usage: fuzz [--cases N] [--seed N] [--only "
				"header|words|races|cuts] [--case N]\n");
			exit(2);
		}
}

int main(int argc, char **argv)
{
	uint64_t begin = now_ns();

	read_options(argc, argv);
	tap_begin();
	state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED) {
		puts("Bail out! no memory");
		return 1;
	}
	template_make();
	tap_diag("seed %llu", (unsigned long long) seed_given);
	test("header", header_case, cases, 0);
	test("words", words_case, cases, 1);
	test("races", race_case, cases / RACE_CASES + 1, 1);
	test("cuts", cut_case, cases / RACE_CASES + 12, 0);
	tap_diag("%.1f s", (double) (now_ns() - begin) / 1e9);
	return tap_end();
}
