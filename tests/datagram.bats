#!/usr/bin/env bats
# UDP: connecting and listening, with every peer there is; ends, limits and
# errors, where there is no connection to have them.

# shellcheck disable=SC2030,SC2031,SC2034 # tests are subshells; helpers

load helpers
load messages

# A peer that answers each of COUNT messages with the same, turned round.
turner='
s = bound()
ready(s)
for _ in range(int(args[0])):
    data, peer = s.recvfrom(MOST)
    s.sendto(data[::-1], peer)'

# Prints COUNT messages as they came.
printer='
s = bound()
ready(s)
for _ in range(int(args[0])):
    put(s.recv(MOST))'

# Sends what is said in the arguments behind PORT, and prints the answers.
asker='
s = to(args[0])
for text in args[1:]:
    s.send(text.encode())
    put(s.recv(MOST))'

# Waits until `name`.out has TEXT in it.
wait_for_output() {
	wait_for_text "$1.out" "$2"
}

# A port of 127.0.0.1 that refuses datagrams: one of ours that we gave back.
refusing_port() {
	port=$("$PYTHON" -c 'import socket
s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
}

### peers

@test "nc.openbsd listens: a datagram and its answer" {
	need nc.openbsd
	start_open p nc.openbsd -u -l 127.0.0.1 0
	client_of p
	start_open s sc -u 127.0.0.1 "$port"
	say s there
	wait_for_output p '^there$'
	say p back
	wait_for_output s '^back$'
	end_input s
	finish s
	expect_status 0
	expect_text out $'back\n'
	expect_text err ''
}

@test "nc.openbsd connects: a datagram and its answer" {
	need nc.openbsd
	listen_open s -u 127.0.0.1 0
	start_open p nc.openbsd -u 127.0.0.1 "$port"
	say p there
	wait_for_output s '^there$'
	say s back
	wait_for_output p '^back$'
	expect_text s.out $'there\n'
	stop s INT
}

@test "ncat listens: a datagram and its answer" {
	need ncat
	serve_udp_on_free p ncat -u -l -e /bin/cat 127.0.0.1 @PORT@
	try sc -u -W 1 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'hello\n'
}

@test "ncat connects: a datagram and its answer" {
	need ncat
	listen_open s -u 127.0.0.1 0
	start_open p ncat -u 127.0.0.1 "$port"
	say p there
	wait_for_output s '^there$'
	say s back
	wait_for_output p '^back$'
	stop s INT
}

@test "socat listens: a datagram and its answer" {
	need socat
	serve_udp p socat UDP4-RECVFROM:0,bind=127.0.0.1 EXEC:rev
	try sc -u -W 1 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'olleh\n'
}

@test "socat connects: a datagram and its answer" {
	need socat
	listen_open s -u 127.0.0.1 0
	start_open p socat - "UDP4:127.0.0.1:$port"
	say p there
	wait_for_output s '^there$'
	say s back
	wait_for_output p '^back$'
	stop s INT
}

@test "sendto, and recvfrom with the sender" {
	python p '
s = bound()
ready(s)
data, peer = s.recvfrom(MOST)
put(data, peer[0])
s.sendto(b"for " + str(peer[1]).encode(), peer)'
	try sc -u -W 1 --lines --show-peer 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_match out "^127\.0\.0\.1 $port	for [0-9]+\$"
	finish p
	expect_text out $'b\'hello\' 127.0.0.1\n'
}

@test "an echo server of python3" {
	python p "$turner" 3
	printf '%s\n' abc def ghi >lines
	try sc -u --lines -W 3 127.0.0.1 "$port" <lines
	expect_status 0
	expect_text out $'cba\nfed\nihg\n'
}

### one listener, many peers

@test "one listener hears IPv4 and IPv6, and answers both" {
	need ipv6
	listen_open s -u --lines --show-peer 0
	start_open four sc -u -W 1 127.0.0.1 "$port"
	say four one
	wait_for_output s '^127\.0\.0\.1 [0-9]+	one'
	say s for-four
	finish four
	expect_text out 'for-four'
	start_open six sc -u -W 1 ::1 "$port"
	say six two
	wait_for_output s '^::1 [0-9]+	two'
	say s for-six
	finish six
	expect_text out 'for-six'
	stop s INT
	run ! grep -q ffff s.out
}

@test "-4 and -6 take exactly that version" {
	need ipv6
	local version
	for version in 4 6; do
		listen_open "s$version" -u -"$version" --lines 0
		python_now 'for family, host in ((AF_INET, "127.0.0.1"),
                (AF_INET6, "::1")):
    s = new(family=family)
    s.settimeout(0.5)
    s.connect((host, int(args[0])))
    s.send(b"%d" % (4 if family == AF_INET else 6))
    try:
        s.send(b"again")
        put("taken")
    except ConnectionRefusedError:
        put("refused")' "$port"
		wait_for_output "s$version" again
		expect_text "s$version.out" "$version"$'\nagain\n'
		[ "$(sort -u got | wc -l)" = 2 ]
	done
}

@test "every peer is heard, and the last who spoke is answered" {
	listen_open s -u --lines 127.0.0.1 0
	start_open a sc -u --lines 127.0.0.1 "$port"
	start_open b sc -u --lines 127.0.0.1 "$port"
	say a from-a
	wait_for_output s from-a
	say s for-a
	wait_for_output a for-a
	say b from-b
	wait_for_output s from-b
	say s for-b
	wait_for_output b for-b
	say a again
	wait_for_output s again
	say s for-a-again
	wait_for_output a for-a-again
	expect_text s.out $'from-a\nfrom-b\nagain\n'
	expect_text a.out $'for-a\nfor-a-again\n'
	expect_text b.out $'for-b\n'
	stop s INT
	expect_text err ''
}

@test "answers leave from the address that was spoken to" {
	local where
	for where in 127.0.0.2 127.3.2.1; do
		listen_open "s$where" -u 0
		start_open "c$where" sc -u -W 1 "$where" "$port"
		say "c$where" hello
		wait_for_output "s$where" hello
		say "s$where" answer
		finish "c$where"
		expect_status 0
		expect_text out $'answer\n'
	done
}

@test "IPv6: answers leave from the address that was spoken to" {
	need ipv6
	make_netns
	ip -n "$netns" address add fd00::1/64 dev lo
	ip -n "$netns" address add fd00::2/64 dev lo
	local where name=1
	for where in ::1 fd00::1 fd00::2; do
		start_open "s$((++name))" in_netns sc -l -u \
			--port-file "s$name.port" 0
		wait_until port_file_or_gone "s$name"
		start "c$name" in_netns sc -u -W 1 -s fd00::1 "$where" \
			"$(cat "s$name.port")" <<<hello
		wait_for_output "s$name" hello
		say "s$name" answer
		finish "c$name"
		expect_text out $'answer\n'
	done
}

@test "input is held until there is a peer to answer" {
	printf '%s\n' one two three >lines
	listen_sockcat s -u --lines 127.0.0.1 0 <lines
	python_now '
s = to(args[0])
s.send(b"hello")
put([s.recv(MOST) for _ in range(3)])' "$port"
	expect_text got "[b'one', b'two', b'three']"$'\n'
	expect_text s.out $'hello\n'
	is_running s
}

@test "nothing is sent that was not asked for" {
	python p "$printer" 2
	try sc -u -v -v --lines -q 0 127.0.0.1 "$port" <<<only
	expect_status 0
	run ! grep -q succeeded err
	try sc -u --lines -q 0 127.0.0.1 "$port" <<<this
	finish p
	expect_text out $'b\'only\'\nb\'this\'\n'
}

@test "-v tells where a listener is bound and who speaks" {
	listen_sockcat s -u -v 127.0.0.1 0
	expect_match s.err "^Bound on 127\.0\.0\.1 $port\$"
	python_now 's = to(args[0]); s.send(b"x"); put(s.getsockname()[1])' \
		"$port"
	wait_for_text s.err \
		"^Connection received on 127\.0\.0\.1 $(cat got)\$"
}

### ends and limits

@test "a client waits for answers, and each one makes it wait anew" {
	local ended
	# The second answer comes later than the window after the end of input,
	# but not after the first answer.
	python p '
s = bound()
ready(s)
peer = s.recvfrom(MOST)[1]
for text in (b"one", b"two"):
    time.sleep(0.6)
    s.sendto(text, peer)
put(int(time.time() * 1e6))'
	try sc -u --lines 127.0.0.1 "$port" <<<hello
	ended=${EPOCHREALTIME/./}
	expect_status 0
	expect_text out $'one\ntwo\n'
	finish p
	[ $((ended - $(cat out))) -gt 900000 ]
}

@test "-q and -w change how long a client waits" {
	local option ended
	for option in -q -w; do
		python p 's = bound(); ready(s); s.recvfrom(MOST)
put(int(time.time() * 1e6))'
		try sc -u "$option" 1.3 127.0.0.1 "$port" <<<hello
		ended=${EPOCHREALTIME/./}
		expect_status 0
		expect_text err ''
		finish p
		[ $((ended - $(cat out))) -gt 1200000 ]
	done
}

@test "-w0, -q 0 and --send-only send, and do not wait" {
	local options
	for options in -w0 '-q 0' --send-only; do
		python p '
s = bound()
ready(s)
data, peer = s.recvfrom(MOST)
put(data)
time.sleep(0.4)
s.sendto(b"too late", peer)'
		# shellcheck disable=SC2086 # a list of options
		try sc -u $options 127.0.0.1 "$port" <<<hello
		expect_status 0
		expect_text out ''
		finish p
		expect_text out $'b\'hello\\n\'\n'
	done
}

@test "-q -1 never ends the wait" {
	python p "$printer" 1
	start s sc -u -q -1 127.0.0.1 "$port" <<<hello
	finish p
	python_now 'time.sleep(1.3)'
	is_running s
}

@test "-w ends an idle client although its input is open" {
	python p "$printer" 1
	start_open s sc -u -w 0.3 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_text err ''
}

@test "-w and -w0 do not end a listener" {
	local time
	for time in 0 0.1; do
		listen_sockcat s -u --lines -w "$time" 127.0.0.1 0
		python_now 's = to(args[0]); s.send(b"one"); time.sleep(0.4)
s.send(b"two")' "$port"
		wait_for_output s two
		is_running s
		stop s INT
	done
}

@test "a listener's end of input does not end it, -q does" {
	echo answer >answer
	listen_sockcat s -u --lines 127.0.0.1 0 <answer
	python_now "$asker" "$port" one
	python_now 's = to(args[0]); s.send(b"two")' "$port"
	wait_for_output s two
	is_running s
	listen_sockcat q -u --lines -q 0 127.0.0.1 0 <answer
	python_now "$asker" "$port" one
	expect_text got $'b\'answer\'\n'
	finish q
	expect_status 0
}

@test "--send-only ends a listener when its input is sent" {
	echo answer >answer
	listen_sockcat s -u --lines --send-only 127.0.0.1 0 <answer
	python_now "$asker" "$port" one
	finish s
	expect_status 0
	expect_text out ''
}

@test "-d reads no input" {
	echo unread >input
	listen_sockcat s -u -d --lines -W 2 127.0.0.1 0 <input
	python_now '
s = to(args[0])
s.send(b"one")
s.send(b"two")' "$port"
	finish s
	expect_status 0
	expect_text out $'one\ntwo\n'
	python p '
s = bound()
ready(s)
while not os.path.exists("client"):
    time.sleep(0.01)
port = int(open("client").read())
s.sendto(b"from the server", ("127.0.0.1", port))
s.settimeout(0.3)
try:
    put(s.recv(MOST))
except TimeoutError:
    put("nothing came")'
	local server=$port
	start s sc -u -d -W 1 127.0.0.1 "$server" <input
	client_of s
	echo "$port" >client.new
	mv client.new client
	finish s
	expect_status 0
	expect_text out 'from the server'
	finish p
	expect_text out $'nothing came\n'
}

@test "-d with -w waits no longer than that for the first message" {
	python p "$printer" 1
	try sc -u -d -w 0.2 127.0.0.1 "$port"
	expect_status 0
}

@test "-W counts messages, not reads" {
	listen_sockcat s -u --lines -W 3 127.0.0.1 0
	python_now '
s = to(args[0])
for text in b"a", b"", b"c", b"d":
    s.send(text)' "$port"
	finish s
	expect_status 0
	expect_text out $'a\n\nc\n'
}

@test "--idle-timeout and --max-time on datagrams" {
	listen_sockcat s -u --idle-timeout 0.3 127.0.0.1 0
	finish s
	expect_error 5 idle-timeout
	listen_sockcat s -u --max-time 0.3 127.0.0.1 0
	finish s
	expect_error 5 max-time
	python p "$printer" 1
	start_open s sc -u --idle-timeout 0.3 127.0.0.1 "$port"
	finish s
	expect_error 5 idle-timeout
}

@test "-i paces messages" {
	python p '
s = bound()
ready(s)
times = []
for _ in range(3):
    s.recv(MOST)
    times.append(time.monotonic())
put(times[1] - times[0] > 0.15 and times[2] - times[1] > 0.15)'
	printf '%s\n' a b c >lines
	try sc -u --lines -i 0.2 -q 0 127.0.0.1 "$port" <lines
	expect_status 0
	finish p
	expect_text out $'True\n'
}

### errors

@test "a refusal ends a client with status 4" {
	refusing_port
	try sc -u 127.0.0.1 "$port" <<<hello
	expect_error 4 "127\.0\.0\.1 $port.*Connection refused"
}

@test "IPv6: a refusal ends a client with status 4" {
	need ipv6
	refusing_port
	try sc -u ::1 "$port" <<<hello
	expect_error 4 "::1 $port.*Connection refused"
}

@test "a refusal of one of many messages ends a client, too" {
	refusing_port
	seq 1000 >lines
	try sc -u --lines 127.0.0.1 "$port" <lines
	expect_error 4 'Connection refused'
}

@test "a client without input learns of a refusal while it waits" {
	refusing_port
	start_open s sc -u 127.0.0.1 "$port"
	say s hello
	finish s
	expect_error 4 'Connection refused'
}

@test "a listener survives refusals" {
	listen_open s -u --lines 127.0.0.1 0
	python_now 's = to(args[0]); s.send(b"one")' "$port"
	wait_for_output s one
	say s nobody-hears-this nor-this
	python_now "$asker" "$port" two &
	local asking=$!
	wait_for_output s two
	say s answer
	wait "$asking"
	expect_text got $'b\'answer\'\n'
	is_running s
	expect_text s.err ''
}

@test "--retry-for outlives refusals and delivers" {
	refusing_port
	start s sc -u --retry-for 20 --lines -W 1 127.0.0.1 "$port" <<<hello
	# It has been refused at least once when the peer comes.
	wait_until bound_or_gone s
	python_now 'time.sleep(0.2)'
	python p '
s = new()
s.bind(("127.0.0.1", int(args[0])))
ready(s)
data, peer = s.recvfrom(MOST)
put(data)
s.sendto(b"answer", peer)' "$port"
	finish s
	expect_status 0
	expect_text out $'answer\n'
	expect_text err ''
	finish p
	expect_text out $'b\'hello\'\n'
}

@test "--retry-for: every line arrives once, in order" {
	refusing_port
	printf '%s\n' one two three >lines
	start s sc -u --retry-for 20 --lines 127.0.0.1 "$port" <lines
	wait_until bound_or_gone s
	python_now 'time.sleep(0.2)'
	python p '
s = new()
s.bind(("127.0.0.1", int(args[0])))
ready(s)
put([s.recv(MOST) for _ in range(3)])
s.settimeout(0.3)
try:
    put(s.recv(MOST))
except TimeoutError:
    put("no more")' "$port"
	finish s
	expect_status 0
	finish p
	expect_text out "[b'one', b'two', b'three']"$'\nno more\n'
}

@test "--retry-for that is over leaves the refusal's status" {
	refusing_port
	try sc -u --retry-for 0.3 127.0.0.1 "$port" <<<hello
	expect_error 4 'Connection refused'
}

@test "an unreachable host is status 6" {
	make_netns
	try in_netns sc -u 192.0.2.1 9 <<<hello
	expect_error 6 'unreachable'
}

@test "a host that nobody answers for is status 6" {
	need_linux_build
	make_netns
	ip -n "$netns" link add one type veth peer name two
	ip -n "$netns" link set two up
	ip -n "$netns" link set one up
	ip -n "$netns" address add 192.0.2.1/24 dev one
	ip netns exec "$netns" sysctl -qw \
		net.ipv4.neigh.one.retrans_time_ms=50
	start_open s in_netns sc -u 192.0.2.9 9
	say s hello
	finish s
	expect_error 6 'No route to host'
}

@test "a port that is in use is not shared" {
	listen_sockcat s -u 127.0.0.1 0
	try sc -l -u 127.0.0.1 "$port"
	expect_error 7 'in use'
	try sc -u -p "$port" -s 127.0.0.1 127.0.0.1 9
	expect_error 7 'in use'
}

@test "-p and -s say where a client speaks from" {
	python p '
s = bound()
ready(s)
put(s.recvfrom(MOST)[1])'
	local server=$port
	refusing_port
	try sc -u -q 0 -p "$port" -s 127.0.0.7 127.0.0.1 "$server" <<<hello
	expect_status 0
	finish p
	expect_text out "('127.0.0.7', $port)"$'\n'
}

### local ends

@test "standard output is full: told, status 1" {
	[ -e /dev/full ] || skip /dev/full
	python p "$turner" 1
	status=0
	(become sc -u 127.0.0.1 "$port") <<<hello 2>err >/dev/full ||
		status=$?
	: >out
	expect_error 1 'standard output.*No space left'
}

@test "standard output is closed: told, status 1" {
	python p "$turner" 1
	status=0
	(become sc -u 127.0.0.1 "$port" >&-) <<<hello 2>err || status=$?
	: >out
	expect_error 1 'standard output'
}

@test "the reader of standard output has gone: SIGPIPE" {
	mkfifo pipe
	listen_sockcat s -u 127.0.0.1 0 </dev/null >/dev/null
	stop s INT
	start r head -c 1 pipe
	: >s.err
	(become sc -l -u --port-file s.port 127.0.0.1 0) >pipe 2>s.err &
	PIDS[s]=$!
	: >s.out
	rm -f s.port
	wait_until port_file_or_gone s
	python_now '
s = to(args[0])
try:
    for _ in range(1000):
        s.send(b"message")
        time.sleep(0.01)
except ConnectionRefusedError:
    put("gone")' "$(cat s.port)"
	expect_text got $'gone\n'
	finish r
	finish s
	expect_status 141
	expect_text s.err ''
}

@test "standard input is closed" {
	python p "$turner" 1
	(become sc -u -q 0 127.0.0.1 "$port" <&-) >out 2>err
	expect_text out ''
	expect_text err ''
	listen_sockcat s -u -W 1 127.0.0.1 0
	stop s INT
	(become sc -l -u -W 1 --port-file p.port 127.0.0.1 0 <&-) >s.out \
		2>s.err &
	PIDS[s]=$!
	rm -f s.port p.port
	wait_until test -s p.port
	python_now 's = to(args[0]); s.send(b"hello")' "$(cat p.port)"
	finish s
	expect_status 0
	expect_text out hello
}

@test "a slow reader of standard output loses nothing that came" {
	python p '
s = bound()
ready(s)
peer = s.recvfrom(MOST)[1]
for i in range(20):
    s.sendto(b"%059999d\n" % i, peer)
    time.sleep(0.005)'
	mkfifo pipe
	start r bash -c 'exec <pipe; head -c 1 >first; until [ -e go ]; do
		read -rt 0.02 <>wait || :; done; exec cat' <<<''
	mkfifo wait
	(become sc -u -I 4M 127.0.0.1 "$port") <<<hello >pipe 2>s.err &
	PIDS[s]=$!
	: >s.out
	wait_for_file first
	finish p
	# Longer than the wait for answers.
	python_now 'time.sleep(1.2)'
	touch go
	finish s
	expect_status 0
	expect_text err ''
	finish r
	[ $(($(wc -c <r.out) + 1)) = 1200000 ]
}

# Whether the kernel says how full the queue of the receiver at $port is.
queues_are_told() {
	ss -Hunam "sport = $port" | grep -q skmem
}

@test "a slow receiver on this machine gets all of what a file holds" {
	need_linux_build
	need ss
	python p '
s = bound()
ready(s)
for _ in range(5000):
    s.recv(MOST)
    time.sleep(0.00005)
put("all")'
	queues_are_told || skip "this kernel has no udp_diag"
	random_bytes 6000000 >file
	try sc -u -w0 --block-size 1200 127.0.0.1 "$port" <file
	expect_status 0
	finish p
	expect_text out $'all\n'
}

@test "a receiver that reads nothing does not hold a sender up" {
	python p '
s = bound()
ready(s)
s.recv(MOST)
time.sleep(1000)'
	random_bytes 20000000 >file
	try sc -u -w0 --block-size 1200 127.0.0.1 "$port" <file
	expect_status 0
	expect_text err ''
}
