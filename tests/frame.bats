#!/usr/bin/env bats
# How messages stand in the bytes of standard input and output.

load helpers
load messages

# Prints the messages that come, until nothing has for a moment after the one
# that says `last`.
printer='
s = bound()
s.setsockopt(SOL_SOCKET, SO_RCVBUF, MOST)
ready(s)
while True:
    data = s.recv(MOST)
    put(data if len(data) < 99 else len(data))
    if data.strip().endswith(b"last"):
        break'

# Sends the messages that CODE says to a listener of ours with the ARGs, and
# takes its output.
expect_output() {
	local expected=$1 code=$2 count=$3
	shift 3
	listen_sockcat s -u -W "$count" "$@" 127.0.0.1 0
	python_now "s = to(args[0])
for data in $code:
    s.send(data)" "$port"
	finish s
	expect_status 0
	printf '%b' "$expected" >expected
	expect_same out expected
}

# What the client before said; its standard output is that of the peer by now.
expect_error_kept() {
	local kept
	kept=$(wc -l <client.err)
	[ "$kept" = 1 ] || { cat client.err; return 1; }
	expect_match client.err "^sockcat: .*$1"
	[ "$client_status" = 1 ]
}

# Gives INPUT to a client with the ARGs, and sees which messages come; keeps
# what the client said beside them.
expect_messages() {
	local expected=$1 input=$2
	shift 2
	rm -f p.out
	python p "$printer"
	printf '%b' "$input" >input
	try sc -u -q 0 "$@" 127.0.0.1 "$port" <input
	client_status=$status
	cp err client.err
	finish p
	expect_text out "$expected"$'\n'
}

messages='[b"one", b"", b"a\nb", b"\0"]'

@test "none: messages stand bare, side by side" {
	expect_output 'onea\nb\x00' "$messages" 4
	expect_output 'onea\nb\x00' "$messages" 4 --frame none
}

@test "line: a newline after each message" {
	expect_output 'one\n\na\nb\n\x00\n' "$messages" 4 --lines
	expect_output 'one\n\na\nb\n\x00\n' "$messages" 4 --frame line
}

@test "nul: a NUL after each message" {
	expect_output 'one\x00\x00a\nb\x00\x00\x00' "$messages" 4 --frame nul
}

@test "len16 and len32: a length before each message" {
	expect_output '\x00\x03one\x00\x00\x00\x03a\nb\x00\x01\x00' \
		"$messages" 4 --frame len16
	expect_output '\x00\x00\x00\x03one\x00\x00\x00\x00\x00\x00\x00\x03a\nb\x00\x00\x00\x01\x00' \
		"$messages" 4 --frame len32
}

@test "none: one read is one message" {
	python p "$printer"
	start_open s sc -u 127.0.0.1 "$port"
	say s one
	wait_for_text p.out one
	say s 'two words' last
	finish p
	expect_text out "b'one\\n'"$'\n'"b'two words\\nlast\\n'"$'\n' || {
		# Two writes are two reads only if they are far enough apart.
		expect_match out two
	}
}

@test "none: a read of a file is what the socket carries" {
	python p "$printer"
	python_now 'raw(b"x" * 100000)'
	try sc -u -q 0 127.0.0.1 "$port" <got
	try sc -u -q 0 127.0.0.1 "$port" <<<last
	finish p
	expect_text out $'65507\n34493\nb\'last\\n\'\n'
}

@test "line: lines without their newlines, the last one with or without" {
	expect_messages $'b\'one\'\nb\'\'\nb\'two\'\nb\'last\'' \
		'one\n\ntwo\nlast\n' --lines
	expect_messages $'b\'one\'\nb\'last\'' 'one\nlast' --lines
	expect_messages $'b\'one\\r\'\nb\'last\'' 'one\r\nlast' --lines
}

@test "nul: up to a NUL" {
	expect_messages $'b\'a\\nb\'\nb\'\'\nb\'last\'' \
		'a\nb\x00\x00last\x00' --frame nul
	expect_messages $'b\'last\'' 'last' --frame nul
}

@test "len16 and len32: as many bytes as the length says" {
	expect_messages $'b\'abc\'\nb\'\'\nb\'last\'' \
		'\x00\x03abc\x00\x00\x00\x04last' --frame len16
	expect_messages $'b\'abc\'\nb\'\'\nb\'last\'' \
		'\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x00\x00\x04last' \
		--frame len32
}

@test "lengths that come byte by byte" {
	python p "$printer"
	start_open s sc -u -q 0 --frame len16 127.0.0.1 "$port"
	"${python_environment[@]}" "$PYTHON" -c "$(code_of '
for byte in b"\0\3abc\0\0\0\4last":
    raw(bytes([byte]))
    time.sleep(0.005)')" >&"${INPUTS[s]}"
	end_input s
	finish p
	expect_text out $'b\'abc\'\nb\'\'\nb\'last\'\n'
	finish s
	expect_status 0
}

@test "--block-size makes every message that long, the last one shorter" {
	expect_messages $'b\'abcd\'\nb\'efgh\'\nb\'last\'' 'abcdefghlast' \
		--block-size 4
	expect_messages $'b\'ab\\nde\'\nb\'last\'' 'ab\ndelast' --block-size 5
}

@test "--block-size over a pipe that gives less at a time" {
	python p "$printer"
	start_open s sc -u -q 0 --block-size 10 127.0.0.1 "$port"
	say s abc
	say s defgh
	say s last
	end_input s
	finish s
	finish p
	expect_text out $'b\'abc\\ndefgh\\n\'\nb\'last\\n\'\n'
}

@test "--block-size beyond what the socket carries: each is told" {
	python_now 'raw(b"x" * 140000)'
	python p "$printer"
	try sc -u -q 0 --block-size 70000 127.0.0.1 "$port" <got
	expect_status 1
	expect_match err '70000 bytes is too long .* takes 65507'
	[ "$(wc -l <err)" = 3 ]
	try sc -u -q 0 127.0.0.1 "$port" <<<last
	finish p
	expect_text out $'b\'last\\n\'\n'
}

@test "input that ends inside a frame: told, what is whole is sent" {
	expect_messages $'b\'last\'' '\x00\x04last\x00\x09abc' --frame len16
	expect_error_kept 'ended inside a frame, after 3 of 9 bytes'
	expect_messages $'b\'last\'' '\x00\x04last\x00' --frame len16
	expect_error_kept 'ended inside a frame, after 1 bytes?$'
	expect_messages $'b\'last\'' '\x00\x00\x00\x04last\x7f\xff\xff\xffabc' \
		--frame len32
	expect_error_kept 'ended inside a frame, after 3 of 2147483647 bytes'
}

@test "a length over the limit: told, what follows is sent" {
	python_now 'raw(struct.pack("!I", 70000) + b"x" * 70000 +
b"\0\0\0\4last")'
	mv got input
	python p "$printer"
	try sc -u -q 0 --frame len32 127.0.0.1 "$port" <input
	expect_error 1 '70000 bytes is too long .* takes 65507'
	finish p
	expect_text out $'b\'last\'\n'
}

@test "-C: line ends of a message become CRLF" {
	expect_messages $'b\'a\\r\\nb\\r\\nlast\\r\\n\'' 'a\nb\r\nlast\n' -C
	expect_messages $'b\'a\\r\\nb\'\nb\'last\'' 'a\nb\x00last' \
		-C --frame nul
}

@test "-C with --lines: one datagram of a line and its CRLF" {
	expect_messages $'b\'a\\r\\n\'\nb\'\\r\\n\'\nb\'b\\r\\n\'\nb\'last\\r\\n\'' \
		'a\n\nb\r\nlast\n' -C --lines
	expect_messages $'b\'a\\r\\n\'\nb\'last\\r\\n\'' 'a\nlast' -C --lines
}

@test "-C with lines that fill the buffer" {
	python_now '
raw(b"".join(b"%05d %s\n" % (i, b"x" * (i % 1400)) for i in range(500)))'
	cp got input
	python p '
s = bound()
s.setsockopt(SOL_SOCKET, SO_RCVBUF, MOST * 2)
ready(s)
put(all(s.recv(MOST) == b"%05d %s\r\n" % (i, b"x" * (i % 1400))
    for i in range(500)))'
	try sc -u -q 0 -C --lines -i 0.0001 127.0.0.1 "$port" <input
	expect_status 0
	finish p
	expect_text out $'True\n'
}

@test "-C with lengths is a usage error" {
	try sc -u -C --frame len16 127.0.0.1 9
	expect_error 2 '-C'
	try sc -u -C --frame len32 127.0.0.1 9
	expect_error 2 '-C'
}

@test "len16 cannot express what is longer: told, status 1" {
	listen_sockcat s -u -U --frame len16 -W 2 path
	python_now '
s = to("path")
s.send(b"x" * 65536)
s.send(b"y")' path
	finish s
	expect_status 1
	expect_match err 'len16'
	printf '\0\1y' >expected
	expect_same out expected
}

@test "--show-peer cannot be forged" {
	listen_sockcat s -u --lines --show-peer -W 2 127.0.0.1 0
	python_now '
s = to(args[0])
s.send(b"x\n127.0.0.9 1\tforged\\x0a\r\x1b[2J\0\x7f")
s.send(b"honest")
put(s.getsockname()[1])' "$port"
	finish s
	expect_status 0
	local from
	from="127.0.0.1 $(cat got)"
	cat >expected <<-END
	$from	x\\x0A127.0.0.9 1\\x09forged\\x5Cx0a\\x0D\\x1B[2J\\x00\\x7F
	$from	honest
	END
	expect_same out expected
}

@test "--show-peer shows a Unix peer's name, escaped" {
	need_linux_build
	listen_sockcat s -u -U --lines --show-peer -W 2 path
	python_now '
s = new(family=AF_UNIX)
s.bind("\0evil\nname\t" + args[0])
s.connect("path")
s.send(b"one")
s = to("path")
s.send(b"two")' "$$"
	finish s
	printf '@evil\\x0Aname\\x09%s\tone\n\ttwo\n' "$$" >expected
	expect_same out expected
}

@test "wrong combinations are usage errors" {
	try sc --lines 127.0.0.1 9
	expect_error 2 'stream'
	try sc --frame len16 127.0.0.1 9
	expect_error 2 'stream'
	try sc -u --show-peer 127.0.0.1 9
	expect_error 2 '--lines'
	try sc -u --show-peer --frame nul 127.0.0.1 9
	expect_error 2 '--lines'
	try sc -u --frame words 127.0.0.1 9
	expect_error 2 'words'
	try sc -u --frame nul --lines 127.0.0.1 9
	expect_error 2 'excludes'
	try sc -u -t 127.0.0.1 9
	expect_error 2 '-t'
	try sc -u --block-size 0 127.0.0.1 9
	expect_error 2 'block-size'
	try sc --multicast 239.1.2.3 127.0.0.1 9
	expect_error 2 'multicast'
	try sc -u --checksum 2 127.0.0.1 9
	expect_error 2 'raw'
	try sc -u --ip-header 127.0.0.1 9
	expect_error 2 'raw'
}

@test "input in which no message ends keeps nobody waiting" {
	need python3
	serve d "$PYTHON" -c 'import socket, time
stream = socket.create_server(("127.0.0.1", 0))
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(stream.getsockname())
s.recv(1)'
	try sc -u --lines --max-time 1 127.0.0.1 "$port" </dev/zero
	expect_error 5 '--max-time ran out'
	listen_sockcat s -k --seqpacket --lines -U ./path </dev/zero
	start_open c sc --seqpacket --lines -U ./path
	say c hello
	wait_for_text s.out hello
	stop s
	[ "$status" -eq 143 ]
}
