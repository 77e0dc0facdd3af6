#!/usr/bin/env bats
# Raw and packet sockets, and ping sockets, in network namespaces.

load helpers
load messages

setup() {
	test_setup
	make_netns
}

# A raw socket of python3 of PROTOCOL that turns round what it hears, COUNT
# times; those of IPv4 see the header.
turner='
family = AF_INET6 if ":" in args[0] else AF_INET
s = new(SOCK_RAW, family, int(args[1]))
s.bind((args[0], 0))
ready()
for _ in range(int(args[2])):
    data, peer = s.recvfrom(MOST)
    if family == AF_INET:
        data = data[(data[0] & 15) * 4:]
    put(data)
    s.sendto(data[::-1], peer)'

# An ICMP echo request by hand: type, code, checksum, id, sequence.
echo_request() {
	printf '\10\0\0\0\22\64\0\1hello'
}

@test "ICMP echo by hand: the checksum is filled in, the answer comes" {
	echo_request >request
	try in_netns sc --raw --protocol icmp --checksum 2 -W 2 127.0.0.1 \
		<request
	expect_status 0
	# On the loopback interface our own request comes back, too; both are
	# without their IP headers.
	python_now '
data = open("out", "rb").read()
put(len(data), data[0], data[13], data[21:26], wrapped(data[:13]),
    wrapped(data[13:]))'
	expect_text got "26 8 0 b'hello' 0 0"$'\n'
}

# Makes 192.0.2.2, on one link with $netns, which is 192.0.2.1 there.
another_host() {
	local here=$netns
	make_netns
	ip link add one netns "$here" type veth peer name two netns "$netns"
	ip -n "$here" address add 192.0.2.1/24 dev one
	ip -n "$netns" address add 192.0.2.2/24 dev two
	ip -n "$here" link set one up
	ip -n "$netns" link set two up
	netns=$here
}

@test "ICMP echo to another host" {
	another_host
	echo_request >request
	try in_netns sc --raw --protocol icmp --checksum 2 -W 1 192.0.2.2 \
		<request
	expect_status 0
	python_now 'data = open("out", "rb").read()
put(data[:2], data[4:], wrapped(data))'
	expect_text got "b'\\x00\\x00' b'\\x124\\x00\\x01hello' 0"$'\n'
}

@test "ICMPv6 echo by hand: the kernel does the checksum" {
	need ipv6
	printf '\200\0\0\0\22\64\0\1hello' >request
	try in_netns sc --raw --protocol icmpv6 -W 2 ::1 <request
	expect_status 0
	python_now 'data = open("out", "rb").read()
put(data[0], data[13], data[21:])'
	expect_text got "128 129 b'hello'"$'\n'
}

@test "IPv4 by number, both ways" {
	in_netns_python p "$turner" 127.0.0.1 253 2
	# From another address, so that our own are not heard.
	printf 'abc\ndef\n' >lines
	try in_netns sc --raw --protocol 253 -s 127.0.0.2 --lines -W 2 \
		127.0.0.1 <lines
	expect_status 0
	expect_text out $'cba\nfed\n'
	finish p
	expect_text out $'b\'abc\'\nb\'def\'\n'
}

@test "IPv6 by number, both ways" {
	need ipv6
	ip -n "$netns" address add fd00::1/64 dev lo nodad
	ip -n "$netns" address add fd00::2/64 dev lo nodad
	in_netns_python p "$turner" fd00::1 253 1
	try in_netns sc --raw --protocol 253 -s fd00::2 --lines -W 1 fd00::1 \
		<<<abc
	expect_status 0
	expect_text out $'cba\n'
	finish p
	expect_text out $'b\'abc\'\n'
}

@test "a listener hears, shows the sender and answers" {
	hear_open s raw in_netns sc -l --raw --protocol 253 --lines \
		--show-peer 127.0.0.1
	start_open c in_netns sc --raw --protocol 253 -s 127.0.0.2 --lines \
		127.0.0.1
	say c hello
	wait_for_text s.out '^127\.0\.0\.2	hello$'
	say s answer
	wait_for_text c.out '^answer$'
	expect_text c.out $'answer\n'
}

@test "a listener hears only what is for its address" {
	hear s raw in_netns sc -l --raw --protocol 253 --lines 127.0.0.5
	in_netns_python_now '
s = new(SOCK_RAW, AF_INET, 253)
s.sendto(b"for another", ("127.0.0.6", 0))
s.sendto(b"for it", ("127.0.0.5", 0))'
	wait_for_text s.out 'for it'
	expect_text s.out $'for it\n'
	need ipv6
	ip -n "$netns" address add fd00::5/64 dev lo nodad
	hear t raw6 in_netns sc -l --raw --protocol 253 --lines fd00::5
	in_netns_python_now '
s = new(SOCK_RAW, AF_INET6, 253)
s.sendto(b"for another", ("::1", 0))
s.sendto(b"for it", ("fd00::5", 0))'
	wait_for_text t.out 'for it'
	expect_text t.out $'for it\n'
}

@test "a listener without an address hears all of IPv4" {
	hear s raw in_netns sc -l --raw --protocol 253 --lines
	in_netns_python_now '
s = new(SOCK_RAW, AF_INET, 253)
s.sendto(b"one", ("127.0.0.6", 0))
s.sendto(b"two", ("127.0.0.5", 0))'
	wait_for_text s.out two
	expect_text s.out $'one\ntwo\n'
}

@test "the header is taken off with its options" {
	hear s raw in_netns sc -l --raw --protocol 253 --lines -W 1 127.0.0.1
	in_netns_python_now '
s = new(SOCK_RAW, AF_INET, 253)
s.setsockopt(IPPROTO_IP, socket.IP_OPTIONS, b"\1" * 12)    # no operation
s.sendto(b"hello", ("127.0.0.1", 0))'
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "--ip-header keeps the header on receipt" {
	hear s raw in_netns sc -l --raw --protocol 253 --ip-header -W 1 \
		127.0.0.1
	in_netns_python_now '
s = new(SOCK_RAW, AF_INET, 253)
s.sendto(b"hello", ("127.0.0.1", 0))'
	finish s
	expect_status 0
	python_now 'data = open("out", "rb").read()
put(data[0], data[9], data[20:])'
	expect_text got "69 253 b'hello'"$'\n'
}

@test "--ip-header sends the header that is given" {
	in_netns_python p '
s = new(SOCK_RAW, AF_INET, 253)
s.bind(("127.0.0.1", 0))
ready()
data, peer = s.recvfrom(MOST)
put(data[8], data[20:], peer[0])'
	python_now '
raw(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 25, 0, 0, 77, 253, 0,
    socket.inet_aton("127.0.0.9"), socket.inet_aton("127.0.0.1")) + b"hello")'
	try in_netns sc --raw --protocol 253 --ip-header -q 0 127.0.0.1 <got
	expect_status 0
	finish p
	expect_text out "77 b'hello' 127.0.0.9"$'\n'
}

@test "--ip-header with --checksum: of what follows the header" {
	in_netns_python p '
s = new(SOCK_RAW, AF_INET, 253)
s.bind(("127.0.0.1", 0))
ready()
data = s.recv(MOST)
put(data[24:], wrapped(data[20:]))'
	python_now '
raw(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 29, 0, 0, 77, 253, 0,
    socket.inet_aton("127.0.0.1"), socket.inet_aton("127.0.0.1")) +
    b"\1\2\xff\xffhello")'
	try in_netns sc --raw --protocol 253 --ip-header --checksum 2 -q 0 \
		127.0.0.1 <got
	expect_status 0
	finish p
	expect_text out "b'hello' 0"$'\n'
}

@test "IPv6: --ip-header sends the header that is given" {
	need ipv6
	in_netns_python p '
s = new(SOCK_RAW, AF_INET6, 253)
s.bind(("::1", 0))
s.setsockopt(IPPROTO_IPV6, 51, 1)    # IPV6_RECVHOPLIMIT
ready()
data, control, _, peer = s.recvmsg(MOST, 100)
put(data, struct.unpack("i", control[0][2])[0])'
	python_now '
one = socket.inet_pton(AF_INET6, "::1")
raw(struct.pack("!IHBB", 6 << 28, 5, 253, 77) + one + one + b"hello")'
	try in_netns sc --raw --protocol 253 --ip-header -q 0 ::1 <got
	expect_status 0
	finish p
	expect_text out "b'hello' 77"$'\n'
}

@test "IPv6: --checksum counts the addresses in" {
	need ipv6
	in_netns_python p '
s = new(SOCK_RAW, AF_INET6, 253)
s.bind(("::1", 0))
ready()
data = s.recv(MOST)
one = socket.inet_pton(AF_INET6, "::1")
put(data[4:], wrapped(one + one + struct.pack("!II", len(data), 253) + data))'
	printf '\1\2\377\377hello' >message
	try in_netns sc --raw --protocol 253 --checksum 2 -q 0 ::1 <message
	expect_status 0
	finish p
	expect_text out "b'hello' 0"$'\n'
}

@test "a message too short for its checksum is told, the rest is sent" {
	in_netns_python p '
s = new(SOCK_RAW, AF_INET, 253)
s.bind(("127.0.0.1", 0))
ready()
put(s.recv(MOST)[20:24])
put(s.recv(MOST)[20:24])'
	printf '\1\2\0\0\nx\n\3\4\0\0\n' >lines
	try in_netns sc --raw --protocol 253 --checksum 2 --lines -q 0 \
		127.0.0.1 <lines
	expect_error 1 'too short'
	finish p
	expect_match out "^b'.x01.x02.xfe.xfd'"
	expect_match out "^b'.x03.x04.xfc.xfb'"
}

@test "usage errors" {
	try sc --raw 127.0.0.1
	expect_error 2 '--protocol'
	try sc -l --raw
	expect_error 2 '--protocol'
	try sc -U --raw --protocol 253 path
	expect_error 2 'unix.*never raw'
	try sc -U -y raw path
	expect_error 2 'unix.*never raw'
	try sc --raw --protocol 253 127.0.0.1 80
	expect_error 2 'no ports: 80'
	try sc --raw --protocol nonesuch 127.0.0.1
	expect_error 2 'nonesuch'
	try sc --raw --protocol 253 --checksum 3 127.0.0.1
	expect_error 2 '--checksum.*3'
	try sc --raw --protocol 253 --checksum -2 127.0.0.1
	expect_error 2 '--checksum'
	try sc --raw --sctp 127.0.0.1
	expect_error 2 'excludes'
}

@test "usage errors of packet sockets" {
	need_linux_build
	try sc --family packet
	expect_error 2 '--interface'
	try sc --family packet --interface lo 127.0.0.1
	expect_error 2 'operand'
	try sc -f packet -y seqpacket --interface lo
	expect_error 2 'never seqpacket'
}

@test "without CAP_NET_RAW: status 8, and the line names it" {
	make_public
	local arguments
	for arguments in '--raw --protocol icmp 127.0.0.1' \
		'-l --raw --protocol icmp' '--raw --protocol icmpv6 ::1' \
		'--family packet --interface lo' \
		'-l --family packet --interface lo'; do
		[ -z "${PORTABLE:-}" ] || [[ $arguments != *packet* ]] ||
			continue
		# shellcheck disable=SC2086 # a list of arguments
		try as_nobody sc $arguments
		expect_error 8 CAP_NET_RAW
	done
}

@test "a ping socket" {
	ip netns exec "$netns" sysctl -qw net.ipv4.ping_group_range='0 70000'
	echo_request >request
	try in_netns sc -u --protocol icmp -W 1 127.0.0.1 <request
	expect_status 0
	python_now 'data = open("out", "rb").read()
put(data[:2], data[6:], wrapped(data))'
	expect_text got "b'\\x00\\x00' b'\\x00\\x01hello' 0"$'\n'
	need ipv6
	printf '\200\0\0\0\22\64\0\1hello' >request
	try in_netns sc -u --protocol icmpv6 -W 1 ::1 <request
	expect_status 0
	python_now 'data = open("out", "rb").read(); put(data[0], data[8:])'
	expect_text got "129 b'hello'"$'\n'
}

@test "a ping socket outside of ping_group_range: status 8, named" {
	ip netns exec "$netns" sysctl -qw net.ipv4.ping_group_range='1 0'
	try in_netns sc -u --protocol icmp 127.0.0.1
	expect_error 8 ping_group_range
}

@test "a packet socket: frames, raw" {
	need_linux_build
	ip -n "$netns" link add one type veth peer name two
	ip -n "$netns" link set one up
	ip -n "$netns" link set two up
	hear s packet in_netns sc -l --family packet --interface two \
		--protocol 0x88b5 --lines -W 1
	python_now '
raw(b"\xff" * 6 + b"\2\0\0\0\0\1" + b"\x88\xb5" + b"hello" + bytes(41))'
	mv got frame
	start_open c in_netns sc --family packet --interface one \
		--protocol 0x88b5
	cat frame >&"${INPUTS[c]}"
	finish s
	expect_status 0
	echo >>frame
	expect_same out frame
	# Our own frames, which go out, are not heard.
	expect_text c.out ''
}

@test "a packet socket: cooked, without the link's header" {
	need_linux_build
	ip -n "$netns" link add one type veth peer name two
	ip -n "$netns" link set one up
	ip -n "$netns" link set two up
	hear_open s packet in_netns sc -l -u --family packet --interface two \
		--protocol 0x88b5 --frame nul
	in_netns_python p '
s = new(SOCK_RAW, AF_PACKET, socket.htons(0x88b5))
s.bind(("one", 0x88b5))
mac = s.getsockname()[4]
s.send(b"\xff" * 6 + mac + b"\x88\xb5" + b"hello" + bytes(41))
ready()
while True:
    data, peer = s.recvfrom(MOST)
    if peer[2] != 4:    # PACKET_OUTGOING
        break
put(data[:6] == mac, data[12:20])'
	wait_for_text s.out hello
	printf 'answer\0' >&"${INPUTS[s]}"
	finish p
	expect_match out "^True b'.x88.xb5answer'"
}

@test "a packet socket on the loopback interface hears each frame once" {
	need_linux_build
	local type
	# Everything leaves there and comes there.
	for type in dgram raw; do
		hear "$type" packet in_netns sc -l --family packet -y "$type" \
			--interface lo --frame len16
	done
	in_netns_python_now '
s = bound()
for text in b"one", b"two", b"end":
    s.sendto(text, s.getsockname())'
	wait_for_text raw.out end
	wait_for_text dgram.out end
	# A length, a header of the link, those of IP and UDP, three bytes.
	[ "$(wc -c <dgram.out)" = $((3 * (2 + 20 + 8 + 3))) ]
	[ "$(wc -c <raw.out)" = $((3 * (2 + 14 + 20 + 8 + 3))) ]
}

@test "a packet socket on no interface: status 3" {
	need_linux_build
	try in_netns sc --family packet --interface none
	expect_error 3 'no such interface: none'
}

@test "--interface on a raw socket" {
	need_linux_build
	hear s raw in_netns sc -l --raw --protocol 253 --interface lo --lines
	in_netns_python_now 's = new(SOCK_RAW, AF_INET, 253)
s.sendto(b"hello", ("127.0.0.1", 0))'
	wait_for_text s.out hello
}

@test "messages up to what IPv4 carries are whole" {
	in_netns_python p '
s = new(SOCK_RAW, AF_INET, 253)
s.bind(("127.0.0.1", 0))
ready()
data, peer = s.recvfrom(MOST)
put(data[20:] == pattern(65515))
s.sendto(data[20:], peer)'
	python_now 'raw(struct.pack("!I", 65515) + pattern(65515))
raw(struct.pack("!I", 65516) + pattern(65516))'
	try in_netns sc --raw --protocol 253 -s 127.0.0.2 --frame len32 -W 1 \
		127.0.0.1 <got
	expect_status 1
	expect_match err '65516 bytes is too long .* takes 65515'
	finish p
	expect_text out $'True\n'
	head -c 65519 got >expected
}
