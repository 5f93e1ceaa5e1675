#!/bin/sh
# SPDX-License-Identifier: MIT
# Symbol map, headers and manual pages agree, and the pages are well-formed.
srcdir=${srcdir:-.}
cd "$srcdir" || exit 1
. tests/lib/tap.sh

# What the inlined code uses, and liburcu's own names, are no interface.
exported=$(sed -n 's/^\t\([a-z_]*\);$/\1/p' src/liburcu-membarrier.map |
	grep -vE '^rcu_|_slow$|_(gp|reader)$')
declared=$(cat include/urcu/urcu-membarrier.h include/urcu-membarrier/*.h |
	grep -vE '^struct [a-z_]+;|_slow\(' |
	sed -nE 's/^(static inline |extern |#define )?([a-z_* ]+[ *])?(um[b]_[a-z_]+|urcu_membarrier_[a-z_]+)(\(.*|;)$/\3/p' |
	LC_ALL=C sort -u)
named=$(sed -nE 's/^\.Nm ([a-z_]+).*$/\1/p' doc/man/*.3 | LC_ALL=C sort -u)

missing() {	# names, list
	for name in $1; do
		printf '%s\n' "$2" | grep -qx "$name" || echo "$name"
	done
}

[ "$(printf '%s\n' "$exported" | grep -c .)" -ge 10 ] || few="found only: $exported"
result "the symbol map is read" "$few"
result "every exported function is declared" "$(missing "$exported" "$declared")"
result "every declared name has a manual page" "$(missing "$declared" "$named")"
result "every manual page documents what is declared" "$(missing "$named" "$declared")"
if command -v mandoc >/dev/null; then
	result "the pages are well-formed" "$(mandoc -T lint -W warning doc/man/*.[13] 2>&1)"
else
	skip "the pages are well-formed" "no mandoc"
fi
tap_end
