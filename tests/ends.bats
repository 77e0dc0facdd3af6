#!/usr/bin/env bats
# How each direction ends, and what becomes of the other one then

load helpers
load puppet

# For `start`: sockcat with standard output on the pipe ./slow, which we hold
# open and read when we like.
to_slow() {
	exec "$SOCKCAT" "$@" >slow
}

# For `try` and `start`: descriptors closed from the start.
without_input() {
	exec "$SOCKCAT" "$@" <&-
}

without_output() {
	exec "$SOCKCAT" "$@" >&-
}

without_any() {
	exec "$SOCKCAT" "$@" <&- >&- 2>&-
}

to_full() {
	exec "$SOCKCAT" "$@" >/dev/full
}

ignoring_pipe() {
	trap '' PIPE
	exec "$SOCKCAT" "$@" >slow
}

make_slow() {
	mkfifo slow
	exec {slow}<>slow
}

# The output was closed: /dev/null is in its place.
output_closed() {
	[ "$(readlink "/proc/$(pid_of "$1")/fd/1")" = /dev/null ]
}

# Neither O_NONBLOCK nor O_ASYNC: $1 is a process, the rest descriptors.
expect_blocking() {
	local pid=$1 fd flags
	shift
	for fd; do
		flags=$(awk '/^flags/ { print $2 }' "/proc/$pid/fdinfo/$fd")
		(((8#$flags & 8#24000) == 0)) && continue
		echo "descriptor $fd of $pid has the flags $flags"
		return 1
	done
}

@test "the end of input half-closes: what is counted after it comes back" {
	need busybox socat
	random_bytes 300000 >there
	serve p busybox nc -l -e wc -c
	try sc 127.0.0.1 "$port" <there
	expect_status 0
	expect_match out '^300000$'
	finish p
	serve p socat -t 20 TCP4-LISTEN:0,bind=127.0.0.1 'EXEC:wc -c'
	try sc 127.0.0.1 "$port" < <(cat there)
	expect_status 0
	expect_match out '^300000$'
	listen_sockcat s 127.0.0.1 0 <there
	socat -t 20 "TCP4:127.0.0.1:$port" 'EXEC:wc -c'
	finish s
	expect_status 0
	expect_match out '^300000$'
}

@test "an answer long after the end of input is waited for" {
	need python3
	local option
	for option in -N -q-1; do
		serve p peer listen late 'the answer'
		try sc "$option" 127.0.0.1 "$port" < <(echo question)
		expect_status 0
		expect_text out 'the answer'
		finish p
		expect_text out $'question\n'
	done
}

@test "--no-shutdown does not half-close" {
	need python3
	puppet
	start c sc --no-shutdown 127.0.0.1 "$port" < <(printf hello)
	order read 5
	order send ping
	wait_for_text c.out ping
	order look
	expect_match p.err 'look: nothing'
	order send pong
	order close
	finish c
	expect_status 0
	expect_text out pingpong
	expect_text p.out hello
}

@test "-q 0 quits as soon as all is sent" {
	need python3
	random_bytes 3000000 >there
	puppet -b 4096
	start c sc -q 0 127.0.0.1 "$port" <there
	order read 3000000
	finish c
	expect_status 0
	expect_text err ''
	expect_same p.out there
}

@test "-q 0 with nc.openbsd and ncat, which stay" {
	need nc.openbsd ncat
	start_open p nc.openbsd -l 127.0.0.1 0
	wait_until listening_or_gone p
	try sc -q 0 127.0.0.1 "$(listens "$(pid_of p)")" < <(echo hello)
	expect_status 0
	wait_for_text p.out hello
	listen_sockcat s -q 0 127.0.0.1 0 < <(echo hello)
	start_open c ncat 127.0.0.1 "$port"
	finish s
	expect_status 0
	wait_for_text c.out hello
}

@test "-q TIME quits that long after the end of input, with what came" {
	need python3
	local began
	puppet
	began=$(milliseconds)
	start_open c sc -q 0.7 127.0.0.1 "$port"
	order send greeting
	wait_for_text c.out greeting
	is_running c
	began=$(milliseconds)
	end_input c
	finish c
	expect_elapsed 700 "$began"
	expect_status 0
	expect_text out greeting
}

@test "-q TIME tells what could not be sent" {
	need python3
	puppet -b 4096
	try sc -q 0.2 127.0.0.1 "$port" < <(head -c 100000 /dev/zero)
	expect_error 5 'bytes .* not acknowledged'
}

@test "-d does not read, and sends its end only after the peer's" {
	need python3
	local option
	for option in -d --recv-only; do
		puppet
		start_open c sc "$option" 127.0.0.1 "$port"
		say c 'not for the peer'
		order send hello
		wait_for_text c.out hello
		order look
		expect_match p.err 'look: nothing'
		order end
		order read
		finish c
		expect_status 0
		expect_text out hello
		expect_text p.out ''
		puppet_gone
		rm c.in
	done
}

@test "-d ends with its peer though its input is open" {
	need nc.openbsd ncat socat
	random_bytes 300000 >back
	serve p nc.openbsd -N -l 127.0.0.1 0 <back
	start_open c sc -d 127.0.0.1 "$port"
	finish c
	expect_status 0
	expect_same out back
	rm c.in
	finish p
	serve p socat -u OPEN:back TCP4-LISTEN:0,bind=127.0.0.1
	start_open c sc -d 127.0.0.1 "$port"
	finish c
	expect_status 0
	expect_same out back
	listen_open s --recv-only 127.0.0.1 0
	ncat --send-only 127.0.0.1 "$port" <back
	finish s
	expect_status 0
	expect_same out back
}

@test "--send-only discards what comes, and ends when all is sent" {
	need python3
	random_bytes 3000000 >there
	puppet -b 4096
	start c sc --send-only 127.0.0.1 "$port" <there
	order send noise
	order read 3000000
	finish c
	expect_status 0
	expect_text out ''
	expect_text err ''
	expect_same p.out there
}

@test "--send-only to nc.openbsd, which says something and stays" {
	need nc.openbsd
	start_open p nc.openbsd -l 127.0.0.1 0
	say p noise
	wait_until listening_or_gone p
	try sc --send-only 127.0.0.1 "$(listens "$(pid_of p)")" \
		< <(echo hello)
	expect_status 0
	expect_text out ''
	wait_for_text p.out hello
}

@test "--send-only goes on after its peer's end" {
	need nc.openbsd
	serve p nc.openbsd -N -l 127.0.0.1 0
	start_open c sc --send-only 127.0.0.1 "$port"
	wait_until output_closed c
	say c late
	end_input c
	finish c
	expect_status 0
	finish p
	expect_text out $'late\n'
}

@test "--peer-quit ends with the peer, whatever the input" {
	need nc.openbsd ncat
	serve p nc.openbsd -N -l 127.0.0.1 0 < <(echo bye)
	start_open c sc --peer-quit 127.0.0.1 "$port"
	finish c
	expect_status 0
	expect_text out $'bye\n'
	listen_open s --peer-quit 127.0.0.1 0
	ncat 127.0.0.1 "$port" < <(echo bye)
	finish s
	expect_status 0
	expect_text out $'bye\n'
}

@test "--peer-quit=TIME goes on for so long" {
	need python3
	local began
	puppet
	start_open c sc --peer-quit=1 127.0.0.1 "$port"
	began=$(milliseconds)
	order end
	wait_until output_closed c
	say c 'one more'
	order read 9
	finish c
	expect_elapsed 1000 "$began"
	expect_status 0
	expect_text p.out $'one more\n'
}

@test "-W ends after so many reads, with all that was to be sent" {
	need python3
	puppet
	start_open c sc -W 2 127.0.0.1 "$port"
	order send one
	wait_for_text c.out one
	say c answer
	order read 7
	order send two
	finish c
	expect_status 0
	expect_text out onetwo
	expect_text p.out $'answer\n'
	puppet_gone
	puppet -b 4096
	random_bytes 200000 >there
	start c sc --recv-limit 1 127.0.0.1 "$port" <there
	order noise 100000
	order read
	finish c
	expect_status 0
	[ -s out ]
	expect_same p.out there
}

@test "a peer that has ended still gets all of a file and of a pipe" {
	need nc.openbsd python3
	random_bytes 3000000 >there
	serve p nc.openbsd -N -l 127.0.0.1 0
	try sc 127.0.0.1 "$port" <there
	expect_status 0
	finish p
	expect_same out there
	serve p peer listen half-close bye
	try sc 127.0.0.1 "$port" < <(cat there)
	expect_status 0
	expect_text out bye
	finish p
	expect_same out there
}

@test "a peer that has ended still gets what is said afterwards" {
	need nc.openbsd python3
	start p nc.openbsd -N -l -U ./path
	wait_until test -S path
	start_open c sc -U ./path
	wait_until output_closed c
	say c one
	wait_for_text p.out one
	say c two
	end_input c
	finish c
	expect_status 0
	finish p
	expect_text out $'one\ntwo\n'
	listen_open s 127.0.0.1 0
	start p peer connect "$port" half-close bye
	wait_until output_closed s
	say s one
	wait_for_text p.out one
	end_input s
	finish s
	expect_status 0
	expect_text out bye
}

@test "a listener without input does not throw its client out" {
	need busybox nc.traditional python3
	local client
	for client in 'busybox nc' 'nc.traditional -q 5'; do
		listen_sockcat s 127.0.0.1 0
		# shellcheck disable=SC2086 # a program and its options
		start_open c $client 127.0.0.1 "$port"
		say c one
		wait_for_text s.out one
		say c two
		wait_for_text s.out two
		end_input c
		finish s
		expect_status 0
		expect_text out $'one\ntwo\n'
		finish c
		rm c.in
	done
	listen_sockcat s 127.0.0.1 0
	puppet_connects "$port"
	order send hello
	wait_for_text s.out hello
	order look
	expect_match p.err 'look: nothing'
	order end
	order read
	finish s
	expect_status 0
}

@test "a listener with something to say says its end after it" {
	need python3
	listen_sockcat s 127.0.0.1 0 < <(echo hello)
	puppet_connects "$port"
	order read
	order send bye
	order end
	expect_text p.out $'hello\n'
	finish s
	expect_status 0
	expect_text out bye
}

@test "a client with nothing to say gets all from other netcats' listeners" {
	need nc.openbsd nc.traditional ncat busybox socat
	local listener
	random_bytes 3000000 >sent
	for listener in 'nc.openbsd -N -l 127.0.0.1 @PORT@' \
		'nc.traditional -l -s 127.0.0.1 -p @PORT@' \
		'ncat -l 127.0.0.1 @PORT@' \
		'busybox nc -l -p @PORT@' \
		'socat -t 30 - TCP-LISTEN:@PORT@,bind=127.0.0.1'; do
		# shellcheck disable=SC2086 # a program and its options
		serve_on_free s $listener <sent
		try sc 127.0.0.1 "$port" </dev/null
		expect_status 0
		expect_same sent out
		finish s
	done
	for listener in 'nc.openbsd -N -lU ./path' 'ncat -lU ./path'; do
		rm -f path
		# shellcheck disable=SC2086
		start s $listener <sent
		wait_until test -S path
		try sc --retry-for 30 ./path </dev/null
		expect_status 0
		expect_same sent out
		finish s
	done
}

@test "a client with nothing to say says its end after its peer, or a silence" {
	need python3
	local input
	# Longer than a second in all, but never silent.
	for input in '</dev/null' '<&-'; do
		serve p peer listen tick 15
		eval 'try sc 127.0.0.1 "$port"' "$input"
		expect_status 0
		finish p
		expect_text out $'the end came after ours\n'
	done
	# Of a peer that waits for it as well.
	serve q peer listen reply bye
	try sc 127.0.0.1 "$port" </dev/null
	expect_status 0
	expect_text out bye
}

@test "an empty file and an empty pipe are data: their end is sent at once" {
	need python3
	: >empty
	# This peer leaves no silence, and ends when the end comes.
	serve p peer listen tick
	try sc 127.0.0.1 "$port" <empty
	expect_status 0
	finish p
	serve q peer listen tick
	try sc 127.0.0.1 "$port" < <(:)
	expect_status 0
}

@test "-q says itself when the end of nothing is sent" {
	need python3
	serve p peer listen tick
	try sc -q 0 127.0.0.1 "$port" </dev/null
	expect_status 0
	serve q peer listen tick
	try sc --send-only 127.0.0.1 "$port" </dev/null
	expect_status 0
}

@test "a full close on a Unix socket is noticed while input is idle" {
	need python3 socat
	puppet -U ./path
	start_open c sc ./path
	order send bye
	wait_for_text c.out bye
	order close
	finish c
	expect_status 0
	expect_text out bye
	listen_open s -U ./path2
	socat -u EXEC:'echo bye' UNIX-CONNECT:path2
	finish s
	expect_status 0
	expect_text out $'bye\n'
}

@test "a full close on a Unix socket is noticed while output is slow" {
	need python3
	make_slow
	puppet -U ./path
	start_open c to_slow ./path
	order flood
	order close
	# Its writing end is open in c alone, so cat sees the end.
	start reader cat <slow
	exec {slow}<&-
	finish c
	expect_status 0
	finish reader
	expect_text <(wc -c <out) "$(sed -n 's/did flood //p' p.err)"$'\n'
}

@test "a slow reader of our output does not stall what we send" {
	need python3
	local flooded store
	make_slow
	for store in auto memory pipe; do
		puppet
		start_open c to_slow --store "$store" 127.0.0.1 "$port"
		order flood
		flooded=$(sed -n 's/did flood //p' p.err)
		say c hello
		order read 6
		expect_text p.out $'hello\n'
		order close
		end_input c
		head -c "$flooded" <&"$slow" |
			cmp - <(head -c "$flooded" /dev/zero)
		finish c
		expect_status 0
		puppet_gone
		rm c.in
	done
}

@test "a peer that is slow to read does not stall what we receive" {
	need python3
	random_bytes 3000000 >there
	puppet -b 4096
	start c sc 127.0.0.1 "$port" <there
	order send 'one '
	wait_for_text c.out 'one '
	order send two
	wait_for_text c.out 'one two'
	order read 3000000
	order close
	finish c
	expect_status 0
	expect_same p.out there
}

@test "a reader that goes away while nothing comes ends the run" {
	need python3
	local how
	for how in to_slow ignoring_pipe; do
		make_slow
		puppet
		start_open c "$how" 127.0.0.1 "$port"
		order send hello
		[ "$(head -c 5 <&"$slow")" = hello ]
		exec {slow}<&-
		finish c
		if [ "$how" = to_slow ]; then
			expect_status $((128 + $(kill -l PIPE)))
			expect_text err ''
		else
			expect_error 1 'standard output.*Broken pipe'
		fi
		puppet_gone
		rm slow c.in
	done
}

@test "what came before a reset is delivered before it is told" {
	need python3
	puppet
	start_open c sc 127.0.0.1 "$port"
	order send begin
	wait_for_text c.out begin
	kill -STOP "$(pid_of c)"
	order send 'and all the rest'
	order reset
	kill -CONT "$(pid_of c)"
	finish c
	expect_status 9
	expect_text out 'beginand all the rest'
	expect_match err '^sockcat: .*broke: Connection reset by peer$'
	expect_text <(wc -l <err) $'1\n'
}

@test "a reset tells how much was lost with it" {
	need python3
	puppet -b 4096
	start c sc 127.0.0.1 "$port" < <(head -c 3000000 /dev/zero)
	order read 1
	order reset
	finish c
	expect_error 9 'broke: .*\([0-9]+ bytes not sent\)'
}

@test "a reset after the peer's end is noticed while all waits for its reading" {
	need python3
	puppet -b 4096
	start c sc 127.0.0.1 "$port" <<<"$(printf '%100000s' x)"
	order end
	wait_until output_closed c
	order reset
	finish c
	expect_error 9 'broke: .*\([0-9]+ bytes not sent\)'
}

@test "closing with unread input loses nothing that was sent" {
	need python3
	local option
	random_bytes 3000000 >there
	for option in -q0 -w0 --send-only; do
		puppet -b 4096
		start c sc "$option" 127.0.0.1 "$port" <there
		order noise 1000000
		order read
		finish c
		expect_status 0
		expect_text err ''
		expect_same p.out there
		puppet_gone
	done
}

# All is in the kernel's hands, and its end is on the way: FIN_WAIT1.
ending() {
	grep -q "^ *[0-9]*: [^ ]* [^ ]*:$(printf %04X "$port") 04" \
		/proc/net/tcp
}

@test "what comes after our end loses nothing that was sent" {
	need python3
	local option
	random_bytes 100000 >there
	for option in -q0 -w0 --send-only; do
		puppet -b 4096
		start c sc "$option" 127.0.0.1 "$port" <there
		wait_until ending
		order noise 100000
		order read
		finish c
		expect_status 0
		expect_same p.out there
		puppet_gone
	done
}

@test "a full output loses nothing that was sent" {
	need python3
	random_bytes 200000 >there
	puppet
	start c to_full 127.0.0.1 "$port" <there
	order noise 100000
	order read
	finish c
	expect_error 1 'standard output.*No space left'
	expect_same p.out there
}

@test "an output that is full is told, over each kind of socket" {
	need socat nc.openbsd
	serve p nc.openbsd -N -l 127.0.0.1 0 < <(echo hello)
	try to_full 127.0.0.1 "$port"
	expect_error 1 'standard output.*No space left'
	start p socat EXEC:'echo hello' UNIX-LISTEN:path
	wait_until test -S path
	try to_full -U path
	expect_error 1 'standard output.*No space left'
}

@test "input that was closed from the start is at its end" {
	need python3
	serve p peer listen reply hello
	try without_input 127.0.0.1 "$port"
	expect_status 0
	expect_text out hello
	expect_text err ''
}

@test "output that was closed from the start is told" {
	need python3
	serve p peer listen greet hello
	try without_output 127.0.0.1 "$port" < <(echo for the peer)
	expect_error 1 'standard output.*Bad file descriptor'
	finish p
	expect_text out $'for the peer\n'
	serve p peer listen sink
	try without_output 127.0.0.1 "$port" < <(echo for the peer)
	expect_status 0
	expect_text err ''
	finish p
	expect_text out $'for the peer\n'
}

@test "no socket takes the place of a descriptor that was closed" {
	need python3
	local fd
	puppet
	start c without_any --no-shutdown 127.0.0.1 "$port"
	wait_for_text p.err connected
	wait_until connected c
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$(pid_of c)/fd/$fd")" = /dev/null ]
	done
	order end
	finish c
}

connected() {
	[ "$(connections "$(pid_of "$1")")" -gt 0 ]
}

@test "pipes that others share do not become non-blocking" {
	need python3
	make_slow
	puppet -b 4096
	start_open c to_slow 127.0.0.1 "$port"
	expect_blocking "$BASHPID" "${INPUTS[c]}" "$slow"
	say c hello
	order read 6
	order flood
	expect_blocking "$(pid_of c)" 0 1
	exec {slow}<&-
	finish c
}

on_shared() {
	exec "$SOCKCAT" "$@" >&0
}

# Ours as much as its own: one open file, by both names.
@test "a socket that others share does not become non-blocking" {
	need python3
	local shared
	start_open shell "$PYTHON" "$TESTS/peers/puppet.py" listen
	wait_until listening_or_gone shell
	exec {shared}<>"/dev/tcp/127.0.0.1/$(listens "$(pid_of shell)")"
	puppet -b 4096
	start c on_shared 127.0.0.1 "$port" <&"$shared"
	expect_blocking "$BASHPID" "$shared"
	say shell 'send hello'
	order read 5
	order flood
	expect_blocking "$BASHPID" "$shared"
	expect_blocking "$(pid_of c)" 0 1
	stop c
	expect_blocking "$BASHPID" "$shared"
	exec {shared}>&-
}

@test "a terminal that others share does not become non-blocking" {
	need python3
	puppet
	start_open c terminal sh -c '"$SOCKCAT" 127.0.0.1 "$1"
		sed -n "s/flags/after/p" /proc/self/fdinfo/[012]
		echo over' sh "$port"
	say c hello
	order read 6
	order send pong
	wait_for_text c.out pong
	expect_blocking "$(pgrep -f "^$SOCKCAT 127.0.0.1 $port")" 0 1
	order close
	finish c
	expect_match out over
	# What is left is O_RDWR.
	[ "$(grep -cE 'after:[[:space:]]*0?[0-3]{0,3}2[[:space:]]*$' out)" = 3 ]
}

connect_to() {
	if [ "$1" = -U ]; then
		sc -U "$port"
	else
		sc 127.0.0.1 "$port"
	fi
}

transfer_files() {
	listen_sockcat s "$@" <back
	connect_to "$@" <there >fro
}

transfer_pipes() {
	listen_sockcat s "$@" < <(cat back)
	# shellcheck disable=SC2002 # a pipe is meant
	cat there | connect_to "$@" | cat >fro
}

@test "64 MiB both ways at once, by files and by pipes, over TCP and Unix" {
	local where how there back
	random_bytes 64M >there
	tac there >back
	there=$(sum there)
	back=$(sum back)
	for where in '127.0.0.1 0' '-U ./path'; do
		for how in files pipes; do
			# shellcheck disable=SC2086 # an address and a port
			transfer_$how $where
			finish s
			expect_status 0
			[ "$(sum out)" = "$there" ]
			[ "$(sum fro)" = "$back" ]
		done
	done
}
