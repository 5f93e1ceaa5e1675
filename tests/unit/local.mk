# SPDX-License-Identifier: MIT
unit_programs = \
	tests/unit/api \
	tests/unit/chain \
	tests/unit/counts \
	tests/unit/crowd \
	tests/unit/dlopen \
	tests/unit/fence-litmus \
	tests/unit/fence-select \
	tests/unit/gp \
	tests/unit/interrupt \
	tests/unit/misuse \
	tests/unit/offline \
	tests/unit/registry \
	tests/unit/set-signal \
	tests/unit/signal \
	tests/unit/step \
	tests/unit/threads \
	tests/unit/visit \
	tests/unit/wrap

# Those among them that choose their modes, and what they block, themselves.
own_mode_programs = \
	tests/unit/chain \
	tests/unit/crowd \
	tests/unit/interrupt \
	tests/unit/set-signal \
	tests/unit/signal \
	tests/unit/start \
	tests/unit/start-dlopen \
	tests/unit/visit

# Black-box tests see what a program sees.
tests_unit_api_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_fence_litmus_LDADD = libtest.la liburcu-membarrier.la
tests_unit_gp_LDADD = libtest.la liburcu-membarrier.la
tests_unit_interrupt_LDADD = libtest.la liburcu-membarrier.la
tests_unit_misuse_LDADD = libtest.la liburcu-membarrier.la
tests_unit_offline_LDADD = libtest.la liburcu-membarrier.la
tests_unit_set_signal_LDADD = libtest.la liburcu-membarrier.la

# Opens the library, so must not link with it.
tests_unit_dlopen_LDADD = libtest.la -ldl

# One source, who owns the short names differs.
if HAVE_URCU_MEMB
unit_programs += \
	tests/unit/api-both \
	tests/unit/api-ours \
	tests/unit/api-theirs
api_both_ldadd = libtest.la liburcu-membarrier.la -lurcu-memb $(URCU_COMMON_LIBS)
tests_unit_api_both_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_api_both_LDADD = $(api_both_ldadd)
tests_unit_api_ours_SOURCES = tests/unit/api-both.c
tests_unit_api_ours_CPPFLAGS = $(AM_CPPFLAGS) -DUMB_TEST_OURS
tests_unit_api_ours_LDADD = $(api_both_ldadd)
tests_unit_api_theirs_SOURCES = tests/unit/api-both.c
tests_unit_api_theirs_CPPFLAGS = $(AM_CPPFLAGS) -DUMB_TEST_THEIRS
tests_unit_api_theirs_LDADD = $(api_both_ldadd)
if HAVE_URCU_QSBR
tests_unit_api_both_CPPFLAGS += -DUMB_TEST_QSBR
tests_unit_api_both_LDADD += -lurcu-qsbr
endif
endif

if HAVE_CXX
unit_programs += \
	tests/unit/threads-cxx
tests_unit_threads_cxx_SOURCES = tests/unit/threads-cxx.cc
tests_unit_threads_cxx_LDADD = libtest.la liburcu-membarrier.la
endif

if HAVE_SECCOMP
unit_programs += \
	tests/unit/fence-degrade \
	tests/unit/start \
	tests/unit/start-dlopen
policy = tests/lib/policy.c tests/lib/policy.h
tests_unit_fence_degrade_SOURCES = tests/unit/fence-degrade.c $(policy)
tests_unit_fence_degrade_LDADD = libtest.la liburcu-membarrier.la -lseccomp
tests_unit_start_SOURCES = tests/unit/start.c tests/unit/start-cases.h $(policy)
tests_unit_start_LDADD = libtest.la libumb.la -lseccomp
# Opens the library, as dlopen does.
tests_unit_start_dlopen_SOURCES = tests/unit/start-dlopen.c $(policy)
tests_unit_start_dlopen_LDADD = libtest.la -lseccomp -ldl
endif

# White-box tests link with everything, hidden names included.
tests_unit_chain_LDADD = libtest.la libumb.la
tests_unit_chain_LDFLAGS = -Wl,--wrap=umbi_cpu
tests_unit_counts_LDADD = libtest.la libumb.la
tests_unit_crowd_LDADD = libtest.la libumb.la
tests_unit_fence_select_LDADD = libtest.la libumb.la
tests_unit_registry_LDADD = libtest.la libumb.la
tests_unit_signal_LDADD = libtest.la libumb.la
tests_unit_step_SOURCES = tests/unit/step-thread.c tests/unit/step.c tests/unit/step.h
tests_unit_step_LDADD = libtest.la libumb.la
tests_unit_threads_LDADD = libtest.la libumb.la
tests_unit_visit_LDADD = libtest.la libumb.la
tests_unit_visit_LDFLAGS = -Wl,--wrap=umbi_cpus_set,--wrap=umbi_signal_send
tests_unit_wrap_LDADD = libtest.la libumb.la
