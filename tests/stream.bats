#!/usr/bin/env bats
# Both directions of a stream, byte for byte, with every peer there is; over
# IPv4, IPv6, Unix paths and abstract names.

load helpers

# What a test sends and what it gets back: other bytes, other lengths.
there_and_back() {
	random_bytes 300000 >there
	random_bytes 200000 >back
}

# We connect to a peer that was started with `back` as its input.
expect_both_ways() {
	try sc "$@" <there
	expect_status 0
	expect_text err ''
	expect_same out back
	finish p
	expect_same p.out there
}

# A peer connects to us, listening as `s` with `back` as input.
expect_both_ways_listening() {
	"$@" <there >got
	finish s
	expect_status 0
	expect_text err ''
	expect_same out there
	expect_same got back
}

# The same with peers that stop sending at our end of data: that has to wait.
expect_both_ways_patiently() {
	start_open s sc "$@"
	cat there >&"${INPUTS[s]}"
	wait_until cmp -s s.out back
	wait_until cmp -s p.out there
	end_input s
	finish s
	expect_status 0
	expect_text err ''
	finish p
}

expect_both_ways_listening_patiently() {
	start p "$@" <there
	cat back >&"${INPUTS[s]}"
	wait_until cmp -s s.out there
	end_input s
	finish p
	expect_same out back
	finish s
	expect_status 0
	expect_text err ''
	expect_same out there
}

@test "nc.openbsd over IPv4, connecting" {
	need nc.openbsd
	there_and_back
	serve p nc.openbsd -N -l 127.0.0.1 0 <back
	expect_both_ways_patiently 127.0.0.1 "$port"
}

@test "nc.openbsd over IPv4, listening" {
	need nc.openbsd
	there_and_back
	listen_sockcat s -4 0 <back
	expect_both_ways_listening nc.openbsd -N 127.0.0.1 "$port"
}

@test "nc.openbsd over IPv6, connecting" {
	need nc.openbsd ipv6
	there_and_back
	serve p nc.openbsd -N -6 -l ::1 0 <back
	expect_both_ways_patiently ::1 "$port"
}

@test "nc.openbsd over IPv6, listening" {
	need nc.openbsd ipv6
	there_and_back
	listen_sockcat s -6 0 <back
	expect_both_ways_listening nc.openbsd -N ::1 "$port"
}

@test "nc.openbsd over a Unix path, connecting" {
	need nc.openbsd
	there_and_back
	start p nc.openbsd -N -l -U ./path <back
	wait_until test -S path
	expect_both_ways_patiently -U path
}

@test "nc.openbsd over a Unix path, listening" {
	need nc.openbsd
	there_and_back
	listen_sockcat s -U path <back
	expect_both_ways_listening nc.openbsd -N -U path
}

@test "nc.openbsd over an abstract name, both ways" {
	need nc.openbsd
	need_linux_build
	there_and_back
	listen_sockcat s -U "@sockcat-test-$$" <back
	expect_both_ways_listening nc.openbsd -N -U "@sockcat-test-$$"
}

@test "nc.traditional, connecting" {
	need nc.traditional
	there_and_back
	serve p nc.traditional -q 1 -l -s 127.0.0.1 <back
	expect_both_ways_patiently 127.0.0.1 "$port"
}

@test "nc.traditional, listening" {
	need nc.traditional
	there_and_back
	listen_open s 127.0.0.1 0
	expect_both_ways_listening_patiently nc.traditional -q 1 127.0.0.1 "$port"
}

@test "ncat over IPv4, connecting" {
	need ncat
	there_and_back
	serve p ncat -l 127.0.0.1 0 <back
	expect_both_ways "127.0.0.1:$port"
}

@test "ncat over IPv4, listening" {
	need ncat
	there_and_back
	listen_sockcat s 127.0.0.1 0 <back
	expect_both_ways_listening ncat 127.0.0.1 "$port"
}

@test "ncat over IPv6, connecting" {
	need ncat ipv6
	there_and_back
	serve p ncat -6 -l ::1 0 <back
	expect_both_ways "[::1]:$port"
}

@test "ncat over IPv6, listening" {
	need ncat ipv6
	there_and_back
	listen_sockcat s ::1 0 <back
	expect_both_ways_listening ncat -6 ::1 "$port"
}

@test "ncat over a Unix path, listening" {
	need ncat
	there_and_back
	listen_sockcat s ./path <back
	expect_both_ways_listening ncat -U path
}

@test "socat over IPv4, connecting" {
	need socat
	there_and_back
	serve p socat -t 20 TCP4-LISTEN:0,bind=127.0.0.1 - <back
	expect_both_ways "tcp:127.0.0.1:$port"
}

@test "socat over IPv4, listening" {
	need socat
	there_and_back
	listen_sockcat s 0 <back
	expect_both_ways_listening socat -t 20 "TCP4:127.0.0.1:$port" -
}

@test "socat over IPv6, connecting" {
	need socat ipv6
	there_and_back
	serve p socat -t 20 'TCP6-LISTEN:0,bind=[::1]' - <back
	expect_both_ways -6 ::1 "$port"
}

@test "socat over IPv6, listening" {
	need socat ipv6
	there_and_back
	listen_sockcat s 0 <back
	expect_both_ways_listening socat -t 20 "TCP6:[::1]:$port" -
}

@test "socat over a Unix path, connecting" {
	need socat
	there_and_back
	start p socat -t 20 UNIX-LISTEN:path - <back
	wait_until test -S path
	expect_both_ways unix:path
}

@test "socat over a Unix path, listening" {
	need socat
	there_and_back
	listen_sockcat s unix:path <back
	expect_both_ways_listening socat -t 20 UNIX-CONNECT:path -
}

@test "socat over an abstract name, connecting" {
	need socat
	need_linux_build
	there_and_back
	start p socat -t 20 "ABSTRACT-LISTEN:sockcat-test-$$" - <back
	wait_until grep -q "@sockcat-test-$$" /proc/net/unix
	expect_both_ways "unix:@sockcat-test-$$"
}

@test "socat over an abstract name, listening" {
	need socat
	need_linux_build
	there_and_back
	listen_sockcat s "unix:@sockcat-test-$$" <back
	expect_both_ways_listening socat -t 20 \
		"ABSTRACT-CONNECT:sockcat-test-$$" -
}

@test "busybox, connecting" {
	need busybox
	there_and_back
	serve p busybox nc -l <back
	expect_both_ways_patiently 127.0.0.1 "$port"
}

@test "busybox, listening" {
	need busybox
	there_and_back
	listen_open s -4 0
	expect_both_ways_listening_patiently busybox nc 127.0.0.1 "$port"
}

@test "a program of Python's socket articles: a server that greets" {
	need python3
	serve p peer listen greet 'hello, client'
	try sc 127.0.0.1 "$port" < <(echo 'hello, server')
	expect_status 0
	expect_text out 'hello, client'
	finish p
	expect_text out $'hello, server\n'
}

@test "a program of Python's socket articles: a client that sends" {
	need python3
	printf 'hello, client' >back
	listen_sockcat s 127.0.0.1 0 <back
	peer connect "$port" source < <(echo 'hello, server') >got
	finish s
	expect_status 0
	expect_text out $'hello, server\n'
	expect_text got 'hello, client'
}

@test "a program of Python's socket articles: an echo of much data" {
	need python3
	there_and_back
	serve p peer listen echo
	try sc 127.0.0.1 "$port" <there
	expect_status 0
	expect_same out there
}

@test "a program of Python's socket articles: a Unix server and client" {
	need python3
	there_and_back
	start p peer listen -U ./path echo
	wait_until test -S path
	try sc ./path <there
	expect_status 0
	expect_same out there
	finish p
	rm path
	listen_sockcat s -U path <back
	peer connect -U path source <there >got
	finish s
	expect_status 0
	expect_same out there
	expect_same got back
}

@test "sockcat to sockcat, over each family" {
	local address
	there_and_back
	for address in '-4 0' '-6 0' 0 '-U ./path' "@$$"; do
		[ "$address" != "@$$" ] || address="-U @sockcat-test-$$"
		# shellcheck disable=SC2086 # options and a value
		listen_sockcat s $address <back
		case $address in
		-4*) set -- 127.0.0.1 "$port" ;;
		-6*) set -- ::1 "$port" ;;
		-U*) set -- -U "$port" ;;
		*) set -- localhost "$port" ;;
		esac
		try sc "$@" <there
		expect_status 0
		expect_same out back
		finish s
		expect_status 0
		expect_same out there
	done
}

@test "each store moves the same bytes" {
	local store
	there_and_back
	for store in auto memory pipe; do
		listen_sockcat s --store "$store" 127.0.0.1 0 <back
		try sc --store "$store" 127.0.0.1 "$port" <there
		expect_status 0
		expect_same out back
		finish s
		expect_same out there
		listen_sockcat s --store "$store" 127.0.0.1 0 < <(cat back)
		sc --store "$store" 127.0.0.1 "$port" < <(cat there) |
			cat >got
		expect_same got back
		finish s
		expect_same out there
	done
}

@test "output is appended where it was opened to append" {
	random_bytes 500000 >there
	echo before >log
	listen_sockcat s 127.0.0.1 0
	try sc --send-only 127.0.0.1 "$port" <there
	finish s
	expect_same out there
	listen_sockcat s 127.0.0.1 0 <there
	sc -d 127.0.0.1 "$port" >>log
	{ echo before && cat there; } >expected
	expect_same log expected
}

@test "50,000 writes of one line arrive as they are" {
	seq 50000 >lines
	listen_sockcat s 127.0.0.1 0
	# In a shell of its own: bats makes every command of ours slow.
	bash -c 'while read -r line; do echo "$line"; done' <lines |
		sc 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_same out lines
}

@test "what is typed arrives at once, not at the end" {
	listen_open s 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	say c one
	wait_for_text s.out one
	say s two
	wait_for_text c.out two
	say c three
	wait_for_text s.out three
	end_input c
	end_input s
	finish c
	expect_status 0
	expect_text out $'two\n'
	finish s
	expect_status 0
	expect_text out $'one\nthree\n'
}

@test "bytes of every value pass unchanged" {
	need python3
	"$PYTHON" -c 'import sys
sys.stdout.buffer.write(bytes(range(256)) * 3)' >bytes
	serve p peer listen echo
	try sc 127.0.0.1 "$port" <bytes
	expect_status 0
	expect_same out bytes
}

@test "nothing to send in either direction is a success" {
	listen_sockcat s 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_status 0
	expect_text out ''
	expect_text err ''
	finish s
	expect_status 0
	expect_text out ''
}

@test "a listener without an address hears IPv6 and IPv4" {
	need nc.openbsd ipv6
	local host
	for host in 127.0.0.1 ::1; do
		listen_sockcat s 0
		echo "by $host" | nc.openbsd -N "$host" "$port"
		finish s
		expect_status 0
		expect_text out "by $host"$'\n'
	done
}

@test "curl fetches what a canned answer on standard input says" {
	need curl
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n' >answer
	listen_sockcat s 127.0.0.1 0 <answer
	curl -sS --noproxy '*' "http://127.0.0.1:$port/page" >got
	expect_text got $'hi\n'
	finish s
	expect_status 0
	expect_match out '^GET /page HTTP/1'
}

@test "a page from Python's http.server" {
	need python3
	mkdir www
	random_bytes 100000 >www/page
	serve p python3 -m http.server --bind 127.0.0.1 --directory www 0
	try sc 127.0.0.1 "$port" < <(printf 'GET /page HTTP/1.0\r\n\r\n')
	expect_status 0
	tail -c 100000 out >page
	expect_same page www/page
}

@test "a page from nginx" {
	need nginx
	mkdir www logs
	random_bytes 100000 >www/page
	cat >nginx.conf <<-CONF
		daemon off; pid nginx.pid; error_log stderr;
		$([ "$(id -u)" != 0 ] || echo 'user root;')
		events { }
		http { access_log off; client_body_temp_path body;
		proxy_temp_path proxy; fastcgi_temp_path fastcgi;
		uwsgi_temp_path uwsgi; scgi_temp_path scgi;
		server { listen unix:nginx.sock; root www; } }
	CONF
	start p nginx -e stderr -p "$PWD" -c "$PWD/nginx.conf"
	wait_until test -S nginx.sock
	try sc --retry-for 10 ./nginx.sock \
		< <(printf 'GET /page HTTP/1.0\r\n\r\n')
	expect_status 0
	expect_match out '^HTTP/1.1 200 OK'
	tail -c 100000 out >page
	expect_same page www/page
}

@test "redis answers, over TCP and over its Unix socket" {
	need redis-server
	serve_on_free p redis-server --port @PORT@ --bind 127.0.0.1 \
		--unixsocket ./redis.sock --save '' --appendonly no
	printf 'SET key value\r\nGET key\r\nQUIT\r\n' >commands
	printf '+OK\r\n$5\r\nvalue\r\n+OK\r\n' >answers
	try sc --retry-for 10 127.0.0.1 "$port" <commands
	expect_status 0
	expect_same out answers
	try sc -U redis.sock <commands
	expect_status 0
	expect_same out answers
}

@test "ssh with sockcat as ProxyCommand" {
	need ssh sshd socat ssh-keygen
	need_root
	ssh-keygen -q -t ed25519 -N '' -f hostkey
	ssh-keygen -q -t ed25519 -N '' -f key
	cp key.pub authorized
	cat >sshd_config <<-CONF
		HostKey $PWD/hostkey
		AuthorizedKeysFile $PWD/authorized
		StrictModes no
		PermitRootLogin prohibit-password
		UsePAM no
		PidFile none
	CONF
	[ -d /run/sshd ] || mkdir -p /run/sshd
	serve p socat TCP4-LISTEN:0,bind=127.0.0.1 \
		"EXEC:$(command -v sshd) -i -e -f $PWD/sshd_config"
	random_bytes 100000 >there
	try ssh -F none -i key -o BatchMode=yes -o IdentitiesOnly=yes \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=known \
		-o "ProxyCommand=$SOCKCAT 127.0.0.1 $port" root@peer \
		'exec cat' <there
	expect_status 0
	expect_same out there
}
