#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every fence has a label, a living partner that names it back, and a line in
# doc/ordering.md. A label stands in a comment, on one line:
#
#	fence  MODULE.point, KIND. Pairs: MODULE.point (KIND), ...
#	access MODULE.point, KIND. Pairs: ...
#
# The document's table has a row "| `MODULE.point` | KIND | `PARTNER`, ... |" for
# each, with "outside" as the place for partners that are not in the tree.

srcdir=${srcdir:-.}
cd "$srcdir" || exit 1
. tests/lib/tap.sh

sources=$(find src include -name '*.[ch]' | LC_ALL=C sort)
kinds='light|heavy|full|acquire|release|seq_cst|relaxed|consume'

# LABEL KIND PARTNER:KIND ...
labels=$(cat $sources | tr -d '\\' |
	sed -nE "s/^.*(fence|access) ([A-Z]+\.[a-z-]+), ($kinds)\. Pairs: (.*)\.[^.]*\$/\2 \3 \4/p" |
	sed -E 's/,//g; s/ \(([a-z_]+)\)/:\1/g')
table=$(sed -nE 's/^\| `([A-Z]+\.[a-z-]+)` \| ([a-z_]+) \| ([^|]*) \|.*$/\1 \2 \3/p' \
	doc/ordering.md | tr -d '`,')
outside=$(sed -nE 's/^\| `([A-Z]+\.[a-z-]+)` \|.*\| outside: .*$/\1/p' \
	doc/ordering.md)

count=$(printf '%s\n' "$labels" | grep -c .)
[ "$count" -ge 20 ] || few="only $count labels found in $(echo $sources | wc -w) files"
result "labels are found ($count)" "$few"

result "no label stands twice" "$(printf '%s\n' "$labels" | cut -d' ' -f1 |
	LC_ALL=C sort | uniq -d)"

malformed=$(grep -nE '(fence|access) [A-Z]+\.[a-z-]+, ' $sources |
	grep -vE "(fence|access) [A-Z]+\.[a-z-]+, ($kinds)\. Pairs: [A-Z]+\.[a-z-]+ \(($kinds)\)")
result "every label names its kind and its partners" "$malformed"

result "every partner lives and names the label back" "$(
	{ printf '%s\n' "$outside" | sed 's/$/ outside/'; printf '%s\n' "$labels"; } |
	awk '
	$2 == "outside" { out[$1] = 1; next }
	{ kind[$1] = $2; for (i = 3; i <= NF; i++) { split($i, p, ":"); pair[$1 " " p[1]] = p[2] } }
	END { for (k in pair) { split(k, l, " ")
		if (l[2] in out) continue
		if (!(l[2] in kind)) print l[1] " pairs with " l[2] ", which is nowhere"
		else if (kind[l[2]] != pair[k]) print l[1] " takes " l[2] " for " pair[k] ", it is " kind[l[2]]
		else if (!((l[2] " " l[1]) in pair)) print l[2] " does not name " l[1] " back"
	} }')"

result "doc/ordering.md lists exactly these labels, kinds and partners" "$(
	{ printf '%s\n' "$table" | sed 's/^/D /'
	  printf '%s\n' "$labels" | sed -E 's/:[a-z_]+//g; s/^/S /'; } |
	awk -v out="$(echo $outside)" '
	BEGIN { split(out, o, " "); for (i in o) skip[o[i]] = 1 }
	$2 in skip { next }
	{ who = $1; key = $2; $1 = ""; $2 = ""; row[who key] = $0; all[key] = 1 }
	END { for (k in all)
		if (row["D" k] != row["S" k])
			print k ": document says \"" row["D" k] "\", source \"" row["S" k] "\"" }')"

# A label serves the first call behind it, in the same function.
result "every fence in the source carries a label" "$(
	awk '
	FNR == 1 || /^}/ { labelled = 0 }
	/fence [A-Z]+\.[a-z-]+, / { labelled = 1 }
	/(umb_fence_(light|heavy)|umbi_fence_(full|online)|kind->fence)\(\);/ ||
	/^[^*]*__atomic_(thread|signal)_fence\(/ {
		if (!labelled && FILENAME != "src/sys/sys.h")
			print FILENAME ":" FNR ": " $0
		labelled = 0
	}' $sources)"

tap_end
