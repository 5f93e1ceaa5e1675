/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_PRINT_H
#define TOOLS_PRINT_H

/* Output to stdout. Names are others' choice: what could spoil it is escaped. */

#include <stdint.h>
#include <stdio.h>

/* For people: control characters and what is no UTF-8 as \xNN, a backslash as two. */
void print_safely(FILE *f, const char *text);

/*
 * JSON. Members of an object have a name, elements of an array have none: NULL. What is
 * no UTF-8 becomes U+FFFD. At the end of the outermost, a newline.
 */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_number(const char *name, uint64_t value);
void json_text(const char *name, const char *text);	/* NULL: null */

#endif /* TOOLS_PRINT_H */
