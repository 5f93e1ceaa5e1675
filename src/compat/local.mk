# SPDX-License-Identifier: MIT
# For programs written for liburcu: what -lurcu, -lurcu-memb and pkg-config find.
# The headers are in include/local.mk.
compatlibdir = $(libdir)/urcu-membarrier/compat
compatlib_DATA =
compatpkgconfigdir = $(compatlibdir)/pkgconfig
compatpkgconfig_DATA =

if HAVE_LIBURCU_PC
compatpkgconfig_DATA += src/compat/liburcu.pc
endif
if HAVE_LIBURCU_MEMB_PC
compatpkgconfig_DATA += src/compat/liburcu-memb.pc
endif

# Linkers look beside the script first: so it holds under any prefix and DESTDIR.
compat_shared = \
	src/compat/liburcu-memb.so \
	src/compat/liburcu.so
compat_static = \
	src/compat/liburcu-memb.a \
	src/compat/liburcu.a
if BUILD_SHARED
compatlib_DATA += $(compat_shared)
endif
if BUILD_STATIC
compatlib_DATA += $(compat_static)
endif
$(compat_shared):
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		echo '/* GNU ld script */ INPUT(../../liburcu-membarrier.so)' >$@
$(compat_static):
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		echo '/* GNU ld script */ INPUT(../../liburcu-membarrier.a)' >$@
CLEANFILES += $(compat_shared) $(compat_static)
