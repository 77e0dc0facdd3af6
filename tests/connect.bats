#!/usr/bin/env bats
# Connecting: how a destination may be written, which of several addresses and
# ports is used, from where, and for how long it is tried.

load helpers

# A namespace whose names are in its own /etc/hosts, and whose only name server
# refuses to answer: nothing of it depends on the network around.
make_host() {
	make_netns
	netns_etc hosts <<<'127.0.0.1 localhost'
	netns_etc resolv.conf <<-'CONF'
		nameserver 127.0.0.9
		options timeout:1 attempts:1
	CONF
	echo 'hosts: files dns' | netns_etc nsswitch.conf
}

# name NAME ADDRESS...
name() {
	local name=$1 address
	shift
	for address; do
		echo "$address $name"
	done >>"/etc/netns/$netns/hosts"
}

# A link on which nobody ever answers, with 192.0.2.1 and 2001:db8::1 on it.
make_blackhole() {
	ip -n "$netns" link add hole arp off type veth peer name far 2>err ||
		skip 'links between namespaces'
	ip -n "$netns" link set hole up
	ip -n "$netns" link set far up
	ip -n "$netns" address add 192.0.2.1/24 dev hole
	ip -n "$netns" address add 2001:db8::1/64 dev hole nodad
}

# host_listener NAME ARG...: sockcat -l ARG... in $netns, back when it listens;
# a port as the test likes, as nobody else is there.
host_listener() {
	local name=$1
	shift
	rm -f "$name.port"
	start "$name" in_netns sc -l --port-file "$name.port" "$@"
	wait_until port_file_or_gone "$name"
	[ -s "$name.port" ] || { echo "$name does not listen"; return 1; }
}

# expect_arrival NAME ARG...: sockcat ARG... in $netns gets through to NAME.
expect_arrival() {
	local name=$1
	shift
	try in_netns sc "$@" < <(echo hello)
	expect_status 0 || { echo "of: sockcat $*"; cat err; return 1; }
	finish "$name"
	expect_text out $'hello\n'
}

now_ms() {
	local now=$EPOCHREALTIME
	echo $((${now/[.,]/} / 1000))
}

# refused_port: $port is one that nobody listens on any more.
refused_port() {
	listen_sockcat gone 127.0.0.1 0
	stop gone
}

@test "every form of a destination with a name" {
	make_host
	name server 127.0.0.1 ::1
	local form
	for form in 'server 80' 'server:80' 'tcp:server:80' 'server http' \
		'server:http' 'tcp:server:http' '-4 server:80' \
		'-6 server 80' 'server 80-80' '--family inet6 server http'; do
		host_listener s 80
		# shellcheck disable=SC2086 # words
		expect_arrival s $form
	done
}

@test "every form of a destination with an address" {
	need ipv6
	local form
	for form in '127.0.0.1 @' '127.0.0.1:@' 'tcp:127.0.0.1:@' '::1 @' \
		'[::1] @' '[::1]:@' 'tcp:[::1]:@' '-n ::1 @' '-n 127.0.0.1 @' \
		'localhost @' '::ffff:127.0.0.1 @'; do
		listen_sockcat s 0
		# shellcheck disable=SC2086 # words
		try sc ${form//@/$port} < <(echo hello)
		expect_status 0 || { echo "of: $form"; return 1; }
		finish s
		expect_text out $'hello\n'
	done
}

@test "a link-local address with its interface, by name and by number" {
	make_host
	make_blackhole
	ip -n "$netns" address add fe80::5/64 dev hole nodad
	local index form
	index=$(in_netns cat /sys/class/net/hole/ifindex)
	for form in 'fe80::5%hole 80' '[fe80::5%hole]:80' '[fe80::5%hole] 80' \
		"fe80::5%$index 80" "tcp:[fe80::5%$index]:80"; do
		host_listener s -v 'fe80::5%hole' 80
		# shellcheck disable=SC2086 # words
		expect_arrival s $form
		expect_match err '^Listening on fe80::5%hole 80$'
		expect_match err '^Connection received on fe80::5%hole [0-9]+$'
	done
}

@test "an address without its interface fails, and so does a wrong one" {
	need ipv6
	try sc 'fe80::5%no-such-if' 80
	expect_error 3 'fe80::5%no-such-if.*No such interface'
	make_host
	try in_netns sc fe80::5 80
	expect_status 1
	expect_match err '^sockcat: connect to fe80::5 port 80 \(tcp\) failed'
}

@test "a Unix socket in every form" {
	need python3
	local form
	for form in '-U path' './path' "$PWD/path" 'unix:path' 'unix:./path' \
		'--unixsock path' '-f unix path' '-U -- path'; do
		rm -f path
		start p peer listen -U path greet hello
		wait_until test -S path
		# shellcheck disable=SC2086 # words
		try sc --retry-for 10 $form
		expect_status 0 || { echo "of: $form"; return 1; }
		expect_text out hello
		finish p
	done
}

@test "an abstract name in every form" {
	need_linux_build
	need python3
	local name=sockcat-test-$$ form
	for form in "-U @$name" "unix:@$name" "--family unix @$name"; do
		start p peer listen -U "@$name" greet hello
		# shellcheck disable=SC2086 # words
		try sc --retry-for 10 $form
		expect_status 0 || { echo "of: $form"; return 1; }
		expect_text out hello
		finish p
	done
}

@test "of a list of ports and ranges the first that answers is used" {
	make_host
	host_listener s 127.0.0.1 8003
	host_listener other 127.0.0.1 8005
	expect_arrival s 127.0.0.1 7999,8001-8006 9000
	is_running other
	try in_netns sc -v 127.0.0.1 7999,8001-8004 8001
	expect_status 4
	sed -E 's/.*port ([0-9]+) .*Connection refused$/\1/' err >tried
	printf '%s\n' 7999 8001 8002 8003 8004 | expect_same tried -
}

@test "a port that refuses is told before the one that answers" {
	make_host
	host_listener s 127.0.0.1 8002
	try in_netns sc -v 127.0.0.1 8001-8002
	expect_status 0
	{
		echo 'sockcat: connect to 127.0.0.1 port 8001 (tcp) failed:' \
			'Connection refused'
		echo 'Connection to 127.0.0.1 8002 port [tcp/*] succeeded!'
	} | expect_same - err
	finish s
}

@test "without -v ports that refuse are not told when one answers" {
	make_host
	host_listener s 127.0.0.1 8002
	expect_arrival s 127.0.0.1 8001-8002
	try in_netns sc 127.0.0.1 8001-8002
	expect_status 4
	[ "$(wc -l <err)" = 2 ]
	[ "$(grep -c '^sockcat: .*127.0.0.1.*Connection refused$' err)" = 2 ]
}

@test "-r tries every port, in another order" {
	make_host
	try in_netns sc -r 127.0.0.1 8001-8040
	expect_status 4
	sed -E 's/.*port ([0-9]+) .*/\1/' err >tried
	sort -n tried >sorted
	seq 8001 8040 | expect_same sorted -
	# That 40 ports came in their order by chance will not be seen.
	run cmp -s tried sorted
	[ "$status" = 1 ]
}

@test "-v names the service of the port that was connected to" {
	make_host
	host_listener s 127.0.0.1 80
	try in_netns sc -v 127.0.0.1 80
	expect_text err \
		$'Connection to 127.0.0.1 80 port [tcp/http] succeeded!\n'
	finish s
}

@test "-4 and -6 take that family's addresses of a name" {
	make_host
	name server ::1 127.0.0.1
	local family shown
	for family in 4 6; do
		[ $family = 4 ] && shown=127.0.0.1 || shown=::1
		host_listener s -v 80
		expect_arrival s "-$family" server 80
		expect_match err "^Connection received on $shown [0-9]+\$"
	done
}

@test "-4 and -6 for something that has no such address" {
	make_host
	name four 127.0.0.1
	name six 2001:db8::5
	try in_netns sc -6 four 80
	expect_error 3 'look-up of four failed'
	try in_netns sc -4 six 80
	expect_error 3 'look-up of six failed'
	try in_netns sc -4 ::1 80
	expect_error 3 'look-up of ::1 failed: Address family'
	try in_netns sc -6 127.0.0.1 80
	expect_error 3 'look-up of 127.0.0.1 failed: Address family'
}

@test "-n looks up no names" {
	make_host
	name server 127.0.0.1
	host_listener s 80
	try in_netns sc -n server 80
	expect_error 3 'look-up of server failed.*-n'
	try in_netns sc -n --retry-for 10 server 80
	expect_error 3 'look-up of server failed.*-n'
	expect_arrival s -n 127.0.0.1 80
}

@test "-p is the port that is connected from, again and again" {
	make_host
	local count
	for count in 1 2 3; do
		host_listener s -v 127.0.0.1 8000
		# We close first, so that the port is left in TIME_WAIT.
		try in_netns sc -p 4321 -q 0 127.0.0.1 8000 < <(echo "$count")
		expect_status 0
		finish s
		expect_text out "$count"$'\n'
		expect_match err '^Connection received on 127.0.0.1 4321$'
	done
}

@test "-p takes a service, and one port only" {
	make_host
	host_listener s -v 127.0.0.1 8000
	expect_arrival s -p http 127.0.0.1 8000
	expect_match err '^Connection received on 127.0.0.1 80$'
	try sc -p 4000-4001 127.0.0.1 1
	expect_error 2 '4000-4001'
	try sc -p no-such-service 127.0.0.1 1
	expect_error 3 'no-such-service'
}

@test "-s is the address that is connected from" {
	make_host
	host_listener s -v 8000
	expect_arrival s -s 127.0.0.5 127.0.0.1 8000
	expect_match err '^Connection received on 127.0.0.5 [0-9]+$'
	host_listener s -v 8000
	expect_arrival s -s 127.0.0.6 -p 4321 127.0.0.1 8000
	expect_match err '^Connection received on 127.0.0.6 4321$'
	name me 127.0.0.7
	host_listener s -v 8000
	expect_arrival s -s me 127.0.0.1 8000
	expect_match err '^Connection received on 127.0.0.7 [0-9]+$'
}

@test "-s chooses among the addresses of a name" {
	make_host
	name server ::1 127.0.0.1
	host_listener s -v 8000
	expect_arrival s -s 127.0.0.5 server 8000
	expect_match err '^Connection received on 127.0.0.5 [0-9]+$'
	host_listener s -v 8000
	expect_arrival s -s ::1 server 8000
	expect_match err '^Connection received on ::1 [0-9]+$'
}

@test "-s with an address of the other family, or of another host" {
	need ipv6
	refused_port
	try sc -s ::1 127.0.0.1 "$port"
	expect_error 2 "127.0.0.1 port $port .*::1 is of another family"
	try sc -s 192.0.2.77 127.0.0.1 "$port"
	expect_error 7 '192.0.2.77.*Cannot assign requested address'
}

@test "the addresses of a name are tried until one answers" {
	make_host
	name server 127.0.0.2 127.0.0.3 127.0.0.4
	host_listener s 127.0.0.4 80
	expect_arrival s server 80
}

@test "each address that failed has its line, with the name" {
	make_host
	name server 127.0.0.2 127.0.0.3 ::1
	try in_netns sc server 80
	expect_status 4
	[ "$(wc -l <err)" = 3 ]
	local address
	for address in 127.0.0.2 127.0.0.3 ::1; do
		grep -qxF "sockcat: connect to server ($address) port 80 (tcp)\
 failed: Connection refused" err
	done
}

@test "IPv6 is refused, then IPv4 works" {
	make_host
	name server ::1 127.0.0.1
	host_listener s -4 80
	expect_arrival s server 80
}

@test "IPv6 leads nowhere, then IPv4 has its head start of 250 ms" {
	make_host
	make_blackhole
	name server 2001:db8::99 192.0.2.1
	host_listener s -v -4 80
	local before
	try in_netns sc -6 --connect-timeout 100ms server 80
	expect_error 5 'server.*timed out'
	before=$(now_ms)
	expect_arrival s server 80
	# It would have been there at once if it had not been second.
	[ $(($(now_ms) - before)) -ge 250 ]
	expect_match err '^Connection received on 192.0.2.1 '
}

@test "families take turns: the second address tried is of the other" {
	need strace
	need_plain_build
	make_host
	make_blackhole
	name server 2001:db8::90 2001:db8::91 2001:db8::92 192.0.2.90
	try in_netns strace -f -e trace=connect -o calls \
		"$SOCKCAT" --connect-timeout 1100ms server 80
	expect_status 5
	grep -o 'htons(80).*"[0-9a-f:.]*"' calls |
		sed -E 's/.*"(.*)"/\1/' >tried
	[ "$(wc -l <tried)" = 4 ]
	sed -n 2p tried | grep -qx 192.0.2.90
	# One line for each, all told.
	[ "$(grep -c '^sockcat: connect to server (.*timed out$' err)" = 4 ]
	[ "$(wc -l <err)" = 4 ]
}

@test "what is told is the most telling: refused, timed out, unreachable" {
	make_host
	make_blackhole
	name refused 198.51.100.1 192.0.2.99 127.0.0.1
	name timed-out 198.51.100.1 192.0.2.99
	name unreachable 198.51.100.1
	try in_netns sc -w 1 refused 80
	expect_status 4
	expect_match err 'refused \(198.51.100.1\).*Network is unreachable$'
	expect_match err 'refused \(192.0.2.99\).*Connection timed out$'
	expect_match err 'refused \(127.0.0.1\).*Connection refused$'
	try in_netns sc -w 300ms timed-out 80
	expect_status 5
	try in_netns sc -w 300ms unreachable 80
	expect_error 6 'unreachable \(198.51.100.1\).*Network is unreachable$'
}

@test "-w, --connect-timeout and --wait limit connecting" {
	make_host
	make_blackhole
	local option
	for option in '-w 0.2' '-w200ms' '--connect-timeout 0.2' '--wait=0.2'; do
		# shellcheck disable=SC2086 # words
		try in_netns sc $option 192.0.2.99 80
		expect_error 5 '192.0.2.99 port 80 .*timed out'
	done
}

@test "--connect-timeout holds while a name is looked up" {
	make_host
	make_blackhole
	netns_etc resolv.conf <<<'nameserver 192.0.2.99'
	try in_netns sc --connect-timeout 0.2 name.invalid 80
	expect_error 5 'look-up of name.invalid.*timed out'
	try in_netns sc --max-time 0.2 name.invalid 80
	expect_error 5 'max-time'
}

@test "--connect-timeout holds for each port" {
	make_host
	make_blackhole
	try in_netns sc --connect-timeout 0.2 192.0.2.99 80-81
	expect_status 5
	[ "$(grep -c 'timed out$' err)" = 2 ]
}

@test "--connect-timeout leaves a connection alone once it is there" {
	need python3
	serve p peer listen late hello
	try sc --connect-timeout 0.2 127.0.0.1 "$port"
	expect_status 0
	expect_text out hello
	finish p
}

@test "--retry-for connects to a listener that is started later" {
	make_host
	start c in_netns sc -vv --retry-for 1m 127.0.0.1 8000 \
		< <(echo hello)
	wait_for_text c.err 'Connection refused'
	host_listener s 127.0.0.1 8000
	finish c
	expect_status 0
	finish s
	expect_text out $'hello\n'
}

@test "--retry-for is silent about what came right" {
	need strace
	need_plain_build
	make_host
	start c in_netns strace -f -e trace=connect,recvfrom -o calls \
		"$SOCKCAT" --retry-for 1m 127.0.0.1 8000
	wait_for_text calls ECONNREFUSED
	host_listener s 127.0.0.1 8000
	finish c
	expect_status 0
	expect_text err ''
	finish s
}

@test "--retry-for tries again and again, then tells the last cause once" {
	refused_port
	local before
	before=$(now_ms)
	try sc --retry-for 0.5 127.0.0.1 "$port"
	expect_error 4 "127.0.0.1 port $port .*Connection refused"
	[ $(($(now_ms) - before)) -ge 250 ]
	try sc -vv --retry-for 0.5 127.0.0.1 "$port"
	expect_status 4
	[ "$(grep -c 'Connection refused' err)" -gt 2 ]
}

@test "--retry-for and a Unix path that is not there yet" {
	try sc --retry-for 0.3 ./path
	expect_error 3 '\./path.*No such file or directory'
	start c sc -vv --retry-for 1m ./path < <(echo hello)
	wait_for_text c.err 'No such file'
	listen_sockcat s ./path
	finish c
	expect_status 0
	finish s
	expect_text out $'hello\n'
}

@test "--retry-for ends with the last cause, not the first" {
	need python3
	start c sc -vv --retry-for 3 ./path
	wait_for_text c.err 'No such file'
	"$PYTHON" -c 'import socket
socket.socket(socket.AF_UNIX).bind("path")'
	finish c
	expect_status 4
	tail -n 1 err >last
	expect_match last '^sockcat: .*\./path.*Connection refused$'
}

@test "--retry-for and a name that is not known yet" {
	make_host
	try in_netns sc --retry-for 0.3 server 80
	# Musl's resolver does not hear refusals, so that time runs out.
	[ "$status" = 5 ] || expect_error 3 'look-up of server'
	host_listener s 127.0.0.1 80
	start c in_netns sc -vv --retry-for 1m server 80 < <(echo hello)
	wait_for_text c.err 'look-up of server'
	name server 127.0.0.1
	finish c
	expect_status 0
	finish s
	expect_text out $'hello\n'
}

@test "--retry-for and a network that is not there yet" {
	make_host
	try in_netns sc --retry-for 0.3 192.0.2.1 80
	expect_error 6 '192.0.2.1 port 80 .*Network is unreachable'
	host_listener s -4 80
	start c in_netns sc -vv --retry-for 1m 192.0.2.1 80 < <(echo hello)
	wait_for_text c.err 'unreachable'
	make_blackhole
	finish c
	expect_status 0
	finish s
	expect_text out $'hello\n'
}

@test "--retry-for does not try again what cannot change" {
	make_host
	try in_netns sc -vv --retry-for 1m -s 192.0.2.7 127.0.0.1 80
	expect_error 7 '192.0.2.7'
	try in_netns sc -vv --retry-for 1m -4 ::1 80
	expect_error 3 '::1'
	try in_netns sc -vv --retry-for 1m 127.0.0.1 no-such-service
	expect_error 3 'no-such-service'
}

@test "--retry-for goes over a list of ports again" {
	make_host
	start c in_netns sc -vv --retry-for 1m 127.0.0.1 8001-8003
	wait_for_text c.err '8003'
	host_listener s 127.0.0.1 8002
	finish c
	expect_status 0
	expect_match err 'Connection to 127.0.0.1 8002'
	finish s
}

# A Unix listener whose backlog is full: it tells so, and accepts what comes
# to it once it is told to.
full_backlog() {
	cat >full.py <<-'CODE'
		import socket, sys
		listener = socket.socket(socket.AF_UNIX)
		listener.bind("path")
		listener.listen(0)
		waiting = []
		while True:
		    client = socket.socket(socket.AF_UNIX)
		    client.setblocking(False)
		    try:
		        client.connect("path")
		    except BlockingIOError:
		        break
		    waiting.append(client)
		print("full", flush=True)
		sys.stdin.readline()
		for _ in waiting:
		    listener.accept()[0].close()
		conn = listener.accept()[0]
		conn.sendall(b"hello")
		while conn.recv(100):
		    pass
	CODE
	start_open p "$PYTHON" full.py
	wait_for_text p.out full
}

@test "a Unix socket with a full backlog is waited for" {
	need python3 strace
	need_plain_build
	full_backlog
	start c strace -f -e trace=connect -o calls "$SOCKCAT" ./path
	wait_for_text calls EAGAIN
	say p go
	finish c
	expect_status 0
	expect_text out hello
	finish p
}

@test "a Unix socket whose backlog stays full times out" {
	need python3
	full_backlog
	local option
	for option in '-w 0.2' '--connect-timeout 0.2' '--retry-for 0.2'; do
		# shellcheck disable=SC2086 # words
		try sc $option ./path
		expect_error 5 'path.*timed out'
	done
	stop p
}

@test "a stale socket, a file and a socket of another type" {
	need python3
	"$PYTHON" -c 'import socket
socket.socket(socket.AF_UNIX).bind("stale")'
	try sc ./stale
	expect_error 4 '\./stale.*Connection refused'
	echo >file
	try sc ./file
	expect_error 4 '\./file.*Connection refused'
	start p "$PYTHON" -c 'import socket, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind("datagrams")
time.sleep(60)'
	wait_until test -S datagrams
	try sc ./datagrams
	expect_status 1 || expect_status 4
	stop p
	start p "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("packets"); s.listen(); s.accept()'
	wait_until test -S packets
	try sc ./packets
	expect_error 1 '\./packets.*of another type'
	stop p
}

@test "a connection to oneself is no connection" {
	make_netns
	# The only source port there is.
	in_netns sh -c 'echo 50000 50000 \
		>/proc/sys/net/ipv4/ip_local_port_range'
	try in_netns sc 127.0.0.1 50000 </dev/null
	expect_error 4 'connect to 127.0.0.1 port 50000 .*refused'
	try in_netns sc --retry-for 300ms 127.0.0.1 50000 </dev/null
	expect_error 4 'refused'
}
