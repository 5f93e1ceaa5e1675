#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/reliability.md has exactly the faults that can be shown. In the build directory.
. "${srcdir:-.}/tests/lib/tap.sh"

# rows COLUMN: what stands in that column of the table of faults.
rows() {
	sed -n '/^## Faults/,/^`cpu-offline/p' "${srcdir:-.}/doc/reliability.md" |
		grep '^|' | tail -n +3 | cut -d'|' -f"$1" | grep -o '`[a-z-]*`' |
		tr -d '`' | LC_ALL=C sort
}

check() {	# program, column
	if [ ! -x "tests/fault/$1" ]; then
		skip "the faults of $1" "it was not built"
		return
	fi
	"tests/fault/$1" --list | cut -f1 | LC_ALL=C sort >"$work/has"
	rows "$2" >"$work/says"
	[ -s "$work/has" ] || echo "no row" >>"$work/says"
	result "the faults of $1 are in the table" \
		"$(diff "$work/has" "$work/says" | sed -n 's/^[<>]/&/p')"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
check injected 4
check filtered 5
tap_end
