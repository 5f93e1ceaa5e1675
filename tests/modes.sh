#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run the test programs again under each forced fence mode, as one test.
# UMB_MODE_PROGRAMS names them, relative to the build directory. The mode that
# they use by themselves is not repeated; one that this machine does not have
# is a SKIP.

modes='private-expedited global-expedited global'

# The mode in force when this one is asked for, without running any test: no
# mode is "none", so the first program bails out and says what it has.
in_force()
{
	for program in $UMB_MODE_PROGRAMS; do
		URCU_MEMBARRIER_MODE=$1 UMB_TEST_MODE=none ./"$program" \
			2>/dev/null |
			sed -n 's/^Bail out! fence mode is \([^,]*\), not none$/\1/p'
		return
	done
}

# Lines "@ ..." are ours: what follows, and how a program ended.
run_mode()
{
	for program in $UMB_MODE_PROGRAMS; do
		echo "@ begin $1 $program"
		URCU_MEMBARRIER_MODE=$1 UMB_TEST_MODE=$1 ./"$program"
		status=$?
		echo
		echo "@ end $status"
	done
}

run_modes()
{
	plain=$(in_force "$URCU_MEMBARRIER_MODE")
	echo "@ plain $plain"
	for mode in $modes; do
		[ "$mode" = "$plain" ] && continue
		found=$(in_force "$mode")
		case $found in
		"$mode")
			run_mode "$mode"
			;;
		*)
			echo "@ probe $mode $found"
			;;
		esac
	done
}

run_modes | ${AWK-awk} '
function result(verdict, text)
{
	sub(/^ +/, "", text)
	printf "%s %d - %s\n", verdict, ++total, text
	if (verdict == "not ok")
		failures++
}

function wrong(why)
{
	result("not ok", mode " " program ": " why)
	program_failures++
}

function finish(status)
{
	if (bailed)
		return
	if (!planned)
		wrong("no plan")
	else if (plan != seen)
		wrong("planned " plan " results, gave " seen)
	else if (!seen)
		wrong("no results")
	if (status && !program_failures)
		wrong("exit status " status)
}

$1 == "@" && $2 == "plain" {
	print "# the mode of the programs by themselves: " $3
	next
}
$1 == "@" && $2 == "probe" {
	if (NF > 3)
		result("ok", $3 " # SKIP not on this machine: it has " $4)
	else
		result("not ok", $3 ": the first program does not tell its mode")
	next
}
$1 == "@" && $2 == "begin" {
	mode = $3
	program = $4
	sub(/.*\//, "", program)
	plan = planned = seen = bailed = program_failures = 0
	next
}
$1 == "@" && $2 == "end" {
	finish($3)
	ran++
	next
}
/^Bail out!/ {
	bailed = 1
	wrong("bails out," substr($0, 10))
	next
}
/^1\.\.[0-9]+/ {
	if (planned++)
		wrong("a second plan")
	plan = substr($1, 4) + 0
	next
}
/^(not )?ok/ {
	verdict = /^not/ ? "not ok" : "ok"
	sub(/^(not )?ok */, "")
	if ($1 + 0 != ++seen)
		wrong("result " seen " has number " $1)
	sub(/^[0-9]+ *(- *)?/, "")
	result(verdict, mode " " program ": " $0)
	program_failures += verdict != "ok"
	next
}
NF {
	sub(/^# */, "")
	print "# " mode " " program ": " $0
}
END {
	if (!ran && !total)
		result("not ok", "no program was run")
	print "1.." total + 0
	exit failures > 0
}
'
