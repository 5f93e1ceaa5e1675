/* SPDX-License-Identifier: MIT */
#ifndef UMBI_DIAG_STALL_H
#define UMBI_DIAG_STALL_H

#include "urcu-membarrier/stats.h"

#pragma GCC visibility push(hidden)

/* Fill in what stalls have counted. */
void umbi_stall_stats(struct umb_stats *stats);

#pragma GCC visibility pop

#endif /* UMBI_DIAG_STALL_H */
