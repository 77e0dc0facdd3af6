#!/usr/bin/env bats
# Listening: where, how it is told, who holds an address that is taken, and
# what becomes of clients after the first.

load helpers

# A TCP listener of python3's with the socket options given, as `p`; $port.
python_listener() {
	serve p "$PYTHON" -c 'import socket, sys
s = socket.socket(int(sys.argv[1]))
for option in sys.argv[3:]:
    s.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
s.bind((sys.argv[2], 0))
s.listen()
s.accept()' "$@"
}

# The end of a message about what NAME holds.
held_by() {
	echo "\(held by $(cat "/proc/$(pid_of "$1")/comm"), process\
 $(pid_of "$1")\)\$"
}

# expect_refusing HOST: nothing listens on $port of HOST.
expect_refusing() {
	try sc "$1" "$port"
	expect_error 4 'Connection refused'
}

@test "-p, an address, both and neither" {
	need ipv6
	local form
	for form in '0 ::' ':0 ::' '-p 0 ::' '-p 0 127.0.0.1 127.0.0.1' \
		'127.0.0.1 0 127.0.0.1' '127.0.0.1:0 127.0.0.1' \
		'tcp:127.0.0.1:0 127.0.0.1' '-p 0 ::1 ::1' '::1 0 ::1' \
		'[::1]:0 ::1' '[::1] 0 ::1' '-s ::1 0 ::1' '-s ::1 -p 0 ::1' \
		'-4 -p 0 0.0.0.0' '-6 0 ::'; do
		# shellcheck disable=SC2086 # words
		listen_sockcat s -v ${form% *}
		sed -n 1p s.err >first
		expect_text first "Listening on ${form##* } $port"$'\n'
		stop s
	done
}

@test "without an address it is told that both families are heard" {
	need ipv6
	listen_sockcat s -v 0
	stop s
	printf 'Listening on %s\n' ":: $port" "0.0.0.0 $port" |
		expect_same - err
}

@test "IPv6 and IPv4 have the same port, and IPv4 is shown as IPv4" {
	need ipv6
	local host
	for host in 127.0.0.1 ::1; do
		listen_sockcat s -v 0
		echo hello | sc "$host" "$port"
		finish s
		expect_text out $'hello\n'
		expect_match err "^Connection received on $host [0-9]+\$"
		[ "$(grep -c ffff err)" = 0 ]
	done
}

@test "-4 listens on IPv4 alone" {
	need ipv6
	listen_sockcat s -v -4 0
	expect_refusing ::1
	stop s
	expect_text err "Listening on 0.0.0.0 $port"$'\n'
}

@test "-6 listens on IPv6 alone" {
	need ipv6
	listen_sockcat s -v -6 0
	expect_refusing 127.0.0.1
	stop s
	expect_text err "Listening on :: $port"$'\n'
}

@test "-4 and -6 leave the port to a listener of the other family" {
	need ipv6
	listen_sockcat four -4 0
	listen_sockcat six -6 "$port"
	echo to four | sc 127.0.0.1 "$port"
	finish four
	expect_text out $'to four\n'
	echo to six | sc ::1 "$port"
	finish six
	expect_text out $'to six\n'
}

@test "an address hears what is meant for it alone" {
	listen_sockcat s 127.0.0.2 0
	expect_refusing 127.0.0.1
	echo hello | sc 127.0.0.2 "$port"
	finish s
	expect_text out $'hello\n'
}

@test "a listener tells by -v who came, with the port" {
	listen_sockcat s -v 127.0.0.1 0
	start_open c sc -v 127.0.0.1 "$port"
	wait_for_text c.err succeeded
	wait_for_text s.err 'Connection received on'
	local from
	from=$(sockets_of "$(pid_of c)" 01 | awk '{ sub(/.*:/, "", $2); print $2 }')
	expect_match s.err "^Connection received on 127.0.0.1 $((16#$from))\$"
	end_input c
	finish c
	finish s
}

@test "nothing is told without -v" {
	listen_sockcat s 0
	echo hello | sc 127.0.0.1 "$port"
	finish s
	expect_text err ''
}

@test "a host without IPv6 is listened on by IPv4" {
	make_netns
	in_netns sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
	start s in_netns sc -l -v --port-file file 8000
	wait_for_file file
	echo hello | in_netns sc 127.0.0.1 8000
	finish s
	expect_text out $'hello\n'
}

@test "every address of a name is listened on, with one port" {
	make_netns
	netns_etc hosts <<-'HOSTS'
		127.0.0.1 me
		127.0.0.2 me
		::1 me
	HOSTS
	local host
	for host in 127.0.0.1 127.0.0.2 ::1; do
		rm -f file
		start s in_netns sc -l -v --port-file file me 0
		wait_for_file file
		echo hello | in_netns sc "$host" "$(cat file)"
		finish s
		expect_text out $'hello\n'
		[ "$(grep -c "^Listening on .* $(cat file)\$" err)" = 3 ]
	done
}

@test "an address of the name that is not here is passed over" {
	make_netns
	netns_etc hosts <<<$'192.0.2.5 me\n127.0.0.1 me'
	start s in_netns sc -l -v --port-file file me 8000
	wait_for_file file
	stop s
	expect_match err '^Not listening on 192.0.2.5 8000: Cannot assign'
	expect_match err '^Listening on 127.0.0.1 8000$'
	netns_etc hosts <<<'192.0.2.5 me'
	try in_netns sc -l me 8000
	expect_error 7 '192.0.2.5 port 8000 .*Cannot assign requested address'
}

@test "an address in use names its holder" {
	need_linux_build
	listen_sockcat s 127.0.0.1 0
	try sc -l 127.0.0.1 "$port"
	expect_error 7 "listen on 127.0.0.1 port $port failed:\
 Address already in use $(held_by s)"
	try sc -l -4 "$port"
	expect_error 7 "0.0.0.0 port $port .*$(held_by s)"
	try sc -l "$port"
	expect_error 7 "port $port .*$(held_by s)"
	stop s
}

@test "an address in use names a holder on both families" {
	need_linux_build
	need ipv6
	listen_sockcat s 0
	try sc -l 127.0.0.1 "$port"
	expect_error 7 "Address already in use $(held_by s)"
	try sc -l ::1 "$port"
	expect_error 7 "Address already in use $(held_by s)"
	try sc -l "$port"
	expect_error 7 "Address already in use $(held_by s)"
	stop s
}

@test "an address in use names another program" {
	need python3
	need_linux_build
	python_listener 2 127.0.0.1
	try sc -l 127.0.0.1 "$port"
	expect_error 7 "\(held by python3[0-9.]*, process $(pid_of p)\)"
	stop p
}

@test "a name that a program chose for itself cannot forge a message" {
	need_linux_build
	need python3
	serve p "$PYTHON" -c 'import socket
open("/proc/self/comm", "w").write("x\nsockcat: y\033[2J")
s = socket.create_server(("127.0.0.1", 0))
s.accept()'
	try sc -l 127.0.0.1 "$port"
	expect_error 7 'held by x\\x0Asockcat: y\\x1B'
	stop p
}

@test "the holder of an address is not looked for beyond what one may see" {
	need_linux_build
	make_public
	listen_sockcat s 127.0.0.1 0
	try as_nobody sc -l 127.0.0.1 "$port"
	expect_error 7 'Address already in use$'
	stop s
}

@test "a second listener never shares a port" {
	need nc.openbsd
	listen_sockcat s 0
	try sc -l "$port"
	expect_error 7 'Address already in use'
	try nc.openbsd -l "$port"
	[ "$status" != 0 ]
	echo hello | sc 127.0.0.1 "$port"
	finish s
	expect_text out $'hello\n'
}

@test "a port that another would share is not shared either" {
	need python3
	python_listener 2 127.0.0.1 SO_REUSEPORT SO_REUSEADDR
	try sc -l 127.0.0.1 "$port"
	expect_error 7 'Address already in use'
	stop p
}

@test "a port is shared on request" {
	need_linux_build
	listen_sockcat one --sockopt reuseport 127.0.0.1 0
	listen_sockcat two --sockopt reuseport 127.0.0.1 "$port"
	stop one
	echo hello | sc 127.0.0.1 "$port"
	finish two
	expect_text out $'hello\n'
}

in_time_wait() {
	grep -q ": 0100007F:$(printf %04X "$1") .* 06 " /proc/net/tcp
}

@test "a port can be listened on again at once" {
	local again
	listen_sockcat s -q 0 127.0.0.1 0 < <(echo bye)
	try sc -d 127.0.0.1 "$port"
	expect_text out $'bye\n'
	finish s
	expect_status 0
	# The listener closed first: its port is left in TIME_WAIT.
	[ "$(uname)" != Linux ] || in_time_wait "$port"
	again=$port
	listen_sockcat s 127.0.0.1 "$again"
	[ "$port" = "$again" ]
	echo hello | sc 127.0.0.1 "$port"
	finish s
	expect_text out $'hello\n'
}

@test "a second client is refused at once after the first was accepted" {
	listen_open s -v 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text s.err 'Connection received'
	expect_refusing 127.0.0.1
	say c hello
	wait_for_text s.out hello
	end_input c
	end_input s
	finish c
	expect_status 0
	finish s
	expect_status 0
	[ "$(grep -c 'Connection received' err)" = 1 ]
}

@test "the port of a running session can be listened on by another" {
	listen_open s -v 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text s.err 'Connection received'
	listen_sockcat next 127.0.0.1 "$port"
	echo hello | sc 127.0.0.1 "$port"
	finish next
	expect_text out $'hello\n'
	end_input c
	end_input s
	finish c
	finish s
}

# The backlog that the listener on $port has, as the kernel tells.
backlog_of_port() {
	ss -Hltn "sport = :$port" | awk '{ print $3 }'
}

@test "--backlog is what the kernel is told" {
	need ss
	local size
	for size in 0 1 7 100; do
		listen_sockcat s --backlog "$size" 127.0.0.1 0
		[ "$(backlog_of_port)" = "$size" ]
		stop s
	done
}

@test "the backlog is the system's maximum by default" {
	need ss
	[ -r /proc/sys/net/core/somaxconn ] || skip somaxconn
	listen_sockcat s 127.0.0.1 0
	[ "$(backlog_of_port)" = "$(cat /proc/sys/net/core/somaxconn)" ]
	stop s
}

@test "--accept-timeout gives up waiting" {
	try sc -l --accept-timeout 0.2 127.0.0.1 0
	expect_error 5 'accept-timeout'
	try sc -l --accept-timeout 200ms ./path
	expect_error 5 'accept-timeout'
	[ ! -e path ]
}

@test "--accept-timeout does not limit the connection" {
	listen_open s -v --accept-timeout 1 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text s.err 'Connection received'
	# Longer than it would have waited.
	try sc -l --accept-timeout 1.2 127.0.0.1 0
	is_running s
	end_input c
	end_input s
	finish c
	finish s
	expect_status 0
}

@test "-w does not limit waiting for a client" {
	listen_sockcat s -w 0.2 127.0.0.1 0
	try sc -l --accept-timeout 0.5 127.0.0.1 0
	is_running s
	echo hello | sc 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "--max-time limits waiting for a client" {
	try sc -l --max-time 0.2 127.0.0.1 0
	expect_error 5 'max-time'
}

@test "--port-file has the port and nothing else" {
	listen_sockcat s -v -p 0
	expect_match s.err " $port\$"
	expect_text s.port "$port"$'\n'
	stop s
}

@test "--port-file has the path of a Unix socket" {
	listen_sockcat s ./path
	expect_text s.port $'./path\n'
	stop s
	need_linux_build
	listen_sockcat s -U "@sockcat-test-$$"
	expect_text s.port "@sockcat-test-$$"$'\n'
	stop s
}

@test "--port-file appears whole, and leaves no other file" {
	umask 027
	echo before >file
	ln file other-name
	mkdir d
	start s sc -l --port-file file 127.0.0.1 0
	start t sc -l --port-file d/file 127.0.0.1 0
	wait_for_text file '^[0-9]+$'
	wait_for_file d/file
	# What stood there was replaced, not written over.
	expect_text other-name $'before\n'
	[ "$(stat -c %a file)" = 640 ]
	[ "$(ls -A d)" = file ]
	local name
	for name in .sockcat-*; do
		[ ! -e "$name" ]
	done
	stop s
	stop t
	[ -s file ]
}

@test "--port-file is there only once the port listens" {
	need strace
	need_plain_build
	try strace -f -o calls -e trace=listen,openat,rename,renameat,link \
		"$SOCKCAT" -l --accept-timeout 0 --port-file file 127.0.0.1 0
	grep -nE 'listen\(|file"' calls >order
	sed -n 1p order | grep 'listen('
	sed -n 2p order | grep -E 'rename.*"file"'
	[ "$(wc -l <order)" = 2 ]
}

@test "--port-file is not left behind where listening fails" {
	listen_sockcat s 127.0.0.1 0
	try sc -l --port-file file 127.0.0.1 "$port"
	expect_error 7 'in use'
	try sc -l --port-file file 192.0.2.1 0
	expect_error 7 'Cannot assign'
	mkdir path
	try sc -l --port-file file ./path
	expect_status 7
	try sc -l --port-file file --sockopt 6:9999=1 0
	expect_status 1
	[ ! -e file ]
	[ -z "$(find . -name '.sockcat-*')" ]
	stop s
}

@test "--port-file that cannot be written ends it, and nothing stays" {
	try sc -l --port-file missing/file 127.0.0.1 0
	expect_error 1 'missing/file.*No such file or directory'
	try sc -l --port-file missing/file ./path
	expect_error 1 'missing/file'
	[ ! -e path ]
	[ -e /dev/full ] || skip /dev/full
	try sc -l --port-file /dev/full 127.0.0.1 0
	expect_error 1 '/dev/full.*No space left on device'
	[ -c /dev/full ]
}

@test "--port-file to a pipe or a descriptor" {
	mkfifo pipe
	start s sc -l --port-file pipe 127.0.0.1 0
	head -n 1 pipe >copy
	echo hello | sc 127.0.0.1 "$(cat copy)"
	finish s
	expect_text out $'hello\n'
	[ -p pipe ]
	start s bash -c 'exec "$SOCKCAT" -l --port-file /dev/fd/9 127.0.0.1 0 \
		9>port'
	wait_for_file port
	echo hello | sc 127.0.0.1 "$(cat port)"
	finish s
	expect_text out $'hello\n'
}

@test "a signal as soon as it is ready, or while nobody reads that" {
	need strace
	need_linux_build
	need_plain_build
	# The moment between the two, made long.
	start s strace -D -qq -o calls -e trace=rename \
		-e inject=rename:delay_exit=300000 "$SOCKCAT" -l \
		--port-file port ./s
	wait_for_file port
	stop s
	expect_status 143
	[ ! -e s ]
	mkfifo pipe
	start s sc -l --port-file pipe ./s
	wait_until test -S s
	stop s
	expect_status 143
	[ ! -e s ]
	# A pipe that has no room is waited for the same way.
	start s "$PYTHON" -c 'import os, sys
inner, outer = os.pipe()
os.set_blocking(outer, False)
try:
    while True:
        os.write(outer, bytes(4096))
except BlockingIOError:
    os.set_blocking(outer, True)
os.set_inheritable(inner, True)
os.dup2(outer, 9)
os.execv(sys.argv[1], sys.argv[1:])' "$SOCKCAT" -l --ready-fd 9 ./s
	wait_until test -S s
	stop s
	expect_status 143
	[ ! -e s ]
	try sc -l --max-time 0.1 --port-file pipe 127.0.0.1 0
	expect_error 5 '--max-time ran out'
}

out_of_descriptors() {
	grep -q '^sockcat: accept failed: Too many open files' s.err
}

@test "too few descriptors for a client are waited out" {
	need prlimit
	need_plain_build
	listen_sockcat s 127.0.0.1 0
	local pid count
	pid=$(pid_of s)
	count=$(find "/proc/$pid/fd" -type l | wc -l)
	prlimit --pid "$pid" --nofile="$count:1024"
	start c sc 127.0.0.1 "$port" < <(echo hello)
	wait_until out_of_descriptors
	prlimit --pid "$pid" --nofile=1024:1024
	finish c
	expect_status 0
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "a client that was gone before it was accepted ends nothing badly" {
	need python3
	listen_sockcat s 127.0.0.1 0
	kill -STOP "$(pid_of s)"
	"$PYTHON" -c 'import socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"hello\n")
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))' \
		"$port"
	kill -CONT "$(pid_of s)"
	finish s
	# Linux hands out the connection all the same, and then its reset.
	expect_status 9
	expect_match err '^sockcat: .*reset'
	expect_text out $'hello\n'
}
