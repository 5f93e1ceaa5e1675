/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DOMAIN_KILL_H
#define TESTS_DOMAIN_KILL_H

/*
 * Processes of a shared domain that are killed. Actors are processes that do what they
 * are told, a letter an act:
 *
 *      A attach, with the promise that makes readers light
 *      a attach without it             D detach
 *      R register a reader             U unregister it
 *      ( begin a section, and look     ) look again, and end it
 *      s synchronize                   S the same, within PATIENCE
 *      t synchronize for 3 ms          p begin to poll
 *      P one poll                      Q poll until it is over, within PATIENCE
 *      w replace the element of cell 0, u of cell 1
 *      W, V the same, after another updater of that cell has died
 *      X register all readers that there are, each in a section
 *      r reap, and count               y reap
 *      i info, of all slots
 *      F register all the readers      G attach as often as it can be done
 *      L loop as a reader              M loop as an updater of cell `argument`
 *      C loop: attach, read, detach    T loop as two threads that read
 *      N loop: synchronize
 *
 * Elements live in the domain's area. An updater replaces one, waits, spoils the old
 * one, and uses it again; a reader must see none that is spoilt, that changes, or that
 * was replaced a grace period before.
 */

#include <stdint.h>
#include <sys/types.h>

#include "urcu-membarrier/domain.h"

#define READERS		8	/* slots */
#define PROCESSES	(READERS + 32)
#define PATIENCE	5	/* seconds, for a grace period */
#define CELLS		2
#define POOL		6

/* Of all processes. */
struct state {
	int fd;				/* the domain's file, in all of them */
	unsigned int readers, processes;	/* alive, for F, G and r */
	int stop;
	unsigned long bad;
	char why[160];			/* the first */
	unsigned long sections, light, grace_periods, attached;
	uint64_t longest_ns;		/* of an updater's grace period in a loop */
};
extern struct state *state;

void bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);

/* Numbers that follow from the seed. */
uint64_t draw(uint64_t *seed);

/* kill-actor.c: the process itself; a domain's area made ready. */
void area_prepare(struct umb_domain *d);
size_t area_bytes(void);
struct self {
	struct umb_domain *domain;
	struct umb_domain_reader *reader;
	unsigned long cookie;
	uint64_t seen[CELLS];		/* versions, of the last section */
	const void *element[CELLS];
	int argument;
	int alone;			/* promised */
};
/* 0, or the error that is none of those that may be; the rest by bad(). */
int do_act(struct self *self, char act);

/* kill-troupe.c: actors, as the director has them. */
struct actor {
	pid_t pid;		/* 0: none */
	int fd;
	int asked;		/* and has not answered */
};
struct report {
	int ret;
	uint64_t ns, at_ns;	/* it took; and was over */
};
/* A child that does what it is told. */
void actor_start(struct actor *a, const char *acts);
void actor_ask(struct actor *a, const char *acts);
/* Nonzero: it has answered in time, and well. */
int actor_answers(struct actor *a, struct report *report);
int actor_does(struct actor *a, const char *acts);
void actor_kill(struct actor *a);

/* A new domain, with nobody in it. 0, or -ENOTSUP: not in that mode. */
int world_make(enum umb_domain_mode mode);
void world_show(void);
void world_end(void);

/*
 * How long a grace period took that began after a death, or from the death on. And where
 * only readers that are dead are in its way: from its begin; or, if it has begun before,
 * from their end on, as waitpid() tells of it, and from the kill on, which is longer by
 * what the kernel takes for it.
 */
enum { AFTER, DURING, FOUND_AT_ONCE, FOUND, FOUND_SINCE_KILL };
void latency_add(int when, uint64_t ns);
extern unsigned long kills;

/* What the command line says. */
struct options {
	unsigned long kills;
	uint64_t seed;
	const char *only;
	long step;			/* -1: as they come */
	unsigned int storm_ms;
};
extern struct options options;

void steps_test(enum umb_domain_mode mode);
void storm_test(enum umb_domain_mode mode);
void found_test(enum umb_domain_mode mode);
void stops_test(enum umb_domain_mode mode);

#endif /* TESTS_DOMAIN_KILL_H */
