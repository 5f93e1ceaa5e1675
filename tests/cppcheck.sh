#!/bin/sh
# SPDX-License-Identifier: MIT
#
# cppcheck on the library, the examples and the tests. Not part of make check: make
# check-cppcheck.

srcdir=${srcdir:-.}
cd "$srcdir" || exit 1
. tests/lib/tap.sh
. tests/lib/planted.sh

# Each suppression has its reason. cppcheck says so if one is not needed any more.
cppcheck_suppressions() {
	cat >"$work/suppressions" <<-'END'
	# NULL is a pointer in the C libraries of Linux, and may end the arguments.
	varFuncNullUB
	# The index is looked at before, in the same expression.
	arrayIndexOutOfBoundsCond:src/fence/fence.c
	# It is tried with machines that have no number for membarrier(2).
	preprocessorErrorDirective:src/sys/membarrier.c
	# The kernel writes to it, which a raw system call does not show.
	legacyUninitvar:src/sys/sandbox.c
	# Bytes of a structure that is filled by its name.
	uninitvar:tests/unit/stats.c
	# No buffer, of no bytes: as snprintf() has it.
	ctunullpointer:src/diag/stall.c
	# An address in a table of options, cast to the type that its row names.
	invalidPointerCast:tests/bench/options.c
	# What is published by an atomic operation is not lost.
	memleak:doc/examples/event-loop.c
	memleak:doc/examples/hello.c
	# Which strings macros expand to is what is tested.
	staticStringCompare:tests/unit/api-both.c
	# They are built with DEBUG_RCU.
	preprocessorErrorDirective:tests/unit/debug.c
	preprocessorErrorDirective:tests/unit/debug-cxx.cc
	# A loop by a macro of liburcu's.
	unknownMacro:tests/unit/cds.c
	END
}

# With headers that are not there: __has_include would be taken for a division.
run_cppcheck() {
	cppcheck --quiet --std=c11 --enable=warning,portability,performance \
		--inline-suppr --error-exitcode=1 -Iinclude -Isrc -I. \
		-U__has_include '-DElfW(type)=Elf64_##type' \
		--template='{file}:{line}: {id}: {message}' \
		--suppressions-list="$work/suppressions" "$@" >"$work/log" 2>&1
}

if ! command -v cppcheck >/dev/null; then
	skip "cppcheck" "there is none"
	tap_end
fi
: >"$work/suppressions"
run_cppcheck "$work/planted.c"
found arrayIndexOutOfBounds memleak
cppcheck_suppressions
for part in src doc/examples tests/bench tests/fault tests/lib tests/torture \
	    tests/unit tools; do
	run_cppcheck "$part" && log= || log=$(cat "$work/log"; echo failed)
	result "cppcheck: $part" "$log"
done
tap_end
