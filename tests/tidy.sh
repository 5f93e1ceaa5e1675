#!/bin/sh
# SPDX-License-Identifier: MIT
#
# clang-tidy on the library and the examples, with the checks of .clang-tidy. Not part
# of make check: make check-tidy.

srcdir=${srcdir:-.}
build=$PWD	# where config.h is
cd "$srcdir" || exit 1
. tests/lib/tap.sh
. tests/lib/planted.sh

# tidy FILE...
tidy() {
	clang-tidy --quiet --config-file=.clang-tidy "$@" -- -std=gnu11 \
		-Iinclude -Isrc -I. -I"$build" -pthread >"$work/log" 2>"$work/errors"
}

if ! command -v clang-tidy >/dev/null; then
	skip "clang-tidy" "there is none"
	tap_end
fi
tidy "$work/planted.c"
found clang-analyzer-unix.Malloc misc-redundant-expression
for part in src/diag src/domain src/fence src/rcu src/reclaim src/sys src/thread \
	    doc/examples tools; do
	tidy "$part"/*.c && log= ||
		log=$(cat "$work/log" "$work/errors"; echo failed)
	result "clang-tidy: $part" "$(printf '%s' "$log" | head -n 60)"
done
tap_end
