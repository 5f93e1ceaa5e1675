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
. "$srcdir/tests/lib/instrument.sh"

modes=${UMB_TSAN_MODES:-private-expedited signal}
tests='call-rcu defer gp lazy offline poll private rcu-barrier'
# A child of a process with threads can have none.
torture_rows='one-to-one nested many-updaters long-sections idle offline registration
churn limits polls callbacks lazy blocked'
thread='-O1 -fsanitize=thread'
limit=60	# seconds, for what hangs
found=66	# the exit status of a program that is reported
TSAN_OPTIONS="halt_on_error=1 exitcode=$found"
UMB_TEST_NO_FORK=1
export TSAN_OPTIONS UMB_TEST_NO_FORK
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
	$CC $thread -pthread "$work/probe.c" -o "$work/probe" 2>"$work/why" ||
		return 1
	for run in '' 'setarch -R'; do
		timeout $limit $run "$work/probe" 2>"$work/why" && return 0
	done
	return 1
}

# tries COMMAND...: says so if it fails
tries() {
	log=$("$@" 2>&1) && return
	result "built: $*" "${log:-it is not}"
	return 1
}

# program NAME LIBRARY...
program() {
	name=$1
	shift
	rm -f "$work/$name"
	tries $CC $flags $thread $warnings -I"$srcdir/include" -I"$srcdir" \
		"$srcdir/tests/tsan/$name.c" "$@" $more $libs -o "$work/$name"
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

# with LIBRARY'S-NAME LIBRARY...
with() {
	library=$1
	shift
	more=
	program right "$@" && program wrong "$@" || return
	for URCU_MEMBARRIER_MODE in $modes; do
		export URCU_MEMBARRIER_MODE
		what="$CC, $library library, $URCU_MEMBARRIER_MODE"
		right right "$what"
		wrong wrong "$what"
	done
	unset URCU_MEMBARRIER_MODE
	[ -n "$have_cds" ] || return
	more=-lurcu-cds
	program cds "$@" && right cds "$CC, $library library"
}

# The library's own tests, all of it instrumented. Not tests/unit/threads and the like:
# for a thread that ends inside a section, or reads in its last destructors, there is
# no ThreadSanitizer any more, which does not look at that.
own_tests() {
	for test in $tests torture; do
		log=$(build $test "$thread $no_warning") || {
			result "$CC, tests/$test is built" "$log"
			continue
		}
		rows=
		[ $test != torture ] || rows=$torture_rows
		for mode in $modes; do
			log=$(URCU_MEMBARRIER_MODE=$mode timeout 120 $run \
				"$work/$test" $rows 2>&1) && log= ||
				log=$(echo "exit status $?"; printf '%s' "$log" |
					grep -v '^ok' | head -n 60)
			result "$CC, tests/$test, $mode" "$log"
		done
	done
}

tried=
for CC in ${UMB_TSAN_COMPILERS:-gcc clang}; do
	if ! command -v $CC >/dev/null; then
		skip "$CC" "there is none"
		continue
	fi
	if ! can_run; then
		skip "$CC" "no ThreadSanitizer: $(head -n 1 "$work/why")"
		continue
	fi
	warnings='-Wall -Wextra -Werror' no_warning=
	echo 'int one;' | $CC -Werror -Wno-tsan -x c -c -o "$work/one.o" \
		- 2>/dev/null && no_warning=-Wno-tsan
	have_cds=
	echo '#include <urcu/rculfhash.h>' | $CC -x c -E - \
		>/dev/null 2>&1 && have_cds=1
	if [ -f .libs/liburcu-membarrier.so ]; then
		with shared -L.libs "-Wl,-rpath,$PWD/.libs" -lurcu-membarrier
	else
		skip "$CC, shared library" "it was not built"
	fi
	if [ -f .libs/liburcu-membarrier.a ]; then
		all=$modes modes=${modes%% *}
		with static .libs/liburcu-membarrier.a
		modes=$all
	else
		skip "$CC, static library" "it was not built"
	fi
	# It warns that it knows no fences.
	log=$(build_library "$thread $no_warning") || {
		result "$CC, instrumented library is built" "$log"
		continue
	}
	with instrumented "$work"/objects/src_*.o
	[ -n "$tried" ] || own_tests
	tried=1
done
tap_end
