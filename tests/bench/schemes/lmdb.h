/* SPDX-License-Identifier: MIT */

/*
 * LMDB: a section is a read transaction that gets the one value there is, an update a
 * transaction that puts it anew, without syncing to the disk. The scheme file
 * defines SCHEME, LOCK and UNLOCK, and OPENED: what a reader does at first.
 */

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/shared.h"

#define MAP_BYTES	(256u << 20)
#define FULL_SECONDS	0.001

struct lmdb {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn;
};

static char directory[256];
static char key_bytes[] = "key";

static inline void check(int ret)
{
	if (__builtin_expect(ret, 0))
		die(1, "LMDB: %s", mdb_strerror(ret));
}

static inline MDB_val the_key(void)
{
	return (MDB_val) { sizeof key_bytes, key_bytes };
}

static void begin_section(struct lmdb *self)
{
	check(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &self->txn));
}

static inline unsigned long get(struct lmdb *self)
{
	MDB_val key = the_key(), value;
	unsigned long seen;

	check(mdb_get(self->txn, self->dbi, &key, &value));
	memcpy(&seen, value.mv_data, sizeof seen);
	return seen ^ ELEMENT_GOOD;
}

static int try_put(struct lmdb *self)
{
	unsigned long good = ELEMENT_GOOD;
	MDB_val key = the_key(), value = { sizeof good, &good };
	int ret;

	check(mdb_txn_begin(self->env, NULL, 0, &self->txn));
	ret = mdb_put(self->txn, self->dbi, &key, &value, 0);
	if (!ret)
		return mdb_txn_commit(self->txn);
	mdb_txn_abort(self->txn);
	return ret;
}

/* A reader that does not run keeps all pages that were freed since. */
static void put(struct lmdb *self)
{
	int ret;

	while ((ret = try_put(self)) == MDB_MAP_FULL)
		rest(FULL_SECONDS);
	check(ret);
}

/* An environment must not be taken through a fork: each process opens its own. */
static struct lmdb *open_one(void)
{
	struct lmdb *self = malloc(sizeof *self);

	if (!self)
		die(1, "out of memory");
	check(mdb_env_create(&self->env));
	check(mdb_env_set_mapsize(self->env, MAP_BYTES));
	check(mdb_env_open(self->env, directory, MDB_NOSYNC, 0600));
	begin_section(self);
	check(mdb_dbi_open(self->txn, NULL, 0, &self->dbi));
	check(mdb_txn_commit(self->txn));
	return self;
}

/* Once all have opened them, the names of the files are not needed any more. */
static void remove_names(void)
{
	static const char *const names[] = { "data.mdb", "lock.mdb", "" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[sizeof directory + 16];

		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		remove(path);
	}
}

static void create(void)
{
	const char *under = getenv("TMPDIR");
	struct lmdb *self;

	if (!under)
		under = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	snprintf(directory, sizeof directory, "%s/urcu-bench-XXXXXX", under);
	if (!mkdtemp(directory))
		die(1, "cannot make %s: %s", directory, strerror(errno));
	atexit(remove_names);
	self = open_one();
	put(self);
	mdb_env_close(self->env);
	free(self);
}

static struct lmdb *open_reader(void)
{
	struct lmdb *self = open_one();

	OPENED(self);
	return self;
}

#define SELF			struct lmdb
#define INIT()			create()
#define ENTER()			open_reader()
#define UPDATER()		open_one()
#define READ(self, data)	((void) (data), get(self))
#define SYNCHRONIZE(self)	put(self)
#define RECLAIMS		0
#define SHARED_PARTS		(PART(SECTIONS) | PART(UPDATES))
#define SETTLE()		remove_names()

#include "tests/bench/schemes/shared.h"
