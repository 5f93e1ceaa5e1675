/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "tests/bench/bench.h"

void die(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "urcu-bench: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(status);
}

static int inform(const struct options *o)
{
	if (o->version)
		printf("urcu-bench %s\n", PACKAGE_VERSION);
	else if (o->list)
		schemes_list();
	if (fflush(stdout) || ferror(stdout))
		die(1, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	struct options o;

	schemes_find();
	options_parse(&o, argc, argv);
	if (o.measure)
		return child_main(&o);
	schemes_probe();
	return o.help || o.version || o.list ? inform(&o) : run(&o);
}
