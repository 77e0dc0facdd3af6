#!/usr/bin/env bats
# What a run costs: memory, processor time, descriptors

load helpers
load puppet

# The most memory that was ever resident, in KiB.
peak() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of "$1")/status"
}

# What a process has cost so far: ticks, and how often it had the processor.
cost() {
	awk '{ sub(/.*\) /, ""); print $12, $13 }' "/proc/$1/stat"
	grep ctxt "/proc/$1/status"
}

# One that spins never is; one that wakes up every so often hardly.
is_idle() {
	local pid before
	pid=$(pid_of "$1")
	before=$(cost "$pid")
	for _ in 1 2 3; do
		# Something that surely takes its time.
		"$PYTHON" -c pass
		[ "$(cost "$pid")" = "$before" ] || return 1
	done
	is_running "$1"
}

to_slow() {
	exec "$SOCKCAT" "$@" >slow
}

output_closed() {
	[ "$(readlink "/proc/$(pid_of "$1")/fd/1")" = /dev/null ]
}

# Open descriptors beyond the standard ones, by kind: "1 socket".
others() {
	find "/proc/$(pid_of "$1")/fd" -type l -printf '%f %l\n' |
		sed '/^[012] /d; s/^[0-9]* //; s/:.*//' | sort | uniq -c |
		sed 's/^ *//'
}

has_only_socket() {
	[ "$(others "$1")" = '1 socket' ]
}

# Its buffers are two of 256 KiB, or the kernel's.
@test "memory does not grow with what is moved" {
	need_plain_build
	need python3
	local small
	truncate -s 64M large
	puppet
	start_open c sc 127.0.0.1 "$port"
	say c hello
	order read 6
	order send hello
	wait_for_text c.out hello
	small=$(peak c)
	end_input c
	order close
	finish c
	puppet_gone
	rm c.in
	serve p peer listen echo
	start_open c to_null 127.0.0.1 "$port"
	cat large >&"${INPUTS[c]}"
	echo "$small KiB idle, $(peak c) KiB after 64 MiB"
	[ "$(peak c)" -le $((small + 2048 + 512)) ]
	end_input c
	finish c
	expect_status 0
}

to_null() {
	exec "$SOCKCAT" "$@" >/dev/null
}

@test "idle after the peer's end" {
	need nc.openbsd socat
	local where
	serve p nc.openbsd -N -l 127.0.0.1 0
	start p2 socat -t 20 UNIX-LISTEN:path STDIO
	wait_until test -S path
	for where in "127.0.0.1 $port" ./path; do
		# shellcheck disable=SC2086 # an address and a port
		start_open c sc $where
		wait_until output_closed c
		wait_until is_idle c
		say c late
		end_input c
		finish c
		expect_status 0
		rm c.in
	done
	finish p
	expect_text out $'late\n'
	finish p2
	expect_text out $'late\n'
}

@test "idle after our end" {
	need python3
	local where
	for where in tcp unix; do
		if [ $where = tcp ]; then
			puppet
			start c sc 127.0.0.1 "$port" < <(echo hello)
		else
			puppet -U ./path
			start c sc ./path < <(echo hello)
		fi
		order read
		wait_until is_idle c
		order send late
		order close
		finish c
		expect_status 0
		expect_text out late
		puppet_gone
	done
}

@test "idle as a listener, before a client and with one" {
	need python3
	listen_sockcat s 127.0.0.1 0
	wait_until is_idle s
	puppet_connects "$port"
	order send hello
	wait_for_text s.out hello
	wait_until is_idle s
	order end
	order read
	finish s
	expect_status 0
}

@test "idle while nobody reads what comes, or what is sent" {
	need python3
	local slow
	mkfifo slow
	exec {slow}<>slow
	puppet -b 4096
	start c to_slow 127.0.0.1 "$port" < <(head -c 300000 /dev/zero)
	order flood
	wait_until is_idle c
	order end
	wait_until is_idle c
	exec {slow}<&-
	order reset
	finish c
}

@test "idle after both ends while what came is not read" {
	need python3
	local slow where
	mkfifo slow
	exec {slow}<>slow
	for where in tcp unix; do
		if [ $where = tcp ]; then
			puppet
			start c to_slow 127.0.0.1 "$port"
		else
			puppet -U ./path
			start c to_slow ./path
		fi
		order flood
		order close
		wait_until is_idle c
		start reader head -c "$(sed -n 's/did flood //p' p.err)" <slow
		finish c
		expect_status 0
		finish reader
		puppet_gone
	done
}

@test "idle while discarding, and with -d" {
	need python3
	local option
	for option in --send-only -d --no-shutdown; do
		puppet
		start_open c sc "$option" 127.0.0.1 "$port"
		order send hello
		wait_until is_idle c
		[ "$option" = -d ] || end_input c
		[ "$option" = --send-only ] || wait_until is_idle c
		order close
		finish c
		expect_status 0
		puppet_gone
		rm c.in
	done
}

@test "idle with telnet answers that nobody reads" {
	need python3
	puppet -b 4096
	start_open c sc -t -I 4096 -O 4096 127.0.0.1 "$port"
	order flood '\xff\xfd\x01'
	wait_until is_idle c
	order reset
	finish c
}

@test "a session has its socket and nothing else" {
	need python3
	need_plain_build
	local where
	for where in 127.0.0.1 localhost; do
		puppet
		start_open c sc "$where" "$port"
		order send hello
		wait_for_text c.out hello
		wait_until has_only_socket c
		end_input c
		order close
		finish c
		puppet_gone
		rm c.in
	done
	for where in '127.0.0.1 0' 0 '-U ./path'; do
		# shellcheck disable=SC2086 # an address and a port
		listen_open s $where
		if [ "$port" = ./path ]; then
			start c sc -U ./path < <(echo hello)
		else
			start c sc 127.0.0.1 "$port" < <(echo hello)
		fi
		wait_for_text s.out hello
		wait_until has_only_socket s
		end_input s
		finish s
		finish c
		rm s.in
	done
}

@test "valgrind finds no error, no leak and no open descriptor" {
	need valgrind python3
	need_plain_build
	local valgrind=(valgrind --error-exitcode=99 --leak-check=full
		--errors-for-leak-kinds=all --track-fds=yes "$SOCKCAT")
	random_bytes 300000 >there
	serve p peer listen echo
	try "${valgrind[@]}" localhost "$port" <there
	expect_status 0
	expect_same out there
	expect_clean err
	start s "${valgrind[@]}" -l -C -t --port-file port -U ./path < \
		<(printf 'hello\n')
	wait_for_file port
	try sc ./path < <(seq 20000)
	expect_text out $'hello\r\n'
	finish s
	expect_status 0
	expect_clean err
	try "${valgrind[@]}" -U ./nothing
	expect_status 3
	expect_clean err
}

expect_clean() {
	expect_match "$1" 'FILE DESCRIPTORS: 3 open \(3 std\) at exit'
	expect_match "$1" 'in use at exit: 0 bytes'
	expect_match "$1" 'ERROR SUMMARY: 0 errors'
}

# Answers each of 40 messages.
answer_all() {
	exec "$PYTHON" -uc 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
while True:
    data, peer = s.recvfrom(99)
    s.sendto(b"R" + data, peer)'
}

@test "one call for memory fails, whichever: told, or all is as ever" {
	need_plain_build
	need python3 gcc
	gcc -O1 -fPIC -shared -o fail.so "$TESTS/peers/mallocfail.c"
	LD_PRELOAD=$PWD/fail.so MALLOC_FAIL=1 "$PYTHON" -c pass &&
		skip 'the C library cannot be made to fail'
	start a answer_all
	wait_for_file a.out
	local n
	for ((n = 0; n < 40; n++)); do
		printf '\0\4m%03d' "$n"
	done >messages
	for ((n = 1; n < 40; n++)); do
		try env LD_PRELOAD="$PWD/fail.so" MALLOC_FAIL="$n" \
			"$SOCKCAT" -u -W 40 -w 10 --frame len16 \
			127.0.0.1 "$(<a.out)" <messages
		echo "without the call $n: $status"
		[ "$status" -ne 0 ] || [ "$(wc -c <out)" -eq 280 ]
		[ "$status" -eq 0 ] || expect_match err '^sockcat: '
	done
}
