# SPDX-License-Identifier: MIT
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; \
	SECCOMP_CPPFLAGS='$(SECCOMP_CPPFLAGS)'; export SECCOMP_CPPFLAGS; \
	SECCOMP_LIBS='$(SECCOMP_LIBS)'; export SECCOMP_LIBS; \
	URCU_COMMON_LIBS='$(URCU_COMMON_LIBS)'; export URCU_COMMON_LIBS; \
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

# For tests/domain-tool.sh. With its own name, not that of a wrapper.
check_PROGRAMS += tests/lib/holder
tests_lib_holder_LDADD = liburcu-membarrier.la
tests_lib_holder_LDFLAGS = -no-install

include $(srcdir)/tests/bench/local.mk
include $(srcdir)/tests/domain/local.mk
include $(srcdir)/tests/fault/local.mk
include $(srcdir)/tests/torture/local.mk
include $(srcdir)/tests/unit/local.mk

check_scripts = \
	tests/abi.sh \
	tests/bench.sh \
	tests/compat.sh \
	tests/copies.sh \
	tests/debug.sh \
	tests/domain-tool.sh \
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
	tests/probes/program.c

check_PROGRAMS += $(unit_programs) $(torture_programs) $(domain_programs)
dist_check_SCRIPTS += $(check_scripts)
TESTS += $(unit_programs) $(torture_programs) $(domain_programs) $(check_scripts)

# Not part of check: they take minutes, or need more than a compiler. make check-asan and
# so on; quickstart check runs them, as check-more.
more_scripts = \
	tests/asan.sh \
	tests/cppcheck.sh \
	tests/models.sh \
	tests/mutants.sh \
	tests/tidy.sh \
	tests/tsan.sh \
	tests/ubsan.sh \
	tests/valgrind.sh
dist_check_SCRIPTS += $(more_scripts)
EXTRA_DIST += \
	tests/lib/instrument.sh \
	tests/lib/planted.sh \
	tests/models/bits32.pml \
	tests/models/combine.pml \
	tests/models/degrade.pml \
	tests/models/domain.pml \
	tests/models/grace-period.pml \
	tests/models/memory.h \
	tests/models/memory.pml \
	tests/models/offline.pml \
	tests/models/register.pml \
	tests/models/signal.pml \
	tests/models/sleep.pml \
	tests/mutants/table \
	tests/tsan/case.h \
	tests/tsan/cds.c \
	tests/tsan/right.c \
	tests/tsan/wrong.c
check-asan check-cppcheck check-models check-mutants check-tidy check-tsan check-ubsan \
check-valgrind:
	$(MAKE) check TESTS=tests/$$(echo $@ | $(SED) s/check-//).sh
check-more:
	$(MAKE) check TESTS='$(more_scripts)'

# These download.
dist_check_SCRIPTS += \
	tests/machines.sh \
	tests/programs.sh
check-machines:
	srcdir='$(srcdir)' $(SHELL) $(srcdir)/tests/machines.sh $(MACHINES)
check-programs:
	srcdir='$(srcdir)' $(SHELL) $(srcdir)/tests/programs.sh

# The torture's matrix in all modes, again and again, for so many seconds.
TORTURE_SECONDS = 3600
check-torture: tests/torture/torture
	tests/torture/torture --mode all --seconds 2 --patience 300 \
		--for $(TORTURE_SECONDS)

# Deaths of processes in shared domains, and segments that are spoilt.
KILLS = 10000
check-kill: tests/domain/kill
	tests/domain/kill --kills $(KILLS)
FUZZ = 100000
check-fuzz: tests/domain/fuzz
	tests/domain/fuzz --cases $(FUZZ)

.PHONY: check-asan check-cppcheck check-fuzz check-kill check-machines check-models check-more \
	check-mutants check-programs check-tidy check-torture check-tsan check-ubsan \
	check-valgrind
