# SPDX-License-Identifier: MIT
# The library with its system calls open to faults.
check_LTLIBRARIES += libumb-fault.la
libumb_fault_la_SOURCES = $(libumb_la_SOURCES) \
	tests/fault/inject.c \
	tests/fault/inject.h
libumb_fault_la_CPPFLAGS = $(AM_CPPFLAGS) -DUMBI_FAULTS

# They choose their modes themselves.
fault_programs = \
	tests/fault/injected

fault_rows = \
	tests/fault/hooks.c \
	tests/fault/hooks.h \
	tests/fault/load.c \
	tests/fault/load.h \
	tests/fault/rows.c \
	tests/fault/rows.h

tests_fault_injected_SOURCES = \
	tests/fault/injected.c \
	tests/fault/refuse.c \
	$(fault_rows)
tests_fault_injected_LDADD = libtest.la libumb-fault.la $(URCU_COMMON_LIBS)
tests_fault_injected_LDFLAGS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=posix_memalign,--wrap=pthread_create

if HAVE_SECCOMP
fault_programs += tests/fault/filtered
tests_fault_filtered_SOURCES = \
	tests/fault/filtered.c \
	tests/fault/meddle.c \
	tests/fault/meddle.h \
	tests/lib/policy.c \
	tests/lib/policy.h \
	$(fault_rows)
tests_fault_filtered_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS) -lseccomp
endif

check_PROGRAMS += $(fault_programs)
TESTS += $(fault_programs)
