# SPDX-License-Identifier: MIT
torture_programs = \
	tests/torture/torture

tests_torture_torture_LDADD = libtest.la liburcu-membarrier.la
