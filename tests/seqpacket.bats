#!/usr/bin/env bats
# Messages over a connection: both ends, empty messages, hang-ups.

load helpers
load messages

# Takes one connection at ./path and does what follows.
server='
l = bound(SOCK_SEQPACKET, AF_UNIX, "path")
l.listen()
ready(l)
c, _ = l.accept()
'

@test "connect: messages both ways, and both ends" {
	python p "$server"'
c.send(b"one")
c.send(b"two")
put(c.recv(MOST), c.recv(MOST), c.recv(MOST))
c.send(b"after your end")'
	printf 'a\nb\n' >lines
	try sc -U --seqpacket --lines path <lines
	expect_status 0
	expect_text err ''
	expect_text out $'one\ntwo\nafter your end\n'
	finish p
	expect_text out $'b\'a\' b\'b\' b\'\'\n'
}

@test "listen: a seqpacket server" {
	printf 'a\nb\n' >lines
	listen_sockcat s -U --seqpacket --lines path <lines
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"one")
put(c.recv(MOST), c.recv(MOST))
c.send(b"two")
c.shutdown(SHUT_WR)
put(c.recv(MOST))'
	expect_text got $'b\'a\' b\'b\'\nb\'\'\n'
	finish s
	expect_status 0
	expect_text out $'one\ntwo\n'
	[ ! -e path ]
}

@test "-v: a listener says where, and who came" {
	listen_sockcat s -U --seqpacket -v path </dev/null
	expect_match s.err '^Listening on path$'
	try sc -U --seqpacket -v path </dev/null
	expect_status 0
	finish s
	expect_status 0
	expect_match err '^Connection received on '
}

@test "socat listens" {
	need socat
	start p socat UNIX-LISTEN:path,socktype=5 EXEC:rev
	wait_until test -S path
	try sc -U --seqpacket --lines path <<<$'hello\n'
	expect_match out '^olleh'
	expect_status 0
}

@test "socat connects" {
	need socat
	listen_open s -U --seqpacket path
	start_open p socat - UNIX-CONNECT:path,socktype=5
	say p there
	wait_for_text s.out there
	say s back
	wait_for_text p.out back
	end_input p
	end_input s
	finish s
	expect_status 0
}

@test "empty messages are messages, whoever sends them" {
	python p "$server"'
for text in b"", b"x", b"", b"":
    c.send(text)
c.shutdown(SHUT_WR)
c.setsockopt(SOL_SOCKET, 16, 1)    # SO_PASSCRED tells them from the end
while True:
    data, control, _, _ = c.recvmsg(MOST, 100)
    if not data and not control:
        break
    put(data)'
	printf '\na\n\n' >lines
	need_linux_build
	try sc -U --seqpacket --lines path <lines
	expect_status 0
	expect_text out $'\nx\n\n\n'
	finish p
	expect_text out $'b\'\'\nb\'a\'\nb\'\'\n'
}

@test "messages of 200,000 bytes are whole, in both directions" {
	python p "$server"'
put(c.recv(MOST) == pattern(200000))
c.send(pattern(200000, 1))'
	python_now 'raw(pattern(200000))'
	mv got there
	python_now 'raw(pattern(200000, 1))'
	try sc -U --seqpacket path <there
	expect_status 0
	expect_same out got
	finish p
	expect_text out $'True\n'
}

@test "what is too long is told, the rest is sent, status 1" {
	python p "$server"'
while True:
    data = c.recv(1 << 24)
    if not data:
        break
    put(len(data))'
	python_now '
for length in 3, 8000000, 4:
    raw(struct.pack("!I", length) + b"x" * length)'
	try sc -U --seqpacket --frame len32 path <got
	expect_error 1 'message of 8000000 bytes is too long'
	finish p
	expect_text out $'3\n4\n'
}

@test "the peer's end does not stop a file from being sent" {
	python p "$server"'
c.shutdown(SHUT_WR)
count = 0
while c.recv(MOST):
    count += 1
put(count)'
	seq 2000 >lines
	try sc -U --seqpacket --lines path <lines
	expect_status 0
	finish p
	expect_text out $'2000\n'
}

@test "--peer-quit ends with the peer, though input is open" {
	python p "$server"'
c.send(b"bye")
c.shutdown(SHUT_WR)
put(c.recv(MOST))'
	start_open s sc -U --seqpacket --peer-quit path
	finish s
	expect_status 0
	expect_text out bye
	finish p
	expect_text out $'b\'\'\n'
}

@test "a terminal's input ends with the peer" {
	python p "$server"'
c.send(b"bye")
c.shutdown(SHUT_WR)
put(c.recv(MOST))'
	try terminal sc -U --seqpacket path
	expect_status 0
	finish p
	expect_text out $'b\'\'\n'
}

@test "a hang-up is noticed while input is open" {
	python p "$server"'
c.send(b"bye")'
	start_open s sc -U --seqpacket path
	finish s
	expect_text out bye
	expect_status 0
	expect_text err ''
}

@test "a listener notices a hang-up, too" {
	listen_open s -U --seqpacket path
	python_now 'c = to("path", SOCK_SEQPACKET); c.send(b"bye")'
	finish s
	expect_text out bye
	expect_status 0
}

@test "sending to one who is gone: status 9" {
	python p "$server"'
put(c.recv(MOST))'
	seq 100000 >lines
	try sc -U --seqpacket --lines path <lines
	expect_error 9 'path.*(reset|Broken pipe)'
}

# Runs sockcat on one end of a pair, which `before` has prepared.
paired='
import subprocess
a, b = socket.socketpair(AF_UNIX, SOCK_SEQPACKET)
def sockcat(*options, **more):
    os.set_inheritable(a.fileno(), True)
    return subprocess.Popen(
        [os.environ["SOCKCAT"], *options, "fd:%d" % a.fileno()],
        stdin=subprocess.PIPE, pass_fds=[a.fileno()], **more)
'

@test "what came before a reset is delivered before it is told" {
	python_now "$paired"'
# It is the sending or the receiving that hears of the reset first.
for options in [], ["-d"]:
    a, b = socket.socketpair(AF_UNIX, SOCK_SEQPACKET)
    for i in range(20):
        b.send(b"%d\n" % i)
    a.send(b"unread: this makes the close a reset")
    b.close()
    child = sockcat(*options)
    child.communicate(b"never arrives")
    put(child.returncode)' 2>err
	{ seq 0 19; echo 9; seq 0 19; echo 9; } >expected
	expect_same got expected
	expect_match err 'reset|Broken pipe'
	[ "$(wc -l <err)" = 2 ]
}

@test "-q 0 and --send-only lose nothing that was sent, and do not reset" {
	python_now "$paired"'
for options in ["-q", "0"], ["--send-only"]:
    a, b = socket.socketpair(AF_UNIX, SOCK_SEQPACKET)
    for _ in range(20):
        b.send(b"unread")
    child = sockcat(*options, "-y", "seqpacket", "--lines",
                    stdout=subprocess.DEVNULL)
    a.close()
    child.communicate(b"a\nb\nc\n")
    put(child.returncode, [b.recv(MOST) for _ in range(4)])'
	local one="0 [b'a', b'b', b'c', b'']"
	expect_text got "$one"$'\n'"$one"$'\n'
}

@test "-q ends a wait for the peer's end" {
	python p "$server"'
put(c.recv(MOST))
wait_for("gone")'
	try sc -U --seqpacket -q 0.2 path <<<hello
	expect_status 0
	touch gone
}

@test "-d sends no end before the peer's" {
	python p "$server"'
c.settimeout(0.3)
try:
    put(c.recv(MOST))
except TimeoutError:
    put("no end")
c.send(b"bye")'
	try sc -d -U --seqpacket path <<<unread
	expect_status 0
	expect_text out bye
	finish p
	expect_text out $'no end\n'
}

@test "--no-shutdown sends no end" {
	python p "$server"'
put(c.recv(MOST))
c.settimeout(0.3)
try:
    put(c.recv(MOST))
except TimeoutError:
    put("no end")'
	try sc --no-shutdown -U --seqpacket path <<<hello
	expect_status 0
	finish p
	expect_text out $'b\'hello\\n\'\nno end\n'
}

@test "a listener with nothing to say ends after its client" {
	listen_sockcat s -U --seqpacket --lines path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.settimeout(0.3)
try:
    put(c.recv(MOST))
except TimeoutError:
    put("no end")
c.send(b"hello")
c.shutdown(SHUT_WR)
c.settimeout(10)
put(c.recv(MOST))'
	expect_text got $'no end\nb\'\'\n'
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "-W counts messages" {
	python p "$server"'
for text in b"a", b"b", b"c":
    c.send(text)
put(c.recv(MOST))'
	start_open s sc -U --seqpacket --lines -W 2 path
	finish s
	expect_status 0
	expect_text out $'a\nb\n'
}

@test "-w and --idle-timeout on a quiet connection" {
	python p "$server"'
wait_for("over")'
	start_open s sc -U --seqpacket -w 0.3 path
	finish s
	expect_status 0
	touch over
	finish p
	rm over path
	python p "$server"'
wait_for("over")'
	start_open t sc -U --seqpacket --idle-timeout 0.3 path
	finish t
	expect_error 5 idle-timeout
	touch over
}

@test "a full queue: no spinning, nothing lost" {
	python p "$server"'
wait_for("go")
count = 0
while c.recv(MOST):
    count += 1
put(count)'
	seq 5000 >lines
	start s sc -U --seqpacket --lines path <lines
	python_now 'time.sleep(0.5)'
	is_running s
	[ "$(cpu_of "$(pid_of s)")" -lt 20 ]
	touch go
	finish p
	expect_text out $'5000\n'
	finish s
	expect_status 0
}

@test "over IP without SCTP: one line that says what would work" {
	! "$PYTHON" -c 'import socket
socket.socket(type=socket.SOCK_SEQPACKET)' 2>/dev/null || skip 'it works'
	try sc --seqpacket 127.0.0.1 9
	expect_error 1 'needs --sctp'
	try sc -l --seqpacket 127.0.0.1 0
	expect_error 1 'needs --sctp'
}

@test "nobody there, or another type of socket" {
	try sc -U --seqpacket path
	expect_error 3 'path'
	listen_sockcat s -U path
	try sc -U --seqpacket path
	expect_error 1 'another type'
}

@test "--seqpacket and --type seqpacket are the same" {
	listen_sockcat s -U -y seqpacket --lines path <<<hello
	try sc -U --seqpacket --lines path </dev/null
	expect_text out $'hello\n'
	finish s
}

@test "standard output full: told, status 1" {
	[ -e /dev/full ] || skip /dev/full
	listen_sockcat s -U --seqpacket path <<<hello
	status=0
	(become sc -U --seqpacket path) </dev/null 2>err >/dev/full || status=$?
	: >out
	expect_error 1 'standard output.*No space left'
}

@test "a listener that has sent its input sends its end to a client that only listens" {
	listen_sockcat s -U --seqpacket --lines path <<<hello
	try sc -d -U --seqpacket --lines path
	expect_status 0
	expect_text out $'hello\n'
	finish s
	expect_status 0
}
