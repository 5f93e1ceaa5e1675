/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "tools/print.h"

/* How many bytes the character has that text begins with; 0: it is no UTF-8. */
static unsigned int utf8_length(const unsigned char *text, uint32_t *code)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	unsigned int n = 0, i;

	while (n < 4 && (text[0] & forms[n].mask) != forms[n].lead)
		n++;
	if (n == 4)
		return 0;
	*code = text[0] & (unsigned char) ~forms[n].mask;
	/* The terminating null is no continuation. */
	for (i = 1; i <= n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3f);
	}
	return *code < forms[n].min || *code > 0x10ffff
		|| (*code >= 0xd800 && *code < 0xe000) ? 0 : n + 1;
}

static int is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

void print_safely(FILE *f, const char *text)
{
	const unsigned char *at = (const unsigned char *) text;
	unsigned int length;
	uint32_t code;

	for (; *at; at += length) {
		length = utf8_length(at, &code);
		if (!length || is_control(code)) {
			length = length ? length : 1;
			for (unsigned int i = 0; i < length; i++)
				fprintf(f, "\\x%02x", at[i]);
		} else {
			fprintf(f, "%s%.*s", code == '\\' ? "\\" : "", (int) length,
				(const char *) at);
		}
	}
}

static void json_string(const char *text)
{
	const unsigned char *at = (const unsigned char *) text;
	unsigned int length;
	uint32_t code;

	putchar('"');
	for (; *at; at += length ? length : 1) {
		length = utf8_length(at, &code);
		if (!length)
			printf("\\ufffd");
		else if (is_control(code))
			printf("\\u%04x", (unsigned int) code);
		else
			printf("%s%.*s", code == '"' || code == '\\' ? "\\" : "",
			       (int) length, (const char *) at);
	}
	putchar('"');
}

static unsigned int depth;	/* of what is open */
static int begun;		/* it has an element already */

static void begin_element(const char *name)
{
	if (begun)
		putchar(',');
	begun = 1;
	if (!name)
		return;
	json_string(name);
	putchar(':');
}

void json_open(const char *name, char bracket)
{
	begin_element(name);
	putchar(bracket);
	depth++;
	begun = 0;
}

void json_close(char bracket)
{
	putchar(bracket);
	begun = 1;
	if (!--depth) {
		putchar('\n');
		begun = 0;
	}
}

void json_number(const char *name, uint64_t value)
{
	begin_element(name);
	printf("%llu", (unsigned long long) value);
}

void json_text(const char *name, const char *text)
{
	begin_element(name);
	if (text)
		json_string(text);
	else
		printf("null");
}
