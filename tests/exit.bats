#!/usr/bin/env bats
# How a run ends: every status can be reached and comes with one line that
# says what was tried, where, and why it failed; signals kill as they should.

load helpers

# refused_port: $port is one that nobody listens on any more.
refused_port() {
	listen_sockcat gone 127.0.0.1 0
	stop gone
}

# serve with a standard input that stays open.
serve_open() {
	start_open "$@"
	wait_until listening_or_gone "$1"
	port=$(listens "$(pid_of "$1")")
}

make_host() {
	make_netns
	netns_etc resolv.conf <<-'CONF'
		nameserver 127.0.0.9
		options timeout:1 attempts:1
	CONF
	echo 'hosts: files dns' | netns_etc nsswitch.conf
}

# A link on which nobody ever answers, with 192.0.2.1 on it.
make_blackhole() {
	ip -n "$netns" link add hole arp off type veth peer name far 2>err ||
		skip 'links between namespaces'
	ip -n "$netns" link set hole up
	ip -n "$netns" link set far up
	ip -n "$netns" address add 192.0.2.1/24 dev hole
}

# reject TYPE: packets to 192.0.2.9 are answered by ICMP's TYPE.
reject() {
	need nft
	local to='ip daddr 192.0.2.9 tcp dport 80'
	in_netns nft "flush ruleset; table inet t {
		chain input { type filter hook input priority 0;
		$to reject with icmp type $1; }; }" 2>err || skip nftables
}

@test "0: all went well" {
	listen_sockcat s 127.0.0.1 0 < <(echo back)
	try sc 127.0.0.1 "$port" < <(echo there)
	expect_status 0
	expect_text out $'back\n'
	expect_text err ''
	finish s
	expect_status 0
	expect_text err ''
}

@test "0: -w ran out with nothing left to do" {
	need python3
	serve p peer listen greet hello
	start_open c sc -w 0.2 127.0.0.1 "$port"
	finish c
	expect_status 0
	expect_text out hello
	expect_text err ''
	finish p
	end_input c
}

@test "1: standard output is full" {
	[ -e /dev/full ] || skip /dev/full
	listen_sockcat s 127.0.0.1 0 < <(echo hello)
	status=0
	sc -d 127.0.0.1 "$port" >/dev/full 2>err || status=$?
	: >out
	expect_error 1 'standard output.*No space left on device'
	finish s
}

@test "1: standard output was closed from the start" {
	listen_sockcat s 127.0.0.1 0 < <(echo hello)
	status=0
	bash -c 'exec "$SOCKCAT" -d 127.0.0.1 "$1" >&-' - "$port" 2>err ||
		status=$?
	: >out
	expect_error 1 'standard output.*Bad file descriptor'
	finish s
}

@test "1: standard input cannot be read" {
	mkdir directory
	listen_sockcat s 127.0.0.1 0
	try sc 127.0.0.1 "$port" <directory
	expect_error 1 'read from standard input failed: Is a directory'
	finish s
}

@test "1: no descriptors are left" {
	need_plain_build
	need prlimit
	start c sc -vv --retry-for 1m ./path
	wait_for_text c.err 'No such file'
	# Not earlier: the dynamic linker needs one, too.
	prlimit --pid "$(pid_of c)" --nofile=3:3
	finish c
	expect_status 1
	tail -n 1 err >last
	expect_match last 'sockcat: connect to \./path .*Too many open files$'
}

@test "2: a mistake of usage" {
	try sc
	expect_error 2 'no destination given.*--help'
	try sc -s ::1 127.0.0.1 1
	expect_error 2 '127.0.0.1 port 1.*::1'
}

@test "3: a name that does not exist" {
	make_host
	# Musl knows no such file, and asks; that it may.
	echo 'hosts: files' | netns_etc nsswitch.conf
	local failed='look-up of no-such-host failed:'
	failed+=' (Name or service not known|Temporary failure)'
	try in_netns sc no-such-host 80
	expect_error 3 "$failed"
	try in_netns sc -l no-such-host 80
	expect_error 3 "$failed"
	try in_netns sc -s no-such-host 127.0.0.1 80
	expect_error 3 "$failed"
}

@test "3: a name of which nobody could be asked" {
	make_host
	try in_netns sc name.invalid 80
	expect_error 3 'look-up of name.invalid failed: Temporary failure'
}

@test "3: a service that does not exist" {
	try sc 127.0.0.1 no-such-service
	expect_error 3 'service no-such-service/tcp is not known'
	try sc -l no-such-service
	expect_error 3 'service no-such-service/tcp is not known'
}

@test "3: a socket's path that does not exist" {
	try sc ./missing
	expect_error 3 'connect to \./missing failed: No such file or'
	try sc ./missing/path
	expect_error 3 'connect to \./missing/path failed: No such file or'
	try sc -l ./missing/path
	expect_error 3 'listen on \./missing/path failed: No such file or'
}

@test "3: an interface that does not exist" {
	need ipv6
	try sc 'fe80::1%no-such-if' 80
	expect_error 3 'fe80::1%no-such-if.*No such interface'
	try sc -l 'fe80::1%no-such-if' 80
	expect_error 3 'fe80::1%no-such-if.*No such interface'
	need_linux_build
	try sc --sockopt interface=no-such-if 127.0.0.1 80
	expect_error 3 'interface=no-such-if.*No such device'
	try sc -l --sockopt interface=no-such-if 127.0.0.1 0
	expect_error 3 'interface=no-such-if.*No such device'
}

@test "4: nobody listens" {
	refused_port
	try sc 127.0.0.1 "$port"
	expect_error 4 \
		"connect to 127.0.0.1 port $port \(tcp\) failed: Connection refused\$"
	need ipv6
	try sc ::1 "$port"
	expect_error 4 \
		"connect to ::1 port $port \(tcp\) failed: Connection refused\$"
}

@test "4: nobody has the Unix socket open" {
	listen_sockcat s ./path
	stop s KILL
	try sc ./path
	expect_error 4 'connect to \./path failed: Connection refused$'
}

@test "5: connecting took too long" {
	make_netns
	make_blackhole
	try in_netns sc -w 0.2 192.0.2.99 80
	expect_error 5 \
		'connect to 192.0.2.99 port 80 \(tcp\) failed: Connection timed out'
}

@test "5: the kernel gave up connecting" {
	need_linux_build
	make_netns
	make_blackhole
	# One try of the kernel, and 1 s until it gives up.
	try in_netns sc --sockopt syncnt=1 --sockopt user-timeout=1 \
		192.0.2.99 80
	expect_error 5 \
		'connect to 192.0.2.99 port 80 \(tcp\) failed: Connection timed out'
}

@test "5: nobody came, nothing moved, or it was to last no longer" {
	try sc -l --accept-timeout 0.1 127.0.0.1 0
	expect_error 5 '--accept-timeout'
	try sc -l --max-time 0.1 127.0.0.1 0
	expect_error 5 '--max-time'
	local option
	for option in --idle-timeout --max-time; do
		rm -f c.in
		listen_sockcat s -d 127.0.0.1 0
		start_open c sc $option 0.1 127.0.0.1 "$port"
		finish c
		expect_error 5 "$option"
		end_input c
		finish s
	done
}

@test "5: -w ran out with something left to send" {
	need python3
	serve_open p peer listen idle
	head -c 30000000 /dev/zero >much
	try sc -w 0.3 127.0.0.1 "$port" <much
	expect_status 5
	expect_match err '^sockcat: .*-w'
	stop p
}

@test "6: no route" {
	make_netns
	try in_netns sc 192.0.2.9 80
	expect_error 6 \
		'connect to 192.0.2.9 port 80 \(tcp\) failed: Network is unreach'
	try in_netns sc 2001:db8::9 80
	expect_status 6
	[ "$(wc -l <err)" = 1 ]
}

@test "6: a route that leads nowhere, and its neighbours" {
	make_netns
	ip -n "$netns" route add unreachable 192.0.2.0/24
	try in_netns sc 192.0.2.9 80
	expect_error 6 '192.0.2.9 port 80 .*No route to host'
	ip -n "$netns" route add prohibit 198.51.100.0/24
	try in_netns sc 198.51.100.9 80
	expect_error 8 '198.51.100.9 port 80 .*Permission denied'
}

@test "6: a router or a firewall says no" {
	make_netns
	ip -n "$netns" address add 192.0.2.9/32 dev lo
	local type
	for type in host-unreachable net-unreachable admin-prohibited \
		host-prohibited; do
		reject "$type"
		try in_netns sc 192.0.2.9 80
		expect_error 6 '192.0.2.9 port 80 .*(No route|unreachable)' ||
			{ echo "of: $type"; return 1; }
	done
	# Of a port it means that nobody listens.
	reject port-unreachable
	try in_netns sc 192.0.2.9 80
	expect_error 4 '192.0.2.9 port 80 .*Connection refused'
}

@test "7: an address in use" {
	listen_sockcat s 127.0.0.1 0
	try sc -l 127.0.0.1 "$port"
	expect_error 7 \
		"listen on 127.0.0.1 port $port failed: Address already in use"
	# To connect from it is no better.
	try sc -s 127.0.0.1 -p "$port" 127.0.0.2 1
	expect_error 7 "bind to 127.0.0.1 $port: Address already in use"
	stop s
	listen_sockcat s ./path
	try sc -l ./path
	expect_error 7 'listen on \./path failed: Address already in use'
	stop s
}

@test "7: an address of another host" {
	try sc -l 192.0.2.77 0
	expect_error 7 'listen on 192.0.2.77 .*Cannot assign requested address'
	try sc -s 192.0.2.77 127.0.0.1 1
	expect_error 7 'bind to 192.0.2.77: Cannot assign requested address'
}

@test "8: a port below 1024, as somebody without rights" {
	make_netns
	make_public
	try in_netns as_nobody sc -l 127.0.0.1 80
	expect_error 8 'listen on 127.0.0.1 port 80 failed: Permission denied'
	try in_netns as_nobody sc -l 80
	expect_error 8 'port 80 failed: Permission denied'
	try in_netns as_nobody sc -p 80 127.0.0.1 1
	expect_error 8 'bind to 0.0.0.0 80: Permission denied'
}

@test "8: a Unix socket that we may not use" {
	make_public
	mkdir "$public/closed"
	listen_sockcat s --unix-mode 600 "$public/path"
	listen_sockcat t "$public/closed/path"
	chmod 700 "$public/closed"
	local path
	for path in path closed/path; do
		try as_nobody sc "$public/$path"
		expect_error 8 "connect to $public/$path failed: Permission"
	done
	try as_nobody sc -l "$public/new"
	expect_error 8 "listen on $public/new failed: Permission denied"
	stop s
	stop t
}

@test "8: a socket option for root alone" {
	need_linux_build
	make_public
	try as_nobody sc --sockopt mark=5 127.0.0.1 1
	expect_error 8 '--sockopt mark=5.*SO_MARK.*Operation not permitted'
}

@test "8: a firewall here that says no" {
	make_netns
	need nft
	in_netns nft 'table inet t { chain output {
		type filter hook output priority 0;
		ip daddr 127.0.0.9 reject with tcp reset; }; }' 2>err ||
		skip nftables
	try in_netns sc 127.0.0.9 80
	expect_error 4 '127.0.0.9 port 80 .*Connection refused'
}

@test "9: the peer reset the connection" {
	need python3
	serve_open p peer listen reset hello
	start_open c sc 127.0.0.1 "$port"
	wait_for_text c.out hello
	end_input p
	finish c
	expect_status 9
	expect_text out hello
	expect_match err '^sockcat: .*Connection reset by peer'
	[ "$(wc -l <err)" = 1 ]
	end_input c
	finish p
}

@test "9: the peer did not want what we sent" {
	need python3
	serve p peer listen close hello
	head -c 30000000 /dev/zero >much
	try sc 127.0.0.1 "$port" <much
	expect_status 9
	expect_text out hello
	expect_match err '^sockcat: .*(reset by peer|Broken pipe)'
	[ "$(wc -l <err)" = 1 ]
	finish p
}

@test "9: a listener's client reset the connection" {
	need python3
	listen_open s 127.0.0.1 0
	start_open p peer connect "$port" reset hello
	wait_for_text s.out hello
	end_input p
	finish s
	expect_status 9
	expect_match err '^sockcat: .*Connection reset by peer'
	end_input s
	finish p
}

# expect_death NAME SIGNAL: it kills NAME, which says nothing.
expect_death() {
	stop "$1" "$2"
	expect_status $((128 + $(kill -l "$2")))
	expect_text err ''
}

@test "a signal kills while a name is looked up" {
	make_netns
	make_blackhole
	netns_etc resolv.conf <<<'nameserver 192.0.2.99'
	echo 'hosts: dns' | netns_etc nsswitch.conf
	local signal
	for signal in INT TERM; do
		start c in_netns sc name.invalid 80
		wait_until asks "$(pid_of c)"
		expect_death c $signal
	done
}

# asks PID: there is a UDP socket in its namespace, so it asks a name server.
asks() {
	[ "/proc/$1/exe" -ef "$SOCKCAT" ] &&
		[ "$(wc -l <"/proc/$1/net/udp")" -gt 1 ]
}

# connects PID: it has sent a SYN that nobody has answered.
connects() {
	[ -n "$(sockets_of "$1" 02)" ]
}

@test "a signal kills while connecting, and while trying again" {
	make_netns
	make_blackhole
	local signal
	for signal in INT TERM HUP QUIT; do
		start c in_netns sc 192.0.2.99 80
		wait_until connects "$(pid_of c)"
		expect_death c $signal
	done
	start c sc -vv --retry-for 1m ./path
	wait_for_text c.err 'No such file'
	stop c INT
	expect_status 130
}

@test "a signal kills a listener that waits" {
	local signal
	for signal in INT TERM HUP QUIT; do
		listen_sockcat s 127.0.0.1 0
		expect_death s $signal
	done
}

@test "a signal kills in the middle of a connection" {
	local signal
	for signal in INT TERM HUP; do
		rm -f s.in c.in
		listen_open s -v 127.0.0.1 0
		start_open c sc 127.0.0.1 "$port"
		say c hello
		wait_for_text s.out hello
		expect_death c $signal
		end_input c
		end_input s
		finish s
		expect_text out $'hello\n'
	done
}

@test "signals that were ignored at the start stay ignored" {
	local signal
	rm -f s.port
	start_open s bash -c 'trap "" INT HUP TERM
		exec "$SOCKCAT" -l -v --port-file s.port 127.0.0.1 0'
	wait_for_file s.port
	start_open c sc 127.0.0.1 "$(cat s.port)"
	wait_for_text s.err 'Connection received'
	for signal in INT HUP TERM; do
		kill -s $signal "$(pid_of s)"
	done
	say c hello
	wait_for_text s.out hello
	end_input c
	end_input s
	finish c
	expect_status 0
	finish s
	expect_status 0
}

@test "the reader of standard output has gone: dies by SIGPIPE, quietly" {
	need python3
	serve p peer listen greet hello
	mkfifo out-pipe
	exec {reader}<>out-pipe
	start_open c bash -c 'exec "$SOCKCAT" 127.0.0.1 "$1" >out-pipe' - \
		"$port"
	head -c 5 <&"$reader" >got
	expect_text got hello
	exec {reader}<&-
	finish c
	expect_status 141
	expect_text err ''
	end_input c
	finish p
}

@test "a failure is told once, whatever the verbosity" {
	refused_port
	local option
	for option in -v -vv -vvv; do
		try sc $option 127.0.0.1 "$port"
		expect_error 4 "127.0.0.1 port $port .*Connection refused"
	done
}

@test "standard error that cannot be written changes no status" {
	refused_port
	status=0
	bash -c 'exec "$SOCKCAT" 127.0.0.1 "$1" 2>&-' - "$port" || status=$?
	expect_status 4
	[ -e /dev/full ] || skip /dev/full
	status=0
	sc 127.0.0.1 "$port" 2>/dev/full || status=$?
	expect_status 4
}
