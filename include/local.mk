# SPDX-License-Identifier: MIT
umbincludedir = $(includedir)/urcu-membarrier
umbinclude_HEADERS = \
	include/urcu-membarrier/fence.h \
	include/urcu-membarrier/pointer.h \
	include/urcu-membarrier/poll.h \
	include/urcu-membarrier/reclaim.h

urcuincludedir = $(includedir)/urcu
urcuinclude_HEADERS = \
	include/urcu/urcu-membarrier.h

urcumapincludedir = $(includedir)/urcu/map
urcumapinclude_HEADERS = \
	include/urcu/map/urcu-membarrier.h

urcustaticincludedir = $(includedir)/urcu/static
urcustaticinclude_HEADERS = \
	include/urcu/static/urcu-membarrier.h
