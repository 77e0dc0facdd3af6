#!/usr/bin/env bats
# Messages relayed: a flow for each client of a datagram listener, with its own
# program (-e, -c) or back-end (--to); and seqpacket sockets, which have ends.

# shellcheck disable=SC2030,SC2031 # tests are subshells

load helpers
load messages
load puppet

# A back-end that answers each datagram turned round.
turner='
s = bound()
ready(s)
while True:
    data, peer = s.recvfrom(MOST)
    s.sendto(data[::-1], peer)'

# The same on the Unix path in the first argument.
turner_unix='
s = bound(SOCK_DGRAM, AF_UNIX, args[0])
s.settimeout(None)
ready()
while True:
    data, peer = s.recvfrom(MOST)
    s.sendto(data[::-1], peer)'

# Asks on PORT what stands in the arguments behind it; prints the answers.
asker='
s = to(args[0])
for text in args[1:]:
    s.send(text.encode())
    put(s.recv(MOST).decode())'

# expect_answers PORT TEXT...: the turner's answers.
expect_answers() {
	local text
	python_now "$asker" "$@"
	shift
	for text; do
		rev <<<"$text"
	done >expected
	expect_same got expected
}

descriptors() {
	find "/proc/$(pid_of "$1")/fd" -type l | wc -l
}

children() {
	pgrep -c -P "$(pid_of "$1")" || :
}

has_descriptors() {
	[ "$(descriptors "$1")" = "$2" ]
}

has_children() {
	[ "$(children "$1")" = "$2" ]
}

### programs

@test "an echo server in one line, and python3" {
	listen_sockcat s -u -k -e cat 127.0.0.1 0
	python_now '
s = to(args[0])
for text in (b"one", b"two", b"x" * 60000, b"three"):
    s.send(text)
    assert s.recv(MOST) == text
put("all")' "$port"
	expect_text got $'all\n'
	expect_text s.err ''
}

@test "an echo server in one line, and nc.openbsd" {
	need nc.openbsd
	listen_sockcat s -u -k -e cat 127.0.0.1 0
	start_open p nc.openbsd -u 127.0.0.1 "$port"
	say p there
	wait_for_text p.out '^there$'
	say p again
	wait_for_text p.out '^again$'
}

@test "an echo server in one line, and ncat" {
	need ncat
	listen_sockcat s -u -k -e cat 127.0.0.1 0
	start_open p ncat -u 127.0.0.1 "$port"
	say p there
	wait_for_text p.out '^there$'
}

@test "an echo server in one line, and socat" {
	need socat
	listen_sockcat s -u -k -e cat 127.0.0.1 0
	start_open p socat - "UDP4:127.0.0.1:$port"
	say p there
	wait_for_text p.out '^there$'
}

@test "an echo server in one line, and ourselves" {
	listen_sockcat s -u -k -e cat 127.0.0.1 0
	try sc -u -W 1 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'hello\n'
}

@test "each client has a program of its own" {
	listen_sockcat s -u -k -c 'printf %s $$; exec cat' 127.0.0.1 0
	python_now '
all = [to(args[0]) for _ in range(5)]
for s in all:
    s.send(b"hello")
ids = [s.recv(MOST) for s in all]
assert len(set(ids)) == 5, ids
for i, s in enumerate(all):
    assert s.recv(MOST) == b"hello"
    s.send(b"%d" % i)
for i, s in enumerate(all):
    assert s.recv(MOST) == b"%d" % i
put("all")' "$port"
	expect_text got $'all\n'
	has_children s 5
}

@test "a program is told who asks, and what was asked" {
	# shellcheck disable=SC2016 # the program's
	listen_sockcat s -u -k -c 'printf "%s %s %s %s:%s" "$PROTO" \
		"$UDPREMOTEIP" "$UDPREMOTEPORT" "$UDPLOCALIP" "$UDPLOCALPORT"
		exec cat' 0.0.0.0 0
	python_now '
s = to(("127.0.0.2", int(args[0])))
s.send(b"")
put(s.recv(MOST).decode() == "UDP 127.0.0.1 %d 127.0.0.2:%s" %
    (s.getsockname()[1], args[0]))' "$port"
	expect_text got $'True\n'
}

@test "answers come from the address that was spoken to" {
	listen_sockcat s -u -k -c 'printf %s $$; exec cat' 0.0.0.0 0
	python_now '
s = new()
ids = set()
for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
    s.sendto(b"at " + host.encode(), (host, int(args[0])))
    data, peer = s.recvfrom(MOST)
    ids.add(data)
    assert peer[0] == host, peer
    data, peer = s.recvfrom(MOST)
    assert data == b"at " + peer[0].encode() == b"at " + host.encode()
put(len(ids))' "$port"
	expect_text got $'3\n'
}

@test "IPv6 and IPv4 clients of one listener" {
	need ipv6
	listen_sockcat s -u -k -e cat 0
	python_now '
for host in ("127.0.0.2", "::1"):
    s = to((host, int(args[0])))
    s.send(host.encode())
    put(s.recv(MOST).decode())' "$port"
	expect_text got $'127.0.0.2\n::1\n'
}

@test "what a program says at its end is sent, and the next one starts" {
	# shellcheck disable=SC2016 # the program's
	listen_sockcat s -u -k -c 'dd bs=64k count=1 2>/dev/null
		printf "%s" "bye $$"' 127.0.0.1 0
	python_now '
s = to(args[0])
ids = set()
for _ in range(3):
    s.send(b"hello")
    assert s.recv(MOST) == b"hello"
    ids.add(s.recv(MOST))
put(len(ids))' "$port"
	expect_text got $'3\n'
	wait_until has_children s 0
}

@test "what a program leaves unread is for the next one" {
	listen_sockcat s -u -k -v -c 'dd bs=64k count=1 2>/dev/null' \
		127.0.0.1 0
	python_now '
s = to(args[0])
for i in range(20):
    s.send(b"%d" % i)
for i in range(20):
    put(s.recv(MOST).decode())' "$port"
	seq 0 19 >expected
	expect_same got expected
	[ "$(grep -c '^Connection received' s.err)" -gt 1 ]
}

@test "a program that reads nothing is not started without end" {
	listen_sockcat s -u -k -v -e true 127.0.0.1 0
	python_now '
s = to(args[0])
for i in range(5):
    s.send(b"%d" % i)' "$port"
	wait_for_text s.err '^[0-9]+ messages dropped'
	wait_until has_children s 0
	[ "$(grep -c '^Connection received' s.err)" -le 5 ]
}

@test "the end of a flow is the end of its program's input" {
	before=$(milliseconds)
	listen_sockcat s -u -k --idle-timeout 500ms \
		-c 'cat; printf ended' 127.0.0.1 0
	before_descriptors=$(descriptors s)
	python_now '
s = to(args[0])
s.send(b"hello")
put(s.recv(MOST), s.recv(MOST))' "$port"
	expect_elapsed 500 "$before"
	expect_text got $'b\'hello\' b\'ended\'\n'
	wait_until has_children s 0
	wait_until has_descriptors s "$before_descriptors"
	is_running s
	expect_text s.err ''
}

@test "a program that does not end with its input is ended" {
	listen_sockcat s -u -k --idle-timeout 100ms \
		-c 'cat; exec sleep 1000' 127.0.0.1 0
	python_now "$asker" "$port" hello
	wait_until has_children s 0
	is_running s
}

@test "a program that reads nothing makes nobody wait" {
	listen_sockcat s -u -k -v \
		-c '[ "$(dd bs=64k count=1 2>/dev/null)" = sleep ] &&
			exec sleep 1000; printf ready; exec cat' 127.0.0.1 0
	python_now '
import time
sleeper, s = to(args[0]), to(args[0])
sleeper.send(b"sleep")
for _ in range(2000):
    sleeper.send(bytes(1000))
s.send(b"hello")
assert s.recv(MOST) == b"ready"
for i in range(1000):
    s.send(b"%d" % i)
    assert s.recv(MOST) == b"%d" % i
put("all")' "$port"
	expect_text got $'all\n'
	is_running s
	stop s
	run ! grep -q sanitizer err
}

@test "one client without -k: others are ignored, its end is the end" {
	listen_sockcat s -u -c 'dd bs=64k count=1 2>/dev/null
		dd bs=64k count=1 2>/dev/null; exit 7' 127.0.0.1 0
	python_now '
s, other = to(args[0]), to(args[0])
s.send(b"one")
put(s.recv(MOST))
other.settimeout(0.2)
other.send(b"two")
try:
    put(other.recv(MOST))
except TimeoutError:
    put("nothing")
s.send(b"three")
put(s.recv(MOST))' "$port"
	expect_text got $'b\'one\'\nnothing\nb\'three\'\n'
	finish s
	expect_status 7
	expect_text err ''
}

@test "one client without -k: --idle-timeout ends the run with status 5" {
	listen_sockcat s -u --idle-timeout 300ms -e cat 127.0.0.1 0
	before=$(milliseconds)
	python_now "$asker" "$port" hello
	finish s
	expect_elapsed 300 "$before"
	expect_error 5 'nothing moved for the --idle-timeout'
}

@test "a signal ends the programs" {
	listen_sockcat s -u -k -e cat 127.0.0.1 0
	python_now '
all = [to(args[0]) for _ in range(3)]
for s in all:
    s.send(b"hello")
for s in all:
    s.recv(MOST)' "$port"
	has_children s 3
	stop s TERM
	expect_status 143
	expect_text err ''
}

@test "a signal is heard while programs never stop talking" {
	listen_sockcat s -u -k -4 -c 'while :; do echo y; done' 127.0.0.1 0
	python_now '
all = [to(args[0]) for _ in range(40)]
for s in all:
    s.send(b"hello")
for s in all:
    s.recv(MOST)' "$port"
	has_children s 40
	stop s TERM
	expect_status 143
}

@test "a program that cannot be found is told before the first client" {
	try sc -u -l -k -e no-such-program 127.0.0.1 0
	expect_error 3 'no-such-program failed: not found on PATH'
}

@test "who is denied has no program, and no answer" {
	listen_sockcat s -u -k -v --deny 127.0.0.2 -e cat 0.0.0.0 0
	python_now '
denied = bound(where="127.0.0.2")
denied.connect(("127.0.0.1", int(args[0])))
denied.send(b"hello")
s = to(args[0])
s.send(b"hello")
assert s.recv(MOST) == b"hello"
denied.setblocking(False)
try:
    denied.recv(MOST)
except BlockingIOError:
    put("nothing")' "$port"
	expect_text got $'nothing\n'
	has_children s 1
}

@test "Unix datagrams: each client its own program, -v says who" {
	listen_sockcat s -u -k -v -e cat ./path
	python_now '
for name in ("@one-" + args[0], "two"):
    s = bound(SOCK_DGRAM, AF_UNIX, name)
    s.connect("path")
    for text in (b"hello", b"y" * 100000):
        s.send(text)
        assert s.recv(MOST) == text
put("all")' "$$"
	expect_text got $'all\n'
	expect_match s.err "^Connection received on @one-$$\$"
	expect_match s.err '^Connection received on two$'
	has_children s 2
	stop s
	[ ! -e path ]
}

@test "a Unix client without a name is heard" {
	listen_sockcat s -u -k -c 'exec cat >&2' ./path
	python_now '
s = new(SOCK_DGRAM, AF_UNIX)
s.connect("path")
s.send(b"no answer wanted\n")'
	wait_for_text s.err '^no answer wanted$'
}

@test "empty datagrams reach a program, and it can send them" {
	listen_sockcat s -u -k -e "$PYTHON -c 'import os
while True:
    data = os.read(0, 1 << 20)
    os.write(1, b\"%d\" % len(data))
    if not data:
        os.write(1, data)'" 127.0.0.1 0
	python_now '
s = to(args[0])
for text in (b"one", b"", b"", b"four"):
    s.send(text)
    put(s.recv(MOST))
    if not text:
        put(s.recv(MOST))' "$port"
	expect_text got "b'3'
b'0'
b''
b'0'
b''
b'4'
"
}

### relays of datagrams

@test "UDP to UDP" {
	python p "$turner"
	listen_sockcat s -u -k --to "127.0.0.1:$port" 127.0.0.1 0
	expect_answers "$port" hello 'a second one' third
	expect_text s.err ''
}

@test "UDP to UDP, with nc.openbsd, ncat and socat behind" {
	need nc.openbsd ncat socat
	serve_udp_on_free p ncat -u -l -e /bin/cat 127.0.0.1 @PORT@
	listen_sockcat s -u --to "127.0.0.1:$port" 127.0.0.1 0
	try sc -u -W 1 127.0.0.1 "$port" <<<hello
	expect_text out $'hello\n'
	serve_udp q socat UDP4-RECVFROM:0,bind=127.0.0.1 EXEC:rev
	listen_sockcat t -u --to "127.0.0.1:$port" 127.0.0.1 0
	try sc -u -W 1 127.0.0.1 "$port" <<<hello
	expect_text out $'olleh\n'
	start_open r nc.openbsd -u -l 127.0.0.1 0
	client_of r
	listen_sockcat u -u --to "127.0.0.1:$port" 127.0.0.1 0
	start_open c nc.openbsd -u 127.0.0.1 "$port"
	say c there
	wait_for_text r.out '^there$'
	say r back
	wait_for_text c.out '^back$'
}

@test "IPv4 to IPv6, and back" {
	need ipv6
	python p '
s = bound(SOCK_DGRAM, AF_INET6)
ready(s)
while True:
    data, peer = s.recvfrom(MOST)
    s.sendto(data[::-1], peer)'
	listen_sockcat s -u -k --to "[::1]:$port" -4 127.0.0.1 0
	expect_answers "$port" hello
	listen_sockcat t -u -k --to "127.0.0.1:$port" -6 ::1 0
	python_now '
s = to(("::1", int(args[0])))
s.send(b"hello")
put(s.recv(MOST))' "$port"
	expect_text got $'b\'olleh\'\n'
}

@test "a name as the back-end, looked up for each client" {
	python p "$turner"
	listen_sockcat s -u -k --to "localhost:$port" 127.0.0.1 0
	expect_answers "$port" hello
	expect_answers "$port" again
}

@test "UDP to Unix datagrams" {
	python p "$turner_unix" ./behind
	listen_sockcat s -u -k --to ./behind 127.0.0.1 0
	expect_answers "$port" hello again
	python_now '
s = to(args[0])
s.send(b"x" * 60000)
put(len(s.recv(MOST)))' "$port"
	expect_text got $'60000\n'
}

@test "Unix datagrams to UDP, and a message that is too long for that" {
	python p "$turner"
	listen_sockcat s -u -k --to "127.0.0.1:$port" ./path
	python_now '
s = bound(SOCK_DGRAM, AF_UNIX, "client")
s.connect("path")
for text in (b"one", b"x" * 70000, b"two"):
    s.send(text)
put(s.recv(MOST), s.recv(MOST))'
	expect_text got $'b\'eno\' b\'owt\'\n'
	expect_match s.err \
		'^sockcat: message of 70000 bytes is too long for .* takes 65507$'
	[ "$(wc -l <s.err)" = 1 ]
}

@test "UDP-Lite to UDP-Lite, and to UDP" {
	"$PYTHON" -c 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)' 2>err || skip UDP-Lite
	python p '
s = new(SOCK_DGRAM, AF_INET, 136)
s.bind(("127.0.0.1", 0))
ready(s)
while True:
    data, peer = s.recvfrom(MOST)
    s.sendto(data[::-1], peer)'
	listen_sockcat s --udplite -u -k --to "127.0.0.1:$port" 127.0.0.1 0
	lite=$port
	python q "$turner"
	listen_sockcat t --udplite -u -k --to "udp:127.0.0.1:$port" 127.0.0.1 0
	for port in "$lite" "$port"; do
		python_now '
s = new(SOCK_DGRAM, AF_INET, 136)
s.connect(("127.0.0.1", int(args[0])))
s.send(b"hello")
put(s.recv(MOST))' "$port"
		expect_text got $'b\'olleh\'\n'
	done
}

@test "datagrams to a seqpacket back-end, which is found out" {
	start p sc -l -k -U --seqpacket -e cat ./behind
	python q '
l = bound(SOCK_SEQPACKET, AF_UNIX, "seq")
l.listen()
ready()
for _ in range(2):
    c, _ = l.accept()
    put(c.recv(MOST))
    c.send(b"for you")
    put(c.recv(MOST))'
	listen_sockcat s -u -k --idle-timeout 300ms --to ./seq 127.0.0.1 0
	for _ in 1 2; do
		python_now "$asker" "$port" hello
		expect_text got $'for you\n'
	done
	# The flows end by idling, and the back-end sees that.
	finish q
	expect_text out $'b\'hello\'\nb\'\'\nb\'hello\'\nb\'\'\n'
	stop p
}

@test "a seqpacket back-end that ends a flow is dialled anew" {
	python q '
l = bound(SOCK_SEQPACKET, AF_UNIX, "seq")
l.listen()
ready()
for i in range(3):
    c, _ = l.accept()
    data = c.recv(MOST)
    c.send(data + b" %d" % i)
    c.send(b"")
    c.send(b"bye")
    c.close()'
	listen_sockcat s -u -k --to ./seq 127.0.0.1 0
	one_socket() {
		[ "$(find "/proc/$(pid_of s)/fd" -lname 'socket:*' |
			wc -l)" = 1 ]
	}
	for i in 0 1 2; do
		python_now '
s = to(args[0])
s.send(b"hello")
put(s.recv(MOST), s.recv(MOST), s.recv(MOST))' "$port"
		expect_text got "b'hello $i' b'' b'bye'"$'\n'
		# What is sent before the end was seen is for who is gone.
		wait_until one_socket
	done
	expect_text s.err ''
}

@test "lengths, empty datagrams and order are kept, both ways" {
	python p "$turner"
	listen_sockcat s -u -k --to "127.0.0.1:$port" 127.0.0.1 0
	python_now '
s = to(args[0])
sizes = [0, 1, 0, 0, 1472, 9000, 60000, 65507, 0, 2]
for size in sizes:
    s.send(pattern(size, size))
    assert s.recv(MOST) == pattern(size, size)[::-1], size
for turn in range(50):
    for i in range(40):
        s.send(pattern(100 + i % 3 * 100, i))
    for i in range(40):
        assert s.recv(MOST) == pattern(100 + i % 3 * 100, i)[::-1], i
put("all")' "$port"
	expect_text got $'all\n'
}

@test "200 clients have 200 flows, and all end by idling" {
	python p '
s = bound()
s.settimeout(None)
ready(s)
while True:
    data, peer = s.recvfrom(MOST)
    s.sendto(b"%d " % peer[1] + data, peer)'
	before=$(milliseconds)
	listen_sockcat s -u -k --max-conns 1000 --idle-timeout 1 \
		--to "127.0.0.1:$port" 127.0.0.1 0
	before_descriptors=$(descriptors s)
	python_now '
all = [to(args[0]) for _ in range(200)]
ports = set()
for turn in range(3):
    for i, s in enumerate(all):
        s.send(b"%d" % i)
    for i, s in enumerate(all):
        port, data = s.recv(MOST).split()
        assert int(data) == i
        ports.add(port)
put(len(ports))' "$port"
	expect_text got $'200\n'
	# The event loop may have kept one to wait with.
	wait_until few_descriptors s $((before_descriptors + 1))
	expect_elapsed 1000 "$before"
	expect_text s.err ''
	is_running s
}

few_descriptors() {
	[ "$(descriptors "$1")" -le "$2" ]
}

@test "what moves does not idle" {
	python p "$turner"
	before=$(milliseconds)
	listen_sockcat s -u -k --idle-timeout 600ms -v \
		--to "127.0.0.1:$port" 127.0.0.1 0
	python_now '
s = to(args[0])
for _ in range(12):
    s.send(b"hello")
    s.recv(MOST)
    time.sleep(0.1)' "$port"
	expect_elapsed 1200 "$before"
	[ "$(grep -c '^Connection received' s.err)" = 1 ]
}

@test "a back-end that is not there is told, and may come" {
	python p "$turner"
	behind=$port
	listen_sockcat s -u -k --to "127.0.0.1:$behind" 127.0.0.1 0
	front=$port
	expect_answers "$front" hello
	stop p
	python_now '
s = to(args[0])
s.send(b"lost")' "$front"
	wait_for_text s.err \
		"^sockcat: connection to 127.0.0.1:$behind broke: Connection refused\$"
	[ "$(wc -l <s.err)" = 1 ]
	python q "${turner/bound()/bound(where=(\"127.0.0.1\", $behind))}"
	expect_answers "$front" hello again
	[ "$(wc -l <s.err)" = 1 ]
}

@test "a client whose back-end refused is served when that is back" {
	python p "$turner"
	behind=$port
	listen_sockcat s -u -k --to "127.0.0.1:$behind" 127.0.0.1 0
	python c '
s = to(args[0])
ready()
s.send(b"one")
put(s.recv(MOST))
wait_for("refuse")
s.send(b"two")
wait_for("back")
s.send(b"three")
put(s.recv(MOST))' "$port"
	wait_for_text c.out eno
	stop p
	: >refuse
	wait_for_text s.err 'Connection refused'
	python q "${turner/bound()/bound(where=(\"127.0.0.1\", $behind))}"
	: >back
	finish c
	expect_text out $'b\'eno\'\nb\'eerht\'\n'
}

@test "a path that is not there is told for each client" {
	listen_sockcat s -u -k --to ./nowhere 127.0.0.1 0
	for _ in 1 2; do
		python_now '
s = to(args[0])
s.send(b"lost")' "$port"
	done
	two_lines() {
		[ "$(wc -l <s.err)" = 2 ]
	}
	wait_until two_lines
	run ! grep -v '^sockcat: connect to ./nowhere failed: No such file' s.err
	front=$port
	python p "$turner_unix" ./nowhere
	expect_answers "$front" hello
}

@test "without -k a back-end that refuses ends the run, status 4" {
	python p "$turner"
	behind=$port
	stop p
	listen_sockcat s -u --to "127.0.0.1:$behind" 127.0.0.1 0
	python_now '
s = to(args[0])
s.send(b"lost")' "$port"
	finish s
	expect_error 4 'Connection refused'
}

@test "what comes before the back-end is there waits, within bounds" {
	listen_sockcat s -u -k -v --retry-for 20 --to ./late 127.0.0.1 0
	python c '
s = to(args[0])
for i in range(100):
    s.send(b"%d" % i)
ready()
for _ in range(64):
    put(s.recv(MOST).decode())
s.send(b"the next")
put(s.recv(MOST).decode())' "$port"
	wait_for_text s.err '^Connection received'
	python p '
s = bound(SOCK_DGRAM, AF_UNIX, "late")
ready()
while True:
    data, peer = s.recvfrom(MOST)
    s.sendto(data, peer)'
	finish c
	{
		seq 0 63
		echo 'the next'
	} >expected
	expect_same out expected
}

@test "at --max-conns the flow that idled longest makes way" {
	listen_sockcat s -u -k --max-conns 3 -c 'printf %s $$; exec cat' \
		127.0.0.1 0
	python_now '
all = [to(args[0]) for _ in range(4)]
def ask(i):
    all[i].send(b"hello")
    data = all[i].recv(MOST)
    return data if data == b"hello" else all[i].recv(MOST) and data
first = [ask(i) for i in range(3)]
assert len(set(first)) == 3
assert ask(0) == b"hello"
new = ask(3)                     # instead of 1
assert ask(0) == b"hello" and ask(2) == b"hello"
again = ask(1)                   # instead of 3
assert again not in first and again != new
put("all")' "$port"
	expect_text got $'all\n'
	wait_until has_children s 3
}

@test "a Unix client that does not read makes nobody wait" {
	python p '
s = bound()
s.settimeout(None)
ready(s)
while True:
    data, peer = s.recvfrom(MOST)
    for i in range(int(data)):
        s.sendto(b"%d" % i, peer)'
	listen_sockcat s -u -k --to "127.0.0.1:$port" ./path
	python_now '
slow = bound(SOCK_DGRAM, AF_UNIX, "slow")
slow.connect("path")
slow.send(b"100")
s = bound(SOCK_DGRAM, AF_UNIX, "quick")
s.connect("path")
for turn in range(20):
    s.send(b"5")
    for i in range(5):
        assert s.recv(MOST) == b"%d" % i
for i in range(100):
    assert slow.recv(MOST) == b"%d" % i, i
put("all")'
	expect_text got $'all\n'
}

@test "a Unix client that is gone makes no noise" {
	python p '
s = bound()
ready(s)
data, peer = s.recvfrom(MOST)
wait_for("gone")
s.sendto(b"late", peer)
data, peer = s.recvfrom(MOST)
s.sendto(b"in time", peer)'
	listen_sockcat s -u -k --to "127.0.0.1:$port" ./path
	python_now '
s = bound(SOCK_DGRAM, AF_UNIX, "client")
s.sendto(b"hello", "path")'
	: >gone
	rm client
	python_now '
s = bound(SOCK_DGRAM, AF_UNIX, "other")
s.sendto(b"hello", "path")
put(s.recv(MOST))'
	expect_text got $'b\'in time\'\n'
	expect_text s.err ''
}

@test "requests and responses as a resolver's" {
	python p '
import random
s = bound()
s.settimeout(None)
ready(s)
waiting = []
while True:
    waiting.append(s.recvfrom(MOST))
    if len(waiting) == 10:
        random.shuffle(waiting)
        for data, peer in waiting:
            s.sendto(data[:2] + b"answer to " + data[2:], peer)
        waiting = []'
	listen_sockcat s -u -k --to "127.0.0.1:$port" 127.0.0.1 0
	python_now '
for turn in range(20):
    all = [to(args[0]) for _ in range(10)]
    for i, s in enumerate(all):
        s.send(struct.pack("!H", i) + b"question")
    for i, s in enumerate(all):
        assert s.recv(MOST) == struct.pack("!H", i) + b"answer to question"
put("all")' "$port"
	expect_text got $'all\n'
}

@test "1,000 idle flows take little memory, and no time" {
	need_plain_build
	[ "$(ulimit -n)" -ge 2100 ] || skip 'ulimit -n'
	python p "$turner"
	listen_sockcat s -u -k --max-conns 2000 --to "127.0.0.1:$port" \
		127.0.0.1 0
	expect_answers "$port" hello
	rss() {
		awk '/^VmRSS/ { print $2 }' "/proc/$(pid_of s)/status"
	}
	before=$(rss)
	python_now '
all = [to(args[0]) for _ in range(1000)]
for s in all:
    s.send(b"hello")
    assert s.recv(MOST) == b"olleh"
s = all[0]
for i in range(1000):
    s.send(b"%d" % i)
    assert s.recv(MOST) == (b"%d" % i)[::-1]
put(len(all))' "$port"
	expect_text got $'1000\n'
	[ "$(descriptors s)" -ge 1000 ]
	after=$(rss)
	echo "$before KiB before, $after KiB after"
	[ $((after - before)) -lt 4000 ]
}

@test "--max-time ends a relay with its clients, status 5" {
	python p "$turner"
	listen_sockcat s -u -k --max-time 1 --to "127.0.0.1:$port" 127.0.0.1 0
	expect_answers "$port" hello
	finish s
	expect_error 5 '--max-time ran out with 1 client served'
}

# The port from which NAME talks to PORT.
port_to() {
	local hex own
	hex=$(printf '%04X' "$2")
	for own in $(bound_ports "$(pid_of "$1")"); do
		! grep -qi "$(printf '%04X' "$own") 0100007F:$hex" \
			/proc/net/udp || echo "$own"
	done
}

talks_to() {
	[ -n "$(port_to "$1" "$2")" ]
}

@test "a relay between two addresses, as a client of both" {
	python p '
s = bound()
ready(s)
data, peer = s.recvfrom(MOST)
put(data)
s.sendto(b"from the first", peer)'
	first=$port
	python q '
s = bound()
ready(s)
wait_for("port")
s.connect(("127.0.0.1", int(open("port").read())))
s.send(b"from the second")
put(s.recv(MOST))'
	second=$port
	start s sc -u --to "127.0.0.1:$second" 127.0.0.1 "$first"
	wait_until talks_to s "$second"
	# Nobody has spoken yet: one of them has to begin.
	port_to s "$second" >port.new
	mv port.new port
	finish p
	expect_text out $'b\'from the second\'\n'
	finish q
	expect_text out $'b\'from the first\'\n'
	stop s
	expect_status 143
}

@test "a datagram that was queued before we started is of the same client" {
	try "$PYTHON" -c '
import os, socket, subprocess, sys
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(("127.0.0.1", 0))
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b.connect(a.getsockname())
b.settimeout(20)
b.send(b"one")
p = subprocess.Popen([sys.argv[1], "-luk", "-v", "-e", "cat",
    "fd:%d" % a.fileno()], pass_fds=[a.fileno()])
print(b.recv(99))
b.send(b"two")
print(b.recv(99))
p.terminate()
p.wait()' "$SOCKCAT"
	expect_status 0
	expect_text out $'b\'one\'\nb\'two\'\n'
	[ "$(grep -c 'Connection received' err)" = 1 ]
}

@test "-u -w ends a client of a program that nobody speaks to" {
	python p '
s = bound()
ready(s)
s.recv(MOST)'
	try sc -u -w 0.3 -e cat 127.0.0.1 "$port"
	expect_status 0
	stop p
}

### seqpacket

# A server at the path in the first argument, which does what follows.
server='
l = bound(SOCK_SEQPACKET, AF_UNIX, args[0])
l.listen()
ready()
c, _ = l.accept()
'

@test "seqpacket to seqpacket: messages and both ends, one after the other" {
	python p "$server"'
put(c.recv(MOST), c.recv(MOST), c.recv(MOST))
c.send(b"after your end")
c.send(b"")
c.shutdown(SHUT_WR)
put(c.recv(MOST))' behind
	listen_sockcat s -U --seqpacket --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"one")
c.send(pattern(100000))
c.shutdown(SHUT_WR)
put(c.recv(MOST), [len(x) for x in c.recvmsg(MOST, 64)[:1]])
put(c.recv(MOST))'
	finish p
	expect_text got $'b\'after your end\' [0]\nb\'\'\n'
	expect_match out "^b'one' b'.* b''\$"
	finish s
	expect_status 0
	expect_text err ''
}

@test "seqpacket to seqpacket: the back-end ends first" {
	python p "$server"'
c.send(b"hello")
c.shutdown(SHUT_WR)
put(c.recv(MOST))
put(c.recv(MOST))' behind
	listen_sockcat s -U --seqpacket --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
put(c.recv(MOST), c.recv(MOST))
c.send(b"still here")'
	expect_text got $'b\'hello\' b\'\'\n'
	finish p
	expect_text out $'b\'still here\'\nb\'\'\n'
	finish s
	expect_status 0
}

@test "seqpacket with -k: clients at once, each its own back-end" {
	start p sc -l -k -U --seqpacket --to ./behind path
	python q '
l = bound(SOCK_SEQPACKET, AF_UNIX, "behind")
l.listen(20)
ready()
all = [l.accept()[0] for _ in range(10)]
for i, c in enumerate(all):
    c.send(b"%d " % i + c.recv(MOST))
for c in all:
    assert c.recv(MOST) == b""'
	wait_until test -S path
	before_descriptors=$(descriptors p)
	python_now '
all = [to("path", SOCK_SEQPACKET) for _ in range(10)]
for i, c in enumerate(all):
    c.send(b"%d" % i)
answers = sorted(c.recv(MOST) for c in all)
assert sorted(a.split()[1] for a in answers) == [b"%d" % i for i in range(10)]
for c in all:
    c.shutdown(SHUT_WR)
for c in all:
    assert c.recv(MOST) == b""
put("all")'
	expect_text got $'all\n'
	finish q
	expect_status 0
	wait_until few_descriptors p $((before_descriptors + 1))
	expect_text p.err ''
}

@test "seqpacket relay between two socats" {
	need socat
	start p socat UNIX-LISTEN:behind,socktype=5 EXEC:rev
	wait_until test -S behind
	listen_sockcat s -U --seqpacket --to ./behind path
	start_open c socat - UNIX-CONNECT:path,socktype=5
	say c hello
	end_input c
	wait_for_text c.out '^olleh$'
	finish s
	expect_status 0
}

@test "seqpacket: nothing is lost to a back-end that reads slowly" {
	python p "$server"'
c.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
wait_for("sent")
got = 0
while True:
    data = c.recv(MOST)
    if not data:
        break
    assert data == b"%01000d" % got
    got += 1
put(got)' behind
	listen_sockcat s -U --seqpacket --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
sent = 0
while sent < 5000:
    if not select.select([], [c], [], 1)[1]:
        break
    c.send(b"%01000d" % sent)
    sent += 1
put(sent < 5000)
open("sent", "w")
while sent < 5000:
    c.send(b"%01000d" % sent)
    sent += 1'
	# It did not take all that there was, to hold it.
	expect_text got $'True\n'
	finish p
	expect_text out $'5000\n'
	finish s
	expect_status 0
}

@test "seqpacket to Unix datagrams: answers are waited for after the end" {
	python p '
s = bound(SOCK_DGRAM, AF_UNIX, "behind")
ready()
data, peer = s.recvfrom(MOST)
put(data)
time.sleep(0.3)
s.sendto(b"one", peer)
time.sleep(0.3)
s.sendto(b"two", peer)'
	before=$(milliseconds)
	listen_sockcat s -U --seqpacket --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"hello")
c.shutdown(SHUT_WR)
put(c.recv(MOST), c.recv(MOST), c.recv(MOST))'
	expect_text got $'b\'one\' b\'two\' b\'\'\n'
	expect_elapsed 1600 "$before"
	finish s
	expect_status 0
	expect_text err ''
}

@test "seqpacket to UDP, and UDP to seqpacket by a client" {
	python p "$turner"
	listen_sockcat s -U --seqpacket --to "udp:127.0.0.1:$port" path
	python_now '
c = to("path", SOCK_SEQPACKET)
for text in (b"one", b"two"):
    c.send(text)
    put(c.recv(MOST))'
	expect_text got $'b\'eno\'\nb\'owt\'\n'
	finish s
	expect_status 0
}

@test "a seqpacket client between two servers" {
	python p "$server"'
c.send(b"from a")
put(c.recv(MOST), c.recv(MOST))' a
	python q "$server"'
c.send(b"from b")
c.shutdown(SHUT_WR)
put(c.recv(MOST), c.recv(MOST))' b
	try sc -U --seqpacket --to ./a b
	expect_status 0
	expect_text err ''
	finish p
	expect_text out $'b\'from b\' b\'\'\n'
	finish q
	expect_text out $'b\'from a\' b\'\'\n'
}

@test "seqpacket: what a client sent before it went away arrives" {
	python p "$server"'
wait_for("closed")
for i in range(101):
    put(c.recv(MOST))' behind
	listen_sockcat s -U --seqpacket --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
for i in range(100):
    c.send(b"%d" % i)
c.close()
open("closed", "w")'
	finish p
	{
		for i in {0..99}; do
			echo "b'$i'"
		done
		echo "b''"
	} >expected
	expect_same out expected
	finish s
	expect_status 0
}

@test "seqpacket: a back-end that resets is told, status 9" {
	python p "$server"'
c.recv(1, socket.MSG_PEEK)
for i in range(100):
    c.send(b"%d" % i)
c.close()' behind
	listen_sockcat s -U --seqpacket --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"not read")
for i in range(100):
    assert c.recv(MOST) == b"%d" % i
put(c.recv(MOST))'
	expect_text got $'b\'\'\n'
	finish s
	expect_error 9 'connection to ./behind broke: Connection reset by peer'
}

@test "seqpacket: no back-end, and the client is closed" {
	listen_sockcat s -U --seqpacket -k --to ./nowhere path
	python_now '
for _ in range(2):
    c = to("path", SOCK_SEQPACKET)
    put(c.recv(MOST))'
	expect_text got $'b\'\'\nb\'\'\n'
	run ! grep -v '^sockcat: connect to ./nowhere failed: No such file' s.err
	[ "$(wc -l <s.err)" = 2 ]
}

@test "seqpacket: a stream at the path is of another kind" {
	start p sc -l -U ./stream
	wait_until test -S stream
	listen_sockcat s -U --seqpacket --to ./stream path
	python_now '
c = to("path", SOCK_SEQPACKET)
put(c.recv(MOST))'
	finish s
	expect_error 1 'the socket there is of another type'
}

@test "--to of another kind is a mistake in use" {
	try sc -u -l 0 --to tcp:127.0.0.1:1
	expect_error 2 'another kind'
}

### the limits of a connection

# A back-end that takes one connection at ./behind and just holds it.
holder='
c.settimeout(None)
c.recv(MOST)
c.recv(MOST)'

@test "seqpacket: --idle-timeout ends one client's program, not the listener" {
	listen_sockcat s -U -k --seqpacket --idle-timeout 300ms -e cat path
	start_open c sc -U --seqpacket path
	finish c
	expect_status 0
	start_open d sc -U --seqpacket path
	finish d
	expect_status 0
	stop s
	expect_status 143
}

@test "seqpacket: --idle-timeout ends a relay with status 5, -w with 0" {
	python p "$server$holder" behind
	listen_sockcat s -U --seqpacket --idle-timeout 300ms --to ./behind path
	before=$(milliseconds)
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"hello")
put(c.recv(MOST))'
	expect_elapsed 300 "$before"
	finish s
	expect_error 5 'nothing moved for the --idle-timeout'
	finish p
	rm behind
	python p "$server$holder" behind
	listen_sockcat s -U --seqpacket -w 300ms --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"hello")
put(c.recv(MOST))'
	finish s
	expect_status 0
	expect_text err ''
}

@test "seqpacket: --peer-quit and -q end a relay that one side has left" {
	python p "$server$holder" behind
	listen_sockcat s -U --seqpacket --peer-quit --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"hello")
c.shutdown(SHUT_WR)
put(c.recv(MOST))'
	finish s
	expect_status 0
	finish p
	rm behind
	python p "$server"'
c.shutdown(SHUT_WR)
c.recv(MOST)' behind
	listen_sockcat s -U --seqpacket -q 0 --to ./behind path
	python_now '
c = to("path", SOCK_SEQPACKET)
put(c.recv(MOST))
c.settimeout(20)
while True:
    try:
        c.send(b"")
    except OSError:
        break'
	finish s
	expect_status 0
}

@test "seqpacket to UDP: a refusal ends the relay with status 4" {
	python p "$turner"
	behind=$port
	stop p
	listen_sockcat s -U --seqpacket --to "udp:127.0.0.1:$behind" path
	python_now '
c = to("path", SOCK_SEQPACKET)
c.send(b"hello")
put(c.recv(MOST))'
	expect_text got $'b\'\'\n'
	finish s
	expect_error 4 'connection to .* broke: Connection refused'
}

@test "a silent relay takes no processor time, whoever has ended" {
	python p "$server"'
c.shutdown(SHUT_WR)
wait_for("over")' behind
	listen_sockcat s -U --seqpacket --to ./behind path
	python c '
c = to("path", SOCK_SEQPACKET)
assert c.recv(MOST) == b""
ready()
wait_for("over")'
	before=$(cpu_of "$(pid_of s)")
	python_now 'time.sleep(0.5)'
	[ $(($(cpu_of "$(pid_of s)") - before)) -lt 10 ]
	: >over
	finish s
	expect_status 0
}
