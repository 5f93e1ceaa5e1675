# SPDX-License-Identifier: MIT
noinst_PROGRAMS += tests/bench/urcu-bench

tests_bench_urcu_bench_SOURCES = \
	tests/bench/bare.h \
	tests/bench/bench.h \
	tests/bench/call.c \
	tests/bench/callback.c \
	tests/bench/callback.h \
	tests/bench/child.c \
	tests/bench/fence.c \
	tests/bench/goals.c \
	tests/bench/gp.c \
	tests/bench/json.c \
	tests/bench/loops.h \
	tests/bench/machine.c \
	tests/bench/main.c \
	tests/bench/options.c \
	tests/bench/queue.h \
	tests/bench/read.c \
	tests/bench/run.c \
	tests/bench/rw.c \
	tests/bench/rw.h \
	tests/bench/schemes.c \
	tests/bench/schemes/bare.c \
	tests/bench/schemes/domain.c \
	tests/bench/schemes/empty.c \
	tests/bench/schemes/in-process.c \
	tests/bench/schemes/liburcu.h \
	tests/bench/schemes/rwlock-shared.c \
	tests/bench/schemes/rwlock.c \
	tests/bench/schemes/seqlock.c \
	tests/bench/schemes/shared.h \
	tests/bench/schemes/umb-bounded.c \
	tests/bench/schemes/umb-calls.c \
	tests/bench/schemes/umb.c \
	tests/bench/schemes/unprotected.c \
	tests/bench/shared.c \
	tests/bench/shared.h \
	tests/bench/table.c \
	tests/bench/timing.c \
	tests/lib/steps.c \
	tests/lib/steps.h

# Every scheme's loops start at the same place of a fetch line.
tests_bench_urcu_bench_CFLAGS = $(AM_CFLAGS) -falign-functions=64 -falign-loops=64
tests_bench_urcu_bench_LDFLAGS = -no-install
tests_bench_urcu_bench_LDADD = liburcu-membarrier.la

# A scheme that is not built here is listed as not installed.
if HAVE_URCU_BP
tests_bench_urcu_bench_SOURCES += \
	tests/bench/schemes/bp-calls.c \
	tests/bench/schemes/bp.c
tests_bench_urcu_bench_LDADD += -lurcu-bp
endif
if HAVE_URCU_MB
tests_bench_urcu_bench_SOURCES += \
	tests/bench/schemes/mb-calls.c \
	tests/bench/schemes/mb.c
tests_bench_urcu_bench_LDADD += -lurcu-mb
endif
if HAVE_URCU_MEMB
tests_bench_urcu_bench_SOURCES += \
	tests/bench/schemes/memb-calls.c \
	tests/bench/schemes/memb.c
tests_bench_urcu_bench_LDADD += -lurcu-memb
endif
if HAVE_URCU_QSBR
tests_bench_urcu_bench_SOURCES += \
	tests/bench/schemes/qsbr-calls.c \
	tests/bench/schemes/qsbr.c
tests_bench_urcu_bench_LDADD += -lurcu-qsbr
endif
if HAVE_URCU_SIGNAL
tests_bench_urcu_bench_SOURCES += \
	tests/bench/schemes/signal-calls.c \
	tests/bench/schemes/signal.c
tests_bench_urcu_bench_LDADD += -lurcu-signal
endif
if HAVE_CK
tests_bench_urcu_bench_SOURCES += tests/bench/schemes/ck.c
tests_bench_urcu_bench_LDADD += -lck
endif

if HAVE_LMDB
tests_bench_urcu_bench_SOURCES += \
	tests/bench/schemes/lmdb-renew.c \
	tests/bench/schemes/lmdb.c \
	tests/bench/schemes/lmdb.h
tests_bench_urcu_bench_LDADD += -llmdb
endif

tests_bench_urcu_bench_LDADD += $(URCU_COMMON_LIBS) -lm

.PHONY: bench
bench: tests/bench/urcu-bench
	tests/bench/urcu-bench rw
	tests/bench/urcu-bench read
	tests/bench/urcu-bench gp
	tests/bench/urcu-bench fence
	tests/bench/urcu-bench call
	tests/bench/urcu-bench shared
