#!/usr/bin/env bats
# Sockets that are handed over (LISTEN_FDS), and telling that we listen
# (--ready-fd, NOTIFY_SOCKET).

load helpers
load messages

# activated NAME SOCKET... -- CMD...: starts CMD as tests/peers/activate.py
# does; back when the sockets are there. $port is the first one's, $ports all.
activated() {
	local name=$1
	shift
	start "$name" "$PYTHON" "$TESTS/peers/activate.py" "$name.ports" "$@"
	wait_for_file "$name.ports"
	mapfile -t ports <"$name.ports"
	port=${ports[0]}
}

# The same, to its end: as try does.
try_activated() {
	activated t "$@"
	finish t
}

# ask ENDPOINT...: what sockcat hears from there.
ask() {
	sc -w 10 "$@" </dev/null
}

@test "a listening socket is taken where no address is given" {
	echo hello >answer
	activated s tcp -- "$SOCKCAT" -l -k --reply answer
	[ "$(ask 127.0.0.1 "$port")" = hello ]
	[ "$(ask 127.0.0.1 "$port")" = hello ]
	[ "$(listens "$(pid_of s)")" = "$port" ]
}

@test "... without -k for one client" {
	activated s tcp -- "$SOCKCAT" -l
	try sc 127.0.0.1 "$port" < <(echo hello)
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "several at once, of several families; each is told of" {
	need ipv6
	echo hello >answer
	activated s tcp tcp6 unix:./here dual -- \
		"$SOCKCAT" -l -v -k --reply answer --port-file s.port
	[ "$(ask 127.0.0.1 "${ports[0]}")" = hello ]
	[ "$(ask ::1 "${ports[1]}")" = hello ]
	[ "$(ask -U ./here)" = hello ]
	[ "$(ask 127.0.0.1 "${ports[3]}")" = hello ]
	[ "$(ask ::1 "${ports[3]}")" = hello ]
	printf 'Listening on %s\n' "127.0.0.1 ${ports[0]}" "::1 ${ports[1]}" \
		./here ":: ${ports[3]}" "0.0.0.0 ${ports[3]}" >expected
	head -n 5 s.err >first
	expect_same first expected
	expect_text s.port "$port"$'\n'
}

@test "a Unix path that was handed over is not ours to remove" {
	echo hello >answer
	activated s unix:./one -- "$SOCKCAT" -l -k --reply answer
	[ "$(ask -U ./one)" = hello ]
	stop s
	[ -S one ]
	activated t unix:./two -- "$SOCKCAT" -l
	try sc -U ./two </dev/null
	finish t
	[ -S two ]
}

@test "seqpacket sockets" {
	activated s seqpacket:./s -- "$SOCKCAT" -l --lines
	printf 'one\n\ntwo\n' | sc --seqpacket --lines -U ./s
	finish s
	expect_status 0
	expect_text out $'one\n\ntwo\n'
}

@test "a datagram socket hears everyone" {
	activated s udp -- "$SOCKCAT" -l -v --lines -W 2
	python_now '
for i in b"one", b"two": to(args[0]).send(i)' "$port"
	finish s
	expect_status 0
	expect_text out $'one\ntwo\n'
	expect_match err "^Bound on 127.0.0.1 $port\$"
}

@test "a connection, as inetd hands it over" {
	start s "$PYTHON" "$TESTS/peers/activate.py" s.ports accepted -- \
		"$SOCKCAT" -l
	wait_for_file s.ports
	start_open c sc 127.0.0.1 "$(cat s.ports)"
	say c hello
	wait_for_text s.out hello
	end_input c
	finish c
	expect_status 0
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "... with a program, and an answer" {
	start s "$PYTHON" "$TESTS/peers/activate.py" s.ports accepted -- \
		"$SOCKCAT" -l -c 'read -r line; echo "got $line"'
	wait_for_file s.ports
	[ "$(echo hello | sc 127.0.0.1 "$(cat s.ports)")" = 'got hello' ]
	finish s
	expect_status 0
}

@test "sockets that cannot be served together" {
	try_activated tcp udp -- "$SOCKCAT" -l
	expect_error 2 'descriptor 4 does not listen'
	try_activated udp udp -- "$SOCKCAT" -l -u
	expect_error 2 'descriptor 3 does not listen'
	try_activated unix:./a seqpacket:./b -- "$SOCKCAT" -l -k
	expect_error 2 'descriptor 4 is of another type'
}

@test "what is no socket, or is not there" {
	try_activated tcp file -- "$SOCKCAT" -l -k
	expect_error 1 'descriptor 4 is not a socket'
	LISTEN_FDS=3 try_activated tcp -- "$SOCKCAT" -l -k
	expect_error 1 'LISTEN_FDS .*3 sockets.* descriptor 4: Bad file'
	LISTEN_FDS=2147483644 try_activated tcp -- "$SOCKCAT" -l -k
	expect_error 1 'LISTEN_FDS .*descriptor 4: Bad file'
}

@test "what is not for us is ignored" {
	for pid in 1 $$ 0 -1 '' - x 99999999999999999999; do
		LISTEN_PID=$pid try_activated tcp -- "$SOCKCAT" -l
		expect_error 2 'no port' || { echo "pid: $pid"; return 1; }
	done
	for count in 0 -1 '' - x 1x ' 1' +1 2147483645 99999999999999999999; do
		LISTEN_FDS=$count try_activated tcp -- "$SOCKCAT" -l
		expect_error 2 'no port' || { echo "count: $count"; return 1; }
	done
	LISTEN_PID=1 activated s tcp -- "$SOCKCAT" -l -v 0
	wait_for_text s.err 'Listening on 0.0.0.0'
	run ! grep " $port\$" s.err
}

@test "an address that is given is listened on instead" {
	activated s tcp -- "$SOCKCAT" -l --port-file s.port 127.0.0.1 0
	wait_for_file s.port
	[ "$(cat s.port)" != "$port" ]
	activated t tcp -- "$SOCKCAT" -l --port-file t.port -U ./path
	wait_for_file t.port
	expect_text t.port $'./path\n'
	activated u tcp -- "$SOCKCAT" -l --port-file u.port -p 0
	wait_for_file u.port
	[ "$(cat u.port)" != "$port" ]
}

@test "a client does not take them" {
	try_activated tcp -- "$SOCKCAT"
	expect_error 2 'no destination'
}

@test "rules for clients hold on each kind of socket" {
	need_linux_build
	make_public
	chmod 777 "$public"
	echo hello >answer
	activated s tcp "unix:$public/s" -- "$SOCKCAT" -l -k --reply answer \
		--deny 127.0.0.2,uid:65534
	chmod 777 "$public/s"
	[ "$(ask 127.0.0.1 "$port")" = hello ]
	[ "$(ask -s 127.0.0.2 127.0.0.1 "$port" || :)" = '' ]
	[ "$(ask -U "$public/s")" = hello ]
	[ "$(as_nobody "$SOCKCAT" -U "$public/s" </dev/null || :)" = '' ]
	try_activated tcp tcp -- "$SOCKCAT" -l -k --allow uid:0
	expect_error 2 'uid:0: .*Unix'
	try_activated "unix:./s" -- "$SOCKCAT" -l -k --allow 127.0.0.1
	expect_error 2 '127.0.0.1: .*uid:N'
}

@test "programs get neither the sockets nor what tells of them" {
	activated s tcp tcp -- env NOTIFY_SOCKET=@nobody.$$ \
		LISTEN_FDNAMES=web:admin "$SOCKCAT" -l -k --ready-fd 2 \
		-c 'env; ls -l /proc/self/fd'
	ask 127.0.0.1 "$port" >got
	expect_match got '^TCPREMOTEIP='
	run ! grep -E '^(LISTEN_|NOTIFY_)' got
	# Standard input, output and error, and the directory itself.
	[ "$(grep -c ' -> ' got)" = 4 ]
	[ "$(grep -c ' -> socket:' got)" = 2 ]
}

@test "neither do they get the descriptor of --ready-fd" {
	start s bash -c 'exec "$0" -l -k --port-file s.port --ready-fd 9 \
		-c "ls -l /proc/self/fd" 0 9>ready' "$SOCKCAT"
	wait_for_file s.port
	ask 127.0.0.1 "$(cat s.port)" >got
	[ "$(grep -c ' -> ' got)" = 4 ]
	run ! grep ready got
	expect_match ready "^0.0.0.0 $(cat s.port)\$"
}

@test "--ready-fd: a line for each address, then it is closed" {
	need ipv6
	local at
	mkfifo pipe
	start s bash -c 'exec "$0" -l --port-file s.port --ready-fd 9 0 \
		9>pipe' "$SOCKCAT"
	# It ends although sockcat goes on.
	cat pipe >got
	is_running s
	wait_for_file s.port
	at=$(cat s.port)
	expect_text got ":: $at"$'\n'"0.0.0.0 $at"$'\n'
	[ ! -e "/proc/$(pid_of s)/fd/9" ] ||
		run ! readlink "/proc/$(pid_of s)/fd/9" | grep pipe
	try sc 127.0.0.1 "$at"
	expect_status 0
}

@test "--ready-fd: each family's own text" {
	start a bash -c 'exec "$0" -l -4 --ready-fd 9 127.0.0.1 0 9>a.ready' \
		"$SOCKCAT"
	wait_for_file a.ready
	[ "$(cat a.ready)" = "127.0.0.1 $(listens "$(pid_of a)")" ]
	start b bash -c 'exec "$0" -l -U ./b --ready-fd 9 9>b.ready' "$SOCKCAT"
	wait_for_file b.ready
	expect_text b.ready $'./b\n'
	start c bash -c 'exec "$0" -l -U "@$1" --ready-fd 9 9>c.ready' \
		"$SOCKCAT" "name.$$"
	wait_for_file c.ready
	expect_text c.ready "@name.$$"$'\n'
	start d bash -c 'exec "$0" -l -u -4 --ready-fd 9 127.0.0.1 0 \
		9>d.ready' "$SOCKCAT"
	wait_for_file d.ready
	client_of d
	[ "$(cat d.ready)" = "127.0.0.1 $port" ]
}

@test "--ready-fd with several sockets, and with a connection" {
	activated s tcp unix:./u -- bash -c \
		'exec 9>s.ready; exec "$0" -l -k --reply /dev/null --ready-fd 9' \
		"$SOCKCAT"
	wait_for_text s.ready '^./u$'
	expect_text s.ready "127.0.0.1 $port"$'\n./u\n'
	activated t accepted -- bash -c \
		'exec 9>t.ready; exec "$0" -l --ready-fd 9' "$SOCKCAT"
	try sc 127.0.0.1 "$port" </dev/null
	finish t
	expect_status 0
	expect_text t.ready ''
}

@test "--ready-fd 1: who reads standard output sees the line and the end" {
	local host at
	echo hello >answer
	mkfifo pipe
	start s bash -c 'exec "$0" -l -4 -k --reply answer --ready-fd 1 \
		127.0.0.1 0 >pipe' "$SOCKCAT"
	cat pipe >got
	is_running s
	read -r host at <got
	[ "$(ask "$host" "$at")" = hello ]
	# No client's socket has taken its place.
	[ "$(readlink "/proc/$(pid_of s)/fd/1")" = /dev/null ]
}

@test "--ready-fd: what cannot be written to" {
	try sc -l --port-file p --ready-fd 9 0
	expect_error 1 '--ready-fd 9: Bad file descriptor'
	[ ! -e p ]
	# Whatever numbers our own descriptors get.
	for fd in 3 4 5 6 7 8; do
		try sc -l --ready-fd $fd 0
		expect_error 1 "--ready-fd $fd: Bad file descriptor"
	done
	try bash -c 'exec "$0" -l --ready-fd 9 0 9</dev/null' "$SOCKCAT"
	expect_error 1 'write to --ready-fd 9 failed: Bad file descriptor'
	try bash -c 'exec "$0" -l --ready-fd 9 0 9>/dev/full' "$SOCKCAT"
	expect_error 1 'write to --ready-fd 9 failed: No space left'
	try bash -c 'exec 8> >(:); wait $!; exec "$0" -l --ready-fd 8 0' \
		"$SOCKCAT"
	expect_error 1 'write to --ready-fd 8 failed: Broken pipe'
	for fd in -1 x 3x '' 2147483648; do
		try sc -l --ready-fd "$fd" 0
		expect_status 2
	done
	try sc --ready-fd 1 127.0.0.1 1
	expect_error 2 '--ready-fd.*-l'
}

# A service manager: prints the first things that it is told.
manager='
s = bound(where=args[0], family=AF_UNIX)
ready()
for i in range(int(args[1])):
    put(s.recv(MOST))
'

@test "NOTIFY_SOCKET is told READY=1, and STOPPING=1" {
	local where
	for where in "$PWD/notify" "@notify.$$"; do
		python m "$manager" "$where" 2
		NOTIFY_SOCKET=$where listen_sockcat s -k --reply /dev/null 0
		wait_for_text m.out READY=1
		stop s
		expect_status 143
		finish m
		expect_text out $'b\'READY=1\'\nb\'STOPPING=1\'\n'
	done
}

@test "... once somebody can connect" {
	python m '
s = bound(where=args[0], family=AF_UNIX)
ready()
s.recv(MOST)
c = to("./path", SOCK_STREAM)
c.sendall(b"x")
c.shutdown(SHUT_WR)
put(c.recv(MOST))' "$PWD/notify"
	start s env NOTIFY_SOCKET="$PWD/notify" "$SOCKCAT" -l -U ./path
	finish m
	expect_text out $'b\'\'\n'
	finish s
	expect_text out x
}

@test "... also of activated sockets and of datagrams" {
	python m "$manager" "$PWD/notify" 2
	activated s tcp -- env NOTIFY_SOCKET="$PWD/notify" "$SOCKCAT" -l -k --reply /dev/null
	wait_for_text m.out READY=1
	NOTIFY_SOCKET=$PWD/notify listen_sockcat t -u -4 0
	finish m
	expect_text out $'b\'READY=1\'\nb\'READY=1\'\n'
}

@test "a manager that is slow is waited for" {
	python m '
s = bound(where=args[0], family=AF_UNIX)
c = to(args[0])
c.setblocking(False)
count = 0
try:
    while True: c.send(b"noise"); count += 1
except BlockingIOError: pass
ready()
wait_for("go")
for i in range(count): s.recv(MOST)
put(s.recv(MOST))' "$PWD/notify"
	start s env NOTIFY_SOCKET="$PWD/notify" "$SOCKCAT" -l --port-file p 0
	wait_for_file p
	touch go
	finish m
	expect_text out $'b\'READY=1\'\n'
	expect_text s.err ''
}

@test "a manager that cannot be told is no failure" {
	local where
	for where in ./relative "$PWD/nobody" @nobody.$$ vsock:2:1 \
	    "/$(printf '%0200d' 0)"; do
		NOTIFY_SOCKET=$where listen_sockcat s -4 0
		try sc 127.0.0.1 "$port"
		expect_status 0
		finish s
		expect_status 0
		[ "$(wc -l <err)" = 1 ]
		expect_match err '^sockcat: .*READY=1.*NOTIFY_SOCKET'
	done
	NOTIFY_SOCKET='' listen_sockcat s -4 0
	try sc 127.0.0.1 "$port"
	finish s
	expect_text err ''
}

@test "systemd's own launcher: a listening socket" {
	need systemd-socket-activate
	local free
	free=$("$PYTHON" -c 'import socket
print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
	echo hello >answer
	start s systemd-socket-activate -E SOCKCAT_TEST_ID \
		-l "127.0.0.1:$free" -l "$PWD/path" --fdname web:local \
		"$SOCKCAT" -l -k --reply "$PWD/answer"
	wait_for_text s.err 'Listening on .*path as 4'
	[ "$(ask 127.0.0.1 "$free")" = hello ]
	[ "$(ask -U ./path)" = hello ]
	[ "$(ask 127.0.0.1 "$free")" = hello ]
}

@test "... a datagram socket, and a connection" {
	need systemd-socket-activate
	start s systemd-socket-activate -E SOCKCAT_TEST_ID -d -l "$PWD/dgram" \
		"$SOCKCAT" -l -u --lines -W 1
	wait_until test -S dgram
	echo hello | sc -u --lines -w0 -U ./dgram
	finish s
	expect_status 0
	expect_text out $'hello\n'
	start t systemd-socket-activate -E SOCKCAT_TEST_ID -a -l "$PWD/stream" \
		"$SOCKCAT" -l -c 'read -r line; echo "got $line"'
	wait_until test -S stream
	for i in 1 2 3; do
		[ "$(echo $i | sc -U ./stream)" = "got $i" ]
	done
}

@test "a listening socket that others may share does not block us" {
	activated s tcp -- "$SOCKCAT" -l -k --reply /dev/null --ready-fd 1
	wait_for_file s.out
	# O_NONBLOCK, in the octal of fcntl.h.
	expect_match "/proc/$(pid_of s)/fdinfo/3" '^flags:.*4[0-7]{3}$'
}
