/* SPDX-License-Identifier: MIT */
#ifndef UMBI_NOTE_H
#define UMBI_NOTE_H

/*
 * What is noted of grace periods: how many, and since when one waits for readers. By
 * leaders, one at a time; a quiet one's end by anybody.
 */

#include "thread/stall.h"

#pragma GCC visibility push(hidden)

void umbi_note_begin(void);
void umbi_note_end(int elided);
void umbi_note_given_up(void);
void umbi_note_quiet(void);

/*
 * Readers hold it, as far as somebody has just looked; and it will sleep on them. One
 * that is given up goes on waiting, until somebody sees that they are out.
 */
void umbi_note_holding(void);
void umbi_note_sleep(void);
void umbi_note_out(void);
/* That wait; its `since` is 0 if none is known. */
struct umbi_wait *umbi_note_wait(void);
/* In a forked child, if another thread led: it is not this one's. */
void umbi_note_forget(void);

#pragma GCC visibility pop

#endif /* UMBI_NOTE_H */
