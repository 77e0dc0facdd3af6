#!/usr/bin/env bats
# --allow, --deny, --allowfile, --denyfile: who may be a client.

load helpers
load messages

# Starts NAME, which answers every client that may come in with "in".
gate() {
	local name=$1
	shift
	echo in >answer
	listen_sockcat "$name" -k --reply answer "$@"
}

# The loopback address of ADDRESS's family.
own_address() {
	if [[ $1 == *:* ]]; then echo ::1; else echo 127.0.0.1; fi
}

# What the clients at ADDRESS... get to hear: "in in -".
hears() {
	local address got=()
	for address; do
		sc -w 5 -s "$address" \
			"$(own_address "$address")" "$port" \
			</dev/null >heard 2>/dev/null || :
		if [ -s heard ]; then got+=(in); else got+=(-); fi
	done
	echo "${got[*]}"
}

expect_heard() {
	local expected=$1 got
	shift
	got=$(hears "$@")
	[ "$got" = "$expected" ] && return
	echo "clients $*: $got, not $expected"
	return 1
}

# Descriptors that process PID has.
descriptors() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

@test "only who is allowed comes in, and only who is denied does not" {
	gate a -4 --allow 127.0.0.2 0
	expect_heard '- in -' 127.0.0.1 127.0.0.2 127.0.0.3
	gate d -4 --deny 127.0.0.2 0
	expect_heard 'in - in' 127.0.0.1 127.0.0.2 127.0.0.3
}

@test "prefixes, also with host bits set, and of odd lengths" {
	gate a -4 --allow 127.1.2.3/16 0
	expect_heard 'in in - -' 127.1.0.1 127.1.255.254 127.0.0.1 127.2.0.1
	gate b -4 --deny 127.0.0.128/25 0
	expect_heard 'in in - -' 127.0.0.1 127.0.0.127 127.0.0.128 127.0.0.255
	gate c -4 --allow 127.0.0.8/31 0
	expect_heard '- in in -' 127.0.0.7 127.0.0.8 127.0.0.9 127.0.0.10
	gate d -4 --deny 0.0.0.0/0 0
	expect_heard '-' 127.0.0.1
	gate e -4 --allow 127.0.0.9/32 0
	expect_heard '- in' 127.0.0.8 127.0.0.9
}

@test "a denial wins, whichever comes first" {
	gate a -4 --allow 127.0.0.0/8 --deny 127.0.0.2 0
	expect_heard 'in -' 127.0.0.1 127.0.0.2
	gate b -4 --deny 127.0.0.0/30 --allow 127.0.0.2,127.0.0.5 0
	expect_heard '- in -' 127.0.0.2 127.0.0.5 127.0.0.6
}

@test "lists, and options given more than once" {
	gate a -4 --allow '127.0.0.2, 127.0.0.3' --allow 127.0.0.4 0
	expect_heard '- in in in -' 127.0.0.{1,2,3,4,5}
}

@test "IPv6 addresses and prefixes" {
	local address at
	make_netns
	ip -n "$netns" addr add 2001:db8::1/128 dev lo nodad
	ip -n "$netns" addr add 2001:db8::ffff/128 dev lo nodad
	ip -n "$netns" addr add 2001:db9::1/128 dev lo nodad
	echo in >answer
	start s in_netns sc -l -6 -k --reply answer --port-file s.port \
		--allow 2001:db8::/113,::1 0
	wait_for_file s.port
	at=$(cat s.port)
	for address in ::1 2001:db8::1 2001:db8::ffff 2001:db9::1; do
		in_netns "$SOCKCAT" -s "$address" ::1 "$at" </dev/null \
			>heard 2>err || :
		printf '%s ' "$(cat heard)" >>all
	done
	expect_text all 'in in   '
}

@test "an IPv4 client of a socket for both versions is matched as IPv4" {
	need ipv6
	gate a --allow 127.0.0.2 0
	expect_heard '- in -' 127.0.0.1 127.0.0.2 ::1
	gate b --deny ::/0 0
	expect_heard 'in -' 127.0.0.1 ::1
	gate c --deny 0.0.0.0/0 0
	expect_heard '- in' 127.0.0.1 ::1
	gate d --allow ::ffff:127.0.0.2 0
	expect_heard '- in -' 127.0.0.1 127.0.0.2 ::1
	gate e --allow ::ffff:127.0.0.0/126 0
	expect_heard 'in - -' 127.0.0.1 127.0.0.4 ::1
}

@test "a scope, where it is given" {
	local rule
	make_netns
	ip -n "$netns" link add name left type veth peer name right
	ip -n "$netns" link set left up
	ip -n "$netns" link set right up
	ip -n "$netns" addr add fe80::aa/64 dev left nodad
	try in_netns sc -l --allow fe80::1%nosuch 0
	expect_error 3 'fe80::1%nosuch'
	echo in >answer
	for rule in fe80::aa%left fe80::aa fe80::%left/10 fe80::aa%right; do
		start s in_netns sc -l -6 -k --reply answer \
			--port-file s.port --allow "$rule" 0
		wait_for_file s.port
		in_netns "$SOCKCAT" -w 5 fe80::aa%left "$(cat s.port)" \
			</dev/null >heard 2>err || :
		printf '%s ' "$(cat heard)" >>all
		stop s
		rm s.port
	done
	expect_text all 'in in in  '
}

@test "a name stands for all its addresses" {
	local i at
	make_netns
	netns_etc hosts <<-'END'
		127.0.0.1 localhost
		127.0.0.2 friends
		127.0.0.3 friends
		127.0.0.4 foe
	END
	echo in >answer
	start s in_netns sc -l -4 -k --reply answer --port-file s.port \
		--allow friends,127.0.0.4/30 --deny foe 0
	wait_for_file s.port
	at=$(cat s.port)
	for i in 1 2 3 4 5; do
		in_netns "$SOCKCAT" -s 127.0.0.$i 127.0.0.1 "$at" </dev/null \
			>heard 2>err || :
		printf '%s ' "$(cat heard)" >>all
	done
	expect_text all ' in in  in '
}

@test "a name that is not known, or not to be looked up" {
	make_netns
	netns_etc resolv.conf <<<'nameserver 127.0.0.1'
	try in_netns sc -l --allow nosuch.example 0
	expect_error 3 '--allow nosuch.example: '
	echo 'nosuch.example # no such' >rules
	try in_netns sc -l --denyfile rules 0
	expect_error 3 'rules:1: nosuch.example: '
	try sc -l -n --allow localhost 0
	expect_error 3 '--allow localhost: .*-n'
}

@test "nobody is listened for while a name is looked up, and limits hold" {
	make_netns
	netns_etc resolv.conf <<<'nameserver 127.0.0.1'
	# Whom nobody answers: the queries end in a socket that is not read.
	in_netns_python dns '
s = bound(where=None)
t = new()
t.bind(("127.0.0.1", 53))
ready(t)
t.recv(MOST)
put("asked")
wait_for("never")'
	start s in_netns sc -l --allow slow.example --port-file s.port 0
	wait_for_text dns.out asked
	[ -z "$(listens "$(pid_of s)")" ]
	[ ! -e s.port ]
	stop s INT
	expect_status 130
	try in_netns sc -l --allow slow.example --max-time 0.3 0
	expect_error 5 '--max-time'
	try in_netns sc -l --deny slow.example --accept-timeout 0.3 0
	expect_error 5 '--accept-timeout'
}

@test "files: lines, comments, blanks, carriage returns" {
	printf '%s\n' '# who may come in' '127.0.0.2' '' \
		$'  127.0.0.3,127.0.0.4\t127.0.0.5# the rest' \
		$'127.0.0.6\r' '   # nobody' >rules
	printf 127.0.0.7 >>rules
	gate a -4 --allowfile rules 0
	expect_heard '- in in in in in in -' 127.0.0.{1,2,3,4,5,6,7,8}
	gate b -4 --denyfile rules 0
	expect_heard 'in - - - - - - in' 127.0.0.{1,2,3,4,5,6,7,8}
	gate c -4 --allow 127.0.0.9 --allowfile rules --deny 127.0.0.3 0
	expect_heard '- in - in' 127.0.0.{1,2,3,9}
}

@test "a file of ten thousand rules" {
	awk 'BEGIN { for (i = 1; i <= 10000; i++)
		printf "10.%d.%d.%d\n", i / 65536, i / 256 % 256, i % 256 }' \
		>rules
	echo 127.0.0.2 >>rules
	gate a -4 --denyfile rules 0
	expect_heard 'in -' 127.0.0.1 127.0.0.2
}

@test "a file that is a pipe" {
	mkfifo pipe
	echo 127.0.0.2 >pipe &
	gate a -4 --allowfile pipe 0
	expect_heard '- in' 127.0.0.1 127.0.0.2
}

@test "an allow list without a rule lets nobody in, and that is told" {
	echo '# nobody yet' >empty
	gate a -4 --allowfile empty 0
	expect_heard '-' 127.0.0.1
	expect_match a.err '^sockcat: no rule allows anybody'
	gate b -4 --allowfile /dev/null --deny 127.0.0.9 0
	expect_heard '-' 127.0.0.1
	gate c -4 --denyfile empty 0
	expect_heard in 127.0.0.1
	expect_text c.err ''
}

@test "a rule that is not understood ends the run before it begins" {
	local rule
	for rule in 10.1 1.2.3 1.2.3.4.5 0x7f.0x1 0x7f000001 127 1.2.3.256 \
	    1.2.3.4/33 1.2.3.4/ 1.2.3.4/+8 1.2.3.4/-1 1.2.3.4/8/9 \
	    1.2.3.4/255.0.0.0 ::1/129 ::1:80/x '[::1]' 1.2.3.4:80 \
	    ::ffff:1.2.3.4/95 'host:80' host/24 '*' '10.0.0.*' 10.0.0.1-5 \
	    '!1.2.3.4' /etc/hosts user:0 1.2.3.4,,5.6.7.8 '1.2.3.4,' ,a \
	    '' ' ' 'uid:0' gid:0; do
		try sc -l --port-file p --deny "$rule" 0
		expect_error 2 '--deny ' || { echo "rule: $rule"; return 1; }
		[ ! -e p ]
		case $rule in '' | ' ' | *,*) continue ;; esac
		printf '\n%s\n' "$rule" >rules
		try sc -l --allowfile rules 0
		expect_error 2 'rules:2: ' || { echo "rule: $rule"; return 1; }
	done
}

@test "errors show the rule and its line, escaped" {
	printf '1.2.3.4\n5.6.7.8 \033[2J\n' >rules
	try sc -l --allowfile rules 0
	expect_error 2 'rules:2: \\x1B\[2J: '
	printf '1.2.3.4\0005\n' >rules
	try sc -l --allowfile rules 0
	expect_error 2 'rules:1: .*NUL'
	try sc -l --allow "$(printf '%0300d' 0 | tr 0 a)" 0
	expect_error 2 'aaa'
}

@test "a file that is not there, or is no file of lines" {
	try sc -l --allowfile ./nosuch 0
	expect_error 3 'nosuch.*No such file'
	try sc -l --denyfile . 0
	expect_error 1 'Is a directory'
	make_public
	echo 127.0.0.1 >"$public/rules"
	chmod 600 "$public/rules"
	try as_nobody sc -l --allowfile rules 0
	expect_error 8 'rules.*Permission denied'
}

@test "they are for listening" {
	local option
	for option in --allow --deny --allowfile --denyfile; do
		try sc "$option" 127.0.0.1 127.0.0.1 1
		expect_error 2 "$option.*-l"
	done
}

@test "Unix sockets: users, by number and by name" {
	need_linux_build
	make_public
	chmod 777 "$public"
	local rule expected got
	echo in >answer
	while IFS=: read -r expected rule; do
		# shellcheck disable=SC2086
		start s sc -l -k --reply answer --unix-mode 777 $rule \
			-U "$public/s"
		wait_until test -S "$public/s"
		got=$(sc -U "$public/s" </dev/null 2>err || :)
		got+="/$(as_nobody "$SOCKCAT" -U "$public/s" </dev/null 2>err ||
			:)"
		[ "$got" = "$expected" ] ||
			{ echo "$rule: $got, not $expected"; return 1; }
		stop s
	done <<-'END'
		in/:--allow=uid:0
		in/:--allow=uid:root
		/in:--deny=uid:root
		/in:--allow=uid:65534
		in/in:--allow=uid:nobody,uid:root
		in/:--allow=gid:0
		in/:--allow=gid:root
		/in:--allow=gid:nogroup
		in/:--deny=gid:65534
		in/in:--allow=uid:65534,gid:0
		/in:--allow=gid:0,gid:65534 --deny=uid:0
		/:--allow=uid:12345
	END
}

@test "Unix sockets: supplementary groups count" {
	need_linux_build
	make_public
	echo in >answer
	start s sc -l -k --reply answer --unix-mode 777 --allow gid:7777 \
		-U "$public/s"
	wait_until test -S "$public/s"
	client() {
		setpriv --reuid=65534 --regid=65534 "$@" "$SOCKCAT" \
			-U "$public/s" </dev/null 2>err || :
	}
	[ "$(client --groups 5,7777,8)" = in ]
	[ "$(client --groups "$(seq -s, 7000 7500),7777")" = in ]
	[ "$(client --groups 5,7778)" = '' ]
	[ "$(client --clear-groups)" = '' ]
	stop s
	start t sc -l -k --reply answer --unix-mode 777 --deny gid:7777 \
		-U "$public/t"
	wait_until test -S "$public/t"
	[ "$(client --groups 5,7777,8)" = '' ]
}

@test "a refused Unix client is named by its user" {
	need_linux_build
	make_public
	echo in >answer
	start s sc -l -v -k --reply answer --unix-mode 777 --deny uid:65534 \
		-U "$public/s"
	wait_until test -S "$public/s"
	try as_nobody "$SOCKCAT" -U "$public/s"
	expect_match s.err \
		'^Connection from uid 65534 gid 65534 refused: not allowed$'
	run ! grep received s.err
}

@test "unknown users and groups, and numbers that are none" {
	try sc -l -U s --allow uid:nosuchuser
	expect_error 3 '--allow uid:nosuchuser: no such user'
	try sc -l -U s --deny gid:nosuchgroup
	expect_error 3 '--deny gid:nosuchgroup: no such group'
	for rule in uid: gid: uid:4294967295 uid:99999999999999999999; do
		try sc -l -U s --allow "$rule"
		expect_error 2 "$rule"
	done
	[ ! -e s ]
}

@test "rules that could never match are errors" {
	if [ -n "${PORTABLE:-}" ]; then
		try sc -l -U s --deny uid:0
		expect_error 1 'uid:0: this build'
	fi
	try sc -l --allow uid:0 0
	expect_error 2 'uid:0: .*Unix'
	for rule in 127.0.0.1 ::/0 localhost; do
		try sc -l -U s --allow "$rule"
		expect_error 2 "$rule: .*uid:N"
	done
	try sc -l -u -U s --allow uid:0
	expect_error 2 'uid:0: .*connect'
	try sc -l --vsock 5 --deny 127.0.0.1
	expect_status 2
	[ ! -e s ]
}

@test "seqpacket sockets have users, too" {
	need_linux_build
	listen_sockcat s --seqpacket -v --deny uid:0 -U ./s
	try sc --seqpacket -U ./s
	wait_for_text s.err 'refused: not allowed'
	is_running s
}

@test "a refused client is told at once, and no descriptor stays" {
	gate s -4 --deny 127.0.0.2 --idle-timeout 60 0
	expect_heard '- in' 127.0.0.2 127.0.0.1
	wait_until test "$(connections "$(pid_of s)")" = 0
	local before
	before=$(descriptors "$(pid_of s)")
	python_now '
import socket
ends = 0
for i in range(200):
    c = socket.create_connection(("127.0.0.1", int(args[0])), 20,
                                 ("127.0.0.2", 0))
    try:
        if i % 2: c.sendall(b"let me in" * 100)
        ends += c.recv(1) == b""
    except ConnectionError:
        ends += 1
put(ends)' "$port"
	expect_text got $'200\n'
	[ "$(descriptors "$(pid_of s)")" = "$before" ]
	expect_heard in 127.0.0.1
}

@test "a refused client does not use up the one that is served" {
	listen_sockcat s -4 -v --allow 127.0.0.2 0
	try sc -s 127.0.0.1 127.0.0.1 "$port"
	[ ! -s out ]
	echo hello | sc -s 127.0.0.2 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_text out $'hello\n'
	expect_match err \
		'^Connection from 127\.0\.0\.1 [0-9]+ refused: not allowed$'
	[ "$(grep -c 'Connection received' err)" = 1 ]
}

@test "... and none of --max-conns" {
	gate s -4 --max-conns 1 --deny 127.0.0.2 0
	expect_heard '- - - in' 127.0.0.2 127.0.0.2 127.0.0.2 127.0.0.1
}

@test "without -v a refusal is silent" {
	gate s -4 --deny 127.0.0.1 0
	expect_heard '- -' 127.0.0.1 127.0.0.1
	stop s
	expect_text err ''
}

@test "datagrams of who is not allowed are dropped" {
	listen_open s -u -4 -v --lines --show-peer --deny 127.0.0.2 0
	python_now '
def client(host):
    s = new()
    s.bind((host, 0))
    s.connect(("127.0.0.1", int(args[0])))
    return s
foe, friend = client("127.0.0.2"), client("127.0.0.1")
foe.send(b"first")
friend.send(b"hello")
for i in range(100): foe.send(b"let me in")
friend.send(b"end")
put(friend.getsockname()[1], foe.getsockname()[1])' "$port"
	wait_for_text s.out 'end$'
	local friend foe
	read -r friend foe <got
	printf '127.0.0.1 %d\t%s\n' "$friend" hello "$friend" end >expected
	expect_same s.out expected
	expect_match s.err \
		"^Datagram from 127.0.0.2 $foe refused: not allowed\$"
	[ "$(grep -c refused s.err)" = 1 ]
	[ "$(grep -c received s.err)" = 1 ]
}

@test "... they are not answered, not counted, and keep nothing awake" {
	listen_open s -u -4 --allow 127.0.0.1 -W 2 --lines 0
	say s answer
	python_now '
foe = new()
foe.bind(("127.0.0.2", 0))
foe.connect(("127.0.0.1", int(args[0])))
for i in range(5): foe.send(b"x")
c = to(args[0])
c.send(b"one")
put(c.recv(MOST))
foe.send(b"y")
c.send(b"two")
foe.setblocking(False)
try: put(foe.recv(MOST))
except BlockingIOError: put("nothing")' "$port"
	finish s
	expect_status 0
	expect_text out $'one\ntwo\n'
	expect_text got $'b\'answer\'\nnothing\n'
}

@test "... also where they come in bulk, and among others" {
	need_linux_build
	listen_open s -u -4 --lines --deny 127.0.0.2 -I 4M 0
	python_now '
UDP_SEGMENT = 103
def client(host):
    s = new()
    s.bind((host, 0))
    s.connect(("127.0.0.1", int(args[0])))
    s.setsockopt(IPPROTO_UDP, UDP_SEGMENT, 10)
    return s
foe, friend = client("127.0.0.2"), client("127.0.0.3")
for i in range(20):
    foe.send(b"0123456789" * 50)
    friend.send(b"abcdefghij" * 50)
friend.setsockopt(IPPROTO_UDP, UDP_SEGMENT, 0)
friend.send(b"end")' "$port"
	wait_for_text s.out '^end$'
	[ "$(grep -c abcdefghij s.out)" = 1000 ]
	run ! grep 0123456789 s.out
}

@test "raw sockets: by address" {
	make_netns
	hear s raw in_netns sc -l --raw --protocol 253 --lines --deny 127.0.0.2
	in_netns_python_now '
def client(host):
    s = new(SOCK_RAW, AF_INET, 253)
    s.bind((host, 0))
    s.connect(("127.0.0.1", 0))
    return s
foe, friend = client("127.0.0.2"), client("127.0.0.1")
foe.send(b"let me in")
friend.send(b"hello")'
	wait_for_text s.out hello
	expect_text s.out $'hello\n'
}

@test "a connection that was handed over is looked at, too" {
	python_now '
import subprocess
l = socket.create_server(("127.0.0.1", 0))
for rule in "127.0.0.1", "127.0.0.2":
    c = socket.create_connection(l.getsockname())
    fd = l.accept()[0].detach()
    os.set_inheritable(fd, True)
    child = subprocess.Popen(
        [os.environ["SOCKCAT"], "-l", "--allow", rule, "fd:%d" % fd],
        pass_fds=[fd], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(fd)
    with contextlib.suppress(OSError):
        c.sendall(b"hello")
        c.shutdown(SHUT_WR)
    put(*child.communicate(), child.returncode)'
	[ "$(head -n 1 got)" = "b'hello' b'' 0" ]
	expect_match got "^b'' b'sockcat: the client of .* is not allowed.n' 8"
}

@test "a netcat that may not come in sees the end" {
	need nc.openbsd ncat socat
	gate s -4 --allow 127.0.0.9 0
	try nc.openbsd -N 127.0.0.1 "$port"
	expect_text out ''
	try ncat 127.0.0.1 "$port"
	expect_text out ''
	try socat - "TCP:127.0.0.1:$port"
	expect_text out ''
	try nc.openbsd -N -s 127.0.0.9 127.0.0.1 "$port"
	expect_text out $'in\n'
}
