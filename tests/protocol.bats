#!/usr/bin/env bats
# What is neither TCP nor UDP: where the kernel has it, and what is said where
# it does not.

load helpers
load messages

# Waits until `name`.out has TEXT in it.
wait_for_output() {
	wait_for_text "$1.out" "$2"
}

@test "UDP-Lite, where the kernel has it" {
	"$PYTHON" -c 'import socket
socket.socket(type=socket.SOCK_DGRAM, proto=136)' 2>/dev/null || {
		try sc -l --udplite 127.0.0.1 0
		expect_error 1 'kernel'
		skip UDP-Lite
	}
	listen_open s --udplite 127.0.0.1 0
	python p '
s = new(protocol=136)
s.connect(("127.0.0.1", int(args[0])))
s.send(b"hello")
ready(s)
put(s.recv(MOST))' "$port"
	wait_for_output s hello
	say s answer
	finish p
	expect_text out $'b\'answer\\n\'\n'
	python p 's = new(protocol=136); s.bind(("127.0.0.1", 0)); ready(s)
put(s.recv(MOST))'
	try sc -u --udplite -q 0 127.0.0.1 "$port" <<<there
	expect_status 0
	finish p
	expect_text out $'b\'there\\n\'\n'
}

@test "vsock, where the kernel has it" {
	need_linux_build
	if listen_open s -v vsock:1:0 2>/dev/null; then
		start c sc "vsock:1:$port" <<<hello
		wait_for_output s hello
	else
		finish s
		expect_match err '^sockcat: '
		expect_status 1 || expect_status 7
		skip vsock
	fi
}

@test "vsock has no datagrams here: one line, status 1" {
	need_linux_build
	! "$PYTHON" -c 'import socket
socket.socket(socket.AF_VSOCK, socket.SOCK_DGRAM)' 2>/dev/null ||
		skip 'it has'
	try sc -u vsock:1:99 <<<x
	expect_error 1 'kernel'
	try sc -l -u vsock:1:99
	expect_error 1 'kernel'
}

@test "Multipath TCP" {
	if ! "$PYTHON" -c 'import socket
socket.socket(proto=262)' 2>/dev/null; then
		try sc --mptcp 127.0.0.1 9
		expect_error 1 'Multipath TCP; TCP would work'
		skip mptcp
	fi
	listen_sockcat s --mptcp 127.0.0.1 0 <<<answer
	try sc --mptcp 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'answer\n'
	finish s
	expect_text out $'hello\n'
	listen_sockcat s --mptcp 127.0.0.1 0 <<<answer
	try sc 127.0.0.1 "$port" <<<hello
	expect_text out $'answer\n'
}

@test "SCTP, where the kernel has it" {
	if ! "$PYTHON" -c 'import socket
socket.socket(proto=132)' 2>/dev/null; then
		try sc --sctp 127.0.0.1 9
		expect_error 1 'no SCTP.*would work'
		try sc --sctp --seqpacket 127.0.0.1 9
		expect_error 1 'no SCTP.*would work'
		try sc -l --sctp 127.0.0.1 0
		expect_error 1 'no SCTP.*would work'
		skip SCTP
	fi
	listen_sockcat s --sctp 127.0.0.1 0 <<<answer
	try sc --sctp 127.0.0.1 "$port" <<<hello
	expect_text out $'answer\n'
}
