#!/bin/sh
# SPDX-License-Identifier: MIT
# Installed into an empty directory, the library serves a program of its own
# that asks pkg-config, and the manual pages are there.
srcdir=$(cd "${srcdir:-.}" && pwd)
. "$srcdir/tests/lib/tap.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
log=$dir/log

run() {	# command: nothing, or its log
	"$@" >"$log" 2>&1 || cat "$log" - <<-EOF
		failed: $*
	EOF
}

run_program() {
	LD_LIBRARY_PATH=$libdir "$dir/hello"
}

result "make install" "$(run make -s install DESTDIR="$dir/root")"
pc=$(find "$dir/root" -name liburcu-membarrier.pc)
libdir=$(dirname "$(dirname "$pc")")
result "one pkg-config file is installed" "$([ -f "$pc" ] || echo "found: $pc")"

if command -v pkg-config >/dev/null; then
	PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_PATH=$(dirname "$pc")
	export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
	flags=$(pkg-config --cflags --libs liburcu-membarrier)
	result "pkg-config knows it" "$([ -n "$flags" ] || echo "no flags")"
	result "with --static, it keeps a plugin in the process" \
		"$(pkg-config --static --libs liburcu-membarrier |
			grep -q nodelete || echo "no -z nodelete")"
	result "a program builds with these flags" "$(run ${CC:-cc} -o "$dir/hello" \
		"$srcdir/doc/examples/hello.c" $flags -pthread)"
	result "and runs" "$(run run_program)"
else
	skip "a program builds and runs" "no pkg-config"
fi
result "the program urcu-domain runs from there" "$(LD_LIBRARY_PATH=$libdir \
	"$(find "$dir/root" -path '*/bin/urcu-domain')" --version 2>&1 >"$log" ||
	cat "$log")"
for page in "$srcdir"/doc/man/*.[13]; do
	page=$(basename "$page")
	result "$page is installed" \
		"$(find "$dir/root" -path "*/man${page##*.}/$page" | grep -q . || echo missing)"
done
tap_end
