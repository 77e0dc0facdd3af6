# tests/messages.bash: what the tests of datagrams, seqpacket and raw sockets
# share (`load helpers`, then `load messages`)
#
#   python NAME CODE [ARG...]  starts a peer: python3 with all of
#                           peers/messages.py at hand; back when the code has
#                           called ready(); $port is the socket's
#   in_netns_python ...     the same in $netns
#   python_now CODE [ARG...]  runs one to its end: output in ./got
#   hear NAME ARG...        start of `sockcat -l -u ARG...` for the sockets
#                           that have no --port-file to wait for: back when it
#                           has a socket of TABLE in /proc/net: hear s raw ...
#   serve_udp NAME CMD...   start of any peer that is bound to a UDP port that
#                           the kernel chooses; back when it is; $port
#   serve_udp_on_free NAME CMD...  the same for peers that must be told a port:
#                           @PORT@ in CMD
#   bound_ports PID         prints the UDP ports that PID is bound to
#   cpu_of PID              its processor time in clock ticks
#   client_of NAME          waits until NAME has a UDP socket; $port is its

# shellcheck shell=bash

code_of() {
	printf 'from messages import *\n%s\n' "$1"
}

python_environment=(env "PYTHONPATH=$TESTS/peers" PYTHONDONTWRITEBYTECODE=1)

ready_or_gone() {
	[ -s "$1.port" ] || ! is_running "$1"
}

python() {
	local name=$1 code=$2 where=()
	shift 2
	[ "${PYTHON_WHERE:-}" != in_netns ] || where=(in_netns)
	rm -f "$name.port"
	start "$name" "${where[@]}" "${python_environment[@]}" \
		"READY=$name.port" "$PYTHON" -c "$(code_of "$code")" "$@"
	wait_until ready_or_gone "$name"
	port=$(cat "$name.port") || { echo "$name is not ready"; return 1; }
}

in_netns_python() {
	PYTHON_WHERE=in_netns python "$@"
}

python_now() {
	local code=$1 where=()
	shift
	[ "${PYTHON_WHERE:-}" != in_netns ] || where=(in_netns)
	(become "${where[@]}" "${python_environment[@]}" "$PYTHON" \
		-c "$(code_of "$code")" "$@") >got
}

in_netns_python_now() {
	PYTHON_WHERE=in_netns python_now "$@"
}

# Lines of /proc/PID/net/TABLE... that belong to PID or to a child of it:
# the local address in hexadecimal.
table_of() {
	local pid=$1 each table tables=() dirs=()
	shift
	for each in "$pid" $(pgrep -P "$pid"); do
		dirs+=("/proc/$each/fd")
	done
	for table; do
		[ ! -e "/proc/$pid/net/$table" ] ||
			tables+=("/proc/$pid/net/$table")
	done
	[ ${#tables[@]} -gt 0 ] || return 0
	find "${dirs[@]}" -lname 'socket:*' -printf '%l\n' 2>/dev/null |
		tr -dc '0-9\n' |
		awk 'FILENAME == "-" { mine[$1]; next }
			FNR > 1 { for (i = 3; i <= NF; i++)
				if ($i in mine) { print $2; next } }' \
			- "${tables[@]}" 2>/dev/null
}

bound_ports() {
	local hex
	table_of "$1" udp udp6 udplite udplite6 | sed 's/.*://' | sort -u |
		while read -r hex; do echo $((16#$hex)); done
}

bound_or_gone() {
	! is_running "$1" || [ -n "$(bound_ports "${PIDS[$1]}")" ]
}

client_of() {
	wait_until bound_or_gone "$1"
	port=$(bound_ports "$(pid_of "$1")" | head -n 1)
	[ -n "$port" ] || { echo "$1 has no socket"; return 1; }
}

serve_udp() {
	start "$@"
	client_of "$1"
}

serve_udp_on_free() {
	local name=$1 free tries=20
	shift
	while ((tries-- > 0)); do
		free=$("$PYTHON" -c 'import socket
s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
		if serve_udp "$name" "${@//@PORT@/$free}"; then
			return
		fi
		! is_running "$name" || return 1
		finish "$name"
	done
	return 1
}

has_socket_or_gone() {
	! is_running "$1" || [ -n "$(table_of "${PIDS[$1]}" "${@:2}")" ]
}

hear() {
	local name=$1 table=$2
	shift 2
	start "$name" "$@"
	wait_until has_socket_or_gone "$name" "$table"
	is_running "$name" || { echo "$name does not listen"; return 1; }
}

hear_open() {
	local name=$1 table=$2
	shift 2
	start_open "$name" "$@"
	wait_until has_socket_or_gone "$name" "$table"
	is_running "$name" || { echo "$name does not listen"; return 1; }
}

cpu_of() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}
