#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The undefined-behaviour sanitizer on the library and on what calls most of it.
# Not part of make check: make check-ubsan. In the build directory.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
. "$srcdir/tests/lib/instrument.sh"

undefined='-O1 -fsanitize=undefined -fno-sanitize-recover=all'
UBSAN_OPTIONS=print_stacktrace=1
export UBSAN_OPTIONS

if ! can_build "$undefined"; then
	skip "the undefined-behaviour sanitizer" "the compiler has none"
	tap_end
fi
log=$(build_library "$undefined") || {
	result "the library is built with undefined behaviour watched" "$log"
	tap_end
}
for program in cds fork fork-signal stall stall-lines; do
	run_with "undefined behaviour watched" "$undefined" $program
done
run_with "undefined behaviour watched" "$undefined" torture
tap_end
