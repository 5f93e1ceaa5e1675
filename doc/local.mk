# SPDX-License-Identifier: MIT
dist_doc_DATA = \
	NEWS \
	README.md \
	doc/design.md \
	doc/domains.md \
	doc/migrating.md \
	doc/musl.md \
	doc/ordering.md \
	doc/programs.md \
	doc/reliability.md

dist_man_MANS = \
	doc/man/umb_debug_enable.3 \
	doc/man/umb_dereference.3 \
	doc/man/umb_domain_create.3 \
	doc/man/umb_domain_info.3 \
	doc/man/umb_domain_read_lock.3 \
	doc/man/umb_domain_synchronize.3 \
	doc/man/umb_fence_heavy.3 \
	doc/man/umb_fence_signal.3 \
	doc/man/umb_offset_assign.3 \
	doc/man/umb_reclaim_set_watermarks.3 \
	doc/man/umb_stall_set.3 \
	doc/man/umb_stats_get.3 \
	doc/man/urcu-domain.1 \
	doc/man/urcu_membarrier_call_rcu.3 \
	doc/man/urcu_membarrier_defer_rcu.3 \
	doc/man/urcu_membarrier_flavor.3 \
	doc/man/urcu_membarrier_read_lock.3 \
	doc/man/urcu_membarrier_start_poll_synchronize_rcu.3

# Whole small programs; the tests run them.
example_programs = \
	doc/examples/backlog \
	doc/examples/biased-lock \
	doc/examples/event-loop \
	doc/examples/hello \
	doc/examples/reload \
	doc/examples/shared-config \
	doc/examples/stall
check_PROGRAMS += $(example_programs)
doc_examples_backlog_LDADD = liburcu-membarrier.la
doc_examples_biased_lock_LDADD = liburcu-membarrier.la
doc_examples_event_loop_LDADD = liburcu-membarrier.la
doc_examples_hello_LDADD = liburcu-membarrier.la
doc_examples_reload_LDADD = liburcu-membarrier.la
doc_examples_shared_config_LDADD = liburcu-membarrier.la
doc_examples_stall_LDADD = liburcu-membarrier.la

# For bpftrace.
dist_doc_DATA += doc/examples/grace-periods.bt
