#!/usr/bin/env bats
# Datagrams of every length: whole, or told. And many at once.

load helpers
load messages

# Prints COUNT messages as they came.
printer='
s = bound()
ready(s)
for _ in range(int(args[0])):
    put(s.recv(MOST))'

@test "datagrams of every length arrive whole, in both directions" {
	python p '
s = bound()
s.setsockopt(SOL_SOCKET, SO_RCVBUF, MOST)
ready(s)
for length in 1, 1472, 8192, 8193, 9000, 16384, 16385, 60000, 65506, 65507:
    data, peer = s.recvfrom(MOST)
    put(length, data == pattern(length))
    s.sendto(pattern(length, 1), peer)'
	python_now '
for length in 1, 1472, 8192, 8193, 9000, 16384, 16385, 60000, 65506, 65507:
    data = pattern(length)
    raw(struct.pack("!I", length) + data)'
	mv got there
	python_now '
for length in 1, 1472, 8192, 8193, 9000, 16384, 16385, 60000, 65506, 65507:
    raw(struct.pack("!I", length) + pattern(length, 1))'
	try sc -u --frame len32 -i 0.02 -W 10 127.0.0.1 "$port" <there
	expect_status 0
	expect_same out got
	finish p
	[ "$(grep -c True out)" = 10 ]
}

@test "a listener's datagrams arrive whole, in both directions" {
	python_now 'raw(pattern(65507))'
	mv got there
	listen_sockcat s -u 127.0.0.1 0 <there
	python_now '
s = to(args[0])
s.send(pattern(65507, 1))
put(s.recv(MOST) == pattern(65507))' "$port"
	expect_text got $'True\n'
	python_now 'raw(pattern(65507, 1))'
	wait_until cmp -s s.out got
}

@test "IPv6 carries 20 bytes more" {
	need ipv6
	python p '
s = bound(family=AF_INET6)
ready(s)
put([len(s.recv(MOST)) for _ in range(2)])'
	python_now 'raw(struct.pack("!I", 65527) + bytes(65527))
raw(struct.pack("!I", 65528) + bytes(65528))
raw(struct.pack("!I", 1) + b"x")'
	try sc -u --frame len32 -q 0 ::1 "$port" <got
	expect_error 1 'message of 65528 bytes is too long .* takes 65527'
	finish p
	expect_text out $'[65527, 1]\n'
}

@test "what is too long is told with its size, and the rest is sent" {
	python p "$printer" 2
	python_now '
for length in 3, 65508, 100000, 4:
    raw(struct.pack("!I", length) + b"x" * length)'
	try sc -u --frame len32 -q 0 127.0.0.1 "$port" <got
	expect_status 1
	cat >expected <<-END
	sockcat: message of 65508 bytes is too long for the socket, which takes 65507
	sockcat: message of 100000 bytes is too long for the socket, which takes 65507
	sockcat: 2 messages lost
	END
	expect_same err expected
	finish p
	expect_text out $'b\'xxx\'\nb\'xxxx\'\n'
}

@test "a line that is too long is told, and no pieces of it are sent" {
	python p "$printer" 2
	python_now 'raw(b"a\n" + b"x" * 300000 + b"\nb\n")'
	try sc -u --lines -q 0 127.0.0.1 "$port" <got
	expect_error 1 'message of 300000 bytes is too long .* takes 65507'
	finish p
	expect_text out $'b\'a\'\nb\'b\'\n'
}

@test "what the kernel refuses as too long is told, and the rest is sent" {
	need_linux_build
	# Not fragmented, and longer than the way there takes.
	make_netns
	ip -n "$netns" link set lo mtu 1500
	in_netns_python p "$printer" 3
	python_now '
for length in 3, 1473, 4, 1500, 5:
    raw(struct.pack("!I", length) + b"x" * length)'
	try in_netns sc -u --sockopt mtu-discover=do --frame len32 -q 0 \
		127.0.0.1 "$port" <got
	expect_status 1
	expect_match err 'message of 1473 bytes is too long'
	expect_match err 'message of 1500 bytes is too long'
	expect_match err '2 messages lost'
	[ "$(wc -l <err)" = 3 ]
	finish p
	expect_text out $'b\'xxx\'\nb\'xxxx\'\nb\'xxxxx\'\n'
}

@test "an empty datagram is a message, not the end" {
	python p '
s = bound()
ready(s)
for _ in range(3):
    data, peer = s.recvfrom(MOST)
    put(data)
    s.sendto(data, peer)'
	printf 'a\n\nb\n' >lines
	try sc -u --lines -W 3 127.0.0.1 "$port" <lines
	expect_status 0
	expect_text out $'a\n\nb\n'
	finish p
	expect_text out $'b\'a\'\nb\'\'\nb\'b\'\n'
}

@test "a listener goes on after empty datagrams" {
	listen_open s -u --lines 127.0.0.1 0
	python_now '
s = to(args[0])
for text in b"", b"", b"x", b"":
    s.send(text)' "$port"
	wait_until test "$(printf '\n\nx\n\n' | sum)" = "$(sum s.out)" ||
		wait_for_output s x
	wait_until cmp -s s.out - <<<$'\n\nx\n'
	is_running s
}

@test "many messages of many lengths keep their boundaries" {
	python_now '
import random
random.seed(1)
lines = [b"%d " % i + b"x" * random.choice((0, 1, 9, 9, 9, 700, 1400))
         for i in range(400)]
raw(b"".join(line + b"\n" for line in lines))'
	listen_sockcat s -u --lines -W 400 -I 4M 127.0.0.1 0
	try sc -u --lines -i 0.0001 -q 0 127.0.0.1 "$port" <got
	expect_status 0
	finish s
	expect_same s.out got
}

@test "many messages of one length keep their boundaries" {
	# Ours to ours may go in runs, from python3 each comes alone.
	python_now 'raw(b"".join(b"%0199d\n" % i for i in range(500)))'
	listen_sockcat s -u --frame len16 -W 500 -I 4M 127.0.0.1 0
	try sc -u --block-size 200 -q 0 127.0.0.1 "$port" <got
	expect_status 0
	finish s
	python_now 'raw(b"".join(struct.pack("!H", 200) + b"%0199d\n" % i
for i in range(500)))'
	expect_same s.out got
}

@test "the way turns out to be narrow: what was lost is told, the rest is sent" {
	need_linux_build
	make_netns
	local here=$netns
	make_netns
	local router=$netns
	make_netns
	local far=$netns
	ip link add one netns "$here" type veth peer name two netns "$router"
	ip link add three netns "$router" type veth peer name four netns "$far"
	ip -n "$here" address add 192.0.2.1/24 dev one
	ip -n "$router" address add 192.0.2.2/24 dev two
	ip -n "$router" address add 198.51.100.1/24 dev three
	ip -n "$far" address add 198.51.100.2/24 dev four
	ip -n "$here" link set one up
	ip -n "$router" link set two up
	ip -n "$router" link set three up mtu 1000
	ip -n "$far" link set four up mtu 1000
	ip -n "$here" route add default via 192.0.2.2
	ip -n "$far" route add default via 198.51.100.1
	ip netns exec "$router" sysctl -qw net.ipv4.ip_forward=1
	PYTHON_WHERE=in_netns python p '
s = new()
s.bind(("", 0))
ready(s)
put([s.recv(MOST)[:1] for _ in range(3)])'
	netns=$here
	# The one behind it hears of it, or the wait for that one does.
	python_now 'raw(b"a" * 1300 + b"\n" + b"b" * 1400 + b"\n")'
	try in_netns sc -u --lines -q 0.1 198.51.100.2 "$port" <got
	expect_error 1 'a message was lost: Message too long'
	ip -n "$here" route flush cache
	python_now 'raw(b"a" * 1400 + b"\nc\n" + b"d" * 1400 + b"\n")'
	try in_netns sc -u --lines -i 0.3 -q 0.1 198.51.100.2 "$port" <got
	expect_error 1 'a message was lost: Message too long'
	finish p
	expect_text out "[b'b', b'c', b'd']"$'\n'
}
