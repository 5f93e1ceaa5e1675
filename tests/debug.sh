#!/bin/sh
# SPDX-License-Identifier: MIT
# What DEBUG_RCU makes of a section, as the object code tells it; and that nothing of
# it is there without.
. "${srcdir:-.}/tests/lib/tap.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

cat >"$work/pair.c" <<'END'
#define URCU_API_MAP
#include <urcu/urcu-membarrier.h>
extern int *shared;
int read_it(void)
{
	int value;

	rcu_read_lock();
	value = *rcu_dereference(shared) + *umb_dereference(shared);
	rcu_read_unlock();
	return value;
}
END
cp "$work/pair.c" "$work/pair.cc"

# symbols COMPILER FILE FLAGS...: what of the debugging the object refers to.
symbols() {
	compiler=$1 file=$2
	shift 2
	rm -f "$work/pair.o"
	if ! log=$($compiler -O2 -I"${srcdir:-.}/include" "$@" -c "$work/$file" \
			-o "$work/pair.o" 2>&1); then
		printf '%s\n' "$log" failed
		return
	fi
	nm "$work/pair.o" | sed -n 's/.* U \(umb_debug_.*\)/\1/p' | tr '\n' ' '
}

all='umb_debug_dereference umb_debug_enable umb_debug_read_lock umb_debug_read_unlock '

check() {	# language, compiler, file
	if ! command -v "${2%% *}" >/dev/null || ! command -v nm >/dev/null; then
		skip "$1" "no compiler, or no nm"
		return
	fi
	found=$(symbols "$2" "$3" -DDEBUG_RCU)
	result "$1, with DEBUG_RCU: calls" \
		"$([ "$found" = "$all" ] || echo "refers to: $found")"
	found=$(symbols "$2" "$3")
	result "$1, without: none of them" \
		"$([ -z "$found" ] || echo "refers to: $found")"
}

check C "${CC:-cc}" pair.c
check C++ "${CXX:-c++}" pair.cc
tap_end
