# SPDX-License-Identifier: MIT
domain_programs = \
	tests/domain/fuzz \
	tests/domain/kill \
	tests/domain/private \
	tests/domain/shared \
	tests/domain/shared-file

member = tests/domain/member.c tests/domain/member.h

tests_domain_fuzz_SOURCES = \
	tests/domain/fuzz-acts.c \
	tests/domain/fuzz-segment.c \
	tests/domain/fuzz.c \
	tests/domain/fuzz.h
tests_domain_fuzz_LDADD = libtest.la libumb.la
tests_domain_fuzz_LDFLAGS = -Wl,--wrap=umbi_file_map

# Bound at once: what is stepped is the library, not the loader.
tests_domain_kill_SOURCES = \
	tests/domain/kill-actor.c \
	tests/domain/kill-steps.c \
	tests/domain/kill-storm.c \
	tests/domain/kill-troupe.c \
	tests/domain/kill.c \
	tests/domain/kill.h \
	tests/unit/step.h
tests_domain_kill_LDADD = libtest.la liburcu-membarrier.la -ldl
tests_domain_kill_LDFLAGS = -Wl,-z,now

tests_domain_private_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_domain_shared_SOURCES = $(member) tests/domain/shared.c
tests_domain_shared_LDADD = libtest.la liburcu-membarrier.la
tests_domain_shared_file_SOURCES = $(member) tests/domain/shared-file.c
tests_domain_shared_file_LDADD = libtest.la liburcu-membarrier.la
