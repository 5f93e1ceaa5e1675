#!/bin/sh
# SPDX-License-Identifier: MIT

# What programs are built against: the shared library's symbols and sizes, the
# machine code of the inline read side, and headers that compile on their own.
# From the environment: CC, CXX, srcdir. Runs in the build directory.

: "${CC:=cc}" "${CXX:=c++}" "${srcdir:=.}"
library=.libs/liburcu-membarrier.so
map=$srcdir/src/liburcu-membarrier.map
include="-I$srcdir/include"
warnings='-Wall -Wextra -Werror'
results=0 failures=0
unset URCU_MEMBARRIER_MODE	# programs here say nothing about modes

ok()	# ok STATUS WHAT: the log tells why
{
	results=$((results + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $results - $2"
	else
		echo "not ok $results - $2"
		failures=$((failures + 1))
		sed 's/^/# /' "$dir/log"
	fi
	: >"$dir/log"
}

skip()	# skip WHAT WHY
{
	results=$((results + 1))
	echo "ok $results - $1 # SKIP $2"
}

have()
{
	command -v "$1" >/dev/null 2>&1
}

# The C library and the machine: gcc -m32 -dumpmachine names what it is without.
machine()
{
	$1 -dumpmachine 2>/dev/null | sed 's/.*-linux/-linux/'
	echo 'int one;' | $1 -x c -c -o "$dir/one.o" - 2>/dev/null \
		&& readelf -h "$dir/one.o" | grep 'Class:\|Machine:'
	rm -f "$dir/one.o"
}

# The build's compiler, and the others that are installed, with the build's
# options, -m32 say. A build for another machine has its own only.
compilers()	# compilers BUILD'S OTHER...
{
	first=$1
	echo "$first"
	version=$($first --version 2>/dev/null | sed -n '1s/^[^ ]*//p')
	options=$(echo "$first" | sed -n 's/^[^ ]*\( -.*\)/\1/p')
	shift
	for other; do
		other=$other$options
		if have "${other%% *}" && [ "$(machine "$other")" = "$(machine "$first")" ] \
		   && [ "$($other --version | sed -n '1s/^[^ ]*//p')" != "$version" ]
		then
			echo "$other"
		fi
	done
}

check_symbols()
{
	sed -n '/^global:/,/^local:/s/^[[:space:]]*\([A-Za-z0-9_]*\);.*/\1/p' \
		"$map" >"$dir/listed"
	LC_ALL=C sort "$dir/listed" >"$dir/wanted"
	nm -D --defined-only "$library" \
		| awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' \
		| LC_ALL=C sort >"$dir/is"
	test -s "$dir/wanted" && diff "$dir/wanted" "$dir/is" >"$dir/log"
	ok $? "the library exports what its map lists, nothing else"
	test -s "$dir/is" && ! grep -v '^umb_\|^urcu_membarrier_\|^rcu_[a-z]*_pointer_sym$\|^rcu_dereference_sym$' \
		"$dir/is" >"$dir/log"
	ok $? "names of its own families"
}

size_of()	# size_of SYMBOL TYPE
{
	readelf -W --dyn-syms "$library" | awk -v name="$1" -v type="$2" \
		'$4 == type && ($8 == name || index($8, name "@") == 1) {
			print $3; exit }'
}

check_layout()
{
	size_of urcu_membarrier_gp OBJECT >"$dir/log"
	grep -q '^128$' "$dir/log"
	ok $? "urcu_membarrier_gp has 128 bytes"
	size_of urcu_membarrier_reader TLS >"$dir/log"
	grep -q '^128$' "$dir/log"
	ok $? "urcu_membarrier_reader has 128 bytes, thread-local"
	readelf -Wr --dyn-syms "$library" >"$dir/log"
	grep -q 'TP\(OFF\|REL\).*urcu_membarrier_reader' "$dir/log" \
		&& ! grep -q 'DTPMOD\|DTPOFF\|DTPREL\|TLSDESC\|tls_get_addr' \
			"$dir/log"
	ok $? "the library's own accesses to it are initial-exec"
	readelf -Wd "$library" >"$dir/log"
	grep -q 'FLAGS_1.*NODELETE' "$dir/log"
	ok $? "the library is never unloaded"
	readelf -Wd "$library" >"$dir/log"
	grep -q SONAME "$dir/log" && ! grep -q 'TEXTREL\|liburcu-memb\.' "$dir/log"
	ok $? "no text relocations, no flavour of liburcu behind it"
}

write_sources()
{
	cat >"$dir/fast.c" <<'END'
#include <urcu/urcu-membarrier.h>
extern int *fetched;
int section(void);
int section(void)
{
	int value;

	urcu_membarrier_read_lock();
	value = *umb_dereference(fetched);
	urcu_membarrier_read_unlock();
	return value;
}
END
	cat >"$dir/program.c" <<'END'
#define URCU_API_MAP
#include <pthread.h>
#include <urcu/urcu-membarrier.h>

static void *update(void *arg)
{
	synchronize_rcu();
	return arg;
}

/* Library and program must mean one word, one record, and one function. */
int main(void)
{
	static int value, *p;
	void (*lock)(void) = urcu_membarrier_read_lock;
	unsigned long word = rcu_gp.word;
	pthread_t thread;

	rcu_read_lock();
	lock();
	if (rcu_read_ongoing() != 2)
		return 1;
	rcu_read_unlock();
	(rcu_read_unlock)();
	if (pthread_create(&thread, NULL, update, NULL)
	    || pthread_join(thread, NULL))
		return 2;
	if (word == rcu_gp.word)
		return 3;
	rcu_assign_pointer(p, &value);
	if (rcu_xchg_pointer(&p, NULL) != &value || rcu_dereference(p)
	    || rcu_cmpxchg_pointer(&p, NULL, &value))
		return 4;
	return 0;
}
END
}

# A section alone in a function of a shared object. The way to the first return
# is the fast path: what the compiler was told is cold lies behind it.
check_machine_code()	# check_machine_code COMPILER
{
	$1 -shared -fPIC -O2 $include "$dir/fast.c" -o "$dir/fast.so" >"$dir/log" 2>&1
	ok $? "$1: a shared object with a section"
	test -f "$dir/fast.so" || return
	readelf -Wr "$dir/fast.so" >"$dir/log"
	grep -q 'TP\(OFF\|REL\).*urcu_membarrier_reader' "$dir/log" \
		&& ! grep -q 'DTPMOD\|DTPOFF\|DTPREL\|TLSDESC' "$dir/log"
	ok $? "$1: the record is initial-exec"
	objdump -d --no-show-raw-insn "$dir/fast.so" >"$dir/all"
	if ! grep -q 'file format elf.*\(x86-64\|i386\)' "$dir/all"; then
		skip "$1: the fast path's instructions" "not an x86"
		rm "$dir/fast.so"
		return
	fi
	awk '/^[0-9a-f]+ <section(\.cold)?>:/ { on = 1 } /^$/ { on = 0 } on' \
		"$dir/all" >"$dir/whole"
	sed -n '/<section>:/,/[[:space:]]ret/p' "$dir/whole" >"$dir/path"
	cp "$dir/path" "$dir/log"
	# A call of what reads the program counter, or to the next line, is none.
	grep -q '[[:space:]]ret' "$dir/path" \
		&& ! grep 'call' "$dir/path" | grep -qv 'get_pc_thunk\|<section+'
	ok $? "$1: no call on the fast path"
	cp "$dir/whole" "$dir/log"
	! grep -q '[[:space:]]lock[[:space:]]\|[mls]fence\|xchg.*(\|cpuid\|__tls_get_addr' \
		"$dir/whole"
	ok $? "$1: no fence, no atomic instruction, no __tls_get_addr"
	cp "$dir/whole" "$dir/log"
	grep -q 'read_lock_slow' "$dir/whole" && grep -q 'read_unlock_slow' "$dir/whole"
	ok $? "$1: the slow paths are there, in the cold"
	rm "$dir/fast.so"
}

check_program()	# check_program COMPILER FLAGS
{
	if nm -D "$library" | grep -q ' U __[atu]b\{0,1\}san_\| __gcov'; then
		skip "$1 $2" "the library is instrumented"
		return
	fi
	$1 $2 -O2 $warnings $include "$dir/program.c" -o "$dir/program" \
		-L.libs -lurcu-membarrier -lurcu-common -pthread >"$dir/log" 2>&1 \
	&& LD_LIBRARY_PATH=$PWD/.libs:$LD_LIBRARY_PATH \
		"$dir/program" >"$dir/log" 2>&1
	ok $? "$1 $2: a program, built and run"
}

# Those readers map as their own need a copy in the program.
check_copy_relocation()	# check_copy_relocation COMPILER
{
	$1 -fno-pie -no-pie -O2 $include "$dir/program.c" -o "$dir/program" \
		-L.libs -lurcu-membarrier -lurcu-common -pthread >"$dir/log" 2>&1
	readelf -Wr "$dir/program" >"$dir/log" 2>&1
	if grep -q 'COPY.*urcu_membarrier_gp' "$dir/log"; then
		check_program "$1" "-fno-pie -no-pie"
	else
		skip "$1: a copy relocation" "this machine has none"
	fi
	: >"$dir/log"
}

compiles()	# compiles COMPILER FLAGS SUFFIX: the source on stdin
{
	cat >"$dir/unit.$3"
	$1 $2 $warnings $include -fsyntax-only "$dir/unit.$3" >"$dir/log" 2>&1
}

check_headers()	# check_headers COMPILER FLAGS SUFFIX
{
	bad=
	tried=0
	for header in $(cd "$srcdir/include" && find . -name '*.h' \
			| sed 's,^\./,,' | LC_ALL=C sort); do
		for define in UMB_TEST_NOTHING URCU_API_MAP _LGPL_SOURCE; do
			tried=$((tried + 1))
			printf '#define %s\n#include <%s>\n#include <%s>\nint main(void);\n' \
				$define "$header" "$header" \
				| compiles "$1" "$2" "$3" || bad="$bad $header"
			[ -z "$bad" ] || break 2
		done
	done
	[ -z "$bad" ] && [ $tried -ge 3 ]
	ok $? "$1 $2: each header compiles alone, and twice"
}

check_cxx_standards()	# check_cxx_standards COMPILER
{
	for standard in c++11 c++14 c++17 c++20 c++23; do
		echo 'int main() { }' | compiles "$1" -std=$standard cc || continue
		{
			echo '#include <urcu/urcu-membarrier.h>'
			echo 'int f(int *&p); int f(int *&p) {'
			echo 'rcu_read_lock(); int *q = umb_dereference(p);'
			echo 'umb_assign_pointer(p, nullptr);'
			echo 'q = umb_xchg_pointer(&p, q);'
			echo 'rcu_read_unlock(); return q != nullptr; }'
		} | compiles "$1" "-std=$standard -pedantic -DURCU_API_MAP" cc
		ok $? "$1 -std=$standard: a section and pointers"
	done
	: >"$dir/log"
	for define in UMB_TEST_NOTHING UMB_TEST_API_MAP; do
		$1 -std=c++11 $warnings $include -I"$srcdir" -D$define -pthread \
			-fsyntax-only "$srcdir/tests/unit/threads-cxx.cc" \
			>"$dir/log" 2>&1
		ok $? "$1 -std=c++11 -D$define: the C++ test"
	done
}

for tool in nm objdump readelf; do
	if ! have $tool; then
		echo "1..0 # SKIP no $tool"
		exit 0
	fi
done
if ! [ -f "$library" ]; then
	echo "1..0 # SKIP no shared library was built"
	exit 0
fi
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM
: >"$dir/log"

check_symbols
check_layout
write_sources
compilers "$CC" gcc clang >"$dir/compilers"
while read -r compiler; do
	check_machine_code "$compiler"
	check_copy_relocation "$compiler"
	check_program "$compiler" "-fPIE -pie"
	check_program "$compiler" "-O0 -fPIC"
	check_headers "$compiler" "-std=c11 -pedantic" c
	check_headers "$compiler" "-std=gnu11" c
done <"$dir/compilers"
compilers "$CXX" g++ clang++ >"$dir/compilers"
while read -r compiler; do
	check_headers "$compiler" "-std=c++11 -pedantic" cc
	check_cxx_standards "$compiler"
done <"$dir/compilers"
echo "1..$results"
[ $failures -eq 0 ] && [ $results -gt 0 ]
