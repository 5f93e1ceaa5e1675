#!/bin/sh
# SPDX-License-Identifier: MIT
# Two copies of the library in one process are named in one line on stderr; one
# copy, and copies that nobody can reach, are silent. From the environment: CC,
# srcdir. Runs in the build directory.
: "${CC:=cc}" "${srcdir:=.}"
. "$srcdir/tests/lib/tap.sh"

shared=$PWD/.libs/liburcu-membarrier.so
archive=$PWD/.libs/liburcu-membarrier.a
unset URCU_MEMBARRIER_MODE	# programs here say nothing about modes

for file in "$shared" "$archive"; do
	if ! [ -f "$file" ]; then
		echo "1..0 # SKIP no $(basename "$file") was built"
		exit 0
	fi
done
if nm -D "$shared" 2>/dev/null | grep -q ' U __[atu]b\{0,1\}san_\| __gcov'; then
	echo "1..0 # SKIP the library is instrumented"
	exit 0
fi
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 99' HUP INT TERM

cat >"$dir/plugin.c" <<'END'
#include <urcu/urcu-membarrier.h>

void plugin_lock(void);
void plugin_unlock(void);

void plugin_lock(void)
{
	urcu_membarrier_read_lock();
}

void plugin_unlock(void)
{
	urcu_membarrier_read_unlock();
}
END

# Each argument is a letter and a module. It is opened l(ocally), g(lobally) or
# with d(eepbind), and stays; c(losed), three times; or it is a plugin whose
# reader h(olds) a grace period of the program.
cat >"$dir/host.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#ifdef FENCES
#include <urcu-membarrier/fence.h>
#endif
#ifdef USES
#include <urcu/urcu-membarrier.h>

static void (*volatile slow)(void);
#endif

static void *module(const char *path, int flags)
{
	void *opened = dlopen(path, RTLD_NOW | flags);

	if (!opened)
		puts(dlerror());
	return opened;
}

static void call(void *plugin, const char *name)
{
	void (*function)(void);

	*(void **) &function = dlsym(plugin, name);
	function();
}

#ifdef USES
static int inside, over;

static void *read_long(void *plugin)
{
	call(plugin, "plugin_lock");
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	usleep(200000);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	call(plugin, "plugin_unlock");
	return NULL;
}

static int holds(void *plugin)
{
	pthread_t reader;
	int held;

	if (!plugin || pthread_create(&reader, NULL, read_long, plugin))
		return 0;
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		usleep(1000);
	urcu_membarrier_synchronize_rcu();
	held = __atomic_load_n(&over, __ATOMIC_SEQ_CST);
	pthread_join(reader, NULL);
	return held;
}
#else
static int holds(void *plugin)
{
	return !plugin;
}
#endif

static int closes(const char *path)
{
	for (int i = 0; i < 3; i++) {
		void *plugin = module(path, RTLD_LOCAL);

		if (!plugin)
			return 0;
		call(plugin, "plugin_lock");
		call(plugin, "plugin_unlock");
		dlclose(plugin);
	}
	return 1;
}

static int did(char how, const char *path)
{
	switch (how) {
	case 'l':
		return module(path, RTLD_LOCAL) != NULL;
	case 'g':
		return module(path, RTLD_GLOBAL) != NULL;
#ifdef RTLD_DEEPBIND
	case 'd':
		return module(path, RTLD_DEEPBIND) != NULL;
#endif
	case 'c':
		return closes(path);
	case 'h':
		return holds(module(path, RTLD_LOCAL));
	}
	return 0;
}

int main(int argc, char **argv)
{
	alarm(60);
#ifdef FENCES
	umb_fence_heavy();
#endif
#ifdef USES
	/* In a non-PIE program that is the address of a PLT entry. */
	slow = urcu_membarrier_read_lock_slow;
	urcu_membarrier_read_lock();
	urcu_membarrier_read_unlock();
	urcu_membarrier_synchronize_rcu();
#endif
	for (int i = 1; i + 1 < argc; i += 2)
		if (!did(*argv[i], argv[i + 1]))
			return i;
	return 0;
}
END
cat >"$dir/alone.c" <<'END'
#include <urcu/urcu-membarrier.h>

int main(void)
{
	urcu_membarrier_read_lock();
	urcu_membarrier_read_unlock();
	urcu_membarrier_synchronize_rcu();
	return 0;
}
END

build() {	# OUTPUT SOURCE FLAGS...
	output=$1 source=$2
	shift 2
	$CC -O2 -I"$srcdir/include" -o "$dir/$output" "$dir/$source.c" "$@" \
		-pthread -ldl >"$dir/log" 2>&1
}

must_build() {
	build "$@" || { cat "$dir/log"; echo "Bail out! $1 does not build"; exit 1; }
}

# says WHAT NAMES PROGRAM ARGUMENTS...: a line for each of NAMES, a list of
# "MODULE+MODULE", the new copy's and the old one's ("the program" without blank).
says() {
	what=$1 names=$2 program=$dir/$3
	shift 3
	: >"$dir/wanted"
	for pair in $names; do
		echo "in [^ ]*${pair%+*} and in [^ ]*${pair#*+}:" |
			sed 's/theprogram/the program/; s/\./\\./g' >>"$dir/wanted"
	done
	LD_LIBRARY_PATH=$PWD/.libs:$LD_LIBRARY_PATH \
		"$program" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	faults=
	[ $status -eq 0 ] || faults="exit status $status"
	[ "$(wc -l <"$dir/err")" -eq "$(wc -l <"$dir/wanted")" ] ||
		faults="$faults, $(wc -l <"$dir/err") lines"
	while read -r wanted; do
		grep -q "^liburcu-membarrier: .*$wanted" "$dir/err" ||
			faults="$faults, nothing about: $wanted"
	done <"$dir/wanted"
	! [ -s "$dir/out" ] || faults="$faults, something on stdout"
	result "$what" "${faults:+$faults
$(cat "$dir/err" "$dir/out")}"
}

must_build bare host
must_build shared host -DUSES -fPIE -pie "$shared"
must_build static host -DUSES "$archive"
must_build exporting host -DUSES -rdynamic "$archive"
must_build dependent.so plugin -shared -fPIC "$shared"
must_build linked host -DUSES "$archive" -Wl,--no-as-needed "$shared"
must_build fences host -DFENCES "$archive" -Wl,--no-as-needed "$shared"
must_build exported.so plugin -shared -fPIC "$archive"
must_build also-exported.so plugin -shared -fPIC "$archive"
must_build hidden.so plugin -shared -fPIC "$archive" -Wl,--exclude-libs,ALL \
	-Wl,--gc-sections -s
must_build staying.so plugin -shared -fPIC "$archive" -Wl,--exclude-libs,ALL \
	-Wl,-z,nodelete
must_build symbolic.so plugin -shared -fPIC "$archive" -Wl,-Bsymbolic
must_build functions.so plugin -shared -fPIC "$archive" -Wl,-Bsymbolic-functions
cp "$shared" "$dir/first.so"
cp "$shared" "$dir/second.so"
library=liburcu-membarrier.so.0

says "the shared library alone" "" shared
says "the archive alone" "" static
says "a plugin brings the shared library" "" bare l "$dir/dependent.so"
says "a plugin needs the program's shared library" "" shared h "$dir/dependent.so"
says "a plugin brings the archive, hidden" "" bare l "$dir/hidden.so"
if build alone alone -static "$archive"; then
	says "a static program" "" alone
else
	skip "a static program" "no static C library"
fi

says "a hidden copy beside the shared library" "hidden.so+$library" \
	shared l "$dir/hidden.so"
says "its names given to the shared library" "" shared h "$dir/exported.so"
says "its functions not" "functions.so+$library" \
	shared l "$dir/functions.so"
says "none of them" "symbolic.so+$library" shared l "$dir/symbolic.so"
if echo '#include <dlfcn.h>
int main(void) { return RTLD_DEEPBIND; }' |
   $CC -D_GNU_SOURCE -fsyntax-only -xc - 2>/dev/null; then
	says "opened with RTLD_DEEPBIND" "exported.so+$library" \
		shared d "$dir/exported.so"
else
	skip "opened with RTLD_DEEPBIND" "the C library has none"
fi
if build fixed host -DUSES -fno-pie -no-pie "$shared"; then
	says "a non-PIE program, with a copy relocation" "" fixed
	says "a hidden copy beside it" "hidden.so+$library" \
		fixed l "$dir/hidden.so"
	says "an exported one" "" fixed h "$dir/exported.so"
	says "one that keeps its functions" "functions.so+$library" \
		fixed l "$dir/functions.so"
else
	skip "a non-PIE program" "the compiler makes none"
fi

says "the shared library beside a program with the archive" \
	"$library+theprogram" static l "$dir/dependent.so"
says "a program that exports its copy" "" exporting h "$dir/dependent.so"
says "one that does because the shared library comes with it" "" linked \
	h "$dir/dependent.so"
says "one with fences only" "" fences l "$dir/dependent.so"
says "two hidden copies" "exported.so+hidden.so" \
	bare l "$dir/hidden.so" l "$dir/exported.so"
says "two that export, to nobody" "also-exported.so+exported.so" \
	bare l "$dir/exported.so" l "$dir/also-exported.so"
says "two that export, the first to everybody" "" \
	bare g "$dir/exported.so" l "$dir/also-exported.so"
says "a third copy costs one more line" \
	"exported.so+hidden.so symbolic.so+hidden.so" bare l "$dir/hidden.so" \
	l "$dir/exported.so" l "$dir/symbolic.so"
says "two files of the shared library" "second.so+first.so" \
	bare l "$dir/first.so" l "$dir/second.so"
says "a second file, its names given to the first" "" shared l "$dir/first.so"

says "closed and opened again, alone" "" bare c "$dir/hidden.so"
says "closed and opened again, beside the shared library" \
	"hidden.so+$library hidden.so+$library hidden.so+$library" \
	shared c "$dir/hidden.so"
says "the same, where it stays" "staying.so+$library" \
	shared c "$dir/staying.so"
says "a closed copy is not there any more" "symbolic.so+$library" \
	bare c "$dir/hidden.so" l "$dir/dependent.so" l "$dir/symbolic.so"
tap_end
