#!/bin/sh
# SPDX-License-Identifier: MIT
# urcu-bench does what it says, in little time: no figure is judged. In the build
# directory.
srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
unset URCU_MEMBARRIER_MODE

bench=tests/bench/urcu-bench
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' HUP INT TERM
# LMDB's files are made there.
mkdir "$work/tmp"
TMPDIR=$work/tmp
export TMPDIR

# measure VERB OPTION...: its table in $work/VERB, its JSON in $work/VERB.json.
measure() {
	verb=$1
	result "$*" "$("$bench" "$@" --seconds 0.005 --json "$work/$verb.json" \
		2>&1 >"$work/$verb" || echo "exit status $?")"
}

# schemes VERB STATE
schemes() {
	awk -v verb="$1" -v state="$2" '
	NR > 1 && $0 ~ "(^|  )" state "  " &&
		substr($0, 45, 17) ~ "(^| )" verb "( |$)" { print $1 }' "$work/list"
}

# object VERB SCHEME: its line of JSON.
object() {
	grep "^{\"verb\":\"$1\",\"scheme\":\"$2\",.*}\$" "$work/$1.json"
}

# lacks VERB SCHEME FIGURE...: those whose median is no number above 0.
lacks() {
	verb=$1 scheme=$2
	shift 2
	for figure in "$@"; do
		object "$verb" "$scheme" |
		grep -qE "\"$figure\":\{\"unit\":\"[^\"]*\",\"median\":[0-9.e+-]*[1-9]" ||
			echo "$verb, $scheme: no $figure"
	done
}

# The first figure of each verb, for every scheme that is there.
check_verb() {	# VERB FIGURE
	faults=$(for scheme in $(schemes "$1" available); do
		lacks "$1" "$scheme" "$2"
	done)
	[ -n "$(schemes "$1" available)" ] || faults="no scheme is available"
	result "$1: each scheme has $2" "$faults"
	result "$1: each scheme is in the table and in the JSON file" "$(
		{ schemes "$1" available; schemes "$1" 'not installed'
		  schemes "$1" 'not available here'; } | while read -r scheme; do
			grep -q "^$scheme " "$work/$1" || echo "table: no $scheme"
			object "$1" "$scheme" >/dev/null || echo "JSON: no $scheme"
		done)"
}

# Every part of shared was measured where it has a meaning.
check_shared() {
	result "shared: grace periods, fences and updates" "$(
		available=$(schemes shared available)
		for scheme in $available; do
			case $scheme in
			domain-*)
				lacks shared "$scheme" gp_ns grace_periods \
					reads_per_s updates_per_s ;;
			lmdb*|rwlock-shared|seqlock)
				lacks shared "$scheme" reads_per_s updates_per_s ;;
			esac
		done
		case $available in
		*domain-expedited*)
			lacks shared domain-expedited fence_ns gp_fences ;;
		esac)"
	result "shared: what is not installed has no figures" "$(
		for scheme in $(schemes shared 'not installed'); do
			object shared "$scheme" |
				grep -q '"state":"not installed".*"median":null' ||
				object shared "$scheme"
		done)"
	# A ratio is there exactly where both schemes are.
	result "shared: five goals, as goals" "$(
		[ "$(grep -c '(goal: at [lm][a-z]* [0-9.]*)$' "$work/shared")" = 5 ] ||
			echo "the table: $(grep 'goal:' "$work/shared")"
		grep '"goal":' "$work/shared.json" >"$work/goals"
		[ "$(wc -l <"$work/goals")" = 5 ] || echo "the JSON file"
		while read -r line; do
			ratio='[0-9.]*[1-9].*'
			for scheme in $(echo "$line" |
				sed 's/.*"of":"\([^"]*\)","to":"\([^"]*\)".*/\1 \2/'); do
				[ "$scheme" = fence ] ||
					schemes shared available | grep -qx "$scheme" ||
					ratio=null
			done
			echo "$line" | grep -qE "\"at_(most|least)\":[0-9.]+,\"ratio\":$ratio}\$" ||
				echo "$line"
		done <"$work/goals")"
	result "shared: no files are left" "$(ls -A "$work/tmp")"
}

# refused WHAT WORDS ARGUMENT...
refused() {
	what=$1 words=$2
	shift 2
	said=$("$bench" "$@" 2>&1 >/dev/null)
	status=$?
	result "refused: $what" "$(
		[ $status -eq 2 ] && echo "$said" | grep -q "$words" ||
			echo "exit status $status: $said")"
}

"$bench" --list >"$work/list" || exit 99
measure rw --rounds 1
check_verb rw reads_per_s
measure read --rounds 2
check_verb read section_ns
measure gp --rounds 1 --idle-max 10
check_verb gp idle_0_ns
measure fence --rounds 1
check_verb fence idle_ns
measure call --rounds 1 --callbacks 1000
check_verb call lone_ns
measure shared --rounds 2
check_verb shared section_ns
check_shared
refused "an unknown verb" 'valid: rw, read, gp, fence, call, shared' share
refused "another verb's option" 'means nothing to the verb shared' \
	shared --readers 2
refused "another verb's scheme" 'has no part in shared' shared --scheme memb
tap_end
