#!/bin/sh
# SPDX-License-Identifier: MIT
# The command rcu-readers for gdb: in a live process, in its core file, with a library
# that has lost its symbols. From the environment: CC, srcdir. Runs in the build
# directory.
: "${CC:=cc}" "${srcdir:=.}"
. "$srcdir/tests/lib/tap.sh"
unset URCU_MEMBARRIER_MODE DEBUGINFOD_URLS

script=$srcdir/src/diag/urcu-membarrier-gdb.py
built=$PWD/.libs/liburcu-membarrier.so

give_up() {
	echo "1..0 # SKIP $1"
	exit 0
}

command -v gdb >/dev/null || give_up "there is no gdb"
gdb -nx -batch -ex 'python print(6 * 7)' 2>/dev/null | grep -q 42 ||
	give_up "gdb has no python"
[ -f "$built" ] || give_up "no shared library was built"

dir=$(mktemp -d) || exit 99
program=
trap 'kill $program 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM

# build NAME FLAGS...: the program, with the library in its directory.
build() {
	mkdir -p "$dir/$1"
	cp "$built" "$dir/$1/liburcu-membarrier.so.0"
	name=$1
	shift
	${CC} -I"$srcdir/include" -o "$dir/$name/program" \
		"$srcdir/tests/gdb/program.c" "$@" \
		"$dir/$name/liburcu-membarrier.so.0" -pthread \
		-Wl,-rpath,"$dir/$name" >"$dir/log" 2>&1
}

start() {	# program, arguments
	rm -f "$dir/in" "$dir/says"
	mkfifo "$dir/in"
	"$@" <"$dir/in" >"$dir/says" &
	program=$!
	exec 3>"$dir/in"
	waited=0
	until grep -q ready "$dir/says"; do
		waited=$((waited + 1))
		[ $waited -lt 300 ] || exit 99
		sleep 0.05
	done
}

end() {
	exec 3>&-
	wait $program
	program=
}

tid() {
	sed -n "s/^$1 //p" "$dir/says"
}

# look GDB'S ARGUMENTS...: what the command says; the whole is in the log.
look() {
	timeout 60 gdb -nx -batch -iex 'set debuginfod enabled off' \
		-iex 'set auto-load off' -x "$script" "$@" \
		</dev/null >"$dir/log" 2>&1
	sed -n '/^grace period/,$p; /^rcu-readers: /p; /^no thread/p' "$dir/log"
}

# has WHAT TEXT PATTERN...: lines that must be there.
has() {
	what=$1 text=$2 faults=
	shift 2
	for pattern; do
		printf '%s\n' "$text" | grep -Eq "$pattern" ||
			faults="$faults no line like $pattern"
	done
	[ -z "$faults" ] || faults="$faults
$text
$(tail -n 5 "$dir/log")"
	result "$what" "$faults"
}

lacks() {	# what, text, pattern
	result "$1" "$(printf '%s\n' "$2" | grep -E "$3")"
}

since='since [0-9]+\.[0-9]{3} s'
old='in a section of depth 3, 5 grace periods old'
young='in a section of depth 1, 0 grace periods old'

# Names are in live processes only.
check_all() {	# what, text, since, how names look
	has "$1: the grace period" "$2" \
		"^grace period 5, which waits for 1 thread, $3"
	has "$1: the section that it waits for" "$2" \
		"^  tid $(tid is-old), thread [0-9]+$4: $old.*; the grace period waits for it; the updater sleeps on it$"
	has "$1: a later section" "$2" \
		"^  tid $(tid is-young), thread [0-9]+.*: $young[^;]*$"
	has "$1: those in no section" "$2" \
		"^  tid $(tid is-offline), thread [0-9]+.*: offline$" \
		"^  tid $(tid is-quiescent), thread [0-9]+.*: quiescent$"
	lacks "$1: none that is not registered" "$2" "tid $(tid not-there),"
}

check_process() {	# what, directory
	start "$dir/$2/program"
	look -p $program -ex 'rcu-readers all' -ex 'echo @\n' -ex 'rcu-readers' \
		-ex 'echo @\n' -ex "generate-core-file $dir/core" >"$dir/both"
	check_all "$1" "$(sed '/^@/,$d' "$dir/both")" "$since" ' "is-old"'
	few=$(sed '1,/^@/d; /^@/,$d' "$dir/both")
	has "$1: without \"all\"" "$few" "tid $(tid is-old)," \
		"tid $(tid is-young)," \
		'^[23] more threads are registered; "rcu-readers all" lists them'
	lacks "$1: only those in sections" "$few" 'offline|quiescent'
	if [ -f "$dir/core" ]; then
		all=$(look "$dir/$2/program" "$dir/core" -ex 'rcu-readers all')
		check_all "$1, its core file" "$all" \
			'since [0-9]+ ms of its clock' '.*'
	else
		skip "$1, its core file" "gdb makes none"
	fi
	rm -f "$dir/core"
	end
}

if ! build plain -g; then
	result "the program is built" "$(cat "$dir/log")"
	tap_end
fi
start "$dir/plain/program" idle
idle=$(look -p $program -ex 'rcu-readers' -ex 'rcu-readers all')
if grep -q 'ptrace: Operation not permitted\|Could not attach' "$dir/log"; then
	end
	give_up "gdb may not attach"
fi
has "nobody in a section" "$idle" '^grace period [0-9]+$' \
	'^[23] threads are registered; "rcu-readers all"' ': quiescent$'
end

check_process "a process" plain

# Programs whose copy of the library's data is their own, or not; and no symbols
# but those of the loader.
for flags in '-no-pie -fno-pie' '-pie -fPIE'; do
	name=stripped$(echo "$flags" | tr -dc a-z)
	if ! build "$name" -O2 $flags -s; then
		skip "built with $flags" "the compiler cannot"
		continue
	fi
	strip --strip-all "$dir/$name/liburcu-membarrier.so.0"
	check_process "stripped, $flags" "$name"
done

build debug -g -DDEBUG_RCU
start "$dir/debug/program"
has "with DEBUG_RCU: where it began" \
	"$(look -p $program -ex 'rcu-readers')" \
	"tid $(tid is-old), .*, began at where_it_begins.*program.c:[0-9]+; the" \
	"tid $(tid is-young), .*, began at where_it_begins"
end

# What cannot be told.
none=$(look -ex 'rcu-readers' -ex 'rcu-readers some' -ex 'echo grace period\n' \
	-ex 'help rcu-readers')
has "no process" "$none" '^rcu-readers: no process'
has "an argument that it does not know" "$none" \
	'^rcu-readers: no such argument: some'
has "its help" "$none" 'rcu-readers \[all\]' 'age in grace periods'
has "a program that does not run" \
	"$(look "$dir/plain/program" -ex 'rcu-readers')" \
	'^rcu-readers: no process'
sleep 100 &
program=$!
has "a process without the library" \
	"$(look -p $program -ex 'rcu-readers')" \
	'^rcu-readers: .*has not loaded liburcu-membarrier'
kill $program
program=
start "$dir/plain/program"
gp=urcu_membarrier_gp
index='(sizeof(long) + 32) / sizeof(long)'
look -p $program -ex "set var \$word = *(unsigned long *) &$gp" \
	-ex "set var *(unsigned long *) &$gp = 7" -ex 'rcu-readers' \
	-ex "set var *(unsigned long *) &$gp = \$word" -ex 'echo grace period\n' \
	-ex "set var \$r = ((unsigned long ****) &$gp)[128 / sizeof(long) - 2]" \
	-ex 'set var $r = $r[0][0]' \
	-ex "set var \$i = \$r[$index]" -ex "set var \$r[$index] = 77" \
	-ex 'rcu-readers' -ex "set var \$r[$index] = \$i" -ex 'rcu-readers' \
	>"$dir/both"
has "another layout" "$(sed '/^grace period$/,$d' "$dir/both")" \
	"^rcu-readers: $gp has a layout that this script does not know"
has "records of another layout" "$(sed '1,/^grace period$/d' "$dir/both")" \
	"^rcu-readers: a reader's record has a layout that this script does not"
has "and as they were" "$(cat "$dir/both")" '^grace period 5, which waits'
end
tap_end
