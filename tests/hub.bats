#!/usr/bin/env bats
# -k with standard input and output: many clients, one local side

load helpers
load messages
load puppet

# A client in python: CODE with `c` connected to $port (or a path).
client() {
	local name=$1 code=$2
	shift 2
	start "$name" "${python_environment[@]}" "$PYTHON" -c \
		"$(code_of "c = to(args[0], SOCK_STREAM)
$code")" "$port" "$@"
}

# Once there is ./port.
listens_now() {
	wait_for_file port
	port=$(cat port)
}

# Starts it as `s`; its input is what is written to descriptor $in.
serve_fifo() {
	mkfifo in
	exec {in}<>in
	start s "$SOCKCAT" -l -k --port-file port "$@" 127.0.0.1 0 <in
	listens_now
}

# Lines of NAME.out, in any order.
expect_lines() {
	sort "$1" | expect_same - <(printf '%s\n' "${@:2}" | sort)
}

connected() {
	[ "$(connections "$(pid_of "$1")")" = "$2" ]
}

cost() {
	awk '{ sub(/.*\) /, ""); print $12, $13 }' "/proc/$1/stat"
	grep ctxt "/proc/$1/status"
}

is_idle() {
	local pid before
	pid=$(pid_of "$1")
	before=$(cost "$pid")
	for _ in 1 2 3; do
		"$PYTHON" -c pass
		[ "$(cost "$pid")" = "$before" ] || return 1
	done
	is_running "$1"
}

resident() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of "$1")/status"
}

descriptors() {
	find "/proc/$(pid_of "$1")/fd" -type l | wc -l
}

has_descriptors() {
	[ "$(descriptors "$1")" = "$2" ]
}

has_only_listener() {
	[ "$(find "/proc/$(pid_of "$1")/fd" -lname 'socket:*' | wc -l)" = 1 ]
}

listening_inode() {
	sockets_of "$(pid_of "$1")" 0A | awk '{ print $10 }'
}

size_is() {
	[ "$(stat -c %s "$1")" = "$2" ]
}

@test "clients at once, each with its own end" {
	need nc.openbsd ncat socat python3
	local inode
	listen_sockcat s -k 127.0.0.1 0
	inode=$(listening_inode s)
	client idle 'wait_for("over")'
	wait_until connected s 1
	try nc.openbsd -N 127.0.0.1 "$port" < <(echo openbsd)
	expect_status 0
	try ncat 127.0.0.1 "$port" < <(echo ncat)
	expect_status 0
	try socat -t 20 - "TCP:127.0.0.1:$port" < <(echo socat)
	expect_status 0
	try sc 127.0.0.1 "$port" < <(echo sockcat)
	expect_status 0
	wait_until expect_lines s.out openbsd ncat socat sockcat
	wait_until connected s 1
	# Never closed and bound anew.
	[ "$(listening_inode s)" = "$inode" ]
	touch over
	finish idle
	wait_until connected s 0
	is_running s
	[ ! -s s.err ]
}

@test "a Unix socket serves many, too" {
	need socat python3
	listen_sockcat s -k -U ./path
	client idle 'wait_for("over")'
	try socat -t 20 - UNIX-CONNECT:path < <(echo socat)
	try sc ./path < <(echo sockcat)
	wait_until expect_lines s.out socat sockcat
	touch over
	finish idle
	stop s
	[ ! -e path ]
}

@test "what comes goes out in the pieces that came" {
	need python3
	listen_sockcat s -k 127.0.0.1 0
	client a 'c.sendall(b"ab"); wait_for("b"); c.sendall(b"ef\n")
wait_for("over")'
	wait_for_text s.out ab
	client b 'c.sendall(b"cd"); wait_for("over")'
	wait_for_text s.out abcd
	touch b
	wait_for_text s.out abcdef
	touch over
	finish a
	finish b
	expect_text s.out $'abcdef\n'
}

@test "lines stay whole, and all come, however slow output is" {
	need python3
	local slow letter
	mkfifo slow
	exec {slow}<>slow
	start s to_slow -l -k --lines --port-file port 127.0.0.1 0
	listens_now
	for letter in a b c; do
		client $letter "line = b'$letter' * 999 + b'\\n'
for i in range(1500): c.sendall(line[:i % 990]); c.sendall(line[i % 990:])"
	done
	start reader head -c 4500000 <slow
	finish reader
	exec {slow}>&-
	sort out | uniq -c | awk '{ print $1, length($2) }' >got
	expect_text got $'1500 999\n1500 999\n1500 999\n'
}

to_slow() {
	exec "$SOCKCAT" "$@" >slow
}

@test "--lines: lines stay whole" {
	need python3
	listen_sockcat s -k --lines 127.0.0.1 0
	client a 'c.sendall(b"one t"); wait_for("b"); c.sendall(b"wo\nthree\nfo")
wait_for("c"); c.sendall(b"ur\n")'
	client b 'wait_for("a"); c.sendall(b"and five\nsix")'
	touch a
	wait_for_text s.out '^and five$'
	touch b
	wait_for_text s.out three
	touch c
	finish a
	finish b
	# A last line without its newline gets one.
	wait_until expect_lines s.out 'one two' three four 'and five' six
}

@test "--lines: a line that is too long to be kept is passed on" {
	need python3
	listen_sockcat s -k --lines 127.0.0.1 0
	client a 'c.sendall(b"x" * 100000 + b"\n"); c.sendall(b"y" * 70000)
wait_for("over"); c.sendall(b"\nend")'
	wait_until size_is s.out 170001
	touch over
	finish a
	wait_until size_is s.out 170006
	"$PYTHON" - <<-'EOF'
		data = open("s.out", "rb").read()
		assert data == b"x" * 100000 + b"\n" + b"y" * 70000 + b"\nend\n"
	EOF
}

@test "input waits for a client, and goes to all that are there" {
	need python3 nc.openbsd ncat
	local name
	listen_open s -k 127.0.0.1 0
	say s early
	wait_until is_idle s
	start_open a nc.openbsd 127.0.0.1 "$port"
	wait_for_text a.out early
	start_open b ncat 127.0.0.1 "$port"
	start_open c sc 127.0.0.1 "$port"
	wait_until connected s 3
	say s all
	wait_for_text a.out all
	wait_for_text b.out all
	wait_for_text c.out all
	expect_text b.out $'all\n'
	end_input s
	for name in a b c; do
		end_input $name
		finish $name
	done
	expect_text a.out $'early\nall\n'
	is_running s
}

@test "input waits for the next client, too" {
	need python3
	listen_open s -k --peer-quit 127.0.0.1 0
	puppet_connects "$port"
	say s one
	order read 4
	order end
	order read
	wait_until connected s 0
	puppet_gone
	say s two
	wait_until is_idle s
	puppet_connects "$port"
	order read 4
	expect_text p.out $'two\n'
}

@test "the end of input is sent to all, and the listener goes on" {
	need python3
	listen_open s -k 127.0.0.1 0
	client a 'raw(c.recv(100)); raw(b"end" if not c.recv(100) else b"?")
c.sendall(b"still heard"); wait_for("over")'
	wait_until connected s 1
	say s hello
	wait_for_text a.out hello
	end_input s
	wait_for_text a.out end
	wait_for_text s.out 'still heard'
	# One that comes later has its say, and is told our end after it.
	puppet_connects "$port"
	wait_until connected s 1
	order send ' and later'
	wait_for_text s.out 'and later'
	order look
	expect_match p.err 'look: nothing'
	order end
	order read
	touch over
	finish a
	wait_until connected s 0
	is_running s
}

@test "nothing to say from the start: clients are heard to their end" {
	need python3
	listen_sockcat s -k 127.0.0.1 0
	puppet_connects "$port"
	order send 'slowly '
	wait_for_text s.out slowly
	order look
	expect_match p.err 'look: nothing'
	order send typed
	order end
	order read
	expect_text s.out 'slowly typed'
	is_running s
}

@test "who has ended its own direction still gets input" {
	need python3
	listen_open s -k 127.0.0.1 0
	puppet_connects "$port"
	order send hello
	order end
	wait_for_text s.out hello
	wait_until is_idle s
	say s answer
	order read 7
	expect_text p.out $'answer\n'
	end_input s
	order read
	wait_until connected s 0
	is_running s
	[ ! -s s.err ]
}

@test "--lines: a last line comes at once, though its client stays" {
	need python3
	listen_open s -k --lines 127.0.0.1 0
	puppet_connects "$port"
	order send hello
	order end
	wait_until expect_text s.out $'hello\n'
	say s answer
	order read 7
}

# It is in none of its states that we can see: only its kernel's answers tell.
@test "who has gone altogether is found out, though there is no input" {
	need python3
	listen_open s -k 127.0.0.1 0
	client a 'c.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
c.sendall(b"hello")'
	finish a
	wait_until expect_text s.out hello
	wait_until no_client s
	[ ! -s s.err ]
}

no_client() {
	[ -z "$(sockets_of "$(pid_of "$1")" 08)" ]
}

@test "--peer-quit, -d: a client's end is the end for it" {
	need python3
	local option begin
	for option in --peer-quit -d --peer-quit=0.3; do
		listen_open s -k "$option" 127.0.0.1 0
		puppet_connects "$port"
		wait_until connected s 1
		begin=$(milliseconds)
		order end
		order read
		[ $option != --peer-quit=0.3 ] || expect_elapsed 300 "$begin"
		wait_until connected s 0
		is_running s
		end_input s
		stop s
		puppet_gone
		rm s.in
	done
}

@test "a Unix client that has gone is let go" {
	need python3
	local before
	listen_open s -k -U ./path
	before=$(descriptors s)
	client a 'c.sendall(b"x"); sys.exit()'
	finish a
	wait_for_text s.out x
	wait_until is_idle s
	wait_until has_descriptors s "$before"
}

@test "--no-shutdown: the end of input is not told" {
	need python3
	listen_open s -k --no-shutdown 127.0.0.1 0
	puppet_connects "$port"
	wait_until connected s 1
	end_input s
	wait_until is_idle s
	order look
	expect_match p.err 'look: nothing'
	order send bye
	order end
	wait_until connected s 0
	expect_text s.out bye
}

@test "-q 0: over when all is sent and acknowledged" {
	need python3
	local name
	random_bytes 500000 >sent
	serve_fifo -q 0 -O 65536
	for name in a b c; do
		client $name 'c.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
wait_for("go"); raw(b"".join(iter(lambda: c.recv(65536), b"")))'
	done
	wait_until connected s 3
	cat sent >&"$in"
	exec {in}>&-
	touch go
	for name in a b c; do
		finish $name
		expect_same out sent
	done
	finish s
	expect_status 0
}


@test "-q TIME: over then, and what was not delivered is told" {
	need python3
	local begin
	listen_open s -k -q 0.3 127.0.0.1 0
	puppet_connects "$port"
	say s hello
	order read 6
	begin=$(milliseconds)
	end_input s
	finish s
	expect_status 0
	expect_elapsed 300 "$begin"
	puppet_gone
	rm s.in
	listen_sockcat s -k -q 0.3 -O 4096 127.0.0.1 0 < <(
		head -c 500000 /dev/zero)
	puppet_connects "$port" -b 4096
	finish s
	expect_error 5 'time to quit: [0-9]+ bytes to 1 client not acknowledged'
}

@test "-W: over after so many reads, of whomever" {
	need python3
	listen_sockcat s -k -W 2 127.0.0.1 0
	client a 'c.sendall(b"one "); c.recv(1)'
	wait_for_text s.out one
	client b 'c.sendall(b"two"); c.recv(1)'
	finish s
	expect_status 0
	expect_text out 'one two'
	finish a
	expect_status 0
	finish b
	expect_status 0
}

@test "-W: who is stuck in writing gets what was sent all the same" {
	need python3
	serve_fifo -W 1 -O 65536
	client a 'c.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536); wait_for("go")
c.sendall(b"x" * 8000000)
put(sum(map(len, iter(lambda: c.recv(65536), b""))))'
	wait_until connected s 1
	head -c 400000 /dev/zero >&"$in"
	wait_until is_idle s
	touch go
	finish a
	expect_text out $'400000\n'
	finish s
	expect_status 0
	[ "$(wc -c <out)" -le 65536 ]
}

@test "--send-only discards what comes, and serves on" {
	need python3
	listen_open s -k --send-only 127.0.0.1 0
	client a 'c.sendall(b"x" * 1000000); raw(c.recv(100)); wait_for("over")'
	wait_until connected s 1
	say s hello
	wait_for_text a.out hello
	touch over
	finish a
	[ ! -s s.out ]
	is_running s
}

@test "-C: what goes to all has CRLF, and none is doubled" {
	need python3
	listen_open s -k -C 127.0.0.1 0
	client a 'for piece in iter(lambda: c.recv(100), b""): raw(piece)'
	client b 'for piece in iter(lambda: c.recv(100), b""): raw(piece)'
	wait_until connected s 2
	printf 'one\ntwo\r' >&"${INPUTS[s]}"
	wait_for_text a.out two
	wait_for_text b.out two
	printf '\n' >&"${INPUTS[s]}"
	wait_until size_is a.out 10
	wait_until size_is b.out 10
	expect_text a.out $'one\r\ntwo\r\n'
	expect_same a.out b.out
	end_input s
	finish a
	finish b
}

@test "--idle-timeout ends that client, and names it; -w does so quietly" {
	need python3
	listen_sockcat s -k --idle-timeout 0.3 127.0.0.1 0
	client busy 'for i in range(12): c.sendall(b"x"); time.sleep(0.1)'
	client idle 'put(c.getsockname()[1]); c.recv(1)'
	finish idle
	expect_status 0
	wait_for_text s.err "^sockcat: connection to 127.0.0.1 $(cat out) ended"
	finish busy
	expect_status 0
	wait_until expect_text s.out xxxxxxxxxxxx
	[ "$(wc -l <s.err)" = 1 ]
	is_running s
	stop s
	listen_sockcat s -k -w 0.3 127.0.0.1 0
	client idle 'c.recv(1)'
	finish idle
	expect_status 0
	is_running s
	[ ! -s s.err ]
}

@test "--max-time ends the run, and tells what was not delivered" {
	need python3
	listen_sockcat s -k --max-time 1 127.0.0.1 0
	client idle 'c.recv(1)'
	finish s
	expect_status 5
	expect_text err $'sockcat: --max-time ran out\n'
	finish idle
	listen_sockcat s -k --max-time 1 -O 4096 127.0.0.1 0 < <(
		head -c 500000 /dev/zero)
	puppet_connects "$port" -b 4096
	finish s
	expect_error 5 'ran out: [0-9]+ bytes to 1 client not acknowledged'
}

@test "a reset is told, and nobody else minds" {
	need python3
	listen_open s -k 127.0.0.1 0
	start_open other sc 127.0.0.1 "$port"
	wait_until connected s 1
	puppet_connects "$port"
	order send 'last words '
	order reset
	wait_for_text s.err \
		'^sockcat: connection to 127.0.0.1 [0-9]+ broke: Connection reset'
	say other hello
	wait_for_text s.out 'last words hello'
	say s answer
	wait_for_text other.out answer
	[ "$(wc -l <s.err)" = 1 ]
	is_running s
}

@test "what is lost with a reset is told" {
	need python3
	local before
	serve_fifo -O 65536
	before=$(descriptors s)
	puppet_connects "$port" -b 65536
	wait_until connected s 1
	head -c 600000 /dev/zero >&"$in"
	wait_until is_idle s
	order reset
	wait_for_text s.err 'broke: Connection reset by peer \([0-9]+ bytes not'
	wait_until has_descriptors s "$before"
	[ "$(wc -l <s.err)" = 1 ]
	is_running s
}

# Bulk data to three, beside one that never reads.
@test "who never reads is disconnected and told, the others get all" {
	need python3
	local name
	head -c 50000000 /dev/urandom >sent
	serve_fifo
	for name in a b; do
		client $name 'raw(b"".join(iter(lambda: c.recv(65536), b"")))'
	done
	client bad 'put(c.getsockname()[1]); wait_for("over")
try:
	while c.recv(65536): pass
	put("end")
except ConnectionResetError: put("reset")'
	wait_until connected s 3
	cat sent >&"$in"
	exec {in}>&-
	for name in a b; do
		finish $name
		expect_same out sent
	done
	expect_match s.err "^sockcat: connection to 127.0.0.1 $(head -n 1 \
		bad.out) ended: .* \([0-9]+ bytes not sent\)$"
	[ "$(wc -l <s.err)" = 1 ]
	touch over
	finish bad
	# No orderly end: what is missing would not be missed.
	expect_match out reset
	is_running s
}

@test "who reads slowly holds up the source, and loses nothing" {
	need python3
	local name
	head -c 8000000 /dev/urandom >sent
	serve_fifo -O 65536
	client a 'raw(b"".join(iter(lambda: c.recv(65536), b"")))'
	client slow 'c.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
pieces = []
while True:
	piece = c.recv(65536)
	if not piece: break
	pieces.append(piece)
	time.sleep(0.01)
raw(b"".join(pieces))'
	wait_until connected s 2
	cat sent >&"$in"
	exec {in}>&-
	for name in a slow; do
		finish $name
		expect_same out sent
	done
	[ ! -s s.err ]
}

@test "a flood from one does not keep the others from being heard" {
	need python3
	start s to_null -l -k --port-file port --lines 127.0.0.1 0
	listens_now
	client flood 'c.settimeout(None)
while not os.path.exists("over"): c.sendall(b"x" * 65535 + b"\n")'
	wait_until connected s 1
	client a 'c.sendall(b"hello\n"); c.shutdown(SHUT_WR); c.recv(1)'
	finish a
	expect_status 0
	is_running flood
	touch over
	finish flood
	expect_status 0
}

to_null() {
	exec "$SOCKCAT" "$@" >/dev/null
}

@test "slow output: nobody is read, nothing spins, nothing is lost" {
	need python3
	local slow i begin
	mkfifo slow
	exec {slow}<>slow
	start s to_slow -l -k --port-file port -I 65536 127.0.0.1 0
	listens_now
	begin=$(resident s)
	for i in 1 2 3 4; do
		client "c$i" "c.sendall(b'$i' * 1000000)"
	done
	wait_until connected s 4
	wait_until is_idle s
	[ $(($(resident s) - begin)) -lt 1024 ]
	start reader head -c 4000000 <slow
	finish reader
	exec {slow}>&-
	for i in 1 2 3 4; do
		[ "$(tr -dc "$i" <out | wc -c)" = 1000000 ]
		finish "c$i"
		expect_status 0
		cp reader.out out
	done
}

@test "output's reader goes away: the end, by SIGPIPE" {
	need python3
	local slow
	mkfifo slow
	exec {slow}<>slow
	start s to_slow -l -k --port-file port 127.0.0.1 0
	listens_now
	client a 'c.recv(1)'
	wait_until connected s 1
	exec {slow}>&-
	finish s
	expect_status $((128 + $(kill -l PIPE)))
	[ ! -s err ]
	finish a
}

@test "output is full: one line, status 1" {
	need python3
	[ -e /dev/full ] || skip /dev/full
	start s to_full -l -k --port-file port 127.0.0.1 0
	listens_now
	client a 'c.sendall(b"x"); c.recv(1)'
	finish s
	expect_error 1 'write to standard output failed: No space left'
	finish a
	expect_status 0
}

to_full() {
	exec "$SOCKCAT" "$@" >/dev/full
}

@test "1,000 idle clients cost little memory, and a message nothing more" {
	need python3
	need_plain_build
	local begin calls
	ulimit -n 4096 || skip 'descriptors'
	listen_sockcat s -k --max-conns 2000 127.0.0.1 0
	client warm 'c.sendall(b"x")'
	finish warm
	wait_until connected s 0
	begin=$(resident s)
	client many 'cs = [to(args[0], SOCK_STREAM) for _ in range(1000)]
put("there"); wait_for("over")'
	wait_for_text many.out there
	wait_until connected s 1001
	echo "$((($(resident s) - begin) * 1024 / 1000)) bytes each"
	[ $((($(resident s) - begin) / 16)) -lt 1000 ]
	wait_until is_idle s
	if command -v strace >/dev/null; then
		start trace strace -o trace -p "$(pid_of s)"
		wait_for_text trace.err attached
		client one 'c.sendall(b"message"); wait_for("over")'
		wait_for_text s.out message
		stop trace INT || :
		calls=$(wc -l <trace)
		echo "$calls system calls"
		[ "$calls" -lt 60 ]
	fi
	touch over
	finish many
	wait_until connected s 0
}

@test "--max-conns 1: one after the other, none is refused" {
	need python3 nc.openbsd
	local i
	listen_sockcat s -k --max-conns 1 127.0.0.1 0
	client first 'wait_for("go"); c.sendall(b"0"); c.shutdown(SHUT_WR)
c.recv(1); put("end")'
	wait_until connected s 1
	for i in 1 2 3; do
		start "c$i" nc.openbsd -N 127.0.0.1 "$port" < <(printf %s "$i")
	done
	wait_until is_idle s
	[ ! -s s.out ]
	touch go
	for i in 1 2 3; do
		finish "c$i"
		expect_status 0
	done
	wait_until size_is s.out 4
	expect_match s.out '^0'
}

@test "500 clients in a row leave nothing behind" {
	need python3
	need_plain_build
	local before
	listen_sockcat s -k 127.0.0.1 0
	before=$(descriptors s)
	client some 'c.close()
for i in range(250):
	for how in range(2):
		c = to(args[0], SOCK_STREAM); c.sendall(b"x" * 100)
		if how: c.setsockopt(SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		else: c.shutdown(SHUT_WR); c.recv(1)
		c.close()'
	finish some
	expect_status 0
	wait_until has_descriptors s "$before"
	# What came before a reset may have gone with it.
	[ "$(wc -c <s.out)" -ge 25000 ]
	is_running s
}

@test "a terminal: typed lines go to all, a client's end is its end" {
	need python3
	start_open t terminal sc -l -k --port-file port 127.0.0.1 0
	listens_now
	client a 'raw(c.recv(100)); c.shutdown(SHUT_WR)
raw(b"end" if not c.recv(100) else b"?")'
	client b 'raw(c.recv(100)); wait_for("over")'
	wait_until connected t 2
	say t hello
	wait_for_text a.out end
	touch over
	printf '\003' >&"${INPUTS[t]}"
	finish t
	expect_status $((128 + $(kill -l INT)))
}

@test "seqpacket: messages stay messages, of all and to all" {
	need python3
	local code='c = to("path", SOCK_SEQPACKET); '
	listen_open s -k --seqpacket --lines -U ./path
	port=./path
	start a "${python_environment[@]}" "$PYTHON" -c "$(code_of \
		"$code"'c.send(b"one"); put(c.recv(100)); put(c.recv(100))
put(c.recv(100)); wait_for("over")')"
	wait_for_text s.out one
	start b "${python_environment[@]}" "$PYTHON" -c "$(code_of \
		"$code"'c.send(b"two"); c.send(b"three"); put(c.recv(100))
wait_for("over")')"
	wait_for_text s.out three
	printf 'x\ny z\n' >&"${INPUTS[s]}"
	wait_for_text a.out 'y z'
	end_input s
	wait_until expect_text a.out "b'x'"$'\n'"b'y z'"$'\n'"b''"$'\n'
	expect_match b.out "^b'x'"
	expect_lines s.out one two three
	touch over
	finish a
	finish b
	is_running s
}

@test "seqpacket: what was taken is written, though its client is gone" {
	need python3
	local slow
	mkfifo slow
	exec {slow}<>slow
	start s to_slow -l -k --seqpacket -w 0.3 --port-file port -U ./path
	wait_for_file port
	start a "${python_environment[@]}" "$PYTHON" -c "$(code_of '
c = to("path", SOCK_SEQPACKET)
c.send(b"x" * 150000)
c.recv(1)')"
	finish a
	expect_status 0
	wait_until has_only_listener s
	start reader head -c 150000 <slow
	finish reader
	exec {slow}>&-
	[ "$(tr -dc x <out | wc -c)" = 150000 ]
}

@test "valgrind finds no error, no leak and no open descriptor" {
	need valgrind python3
	need_plain_build
	mkfifo in
	exec {in}<>in
	start s valgrind --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=all --track-fds=yes "$SOCKCAT" \
		-l -k --lines -q 0 --port-file port 127.0.0.1 0 <in
	listens_now
	client a 'c.sendall(b"one\ntwo"); raw(c.recv(6)); c.recv(1)'
	client b 'c.sendall(b"one\nthree"); raw(c.recv(6)); c.recv(1)'
	wait_until connected s 2
	echo hello >&"$in"
	wait_for_text a.out hello
	wait_for_text b.out hello
	exec {in}>&-
	finish s
	expect_status 0
	expect_match err 'FILE DESCRIPTORS: 3 open \(3 std\) at exit'
	expect_match err 'in use at exit: 0 bytes'
	expect_match err 'ERROR SUMMARY: 0 errors'
	expect_lines out one one two three
}
