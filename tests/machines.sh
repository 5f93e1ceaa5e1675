#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make check-machines, or tests/machines.sh [NAME...]: the library, its unit tests and
# its torture for other machines, another C library, and other versions of liburcu.
#
#	arm64 armhf ppc64el s390x	cross-built, and run by an emulator
#	musl				built with musl-gcc, as is a liburcu
#	liburcu-oldest			the oldest liburcu that is supported
#	liburcu-current			one that is newer than the machine's
#
# Debian on amd64, and its mirror, are needed; root is not, nor does anything outside
# the directory change: packages are unpacked there, and never installed. It is
# UMB_MACHINES, or machines below the current directory. A second run uses what is
# there. UMB_MACHINES_JOBS says how many compilers run at a time. --packages, before the
# names, prints which packages of Debian must be installed for that.
set -u
srcdir=$(cd "${srcdir:-$(dirname "$0")/..}" && pwd)
. "$srcdir/tests/lib/tap.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL CC CXX CFLAGS CPPFLAGS LDFLAGS LD_LIBRARY_PATH
unset URCU_MEMBARRIER_MODE

names='arm64 armhf ppc64el s390x musl liburcu-oldest liburcu-current'
jobs=${UMB_MACHINES_JOBS:-$(nproc)}
# One unit test; then it hangs.
limit=300

debian=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=
newer=trixie
triplet=x86_64-linux-gnu

# Programs that are not run: MACHINES|PROGRAM|REASON. Machines are words, "*" is all.
programs_left_out() {
	cat <<-'END'
	arm64 armhf ppc64el s390x|step|emulated: no ptrace, by which it single-steps
	arm64 armhf ppc64el s390x|crowd|emulated: thousands of threads take too long
	END
}

# Results that do not count when they fail: MACHINES|PROGRAM|RESULT|REASON. RESULT is
# a pattern for the beginning of its name.
results_left_out() {
	cat <<-'END'
	arm64 armhf ppc64el s390x|call-rcu|the host's signals|emulated: signals 61 to 64 cannot be blocked
	arm64 armhf ppc64el s390x|chain|what handlers find blocked|emulated: signals 61 to 64 cannot be blocked, so no mask is full
	musl|dlopen|the library can be opened|musl does not dlopen() initial-exec TLS
	s390x|dlopen|[0-9]* pages, then|emulated: the memory is the emulator's
	s390x|poll-eventfd|by a lazy worker|emulated: fcntl(F_DUPFD) of an eventfd loses the byte order
	s390x|poll-eventfd|many at a time|emulated: fcntl(F_DUPFD) of an eventfd loses the byte order
	s390x|poll-eventfd|not by a forked child|emulated: fcntl(F_DUPFD) of an eventfd loses the byte order
	s390x|poll-eventfd|of the end of one's own section|emulated: fcntl(F_DUPFD) of an eventfd loses the byte order
	s390x|poll-eventfd|the descriptor is closed meanwhile|emulated: fcntl(F_DUPFD) of an eventfd loses the byte order
	arm64 armhf ppc64el s390x|set-signal|signal 63,|emulated: signals 61 to 64 cannot be sent
	arm64 armhf ppc64el s390x|set-signal|signal 64,|emulated: signals 61 to 64 cannot be sent
	arm64 armhf ppc64el s390x|signal|its mask, with SA_NODEFER|emulated: signals 61 to 64 cannot be blocked, so no mask is full
	arm64 armhf ppc64el s390x|stall-handler|the host's signals|emulated: signals 61 to 64 cannot be blocked, nor a SIGSEGV that is sent
	END
}

die() {
	echo "machines: $1" >&2
	exit 2
}

# tries WHAT LOG COMMAND...: it succeeds, or says that it failed and what it said last.
tries() {
	what=$1 log=$2
	shift 2
	"$@" >"$log" 2>&1 && return
	echo "$what failed; the whole log is $log"
	tail -n 20 "$log"
	return 1
}

# apt for another architecture and suite, with its own state in $dir/apt/NAME:
# apt_for NAME ARCHITECTURE SUITE [URI KEYRING]
apt_for() {
	apt=$dir/apt/$1
	mkdir -p "$apt/etc/apt.conf.d" "$apt/etc/preferences.d" \
		"$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
	: >"$apt/status"
	cat >"$apt/conf" <<-END
		APT::Architecture "$2";
		APT::Architectures "$2";
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Dir::Cache "$apt/cache";
		Dir::Etc "$apt/etc";
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::State "$apt";
		Dir::State::Lists "$apt/lists";
		Dir::State::Status "$apt/status";
	END
	for kind in deb deb-src; do
		echo "$kind [signed-by=${5:-$debian}] ${4:-$mirror} $3 main"
	done >"$apt/sources.list"
	cmp -s "$apt/sources.list" "$apt/updated" || {
		APT_CONFIG=$apt/conf apt-get update -q >"$apt/log" 2>&1 &&
			cp "$apt/sources.list" "$apt/updated"
	} || {
		tail -n 5 "$apt/log" >&2
		die "$3, $2, cannot be had from ${4:-$mirror}"
	}
}

# unpack NAME ROOT PACKAGE...
unpack() {
	[ ! -f "$2/unpacked" ] || return 0
	(
		apt=$dir/apt/$1 into=$2
		shift 2
		cd "$apt/debs" || exit 2
		APT_CONFIG=$apt/conf apt-get download -q "$@" >>"$apt/log" 2>&1 || {
			tail -n 5 "$apt/log" >&2
			die "apt-get download $* failed"
		}
		mkdir -p "$into"
		for package in "$@"; do
			dpkg-deb -x "${package}"_*.deb "$into" || exit 2
		done
		# Links are from the root of a machine, which this is not.
		find "$into" -type l -lname '/*' | while read -r link; do
			ln -sfr "$into$(readlink "$link")" "$link"
		done
		for lib in lib lib64; do
			[ -e "$into/$lib" ] || ln -s "usr/$lib" "$into/$lib"
		done
		: >"$into/unpacked"
	) || exit 2
}

version_in() {	# root
	sed -n 's/^Version: *//p' "$(find "$1" -name liburcu.pc)"
}

# build ARGUMENT...: configured and made in $build, tests too. What went wrong is left
# in $faults.
build() {
	mkdir -p "$build"
	faults=$(
		cd "$build" || exit
		[ -f Makefile ] ||
			tries configure "$build/configure.log" \
				"$srcdir/configure" --enable-werror "$@" || exit
		tries make "$build/make.log" make -j"$jobs" &&
			tries "make check" "$build/make-check.log" \
				make -k -j"$jobs" check TESTS=)
}

# Is it in the list? Then why. why_not PROGRAM
why_not() {
	programs_left_out | awk -F'|' -v machine="$machine" -v program="$1" '
		$2 == program && ($1 == "*" || index(" " $1 " ", " " machine " ")) {
			print $3
			exit
		}'
}

# The unit programs that are not among those that were built.
not_built() {
	for program in $(sed -n 's,^tests_unit_\([a-z_]*\)_LDADD.*,\1,p' \
			"$srcdir/tests/unit/local.mk" | tr _ -); do
		case " $1 " in
		*" tests/unit/$program "*) ;;
		*) skip "$machine: tests/unit/$program" "not built: $absent" ;;
		esac
	done
}

# All unit tests that were built, in $build, by make check with these ARGUMENTs; and
# once through the torture's matrix.
run() {
	run_kind unit "unit tests" "$@"
	run_kind torture torture "$@"
}

# run_kind KIND WHAT ARGUMENT...: one result, with all counts, and all that failed.
run_kind() {
	kind=$1 what=$2
	shift 2
	wanted= built=$(cd "$build" && make -s -f "$dir/list.mk" list-$kind)
	[ $kind != unit ] || not_built "$built"
	for program in $built; do
		why=$(why_not "${program##*/}")
		if [ -n "$why" ]; then
			skip "$machine: $program" "$why"
		else
			wanted="$wanted $program"
		fi
	done
	begun=$(date +%s)
	for program in $wanted; do
		rm -f "$build/${program%.sh}.trs" "$build/${program%.sh}.log"
	done
	(cd "$build" && make -k check TESTS="$wanted" "$@" >check-$kind.log 2>&1)
	took=$(($(date +%s) - begun))
	for program in $wanted; do
		judge "${program%.sh}"
	done >"$build/results"
	report
}

# "VERDICT|PROGRAM|RESULT|REASON" for each result of it. The log has their names; that
# the plan was kept and the program ended well, automake's driver knows. It ends with 1
# where results failed, be they left out; with anything else it never should.
judge() {
	[ -s "$build/$1.trs" ] || {
		echo "ERROR|$1|it did not run|"
		return
	}
	errors=$(grep -c '^:test-result: ERROR' "$build/$1.trs")
	worse=$(grep '^ERROR:' "$build/$1.log" | grep -vc ' exited with status 1$')
	results_left_out | awk -F'|' -v machine="$machine" -v program="$1" \
		-v errors="$errors" -v worse="$worse" '
	function result(verdict, name, reason) {
		gsub(/\|/, "/", name)
		print verdict "|" program "|" name "|" reason
		seen++
	}
	FILENAME == "-" {
		if (index(" " $1 " ", " " machine " ") && program ~ ("/" $2 "$"))
			why[$3] = $4
		next
	}
	/^ok .* # SKIP/ {
		reason = $0
		sub(/.* # SKIP */, "", reason)
		sub(/ # SKIP.*/, "")
		sub(/^ok [0-9]* (- )?/, "")
		result("SKIP", $0, reason)
		next
	}
	/^ok / {
		sub(/^ok [0-9]* (- )?/, "")
		result("PASS", $0)
	}
	/^not ok / {
		sub(/^not ok [0-9]* (- )?/, "")
		for (name in why)
			if ($0 ~ "^" name) {
				result("LEFT", $0, why[name])
				left++
				next
			}
		result("FAIL", $0)
		failed++
	}
	/^1\.\.[0-9]/ { plan = substr($1, 4) + 0 }
	/^1\.\.0 # SKIP/ {
		sub(/.* # SKIP */, "")
		result("SKIP", "all of it", $0)
	}
	/^Bail out!/ { result("ERROR", $0) }
	END {
		if (!seen)
			result("ERROR", "it has no results")
		else if (plan && plan != seen || plan == "")
			result("ERROR", "it planned " plan + 0 ", gave " seen)
		else if (worse || errors && !failed && !left)
			result("ERROR", "it ends badly; see its log")
	}' - "$build/$1.log"
}

count() {	# verdicts
	grep -cE "^($1)\|" "$build/results"
}

report() {
	grep '^LEFT|' "$build/results" | while IFS='|' read -r verdict program name why; do
		echo "# $machine: $program: $name: left out: $why"
	done
	passed=$(count PASS)
	skipped=$(count 'SKIP|LEFT')
	failed=$(count 'FAIL|ERROR|XPASS|XFAIL')
	faults=$(sed -nE 's/^(FAIL|ERROR|XPASS|XFAIL)\|([^|]*)\|([^|]*)\|.*/\2: \3/p' \
		"$build/results")
	[ "$passed" -gt 0 ] || faults="nothing passed; see $build/check-$kind.log"
	result "$machine: $what: $passed passed, $failed failed, $skipped skipped, $took s" \
		"$faults"
}

# cross NAME TRIPLET EMULATOR
cross() {
	root=$dir/root/$1
	command -v "$2-gcc" >/dev/null || {
		skip "$1" "no $2-gcc: install gcc-$2"
		return
	}
	apt_for "$1" "$1" "$suite"
	unpack "$1" "$root" libc6 libc6-dev libgcc-s1 liburcu-dev liburcu8 \
		linux-libc-dev
	apt_for newer amd64 "$newer"
	unpack newer "$dir/root/emulators" qemu-user
	emulator=$dir/root/emulators/usr/bin/qemu-$3
	"$emulator" --version >/dev/null || die "$emulator does not run"
	absent="the emulator has no seccomp filters; no C++ compiler for it"
	# No C++: the name keeps configure from this machine's.
	build --host="$2" CC="$2-gcc --sysroot=$root" CXX="$2-g++" \
		PKG_CONFIG_LIBDIR="$root/usr/lib/$2/pkgconfig" \
		PKG_CONFIG_SYSROOT_DIR="$root"
	result "$1: built by $2-gcc $("$2-gcc" -dumpversion), liburcu $(version_in "$root")" \
		"$faults"
	[ -z "$faults" ] || return
	UMB_TEST_EMULATOR=$emulator QEMU_LD_PREFIX=$root
	export UMB_TEST_EMULATOR QEMU_LD_PREFIX
	run LOG_COMPILER="timeout $limit ./libtool --mode=execute $emulator"
	unset UMB_TEST_EMULATOR QEMU_LD_PREFIX
}

# liburcu from Debian's source, by musl-gcc, into $prefix.
musl_liburcu() {
	[ ! -f "$prefix/made" ] || return 0
	source=$dir/source
	rm -rf "$source"
	mkdir -p "$source"
	(
		cd "$source" || exit
		APT_CONFIG=$apt/conf tries "apt-get source" "$source/log" \
			apt-get source -q liburcu || exit
		cd liburcu-*/ || exit
		tries "liburcu's configure" "$source/configure.log" ./configure \
			--prefix="$prefix" CC="$compiler" "CFLAGS=-O2 -g" || exit
		# Debian's patches are newer than what was made of the files.
		for part in include src; do
			tries "liburcu's make" "$source/$part.log" \
				make -j"$jobs" -C $part install ACLOCAL=: \
				AUTOCONF=: AUTOHEADER=: AUTOMAKE=: || exit
		done
		: >"$prefix/made"
	)
}

# The kernel's headers, for musl-gcc, which has none; and no others of this machine.
kernel_headers() {
	mkdir -p "$dir/kernel"
	for headers in asm asm-generic linux; do
		from=/usr/include/$headers
		[ -d "$from" ] || from=/usr/include/$triplet/$headers
		ln -sfn "$from" "$dir/kernel/$headers"
	done
}

musl() {
	command -v musl-gcc >/dev/null || {
		skip musl "no musl-gcc: install musl-tools"
		return
	}
	kernel_headers
	compiler="musl-gcc -idirafter $dir/kernel"
	prefix=$dir/root/musl
	apt_for source amd64 "$suite"
	faults=$(musl_liburcu)
	[ -z "$faults" ] || {
		result "musl: liburcu is built" "$faults"
		return
	}
	absent="no libseccomp and no C++ library for musl"
	# No C++ library is for it.
	build CC="$compiler" CXX=no-c++-for-musl \
		CPPFLAGS="-I$prefix/include" \
		LDFLAGS="-L$prefix/lib -Wl,-rpath,$prefix/lib" \
		PKG_CONFIG_LIBDIR="$prefix/lib/pkgconfig"
	result "musl: built by musl-gcc, gcc $(gcc -dumpversion), liburcu $(version_in "$prefix")" \
		"$faults"
	[ -z "$faults" ] || return 0
	run LOG_COMPILER="timeout $limit"
}

# This machine, with all libraries, the C library included, from what
# was unpacked in $root: a newer liburcu wants a newer C library.
suite() {
	loader=$root/lib64/ld-linux-x86-64.so.2
	PKG_CONFIG_LIBDIR=$root/usr/lib/$triplet/pkgconfig
	export PKG_CONFIG_LIBDIR
	absent="no C++ library of that distribution"
	# The C++ library is another one: C only. -B, for gcc looks beside itself first.
	build CC="gcc --sysroot=$root -B$root/usr/lib/$triplet -Wl,--dynamic-linker=$loader -Wl,-rpath,$root/usr/lib/$triplet -Wl,-rpath,$root/lib/$triplet" \
		CXX=no-c++-here
	result "$machine: built by gcc $(gcc -dumpversion), liburcu $(version_in "$root")" \
		"$faults"
	if [ -z "$faults" ]; then
		run LOG_COMPILER="timeout $limit"
		run_kind drop-in "tests/compat.sh"
	fi
	unset PKG_CONFIG_LIBDIR
}

# Debian 11 has 0.12.2: it must be refused. The next one is Ubuntu 22.04's 0.13.1; that
# distribution's keys are a package of Debian's.
oldest() {
	apt_for too-old amd64 bullseye
	root=$dir/root/too-old
	unpack too-old "$root" liburcu-dev
	rm -rf "$build-too-old"
	mkdir -p "$build-too-old"
	result "$machine: configure refuses liburcu $(version_in "$root")" "$(
		cd "$build-too-old" || exit
		if PKG_CONFIG_LIBDIR=$root/usr/lib/$triplet/pkgconfig \
		   "$srcdir/configure" CPPFLAGS="-I$root/usr/include/$triplet" \
		   >log 2>&1; then
			echo "it takes it"
		else
			grep -q '^configure: error: liburcu 0.13 or later' log ||
				tail -n 5 log
		fi)"
	apt_for newer amd64 "$newer"
	unpack newer "$dir/root/keys" ubuntu-keyring
	apt_for jammy amd64 jammy http://archive.ubuntu.com/ubuntu \
		"$dir/root/keys/usr/share/keyrings/ubuntu-archive-keyring.gpg"
	root=$dir/root/jammy
	unpack jammy "$root" libc6 libc6-dev libgcc-s1 libseccomp-dev libseccomp2 \
		liburcu-dev liburcu8 linux-libc-dev
	suite
}

current() {
	apt_for newer amd64 "$newer"
	root=$dir/root/newer
	unpack newer "$root" libc6 libc6-dev libgcc-s1 libseccomp-dev libseccomp2 \
		liburcu-dev liburcu8t64 linux-libc-dev
	suite
}

prepare() {
	for tool in apt-get dpkg-deb make pkg-config; do
		command -v $tool >/dev/null || die "no $tool here"
	done
	[ "$(dpkg --print-architecture)" = amd64 ] || die "this is not Debian on amd64"
	[ -f "$debian" ] || die "no $debian: install debian-archive-keyring"
	[ -x "$srcdir/configure" ] || die "no configure: run ./bootstrap"
	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	mirror=$(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
		"Codename: $suite" --format '$(REPO_URI)' 2>/dev/null | head -n 1)
	: "${mirror:=http://deb.debian.org/debian}"
	mkdir -p "${UMB_MACHINES:-machines}"
	dir=$(cd "${UMB_MACHINES:-machines}" && pwd)
	cat >"$dir/list.mk" <<-'END'
		include Makefile
		list-unit: ; @echo $(unit_programs)
		list-torture: ; @echo $(torture_programs)
		list-drop-in: ; @echo tests/compat.sh
	END
}

# What is not among the packages that any build of the library needs.
packages() {
	echo debian-archive-keyring
	for machine in "$@"; do
		case $machine in
		arm64) echo gcc-aarch64-linux-gnu ;;
		armhf) echo gcc-arm-linux-gnueabihf ;;
		ppc64el) echo gcc-powerpc64le-linux-gnu ;;
		s390x) echo gcc-s390x-linux-gnu ;;
		musl) echo bzip2 dpkg-dev musl-tools ;;
		esac
	done
}

verb=
if [ "${1:-}" = --packages ]; then
	verb=packages
	shift
fi
for machine in "$@"; do
	case " $names " in
	*" $machine "*) ;;
	*) die "no machine is called $machine; there are: $names" ;;
	esac
done
if [ -n "$verb" ]; then
	packages ${*:-$names}
	exit
fi
prepare
for machine in ${*:-$names}; do
	build=$dir/build/$machine
	case $machine in
	arm64) cross arm64 aarch64-linux-gnu aarch64 ;;
	armhf) cross armhf arm-linux-gnueabihf arm ;;
	ppc64el) cross ppc64el powerpc64le-linux-gnu ppc64le ;;
	s390x) cross s390x s390x-linux-gnu s390x ;;
	musl) musl ;;
	liburcu-oldest) oldest ;;
	liburcu-current) current ;;
	esac
done
tap_end
