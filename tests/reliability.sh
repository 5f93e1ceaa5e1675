#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/reliability.md has exactly what can be shown. In the build directory.
srcdir=${srcdir:-.}
. "$srcdir/tests/lib/tap.sh"

# names SECTION COLUMNS: what stands in `...` in those of the section's tables.
names() {
	awk -v section="## $1" '
	/^## / { inside = $0 == section }
	/^More that goes wrong/ { inside = 0 }
	inside && /^\|/' "$srcdir/doc/reliability.md" |
		cut -d'|' -f"$2" | grep -o '`[a-z0-9-]*`' | tr -d '`' |
		LC_ALL=C sort
}

# same WHAT SECTION COLUMNS COMMAND...: the command prints the same names.
same() {
	what=$1
	names "$2" "$3" >"$work/says"
	shift 3
	"$@" | LC_ALL=C sort >"$work/has"
	[ -s "$work/has" ] || echo "nothing is listed" >>"$work/says"
	result "$what are in the table" \
		"$(diff "$work/has" "$work/says" | sed -n 's/^[<>]/&/p')"
}

faults() {
	"tests/fault/$1" --list | cut -f1
}

check_faults() {	# program, column
	if [ -x "tests/fault/$1" ]; then
		same "the faults of $1" Faults "$2" faults "$1"
	else
		skip "the faults of $1" "it was not built"
	fi
}

models() {
	sh "$srcdir/tests/models.sh" --list | awk '{ print $2 }'
}

mutants() {
	sh "$srcdir/tests/mutants.sh" --list
}

# The fences of doc/ordering.md: none of them is there for nothing.
check_fences() {
	sed -nE 's/^\| `([A-Z]+\.[a-z-]+)` \| (light|heavy|full) .*/\1 &/p' \
		"$srcdir/doc/ordering.md" | grep -v '| outside:' |
		cut -d' ' -f1 | LC_ALL=C sort >"$work/fences"
	{
		sed -n 's/^label: //p' "$srcdir/tests/mutants/table"
		sed -n '/^Fences that no mutant/,/^## /p' \
			"$srcdir/doc/reliability.md" |
			sed -n '/^\* /s/:.*//p' | grep -oE '[A-Z]+\.[a-z-]+'
	} | LC_ALL=C sort -u >"$work/shown"
	[ -s "$work/fences" ] || echo "no fence is found" >"$work/fences"
	result "each fence has a mutant, or a reason to have none" \
		"$(LC_ALL=C comm -23 "$work/fences" "$work/shown")"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
check_faults injected 4
check_faults filtered 5
same "the torture's rows" Torture 2 tests/torture/torture --list
same "the mutants" Mutants 2 mutants
same "the models' runs" Models 4,5 models
check_fences
tap_end
