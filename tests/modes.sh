#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run the test programs again under each fence mode, as one test.
# UMB_MODE_PROGRAMS names them, relative to the build directory, and
# UMB_OWN_MODE_PROGRAMS those among them that choose their modes, and what they
# block, themselves. The mode that programs use by themselves is not forced again;
# one that this machine does not have is a SKIP. UMB_MODE_RUNS names some of the runs
# below, to have only those.

# MODE:HOW. How they get into it:
#	forced	by the environment
#	ENOSYS	by themselves, behind a filter that answers so to membarrier
#	blocked	by the environment, with every signal blocked in every thread
runs='private-expedited:forced
global-expedited:forced
global:forced
signal:forced
visit:forced
signal:ENOSYS
signal:blocked'
for run in $UMB_MODE_RUNS; do
	echo "$runs" | grep -qxF "$run" || {
		echo "Bail out! UMB_MODE_RUNS: $run is not one of" $runs
		exit 1
	}
done
runs=${UMB_MODE_RUNS:-$runs}

confine=./tests/lib/confine

# launch WANTED MODE HOW PROGRAM: a program that bails out in a mode not WANTED.
launch()
{
	case $3 in
	forced)
		UMB_TEST_MODE=$1 URCU_MEMBARRIER_MODE=$2 "./$4" ;;
	ENOSYS)
		(
			unset URCU_MEMBARRIER_MODE
			UMB_TEST_MODE=$1 $confine --refuse ENOSYS "./$4"
		) ;;
	blocked)
		UMB_TEST_MODE=$1 URCU_MEMBARRIER_MODE=$2 UMB_TEST_BLOCKED=1 \
			$confine --block "./$4" ;;
	esac
}

# The mode in force when this one is asked for, without running any test: no
# mode is "none", so the first program bails out and says what it has.
in_force()
{
	for program in $UMB_MODE_PROGRAMS; do
		launch none "$1" "$2" "$program" 2>/dev/null |
			sed -n 's/^Bail out! fence mode is \([^,]*\), not none$/\1/p'
		return
	done
}

# Lines "@ ..." are ours: what follows, and how a program ended.
run_programs()
{
	for program in $UMB_MODE_PROGRAMS; do
		case "$2 $UMB_OWN_MODE_PROGRAMS " in
		ENOSYS*) ;;
		*" $program "*) continue ;;
		esac
		echo "@ begin $1 $2 $program"
		launch "$1" "$1" "$2" "$program"
		status=$?
		echo
		echo "@ end $status"
	done
}

# A filter that is refused is no fault of the programs: confine exits with 77.
can_launch()
{
	[ "$1" != ENOSYS ] || $confine --refuse ENOSYS true 2>/dev/null ||
		[ $? -ne 77 ]
}

run_all()
{
	plain=$(in_force "$URCU_MEMBARRIER_MODE" forced)
	echo "@ plain $plain"
	for run in $runs; do
		mode=${run%:*} how=${run#*:}
		[ "$run" = "$plain:forced" ] && continue
		if ! can_launch "$how"; then
			echo "@ refused $mode $how"
			continue
		fi
		found=$(in_force "$mode" "$how")
		case $found in
		"$mode")
			run_programs "$mode" "$how"
			;;
		*)
			echo "@ probe $mode $how $found"
			;;
		esac
	done
}

run_all | ${AWK-awk} '
BEGIN {
	suffix["ENOSYS"] = ", behind a filter that answers ENOSYS"
	suffix["blocked"] = ", every signal blocked"
}

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
$1 == "@" && $2 == "refused" {
	result("ok", $3 suffix[$4] " # SKIP the filter is refused")
	next
}
$1 == "@" && $2 == "probe" {
	mode = $3 suffix[$4]
	if (NF == 4)
		result("not ok", mode ": the first program tells no mode")
	else if ($4 == "ENOSYS")
		result("not ok", mode ": it has " $5)
	else
		result("ok", mode " # SKIP not on this machine: it has " $5)
	next
}
$1 == "@" && $2 == "begin" {
	mode = $3 suffix[$4] ","
	program = $5
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
