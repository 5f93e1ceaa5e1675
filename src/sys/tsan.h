/* SPDX-License-Identifier: MIT */
#ifndef UMBI_TSAN_H
#define UMBI_TSAN_H

/*
 * For programs built with ThreadSanitizer: it sees nothing of a library that is
 * not, and no fence of one that is. So the order that the labels argue for is
 * said here, at the label, with the address that the label's access has. Where a
 * heavy fence makes a relaxed access as good as an ordered one, that access stands
 * for both. Off the read side only, and not in signal handlers.
 *
 * The references are weak: they are there where the program is linked with
 * ThreadSanitizer. In all others this is one test of a pointer.
 */

void __tsan_acquire(void *addr)
	__attribute__((weak, visibility("default")));
void __tsan_release(void *addr)
	__attribute__((weak, visibility("default")));

static inline void umbi_tsan_acquire(const void *addr)
{
	if (__tsan_acquire)
		__tsan_acquire((void *) addr);
}

static inline void umbi_tsan_release(const void *addr)
{
	if (__tsan_release)
		__tsan_release((void *) addr);
}

#endif /* UMBI_TSAN_H */
