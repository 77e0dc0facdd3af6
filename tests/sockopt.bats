#!/usr/bin/env bats
# Socket options: what was asked for is what the kernel then has, on sockets
# that connect and on those that were accepted.

load helpers

setup() {
	test_setup
	need_linux_build
	need python3
	"$PYTHON" -c 'import os; os.close(os.pidfd_open(os.getpid()))' \
		2>/dev/null || skip 'pidfd_open'
}

# One row an option: its name, a value that is not the default, the kernel's
# level and number, the kind (getsockopt.py), and what there is to be read.
inet_rows() {
	cat <<-'ROWS'
		nodelay yes 6 1 int 1
		keepalive yes 1 9 int 1
		keepalive-idle 2m 6 4 int 120
		keepalive-interval 17 6 5 int 17
		keepalive-count 5 6 6 int 5
		linger 3 1 13 pair 1:3
		oobinline yes 1 10 int 1
		rcvlowat 100 1 18 int 100
		rcvbuf 30k 1 8 int 61440
		sndbuf 20k 1 7 int 40960
		rcvtimeo 1.5 1 20 pair 1:500000
		sndtimeo 500ms 1 21 pair 0:500000
		reuseaddr yes 1 2 int 1
		dontroute yes 1 5 int 1
		mtu-discover dont 0 10 int 0
		freebind yes 0 15 int 1
		bind-no-port yes 0 24 int 1
		interface lo 1 25 text lo
		priority 5 1 12 int 5
		pacing-rate 100M 1 47 long 104857600
		cork yes 6 3 int 1
		syncnt 3 6 7 int 3
		linger2 30 6 8 int 30
		window-clamp 20000 6 10 int 20000
		congestion reno 6 13 text reno
		user-timeout 5s 6 18 int 5000
		fastopen-connect no 6 30 int 0
		notsent-lowat 16k 6 25 int 16384
		thin-linear yes 6 16 int 1
		tos af21 0 1 int 72
		ttl 77 0 2 int 77
		min-ttl 3 0 21 int 3
	ROWS
}

# What IPv6 has besides; IPv4's rows hold for the peers that are mapped.
inet6_rows() {
	cat <<-'ROWS'
		tos af21 41 67 int 72
		ttl 77 41 16 int 77
		min-ttl 3 41 73 int 3
		mtu-discover dont 41 23 int 0
		freebind yes 41 78 int 1
		prefer-source 0x402 41 72 int 1026
		autoflowlabel no 41 70 int 0
	ROWS
}

unix_rows() {
	cat <<-'ROWS'
		oobinline yes 1 10 int 1
		rcvlowat 100 1 18 int 100
		rcvbuf 30k 1 8 int 61440
		sndbuf 20k 1 7 int 40960
		rcvtimeo 1.5 1 20 pair 1:500000
		sndtimeo 500ms 1 21 pair 0:500000
		priority 5 1 12 int 5
		passcred yes 1 16 int 1
	ROWS
}

# What needs root; transparent is IPv4's and IPv6's alike.
root_rows() {
	cat <<-'ROWS'
		debug yes 1 1 int 1
		mark 0x55 1 36 int 85
		rcvbufforce 31k 1 8 int 63488
		sndbufforce 21k 1 7 int 43008
		busy-poll 50 1 46 int 50
		transparent yes 0 19 int 1
	ROWS
}

# What not every kernel in use has.
new_rows() {
	cat <<-'ROWS'
		rto-max 90s 6 44 int 90000
	ROWS
}

# What is not to be read from a socket of which all of the above is set: other
# types have it, the kernel changes it again, or it has a test of its own.
elsewhere() {
	printf '%s\n' broadcast multicast-ttl multicast-loop \
		multicast-interface multicast-all dontfrag no-check \
		incoming-cpu quickack mss defer-accept fastopen reuseport \
		v6only fastopen-no-cookie tx-delay
}

# arguments ROWS...: $args are options that set all of the rows.
arguments() {
	local name value rest
	args=()
	while read -r name value rest; do
		[ -z "$name" ] || args+=(--sockopt "$name=$value")
	done <<<"$*"
}

read_options() {
	"$PYTHON" "$TESTS/peers/getsockopt.py" "$@" >got 2>got.err
}

# expect_options NAME ROWS: the process' connected socket has them all.
expect_options() {
	local name value level option kind expected query=()
	while read -r name value level option kind expected; do
		query+=("$level" "$option" "$kind")
		echo "$name $expected" >>wanted
	done <<<"$2"
	wait_until read_options "$(pid_of "$1")" connected "${query[@]}"
	cut -d ' ' -f 1 wanted | paste -d ' ' - got >had
	diff wanted had
	rm wanted
}

# expect_set ROWS DESTINATION...: set on a socket that connects to there.
expect_set() {
	local rows=$1
	shift
	arguments "$rows"
	start_open c sc "${args[@]}" "$@"
	expect_options c "$rows"
	end_input c
	finish c
	expect_status 0
	finish s
}

# expect_accepted ROWS ARG...: set on what was accepted by sockcat -l ARG....
expect_accepted() {
	local rows=$1
	shift
	arguments "$rows"
	listen_open s "${args[@]}" "$@"
	case $* in
	*-4*) start_open c sc 127.0.0.1 "$port" ;;
	*-6*) start_open c sc ::1 "$port" ;;
	*) start_open c sc -U "$port" ;;
	esac
	expect_options s "$rows"
	end_input c
	end_input s
	finish c
	finish s
	expect_status 0
}

# traced ARG...: the setsockopt(2) calls of sockcat ARG... in ./calls.
traced() {
	try strace -f -e trace=setsockopt,connect,listen -o calls \
		"$SOCKCAT" "$@"
}

@test "each option of a socket that connects by IPv4" {
	listen_sockcat s -4 0
	expect_set "$(inet_rows)" 127.0.0.1 "$port"
}

@test "each option of a socket that connects by IPv6" {
	need ipv6
	listen_sockcat s -6 0
	expect_set "$(inet_rows; inet6_rows)" ::1 "$port"
}

@test "each option of a socket that connects to a Unix path" {
	listen_sockcat s ./path
	expect_set "$(unix_rows)" ./path
}

@test "each option of a socket accepted by IPv4" {
	expect_accepted "$(inet_rows)" -4 0
}

@test "each option of a socket accepted by IPv6" {
	need ipv6
	expect_accepted "$(inet_rows; inet6_rows)" -6 0
}

@test "each option of a socket accepted at a Unix path" {
	expect_accepted "$(unix_rows)" ./path
}

@test "options that root alone can set" {
	need_root
	listen_sockcat s -4 0
	expect_set "$(root_rows)" 127.0.0.1 "$port"
	rm c.in
	expect_accepted "$(root_rows)" -4 0
	rm c.in s.in
	local unix
	unix=$(root_rows | grep -v transparent)
	expect_accepted "$unix" ./path
	rm c.in
	listen_sockcat s ./path
	expect_set "$unix" ./path
}

@test "options of newer kernels" {
	arguments "$(new_rows)"
	try sc "${args[@]}" 127.0.0.1 1
	! grep 'not offered by this kernel' err || skip 'this kernel'
	listen_sockcat s -4 0
	expect_set "$(new_rows)" 127.0.0.1 "$port"
	rm c.in
	expect_accepted "$(new_rows)" -4 0
}

@test "mss limits what is sent in one piece" {
	# The kernel takes its own header's options off.
	listen_sockcat s --sockopt mss=536 -4 0
	start_open c sc 127.0.0.1 "$port"
	wait_until read_options "$(pid_of c)" connected 6 2 int
	[ "$(cat got)" -le 536 ]
	end_input c
	finish c
	finish s
	rm c.in
	listen_sockcat s -4 0
	start_open c sc --sockopt mss=536 127.0.0.1 "$port"
	wait_until read_options "$(pid_of c)" connected 6 2 int
	[ "$(cat got)" -le 536 ]
	end_input c
	finish c
	finish s
}

@test "what only a listener has: defer-accept, fastopen, reuseport, v6only" {
	listen_sockcat s --sockopt defer-accept=7 --sockopt fastopen=9 \
		--sockopt reuseport 0
	read_options "$(pid_of s)" listening 6 9 int 6 23 int 1 15 int \
		41 26 int
	printf '%s\n' 7 9 1 0 | expect_same got -
	stop s
	need ipv6
	listen_sockcat s --sockopt v6only :: 0
	read_options "$(pid_of s)" listening 41 26 int
	expect_text got $'1\n'
	stop s
	listen_sockcat s --sockopt v6only=no :: 0
	echo hello | sc 127.0.0.1 "$port"
	finish s
	expect_text out $'hello\n'
}

@test "options that the kernel changes again are set all the same" {
	need strace
	need_plain_build
	listen_sockcat s 127.0.0.1 0
	traced --sockopt quickack=no --sockopt incoming-cpu=1 \
		127.0.0.1 "$port"
	expect_status 0
	expect_match calls 'TCP_QUICKACK, \[0\].* = 0'
	expect_match calls 'SO_INCOMING_CPU, \[1\].* = 0'
	# After connecting: before it has no effect.
	grep -oE 'connect\(|QUICKACK' calls | tail -n 1 | grep QUICKACK
	finish s
	traced -l --accept-timeout 0 --sockopt fastopen-no-cookie \
		--sockopt incoming-cpu=1 127.0.0.1 0
	expect_match calls 'FASTOPEN_NO_COOKIE|0x22.*\[1\].* = 0'
	expect_match calls 'SO_INCOMING_CPU, \[1\].* = 0'
	# Whether this kernel has it or not.
	traced --sockopt tx-delay=5 127.0.0.1 1
	expect_match calls '(TCP_TX_DELAY|0x25).*\[5\]'
}

@test "quickack and priority are set on what was accepted" {
	need strace
	need_plain_build
	start s strace -f -e trace=setsockopt,accept,accept4 -o calls \
		"$SOCKCAT" -l --sockopt quickack=no --sockopt priority=4 \
		--port-file file 127.0.0.1 0
	wait_for_file file
	try sc 127.0.0.1 "$(cat file)"
	finish s
	sed -n '/accept.* = [0-9]/,$p' calls >after
	expect_match after 'TCP_QUICKACK, \[0\].* = 0'
	expect_match after 'SO_PRIORITY, \[4\].* = 0'
}

@test "each option that is listed has its test here" {
	try sc --list-sockopts
	expect_status 0
	sed -n '2,/^$/s/ .*//p' out | sort >listed
	[ "$(wc -l <listed)" -gt 40 ]
	{
		inet_rows
		inet6_rows
		unix_rows
		root_rows
		new_rows
		elsewhere
	} | sed 's/ .*//' | sort -u >tested
	diff listed tested
}

@test "--list-sockopts lists what --sockopt takes, and nothing else" {
	local name
	try sc --list-sockopts
	sed -n '2,/^$/s/ .*//p' out >listed
	while read -r name; do
		try sc --sockopt "$name=?" 127.0.0.1 1
		[ "$(grep -c 'no such socket option' err)" = 0 ]
	done <listed
	# The letters' names are options of their own; the table has them all.
	for name in tos ttl min-ttl rcvbuf sndbuf debug; do
		grep -qx "$name" listed
	done
	try sc --list-sockopts 127.0.0.1 1
	expect_status 0
}

@test "-T -M -m -I -O are set on a socket that connects" {
	need ipv6
	local rows='tos - 0 1 int 16
ttl - 0 2 int 99
min-ttl - 0 21 int 5
rcvbuf - 1 8 int 60000
sndbuf - 1 7 int 80000'
	local letters=(-T lowdelay -M99 -m 5 -I 30000 -O40000)
	listen_sockcat s -4 0
	start_open c sc "${letters[@]}" 127.0.0.1 "$port"
	expect_options c "$rows"
	end_input c
	finish c
	finish s
	rm c.in
	rows+='
tos - 41 67 int 16
ttl - 41 16 int 99
min-ttl - 41 73 int 5'
	listen_sockcat s -6 0
	start_open c sc "${letters[@]}" ::1 "$port"
	expect_options c "$rows"
	end_input c
	finish c
	finish s
}

@test "-T -M -m -I -O are set on a socket that was accepted" {
	local rows='tos - 0 1 int 16
ttl - 0 2 int 99
min-ttl - 0 21 int 5
rcvbuf - 1 8 int 60000
sndbuf - 1 7 int 80000'
	# Of a dual-stack listener, too: there IPv4's count for this peer.
	local address
	for address in '-4 0' 0; do
		rm -f c.in s.in
		# shellcheck disable=SC2086 # words
		listen_open s -T 0x10 -M 99 -m5 -I30000 -O 40000 $address
		start_open c sc 127.0.0.1 "$port"
		expect_options s "$rows"
		end_input c
		end_input s
		finish c
		finish s
	done
}

@test "-I and -O are set on Unix sockets" {
	local rows='rcvbuf - 1 8 int 60000
sndbuf - 1 7 int 80000'
	listen_open s -I 30000 -O 40000 ./path
	start_open c sc -I 30000 -O 40000 ./path
	expect_options s "$rows"
	expect_options c "$rows"
	end_input c
	end_input s
	finish c
	finish s
}

@test "-D is set, by root" {
	need_root
	listen_open s -D 127.0.0.1 0
	start_open c sc -D 127.0.0.1 "$port"
	expect_options s 'debug - 1 1 int 1'
	expect_options c 'debug - 1 1 int 1'
	end_input c
	end_input s
	finish c
	finish s
}

@test "nothing is set that nobody asked for" {
	listen_sockcat s 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	expect_options c 'keepalive - 1 9 int 0
nodelay - 6 1 int 0
oobinline - 1 10 int 0
linger - 1 13 pair 0:0
reuseaddr - 1 2 int 0
reuseport - 1 15 int 0
tos - 0 1 int 0
debug - 1 1 int 0'
	end_input c
	finish c
	finish s
}

@test "keywords of -T are the numbers that the standards give them" {
	need strace
	need_plain_build
	local pair
	for pair in lowdelay:16 throughput:8 reliability:4 lowcost:2 \
		critical:160 inetcontrol:192 netcontrol:224 ef:184 EF:184 \
		af11:40 af12:48 af13:56 af21:72 af22:80 af23:88 af31:104 \
		af32:112 af33:120 af41:136 af42:144 af43:152 cs0:0 cs1:32 \
		cs6:192 cs7:224 0x20:32 255:255; do
		traced -T "${pair%:*}" 127.0.0.1 1
		grep -qE "IP_TOS, \[${pair#*:}\], 4\) = 0" calls ||
			{ echo "of: $pair"; cat calls; return 1; }
	done
}

@test "a minimum TTL keeps out what comes from further off" {
	listen_sockcat s -M 64 127.0.0.1 0
	# Its answer comes with 64.
	try sc -w 0.3 -m 65 127.0.0.1 "$port"
	expect_error 5 'timed out'
	try sc -m 64 127.0.0.1 "$port"
	expect_status 0
	finish s
}

@test "options by number, in decimal, in hexadecimal and as bytes" {
	need_root
	local form rows='nodelay - 6 1 int 1
linger - 1 13 pair 1:5'
	listen_open s --sockopt 6:1=1 \
		--sockopt 1:13=x0100000005000000 -4 0
	start_open c sc --sockopt 0x6:0x1=0x1 \
		--sockopt 1:0xd=x0100000005000000 127.0.0.1 "$port"
	expect_options s "$rows"
	expect_options c "$rows"
	end_input c
	end_input s
	finish c
	finish s
	for form in '6:1' '6=1' ':1=1' '6:=1' '6:1=' '6:1=x' '6:1=x0' \
		'6:1=xzz' '6:1=-1' '6:1=4294967296' '6:1=1 ' '99999999999:1=1'
	do
		try sc --sockopt "$form" 127.0.0.1 1
		expect_error 2 '--sockopt' || { echo "of: $form"; return 1; }
	done
	try sc --sockopt 6:9999=1 127.0.0.1 1
	expect_error 1 '--sockopt 6:9999=1.*not offered by this kernel'
}

@test "other names of the same option" {
	need strace
	need_plain_build
	local name
	for name in nodelay NODELAY TCP_NODELAY tcp_nodelay tcp-nodelay; do
		traced --sockopt "$name" 127.0.0.1 1
		expect_match calls 'TCP_NODELAY, \[1\], 4\) = 0'
	done
	for name in SO_SNDBUF sndbuf so-sndbuf; do
		traced --sockopt "$name=20000" 127.0.0.1 1
		expect_match calls 'SO_SNDBUF, \[20000\], 4\) = 0'
	done
}

@test "a switch is yes, on, 1, no, off or 0, and yes without a value" {
	need strace
	need_plain_build
	local value
	for value in '' =yes =on =1 =YES; do
		traced --sockopt "nodelay$value" 127.0.0.1 1
		expect_match calls 'TCP_NODELAY, \[1\], 4\) = 0'
	done
	for value in =no =off =0; do
		traced --sockopt "nodelay$value" 127.0.0.1 1
		expect_match calls 'TCP_NODELAY, \[0\], 4\) = 0'
	done
}

@test "the last of two that are the same counts" {
	listen_sockcat s -4 0
	start_open c sc --sockopt ttl=5 -M 6 --sockopt ttl=7 \
		127.0.0.1 "$port"
	expect_options c 'ttl - 0 2 int 7'
	end_input c
	finish c
	finish s
}

@test "bad values are mistakes" {
	local text
	for text in nodelay=2 nodelay=maybe mss=x mss=87 mss=32768 mss \
		keepalive-idle=0 keepalive-idle=32768 keepalive-idle=1.5 \
		keepalive-count=128 linger=-1 linger=x rcvbuf=x rcvbuf=-1 \
		rcvbuf=4G rcvlowat=0 tos=256 tos=none ttl=0 ttl=256 \
		min-ttl=256 congestion= \
		congestion=0123456789abcdef interface= \
		interface=0123456789abcdef user-timeout=1h1 \
		mtu-discover=6 priority=-1 mark=4294967296 syncnt=0 \
		pacing-rate=0 rcvtimeo=x rcvtimeo=-1 rto-max=1; do
		try sc --sockopt "$text" 127.0.0.1 1
		expect_error 2 "--sockopt $text" ||
			{ echo "of: $text"; return 1; }
		try sc -l --sockopt "$text" 0
		expect_error 2 "--sockopt $text"
	done
	for text in '-T 256' '-T x' '-M 0' '-M 256' '-m 256' '-m x' '-I x' \
		'-O -5' '-I 4G'; do
		# shellcheck disable=SC2086 # words
		try sc $text 127.0.0.1 1
		expect_error 2 "${text% *}" || { echo "of: $text"; return 1; }
	done
}

@test "options of other sockets are mistakes" {
	local text
	for text in broadcast multicast-ttl=1 no-check; do
		try sc --sockopt "$text" 127.0.0.1 1
		expect_error 2 "--sockopt $text: not an option of inet stream"
		try sc -l --sockopt "$text" 0
		expect_error 2 "--sockopt $text: not an option of inet stream"
	done
	for text in nodelay keepalive ttl=5; do
		try sc --sockopt "$text" ./missing
		expect_error 2 "--sockopt $text: not an option of unix stream"
		try sc -l --sockopt "$text" ./path
		expect_error 2 "--sockopt $text: not an option of unix stream"
		[ ! -e path ]
	done
	try sc --sockopt v6only -4 127.0.0.1 1
	expect_error 2 '--sockopt v6only: not an option of inet stream'
	try sc -T 1 ./missing
	expect_error 2 '--tos 1: not an option of unix stream'
}

@test "what the kernel refuses is told, with the option" {
	try sc --sockopt congestion=no-such 127.0.0.1 1
	expect_error 3 '--sockopt congestion=no-such: setting TCP_CONGESTION'
	try sc -l --sockopt congestion=no-such 0
	expect_error 3 '--sockopt congestion=no-such: setting TCP_CONGESTION'
}

@test "an option that fails on each address is told once" {
	make_netns
	netns_etc hosts <<<$'127.0.0.1 me\n127.0.0.2 me\n::1 me'
	try in_netns sc --sockopt interface=no-such-if me 80
	expect_error 3 '--sockopt interface=no-such-if: .*No such device'
}
