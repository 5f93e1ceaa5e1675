/* SPDX-License-Identifier: MIT */
#define SCHEME		lmdb
#define OPENED(self)	do { } while (0)
#define LOCK(self)	begin_section(self)
#define UNLOCK(self)	mdb_txn_abort((self)->txn)
#include "tests/bench/schemes/lmdb.h"
