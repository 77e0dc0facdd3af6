#!/usr/bin/env bats
# Programs as the local side: -e, -c

load helpers
load puppet

crowd() {
	"$PYTHON" "$TESTS/peers/crowd.py" "$@"
}

# Open sockets, pipes and files; what the event loop itself has is its own.
descriptors() {
	find "/proc/$(pid_of "$1")/fd" -type l ! -lname 'anon_inode:*' | wc -l
}

has_descriptors() {
	[ "$(descriptors "$1")" = "$2" ]
}

children() {
	pgrep -c -P "$(pid_of "$1")" || :
}

# Zombies are children, too.
has_children() {
	[ "$(children "$1")" = "$2" ]
}

ended() {
	! kill -0 "$1" 2>err
}

# program NAME: standard input becomes an executable script.
program() {
	cat >"$1"
	chmod +x "$1"
}

# The value of variable NAME in ./env
value() {
	sed -n "s/^$1=//p" env
}

@test "-e: the socket is the program's input and output, over TCP and Unix" {
	listen_sockcat s -e cat 127.0.0.1 0
	try sc 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'hello\n'
	finish s
	expect_status 0
	expect_text err ''
	listen_sockcat s -e cat ./path
	try sc ./path <<<hello
	expect_status 0
	expect_text out $'hello\n'
	finish s
	expect_status 0
	expect_text err ''
	[ ! -e path ]
}

@test "-c: a command of the shell's" {
	listen_sockcat s -c 'read a; echo "$a" | tr a-z A-Z; echo $0' \
		127.0.0.1 0
	try sc 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'HELLO\nsh\n'
	finish s
	expect_status 0
}

@test "a client's program" {
	listen_sockcat s 127.0.0.1 0 < <(echo question)
	try sc -c 'read a; echo "to $a: answer"' 127.0.0.1 "$port"
	expect_status 0
	expect_text out ''
	finish s
	expect_status 0
	expect_text out $'to question: answer\n'
	listen_sockcat s ./path < <(echo question)
	try sc -e 'sh -c "read a; echo \"to $a: answer\""' ./path
	expect_status 0
	finish s
	expect_text out $'to question: answer\n'
}

@test "seqpackets: a read is a message, and so is a write" {
	listen_sockcat s --seqpacket -e cat ./path
	printf 'one\nlonger than it\nthree\n' >there
	try sc --seqpacket --lines ./path <there
	expect_status 0
	expect_same out there
	finish s
	expect_status 0
	listen_open s --seqpacket --lines ./path
	start c sc --seqpacket -e cat ./path
	say s one 'longer than it' three
	wait_for_text s.out three
	end_input s
	finish s
	expect_status 0
	expect_same out there
	finish c
	expect_status 0
}

@test "a datagram client's program" {
	start_open s sc -ul --lines --port-file s.port 127.0.0.1 0
	wait_for_file s.port
	start c sc -u -c 'echo question; head -c 6 >got; exit 3' \
		127.0.0.1 "$(<s.port)"
	wait_for_text s.out question
	say s answer
	finish c
	expect_status 3
	expect_text got answer
	stop s
}

@test "the environment says who is there: TCP" {
	local mine
	listen_sockcat s -c env 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	cp out env
	[ "$(value PROTO)" = TCP ]
	[ "$(value TCPREMOTEIP)" = 127.0.0.1 ]
	[ "$(value TCPLOCALIP)" = 127.0.0.1 ]
	[ "$(value TCPLOCALPORT)" = "$port" ]
	mine=$(value TCPREMOTEPORT)
	[ "$mine" -gt 0 ]
	[ "$(value NCAT_PROTO)" = TCP ]
	[ "$(value NCAT_REMOTE_ADDR)" = 127.0.0.1 ]
	[ "$(value NCAT_REMOTE_PORT)" = "$mine" ]
	[ "$(value NCAT_LOCAL_ADDR)" = 127.0.0.1 ]
	[ "$(value NCAT_LOCAL_PORT)" = "$port" ]
}

@test "the environment says who is there: IPv6, and IPv4 as such" {
	need ipv6
	listen_sockcat s -c env 0
	try sc ::1 "$port"
	cp out env
	[ "$(value TCPREMOTEIP)" = ::1 ]
	[ "$(value TCPLOCALIP)" = ::1 ]
	[ "$(value NCAT_LOCAL_ADDR)" = ::1 ]
	listen_sockcat s2 -c env 0
	try sc 127.0.0.1 "$port"
	cp out env
	[ "$(value TCPREMOTEIP)" = 127.0.0.1 ]
	[ "$(value TCPLOCALIP)" = 127.0.0.1 ]
	[ "$(value NCAT_REMOTE_ADDR)" = 127.0.0.1 ]
}

@test "the environment says who is there: a client's peer, over TCP and UDP" {
	listen_sockcat s 127.0.0.1 0
	try sc -c 'env >env' 127.0.0.1 "$port"
	[ "$(value TCPREMOTEPORT)" = "$port" ]
	[ "$(value TCPREMOTEIP)" = 127.0.0.1 ]
	start u sc -ul --port-file u.port 127.0.0.1 0
	wait_for_file u.port
	try sc -u -c 'env >env' 127.0.0.1 "$(<u.port)"
	[ "$(value PROTO)" = UDP ]
	[ "$(value UDPREMOTEPORT)" = "$(<u.port)" ]
	[ "$(value UDPREMOTEIP)" = 127.0.0.1 ]
	[ "$(value UDPLOCALPORT)" -gt 0 ]
	[ "$(value NCAT_PROTO)" = UDP ]
	run ! grep ^TCP env
}

@test "the environment says who is there: Unix" {
	need_linux_build
	need_root
	need setpriv
	listen_sockcat s -c env --unix-mode 666 ./path
	start c setpriv --reuid 65534 --regid 65533 --clear-groups \
		"$SOCKCAT" -d ./path
	local pid
	pid=$(pid_of c)
	finish c
	cp out env
	[ "$(value PROTO)" = UNIX ]
	[ "$(value UNIXLOCALPATH)" = ./path ]
	[ "$(value UNIXREMOTEPID)" = "$pid" ]
	[ "$(value UNIXREMOTEEUID)" = 65534 ]
	[ "$(value UNIXREMOTEEGID)" = 65533 ]
	[ "$(value NCAT_PROTO)" = UNIX ]
	[ "$(value NCAT_LOCAL_ADDR)" = ./path ]
	run ! grep UNIXREMOTEPATH env
	listen_sockcat s2 -c env ./path
	try sc -s ./mine ./path
	cp out env
	[ "$(value UNIXREMOTEPATH)" = ./mine ]
}

@test "the environment has nothing of another connection, or of ours" {
	export LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=x
	export NOTIFY_SOCKET=/nowhere/notify
	export TCPREMOTEHOST=forged TCPREMOTEINFO=forged UNIXREMOTEEUID=0
	export LISTEN_ADDRESS=mine
	listen_sockcat s -c env 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	run ! grep -E '^(LISTEN_(FD|PID)|NOTIFY)|forged|UNIX' out
	expect_match out '^LISTEN_ADDRESS=mine$'
	expect_match out "^SOCKCAT_TEST_ID=$SOCKCAT_TEST_ID$"
}

@test "tcpserver's names" {
	need tcpserver
	serve t tcpserver -q -R -H -l 0 127.0.0.1 0 env
	try sc -d 127.0.0.1 "$port"
	grep -oE '^(TCP|PROTO)[A-Z]*' out | grep -v LOCALHOST | sort >theirs
	listen_sockcat s -e env 127.0.0.1 0
	try sc -d 127.0.0.1 "$port"
	grep -oE '^(TCP|PROTO)[A-Z]*' out | sort | expect_same - theirs
}

with_descriptors() {
	exec 5</dev/null 9</dev/null 200</dev/null
	exec "$SOCKCAT" "$@"
}

@test "the program has its socket, our standard error, and nothing else" {
	local option
	for option in -4 -C; do
		rm -f s.port
		start s with_descriptors -l "$option" --port-file s.port -c \
			'ls -l /proc/$$/fd; echo told >&2' 127.0.0.1 0
		wait_for_file s.port
		try sc 127.0.0.1 "$(<s.port)"
		expect_match out ' 0 -> socket:'
		expect_match out ' 1 -> socket:'
		expect_match out " 2 -> $PWD/s.err"
		[ "$(grep -c -e '->' out)" = 3 ]
		finish s
		expect_status 0
		expect_text err $'told\n'
	done
}

ignoring() {
	trap '' HUP PIPE CHLD USR1 TERM
	exec "$SOCKCAT" "$@"
}

@test "the program has default signals, no mask, and a socket that blocks" {
	local option mask
	for option in -4 -C; do
		rm -f s.port
		start s ignoring -l "$option" --port-file s.port -e 'grep -E
			"^Sig(Ign|Blk)|^flags" /proc/self/status
			/proc/self/fdinfo/0' 127.0.0.1 0
		wait_for_file s.port
		try sc 127.0.0.1 "$(<s.port)"
		tr -d '\r' <out >got
		finish s
		expect_status 0
		expect_match got SigIgn
		# Two that the C library has for itself may be ignored.
		mask=$(sed -n 's/.*SigIgn:[[:space:]]*//p' got)
		[ $((0x$mask & ~0x180000000)) = 0 ]
		mask=$(sed -n 's/.*SigBlk:[[:space:]]*//p' got)
		[ $((0x$mask)) = 0 ]
		mask=$(sed -n 's/.*flags:[[:space:]]*//p' got)
		[ $((mask & 04000)) = 0 ]
	done
}

@test "the program leads a process group of its own" {
	listen_sockcat s -c 'cut -d" " -f 1,5 /proc/$$/stat; cat' 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text c.out '[0-9] [0-9]'
	read -r pid group <c.out
	[ "$pid" = "$group" ]
	end_input c
	finish c
}

@test "the program's own status" {
	listen_sockcat s -c 'exit 7' 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	finish s
	expect_status 7
	expect_text err ''
	listen_sockcat s -e false ./path
	try sc ./path
	finish s
	expect_status 1
	listen_sockcat s 127.0.0.1 0
	try sc -c 'exit 42' 127.0.0.1 "$port"
	expect_status 42
	finish s
	listen_sockcat s -C -c 'exit 9' 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	finish s
	expect_status 9
}

@test "128 and the signal that killed the program" {
	local name
	for name in KILL TERM SEGV; do
		listen_sockcat s -c "kill -$name \$\$" 127.0.0.1 0
		try sc 127.0.0.1 "$port"
		finish s
		expect_status $((128 + $(kill -l "$name")))
		expect_text err ''
	done
}

# refused STATUS REGEX ARG...: told before anything listens.
refused() {
	local expected=$1 regex=$2
	shift 2
	rm -f s.port
	try "$@" -l --port-file s.port 127.0.0.1 0
	expect_error "$expected" "$regex"
	[ ! -e s.port ]
}

without_path() {
	unset PATH
	exec "$SOCKCAT" "$@"
}

@test "a program that cannot be started is told before the first client" {
	mkdir directory
	echo text >plain
	refused 3 'run no-such-program failed: not found on PATH' \
		sc -e 'no-such-program now'
	refused 3 'run ./none failed: No such file' sc -e ./none
	refused 3 'run plain/cat failed: Not a directory' sc -e plain/cat
	refused 8 'run ./plain failed: Permission denied' sc -e ./plain
	refused 8 'run ./directory failed: Is a directory' sc -e ./directory
	PATH=$PWD:$PATH refused 8 'run plain failed: Permission denied' \
		sc -e plain
	refused 2 'quote that is not closed' sc -e "echo 'open"
	refused 2 'quote that is not closed' sc -e 'echo "open'
	refused 2 'names no program' sc -e " '' x"
	refused 2 'names no command' sc -c ' '
}

@test "a client's program that cannot be started is told before connecting" {
	try sc -e no-such-program 127.0.0.1 1
	expect_error 3 'not found on PATH'
}

@test "a program is looked for on PATH, once" {
	mkdir one two
	program one/hello <<<$'#!/bin/sh\necho one'
	program two/hello <<<$'#!/bin/sh\necho two'
	chmod -x one/hello
	PATH=$PWD/one:$PWD/two:$PATH
	listen_sockcat s -k -e hello 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_text out $'two\n'
	chmod +x one/hello
	try sc 127.0.0.1 "$port"
	expect_text out $'two\n'
	cd one
	listen_sockcat s2 -e ../two/hello 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_text out $'two\n'
	PATH=:$PATH listen_sockcat s3 -e hello 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_text out $'one\n'
	start s4 without_path -l --port-file s4.port -e 'echo here' 127.0.0.1 0
	wait_for_file s4.port
	try sc 127.0.0.1 "$(<s4.port)"
	expect_text out $'here\n'
}

@test "a program that turns out not to start is told; the server goes on" {
	program gone <<<$'#!/no/such/interpreter'
	listen_sockcat s -e ./gone 127.0.0.1 0
	try sc -d 127.0.0.1 "$port"
	finish s
	expect_error 3 'run ./gone failed: No such file or directory'
	program gone <<<$'#!/bin/cat'
	listen_sockcat s -k -e ./gone 127.0.0.1 0
	chmod -x gone
	try sc -d 127.0.0.1 "$port"
	wait_for_text s.err 'run ./gone failed: Permission denied'
	chmod +x gone
	try sc -d 127.0.0.1 "$port"
	expect_text out $'#!/bin/cat\n'
	wait_until has_children s 0
}

@test "words, quotes and backslashes as the shell has them" {
	program arguments <<-'PROGRAM'
		#!/bin/sh
		printf '<%s>\n' "$@"
	PROGRAM
	words='./arguments  a\ b "c  d"'"'e  \\f'"' "g\"h\i\$x" "" '
	words+=$'\t'"j'k'\"l\" \\m n\\ *"
	eval "set -f; set -- $words; set +f"
	"$@" >expected
	listen_sockcat s -e "$words" 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_same out expected
	# As many as fit.
	listen_sockcat s2 -e "./arguments $(seq 20000 | tr '\n' ' ')" \
		127.0.0.1 0
	try sc 127.0.0.1 "$port"
	seq 20000 | sed 's/.*/<&>/' | expect_same out -
}

@test "a signal that ends us goes to the programs, and is what we die by" {
	local name
	for name in TERM INT HUP; do
		rm -f got ready
		listen_sockcat s -k -c "trap 'echo \$? >got; exit' $name
			echo ready; while :; do read -r line || sleep 0.05; done" \
			127.0.0.1 0
		start_open c sc 127.0.0.1 "$port"
		wait_for_text c.out ready
		stop s "$name"
		expect_status $((128 + $(kill -l "$name")))
		expect_text err ''
		[ -s got ]
		end_input c
		finish c
		rm c.in
	done
}

@test "a program that ignores SIGTERM is killed 2 s later" {
	local began
	listen_sockcat s -k -U -c 'trap "" TERM; echo $$; exec sleep 600' ./path
	start_open c sc ./path
	wait_for_text c.out '[0-9]'
	began=$(milliseconds)
	stop s
	expect_elapsed 2000 "$began"
	expect_status $((128 + $(kill -l TERM)))
	ended "$(<c.out)"
	[ ! -e path ]
}

@test "a program that is stopped is ended, too" {
	listen_sockcat s -c 'echo $$; exec sleep 600' 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text c.out '[0-9]'
	kill -STOP "$(<c.out)"
	stop s
	expect_status $((128 + $(kill -l TERM)))
	ended "$(<c.out)"
}

@test "a program that joins another process group is ended, too" {
	local option
	for option in -k --idle-timeout=0.3; do
		listen_sockcat s "$option" -e "$PYTHON -c 'import os, time
os.setpgid(0, os.getpgid(os.getppid()))
os.write(1, b\"%d\\n\" % os.getpid())
time.sleep(600)'" 127.0.0.1 0
		start_open c sc 127.0.0.1 "$port"
		wait_for_text c.out '[0-9]'
		if [ "$option" = -k ]; then
			stop s
			expect_status $((128 + $(kill -l TERM)))
		else
			finish s
			expect_status 5
		fi
		ended "$(<c.out)"
		end_input c
		finish c
		rm c.in
	done
}

@test "what a program left running that ignores signals is killed at the end" {
	listen_sockcat s -k -c 'trap "" TERM HUP; sleep 600 & echo $!' \
		127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text c.out '[0-9]'
	stop s
	expect_status $((128 + $(kill -l TERM)))
	wait_until gone "$(<c.out)"
}

@test "what a program leaves running still writes its last bytes" {
	need bash
	listen_sockcat s -c '(sleep 0.5; echo late) & echo soon; exit 3' \
		127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_status 0
	expect_text out $'soon\nlate\n'
	finish s
	expect_status 3
	listen_sockcat s -e "bash -c 'seq 1000 > >(sleep 0.2; cat)'" 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	seq 1000 | expect_same out -
	finish s
	expect_status 0
	listen_sockcat s -C -c '(sleep 0.5; echo late) & echo soon' 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_text out $'soon\r\nlate\r\n'
	finish s
}

@test "what a program leaves running is hung up after 2 s" {
	local began
	listen_sockcat s -k -c 'sleep 600 & echo $!' 127.0.0.1 0
	began=$(milliseconds)
	try sc 127.0.0.1 "$port"
	expect_elapsed 2000 "$began"
	expect_status 0
	wait_until ended "$(<out)"
	wait_until has_children s 0
}

@test "a daemon that left its program's group is left alone" {
	need setsid
	program daemon <<-'PROGRAM'
		#!/bin/sh
		echo $$ >pid
		exec sleep 600 >/dev/null 2>&1 </dev/null
	PROGRAM
	listen_sockcat s -k -c 'setsid -f ./daemon' 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_status 0
	wait_for_file pid
	stop s
	kill -0 "$(<pid)"
	kill "$(<pid)"
}

@test "an answer reaches a client whose input the program ignores" {
	local option
	random_bytes 10M >there
	for option in -4 -C; do
		listen_sockcat s "$option" -c 'seq 3' 127.0.0.1 0
		try sc 127.0.0.1 "$port" <there
		expect_status 0
		expect_text err ''
		tr -d '\r' <out >got
		expect_text got $'1\n2\n3\n'
		finish s
		expect_status 0
		expect_text err ''
	done
	listen_sockcat s -c 'seq 3' ./path
	try sc ./path <there
	expect_status 0
	expect_text out $'1\n2\n3\n'
}

@test "a large answer reaches a slow client that goes on sending" {
	random_bytes 3000000 >there
	listen_sockcat s -e 'cat there' 127.0.0.1 0
	puppet_connects "$port" -b 4096
	order noise 100000
	order read 1000000
	order noise 100000
	order read
	finish s
	expect_status 0
	expect_same p.out there
}

@test "300 clients in a row that half-close at once, each with its answer" {
	listen_sockcat s -k -e cat 127.0.0.1 0
	crowd "$port" half-close 300 hello >got
	expect_match got '^300 x 5 '
	listen_sockcat s2 -k -c 'echo answer' 127.0.0.1 0
	crowd "$port" half-close 300 hello >got
	expect_match got '^300 x 7 '
	listen_sockcat s3 -k -e cat ./path
	crowd ./path half-close 300 hello >got
	expect_match got '^300 x 5 '
	listen_sockcat s4 -k -C -c 'echo answer' 127.0.0.1 0
	crowd "$port" half-close 300 hello >got
	expect_match got '^300 x 8 '
	for s in s s2 s3 s4; do
		expect_text "$s.err" ''
	done
}

@test "clients that reset are their programs' affair alone" {
	local option
	for option in -4 -C; do
		listen_sockcat s -k "$option" -c 'head -c 2; echo more; cat' \
			127.0.0.1 0
		crowd "$port" reset 100 hello >got
		try sc 127.0.0.1 "$port" <<<ab
		expect_match out '^ab'
		wait_until has_children s 0
		stop s
	done
	listen_sockcat s -c 'echo ready; cat; exit 5' 127.0.0.1 0
	puppet_connects "$port"
	order read 6
	order reset
	finish s
	expect_status 5
}

@test "clients that reset while their programs write leave nothing behind" {
	local before
	listen_sockcat s -k -4 -e cat 127.0.0.1 0
	before=$(descriptors s)
	crowd "$port" overflow 10 >got
	wait_until has_children s 0
	wait_until has_descriptors s "$before"
}

@test "200 clients at once: descriptors and children before and after" {
	local before option
	for option in -4 -C; do
		listen_sockcat s -k "$option" --max-conns 300 -e cat 127.0.0.1 0
		before=$(descriptors s)
		start_open c crowd "$port" hold 200
		wait_until has_children s 200
		end_input c
		finish c
		rm c.in
		wait_until has_children s 0
		wait_until has_descriptors s "$before"
		stop s
		expect_text err ''
	done
}

@test "-C: the program's lines end in CRLF, the client's are as they are" {
	listen_sockcat s -C -c 'read a; printf "%s\na\r\nb\n" "$a"; od -c' \
		127.0.0.1 0
	printf 'one\ntwo\n\r\n' >there
	try sc 127.0.0.1 "$port" <there
	printf 'one\r\na\r\nb\r\n' >expected
	printf 'two\n\r\n' | od -c | sed 's/$/\r/' >>expected
	expect_same out expected
	finish s
	expect_status 0
	random_bytes 3000000 | tr -d '\r\n' >there
	listen_sockcat s -C -e cat 127.0.0.1 0
	try sc 127.0.0.1 "$port" <there
	expect_same out there
	finish s
	expect_status 0
}

@test "--idle-timeout ends one client's program only" {
	listen_sockcat s -k --idle-timeout 1 -c 'echo $$; exec cat' 127.0.0.1 0
	start_open lazy sc 127.0.0.1 "$port"
	wait_for_text lazy.out '[0-9]'
	start_open busy sc 127.0.0.1 "$port"
	wait_for_text busy.out '[0-9]'
	while ! ended "$(<lazy.out)"; do
		say busy hello
		sleep 0.1
	done
	kill -0 "$(head -n 1 busy.out)"
	wait_for_text s.err 'idle-timeout'
	say busy 'still here'
	wait_for_text busy.out 'still here'
	end_input busy
	finish busy
	expect_status 0
	expect_text <(wc -l <s.err) $'1\n'
}

@test "--idle-timeout and -w end a program that says nothing" {
	listen_sockcat s --idle-timeout 500ms -e 'sleep 600' 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	finish s
	expect_error 5 'nothing moved .* for the --idle-timeout'
	listen_sockcat s -w 500ms -e 'sleep 600' 127.0.0.1 0
	start_open c2 sc 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_text err ''
}

@test "--idle-timeout kills a program that does not care" {
	listen_sockcat s -k --idle-timeout 300ms -c 'trap "" TERM HUP; echo $$
		while :; do sleep 0.1; done' 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	wait_for_text c.out '[0-9]'
	wait_until has_children s 0
	wait_until ended "$(<c.out)"
}

@test "--max-time ends the program" {
	listen_sockcat s --max-time 500ms -c 'echo $$ >pid; exec sleep 600' \
		127.0.0.1 0
	try sc 127.0.0.1 "$port"
	finish s
	expect_error 5 '--max-time ran out'
	ended "$(<pid)"
}

@test "a client that does not end is waited for, but not for ever" {
	local began
	listen_sockcat s -c 'echo hello' 127.0.0.1 0
	puppet_connects "$port"
	order read 6
	began=$(milliseconds)
	finish s
	expect_status 0
	expect_text p.out $'hello\n'
	puppet_gone
	# No sooner than 2 s after the program's end, which was before `read`.
	listen_sockcat s -c 'echo hello' 127.0.0.1 0
	began=$(milliseconds)
	puppet_connects "$port"
	finish s
	expect_elapsed 2000 "$began"
	puppet_gone
	listen_sockcat s -q 0 -c 'echo hello' 127.0.0.1 0
	puppet_connects "$port"
	finish s
	expect_status 0
	order read
	expect_text p.out $'hello\n'
}

@test "started with SIGCHLD ignored" {
	start s ignoring -l --port-file s.port -c 'exit 6' 127.0.0.1 0
	wait_for_file s.port
	try sc 127.0.0.1 "$(<s.port)"
	finish s
	expect_status 6
}

@test "nc, ncat, socat, busybox and curl get their answers" {
	need nc.openbsd ncat socat busybox curl
	printf 'HTTP/1.0 200 OK\r\n\r\nhello\n' >page
	listen_sockcat s -k -c 'read -r a b; case $a in
		GET) cat page;; *) echo "$a $b";; esac' 127.0.0.1 0
	[ "$(nc.openbsd -N 127.0.0.1 "$port" <<<'one 1')" = 'one 1' ]
	[ "$(ncat 127.0.0.1 "$port" <<<'two 2')" = 'two 2' ]
	[ "$(socat - "TCP:127.0.0.1:$port" <<<'three 3')" = 'three 3' ]
	[ "$(busybox nc 127.0.0.1 "$port" <<<'four 4')" = 'four 4' ]
	[ "$(curl -sS --noproxy '*' "http://127.0.0.1:$port/")" = hello ]
	stop s
	expect_text err ''
}

@test "a socket that was handed over becomes the program's" {
	need tcpserver
	serve t tcpserver -q -R -H -l 0 127.0.0.1 0 "$SOCKCAT" fd:0 -c \
		'echo "from $TCPREMOTEIP"; cat'
	try sc 127.0.0.1 "$port" <<<hello
	expect_status 0
	expect_text out $'from 127.0.0.1\nhello\n'
}

@test "valgrind finds no error, no leak and no open descriptor" {
	need valgrind python3
	need_plain_build
	local option
	for option in -4 -C; do
		rm -f s.port
		start s valgrind --error-exitcode=99 --leak-check=full \
			--errors-for-leak-kinds=all --track-fds=yes \
			--child-silent-after-fork=yes "$SOCKCAT" -l -k \
			"$option" --port-file s.port \
			-c 'head -c 2; (sleep 0.1; echo late) & cat 2>&1' \
			127.0.0.1 0
		wait_for_file s.port
		# shellcheck disable=SC2030 # bats' tests are subshells
		port=$(<s.port)
		crowd "$port" half-close 3 hello >got
		expect_match got '^3 x 1[01] '
		crowd "$port" reset 3 hello >got
		start_open c sc 127.0.0.1 "$port"
		say c one
		wait_for_text c.out one
		stop s
		expect_status $((128 + $(kill -l TERM)))
		expect_match err 'FILE DESCRIPTORS: 3 open \(3 std\) at exit'
		expect_match err 'in use at exit: 0 bytes'
		expect_match err 'ERROR SUMMARY: 0 errors'
		end_input c
		finish c
		rm c.in
	done
}

@test "a program that cannot be started any more resets its client" {
	need python3
	local options listening
	printf '#!/bin/cat\n' >prog
	for options in '' '--idle-timeout 60'; do
		chmod 755 prog
		# shellcheck disable=SC2086
		listen_sockcat s -k $options -e ./prog 127.0.0.1 0
		# shellcheck disable=SC2031 # bats' tests are subshells
		listening=$port
		chmod 644 prog
		try "$PYTHON" -c 'import socket, sys
try: print("end", socket.create_connection(("127.0.0.1",
                                    int(sys.argv[1]))).recv(10))
except ConnectionResetError: print("reset")' "$listening"
		expect_text out $'reset\n'
		chmod 755 prog
		try sc 127.0.0.1 "$listening" < <(:)
		expect_status 0
		expect_text out $'#!/bin/cat\n'
		stop s
	done
}
