#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The models of the protocols, searched by spin:
#
#	tests/models.sh [-v] [--long] [MODEL [RUN...]]
#	tests/models.sh --list
#
# A model lists its runs in its first comment, a name and options for spin's
# preprocessor each:
#
#	* holds: NAME OPTIONS		no error in all that can happen
#	* fails: NAME ERROR OPTIONS	a step is left out; spin must find this
#					error: "assertion", or "deadlock"
#	* long: NAME OPTIONS		as holds, but larger: with --long, or by
#					its name
#
# A run that holds must be searched to the end, and each of the model's processes
# must come to its own end somewhere, and some process to each assertion: or nothing has
# been shown. With -v, what else was never reached is told. --list prints model, run and
# kind. Seconds are of the CPU; UMB_MODEL_SECONDS limits them.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
case $srcdir in
/*) models=$srcdir/tests/models ;;
*) models=$PWD/$srcdir/tests/models ;;
esac

depth=1000000
long= verbose= list=
while :; do
	case $1 in
	-v) verbose=yes ;;
	--long) long=yes ;;
	--list) list=yes ;;
	*) break ;;
	esac
	shift
done

all_models() {
	(cd "$models" && ls -- *.pml) | sed 's/\.pml$//'
}

# runs_of MODEL: a line each, the kind, the name, of those that fail the error, options.
runs_of() {
	awk '$1 == "*/" { exit }
	$1 == "*" && $2 ~ /^(holds|fails|long):$/ {
		sub(/^ \* /, ""); sub(/:/, ""); print
	}' "$models/$1.pml"
}

# die WHAT VALID...: exits with 2.
die() {
	echo "models.sh: there is no $1; there are:" >&2
	shift
	printf '\t%s\n' "$@" >&2
	exit 2
}

# has WORD WORDS...
has() {
	wanted=$1
	shift
	for word; do
		[ "$word" = "$wanted" ] && return 0
	done
	return 1
}

# search MODEL KIND OPTIONS...: says what keeps it from being done.
search() {
	rm -f pan* status times ./*.trail
	model=$1
	# Most searches are shorter than their compilation; the long ones need memory.
	how="-O0 -DMEMLIM=1500" table=-w22 limit=${UMB_MODEL_SECONDS:-60}
	if [ "$2" = long ]; then
		how="-O2 -DMEMLIM=4000 -DCOLLAPSE" table=-w24
		limit=${UMB_MODEL_SECONDS:-600}
	fi
	shift 2
	spin "$@" -a "$models/$model.pml" >spin.out 2>&1 && [ -e pan.c ] || {
		cat spin.out
		echo "spin makes no verifier of it"
		return
	}
	${CC:-gcc} $how -w -DSAFETY -o pan pan.c 2>&1 || return
	(
		ulimit -S -t "$limit"
		./pan $table -m$depth >pan.out 2>&1
		echo $? >status
		times >times
	)
	[ "$(cat status)" -lt 128 ] ||
		echo "killed after $(seconds) s of $limit (status $(cat status))"
	grep -E 'too small|MEMLIM|out of memory|reached -D' pan.out
}

# The second line of what `times` prints is the children's time, user and system.
seconds() {
	awk 'NR == 2 { split($1 $2, t, /[ms]/)
		printf "%.1f", 60 * (t[1] + t[3]) + t[2] + t[4] }' times
}

complete() {
	grep -q 'errors: 0$' pan.out && ! grep -q 'Search not completed' pan.out
}

# What the search never came to: process, line, what stands there. Without the steps
# of memory.h, which have cases for each thread; spin gives them either file's name.
unreached() {
	awk '/^unreached in proctype / { process = $4 }
	/, state [0-9]+, / && process != "memory" {
		sub(/^.*\//, ""); sub(/, state [0-9]+,/, "")
		print process, $0
	}' pan.out | grep -v 'out\[\|ahead\[\|D_STEP\|left = (left\|"(killed\[' | sort -u
}

# Processes that never came to their end, and assertions that were never made: by no
# process, if several have them.
vacuous() {
	unreached | grep '"-end-"$' | sed 's/^/never: /'
	{ ./pan -d; cat pan.out; } | awk '
	/ => assert\(/ { sub(/ => .*/, ""); sub(/^.*\] /, ""); all[$0]++ }
	/"assert\(/ { sub(/, state .*/, ""); sub(/^[ \t]*/, ""); never[$0]++ }
	END {
		for (line in all) {
			some = 1
			if (never[line] >= all[line])
				print "never: the assertion at " line
		}
		if (!some)
			print "never: an assertion"
	}'
}

# The error that was found, as the headers call it; and what was asserted, cut short.
found() {
	case $(error) in
	"assertion violated"*) echo assertion ;;
	"invalid end state"*) echo deadlock ;;
	*) echo none ;;
	esac
}
error() {
	sed -n 's/^pan:1: \(.*\) (at depth [0-9]*)$/\1/p' pan.out | tr -s ' '
}
asserted() {
	error | sed -n 's/^assertion violated \(.\{1,40\}\).*/ \1/p'
}

# try_fails NAME ERROR OPTIONS...
try_fails() {
	name=$1 error=$2
	shift 2
	faults=$(search "$model" fails "$@")
	states
	[ -n "$faults" ] || [ "$(found)" = "$error" ] ||
		faults="no $error; found: $(found)
$(tail -n 20 pan.out)"
	result "$model $name fails: $(found)$(asserted) ($numbers)" "$faults"
}

# try_holds KIND NAME OPTIONS...
try_holds() {
	kind=$1 name=$2
	shift 2
	faults=$(search "$model" "$kind" "$@")
	states
	if [ -z "$faults" ] && ! complete; then
		faults=$(grep -E '^pan:|errors:' pan.out)
		faults="not searched to the end without an error: $faults"
	elif [ -z "$faults" ]; then
		faults=$(vacuous)
	fi
	result "$model $name holds ($numbers)" "$faults"
	[ "$faults" ] || [ -z "$verbose" ] || unreached | sed 's/^/# never: /'
}

# Sets `numbers`.
states() {
	numbers=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out 2>/dev/null)
	numbers="${numbers:-no} states, $(seconds 2>/dev/null) s"
}

# try_all MODEL [RUN...]
try_all() {
	model=$1
	shift
	names=$(runs_of "$model" | cut -d ' ' -f 2)
	for run; do
		has "$run" $names || die "run $run of $model" $names
	done
	runs_of "$model" >runs
	[ -s runs ] || result "$model has runs" "none in its first comment"
	while read -r kind name options <&3; do
		if [ $# -gt 0 ]; then
			has "$name" "$@" || continue
		elif [ "$kind" = long ] && [ -z "$long" ]; then
			continue
		fi
		case $kind in
		fails) try_fails "$name" $options ;;
		*) try_holds "$kind" "$name" $options ;;
		esac
	done 3<runs
}

valid=$(all_models)
if [ "$list" ]; then
	for model in $valid; do
		runs_of "$model" | awk -v model="$model" '{ print model, $2, $1 }'
	done
	exit
fi
[ $# -eq 0 ] || has "$1" $valid || die "model $1" $valid
for tool in spin "${CC:-gcc}"; do
	command -v ${tool%% *} >/dev/null || {
		skip "models" "there is no ${tool%% *}"
		tap_end
	}
done

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work" || exit 1
if [ $# -gt 0 ]; then
	try_all "$@"
else
	for model in $valid; do
		try_all "$model"
	done
fi
tap_end
