#!/usr/bin/env bats
# Datagrams over Unix-domain sockets: names, answers, lengths, full queues.

load helpers
load messages

@test "a client has a name, so that it is answered" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
data, peer = s.recvfrom(MOST)
put(data, bool(peer))
s.sendto(b"answer", peer)'
	try sc -u -U -W 1 path <<<hello
	expect_status 0
	expect_text out answer
	finish p
	expect_text out $'b\'hello\\n\' True\n'
}

@test "-s PATH names a client, and is removed at its end" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
data, peer = s.recvfrom(MOST)
put(peer, os.path.exists("own"))
s.sendto(b"answer", peer)'
	try sc -u -U -s own -W 1 path <<<hello
	expect_status 0
	expect_text out answer
	[ ! -e own ]
	finish p
	expect_text out $'own True\n'
}

@test "-s PATH is removed when a signal ends the client" {
	local signal
	python p 's = bound(family=AF_UNIX, where="path"); ready(s)
wait_for("over")'
	for signal in TERM INT HUP; do
		start_open "$signal" sc -u -U -s own path
		wait_until test -S own
		say "$signal" "text $signal"
		stop "$signal" "$signal"
		expect_status $((128 + $(kill -l "$signal")))
		[ ! -e own ]
	done
	touch over
}

@test "-s PATH that is in the way is left alone" {
	python p 's = bound(family=AF_UNIX, where="path"); ready(s)
wait_for("over")'
	echo precious >own
	try sc -u -U -s own path <<<hello
	expect_status 1 || expect_status 7
	[ "$(wc -l <err)" = 1 ]
	expect_text own $'precious\n'
	touch over
}

@test "a listener answers the last who spoke, and removes its path" {
	listen_open s -u -U --lines path
	start_open a sc -u -U --lines path
	start_open b sc -u -U --lines path
	say a from-a
	wait_for_text s.out from-a
	say s for-a
	wait_for_text a.out for-a
	say b from-b
	wait_for_text s.out from-b
	say s for-b
	wait_for_text b.out for-b
	expect_text a.out $'for-a\n'
	expect_text b.out $'for-b\n'
	stop s TERM
	[ ! -e path ]
}

@test "abstract names, both ways" {
	need_linux_build
	listen_open s -u -U --lines "@sockcat-$$"
	python_now '
s = bound(family=AF_UNIX, where=args[0] + "-peer")
s.connect("\0" + args[0][1:])
s.send(b"hello")
put(s.recv(MOST))' "@sockcat-$$" &
	local asking=$!
	wait_for_text s.out hello
	say s answer
	wait "$asking"
	expect_text got $'b\'answer\'\n'
	python p 's = bound(family=AF_UNIX, where=args[0]); ready(s)
data, peer = s.recvfrom(MOST)
put(data, peer)
s.sendto(data[::-1], peer)' "@sockcat-$$-2"
	try sc -u -U -s "@sockcat-$$-3" -W 1 --lines "@sockcat-$$-2" <<<abc
	expect_text out $'cba\n'
	finish p
	expect_match out "^b'abc' b'.x00sockcat-$$-3'"
}

@test "a peer without a name is heard, and input waits for one who has one" {
	echo answer >answer
	listen_sockcat s -u -U -v --lines path <answer
	python_now 's = to("path"); s.send(b"who am I")'
	wait_for_text s.out 'who am I'
	is_running s
	# Even after one with a name, the last who spoke is the one to answer.
	python_now '
s = bound(family=AF_UNIX, where="own")
s.connect("path")
s.send(b"I have a name")
put(s.recv(MOST))'
	expect_text got $'b\'answer\'\n'
	expect_text s.out $'who am I\nI have a name\n'
	run ! grep -q failed s.err
}

@test "a nameless one after a named one: input is held, nothing spins" {
	listen_open s -u -U --lines path
	python p '
s = bound(family=AF_UNIX, where="own")
s.connect("path")
s.send(b"named")
ready()
put(s.recv(MOST))'
	wait_for_text s.out '^named'
	python_now 's = to("path"); s.send(b"nameless")'
	wait_for_text s.out nameless
	say s held
	python_now 'time.sleep(0.5)'
	[ "$(cpu_of "$(pid_of s)")" -lt 20 ]
	python_now 's = new(family=AF_UNIX); s.bind("other"); s.connect("path")
s.send(b"other")
put(s.recv(MOST))'
	expect_text got $'b\'held\'\n'
}

@test "messages of 200,000 bytes are whole, in both directions" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
data, peer = s.recvfrom(MOST)
put(data == pattern(200000))
s.sendto(pattern(200000, 1), peer)'
	python_now 'raw(pattern(200000))'
	mv got there
	python_now 'raw(pattern(200000, 1))'
	try sc -u -U -W 1 path <there
	expect_status 0
	expect_same out got
	finish p
	expect_text out $'True\n'
	listen_sockcat s -u -U listener <got
	try sc -u -U -W 1 listener <there
	expect_same out got
	expect_same s.out there
}

@test "what is longer than the socket takes is told with the sizes" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
put([len(s.recv(1 << 24)) for _ in range(2)])'
	python_now '
for length in 3, 8000000, 4:
    raw(struct.pack("!I", length) + b"x" * length)'
	try sc -u -U --frame len32 -q 0 path <got
	expect_error 1 'message of 8000000 bytes is too long .* takes [0-9]+'
	finish p
	expect_text out $'[3, 4]\n'
}

@test "the limit that is told is the kernel's" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
put(len(s.recv(1 << 24)))'
	python_now 'raw(b"x" * 8000000)'
	mv got long
	try sc -u -U --lines -q 0 path <long
	local most
	most=$(grep -oE '[0-9]+$' err)
	python_now 'raw(b"x" * int(args[0]))' "$most"
	try sc -u -U --lines -q 0 path <got
	expect_status 0
	finish p
	expect_text out "$most"$'\n'
}

@test "a full queue: the client waits without spinning, nothing is lost" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
wait_for("go")
put([s.recv(MOST) for _ in range(500)] == [b"%d" % i for i in range(500)])'
	seq 0 499 >lines
	start s sc -u -U --lines -q 0 path <lines
	python_now 'time.sleep(0.5)'
	is_running s
	[ "$(cpu_of "$(pid_of s)")" -lt 20 ]
	touch go
	finish p
	expect_text out $'True\n'
	finish s
	expect_status 0
}

@test "a full queue: the listener waits without spinning, nothing is lost" {
	seq 0 499 >lines
	listen_sockcat s -u -U --lines -q 0 path <lines
	python p '
s = bound(family=AF_UNIX, where="own")
s.connect("path")
s.send(b"hello")
ready()
wait_for("go")
put([s.recv(MOST) for _ in range(500)] == [b"%d" % i for i in range(500)])'
	wait_for_text s.out hello
	python_now 'time.sleep(0.5)'
	is_running s
	[ "$(cpu_of "$(pid_of s)")" -lt 20 ]
	touch go
	finish p
	expect_text out $'True\n'
	finish s
	expect_status 0
}

@test "an empty message is a message" {
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
for _ in range(3):
    data, peer = s.recvfrom(MOST)
    put(data)
    s.sendto(data, peer)'
	printf 'a\n\nb\n' >lines
	try sc -u -U --lines -W 3 path <lines
	expect_status 0
	expect_text out $'a\n\nb\n'
	finish p
	expect_text out $'b\'a\'\nb\'\'\nb\'b\'\n'
}

@test "nobody there: status 3 without a path, 4 where nobody has it" {
	try sc -u -U path <<<hello
	expect_error 3 'path.*No such file'
	python_now 's = bound(family=AF_UNIX, where="path")'
	try sc -u -U path <<<hello
	expect_error 4 'path.*Connection refused'
}

@test "the listener goes away: its client ends with status 4" {
	python p 's = bound(family=AF_UNIX, where="path"); ready(s)
put(s.recv(MOST))'
	start_open s sc -u -U --lines path
	say s one
	finish p
	say s two
	finish s
	expect_error 4 'refused'
}

@test "a client goes away: the listener holds its input for the next" {
	listen_open s -u -U --lines path
	python_now 's = bound(family=AF_UNIX, where="one")
s.connect("path")
s.send(b"one")'
	wait_for_text s.out one
	say s held
	python_now 'time.sleep(0.1)'
	python_now 's = bound(family=AF_UNIX, where="two")
s.connect("path")
s.send(b"two")
put(s.recv(MOST))'
	expect_text got $'b\'held\'\n'
	is_running s
}

@test "--retry-for waits for a listener that comes later" {
	start s sc -u -U --retry-for 20 -W 1 path <<<hello
	python p '
s = bound(family=AF_UNIX, where="path")
ready(s)
data, peer = s.recvfrom(MOST)
s.sendto(b"answer", peer)'
	finish s
	expect_status 0
	expect_text out answer
}

@test "a stream socket at that path: told, status 1" {
	listen_sockcat s -U path
	try sc -u -U path <<<hello
	expect_error 1 'another type'
}

@test "ncat and socat talk to our listener" {
	need socat
	listen_open s -u -U --lines path
	start_open p socat - UNIX-SENDTO:path,bind=own
	say p there
	wait_for_text s.out there
	say s back
	wait_for_text p.out back
}

@test "we talk to socat and nc.openbsd" {
	need socat nc.openbsd
	start p socat UNIX-RECVFROM:path EXEC:rev
	wait_until test -S path
	try sc -u -U -W 1 path <<<hello
	expect_text out $'olleh\n'
	start_open n nc.openbsd -l -u -U nc
	wait_until test -S nc
	start_open s sc -u -U nc
	say s hello
	wait_for_text n.out hello
	say n answer
	wait_for_text s.out answer
}

@test "a Unix datagram pair of python3" {
	python p '
a, b = socket.socketpair(AF_UNIX, SOCK_DGRAM)
os.set_inheritable(b.fileno(), True)
import subprocess
child = subprocess.Popen([os.environ["SOCKCAT"], "-q", "0",
                          "fd:%d" % b.fileno()], stdin=subprocess.PIPE,
                         stdout=subprocess.DEVNULL, pass_fds=[b.fileno()])
ready()
child.communicate(b"hello")
put(a.recv(MOST), child.returncode)'
	finish p
	expect_text out $'b\'hello\' 0\n'
}
