#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make check-programs: Debian's programs that use liburcu, their sources
# unmodified, built with the drop-in of a fresh installation. Their own tests run
# with it, and with the distribution's liburcu: what fails with both is not ours.
#
#	DEBIAN_PROGRAMS=knot make check-programs	not all of them
#
# Needs Debian, its mirror, and root where packages are missing: they are
# installed. Source lists are private; nothing else of the machine changes.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
unset MAKEFLAGS MFLAGS MAKELEVEL CC CFLAGS CPPFLAGS LDFLAGS
jobs=$(nproc)

die() {
	echo "programs: $1" >&2
	exit 2
}

quietly() {	# what, command
	what=$1
	shift
	"$@" >>"$dir/log" 2>&1 && return
	tail -n 20 "$dir/log" >&2
	die "$what failed; the whole log is $dir/log"
}

# knot asks pkg-config.
knot_also=softhsm2
knot_environment() {
	echo "PKG_CONFIG_PATH=$packages"
}
knot_make() {
	./configure --disable-documentation --disable-fastparser \
		--disable-silent-rules && make -j"$jobs"
}
knot_files='src/knotd src/knotc tests/knot/test_server'
knot_test() {
	KNOT_SOFTHSM2_DSO=/usr/lib/softhsm/libsofthsm2.so make -C tests check
}
# Its runner's lines: "knot/test_acl.......ok".
knot_results() {
	sed -nE 's,^([a-z]+/[a-z0-9_-]+)\.\.+(ok|skipped)?.*$,\2 \1,p' "$1" |
		sed 's/^ /failed /'
}

# multipath-tools hard-codes -lurcu. Its tests set a library path of their own.
multipath_tools_also=libcmocka-dev
multipath_tools_environment() {
	echo "CC=cc -I$headers -I$prefix/include -L$scripts -Wl,-rpath,$prefix/lib"
}
multipath_tools_make() {
	make -j"$jobs"
}
multipath_tools_files='multipathd/multipathd libmultipath/libmultipath.so.0
tests/dmevents-test'
multipath_tools_test() {
	make -k test
	grep '^\[ ' tests/*.out
}
multipath_tools_results() {
	sed -nE 's,^tests/(.*)\.out:\[ +([A-Z]+) +\] ([a-z].*)$,\2 \1/\3,p' "$1" |
		sed 's/^OK/ok/; s/^FAILED/failed/; s/^SKIPPED/skipped/'
}

# The machine's Debian mirrors, with sources, in lists of their own.
prepare_apt() {
	command -v apt-get >/dev/null || die "there is no apt-get here"
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
		--format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' |
		LC_ALL=C sort -u | sed 'p; s/^deb/deb-src/' >"$dir/apt/sources.list"
	[ -s "$dir/apt/sources.list" ] ||
		die "apt knows no Debian mirror: run apt-get update"
	cat >"$dir/apt/conf" <<-EOF
		APT::Sandbox::User "root";
		Dir::Cache "$dir/apt/cache";
		Dir::Etc::SourceList "$dir/apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::State::Lists "$dir/apt/lists";
	EOF
	APT_CONFIG=$dir/apt/conf DEBIAN_FRONTEND=noninteractive
	export APT_CONFIG DEBIAN_FRONTEND
	# Lists that cannot be had may be of another architecture.
	apt-get update -q >>"$dir/log" 2>&1 || :
}

install_needed() {	# program
	eval "also=\$${name}_also"
	set -- build-dep -q -y --arch-only --no-install-recommends --no-remove "$1"
	if apt-get -s "$@" 2>/dev/null | grep -q '^Inst' ||
	   { [ -n "$also" ] && apt-get -s install "$also" | grep -q '^Inst'; }; then
		[ "$(id -u)" -eq 0 ] ||
			die "packages are missing; as root run: apt-get build-dep $program; apt-get install $also"
		quietly "apt-get build-dep $program" apt-get "$@"
		[ -z "$also" ] || quietly "apt-get install $also" \
			apt-get install -q -y --no-install-recommends --no-remove $also
	fi
}

fetch() {	# program: its tree is $tree
	mkdir -p "$dir/$1/source"
	(cd "$dir/$1/source" && apt-get source -q "$1") >>"$dir/log" 2>&1 || {
		tail -n 5 "$dir/log" >&2
		die "apt-get source $1 failed: is there a mirror with sources?"
	}
	tree=$(find "$dir/$1/source" -mindepth 1 -maxdepth 1 -type d)
	version=$(dpkg-parsechangelog -l "$tree/debian/changelog" -S Version)
}

install_ours() {
	prefix=$dir/prefix
	mkdir "$dir/build"
	(cd "$dir/build" && "$srcdir/configure" --prefix="$prefix" &&
		make -j"$jobs" && make install) >>"$dir/log" 2>&1 || {
		tail -n 20 "$dir/log" >&2
		die "the library could not be installed"
	}
	ours() {
		PKG_CONFIG_PATH=$prefix/lib/pkgconfig \
			pkg-config --variable="$1" liburcu-membarrier
	}
	headers=$(ours compat_includedir)
	scripts=$(ours compat_libdir)
	packages=$(ours compat_pkgconfigdir)
}

# linked WITH: the files of the program are, and with no other.
linked() {
	eval "files=\$${name}_files"
	for file in $files; do
		[ ! -f "${file%/*}/.libs/${file##*/}" ] ||
			file=${file%/*}/.libs/${file##*/}
		echo "$program, $1: $file:" $(ldd "$file" |
			sed -nE 's/^[[:space:]]*(liburcu[^ ]* => [^ ]*).*/\1;/p')
		found=$(ldd "$file" |
			sed -nE 's/^[[:space:]]*(liburcu(-[a-z]+)?)\.so.*/\1/p' |
			grep -vx 'liburcu-\(common\|cds\)')
		case $1:$found in
		liburcu-membarrier:liburcu-membarrier) ;;
		liburcu:liburcu|liburcu:liburcu-memb) ;;
		*) die "$program is not linked with $1 but with: $found" ;;
		esac
	done
}

# try WITH [ENVIRONMENT...]: build and test a copy of the tree.
try() {
	with=$1
	shift
	cp -a "$tree" "$dir/$program/$with"
	cd "$dir/$program/$with" || exit 2
	(
		[ $# -eq 0 ] || export "$@"
		${name}_make >make.log 2>&1 || {
			tail -n 20 make.log >&2
			die "$program does not build with $with; see $PWD/make.log"
		}
		${name}_test >test.log 2>&1
		linked "$with"
	) || exit 2
	${name}_results test.log | LC_ALL=C sort -u >"$dir/$program/$with.results"
	cut -d' ' -f1 "$dir/$program/$with.results" | LC_ALL=C sort | uniq -c |
	awk -v what="$program $version, $with" '
		{ count[$2] = $1 }
		END { printf "%s: %d passed, %d failed, %d skipped\n", what,
			count["ok"], count["failed"], count["skipped"] }'
	cd "$dir" || exit 2
}

# What the other passed, ours passes; and there is something.
compare() {
	grep '^ok' "$dir/$program/liburcu.results" >"$dir/$program/wanted" ||
		die "$program: no test passes with liburcu"
	grep '^ok' "$dir/$program/liburcu-membarrier.results" |
		LC_ALL=C comm -13 - "$dir/$program/wanted" >"$dir/$program/lost"
	[ -s "$dir/$program/lost" ] || return 0
	status=1
	echo "$program: only liburcu passes:"
	sed 's/^ok/ /' "$dir/$program/lost"
}

dir=$(mktemp -d) || exit 2
status=0
prepare_apt
install_ours
for program in ${DEBIAN_PROGRAMS:-knot multipath-tools}; do
	name=$(echo "$program" | tr - _)
	command -v "${name}_make" >/dev/null || die "unknown program: $program"
	fetch "$program"
	install_needed "$program"
	try liburcu
	try liburcu-membarrier LD_LIBRARY_PATH="$prefix/lib" \
		"$(${name}_environment)"
	compare
done
if [ $status -eq 0 ]; then
	rm -rf "$dir"
else
	echo "programs: logs are in $dir"
fi
exit $status
