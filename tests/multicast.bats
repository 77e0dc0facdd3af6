#!/usr/bin/env bats
# Groups and broadcasts: joining, sending, answers, interfaces and sources. All
# of it in network namespaces: $one and $two are hosts on one link, 192.0.2.1 and .2,
# fd00::1 and ::2, with more links.

load helpers
load messages

setup() {
	test_setup
	make_netns
	one=$netns
	make_netns
	two=$netns
	join_hosts link0 192.0.2 fd00:a
	netns=$one
}

# Joins $one and $two by a link that is called $1 in both.
join_hosts() {
	ip link add "$1" netns "$one" type veth peer name "$1" netns "$two"
	add_host "$one" "$1" "$2.1" "$3::1"
	add_host "$two" "$1" "$2.2" "$3::2"
}

add_host() {
	ip -n "$1" address add "$3/24" dev "$2"
	ip -n "$1" -6 address add "$4/64" dev "$2" nodad
	ip -n "$1" link set "$2" up
	ip -n "$1" route add 224.0.0.0/4 dev "$2" 2>/dev/null || :
}

in_one() {
	netns=$one
	"$@"
}

in_two() {
	netns=$two
	"$@"
}

# A listener of ours in $netns, as `s` or what NAME says.
listen_here() {
	local name=$1
	shift
	start_open "$name" in_netns sc -l -u --lines --show-peer \
		--port-file "$name.port" "$@"
	wait_until port_file_or_gone "$name"
	port=$(cat "$name.port")
}

@test "IPv4: a group is joined, heard and answered" {
	in_two listen_here s --multicast 239.1.2.3 0
	netns=$one
	start_open d in_netns sc -u --lines --show-peer 239.1.2.3 "$port"
	say d hello
	wait_for_text s.out '^192\.0\.2\.1 [0-9]+	hello'
	say s answer
	# From an address of the listener's own, not from the group.
	wait_for_text d.out "^192\.0\.2\.2 $port	answer"
}

@test "IPv6: a group is joined, heard and answered" {
	in_two listen_here s -6 --multicast ff15::123%link0 0
	netns=$one
	start_open d in_netns sc -u --lines --show-peer ff15::123%link0 "$port"
	say d hello
	wait_for_text s.out '	hello'
	say s answer
	wait_for_text d.out " $port	answer"
	run ! grep -q ff15 d.out
}

@test "one listener joins groups of both versions" {
	in_two listen_here s --multicast 239.1.2.3 --multicast ff15::123%link0 0
	netns=$one
	try in_netns sc -u -q 0 239.1.2.3 "$port" <<<four
	expect_status 0
	try in_netns sc -u -q 0 ff15::123%link0 "$port" <<<six
	expect_status 0
	wait_for_text s.out '^192\.0\.2\.1 [0-9]+	four'
	wait_for_text s.out '	six'
}

@test "a group that was not joined is not heard" {
	in_two listen_here s -4 --multicast 239.1.2.3 0
	# Another program of that host has joined this one.
	python_in_two_joins 239.9.9.9
	netns=$one
	try in_netns sc -u -q 0 239.9.9.9 "$port" <<<other
	expect_status 0
	try in_netns sc -u -q 0 239.1.2.3 "$port" <<<ours
	wait_for_text s.out ours
	run ! grep -q other s.out
}

python_in_two_joins() {
	local kept=$port
	netns=$two
	in_netns_python joiner '
s = bound(where="0.0.0.0")
s.setsockopt(IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(args[0])
             + socket.inet_aton("192.0.2.2"))
ready()
wait_for("over")' "$1"
	port=$kept
}

@test "a source: only what it sends is heard" {
	ip -n "$one" address add 192.0.2.11/24 dev link0
	in_two listen_here s -4 --multicast 239.1.2.3@192.0.2.11 0
	netns=$one
	try in_netns sc -u -q 0 -s 192.0.2.1 239.1.2.3 "$port" <<<other
	expect_status 0
	try in_netns sc -u -q 0 -s 192.0.2.11 239.1.2.3 "$port" <<<ours
	expect_status 0
	wait_for_text s.out '^192\.0\.2\.11 [0-9]+	ours'
	run ! grep -q other s.out
}

@test "IPv6: a source and an interface" {
	in_two listen_here s -6 --multicast ff35::123@fd00:a::1%link0 0
	ip -n "$one" -6 address add fd00:a::11/64 dev link0 nodad
	netns=$one
	try in_netns sc -u -q 0 -s fd00:a::11 ff35::123%link0 "$port" <<<other
	expect_status 0
	try in_netns sc -u -q 0 -s fd00:a::1 ff35::123%link0 "$port" <<<ours
	expect_status 0
	wait_for_text s.out '^fd00:a::1 [0-9]+	ours'
	run ! grep -q other s.out
}

@test "%IFACE: joined there and not elsewhere" {
	join_hosts link1 198.51.100 fd00:b
	in_two listen_here s -4 --multicast 239.1.2.3%link1 0
	netns=$one
	in_netns_python_now '
for address in "192.0.2.1", "198.51.100.1":
    s = new()
    s.setsockopt(IPPROTO_IP, socket.IP_MULTICAST_IF,
                 socket.inet_aton(address))
    s.sendto(address.encode(), ("239.1.2.3", int(args[0])))' "$port"
	wait_for_text s.out '	198\.51\.100\.1'
	run ! grep -q '	192' s.out
}

@test "--interface: joined there, and sent there" {
	need_linux_build
	join_hosts link1 198.51.100 fd00:b
	in_two listen_here s -4 --interface link1 --multicast 239.1.2.3 0
	netns=$one
	try in_netns sc -u -q 0 239.1.2.3 "$port" <<<there
	expect_status 0
	try in_netns sc -u -q 0 --interface link1 239.1.2.3 "$port" <<<here
	expect_status 0
	wait_for_text s.out '^198\.51\.100\.1 [0-9]+	here'
	run ! grep -q there s.out
}

@test "--multicast-ttl: 1 unless told otherwise" {
	in_two in_netns_python p '
s = new()
s.bind(("", 0))
s.setsockopt(IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton("239.1.2.3") + socket.inet_aton("192.0.2.2"))
s.setsockopt(IPPROTO_IP, 12, 1)    # IP_RECVTTL
ready(s)
for _ in range(2):
    data, control, _, _ = s.recvmsg(MOST, 100)
    put(data, struct.unpack("i", control[0][2])[0])'
	netns=$one
	try in_netns sc -u -q 0 --lines 239.1.2.3 "$port" <<<near
	try in_netns sc -u -q 0 --lines --multicast-ttl 7 239.1.2.3 "$port" \
		<<<far
	finish p
	expect_text out $'b\'near\' 1\nb\'far\' 7\n'
}

@test "--multicast-loop no: this host does not hear it" {
	in_one listen_here s -4 --multicast 239.1.2.3 0
	try in_netns sc -u -q 0 --multicast-loop no 239.1.2.3 "$port" <<<silent
	expect_status 0
	try in_netns sc -u -q 0 --multicast-loop yes 239.1.2.3 "$port" <<<loud
	wait_for_text s.out loud
	run ! grep -q silent s.out
}

@test "IPv6: --multicast-loop and --multicast-ttl" {
	in_one listen_here s -6 --multicast ff15::123%link0 0
	try in_netns sc -u -q 0 --multicast-loop no ff15::123%link0 "$port" \
		<<<silent
	expect_status 0
	try in_netns sc -u -q 0 --multicast-ttl 3 ff15::123%link0 "$port" <<<loud
	expect_status 0
	wait_for_text s.out loud
	run ! grep -q silent s.out
}

@test "two listeners to a group share the port" {
	in_two listen_here s -4 --multicast 239.1.2.3 0
	in_two listen_here t -4 --multicast 239.1.2.3 "$port"
	netns=$one
	try in_netns sc -u -q 0 239.1.2.3 "$port" <<<hello
	wait_for_text s.out hello
	wait_for_text t.out hello
}

@test "a client hears several that answer" {
	in_two listen_here s -4 --multicast 239.1.2.3 0
	ip -n "$two" address add 192.0.2.22/24 dev link0
	in_two listen_here t -4 --multicast 239.1.2.3 "$port"
	netns=$one
	start_open c in_netns sc -u --lines --show-peer 239.1.2.3 "$port"
	say c hello
	wait_for_text s.out hello
	wait_for_text t.out hello
	say s from-s
	say t from-t
	wait_for_text c.out from-s
	wait_for_text c.out from-t
}

@test "several groups are joined" {
	in_two listen_here s -4 --multicast 239.1.2.3 --multicast 239.1.2.4 0
	netns=$one
	try in_netns sc -u -q 0 239.1.2.3 "$port" <<<three
	try in_netns sc -u -q 0 239.1.2.4 "$port" <<<four
	wait_for_text s.out three
	wait_for_text s.out four
}

@test "what is no group is a usage error, no interface status 3" {
	try in_netns sc -l -u --multicast 192.0.2.9 0
	expect_error 2 'not a multicast group'
	try in_netns sc -l -u --multicast 239.1.2.3@fd00::1 0
	expect_error 2 'not a source'
	try in_netns sc -l -u --multicast 239.1.2.3%none 0
	expect_error 3 'no such interface: none'
}

@test "a broadcast address needs -b, and the line says so" {
	try in_netns sc -u 192.0.2.255 9 <<<x
	expect_error 8 '-b'
}

@test "-b: a broadcast is heard, and who answers is heard" {
	need_linux_build
	local where
	netns=$two
	in_netns_python p '
s = new()
s.bind(("", 0))
ready(s)
for _ in range(2):
    data, peer = s.recvfrom(MOST)
    put(data)
    s.sendto(b"here I am", peer)'
	netns=$one
	for where in 192.0.2.255 255.255.255.255; do
		try in_netns sc -u -b -W 1 --interface link0 --lines \
			--show-peer "$where" "$port" <<<'who is there?'
		expect_status 0
		expect_text out "192.0.2.2 $port"$'\there I am\n'
	done
	finish p
	expect_text out $'b\'who is there?\'\nb\'who is there?\'\n'
}

@test "a listener answers a broadcast from its own address" {
	echo answer >answer
	netns=$two
	start s in_netns sc -l -u --port-file s.port --lines 0 <answer
	wait_until port_file_or_gone s
	netns=$one
	try in_netns sc -u -b -W 1 --lines --show-peer 192.0.2.255 \
		"$(cat s.port)" <<<hello
	expect_status 0
	expect_text out "192.0.2.2 $(cat s.port)"$'\tanswer\n'
}

@test "-b leaves an ordinary destination connected" {
	try in_netns sc -u -b 192.0.2.2 9 <<<hello
	expect_error 4 'Connection refused'
}

@test "--interface: only what comes and goes there" {
	need_linux_build
	start s in_netns sc -l -u --port-file s.port --interface link0 \
		--lines 0
	wait_until port_file_or_gone s
	start t in_netns sc -l -u --port-file t.port --interface lo --lines 0
	wait_until port_file_or_gone t
	in_netns_python_now '
for port in args:
    s = new()
    s.sendto(b"hello", ("127.0.0.1", int(port)))' "$(cat s.port)" \
		"$(cat t.port)"
	wait_for_text t.out hello
	expect_text s.out ''
	try in_netns sc -l -u --interface none 0
	expect_error 3 'none'
}
