#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Memory that is lost, or used when it is not there, by valgrind: where workers
# start and end, and where the library comes and goes. Not part of make check: make
# check-valgrind. In the build directory.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
. "$srcdir/tests/lib/instrument.sh"

# A thread that is alive at exit has its TLS, by a pointer to its middle.
suppressions() {
	cat <<-'END'
	{
	   tls-of-a-living-thread
	   Memcheck:Leak
	   match-leak-kinds: possible
	   fun:calloc
	   ...
	   fun:_dl_allocate_tls
	}
	END
}

# grind NAME COMMAND...
grind() {
	name=$1
	shift
	log=$(valgrind -q --leak-check=full --error-exitcode=99 \
		--errors-for-leak-kinds=definite,possible --trace-children=no \
		--suppressions="$work/supp" "$@" 2>&1) && log=
	result "$name" "$(faults "$log")"
}

if ! command -v valgrind >/dev/null; then
	skip "valgrind" "there is none"
	tap_end
fi
suppressions >"$work/supp"
log=$(build_library -O1 && build ends -O1) || {
	result "the library is built" "$log"
	tap_end
}
for end in idle once queued callback child 10; do
	grind "a process ends: $end" "$work/ends" $end
done
if [ -x tests/unit/dlopen ]; then
	UMB_TEST_ROUNDS=20
	export UMB_TEST_ROUNDS
	grind "dlopen and dlclose" ./tests/unit/dlopen
else
	skip "dlopen and dlclose" "make tests/unit/dlopen first"
fi
tap_end
