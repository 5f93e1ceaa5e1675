#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples run, and say what they should.
. "${srcdir:-.}/tests/lib/tap.sh"

example() {	# name, expected output
	output=$("doc/examples/$1" 2>&1) || output="failed: $output"
	[ "$output" = "$2" ] && output= || output="said: $output"
	result "$1" "$output"
}

# Numbers that differ from run to run are N in what is expected, if they are not 0.
counting_example() {	# name, arguments, expected output
	output=$("doc/examples/$1" $2 2>&1) || output="failed: $output"
	[ "$(echo "$output" | sed -E 's/[1-9][0-9]*/N/g')" = "$3" ] && output= ||
		output="said: $output"
	result "$1${2:+ }$2" "$output"
}

example backlog '200000 of 200000 freed, never more than 4001 waiting: yes'
example biased-lock 'counted to 1000020 of 1000020'
example event-loop '100 of 100 answers are up to date'
example hello 'hello, number 100'
example reload 'version 50, and no reader saw a table that was gone'
counted='N versions, N reads, N readers killed, N inside a section'
counting_example shared-config '' "$counted
no reader saw a table half loaded, or gone"
counting_example shared-config hasty "$counted
N times a table was half loaded, or gone"
example stall 'log: waiting for thread "forgetful", in a section of depth 1
told, and waited a tenth of a second: yes'
tap_end
