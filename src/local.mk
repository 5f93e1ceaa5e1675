# SPDX-License-Identifier: MIT
lib_LTLIBRARIES += liburcu-membarrier.la

# All of it, hidden symbols included; white-box tests link with this.
noinst_LTLIBRARIES += libumb.la
libumb_la_SOURCES = \
	src/diag/debug.c \
	src/diag/place.c \
	src/diag/place.h \
	src/diag/stall.c \
	src/diag/stall.h \
	src/diag/stats.c \
	src/domain/area.c \
	src/domain/domain.c \
	src/domain/parts.h \
	src/domain/reader.c \
	src/domain/segment.c \
	src/domain/slots.c \
	src/fence/backend.h \
	src/fence/combine.c \
	src/fence/combine.h \
	src/fence/environment.c \
	src/fence/fence.c \
	src/fence/fence.h \
	src/fence/handler.c \
	src/fence/kernel.c \
	src/fence/signal.c \
	src/fence/visit.c \
	src/rcu/gp.c \
	src/rcu/gp.h \
	src/rcu/note.c \
	src/rcu/note.h \
	src/rcu/pointer.c \
	src/rcu/reader.c \
	src/reclaim/callback.c \
	src/reclaim/defer.c \
	src/reclaim/flavor.c \
	src/reclaim/fork.c \
	src/reclaim/gate.c \
	src/reclaim/gate.h \
	src/reclaim/limit.c \
	src/reclaim/poll.c \
	src/reclaim/queue.c \
	src/reclaim/worker.c \
	src/reclaim/worker.h \
	src/sys/call.h \
	src/sys/clock.c \
	src/sys/cpu.c \
	src/sys/fd.c \
	src/sys/file.c \
	src/sys/futex.c \
	src/sys/lock.c \
	src/sys/membarrier.c \
	src/sys/memory.c \
	src/sys/probe.h \
	src/sys/sandbox.c \
	src/sys/say.c \
	src/sys/signal.c \
	src/sys/sys.h \
	src/sys/task.c \
	src/sys/tsan.h \
	src/thread/copies.c \
	src/thread/debug.h \
	src/thread/fork.c \
	src/thread/fork.h \
	src/thread/hold.c \
	src/thread/hold.h \
	src/thread/registry.c \
	src/thread/registry.h \
	src/thread/stall.h \
	src/thread/thread.c \
	src/thread/thread.h

liburcu_membarrier_la_SOURCES =
liburcu_membarrier_la_LIBADD = libumb.la
# nodelete: threads may exit through our destructor after a dlclose.
liburcu_membarrier_la_LDFLAGS = \
	-version-info $(LIBRARY_VERSION) \
	-no-undefined \
	-Wl,-z,nodelete \
	-Wl,--version-script=$(top_srcdir)/src/liburcu-membarrier.map
EXTRA_liburcu_membarrier_la_DEPENDENCIES = $(top_srcdir)/src/liburcu-membarrier.map

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = src/liburcu-membarrier.pc

# For gdb: its command source, or .gdbinit.
dist_pkgdata_DATA = src/diag/urcu-membarrier-gdb.py

EXTRA_DIST += src/liburcu-membarrier.map

include $(srcdir)/src/compat/local.mk
