#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The address sanitizer on the library and what frees memory. Torture poisons
# elements when they are free, so that readers who come too late are seen in the
# act. Not part of make check: make check-asan. In the build directory.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
. "$srcdir/tests/lib/instrument.sh"

address='-O1 -fsanitize=address -fno-omit-frame-pointer'
# Where other threads allocate, the sanitizer's own locks do not survive a fork (gcc
# 12's: a child hangs in its malloc). Threads that a child does not have leave their
# memory behind in it.
UMB_TEST_NO_FORK=1
ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
export ASAN_OPTIONS UMB_TEST_NO_FORK

library_with "addresses watched" "$address"
for program in cds ends fuzz private shared-file stall stall-lines; do
	run_with "addresses watched" "$address" $program
done
run_with "addresses watched" "$address" torture nested idle registration churn \
	limits polls callbacks signals-registration blocked oversubscribed

# A library that does not wait must not get through.
mkdir -p "$work/tree/src/rcu"
sed 's/out = !hold_readers(gp, word);/out = !hold_readers(gp, word) || 1;/' \
	"$srcdir/src/rcu/gp.c" >"$work/tree/src/rcu/gp.c"
log=$(diff "$srcdir/src/rcu/gp.c" "$work/tree/src/rcu/gp.c" >/dev/null &&
	echo "there is no line to change"
	tree=$work/tree
	compile src/rcu/gp.c "$address -I$srcdir/include -I$srcdir/src -I$srcdir")
build torture "$address" >/dev/null
[ -n "$log" ] || "$work/torture" --seconds 2 nested callbacks >"$work/log" 2>&1
result "a section in freed memory is reported" "$log$(
	grep -q use-after-poison "$work/log" || tail -n 20 "$work/log")"
tap_end
