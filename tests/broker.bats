#!/usr/bin/env bats
# --broker and --chat: what a client sends goes to all others

load helpers
load messages

client() {
	local name=$1 code=$2
	shift 2
	start "$name" "${python_environment[@]}" "$PYTHON" -c \
		"$(code_of "c = to(args[0], SOCK_STREAM)
$code")" "$port" "$@"
}

# What a client does that is to get so many bytes.
read_all='left = int(args[1])
while left > 0: piece = c.recv(65536); raw(piece); left -= len(piece)'

# Once there is ./port.
listens_now() {
	wait_for_file port
	port=$(cat port)
}

connected() {
	[ "$(connections "$(pid_of "$1")")" = "$2" ]
}

@test "what one sends goes to all others, and not back" {
	need nc.openbsd ncat socat python3
	local name
	listen_sockcat s --broker 127.0.0.1 0
	start_open a nc.openbsd 127.0.0.1 "$port"
	start_open b ncat 127.0.0.1 "$port"
	start_open c socat - "TCP:127.0.0.1:$port"
	start_open d sc 127.0.0.1 "$port"
	wait_until connected s 4
	say a 'from a'
	for name in b c d; do
		wait_for_text $name.out 'from a'
	done
	say b 'from b'
	for name in a c d; do
		wait_for_text $name.out 'from b'
	done
	say d 'from d'
	for name in a b c; do
		wait_for_text $name.out 'from d'
	done
	expect_text a.out $'from b\nfrom d\n'
	expect_text b.out $'from a\nfrom d\n'
	expect_text c.out $'from a\nfrom b\nfrom d\n'
	expect_text d.out $'from a\nfrom b\n'
	# Who has ended is let go, and the others stay.
	end_input d
	finish d
	expect_status 0
	wait_until connected s 3
	stop s
	[ ! -s out ]
	[ ! -s err ]
}

@test "a broker has no use for standard input and output" {
	need python3
	local taken
	echo unread >input
	exec {taken}<input
	start s "$SOCKCAT" -l -k --broker --port-file port 127.0.0.1 0 \
		<&"$taken"
	listens_now
	client a 'raw(c.recv(100))'
	wait_until connected s 1
	client b 'c.sendall(b"hello"); wait_for("over")'
	finish a
	expect_text out hello
	touch over
	finish b
	stop s
	[ ! -s out ]
	# Its place in the file is shared with us.
	expect_text <(cat <&"$taken") $'unread\n'
}

@test "a broker passes on bytes as they are, in their order" {
	need python3
	local name
	random_bytes 20000000 >sent
	listen_sockcat s --broker 127.0.0.1 0
	for name in a b; do
		client $name "$read_all" 20000000
	done
	wait_until connected s 2
	client from 'c.settimeout(60); c.sendall(open("sent", "rb").read())
c.shutdown(SHUT_WR); put(len(c.recv(1)))'
	finish from
	expect_status 0
	expect_text out $'0\n'
	for name in a b; do
		finish $name
		expect_same out sent
	done
}

@test "one that never reads is disconnected, the others get all" {
	need python3
	random_bytes 50000000 >sent
	listen_sockcat s --broker 127.0.0.1 0
	client a "$read_all" 50000000
	client bad 'put(c.getsockname()[1]); wait_for("over")'
	wait_until connected s 2
	client from 'c.settimeout(60); c.sendall(open("sent", "rb").read())
wait_for("over")'
	finish a
	expect_same out sent
	expect_match s.err "^sockcat: connection to 127.0.0.1 $(cat bad.out) ended"
	[ "$(wc -l <s.err)" = 1 ]
	touch over
	finish from
	expect_status 0
	is_running s
}

# Each sends until nobody reads any more, and reads only then.
@test "clients that wait for each other do not stop the others" {
	need python3
	local name
	listen_sockcat s --broker 127.0.0.1 0
	for name in a b; do
		client $name 'c.settimeout(60); wait_for("start")
try: c.sendall(b"a" * 30000000)
except OSError: pass'
	done
	wait_until connected s 2
	touch start
	finish a
	finish b
	client c 'raw(c.recv(100)); wait_for("over")'
	client d 'wait_for("go"); c.sendall(b"hello"); wait_for("over")'
	wait_until connected s 2
	touch go
	wait_for_text c.out hello
	touch over
	is_running s
}

# Its own data are not held up because it does not read yet.
@test "one that reads only when it has sent all loses nothing" {
	need python3
	listen_sockcat s --broker -O 65536 127.0.0.1 0
	client a 'c.settimeout(60); wait_for("start")
c.sendall(b"a" * 20000000)
c.shutdown(SHUT_WR)
put(sum(map(len, iter(lambda: c.recv(65536), b""))))'
	wait_until connected s 1
	client b 'import threading
c.settimeout(60); c.sendall(b"b" * 700000); open("start", "w")
sending = threading.Thread(target=lambda: c.sendall(b"b" * 1300000))
sending.start()
left = 20000000
while left > 0: left -= len(c.recv(65536))
sending.join(); put(left); wait_for("over")'
	wait_for_text b.out 0
	finish a
	[ "$(cat out)" -gt 1000000 ]
	touch over
	finish b
	[ ! -s s.err ]
}

@test "a client that has ended gets what was sent before" {
	need python3
	listen_sockcat s --broker -O 65536 127.0.0.1 0
	client a 'wait_for("sent"); c.shutdown(SHUT_WR)
put(sum(map(len, iter(lambda: c.recv(65536), b""))))'
	wait_until connected s 1
	client b 'c.sendall(b"x" * 500000); open("sent", "w"); wait_for("over")'
	finish a
	expect_text out $'500000\n'
	touch over
	finish b
	[ ! -s s.err ]
}

@test "1,000 idle clients cost little memory, 10,000 can be served" {
	need python3
	need_plain_build
	local begin grown count=1000
	ulimit -n "$(ulimit -Hn)" || :
	[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 2100 ] ||
		skip descriptors
	[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -lt 10100 ] ||
		count=10000
	listen_sockcat s --broker --max-conns 20000 127.0.0.1 0
	begin=$(resident)
	client many "cs = [c] + [to(args[0], SOCK_STREAM)
	for _ in range($count - 1)]
put('there'); wait_for('go')
cs[0].sendall(b'hello')
got = [each.recv(100) for each in cs[1:]]
put(len(got), set(got)); wait_for('over')"
	wait_for_text many.out there
	wait_until connected s "$count"
	grown=$(($(resident) - begin))
	echo "$((grown * 1024 / count)) bytes each"
	[ $((grown / 16)) -lt "$count" ]
	touch go
	wait_for_text many.out "^$((count - 1)) \{b'hello'\}$"
	touch over
	finish many
	wait_until connected s 0
	is_running s
}

resident() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of s)/status"
}

# The same, said to Ncat and to us: what each client of a chat is shown.
chat_with() {
	python_now '
import re
def shown(*socks):
	for name, sock in socks:
		text = b""
		while select.select([sock], [], [], 0.5)[0]:
			piece = sock.recv(65536)
			if not piece:
				text += b"END"
				break
			text += piece
		names = re.sub(rb"<user(\d+)>", lambda m: b"<%d>" % known.setdefault(
			m[1], len(known)), text)
		print(name, names)

known = {}
a = to(args[0], SOCK_STREAM)
shown(("a", a))
b = to(args[0], SOCK_STREAM)
shown(("a", a), ("b", b))
c = to(args[0], SOCK_STREAM)
shown(("a", a), ("b", b), ("c", c))
for text in b"hello\n", b"no line end", b"two\nlines\n", b"\r\n", \
		bytes(range(256)), b"<announce> forged\n", b"x" * 8192:
	a.sendall(text)
	shown(("a", a), ("b", b), ("c", c))
c.shutdown(SHUT_WR)
shown(("a", a), ("b", b), ("c", c))
b.close()
shown(("a", a))
' "$1"
}

@test "a chat looks as it does with Ncat" {
	need ncat python3
	serve n ncat -l -k --chat 127.0.0.1 0
	chat_with "$port"
	mv got ncat
	listen_sockcat s --chat 127.0.0.1 0
	chat_with "$port"
	diff -u ncat got
	expect_match got 'is connected as <0>'
	expect_match got '<0> hello'
	stop s
	[ ! -s out ]
	[ ! -s err ]
}

@test "a chat works over Unix sockets, too" {
	need socat python3
	listen_sockcat s --chat -U ./path
	start_open a socat - UNIX-CONNECT:path
	wait_for_text a.out '<announce> local is connected as <user1>\.'
	wait_for_text a.out '<announce> already connected: nobody\.'
	start_open b sc ./path
	wait_for_text b.out 'already connected: local as <user1>\.'
	say a hello
	wait_for_text b.out '^<user1> hello$'
	end_input a
	finish a
	wait_for_text b.out '^<announce> <user1> is disconnected\.$'
	# A name belongs to one client only.
	rm a.in
	start_open a socat - UNIX-CONNECT:path
	wait_for_text b.out 'local is connected as <user3>\.'
}

@test "what only standard input and output have is refused" {
	try sc -l --broker --lines 127.0.0.1 0
	expect_error 2 'standard input and output'
	try sc -l -u --chat 127.0.0.1 0
	expect_error 2 'need a stream'
}
