#!/bin/sh
# SPDX-License-Identifier: MIT
#
#	tests/mutants.sh [--list] [MUTANT ...]
#
# Does the torture catch a library that is wrong? Each mutant of tests/mutants/table is
# one line of the shipping source changed; it is built, and what the table names must
# fail with it. Not part of make check: make check-mutants. In the build directory.

srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"
table=$srcdir/tests/mutants/table
seconds=${UMB_MUTANT_SECONDS:-1}
rounds=${UMB_MUTANT_ROUNDS:-12}

# field NAME FIELD
field() {
	awk -v mutant="$1" -v field="$2:" '
	$1 == "mutant:" { mine = $2 == mutant }
	mine && $1 == field { sub(/^[^ ]* /, ""); print; exit }' "$table"
}

names=$(sed -n 's/^mutant: //p' "$table")
if [ "${1-}" = --list ]; then
	echo "$names"
	exit
fi
for name in "$@"; do
	echo "$names" | grep -qxF -- "$name" || {
		echo "mutants.sh: no mutant $name; there are:" $names >&2
		exit 2
	}
done

. "$srcdir/tests/lib/instrument.sh"
tree=$work/tree
mkdir "$tree"
cp -R "$srcdir/src" "$srcdir/include" "$srcdir/tests" "$tree"

# mutate FILE FUNCTION LINE NTH BECOMES: the function begins in column 1 and ends
# with a brace there. Fails if there is no such line.
mutate() {
	in=$2 line=$3 nth=$4 becomes=$5 awk '
	BEGIN {
		head = "(^|[ *(])" ENVIRON["in"] "[)]?[(]"
	}
	/^[a-z_(]/ && !/;$/ { inside = $0 ~ head }
	/^}/ { inside = 0 }
	{
		text = $0
		gsub(/^[ \t]+|[ \t]+$/, "", text)
		if (inside && text == ENVIRON["line"] \
		    && ++found == ENVIRON["nth"]) {
			print ENVIRON["becomes"]
			done = 1
			next
		}
		print
	}
	END { exit !done }' "$srcdir/$1" >"$tree/$1"
}

# Nonzero: it passed all rounds, or the rows cannot be run here.
caught_by_torture() {
	round=0
	while [ $round -lt "$rounds" ]; do
		round=$((round + 1))
		timeout 120 "$work/torture" --seconds "$seconds" --patience 5 \
			--seed $((round * 1000)) "$@" >"$work/log" 2>&1 || {
			wrong=$(sed -n 's/^not ok [0-9]* - //p' "$work/log" |
				head -n 1)
			[ -n "$wrong" ]
			return
		}
	done
	return 1
}

# Nothing ran, in the log's round.
was_skipped() {
	grep -qE '# SKIP|does not have mode' "$work/log" &&
		! grep -q '^ok [^#]*$' "$work/log"
}

# rebuild FILE: and all that includes it, if it is a header.
rebuild() {
	case $1 in
	include/*) build_library -O2 && build torture -O2 ;;
	*) compile "$1" -O2 &&
		${CC:-gcc} "$work/objects"/*.o $libs -o "$work/torture" 2>&1 ;;
	esac
}

# by_torture MUTANT FILE ROWS...: built, run, and the library put back. An accident
# that does not come, as on a busy machine, is left to the model, if there is one.
by_torture() {
	name=$1 file=$2 or=$(field "$1" or)
	shift 2
	if ! log=$(rebuild "$file"); then
		result "$name: $file is built" "$log"
	elif caught_by_torture "$@"; then
		result "$name is caught: $wrong" ""
	elif was_skipped; then
		skip "$name" "its rows of the torture cannot be run here"
	elif [ -n "$or" ]; then
		by_model "$name" ${or#model }
	else
		result "$name is caught by torture $*" "$(tail -n 5 "$work/log")"
	fi
	cp "$srcdir/$file" "$tree/$file"
	rebuild "$file"
}

# by_model MUTANT MODEL RUN: the control that leaves the same out.
by_model() {
	log=$(srcdir=$srcdir sh "$srcdir/tests/models.sh" "$2" "$3" 2>&1)
	case $log in
	"ok 1 - "*SKIP*)
		skip "$1" "${log#*SKIP }"
		;;
	"ok 1 - $2 $3 fails:"*)
		result "$1 is caught: model $2, $3" ""
		;;
	*)
		result "$1 is caught by model $2, $3" "$log"
		;;
	esac
}

try() {
	file=$(field "$1" file)
	nth=$(field "$1" nth)
	by=$(field "$1" by)
	if ! mutate "$file" "$(field "$1" in)" "$(field "$1" line)" \
		"${nth:-1}" "$(field "$1" becomes)"; then
		result "$1" "no such line in $file"
		return
	fi
	case $by in
	"torture "*) by_torture "$1" "$file" ${by#torture } ;;
	"model "*) by_model "$1" ${by#model } ;;
	*) result "$1" "caught by what? $by" ;;
	esac
}

log=$(build_library -O2 && build torture -O2) || {
	result "the library and the torture are built" "$log"
	tap_end
}
# What the mutants fail, the library passes, with as little patience.
log=$("$work/torture" --patience 5 2>&1) && log=
result "the library itself passes" "$(printf '%s\n' "$log" | grep '^not ok')"
for name in ${*:-$names}; do
	try "$name"
done
tap_end
