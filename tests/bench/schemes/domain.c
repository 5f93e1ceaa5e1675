/* SPDX-License-Identifier: MIT */

/*
 * A shared domain, in a memfd. Who creates it detaches before any process is forked;
 * each of them attaches for itself, as strangers do.
 */

#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/shared.h"
#include "urcu-membarrier/domain.h"

int domain_mode = UMB_DOMAIN_BEST;

static struct umb_domain *domain;
static int segment;

static int create(struct umb_domain_attr *attr)
{
	int ret;

	*attr = (struct umb_domain_attr) {
		.size = sizeof *attr,
		.mode = (enum umb_domain_mode) domain_mode,
	};
	ret = umb_domain_create_memfd(&domain, attr);
	if (ret)
		return ret;
	segment = dup(umb_domain_fd(domain));
	return umb_domain_destroy(domain);
}

static void create_or_die(void)
{
	struct umb_domain_attr attr;
	int ret = create(&attr);

	if (ret)
		die(1, "cannot create a domain: %s: %s", strerror(-ret), attr.why);
}

int domain_usable(void)
{
	struct umb_domain_attr attr;

	return !create(&attr);
}

static void attach(void)
{
	/* Its processes have one thread, and no children. */
	struct umb_domain_attr attr = { .size = sizeof attr, .alone = 1 };
	int ret = umb_domain_attach_fd(&domain, segment, &attr);

	if (ret)
		die(1, "cannot attach to a domain: %s: %s", strerror(-ret),
		    attr.why);
}

static struct umb_domain_reader *enter_domain(void)
{
	struct umb_domain_reader *reader;
	int ret;

	attach();
	ret = umb_domain_reader_register(domain, &reader);
	if (ret)
		die(1, "cannot register a reader: %s", strerror(-ret));
	return reader;
}

static void synchronize(void)
{
	int ret = umb_domain_synchronize(domain);

	if (ret)
		die(1, "no grace period: %s", strerror(-ret));
}

#define SCHEME			domain
#define SELF			struct umb_domain_reader
#define INIT()			create_or_die()
#define ENTER()			enter_domain()
#define LEAVE(self)		umb_domain_reader_unregister(self)
#define KEEP(self)		struct umb_domain_reader copy = *(self); (self) = &copy
#define UPDATER()		(attach(), NULL)
#define LOCK(self)		umb_domain_read_lock(self)
#define UNLOCK(self)		umb_domain_read_unlock(self)
#define SYNCHRONIZE(self)	synchronize()
#define SHARED_PARTS		(PART(SECTIONS) | PART(GRACE_PERIODS) \
					| PART(UPDATES))

#include "tests/bench/schemes/shared.h"
