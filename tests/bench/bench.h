/* SPDX-License-Identifier: MIT */
#ifndef BENCH_H
#define BENCH_H

/*
 * urcu-bench: read sections, grace periods and callbacks of this library beside
 * those of others. A verb is a table of figures and a function that measures one
 * scheme; each measurement runs in a process of its own (child.c), and rounds
 * go through all schemes in turn (run.c).
 */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "urcu-membarrier/fence.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define SCHEMES_MAX	48
#define FIGURES_MAX	16
#define NOTE_SIZE	128
#define CALLBACK_BYTES	128	/* of memory, at most, for each of a burst */

enum {		/* verbs, as bits */
	RW = 1,
	READ = 2,
	GP = 4,
	FENCE = 8,
	CALL = 16,
	SHARED = 32,
	ALL_VERBS = 63,
};

struct item;
struct rcu_head;
struct spares;

/* What a scheme that has callbacks compiles: see queue.h. */
struct callbacks {
	void (*online)(void *self);	/* after loops' offline */
	void (*call)(void *self, struct rcu_head *head,
		     void (*func)(struct rcu_head *head));
	void (*queue)(void *self, struct item *items, size_t n);
	void (*barrier)(void *self);
	pthread_t (*worker)(void);
	void (*start_polls)(void *self, unsigned long n);	/* or NULL */
};

/* What a scheme file compiles: whole loops, see loops.h. */
struct loops {
	void (*init)(void);
	void (*settle)(void);		/* verb shared: all processes have entered */
	void *(*enter)(void);		/* register a reader */
	void *(*updater)(void);		/* what a thread that only updates needs */
	void (*leave)(void *self);
	void (*offline)(void *self);
	void (*sections)(void *self, unsigned long n);
	void (*grace_periods)(void *self, unsigned long n);
	uint64_t (*reader)(void *self);
	uint64_t (*writer)(void *self, struct spares *spares);
	int online_blocks;		/* idle readers must go offline */
	unsigned int shared_parts;	/* those it has a part in, as bits */
	const struct callbacks *callbacks;	/* NULL: has none */
};

enum state { MEASURED, NOT_INSTALLED, NOT_AVAILABLE };

struct scheme {
	char name[40];
	char what[72];
	const struct loops *loops;	/* NULL: not installed */
	unsigned int verbs;
	enum umb_fence_mode mode;	/* of this library; 0: leave it alone */
	int command;			/* of membarrier(2), for the bare call */
	int domain;			/* enum umb_domain_mode, of verb shared's */
	unsigned int idle_max;		/* 0: no limit; slow with many threads */
	enum state state;
	int selected;
};

extern struct scheme schemes[SCHEMES_MAX];
extern size_t scheme_count;

void schemes_find(void);		/* fills the table */
void schemes_probe(void);		/* which of them work here? */
struct scheme *scheme_named(const char *name, size_t length);
void schemes_list(void);

/* A figure: its key and unit in JSON, its head in the table with that unit. */
struct figure {
	const char *key, *head, *unit;
	double scale;			/* the table shows value * scale */
	int decimals;
	const char *also;		/* a second scheme to compare with */
};

/* A ratio of medians that is wished for; to NULL: the figure is one. */
struct goal {
	const char *what;
	size_t figure;
	const char *scheme, *to;
	double limit;
	int at_most;			/* or at least */
};

struct options;

struct verb {
	unsigned int bit;
	const char *name, *what, *reference;
	double seconds;
	unsigned int rounds;
	unsigned int parts;		/* processes a measurement; 0: one */
	const struct figure *figures;
	size_t figure_count, beside;	/* all, and on one line of the table */
	const struct goal *goals;
	size_t goal_count;
	/* In a process of its own: 0, or -1 with a note. */
	int (*measure)(const struct scheme *s, const struct options *o,
		       double *values, char *note);
};

extern const struct verb verb_rw, verb_read, verb_gp, verb_fence, verb_call,
	verb_shared;

struct options {
	const struct verb *verb;
	unsigned int readers, writers, rounds, idle_max;
	unsigned int callbacks;		/* of a burst */
	unsigned int callbacks_asked;	/* more than memory has room for? */
	unsigned int part;		/* child: which one */
	double seconds;
	const char *chosen, *reference, *json;
	int pin, list, help, version;
	int measure;			/* child: one scheme, result on stdout */
};

void options_parse(struct options *o, int argc, char **argv);

struct result {
	double values[FIGURES_MAX];	/* NaN: not measured */
	char note[NOTE_SIZE];
};

/* Measure in processes of its own; what does not come back ends the program. */
enum state child_measure(const struct scheme *s, const struct options *o,
			 struct result *r);
/* That process. */
int child_main(const struct options *o);

/* All rounds of all selected schemes; then the table and the JSON file. */
int run(const struct options *o);

struct summary {
	double min, median, max;	/* NaN: not measured */
};
struct summary summarise(double *values, size_t n);	/* sorts them */

struct summaries {
	struct summary of[SCHEMES_MAX][FIGURES_MAX];
	double others;		/* share of the CPUs that others took */
};
void table_print(const struct options *o, const struct summaries *all);
void json_print(FILE *f, const struct options *o, const struct summaries *all);
/* The verb's goals beside what was measured. */
void goals_print(const struct options *o, const struct summaries *all);
void goals_json(FILE *f, const struct options *o, const struct summaries *all);
/* Of medians; NaN where one of the two was not measured. */
double ratio(const struct summaries *all, size_t scheme, size_t figure,
	     const struct scheme *to);

/* machine.c */
const char *machine_cpu(void);
const char *machine_kernel(void);
unsigned int machine_cpus(void);	/* that this process may run on */
/* What others used of the CPUs since the first call, 0 to 1. NaN: unknown. */
double machine_others(void);
void machine_pin(unsigned int i);	/* the caller, to the i-th, modulo */
void machine_pin_thread(pthread_t thread, unsigned int i);
/*
 * Bytes, NaN: unknown. Of the machine, free; of this process, now and at most (the
 * kernel counts those by CPU, and is some hundred kB off).
 */
double machine_memory(void);
double machine_resident(void);
double machine_peak(void);

/* timing.c */
double now(void);			/* seconds */
void rest(double seconds);
double ns_each(void (*loop)(void *self, unsigned long n), void *self,
	       double seconds);
/* Start one that sleeps for good; known to the fence service, or not. */
void thread_idle(int fenced);

void die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#endif /* BENCH_H */
