#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples run, and say what they should.
. "${srcdir:-.}/tests/lib/tap.sh"

example() {	# name, expected output
	output=$("doc/examples/$1" 2>&1) || output="failed: $output"
	[ "$output" = "$2" ] && output= || output="said: $output"
	result "$1" "$output"
}

example backlog '200000 of 200000 freed, never more than 4001 waiting: yes'
example biased-lock 'counted to 1000020 of 1000020'
example event-loop '100 of 100 answers are up to date'
example hello 'hello, number 100'
example reload 'version 50, and no reader saw a table that was gone'
example stall 'log: waiting for thread "forgetful", in a section of depth 1
told, and waited a tenth of a second: yes'
tap_end
