#!/usr/bin/env bats
# Whatever carries the bytes, memory or a pipe of the kernel, from whatever to
# whatever: the same bytes, the same ends, the same messages.

load helpers

# in_each_store CMD...: CMD with each --store in $store.
in_each_store() {
	for store in memory pipe auto; do
		echo "with --store $store"
		rm -f ./*.in ./*.port stuck
		"$@"
	done
}

stored() {
	sc --store "$store" "$@"
}

# A listener in $store that sends what stands in `there` and ends.
serve_there() {
	listen_sockcat s --store "$store" "$@" <there
}

# Sleeps, seen as often as not to be chance, and has used next to no time.
is_at_rest() {
	local _ state used=0
	for _ in {1..30}; do
		read -r _ _ state _ _ _ _ _ _ _ _ _ _ utime stime _ \
			<"/proc/$1/stat"
		[ "$state" = S ] || return 1
		used=$((utime + stime))
		sleep 0.02
	done
	read -r _ _ state _ _ _ _ _ _ _ _ _ _ utime stime _ <"/proc/$1/stat"
	((utime + stime - used <= 1))
}

gone_or_at_rest() {
	gone "$1" || is_at_rest "$1" 2>/dev/null
}

pairs() {
	local input output
	for input in file pipe; do
		for output in file pipe; do
			serve_"$input" "$@"
			read_"$output"
			finish s
			expect_status 0
			expect_text err ''
			expect_same got there
		done
	done
}

serve_file() { serve_there "$@"; }
serve_pipe() {
	listen_sockcat s --store "$store" "$@" < <(exec cat there)
}
client() {
	case $port in
	*/*) stored -U "$port" ;;
	*) stored 127.0.0.1 "$port" ;;
	esac
}
read_file() { client </dev/null >got; }
read_pipe() { client </dev/null | cat >got; }

@test "from files and pipes into files and pipes, over TCP" {
	random_bytes 3000000 >there
	in_each_store pairs 127.0.0.1 0
}

@test "from files and pipes into files and pipes, over a Unix socket" {
	random_bytes 3000000 >there
	in_each_store pairs -U ./path
}

both_ways() {
	serve_there 127.0.0.1 0
	stored 127.0.0.1 "$port" <back >got
	finish s
	expect_status 0
	expect_same out back
	expect_same got there
}

@test "much in both directions at once" {
	random_bytes 5000000 >there
	random_bytes 4000000 >back
	in_each_store both_ways
}

empty() {
	: >there
	serve_there 127.0.0.1 0
	try stored 127.0.0.1 "$port" </dev/null
	expect_status 0
	expect_text out ''
	finish s
	expect_status 0
	expect_text out ''
}

@test "nothing at all" {
	in_each_store empty
}

# Lengths about the sizes at which a store grows.
lengths() {
	local length
	for length in 1 16383 16384 16385 65536 262144 1048577; do
		random_bytes $length >there
		serve_there 127.0.0.1 0
		stored 127.0.0.1 "$port" </dev/null | cat >got
		expect_same got there
		finish s
	done
}

@test "lengths at which a store changes" {
	in_each_store lengths
}

append() {
	random_bytes 2000000 >there
	echo before >log
	serve_there 127.0.0.1 0
	stored -d 127.0.0.1 "$port" >>log
	finish s
	{ echo before && cat there; } >expected
	expect_same log expected
}

@test "output is appended where it was opened to append" {
	in_each_store append
}

full() {
	head -c 2000000 /dev/zero >there
	serve_there 127.0.0.1 0
	status=0
	stored -d 127.0.0.1 "$port" >/dev/full 2>err || status=$?
	: >out
	expect_error 1 'standard output.*No space left on device'
	finish s
}

@test "output that is full" {
	[ -e /dev/full ] || skip /dev/full
	in_each_store full
}

too_large() {
	random_bytes 2000000 >there
	serve_there 127.0.0.1 0
	status=0
	(ulimit -f 500 && trap '' XFSZ && stored -d 127.0.0.1 "$port" >got) \
		2>err || status=$?
	: >out
	expect_error 1 'standard output.*File too large'
	finish s
	head -c 512000 there >expected
	expect_same got expected
}

@test "output that may not become longer, up to there" {
	in_each_store too_large
}

closed() {
	head -c 2000000 /dev/zero >there
	serve_there 127.0.0.1 0
	status=0
	bash -c 'exec "$SOCKCAT" --store "$0" -d 127.0.0.1 "$1" >&-' \
		"$store" "$port" 2>err || status=$?
	: >out
	expect_error 1 'standard output'
	finish s
}

@test "output that was closed from the start" {
	in_each_store closed
}

reader_gone() {
	head -c 20000000 /dev/zero >there
	serve_there 127.0.0.1 0
	{ stored 127.0.0.1 "$port" </dev/null 2>err || echo $? >code; } |
		head -c 100000 >got
	expect_text code $'141\n'
	expect_text err ''
	has_bytes got 100000
	finish s
}

@test "the reader of the output goes in the middle" {
	in_each_store reader_gone
}

reset() {
	start_open p peer listen reset "$(printf '%0100000d' 7)"
	wait_until listening_or_gone p
	port=$(listens "$(pid_of p)")
	start_open c stored 127.0.0.1 "$port"
	wait_until has_bytes c.out 100000
	end_input p
	finish c
	expect_status 9
	expect_match err 'broke: Connection reset by peer'
	has_bytes out 100000
	finish p
	end_input c
}

has_bytes() {
	[ "$(wc -c <"$1")" -eq "$2" ]
}

@test "what came before a reset is written, and the reset told" {
	need python3
	in_each_store reset
}

# Nobody reads the output: what was read is counted when time is up.
unwritten() {
	mkfifo stuck
	exec {hold}<>stuck
	head -c 8000000 /dev/zero >there
	serve_there 127.0.0.1 0
	status=0
	stored -d --max-time 0.5 127.0.0.1 "$port" >stuck 2>err || status=$?
	: >out
	expect_error 5 '--max-time'
	exec {hold}>&-
	finish s
}

@test "time is up while nobody reads the output" {
	in_each_store unwritten
}

# Bytes that were read and not written are told, wherever they are held.
held() {
	start_open p peer listen hold
	wait_until listening_or_gone p
	port=$(listens "$(pid_of p)")
	head -c 30000000 /dev/zero >there
	try stored --max-time 0.5 127.0.0.1 "$port" <there
	expect_error 5 '--max-time.* [1-9][0-9]* bytes to .* not acknowledged'
	end_input p
	finish p
}

@test "time is up while the peer does not read" {
	need python3
	in_each_store held
}

# The output stands still; the other direction goes on, and nothing spins.
stalled() {
	mkfifo stuck
	exec {hold}<>stuck
	random_bytes 3000000 >there
	random_bytes 3000000 >back
	serve_there 127.0.0.1 0
	stored 127.0.0.1 "$port" <back >stuck &
	PIDS[c]=$!
	wait_until cmp -s s.out back
	wait_until is_at_rest "$(pid_of c)"
	exec {reader}<stuck
	exec {hold}>&-
	cat <&"$reader" >got
	exec {reader}<&-
	expect_same got there
	wait "${PIDS[c]}"
	unset "PIDS[c]"
	finish s
}

@test "a slow reader does not hold up the other direction, nor the CPU" {
	in_each_store stalled
}

# A pipe has as many slots as pages, so small pieces fill it early.
pieces() {
	mkfifo stuck
	exec {hold}<>stuck
	"$PYTHON" - >pieces.port <<-'PIECES' &
		import socket, time
		s = socket.create_server(("127.0.0.1", 0))
		print(s.getsockname()[1], flush=True)
		c = s.accept()[0]
		c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		c.sendall(b"x" * 20000)
		for i in range(400):
		    c.sendall(b"%d\n" % i)
		    time.sleep(0.0005)
	PIECES
	PIDS[p]=$!
	wait_for_file pieces.port
	stored 127.0.0.1 "$(cat pieces.port)" </dev/null >stuck &
	PIDS[c]=$!
	wait "${PIDS[p]}"
	unset "PIDS[p]"
	wait_until gone_or_at_rest "${PIDS[c]}"
	exec {reader}<stuck
	exec {hold}>&-
	cat <&"$reader" >got
	exec {reader}<&-
	wait "${PIDS[c]}"
	unset "PIDS[c]"
	tail -c +20001 got >lines
	seq 0 399 >expected
	expect_same lines expected
}

@test "many small pieces while nobody reads" {
	need python3
	in_each_store pieces
}

small_writes() {
	listen_sockcat s --store "$store" 127.0.0.1 0
	"$PYTHON" -c 'import os
for i in range(50000): os.write(1, b"%d\n" % (i + 1))' |
		stored 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_same out lines
}

@test "50,000 small writes" {
	need python3
	seq 50000 >lines
	in_each_store small_writes
}

# After much has passed a line still crosses at once.
line_after_much() {
	listen_open s --store "$store" 127.0.0.1 0
	start_open c stored 127.0.0.1 "$port"
	head -c 3000000 /dev/zero >&"${INPUTS[c]}"
	wait_until has_bytes s.out 3000000
	say c 'a line'
	wait_for_text s.out 'a line'
	head -c 3000000 /dev/zero >&"${INPUTS[s]}"
	wait_until has_bytes c.out 3000000
	say s 'another'
	wait_for_text c.out 'another'
	end_input c
	end_input s
	finish c
	expect_status 0
	finish s
	expect_status 0
}

@test "a line after much crosses at once" {
	in_each_store line_after_much
}

late_answer() {
	serve p peer listen late answer
	random_bytes 500000 >there
	try stored 127.0.0.1 "$port" <there
	expect_status 0
	expect_text out answer
	finish p
	expect_same p.out there
}

@test "the end of input is told, and the answer to it heard" {
	need python3
	in_each_store late_answer
}

# A socket for standard input or output blocks, and so it must stay.
inherited() {
	serve_there 127.0.0.1 0
	"$PYTHON" - "$SOCKCAT" --store "$store" 127.0.0.1 "$port" \
		>got <<-'INHERITED'
		import os, socket, subprocess, sys, threading
		ours, theirs = socket.socketpair()
		program = subprocess.Popen(sys.argv[1:], stdin=theirs,
		                           stdout=theirs)
		def feed():
		    ours.sendall(open("back", "rb").read())
		    ours.shutdown(socket.SHUT_WR)
		threading.Thread(target=feed).start()
		left = os.path.getsize("there")
		while left:
		    data = ours.recv(65536)
		    left -= len(data)
		    sys.stdout.buffer.write(data)
		if program.wait() or not os.get_blocking(theirs.fileno()):
		    sys.exit("blocking: %s" % os.get_blocking(theirs.fileno()))
	INHERITED
	expect_same got there
	finish s
	expect_same out back
}

@test "a socket as standard input and output" {
	need python3
	random_bytes 2000000 >there
	random_bytes 3000000 >back
	in_each_store inherited
}

flags_left() {
	serve_there 127.0.0.1 0
	"$PYTHON" - "$SOCKCAT" --store "$store" 127.0.0.1 "$port" <<-'FLAGS'
		import os, subprocess, sys
		in_r, in_w = os.pipe()
		out_r, out_w = os.pipe()
		program = subprocess.Popen(sys.argv[1:], stdin=in_r,
		                           stdout=out_w)
		left = os.path.getsize("there")
		while left:
		    left -= len(os.read(out_r, 65536))
		    if not os.get_blocking(out_w) or not os.get_blocking(in_r):
		        sys.exit("O_NONBLOCK was set")
		os.close(in_w)
		sys.exit(program.wait())
	FLAGS
	finish s
}

@test "pipes that were inherited keep their flags" {
	need python3
	random_bytes 2000000 >there
	in_each_store flags_left
}

offset() {
	listen_sockcat s 127.0.0.1 0
	{
		dd bs=1000 count=1 of=/dev/null 2>err
		stored --send-only 127.0.0.1 "$port"
		echo more >>there
		cat >rest
	} <there
	finish s
	expect_same out expected
	expect_text rest $'more\n'
	echo more >>expected
}

@test "a file is read from where it stands, and left where it ended" {
	random_bytes 3000000 >there
	tail -c +1001 there >expected
	in_each_store offset
}

@test "a sparse file" {
	truncate -s 5000000 there
	printf end >>there
	in_each_store pairs 127.0.0.1 0
}

devices() {
	listen_sockcat s --store "$store" -W 1 127.0.0.1 0
	status=0
	stored --send-only 127.0.0.1 "$port" </dev/zero 2>err || status=$?
	((status == 9 || status == 0))
	finish s
	[ "$(tr -d '\0' <out | wc -c)" = 0 ]
}

@test "from /dev/zero until the peer has enough" {
	in_each_store devices
}

# TCP does not splice past urgent data; reads do.
urgent() {
	"$PYTHON" - >urgent.port <<-'URGENT' &
		import socket
		s = socket.create_server(("127.0.0.1", 0))
		print(s.getsockname()[1], flush=True)
		c = s.accept()[0]
		c.sendall(b"a" * 300000)
		c.send(b"!", socket.MSG_OOB)
		c.sendall(b"b" * 300000)
		c.close()
	URGENT
	PIDS[p]=$!
	wait_for_file urgent.port
	stored -d 127.0.0.1 "$(cat urgent.port)" >got
	wait "${PIDS[p]}"
	unset "PIDS[p]"
	expect_same got expected
}

@test "urgent data in the middle of much" {
	need python3
	{ printf '%0300000d' 0 | tr 0 a; printf '%0300000d' 0 | tr 0 b; } \
		>expected
	in_each_store urgent
}

# What a filter or a pace asks for goes through memory, whatever was asked.
filters() {
	yes line | head -n 100000 >lines
	sed 's/$/\r/' lines >expected
	listen_sockcat s --store "$store" 127.0.0.1 0
	stored -C --send-only 127.0.0.1 "$port" <lines
	finish s
	expect_same out expected
	listen_sockcat s --store "$store" 127.0.0.1 0
	stored --block-size 1000 --send-only 127.0.0.1 "$port" <lines
	finish s
	expect_same out lines
	listen_sockcat s --store "$store" 127.0.0.1 0
	stored -i 1ms --send-only 127.0.0.1 "$port" < <(head -n 20 lines)
	finish s
	expect_text out "$(head -n 20 lines)"$'\n'
}

@test "line ends, block sizes and paces" {
	in_each_store filters
}

# traced NAME ARG...: 2 MB from a pipe into a Unix socket, system calls in NAME.
traced() {
	local name=$1
	shift
	listen_sockcat s -U ./path
	head -c 2000000 there |
		strace -o "$name" "$SOCKCAT" --send-only "$@" -U path
	finish s
	expect_same out there
}

@test "much is spliced, little is not, and sizes asked for are left alone" {
	need strace
	need_linux_build
	need_plain_build
	random_bytes 2000000 >there
	traced much
	grep -q '^splice(' much
	grep -q 'SO_SNDBUF, \[5' much
	traced asked -O 100k
	grep -q 'SO_SNDBUF, \[102400' asked
	run ! grep 'SO_SNDBUF, \[5' asked
	traced memory --store memory
	run ! grep '^splice(' memory
	head -c 100 there >little && mv little there
	traced little
	run ! grep -E '^splice|PIPE_SZ|SO_SNDBUF' little
}
