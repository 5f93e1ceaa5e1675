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

library_with "undefined behaviour watched" "$undefined"
for program in cds ends fork fork-signal stall stall-lines torture; do
	run_with "undefined behaviour watched" "$undefined" $program
done
tap_end
