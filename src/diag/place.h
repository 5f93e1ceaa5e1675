/* SPDX-License-Identifier: MIT */
#ifndef UMBI_PLACE_H
#define UMBI_PLACE_H

#pragma GCC visibility push(hidden)

/* "program+0x1234", as addr2line(1) takes it: where an address in code is. */
#define UMBI_PLACE_MAX	96
void umbi_place(const void *address, char text[UMBI_PLACE_MAX]);

#pragma GCC visibility pop

#endif /* UMBI_PLACE_H */
