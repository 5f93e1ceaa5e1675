#!/bin/sh
# SPDX-License-Identifier: MIT
# The drop-in for liburcu, installed into an empty directory: programs written for
# liburcu build with its headers, and with its pkg-config files or its linker
# scripts, run, and are linked with this library alone; what it does not have
# fails to compile. From the environment: CC, CXX, srcdir. In the build directory.
: "${CC:=cc}" "${CXX:=c++}"
srcdir=$(cd "${srcdir:-.}" && pwd)
. "$srcdir/tests/lib/tap.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL
unset URCU_MEMBARRIER_MODE	# programs here say nothing about modes

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

for tool in nm pkg-config readelf; do
	command -v $tool >/dev/null || skip_all "no $tool"
done
library=.libs/liburcu-membarrier.so
[ -f $library ] || skip_all "no shared library was built"
! nm -D $library | grep -q ' U __[atu]b\{0,1\}san_\| __gcov' ||
	skip_all "the library is instrumented"
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM

log() {	# command: nothing, or what it said
	"$@" >"$dir/log" 2>&1 || { echo "failed: $*"; cat "$dir/log"; }
}

installed() {	# variable of liburcu-membarrier.pc
	value=$(pkg-config --variable="$1" liburcu-membarrier)
	echo "$dir/root${value#"$dir/root"}"
}

result "make install" "$(log make -s install DESTDIR="$dir/root")"
pc=$(find "$dir/root" -name liburcu-membarrier.pc)
version=$(pkg-config --modversion liburcu 2>/dev/null)
PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
headers=$(installed compat_includedir)
scripts=$(installed compat_libdir)
packages=$(installed compat_pkgconfigdir)
libdir=$(installed libdir)
include="-I$headers -I$(installed includedir)"
PKG_CONFIG_PATH=$packages
result "liburcu-membarrier.pc knows where" "$(
	for at in "$headers/urcu.h" "$scripts/liburcu.so" "$packages"; do
		[ -e "$at" ] || echo "no $at"
	done)"

# What liburcu's own map calls things, "name what-it-stands-for".
echo '#include <urcu/map/urcu-memb.h>' | $CC -E -dD -xc - |
	awk '$1 == "#define" && $3 ~ /^_*urcu_memb_/ { print $2, $3 }' >"$dir/map"
refused=$(sed -n 's/^#define \(urcu_memb_[a-z_]*\)[[:space:]]*\\$/\1/p' \
	"$headers/urcu/map/urcu-memb.h" | while read -r name; do
		grep -q "^	$name\$" "$headers/urcu/map/urcu-memb.h" && echo "$name"
	done)

# The program, with other names for the same.
rename() {	# pairs on stdin
	awk 'FNR == NR { other[$1] = $2; next }
	{
		line = ""
		while (match($0, /[A-Za-z_][A-Za-z_0-9]*/)) {
			word = substr($0, RSTART, RLENGTH)
			line = line substr($0, 1, RSTART - 1) \
				(word in other ? other[word] : word)
			$0 = substr($0, RSTART + RLENGTH)
		}
		print line $0
	}' - "$srcdir/tests/compat/program.c"
}
cp "$srcdir/tests/compat/program.c" "$dir/short.c"
grep -v '^[a-z_]*_memb ' "$dir/map" | rename >"$dir/explicit.c"
sed -n 's/^\([a-z_]*\)_memb .*/\1 &/p' "$dir/map" | rename >"$dir/suffixed.c"
result "liburcu's names are known" "$(
	for style in explicit suffixed; do
		changed=$(diff "$dir/short.c" "$dir/$style.c" | grep -c '^>')
		[ "$changed" -ge 30 ] || echo "$style: $changed lines changed"
	done)"

needed() {
	readelf -d "$dir/program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# Ours is needed, liburcu's flavours are not, and nobody asks for their symbols.
linked() {
	needed | grep -q '^liburcu-membarrier\.so' || echo "not linked with ours"
	needed | grep '^liburcu\(-[a-z]*b\|-signal\|-qsbr\|\)\.so'
	nm -D "$dir/program" | grep ' _*urcu_memb_\|_memb$'
}

runs() {
	said=$(LD_LIBRARY_PATH=$libdir "$dir/program" 2>&1)
	status=$?
	[ "$status $said" = "0 right" ] || echo "status $status: $said"
}

program() {	# what, style, flags, libraries, compiler...
	what=$1 style=$2 flags=$3 libraries=$4
	shift 4
	rm -f "$dir/program"
	faults=$(log "$@" -Wall -Werror $flags "$dir/$style.c" -x none \
		-o "$dir/program" $libraries -pthread)
	result "$what" "${faults:-$(linked; runs)}"
}

each_language() {	# what, style, flags, libraries
	program "C, $@" $CC
	if [ -n "$have_cxx" ]; then
		program "C++, $@" $CXX -x c++
	else
		skip "C++, $1" "no C++ compiler"
	fi
}
have_cxx=$(echo 'int main() { }' | $CXX -x c++ -fsyntax-only - 2>/dev/null && echo yes)
hard="-L$scripts -lurcu -lurcu-cds"

if [ -n "$version" ]; then
	result "liburcu.pc reports liburcu's version" "$(
		found=$(pkg-config --modversion liburcu)
		[ "$found" = "$version" ] || echo "$found, not $version")"
	for package in $(cd "$packages" && ls); do
		each_language "$package" short "$(pkg-config --cflags "${package%.pc}")" \
			"$(pkg-config --libs "${package%.pc}") -lurcu-cds"
	done
else
	skip "pkg-config files" "liburcu has none"
fi
for style in short explicit suffixed; do
	for define in UMB_TEST_NOTHING RCU_MEMBARRIER URCU_INLINE_SMALL_FUNCTIONS \
		_LGPL_SOURCE; do
		flags="$include -D$define"
		[ $style != explicit ] || flags="$flags -DEXPLICIT"
		each_language "$style names, -D$define" $style "$flags" "$hard"
	done
done
each_language "short names from <urcu/urcu-memb.h>" short \
	"$include -DEXPLICIT -DURCU_API_MAP" "$hard"
each_language "no names with _memb" short \
	"$include -DURCU_NO_COMPAT_IDENTIFIERS" "$hard"
each_language "-lurcu-memb" short "$include" "-L$scripts -lurcu-memb -lurcu-cds"
result "objects made with liburcu's headers do not link" "$(
	$CC -c "$dir/short.c" -o "$dir/short.o"
	if $CC "$dir/short.o" -o "$dir/program" $hard -pthread 2>"$dir/log"; then
		echo "they do"
	elif ! grep -q urcu_memb_ "$dir/log"; then
		cat "$dir/log"
	fi)"
for linker in bfd gold lld; do
	if echo 'int main(void) { return 0; }' |
	   $CC -fuse-ld=$linker -xc - -o "$dir/linker" 2>/dev/null; then
		program "-lurcu, linked by $linker" short "$include" "$hard" \
			$CC -fuse-ld=$linker
	else
		skip "-lurcu, linked by $linker" "not here"
	fi
done

# Static: no liburcu symbols, and ours are inside.
static() {	# what, libraries
	rm -f "$dir/program"
	faults=$(log $CC -static -Wall -Werror $include "$dir/short.c" \
		-o "$dir/program" $2 -pthread)
	result "$1" "${faults:-$(nm "$dir/program" | grep ' _*urcu_memb_'
		nm "$dir/program" | grep -q ' T urcu_membarrier_call_rcu$' ||
			echo "ours is not inside"
		runs)}"
}
if [ -f "$scripts/liburcu.a" ] && echo '#include <urcu/rculfhash.h>
int main(void) { return !cds_lfht_destroy; }' |
   $CC -static -xc - -o "$dir/linker" -lurcu-cds -lurcu-common 2>/dev/null; then
	for library in urcu urcu-memb; do
		static "-static -l$library" \
			"-L$scripts -l$library -lurcu-cds -lurcu-common"
	done
	[ -z "$version" ] || static "pkg-config --static" \
		"-lurcu-cds $(pkg-config --static --libs liburcu)"
else
	skip "static programs" "no static libraries"
fi

# Every name that liburcu's map gives is a function here, the flavour, or refused.
result "every name stands for something" "$({
	echo '#include <urcu/urcu-memb.h>'
	echo 'void (*const functions[])(void) = {'
	sed 's/.* //' "$dir/map" | LC_ALL=C sort -u |
		grep -vxF "$refused" |
		grep -v 'memb_\(flavor\|dereference\|[a-z]*_pointer\)$' |
		sed 's/.*/(void (*)(void)) &,/'
	echo '}; int main(void) { return !functions[0] || !urcu_memb_flavor.barrier; }'
	} >"$dir/names.c"
	grep -c ',$' "$dir/names.c" | awk '$1 < 35 { print "only", $1, "names" }'
	log $CC $include -Wno-cast-function-type "$dir/names.c" -o "$dir/program" $hard
	linked)"

refuses() {	# what, name, source
	echo "$3" >"$dir/refused.c"
	for compiler in "$CC" ${have_cxx:+"$CXX -xc++"}; do
		if $compiler $include -fsyntax-only "$dir/refused.c" 2>"$dir/log"; then
			echo "$compiler: compiles"
		elif ! grep -q "error: .*$2.* [Vv]alid " "$dir/log"; then
			echo "$compiler: not said:"
			cat "$dir/log"
		fi
	done
}
for name in RCU_MB RCU_SIGNAL; do
	result "$name is refused" "$(refuses "$name" "$name:" "#define $name
#include <urcu.h>")"
done
result "names are refused" "$(echo "$refused" |
	awk 'END { if (NR < 7) print "only", NR }')"
for name in $refused; do
	result "$name is refused" "$(refuses "$name" "$name" "#define _LGPL_SOURCE
#include <urcu.h>
void f(void); void f(void) { (void) sizeof $name; }")"
done
result "rcu_memb_before_fork is refused" "$(refuses "" rcu_memb_before_fork \
	'#include <urcu.h>
void f(void); void f(void) { rcu_memb_before_fork(); }')"

# Several flavours in one file: the short names go where they go with liburcu.
flavours() {	# source
	for flags in "" "$include"; do
		echo "$1" | $CC $flags -Wall -Werror -xc -c - -o "$dir/flavours.o" \
			2>"$dir/log" || { cat "$dir/log"; continue; }
		nm -u "$dir/flavours.o" | sed 's/urcu_membarrier_/urcu_memb_/' \
			>"$dir/flavours${flags:+.ours}"
	done
	grep -q urcu_ "$dir/flavours" || echo "liburcu: no flavour's symbols"
	diff "$dir/flavours" "$dir/flavours.ours"
}
short='void f(void); void f(void) { synchronize_rcu(); rcu_register_thread(); }'
long='void f(void) { urcu_memb_synchronize_rcu(); urcu_bp_synchronize_rcu();
	urcu_qsbr_synchronize_rcu(); urcu_memb_register_thread(); }'
result "<urcu.h>, then <urcu-bp.h>" "$(flavours "#include <urcu.h>
#include <urcu-bp.h>
$short")"
result "<urcu-qsbr.h>, then <urcu.h>" "$(flavours "#include <urcu-qsbr.h>
#include <urcu.h>
$short")"
result "three flavours by their names" "$(flavours "#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>
void f(void); $long")"
result "the short names of a map" "$(flavours "#include <urcu/urcu-memb.h>
#include <urcu/urcu-bp.h>
#include <urcu/map/urcu-memb.h>
$short")"
result "the map again redefines nothing" "$(printf '#include <%s>\n' urcu.h \
	urcu/map/urcu-memb.h | $CC $include -Wsystem-headers -fsyntax-only -xc - 2>&1 |
	grep redefined)"
result "no short names without URCU_API_MAP" "$(echo '#include <urcu/urcu-memb.h>' |
	$CC $include -E -dM -xc - | grep 'define \(rcu_flavor\|call_rcu\|rcu_gp\) ')"
result "<urcu/urcu-mb.h> is liburcu's" "$(flavours "#define URCU_API_MAP
#include <urcu/urcu-mb.h>
$short")"
tap_end
