/* SPDX-License-Identifier: MIT */

/*
 * holder FILE ACTION...: a process in a shared domain, for shell tests. It does one
 * after the other, and then ends:
 *
 *	create=MODE	by the enum's number, with as many readers as the next says
 *	readers=N
 *	memfd		create one instead; prints its descriptor
 *	attach
 *	name=TEXT	of the process
 *	read		begin a section, in the one that is open if any
 *	synchronize
 *	say=TEXT	a line on stdout
 *	wait		until stdin ends
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <urcu-membarrier/domain.h>

static struct umb_domain *domain;
static struct umb_domain_reader *reader;
static struct umb_domain_attr attr = { .size = sizeof attr, .bytes = 1000 };

static int create(const char *file, unsigned int mode)
{
	attr.mode = (enum umb_domain_mode) mode;
	return umb_domain_create_file(&domain, file, &attr);
}

static int memfd(void)
{
	int ret = umb_domain_create_memfd(&domain, &attr);

	if (!ret)
		printf("%d\n", umb_domain_fd(domain));
	return ret;
}

static int begin_section(void)
{
	int ret = reader ? 0 : umb_domain_reader_register(domain, &reader);

	if (!ret)
		umb_domain_read_lock(reader);
	return ret;
}

static int wait_for_end(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}

static int act(const char *file, const char *action)
{
	const char *value = strchr(action, '=');
	size_t length = value ? (size_t) (value - action) : strlen(action);

#define IS(name)	(length == sizeof name - 1 && !memcmp(action, name, length))
	value = value ? value + 1 : "";
	if (IS("create"))
		return create(file, (unsigned int) strtoul(value, NULL, 10));
	if (IS("readers"))
		return attr.readers = (unsigned int) strtoul(value, NULL, 10), 0;
	if (IS("memfd"))
		return memfd();
	if (IS("attach"))
		return umb_domain_attach_file(&domain, file, &attr);
	if (IS("name"))
		return prctl(PR_SET_NAME, value);
	if (IS("read"))
		return begin_section();
	if (IS("synchronize"))
		return umb_domain_synchronize(domain);
	if (IS("say"))
		return puts(value) < 0;
	return IS("wait") ? wait_for_end() : -1;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 2; i < argc; i++) {
		int ret = act(argv[1], argv[i]);

		if (ret) {
			printf("%s: %s: %d %s\n", argv[1], argv[i], ret, attr.why);
			return 1;
		}
	}
	return 0;
}
