#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The undefined-behaviour sanitizer on the library and on what calls most of it.
# Not part of make check: make check-ubsan. In the build directory.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
. "$srcdir/tests/lib/instrument.sh"

# Not null: gcc takes the flags of the addition that gives a thread's variable its
# address, which the linker makes an lea that sets none.
undefined='-O1 -fsanitize=undefined -fno-sanitize=null -fno-sanitize-recover=all'
UBSAN_OPTIONS=print_stacktrace=1
export UBSAN_OPTIONS

library_with "undefined behaviour watched" "$undefined"
for program in cds ends fork fork-signal fuzz private shared-file stall stall-lines \
	torture; do
	run_with "undefined behaviour watched" "$undefined" $program
done
tap_end
