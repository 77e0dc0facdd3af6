# tests/helpers.bash: what every test file loads (`load helpers`)
#
# Each test runs in an empty directory of its own, with standard input on
# /dev/null. At its end whatever it started is killed; a process that is still
# there although it was not started with `start`, or a report of a sanitizer,
# fails the test, and so does a test that takes longer than $TEST_TIMEOUT
# seconds. A file that defines its own setup or teardown calls test_setup or
# test_teardown there.
#
# Skipping, always by name:
#   need PEER...            programs on PATH: need ncat socat; also: need ipv6
#   need_root               needs root (namespaces, other users)
#   need_linux_build        not with PORTABLE=1
#   need_plain_build        not with SAN=1 (memory limits, valgrind, strace)
#
# Running:
#   sc ARG...               sockcat in the foreground
#   try CMD...              runs CMD: standard output in ./out, standard error
#                           in ./err, exit status in $status; never fails
#   expect_status N         the last try or finish ended with N
#   expect_error N REGEX    ... with N, nothing on standard output, and one
#                           line on standard error, "sockcat: ", matching REGEX
#   expect_match FILE REGEX, expect_same FILE FILE (bytes), expect_text FILE TEXT
#   sum [FILE]              checksum and size; random_bytes SIZE writes noise
#
# In the background (NAME is yours to choose):
#   start NAME CMD...       standard input as given (`start s cmd <file`), output
#                           in ./NAME.out and ./NAME.err
#   start_open NAME CMD...  the same, with a standard input that stays open:
#   say NAME TEXT...        writes lines to it; end_input NAME ends it
#   pid_of NAME             prints the process id; is_running NAME
#   finish NAME             waits for its end; $status, and copies of its output
#                           in ./out and ./err for the expect functions
#   stop NAME [SIGNAL]      signals it (TERM) and does as finish
#   listen_sockcat NAME ARG...  start of `sockcat -l --port-file ... ARG...`,
#                           back when it listens; $port is the port or the path:
#                           listen_sockcat s -4 0; listen_sockcat s -U ./path
#   listen_open NAME ARG... the same with start_open
#   serve NAME CMD...       start of any peer that listens on a TCP port that
#                           the kernel chooses; back when it does; $port
#   serve_on_free NAME CMD...  the same for peers that must be told a port: the
#                           text @PORT@ in CMD is a port that nobody had
#   peer ARG...             our python3 peer, see tests/peers/peer.py:
#                           serve p peer listen greet hello
#   terminal ARG...         runs CMD on a terminal, see tests/peers/terminal.py
#
# Waiting, never for a time but for a state (fails after $PATIENCE seconds):
#   wait_until CMD...       until CMD succeeds
#   wait_for_text FILE REGEX
#   wait_for_file FILE      until there is something in it
#   listens PID             prints the TCP ports that PID listens on
#   connections PID         prints the number of its established TCP connections
#
# Hosts of our own (root):
#   make_netns              a network namespace with loopback up; $netns, or
#                           several: make_netns && other=$netns
#   in_netns CMD...         runs CMD in $netns: start s in_netns sc -l ...
#   netns_etc FILE          standard input becomes /etc/FILE in $netns
#   make_public             $public is a directory that every user can enter
#                           (not write to), with a copy of sockcat in it
#   as_nobody CMD...        runs CMD as a user without rights, in $public

# shellcheck shell=bash
bats_require_minimum_version 1.5.0

TESTS=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
SOCKCAT=$(realpath "${SOCKCAT:-$TESTS/../sockcat}")
export SOCKCAT
TEST_TIMEOUT=${TEST_TIMEOUT:-60}
PATIENCE=${PATIENCE:-20}
# Debian's own rather than a wrapper that takes a while to start.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

setup() {
	test_setup
}

teardown() {
	test_teardown
}

test_setup() {
	declare -gA PIDS=() INPUTS=()
	declare -ga NAMESPACES=() DIRS=()
	status=0
	netns=
	cd "$BATS_TEST_TMPDIR" || return
	# Found again in /proc/PID/environ, however far it has wandered off.
	export SOCKCAT_TEST_ID=$BATS_TEST_TMPDIR.$$
	local log=log_path=$BATS_TEST_TMPDIR/sanitizer
	export ASAN_OPTIONS=$log:exitcode=99:detect_stack_use_after_return=1
	export UBSAN_OPTIONS=$log:print_stacktrace=1
	export LC_ALL=C.UTF-8
	exec </dev/null
	watchdog_start
}

test_teardown() {
	local failed=0 name
	watchdog_stop
	for name in "${!INPUTS[@]}"; do
		end_input "$name"
	done
	for name in "${!PIDS[@]}"; do
		kill "${PIDS[$name]}" 2>/dev/null
	done
	for name in "${!PIDS[@]}"; do
		PATIENCE=3 wait_until gone "${PIDS[$name]}" >/dev/null ||
			kill -KILL "${PIDS[$name]}"
		wait "${PIDS[$name]}" 2>/dev/null
	done
	check_leftovers || failed=1
	if compgen -G 'sanitizer.*' >/dev/null; then
		cat sanitizer.*
		failed=1
	fi
	if [ -e watchdog.bit ]; then
		echo "the test took longer than $TEST_TIMEOUT s: all was killed"
		failed=1
	fi
	for name in "${NAMESPACES[@]}"; do
		ip netns delete "$name"
		rm -rf "/etc/netns/$name"
	done
	[ ${#DIRS[@]} = 0 ] || rm -rf "${DIRS[@]}"
	if [ "$failed" = 1 ] || [ -z "${BATS_TEST_COMPLETED:-}" ]; then
		show_logs
	fi
	cd / || return
	return "$failed"
}

# The heads of what the test's processes said, for a test that failed.
show_logs() {
	local file
	for file in err *.err out *.out; do
		[ -s "$file" ] || continue
		echo "--- $file ($(wc -c <"$file") bytes)"
		! grep -qI . "$file" || head -c 1000 "$file" | cat -v
	done
}

# A hang must not stop the suite: kills all that this test started and goes on
# to start, but not the test, which then fails by what it sees or at the
# latest in teardown.
watchdog_start() {
	mkfifo watchdog
	(
		exec 3>&- 4>&- >/dev/null 2>&1
		# Nobody ever writes to it: a sleep without a process of its own.
		read -rt "$TEST_TIMEOUT" <>watchdog || : >watchdog.bit
		while :; do
			# shellcheck disable=SC2046 # a list of process ids
			kill -KILL $(ours) || :
			read -rt 0.1 <>watchdog || :
		done
	) &
	WATCHDOG=$!
}

watchdog_stop() {
	kill "$WATCHDOG" 2>/dev/null
	wait "$WATCHDOG" 2>/dev/null
	rm watchdog
}

# The processes that this test started and that are still alive. Those that
# bash forked without exec(2) do not have the mark, and are the test's own.
ours() (
	export -n SOCKCAT_TEST_ID
	grep -slxzFe "SOCKCAT_TEST_ID=$SOCKCAT_TEST_ID" \
		/proc/[0-9]*/environ | tr -dc '0-9\n'
)

no_leftovers() {
	[ -z "$(ours)" ]
}

check_leftovers() {
	local pids
	no_leftovers && return
	# A peer's children may need a moment to notice its end.
	PATIENCE=3 wait_until no_leftovers >/dev/null && return
	pids=$(ours)
	echo 'still running at the end of the test:'
	# shellcheck disable=SC2086 # a list of process ids
	ps -o pid,ppid,stat,args -p "$(echo $pids | tr ' ' ,)"
	# shellcheck disable=SC2086
	kill -KILL $pids 2>/dev/null
	return 1
}

need() {
	local program
	for program; do
		if [ "$program" = ipv6 ]; then
			grep -qs . /proc/net/if_inet6 || skip ipv6
		else
			command -v "$program" >/dev/null || skip "$program"
		fi
	done
}

need_root() {
	[ "$(id -u)" = 0 ] || skip root
	need ip
}

need_linux_build() {
	[ -z "${PORTABLE:-}" ] || skip 'not in a portable build'
}

need_plain_build() {
	! grep -qa __asan_init "$SOCKCAT" || skip 'not with sanitizers'
}

# Runs CMD as the program that it will be: with nothing of bats' or of other
# helpers' inputs open, and with the signals that bash has a background job
# ignore set back. Meant for a subshell: does not come back.
become() {
	local fd command=()
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || exec {fd}>&-
	done
	trap - INT QUIT
	while :; do
		case $1 in
		in_netns) command+=(ip netns exec "$netns") ;;
		as_nobody) command+=(setpriv --reuid=65534 --regid=65534
			--clear-groups env -C "$public") ;;
		terminal) command+=("$PYTHON" "$TESTS/peers/terminal.py") ;;
		*) break ;;
		esac
		shift
	done
	case $1 in
	sc) command+=("$SOCKCAT") ;;
	peer) command+=("$PYTHON" "$TESTS/peers/peer.py") ;;
	*) command+=("$1") ;;
	esac
	shift
	if [ "$(type -t "${command[0]}")" = function ]; then
		"${command[@]}" "$@"
		exit
	fi
	exec "${command[@]}" "$@"
}

sc() {
	(become sc "$@")
}

peer() {
	(become peer "$@")
}

terminal() {
	(become terminal "$@")
}

in_netns() {
	(become in_netns "$@")
}

as_nobody() {
	(become as_nobody "$@")
}

try() {
	status=0
	(become "$@") >out 2>err || status=$?
}

expect_status() {
	[ "$status" = "$1" ] && return
	echo "status $status, not $1"
	return 1
}

expect_error() {
	local lines
	expect_status "$1" || return
	lines=$(wc -l <err)
	if [ "$lines" != 1 ] || ! grep -qE "^sockcat: .*$2" err; then
		echo "expected one line matching: $2; standard error:"
		cat -A err
		return 1
	fi
	[ ! -s out ] || { echo 'standard output is not empty'; return 1; }
}

expect_match() {
	grep -qE -e "$2" "$1" && return
	echo "nothing in $1 matches: $2"
	cat -A "$1"
	return 1
}

expect_same() {
	cmp "$1" "$2"
}

expect_text() {
	printf '%s' "$2" | cmp - "$1" && return
	echo "expected: $2; $1:"
	cat -A "$1"
	return 1
}

sum() {
	cksum <"${1:-/dev/stdin}"
}

random_bytes() {
	head -c "$1" /dev/urandom
}

start() {
	local name=$1
	shift
	: >"$name.out"
	: >"$name.err"
	(become "$@") <&0 >"$name.out" 2>"$name.err" &
	PIDS[$name]=$!
}

start_open() {
	local name=$1 fd
	mkfifo "$name.in"
	exec {fd}<>"$name.in"
	start "$@" <"$name.in"
	INPUTS[$name]=$fd
}

say() {
	local fd=${INPUTS[$1]}
	shift
	printf '%s\n' "$@" >&"$fd"
}

end_input() {
	local fd=${INPUTS[$1]}
	exec {fd}>&-
	unset "INPUTS[$1]"
}

pid_of() {
	echo "${PIDS[$1]}"
}

is_running() {
	! gone "${PIDS[$1]}"
}

finish() {
	local name=$1
	status=0
	wait "${PIDS[$name]}" || status=$?
	unset "PIDS[$name]"
	cp "$name.out" out
	cp "$name.err" err
}

stop() {
	kill -s "${2:-TERM}" "${PIDS[$1]}"
	finish "$1"
}

# A zombie has ended: only we have not yet asked for its status.
gone() {
	[ ! -e "/proc/$1" ] || grep -qs '^State:.Z' "/proc/$1/status"
}

wait_until() {
	local tries=$((PATIENCE * 50))
	until "$@"; do
		if ((tries-- == 0)); then
			echo "waited $PATIENCE s in vain for: $*"
			return 1
		fi
		sleep 0.02
	done
}

wait_for_file() {
	wait_until test -s "$1"
}

wait_for_text() {
	wait_until grep -qsE -e "$2" "$1"
}

# The lines of /proc/PID/net/tcp and tcp6 in STATE that belong to PID or to a
# child of it.
sockets_of() {
	local pid dirs=()
	for pid in "$1" $(pgrep -P "$1"); do
		dirs+=("/proc/$pid/fd")
	done
	# The look-ups of descriptors that close meanwhile fail: no matter.
	find "${dirs[@]}" -lname 'socket:*' -printf '%l\n' 2>/dev/null |
		tr -dc '0-9\n' |
		awk -v state="$2" '
			FILENAME == "-" { mine[$1]; next }
			$4 == state && $10 in mine' - \
			"/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null
}

listens() {
	local hex
	sockets_of "$1" 0A | awk '{ sub(/.*:/, "", $2); print $2 }' | sort -u |
		while read -r hex; do echo $((16#$hex)); done
}

connections() {
	sockets_of "$1" 01 | wc -l
}

listening_or_gone() {
	! is_running "$1" || [ -n "$(listens "${PIDS[$1]}")" ]
}

serve() {
	start "$@"
	wait_until listening_or_gone "$1" || return
	port=$(listens "$(pid_of "$1")" | head -n 1)
	[ -n "$port" ] || { echo "$1 does not listen"; return 1; }
}

# The port is free when we look, but another may be faster: then try again.
serve_on_free() {
	local name=$1 free tries=20
	shift
	while ((tries-- > 0)); do
		free=$("$PYTHON" -c 'import socket
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
		if serve "$name" "${@//@PORT@/$free}"; then
			return
		fi
		! is_running "$name" || return 1
		finish "$name"
	done
	return 1
}

port_file_or_gone() {
	[ -s "$1.port" ] || ! is_running "$1"
}

listening_sockcat() {
	local how=$1 name=$2
	shift 2
	rm -f "$name.port"
	"$how" "$name" "$SOCKCAT" -l --port-file "$name.port" "$@"
	wait_until port_file_or_gone "$name"
	port=$(cat "$name.port") || { echo "$name does not listen"; return 1; }
}

listen_sockcat() {
	listening_sockcat start "$@" <&0
}

listen_open() {
	listening_sockcat start_open "$@"
}

make_netns() {
	need_root
	netns=sockcat-$$-${#NAMESPACES[@]}
	ip netns add "$netns" 2>err || skip 'network namespaces'
	NAMESPACES+=("$netns")
	in_netns true 2>err || skip 'network namespaces'
	ip -n "$netns" link set lo up
}

netns_etc() {
	mkdir -p "/etc/netns/$netns"
	cat >"/etc/netns/$netns/$1"
}

make_public() {
	need_root
	need setpriv
	public=$(mktemp -d /tmp/sockcat-test.XXXXXX)
	DIRS+=("$public")
	cp "$SOCKCAT" "$public/sockcat"
	SOCKCAT=$public/sockcat
	chmod 755 "$public" "$SOCKCAT"
}
