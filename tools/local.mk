# SPDX-License-Identifier: MIT
bin_PROGRAMS += tools/urcu-domain
tools_urcu_domain_SOURCES = \
	tools/print.c \
	tools/print.h \
	tools/urcu-domain.c
tools_urcu_domain_LDADD = liburcu-membarrier.la
