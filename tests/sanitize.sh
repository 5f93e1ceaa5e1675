#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The library and the tests that free memory, built with the address and the
# undefined-behaviour sanitizers; and what starts and ends workers, under
# valgrind. Not part of make check: make check-sanitize. In the build directory.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM

# Where other threads allocate, the address sanitizer's own locks do not survive a
# fork (gcc 12's: a child hangs in its malloc): there only the other one.
with_address='cds ends stall stall-lines'
without_address='cds fork fork-signal'
common="$srcdir/tests/lib/tap.c"
family="$srcdir/tests/lib/family.c $srcdir/tests/lib/family-acts.c
$srcdir/tests/lib/family-company.c"
undefined='-fsanitize=undefined -fno-sanitize-recover=all'
address="-fsanitize=address $undefined -fno-omit-frame-pointer"
flags="-std=gnu11 -O1 -g -pthread -I$srcdir/include -I$srcdir/src -I$srcdir"
# Threads that a child does not have leave their memory behind in it.
ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS

# build PROGRAM SANITIZERS
build() {
	more=
	case $1 in
	fork*) more=$family ;;
	cds) more='-rdynamic -lurcu-cds -ldl' ;;
	stall*) more="$srcdir/tests/lib/cases.c $srcdir/tests/lib/said.c" ;;
	esac
	${CC:-gcc} $flags $2 $(find "$srcdir/src" -name '*.c') $common \
		"$srcdir/tests/unit/$1.c" $more ${URCU_COMMON_LIBS--lurcu-common} \
		-o "$work/$1" 2>&1
}

can_sanitize() {
	echo 'int main(void) { return 0; }' |
		${CC:-gcc} $address -x c -o "$work/probe" - 2>/dev/null &&
		"$work/probe"
}

# sanitized PROGRAM SANITIZERS NAME
sanitized() {
	rm -f "$work/$1"
	log=$(build "$1" "$2")
	if [ ! -x "$work/$1" ]; then
		result "$1 is built with $3" "${log:-it is not}"
		return
	fi
	log=$("$work/$1" 2>&1) && log=
	result "$1 with $3" \
		"$(printf '%s' "$log" | grep -v '^ok ' | head -n 40)"
}

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
	result "valgrind: $name" \
		"$(printf '%s' "$log" | grep -v '^ok ' | head -n 40)"
}

if can_sanitize; then
	for program in $without_address; do
		sanitized $program "$undefined" "undefined behaviour watched"
	done
	UMB_TEST_NO_FORK=1
	export UMB_TEST_NO_FORK
	for program in $with_address; do
		sanitized $program "$address" "addresses watched, too"
	done
	unset UMB_TEST_NO_FORK
else
	skip "sanitizers" "the compiler has none"
fi

if ! command -v valgrind >/dev/null; then
	skip "valgrind" "there is none"
	tap_end
fi
suppressions >"$work/supp"
${CC:-gcc} $flags $(find "$srcdir/src" -name '*.c') $common \
	"$srcdir/tests/unit/ends.c" ${URCU_COMMON_LIBS--lurcu-common} \
	-o "$work/plain"
for end in idle once queued callback child 10; do
	grind "a process ends: $end" "$work/plain" $end
done
if [ -x tests/unit/dlopen ]; then
	UMB_TEST_ROUNDS=20
	export UMB_TEST_ROUNDS
	grind "dlopen and dlclose" ./tests/unit/dlopen
else
	skip "valgrind: dlopen and dlclose" "make tests/unit/dlopen first"
fi
tap_end
