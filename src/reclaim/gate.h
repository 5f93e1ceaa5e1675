/* SPDX-License-Identifier: MIT */
#ifndef UMBI_GATE_H
#define UMBI_GATE_H

/*
 * A mutex that may be held for long, with signals as they are. In a forked child
 * other threads do not hold it any more. Not for signal handlers.
 */

#include <stdint.h>

#pragma GCC visibility push(hidden)

struct umbi_gate {
	const void *owner;		/* his record */
	uint32_t left;			/* how often; others sleep on it */
};

void umbi_gate_enter(struct umbi_gate *gate);
void umbi_gate_leave(struct umbi_gate *gate);
int umbi_gate_ours(const struct umbi_gate *gate);
void umbi_gate_forked(struct umbi_gate *gate);

#pragma GCC visibility pop

#endif /* UMBI_GATE_H */
