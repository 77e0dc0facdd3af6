#!/usr/bin/env bats
# The listener as a server: -k, whatever the clients get

load helpers
load puppet

crowd() {
	"$PYTHON" "$TESTS/peers/crowd.py" "$@"
}

# Open sockets, pipes and files; what the event loop itself has is its own.
descriptors() {
	find "/proc/$(pid_of "$1")/fd" -type l ! -lname 'anon_inode:*' | wc -l
}

has_descriptors() {
	[ "$(descriptors "$1")" = "$2" ]
}

has_connections() {
	[ "$(connections "$(pid_of "$1")")" = "$2" ]
}

# The inode of the socket that NAME listens on.
listening_inode() {
	sockets_of "$(pid_of "$1")" 0A | awk '{ print $10 }'
}

with_few_descriptors() {
	ulimit -Sn 24 -Hn 24
	exec "$SOCKCAT" "$@"
}

@test "without -k the second client is refused" {
	echo hello >file
	listen_sockcat s --reply file 127.0.0.1 0
	puppet_connects "$port"
	order read 6
	try sc -d 127.0.0.1 "$port"
	expect_error 4 'Connection refused'
}

@test "-k: one listening socket, never closed and bound again" {
	echo hello >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	inode=$(listening_inode s)
	crowd "$port" visit 50 >got
	expect_match got '^50 x 6 '
	[ "$(listening_inode s)" = "$inode" ]
}

@test "--max-conns: more wait in the backlog, none is refused" {
	serve b peer listen -n 3 echo
	listen_sockcat s -k --max-conns 1 --to "127.0.0.1:$port" 127.0.0.1 0
	start_open one sc 127.0.0.1 "$port"
	say one first
	wait_for_text one.out first
	start_open two sc 127.0.0.1 "$port"
	say two second
	wait_until has_connections two 1
	# It is not refused, nor served before the first has ended.
	say one again
	wait_for_text one.out again
	[ ! -s two.out ]
	end_input one
	finish one
	expect_status 0
	wait_for_text two.out second
	end_input two
	finish two
	expect_status 0
}

@test "without descriptors left: told once, and clients are served when there are" {
	need_plain_build
	random_bytes 8000000 >file
	start s with_few_descriptors -l -k --port-file s.port --reply file \
		127.0.0.1 0
	wait_for_file s.port
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$(<s.port)" hold 40
	wait_for_text h.out '40 connected'
	wait_for_text s.err 'accept failed: Too many open files; trying again'
	end_input h
	finish h
	sc -d 127.0.0.1 "$(<s.port)" >got
	expect_same file got
	[ "$(grep -c 'accept failed' s.err)" = 1 ]
}

with_so_many_descriptors() {
	ulimit -Sn "$1" -Hn "$1"
	shift
	exec "$SOCKCAT" "$@"
}

# 20 clients that are all there before the first is done.
at_once() {
	"$PYTHON" -c 'import socket, sys
all = [socket.create_connection(("127.0.0.1", int(sys.argv[1])))
       for i in range(20)]
for conn in all:
    conn.sendall(b"hello\n")
for conn in all:
    conn.shutdown(socket.SHUT_WR)
    assert conn.makefile("rb").read() == b"hello\n"' "$1"
}

@test "a client that the last descriptors do not suffice for waits" {
	need_plain_build
	need python3
	echo hello >file
	listen_sockcat b -k -e cat 127.0.0.1 0
	local limit serving back=127.0.0.1:$port
	# Whichever of its descriptors it is that a client lacks.
	for limit in 24 25 26; do
		for serving in "--to $back" "--to localhost:${back#*:}" \
			"--reply file" "--idle-timeout 50 -e cat"; do
			rm -f s.port
			# shellcheck disable=SC2086
			start s with_so_many_descriptors "$limit" -l -k \
				--port-file s.port $serving 127.0.0.1 0
			wait_for_file s.port
			at_once "$(<s.port)"
			stop s
			[ "$(grep -c . err)" -le 1 ]
		done
	done
}

# Every other call fails, and a client may need two.
accept_fails() {
	local error=$1
	shift
	exec strace -D -qq -o calls -e trace=accept4 \
		-e "inject=accept4:error=$error:when=2+2" "$SOCKCAT" "$@"
}

@test "an error of accept that is one client's does not end the server" {
	need strace
	need_plain_build
	need_linux_build
	echo hello >file
	local error
	for error in EPERM EACCES ETIMEDOUT ECONNRESET EIO; do
		rm -f s.port
		start s accept_fails "$error" -l -k \
			--port-file s.port --reply file 127.0.0.1 0
		wait_for_file s.port
		crowd "$(<s.port)" visit 4 >got
		expect_match got '^4 x 6 '
		stop s
		cp err "$error.err"
	done
	expect_match EPERM.err 'accept failed: Operation not permitted; trying'
	[ ! -s ETIMEDOUT.err ]
}

@test "10,000 connections that come and go leave nothing behind" {
	need_plain_build
	echo hello >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	before=$(descriptors s)
	crowd "$port" reset 5000 >got
	crowd "$port" visit 5000 >got
	expect_match got '^5000 x 6 '
	wait_until has_descriptors s "$before"
}

@test "hundreds of idle clients, and the next is served all the same" {
	echo hello >file
	serve b peer listen -n 1000 idle
	listen_sockcat s -k --max-conns 1000 --to "127.0.0.1:$port" 127.0.0.1 0
	listen_sockcat r -k --max-conns 1000 --reply file -U ./path
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$(cat s.port)" hold 300
	wait_for_text h.out '300 connected'
	crowd ./path visit 10 >got
	expect_match got '^10 x 6 '
	end_input h
	finish h
}

@test "--accept-timeout with -k: while nobody is served" {
	echo hello >file
	listen_sockcat s -k --accept-timeout 300ms --reply file 127.0.0.1 0
	begin=$(milliseconds)
	crowd "$port" visit 3 >got
	finish s
	expect_error 5 'no client came within the --accept-timeout'
	expect_elapsed 300 "$begin"
}

@test "SIGTERM and SIGINT: the path is removed, and it dies by the signal" {
	echo hello >file
	listen_sockcat s -k --reply file -U ./path
	[ -S path ]
	stop s
	expect_status 143
	[ ! -e path ]
	listen_sockcat s -k --reply file 127.0.0.1 0
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$port" hold 3
	wait_for_text h.out '3 connected'
	stop s INT
	expect_status 130
}

@test "SIGTERM and SIGINT end process 1 of a container" {
	need_root
	need_linux_build
	need unshare pgrep
	local signal
	for signal in TERM:143 INT:130; do
		for options in -l '-l -k' '-l -u' '-l -d'; do
			rm -f port
			# shellcheck disable=SC2086
			start s env --default-signal=INT unshare --pid --fork \
				"$SOCKCAT" --port-file port $options 127.0.0.1 0
			wait_for_file port
			kill -s "${signal%:*}" "$(pgrep -P "$(pid_of s)")"
			finish s
			expect_status "${signal#*:}"
		done
	done
}

@test "-v names each client" {
	echo hello >file
	listen_sockcat s -k -v --reply file 127.0.0.1 0
	crowd "$port" visit 3 >got
	wait_for_text s.err '^Connection received on 127.0.0.1 [0-9]+$'
	[ "$(grep -c '^Connection received on' s.err)" = 3 ]
}

@test "what -k does not go with" {
	try sc -k 127.0.0.1 1
	expect_error 2 '-k is for listening'
	try sc -l -k -t 0
	expect_error 2 'excludes -t and -i'
	try sc -l -k -i 1 0
	expect_error 2 'excludes -t and -i'
	try sc -l --max-conns 0 0
	expect_error 2 '--max-conns is no number'
	try sc -l --max-conns -1 0
	expect_error 2 '--max-conns is no number'
}
