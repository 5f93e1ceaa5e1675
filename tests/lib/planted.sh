# SPDX-License-Identifier: MIT
# Mistakes that an analyser has to find, before its silence about the sources means
# anything: source it after tap.sh. It leaves its log in $work/log.

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cat >"$work/planted.c" <<'END'
#include <stdlib.h>
int planted(int n);
int planted(int n)
{
	int a[4] = { 0 }, *p = malloc(sizeof *p), value;

	for (int i = 0; i <= 4; i++)
		a[i] = n;
	if (!p)
		return a[0];
	*p = n;
	free(p);
	value = *p;
	return value == value ? a[1] : 0;
}
int lost(int n);
int lost(int n)
{
	int *p = malloc(sizeof *p);

	if (p)
		*p = n;
	return n;
}
END

# found WHAT...: each of these names stands in the log
found() {
	missing=
	for what; do
		grep -q "$what" "$work/log" || missing="$missing $what"
	done
	result "planted mistakes are found: $*" \
		"${missing:+not found:$missing
$(head -n 20 "$work/log")}"
}
