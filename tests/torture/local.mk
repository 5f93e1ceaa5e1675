# SPDX-License-Identifier: MIT
torture_programs = \
	tests/torture/torture

tests_torture_torture_SOURCES = \
	tests/torture/element.c \
	tests/torture/reader.c \
	tests/torture/row.h \
	tests/torture/rows.c \
	tests/torture/run.c \
	tests/torture/torture.c \
	tests/torture/updater.c
tests_torture_torture_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CPPFLAGS)
tests_torture_torture_LDADD = libtest.la liburcu-membarrier.la \
	$(URCU_COMMON_LIBS) $(SECCOMP_LIBS)
if HAVE_SECCOMP
tests_torture_torture_SOURCES += \
	tests/lib/policy.c \
	tests/lib/policy.h
endif
