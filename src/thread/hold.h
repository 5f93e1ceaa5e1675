/* SPDX-License-Identifier: MIT */
#ifndef UMBI_HOLD_H
#define UMBI_HOLD_H

/* How an updater sleeps until readers have left their sections. */

#include "thread/thread.h"

#pragma GCC visibility push(hidden)

/*
 * The updater's side, one thread at a time; whatever names a reader under the
 * registry lock. Open; add each reader to sleep on; then fence heavily, and
 * look at each that is held: drop it if it has left, else ask whether its
 * unlock is armed; until all are. Then wait.
 */
void umbi_hold_open(void);
void umbi_hold_add(umbi_reader *reader);
int umbi_held(const umbi_reader *reader);
void umbi_hold_wait(void);

/*
 * Will the outermost unlock of this reader, whose counter was c and in a
 * section, take the slow path? If not, make it so: a heavy fence will tell.
 */
int umbi_hold_armed(umbi_reader *reader, unsigned long c);

/* Either side: this reader need not be waited for any longer. */
void umbi_hold_drop(umbi_reader *reader);

#pragma GCC visibility pop

#endif /* UMBI_HOLD_H */
