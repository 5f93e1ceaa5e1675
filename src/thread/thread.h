/* SPDX-License-Identifier: MIT */
#ifndef UMBI_THREAD_H
#define UMBI_THREAD_H

/* Thread records: their registry, and how they come and go. */

#include <stddef.h>

#include "urcu/static/urcu-membarrier.h"

#pragma GCC visibility push(hidden)

typedef struct urcu_membarrier_reader umbi_reader;

/* reader.waiting: why an outermost unlock takes the slow path. */
#define UMBI_WAITING_UPDATER	1U	/* the updater's hold, see hold.h */
#define UMBI_WAITING_EXIT	2U	/* the record leaves with the section */

/*
 * Whom a heavy fence is for. A thread that is offline when an updater looks,
 * after a full fence, sees in its later sections what was stored before: the
 * grace-period engine need not interrupt it.
 */
enum umbi_scope {
	UMBI_EVERYBODY,		/* all registered threads */
	UMBI_ONLINE,		/* those that may be in a section */
	UMBI_SCOPES,
};

/* reader.asked: who waits for a barrier of this thread, see hold.h. */
#define UMBI_ASKED_EVERYBODY	1U
#define UMBI_ASKED_ONLINE	2U
#define UMBI_ASKED_BY_SIGNAL	4U	/* and the signal is on its way */

/* reader.flags, the owner's. */
#define UMBI_EXIT_ARMED		1U	/* the exit hook will run */
#define UMBI_EXITING		2U	/* it has run */
#define UMBI_HAS_HANDLES	4U	/* of domains, which need it fenced */
/* This kind of fence, by its place in the list, is refused to the thread. */
#define UMBI_REFUSED(i)		(256U << (i))

enum umbi_register {
	UMBI_REGISTER_LASTING,	/* for good: until thread exit */
	UMBI_REGISTER_SECTION,	/* for a section that begins */
};

/*
 * Enter the calling thread's record in the registry, as offline. Idempotent.
 * Where nothing will tell us of the thread's end, the record is entered for a
 * section only, and leaves with it.
 */
void umbi_thread_register(enum umbi_register how);

/* Take it out, and let go of an updater that holds on it. Idempotent. */
void umbi_thread_unregister(void);

/* Records in the registry. */
size_t umbi_thread_count(void);

/* The calling thread's number, registered or not. */
uint32_t umbi_own_tid(void);

/* At load: say so if there is another copy of the library in the process. */
void umbi_copies_look(void);
/* The exported names may mean another copy's. These are ours. */
extern __thread umbi_reader umbi_own_reader
	__attribute__((tls_model("initial-exec")));
void umbi_own_read_lock_slow(void);

#pragma GCC visibility pop

#endif /* UMBI_THREAD_H */
