# SPDX-License-Identifier: MIT
umbincludedir = $(includedir)/urcu-membarrier
umbinclude_HEADERS = \
	include/urcu-membarrier/debug.h \
	include/urcu-membarrier/domain.h \
	include/urcu-membarrier/fence.h \
	include/urcu-membarrier/pointer.h \
	include/urcu-membarrier/poll.h \
	include/urcu-membarrier/reclaim.h \
	include/urcu-membarrier/stall.h \
	include/urcu-membarrier/stats.h \
	include/urcu-membarrier/tsan.h

urcuincludedir = $(includedir)/urcu
urcuinclude_HEADERS = \
	include/urcu/urcu-membarrier.h

urcumapincludedir = $(includedir)/urcu/map
urcumapinclude_HEADERS = \
	include/urcu/map/urcu-membarrier.h

urcustaticincludedir = $(includedir)/urcu/static
urcustaticinclude_HEADERS = \
	include/urcu/static/urcu-membarrier.h

# The drop-in for liburcu's headers, apart from the rest: -I finds it.
compatincludedir = $(umbincludedir)/compat
compatinclude_HEADERS = \
	include/compat/urcu.h

compaturcuincludedir = $(compatincludedir)/urcu
compaturcuinclude_HEADERS = \
	include/compat/urcu/urcu-memb.h \
	include/compat/urcu/urcu.h

compatmapincludedir = $(compaturcuincludedir)/map
compatmapinclude_HEADERS = \
	include/compat/urcu/map/urcu-memb.h

compatstaticincludedir = $(compaturcuincludedir)/static
compatstaticinclude_HEADERS = \
	include/compat/urcu/static/urcu-memb.h
