# SPDX-License-Identifier: MIT
unit_programs = \
	tests/unit/api \
	tests/unit/call-rcu \
	tests/unit/call-rcu-workers \
	tests/unit/chain \
	tests/unit/counts \
	tests/unit/crowd \
	tests/unit/debug \
	tests/unit/debug-off \
	tests/unit/defer \
	tests/unit/dlopen \
	tests/unit/ends \
	tests/unit/fence-litmus \
	tests/unit/fence-select \
	tests/unit/fork \
	tests/unit/fork-signal \
	tests/unit/fork-step \
	tests/unit/fork-storm \
	tests/unit/gp \
	tests/unit/interrupt \
	tests/unit/lazy \
	tests/unit/misuse \
	tests/unit/offline \
	tests/unit/pair \
	tests/unit/poll \
	tests/unit/poll-eventfd \
	tests/unit/rcu-barrier \
	tests/unit/reclaim \
	tests/unit/registry \
	tests/unit/set-signal \
	tests/unit/signal \
	tests/unit/stall \
	tests/unit/stall-clock \
	tests/unit/stall-handler \
	tests/unit/stall-kinds \
	tests/unit/stall-lines \
	tests/unit/stall-refused \
	tests/unit/stall-wait \
	tests/unit/stats \
	tests/unit/stats-fences \
	tests/unit/step \
	tests/unit/threads \
	tests/unit/visit \
	tests/unit/wrap

# Those among them that choose their modes, and what they block, themselves; or
# take too long to be run in all.
own_mode_programs = \
	tests/unit/chain \
	tests/unit/crowd \
	tests/unit/debug \
	tests/unit/debug-cxx \
	tests/unit/debug-off \
	tests/unit/fork-step \
	tests/unit/fork-storm \
	tests/unit/interrupt \
	tests/unit/set-signal \
	tests/unit/signal \
	tests/unit/stall \
	tests/unit/stall-clock \
	tests/unit/stall-handler \
	tests/unit/stall-kinds \
	tests/unit/stall-lines \
	tests/unit/stall-refused \
	tests/unit/stall-wait \
	tests/unit/start \
	tests/unit/start-dlopen \
	tests/unit/stats \
	tests/unit/stats-fences \
	tests/unit/visit

family = \
	tests/lib/family-acts.c \
	tests/lib/family-company.c \
	tests/lib/family.c \
	tests/lib/family.h

# Black-box tests see what a program sees.
tests_unit_api_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_call_rcu_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_call_rcu_workers_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_debug_SOURCES = tests/unit/debug.c tests/unit/stall.h
tests_unit_debug_CPPFLAGS = $(AM_CPPFLAGS) -DDEBUG_RCU
tests_unit_debug_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_debug_off_SOURCES = tests/unit/debug-off.c tests/unit/stall.h
tests_unit_debug_off_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_ends_LDADD = libtest.la liburcu-membarrier.la
tests_unit_fence_litmus_LDADD = libtest.la liburcu-membarrier.la
tests_unit_fork_SOURCES = tests/unit/fork.c $(family)
tests_unit_fork_LDADD = libtest.la liburcu-membarrier.la
tests_unit_fork_signal_SOURCES = tests/unit/fork-signal.c $(family)
tests_unit_fork_signal_LDADD = libtest.la libumb.la
tests_unit_fork_step_LDADD = libtest.la liburcu-membarrier.la
tests_unit_fork_storm_SOURCES = tests/unit/fork-storm.c $(family)
tests_unit_fork_storm_LDADD = libtest.la liburcu-membarrier.la
tests_unit_gp_LDADD = libtest.la liburcu-membarrier.la
tests_unit_interrupt_LDADD = libtest.la liburcu-membarrier.la
tests_unit_lazy_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_misuse_LDADD = libtest.la liburcu-membarrier.la
tests_unit_offline_LDADD = libtest.la liburcu-membarrier.la
tests_unit_pair_LDADD = libtest.la liburcu-membarrier.la
tests_unit_poll_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_poll_eventfd_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_rcu_barrier_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_reclaim_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_set_signal_LDADD = libtest.la liburcu-membarrier.la
tests_unit_stall_SOURCES = tests/unit/stall.c tests/unit/stall.h
tests_unit_stall_LDADD = libtest.la liburcu-membarrier.la
tests_unit_stall_handler_SOURCES = tests/unit/stall-handler.c tests/unit/stall.h
tests_unit_stall_handler_LDADD = libtest.la liburcu-membarrier.la
tests_unit_stall_lines_SOURCES = tests/unit/stall-lines.c tests/unit/stall.h
tests_unit_stall_lines_LDADD = libtest.la liburcu-membarrier.la

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

# One source, includes in both orders.
if HAVE_URCU_CDS
unit_programs += \
	tests/unit/cds \
	tests/unit/cds-after
cds_ldadd = libtest.la liburcu-membarrier.la -lurcu-cds $(URCU_COMMON_LIBS) -ldl
tests_unit_cds_LDADD = $(cds_ldadd)
tests_unit_cds_LDFLAGS = -export-dynamic
tests_unit_cds_after_SOURCES = tests/unit/cds.c
tests_unit_cds_after_CPPFLAGS = $(AM_CPPFLAGS) -DUMB_TEST_AFTER
tests_unit_cds_after_LDADD = $(cds_ldadd)
tests_unit_cds_after_LDFLAGS = -export-dynamic
endif

if HAVE_CXX
unit_programs += \
	tests/unit/debug-cxx \
	tests/unit/threads-cxx
tests_unit_debug_cxx_SOURCES = tests/unit/debug-cxx.cc
tests_unit_debug_cxx_CPPFLAGS = $(AM_CPPFLAGS) -DDEBUG_RCU
tests_unit_debug_cxx_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS)
tests_unit_threads_cxx_SOURCES = tests/unit/threads-cxx.cc
tests_unit_threads_cxx_LDADD = libtest.la liburcu-membarrier.la
endif

if HAVE_SECCOMP
unit_programs += \
	tests/unit/fence-degrade \
	tests/unit/reclaim-refused \
	tests/unit/start \
	tests/unit/start-dlopen
policy = tests/lib/policy.c tests/lib/policy.h
tests_unit_fence_degrade_SOURCES = tests/unit/fence-degrade.c $(policy)
tests_unit_fence_degrade_LDADD = libtest.la liburcu-membarrier.la -lseccomp
tests_unit_reclaim_refused_SOURCES = tests/unit/reclaim-refused.c $(policy)
tests_unit_reclaim_refused_LDADD = libtest.la liburcu-membarrier.la $(URCU_COMMON_LIBS) -lseccomp
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
tests_unit_defer_LDADD = libtest.la libumb.la $(URCU_COMMON_LIBS)
tests_unit_defer_LDFLAGS = -Wl,--wrap=calloc
tests_unit_fence_select_LDADD = libtest.la libumb.la
tests_unit_registry_LDADD = libtest.la libumb.la
tests_unit_signal_LDADD = libtest.la libumb.la
tests_unit_stall_clock_SOURCES = tests/unit/clock.h tests/unit/stall-clock.c tests/unit/stall.h
tests_unit_stall_clock_LDADD = libtest.la libumb.la
tests_unit_stall_clock_LDFLAGS = -Wl,--wrap=umbi_now_ns
tests_unit_stall_kinds_SOURCES = tests/unit/stall-kinds.c tests/unit/stall.h
tests_unit_stall_kinds_LDADD = libtest.la libumb.la
tests_unit_stall_kinds_LDFLAGS = -Wl,--wrap=umbi_fence_has_kernel,--wrap=umbi_cpus_set,--wrap=umbi_fence_online,--wrap=umbi_handler_check,--wrap=umbi_membarrier
tests_unit_stall_refused_SOURCES = tests/unit/stall-refused.c tests/unit/stall.h
tests_unit_stall_refused_LDADD = libtest.la libumb.la
tests_unit_stall_refused_LDFLAGS = -Wl,--wrap=pthread_create
tests_unit_stall_wait_SOURCES = tests/unit/clock.h tests/unit/stall-wait.c tests/unit/stall.h
tests_unit_stall_wait_LDADD = libtest.la libumb.la $(URCU_COMMON_LIBS)
tests_unit_stall_wait_LDFLAGS = -Wl,--wrap=umbi_fence_online,--wrap=umbi_now_ns
tests_unit_stats_SOURCES = tests/unit/stats.c tests/unit/stall.h
tests_unit_stats_LDADD = libtest.la libumb.la $(URCU_COMMON_LIBS)
tests_unit_stats_fences_LDADD = libtest.la libumb.la
tests_unit_stats_fences_LDFLAGS = -Wl,--wrap=umbi_membarrier
tests_unit_step_SOURCES = tests/unit/step-thread.c tests/unit/step.c tests/unit/step.h
tests_unit_step_LDADD = libtest.la libumb.la
tests_unit_threads_LDADD = libtest.la libumb.la
tests_unit_visit_LDADD = libtest.la libumb.la
tests_unit_visit_LDFLAGS = -Wl,--wrap=umbi_cpus_set,--wrap=umbi_membarrier,--wrap=umbi_signal_send
tests_unit_wrap_LDADD = libtest.la libumb.la
