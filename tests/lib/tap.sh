# SPDX-License-Identifier: MIT
# TAP for shell tests: source it, call these, end with tap_end.

tap_count=0 tap_failed=0

# result WHAT FAULTS: passes if there are no faults; they are printed.
result() {
	tap_count=$((tap_count + 1))
	if [ -z "$2" ]; then
		echo "ok $tap_count - $1"
	else
		tap_failed=1
		echo "not ok $tap_count - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}

# skip WHAT WHY
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

tap_end() {
	echo "1..$tap_count"
	[ "$tap_count" -gt 0 ] && exit $tap_failed
	exit 1
}
