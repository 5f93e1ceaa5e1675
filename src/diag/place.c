/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "diag/place.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * By dladdr(), not dl_iterate_phdr(): the lock of that one glibc leaves as it is in
 * a forked child. Programs that are linked for a fixed address count from 0.
 */
void umbi_place(const void *address, char text[UMBI_PLACE_MAX])
{
	uintptr_t at = (uintptr_t) address;
	Dl_info module;

	if (!dladdr(address, &module) || !module.dli_fname || !module.dli_fbase) {
		snprintf(text, UMBI_PLACE_MAX, "%p", address);
		return;
	}
	if (((const ElfW(Ehdr) *) module.dli_fbase)->e_type == ET_DYN)
		at -= (uintptr_t) module.dli_fbase;
	snprintf(text, UMBI_PLACE_MAX, "%.64s+%#lx",
		 base_name(module.dli_fname), (unsigned long) at);
}
