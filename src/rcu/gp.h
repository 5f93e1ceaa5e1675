/* SPDX-License-Identifier: MIT */
#ifndef UMBI_GP_H
#define UMBI_GP_H

#pragma GCC visibility push(hidden)

/* Wait for a grace period. Outside a section, offline if registered. */
void umbi_gp_synchronize(void);

/* A thread that was online is not any more: see whether anyone is left. */
void umbi_gp_thread_went_offline(void);

#pragma GCC visibility pop

#endif /* UMBI_GP_H */
