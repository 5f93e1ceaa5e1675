#!/bin/sh
# SPDX-License-Identifier: MIT
# urcu-domain: its tables, its JSON, its messages. From the environment: srcdir. Runs in
# the build directory.
: "${srcdir:=.}"
. "$srcdir/tests/lib/tap.sh"
unset URCU_MEMBARRIER_MODE
LC_ALL=C
export LC_ALL

dir=$(mktemp -d) || exit 99
shm=/umb-domain-tool.$$
holder=
trap 'rm -rf "$dir" "/dev/shm$shm"' EXIT
trap 'exit 99' HUP INT TERM
mkdir "$dir/odd" "$dir/empty" "$dir/lists"
# Its end is ours: then those end who wait for it.
mkfifo "$dir/never"
exec 4<>"$dir/never"
domain=$dir/domain

# tool STATUS ARGUMENT...: it ends so. Its output is in $dir/out and $dir/err.
tool() {
	wanted=$1
	shift
	tools/urcu-domain "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	[ $status -eq "$wanted" ] && return
	echo "urcu-domain $*: status $status instead of $wanted"
	cat "$dir/out" "$dir/err"
}

# has FILE PATTERN...: a line for each.
has() {
	file=$1
	shift
	for pattern; do
		grep -Eq -e "$pattern" "$dir/$file" || {
			echo "no line like $pattern in $file:"
			cat "$dir/$file"
		}
	done
}

nothing_in() {
	[ ! -s "$dir/$1" ] || sed "s/^/in $1: /" "$dir/$1"
}

# hold NAME ACTION...: in the background, as $holder, until it says "ready".
hold() {
	said=$dir/said.$1
	shift
	: >"$said"
	tests/lib/holder "$domain" "$@" <"$dir/never" >"$said" 2>&1 4>&- &
	holder=$!
	waited=0
	until grep -q '^ready$' "$said"; do
		waited=$((waited + 1))
		if [ $waited -eq 400 ] || ! kill -0 $holder 2>/dev/null; then
			result "holder $*" "$(echo "it says"; cat "$said")"
			tap_end
		fi
		sleep 0.05
	done
}

# end SIGNAL HOLDER: one that is there, and then is gone.
end() {
	kill "-$1" "$2"
	wait "$2" 2>/dev/null
}

# until_shown EXPRESSION: of the JSON of show, in a time.
until_shown() {
	waited=0
	until tools/urcu-domain --json show "$domain" 2>"$dir/err" | json "$1" \
		>"$dir/log" 2>&1; do
		waited=$((waited + 1))
		if [ $waited -eq 200 ]; then
			cat "$dir/log" "$dir/err"
			return
		fi
		sleep 0.05
	done
}

# json EXPRESSION [ARGUMENT...]: of python, about the value v on stdin; true, or told.
# Strictly: an object has each name once, and text is UTF-8.
have_python=
command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null &&
	have_python=yes
cat >"$dir/about.py" <<'EOF'
import json, sys

def strict(pairs):
    assert len({name for name, _ in pairs}) == len(pairs), "a name twice"
    return dict(pairs)

text = sys.stdin.buffer.read().decode("utf-8")
v = json.loads(text, object_pairs_hook=strict)
a = sys.argv[2:]
sys.exit(0 if eval("(%s)" % sys.argv[1]) else "not so: %s: %s" % (sys.argv[1], text))
EOF
json() {
	python3 "$dir/about.py" "$@"
}

# check_json WHAT EXPRESSION [ARGUMENT...]: about what a tool has said.
check_json() {
	what=$1
	shift
	if [ -n "$have_python" ]; then
		result "JSON: $what" "$(nothing_in err; json "$@" <"$dir/out" 2>&1)"
	else
		skip "JSON: $what" "there is no python3"
	fi
}

# Words about itself, and what it does not understand.
version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"$/\1/p' config.h)
result "--version" "$(tool 0 --version; nothing_in err
	has out "^urcu-domain ${version:-?}$")"
result "--help names verbs and options" "$(tool 0 --help; nothing_in err
	has out '^usage: ' '^  list' '^  show' '^  reap' --json --version 'Exit status')"

misused() {	# message, arguments
	message=$1
	shift
	result "misuse: ${*:-nothing}" "$(tool 2 "$@"; nothing_in out
		has err "^urcu-domain: $message")"
}
misused 'a verb is missing; valid: list, show, reap$'
misused 'unknown verb "shwo"; valid: list, show, reap$' shwo "$domain"
misused 'unknown option "--yaml"; valid: --help, --json, --version$' --yaml list
misused 'unknown option "-j"' list -j
misused 'show needs FILE or /NAME$' show
misused 'reap needs FILE or /NAME$' --json reap
misused 'show needs FILE' show ''
misused 'show takes one FILE or /NAME, not "b" as well$' show a b
misused 'unknown verb "--json"' -- --json

# What is no domain.
refused() {	# what, file, message
	result "show: $1" "$(tool 1 show "$2"; nothing_in out
		has err "^urcu-domain: $2: $3")"
	result "reap: $1" "$(tool 1 --json reap "$2"; nothing_in out
		has err "^urcu-domain: $2: $3")"
}
lists=$dir/lists
yes 'this is text' | head -n 100 >"$lists/text"
echo short >"$lists/short"
: >"$lists/nothing"
dd if=/dev/zero of="$lists/zeros" bs=4096 count=2 2>/dev/null
mkfifo "$lists/fifo"
ln -s text "$lists/link"
refused "no file" "$lists/missing" 'No such file or directory$'
refused "no such name" "$shm.missing" 'No such file or directory; it was taken for a name'
refused "a directory" "$lists" 'Is a directory$'
refused "a FIFO" "$lists/fifo" 'no shared domain.*file, not a regular one'
refused "text" "$lists/text" 'no shared domain, or none for this program: magic: '
refused "a short file" "$lists/short" 'no shared domain.*size of the file: 6'
refused "an empty file" "$lists/nothing" 'size of the file: 0, not finished by its creator'
refused "nothing but zeros" "$lists/zeros" 'magic: 0, not finished by its creator'

# A domain, and what becomes of it in the wrong hands.
hold create readers=4 create=3 say=ready wait
creator=$holder
cp "$domain" "$lists/whole"
dd if="$domain" of="$lists/cut" bs=1000 count=1 2>/dev/null
cp "$domain" "$lists/newer"
printf '\377' | dd of="$lists/newer" bs=1 seek=12 conv=notrunc 2>/dev/null
refused "a truncated one" "$lists/cut" 'no shared domain.*size of the file: 1000; valid is 65536$'
refused "one of another version" "$lists/newer" 'no shared domain.*: version \(newer than this library\)'
if [ "$(id -u)" -ne 0 ]; then
	chmod 400 "$lists/whole"
	refused "one that is not writable" "$lists/whole" 'Permission denied$'
	result "list counts those that it may not open" "$(tool 0 list "$lists"
		has err "$lists: 1 file could not be looked into: Permission denied$")"
	chmod 600 "$lists/whole"
else
	skip "one that is not writable" "root may write to it"
fi

# list
result "list: domains, and nothing else" "$(tool 0 list "$lists"; nothing_in err
	has out '^MODE +BYTES +SLOTS +IN-USE +DEAD +GRACE-PERIODS +FILE$' \
		"^full +65536 +40 +2 +1 +0 +$lists/whole$" \
		"^-.* $lists/newer: version .newer than this library."
	[ "$(wc -l <"$dir/out")" -eq 3 ] || cat "$dir/out")"
tool 0 --json list "$lists" >"$dir/log"
check_json "list" '[sorted(f) for f in v] == [["error", "file"], ["area_bytes", "bytes",
	"dead", "file", "grace_periods", "mode", "reaped", "slots", "taken"]]
	and v[0]["file"] == a[0] + "/newer" and v[1]["file"] == a[0] + "/whole"
	and (v[1]["mode"], v[1]["bytes"], v[1]["area_bytes"], v[1]["slots"], v[1]["taken"],
		v[1]["dead"]) == ("full", 65536, 1000, 40, 2, 1)' "$lists"
result "list: an empty directory" "$(tool 0 list "$dir/empty"; nothing_in err
	[ "$(wc -l <"$dir/out")" -eq 1 ] || cat "$dir/out")"
tool 0 --json list "$dir/empty" >"$dir/log"
check_json "list of an empty directory" 'v == []'
result "list: goes on after a directory that is none" "$(
	tool 1 list "$dir/none" "$dir/never" "$lists"
	has err "^urcu-domain: $dir/none: No such file or directory$" \
		"^urcu-domain: $dir/never: Not a directory$"
	has out " $lists/whole$")"

# Names that nobody would choose.
odd=$(printf 'a"b\\c\nd\033[1m\377\302\205\303\244')
cp "$domain" "$dir/odd/$odd"
result "list: escapes names" "$(tool 0 list "$dir/odd"
	has out "/$(printf 'a"b\\\\\\\\c\\\\x0ad\\\\x1b\\[1m\\\\xff\\\\xc2\\\\x85\303\244')\$"
	[ "$(wc -l <"$dir/out")" -eq 2 ] || cat "$dir/out")"
tool 0 --json list "$dir/odd" >"$dir/log"
check_json "names" 'v[0]["file"].endswith("/a\"b\\c\nd\x1b[1m\ufffd\x85\xe4")'

# show
tool 0 show "$domain" >"$dir/log"
result "show: a domain, its creator, and itself" "$(cat "$dir/log"; nothing_in err
	has out "^$domain$" '^  mode +full$' '^  bytes +65536,.* 1000$' \
		'^  slots +40, .* in use 2$' '^  grace periods +0$' '^  reaped +0 ' \
		'^  leader +none$' '^SLOT +KIND +PID +TID +STATE +DEPTH +AGE +WAITED +COMMAND$' \
		"^4 +process +$creator +$creator +alive +- +- +- +holder$" \
		'^5 +process +([0-9]+) +\1 +alive .*urcu-domain \(this one\)$'
	grep -c '^[0-9]' "$dir/out" | grep -v '^2$')"

hold reader attach "name=$(printf 'a"\\\n\377')" read read say=ready wait
reader=$holder
tool 0 show "$domain" >"$dir/log"
result "show: a reader" "$(cat "$dir/log"
	has out "^0 +reader +$reader +$reader +alive +2 +0 +- +a\"\\\\\\\\\\\\x0a\\\\xff\$")"
tool 0 show --json "$domain" >"$dir/log"
check_json "show" 'v["leader"] is None and len(v["in_use"]) == 4 == v["taken"]
	and v["in_use"][0] == dict(slot=0, kind="reader", pid=int(a[0]), tid=int(a[0]),
		state="alive", command="a\"\\\n\ufffd", depth=2, age=0, waited_ns=0)
	and v["in_use"][1] == dict(slot=4, kind="process", pid=int(a[1]), tid=int(a[1]),
		state="alive", command="holder")
	and v["file"] == a[2] and v["mode"] == "full" and v["slots"] == 40' \
	"$reader" "$creator" "$domain"

# Somebody waits for that reader. And dies, so that the reader can die unnoticed.
if [ -n "$have_python" ]; then
	hold leader attach say=ready synchronize say=over
	result "show: who leads, and for whom is waited" "$(until_shown "v['leader'] and \
		v['leader']['pid'] == $holder and v['leader']['state'] == 'alive' and \
		v['leader']['command'] == 'holder' and \
		v['in_use'][0]['waited_ns'] > 10**7 and v['in_use'][0]['age'] == 1")"
	tool 0 show "$domain" >"$dir/log"
	result "show: in its table, too" "$(cat "$dir/log"
		has out "^  leader +process $holder, alive, holder$" \
			"^0 +reader +$reader .* alive +2 +1 +[0-9]+\.[0-9]{3} s  a")"
	end KILL "$holder"
	result "show: a leader that is dead" "$(until_shown "v['leader'] and \
		v['leader']['state'] == 'dead' and v['leader']['command'] is None and \
		[s['state'] for s in v['in_use'] if s['pid'] == $holder] == ['dead']")"
	result "reap: a leader" "$(tool 0 reap "$domain"
		has out "^$domain: 1 slot of dead processes freed$")"
else
	skip "show: who leads, and for whom is waited" "there is no python3"
fi
end KILL "$reader"
tool 0 show "$domain" >"$dir/log"
result "show: a reader that is dead" "$(cat "$dir/log"
	has out "^0 +reader +$reader +$reader +DEAD +2 .* -$" \
		"^5 +process +$reader +$reader +DEAD +- +- +- +-$")"
tool 0 --json show "$domain" >"$dir/log"
check_json "show, a reader that is dead" '[(s["slot"], s["command"]) for s in v["in_use"]
	if s["state"] == "dead"] == [(0, None), (5, None)]'
result "reap" "$(tool 0 reap "$domain"; nothing_in err
	has out "^$domain: 2 slots of dead processes freed$")"
result "reap: nothing more" "$(tool 0 reap "$domain"; nothing_in err
	has out "^$domain: 0 slots of dead processes freed$")"
tool 0 --json reap "$domain" >"$dir/log"
check_json "reap" 'v == {"file": a[0], "reaped": 0}' "$domain"
tool 0 show "$domain" >"$dir/log"
result "show: they are gone" "$(cat "$dir/log"; grep DEAD "$dir/out"
	has out '^  slots .* in use 2$' '^  reaped +[23] ')"
hold again attach synchronize say=ready wait
result "grace periods go on" "$(tool 0 show "$domain"
	has out '^  grace periods +[1-9]')"
end TERM "$creator"

# A slot for itself it needs; a dead one's will do. Processes have 32 more than readers.
domain=$dir/small
all=
while [ ${#all} -lt 224 ]; do
	all="$all attach"
done
hold small readers=1 create=0 $all say=ready wait
creator=$holder
refused "all slots taken" "$domain" 'slots for processes, all in use'
result "list: all slots taken" "$(tool 0 list "$dir"; nothing_in err
	has out "^- .* $domain: slots for processes, all in use")"
end KILL "$creator"
result "show: takes a dead one's" "$(tool 0 show "$domain"; nothing_in err
	has out '^  slots +34, .* in use 33$' '^1 +process .* \(this one\)$')"

# Where domains live.
domain=$dir/none
hold memfd memfd say=ready wait
fd=$(head -n 1 "$dir/said.memfd")
result "show: a memfd of a process" "$(tool 0 show "/proc/$holder/fd/$fd"; nothing_in err
	has out "^64 +process +$holder ")"
if [ -w /dev/shm ]; then
	cp "$dir/small" "/dev/shm$shm"
	result "show: a name" "$(tool 0 show "$shm"; nothing_in err; has out "^$shm$")"
	result "list: looks into /dev/shm" "$(tool 0 list; has out " /dev/shm$shm$")"
else
	skip "show: a name" "/dev/shm is not writable"
fi
if [ -c /dev/full ]; then
	result "what cannot be written is a failure" "$(
		tools/urcu-domain list >/dev/full 2>"$dir/err"
		status=$?
		[ $status -eq 1 ] || echo "status $status"
		has err '^urcu-domain: stdout: No space left on device$')"
else
	skip "what cannot be written is a failure" "there is no /dev/full"
fi
tap_end
