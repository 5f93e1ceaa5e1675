/* SPDX-License-Identifier: MIT */

/* A transaction that stays, and is renewed for each section. */
#define SCHEME		lmdb_renew
#define OPENED(self)	(begin_section(self), mdb_txn_reset((self)->txn))
#define LOCK(self)	check(mdb_txn_renew((self)->txn))
#define UNLOCK(self)	mdb_txn_reset((self)->txn)
#include "tests/bench/schemes/lmdb.h"
