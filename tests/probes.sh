#!/bin/sh
# SPDX-License-Identifier: MIT
# The static probes are in the library, and doc/examples/grace-periods.bt finds them.
# From the environment: CC, srcdir, UMB_HAVE_SDT. Runs in the build directory.
: "${CC:=cc}" "${srcdir:=.}"
. "$srcdir/tests/lib/tap.sh"
unset URCU_MEMBARRIER_MODE

library=$PWD/.libs/liburcu-membarrier.so
names='batch_end batch_start degradation fence_end fence_start gp_end gp_start stall'

give_up() {
	echo "1..0 # SKIP $1"
	exit 0
}

[ "$UMB_HAVE_SDT" != no ] || give_up "there is no <sys/sdt.h>"
command -v readelf >/dev/null || give_up "there is no readelf"
[ -f "$library" ] || give_up "no shared library was built"

notes=$(readelf -n "$library" 2>/dev/null)
found=$(printf '%s\n' "$notes" | awk '$1 == "Provider:" { ours = $2 == "urcu_membarrier" }
	$1 == "Name:" && ours { print $2 }' | LC_ALL=C sort -u | tr '\n' ' ')
result "the library has the probes that tracers know" \
	"$([ "$found" = "$names " ] || echo "it has: $found")"
# Not every tracer can find an operand in memory by its symbol.
result "their arguments are in registers, or numbers" \
	"$(printf '%s\n' "$notes" | awk '$1 == "Provider:" { ours = $2 == "urcu_membarrier" }
	$1 == "Arguments:" && ours && /rip|\(/')"

example=$srcdir/doc/examples/grace-periods.bt
for name in $names; do
	grep -q "^usdt:\$1:urcu_membarrier:$name\$" "$example" ||
		missing="$missing $name"
done
result "the example has them all" "$missing"

dir=$(mktemp -d) || exit 99
program=
trap 'kill $program 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM

what="the example traces a program"
if ! command -v bpftrace >/dev/null; then
	skip "$what" "there is no bpftrace"
	tap_end
fi
# Probes need tracefs; where it is not mounted, in a place of our own.
cat >"$dir/trace" <<'END'
[ -e /sys/kernel/tracing/uprobe_events ] ||
	[ -e /sys/kernel/debug/tracing/uprobe_events ] ||
	mount -t tracefs none /sys/kernel/tracing || exit 1
exec timeout -s INT "$1" bpftrace "$2" "$3"
END
trace() {	# seconds, script
	unshare -m sh "$dir/trace" "$1" "$2" "$library" 2>&1
}
echo 'usdt:$1:urcu_membarrier:gp_end { exit(); } interval:ms:1 { exit(); }' \
	>"$dir/try.bt"
if ! trace 20 "$dir/try.bt" >"$dir/log" || grep -q 'failed to' "$dir/log"; then
	skip "$what" "probes are not permitted here"
	tap_end
fi

${CC} -O2 -I"$srcdir/include" -o "$dir/program" "$srcdir/tests/probes/program.c" \
	"$library" -pthread -Wl,-rpath,"$PWD/.libs" || exit 99
"$dir/program" &
program=$!
# On a busy machine it takes seconds to begin.
for seconds in 2 10 40; do
	log=$(trace $seconds "$example")
	faults=
	for pattern in '^@grace_period_us:' '^@slept_on_readers: [1-9]' \
			'^@fences_by_mode\[[1-5]\]: [1-9]' \
			'^@fence_us_by_mode\[[1-5]\]: count' \
			'^@callbacks_that_wait:' '^@batch_us:' \
			"thread [0-9]* keeps others waiting, for [1-9][0-9]* ms"; do
		printf '%s\n' "$log" | grep -q "$pattern" ||
			faults="$faults no line like $pattern"
	done
	[ -n "$faults" ] || break
done
[ -z "$faults" ] || faults="$faults
$log"
result "$what" "$faults"
result "and leaves nothing behind" \
	"$(printf '%s\n' "$log" | grep '^@\(started\|fence_began\|batch_began\)')"
tap_end
