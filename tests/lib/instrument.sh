# SPDX-License-Identifier: MIT
# For tests that build the library and a test by themselves, with instruments of the
# compiler or with a mutation: source it after tap.sh, in the build directory. $work
# is a directory that goes at the end.

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
flags="-std=gnu11 -g -pthread $SECCOMP_CPPFLAGS"
libs="-pthread ${URCU_COMMON_LIBS--lurcu-common} $SECCOMP_LIBS"

# compile FILE FLAGS: of the tree $tree, into $work/objects.
tree=$srcdir
compile() {
	mkdir -p "$work/objects"
	${CC:-gcc} $flags -I"$tree/include" -I"$tree/src" -I"$tree" $2 \
		-c "$tree/$1" -o "$work/objects/$(echo "$1" | tr / _).o" 2>&1
}

# build_library FLAGS
build_library() {
	for file in $(cd "$tree" && find src -name '*.c'); do
		compile "$file" "$1" || return
	done
}

# sources_of PROGRAM: what it is made of besides the library.
sources_of() {
	echo tests/lib/tap.c
	case $1 in
	torture)
		(cd "$tree" && ls tests/torture/*.c)
		[ -z "$SECCOMP_CPPFLAGS" ] || echo tests/lib/policy.c
		;;
	fuzz)
		(cd "$tree" && ls tests/domain/fuzz*.c)
		;;
	private)
		echo tests/domain/private.c
		;;
	shared-file)
		echo tests/domain/member.c tests/domain/shared-file.c
		;;
	*)
		echo "tests/unit/$1.c"
		;;
	esac
	case $1 in
	cds|ends|fuzz|torture) ;;
	fork*) (cd "$tree" && ls tests/lib/family*.c) ;;
	*) echo tests/lib/again.c tests/lib/cases.c tests/lib/said.c ;;
	esac
}

# build PROGRAM FLAGS: with the library that was built, as $work/PROGRAM.
build() {
	more=
	case $1 in
	cds) more='-rdynamic -lurcu-cds -ldl' ;;
	defer) more=-Wl,--wrap=calloc ;;
	fuzz) more=-Wl,--wrap=umbi_file_map ;;
	esac
	rm -f "$work/$1" "$work/objects"/tests_*
	for file in $(sources_of "$1"); do
		compile "$file" "$2" || return
	done
	${CC:-gcc} $2 "$work/objects"/*.o $libs $more -o "$work/$1" 2>&1
}

can_build() {
	echo 'int main(void) { return 0; }' |
		${CC:-gcc} $1 -x c -o "$work/probe" - 2>/dev/null &&
		"$work/probe"
}

# library_with WHAT FLAGS: the library is built so, or this is the end.
library_with() {
	if ! can_build "$2"; then
		skip "$1" "the compiler has none"
		tap_end
	fi
	log=$(build_library "$2") || {
		result "the library is built with $1" "$log"
		tap_end
	}
}

# What is left to say of a run that failed.
faults() {
	printf '%s' "$1" | grep -v '^ok ' | head -n 40
}

# run_with WHAT FLAGS PROGRAM [ARGUMENT...]: it is clean.
run_with() {
	what=$1 with=$2 program=$3
	shift 3
	log=$(build "$program" "$with")
	if [ ! -x "$work/$program" ]; then
		result "$program is built with $what" "${log:-it is not}"
		return
	fi
	log=$("$work/$program" "$@" 2>&1) && log=
	result "$program with $what" "$(faults "$log")"
}
