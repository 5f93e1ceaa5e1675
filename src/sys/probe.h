/* SPDX-License-Identifier: MIT */
#ifndef UMBI_PROBE_H
#define UMBI_PROBE_H

/*
 * Static probes for tracers, of the provider urcu_membarrier: a no-op instruction
 * and a note each. doc/man/umb_stats_get.3 lists them.
 */

/* Arguments in registers: not every tracer can read an operand like x(%rip). */
#define STAP_SDT_ARG_CONSTRAINT	nr
#define SDT_USE_VARIADIC
#ifdef __has_include
# if __has_include(<sys/sdt.h>)
#  include <sys/sdt.h>
# endif
#endif

#ifdef STAP_PROBEV
# define umbi_probe(name, ...) STAP_PROBEV(urcu_membarrier, name, __VA_ARGS__)
#else
/* The arguments are used, and nothing is done. */
# define umbi_probe(name, ...) \
	((void) sizeof((const long[]) { __VA_ARGS__ }))
#endif

#endif /* UMBI_PROBE_H */
