#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ThreadSanitizer. Programs that use the library are built with it: those that are
# right must not be reported, those that are wrong must. With the library as it is
# installed, which is not built with it, and with one that is; with such a one, the
# library's own tests, too. Not part of make check: make check-tsan. In the build
# directory. UMB_TSAN_MODES, UMB_TSAN_COMPILERS: some only.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

modes=${UMB_TSAN_MODES:-private-expedited signal}
tests='call-rcu defer gp lazy offline poll rcu-barrier'
# A child of a process with threads can have none.
torture_rows='one-to-one nested many-updaters long-sections idle offline registration
churn limits polls callbacks lazy blocked'
flags="-std=gnu11 -O1 -g -pthread -fsanitize=thread
-I$srcdir/include -I$srcdir/src -I$srcdir"
common=${URCU_COMMON_LIBS--lurcu-common}
limit=60	# seconds, for what hangs
found=66	# the exit status of a program that is reported
TSAN_OPTIONS="halt_on_error=1 exitcode=$found"
export TSAN_OPTIONS
run=

# Addresses that the kernel chooses too far apart are not all that it knows.
can_run() {
	cat >"$work/probe.c" <<-'END'
	#include <pthread.h>
	static void *nothing(void *arg) { return arg; }
	int main(void)
	{
		pthread_t t;
		return pthread_create(&t, NULL, nothing, NULL)
			|| pthread_join(t, NULL);
	}
	END
	rm -f "$work/probe"
	$1 $flags "$work/probe.c" -o "$work/probe" 2>"$work/why" || return 1
	for run in '' 'setarch -R'; do
		timeout $limit $run "$work/probe" 2>"$work/why" && return 0
	done
	return 1
}

# build LOG COMPILER...: nothing if it goes well
build() {
	log=$("$@" 2>&1) && return
	result "built: $*" "${log:-it is not}"
	return 1
}

# The library, built with ThreadSanitizer. It warns that it knows no fences.
instrumented() {
	rm -rf "$work/objects"
	mkdir "$work/objects"
	find "$srcdir/src" -name '*.c' >"$work/sources"
	while read -r source; do
		build $1 $flags $no_warning -c "$source" -o \
			"$work/objects/o$(echo "$source" | tr / _).o" || return 1
	done <"$work/sources"
}

# program COMPILER NAME LIBRARY...
program() {
	compiler=$1 name=$2
	shift 2
	rm -f "$work/$name"
	build $compiler $flags $warnings "$srcdir/tests/tsan/$name.c" "$@" \
		$more $common -o "$work/$name"
}

# The names of a program's cases, each in a line.
cases() {
	$run "$work/$1" >"$work/cases"
	[ -s "$work/cases" ] || result "$1 has cases" "it has none"
}

# right NAME WHAT: not one of its cases is reported
right() {
	cases "$1"
	while read -r case; do
		timeout $limit $run "$work/$1" "$case" >"$work/log" 2>&1
		status=$?
		faults=
		[ $status -eq 0 ] ||
			faults="exit status $status
$(head -n 40 "$work/log")"
		result "$2: right: $case" "$faults"
	done <"$work/cases"
}

# wrong NAME WHAT: each is, as a data race
wrong() {
	cases "$1"
	while read -r case; do
		timeout $limit $run "$work/$1" "$case" >"$work/log" 2>&1
		status=$?
		faults=
		[ $status -eq $found ] && grep -q \
			'^WARNING: ThreadSanitizer: data race' "$work/log" ||
			faults="exit status $status, and no data race reported
$(head -n 40 "$work/log")"
		result "$2: wrong: $case" "$faults"
	done <"$work/cases"
}

# with COMPILER LIBRARY'S-NAME LIBRARY...
with() {
	compiler=$1 library=$2
	shift 2
	more=
	program $compiler right "$@" && program $compiler wrong "$@" || return
	for URCU_MEMBARRIER_MODE in $modes; do
		export URCU_MEMBARRIER_MODE
		what="$compiler, $library library, $URCU_MEMBARRIER_MODE"
		right right "$what"
		wrong wrong "$what"
	done
	unset URCU_MEMBARRIER_MODE
	[ -n "$have_cds" ] || return
	more=-lurcu-cds
	program $compiler cds "$@" && right cds "$compiler, $library library"
}

# The library's own tests, all of it instrumented. Not tests/unit/threads and the like:
# for a thread that ends inside a section, or reads in its last destructors, there is
# no ThreadSanitizer any more, which does not look at that.
own_tests() {
	for test in $tests torture; do
		source="$srcdir/tests/unit/$test.c" wrapped= rows=
		case $test in
		defer)
			wrapped=-Wl,--wrap=calloc
			;;
		torture)
			source=$(ls "$srcdir"/tests/torture/*.c)
			rows=$torture_rows
			;;
		esac
		build $1 $flags $source "$srcdir"/tests/lib/tap.c \
			"$srcdir"/tests/lib/again.c "$srcdir"/tests/lib/cases.c \
			"$srcdir"/tests/lib/said.c \
			"$work"/objects/*.o $wrapped $common -o "$work/$test" ||
			continue
		for mode in $modes; do
			log=$(URCU_MEMBARRIER_MODE=$mode timeout 120 $run \
				"$work/$test" $rows 2>&1) && log= ||
				log=$(echo "exit status $?"; printf '%s' "$log" |
					grep -v '^ok' | head -n 60)
			result "$1, tests/$test, $mode" "$log"
		done
	done
}

tried=
for compiler in ${UMB_TSAN_COMPILERS:-gcc clang}; do
	if ! command -v $compiler >/dev/null; then
		skip "$compiler" "there is none"
		continue
	fi
	if ! can_run $compiler; then
		skip "$compiler" "no ThreadSanitizer: $(head -n 1 "$work/why")"
		continue
	fi
	warnings='-Wall -Wextra -Werror' no_warning=
	echo 'int one;' | $compiler -Werror -Wno-tsan -x c -c -o "$work/one.o" \
		- 2>/dev/null && no_warning=-Wno-tsan
	have_cds=
	echo '#include <urcu/rculfhash.h>' | $compiler -x c -E - \
		>/dev/null 2>&1 && have_cds=1
	if [ -f .libs/liburcu-membarrier.so ]; then
		with $compiler shared -L.libs "-Wl,-rpath,$PWD/.libs" \
			-lurcu-membarrier
	else
		skip "$compiler, shared library" "it was not built"
	fi
	if [ -f .libs/liburcu-membarrier.a ]; then
		modes=${modes%% *} with $compiler static \
			.libs/liburcu-membarrier.a
	else
		skip "$compiler, static library" "it was not built"
	fi
	instrumented $compiler || continue
	with $compiler instrumented "$work"/objects/*.o
	[ -n "$tried" ] || own_tests $compiler
	tried=1
done
tap_end
