# SPDX-License-Identifier: MIT
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; \
	CXX='$(CXX)'; export CXX; \
	UMB_MODE_RUNS='$(UMB_MODE_RUNS)'; \
	export UMB_MODE_RUNS; \
	UMB_MODE_PROGRAMS='$(unit_programs) $(torture_programs)'; \
	export UMB_MODE_PROGRAMS; \
	UMB_OWN_MODE_PROGRAMS='$(own_mode_programs)'; \
	export UMB_OWN_MODE_PROGRAMS; \
	UMB_HAVE_SDT='$(UMB_HAVE_SDT)'; \
	export UMB_HAVE_SDT;

check_LTLIBRARIES += libtest.la
libtest_la_SOURCES = \
	tests/lib/again.c \
	tests/lib/again.h \
	tests/lib/cases.c \
	tests/lib/cases.h \
	tests/lib/count.c \
	tests/lib/count.h \
	tests/lib/cpu.h \
	tests/lib/reader.h \
	tests/lib/said.c \
	tests/lib/said.h \
	tests/lib/spoil.h \
	tests/lib/steps.c \
	tests/lib/steps.h \
	tests/lib/tap.c \
	tests/lib/tap.h

# For tests/modes.sh.
check_PROGRAMS += tests/lib/confine

include $(srcdir)/tests/bench/local.mk
include $(srcdir)/tests/fault/local.mk
include $(srcdir)/tests/torture/local.mk
include $(srcdir)/tests/unit/local.mk

check_scripts = \
	tests/abi.sh \
	tests/compat.sh \
	tests/copies.sh \
	tests/debug.sh \
	tests/examples.sh \
	tests/gdb.sh \
	tests/install.sh \
	tests/lint.sh \
	tests/manual.sh \
	tests/modes.sh \
	tests/probes.sh \
	tests/reliability.sh

EXTRA_DIST += \
	tests/compat/program.c \
	tests/gdb/program.c \
	tests/lib/tap.sh \
	tests/probes/program.c \
	tests/tsan/case.h \
	tests/tsan/cds.c \
	tests/tsan/right.c \
	tests/tsan/wrong.c

check_PROGRAMS += $(unit_programs) $(torture_programs)
dist_check_SCRIPTS += $(check_scripts)
TESTS += $(unit_programs) $(torture_programs) $(check_scripts)

# Not part of check: they take minutes; one downloads, and one needs valgrind.
dist_check_SCRIPTS += \
	tests/programs.sh \
	tests/sanitize.sh \
	tests/tsan.sh
check-programs:
	srcdir='$(srcdir)' $(SHELL) $(srcdir)/tests/programs.sh
check-sanitize:
	$(MAKE) check TESTS=tests/sanitize.sh
check-tsan:
	$(MAKE) check TESTS=tests/tsan.sh
.PHONY: check-programs check-sanitize check-tsan
