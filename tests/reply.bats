#!/usr/bin/env bats
# Canned answers: --reply

load helpers
load puppet

http_answer() {
	printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' "$(wc -c <"$1")"
	cat "$1"
}

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

@test "one client gets the file, and that is the end" {
	echo hello >file
	listen_sockcat s --reply file 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_status 0
	expect_text out $'hello\n'
	finish s
	expect_status 0
	[ ! -s err ]
}

@test "with -k every client gets it, and as it is then" {
	echo one >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_text out $'one\n'
	echo two >file
	try sc 127.0.0.1 "$port"
	expect_text out $'two\n'
	is_running s
}

@test "curl gets a page and a large file" {
	need curl
	random_bytes 3000000 >body
	http_answer body >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	curl -s -o got "http://127.0.0.1:$port/"
	expect_same body got
	curl -s -o got --data-binary @body "http://127.0.0.1:$port/"
	expect_same body got
}

@test "ab: thousands of requests, eight at once, none fails" {
	need ab
	echo hello >body
	http_answer body >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	ab -q -n 3000 -c 8 "http://127.0.0.1:$port/" >report 2>&1
	expect_match report '^Complete requests: +3000$'
	expect_match report '^Failed requests: +0$'
}

@test "on a Unix socket, and to clients that half-close at once" {
	need curl
	echo hello >body
	http_answer body >file
	listen_sockcat s -k --reply file -U ./path
	curl -s -o got --unix-socket path http://localhost/
	expect_same body got
	crowd ./path half-close 50 GET >got
	run ! grep -v '^50 x' got
}

@test "300 half-closing clients in a row, each with its whole answer" {
	random_bytes 100000 >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	crowd "$port" half-close 300 request >got
	expect_match got '^300 x 100000 '
	[ "$(wc -l <got)" = 1 ]
}

@test "a client that sends much and reads late gets the whole answer" {
	random_bytes 8000000 >file
	random_bytes 2000000 >request
	listen_sockcat s --reply file 127.0.0.1 0
	start c "$PYTHON" -c 'import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.sendall(open("request", "rb").read())
while data := c.recv(65536):
    sys.stdout.buffer.write(data)' "$port"
	finish c
	expect_status 0
	expect_same file c.out
	finish s
	expect_status 0
}

@test "the client has time to end after the answer, and is not reset" {
	echo hello >file
	listen_sockcat s --reply file 127.0.0.1 0
	puppet_connects "$port"
	order read 6
	order send more
	order send more
	order read
	order close
	finish s
	expect_status 0
	[ ! -s err ]
}

@test "a client that stays is left after 2 s, or -q" {
	echo hello >file
	listen_sockcat s --reply file 127.0.0.1 0
	begin=$(milliseconds)
	puppet_connects "$port"
	finish s
	expect_status 0
	expect_elapsed 2000 "$begin"
	puppet_gone
	listen_sockcat s -q 100ms --reply file 127.0.0.1 0
	begin=$(milliseconds)
	puppet_connects "$port"
	finish s
	expect_status 0
	expect_elapsed 100 "$begin"
}

@test "clients that never read do not hold up others" {
	random_bytes 20000000 >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$port" hold 20
	wait_for_text h.out connected
	sc -d 127.0.0.1 "$port" >got
	expect_same file got
}

@test "clients that reset leave nothing behind" {
	random_bytes 5000000 >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	before=$(descriptors s)
	crowd "$port" reset 200 x >got
	wait_until has_descriptors s "$before"
	sc -d 127.0.0.1 "$port" >got
	expect_same file got
	# Each of them did not get its answer, which is told.
	expect_match s.err 'the answer did not reach 127.0.0.1 [0-9]+: '
}

@test "--reply -: standard input is read once and kept" {
	listen_sockcat s -k --reply - 127.0.0.1 0 < <(echo kept)
	for _ in 1 2 3; do
		try sc 127.0.0.1 "$port"
		expect_text out $'kept\n'
	done
}

@test "--reply with a pipe's name: it is read once and kept" {
	mkfifo fifo
	random_bytes 300000 >file
	cat file >fifo &
	listen_sockcat s -k --reply fifo 127.0.0.1 0
	for _ in 1 2; do
		sc -d 127.0.0.1 "$port" >got
		expect_same file got
	done
}

@test "an empty file is an empty answer" {
	: >file
	listen_sockcat s --reply file 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_status 0
	[ ! -s out ]
	finish s
	expect_status 0
}

@test "-C sends CRLF" {
	printf 'a\nb\r\n' >file
	listen_sockcat s -C --reply file 127.0.0.1 0
	try sc 127.0.0.1 "$port"
	expect_text out $'a\r\nb\r\n'
}

@test "a file that is not there: told before anybody can connect" {
	try sc -l --reply absent 127.0.0.1 0
	expect_error 3 'open absent failed: No such file or directory'
	try sc -l --reply . 127.0.0.1 0
	expect_error 1 'read from \. failed: Is a directory'
}

@test "a file that goes away meanwhile: that client is closed, the next served" {
	echo hello >file
	listen_sockcat s -k --reply file 127.0.0.1 0
	rm file
	try sc 127.0.0.1 "$port"
	[ ! -s out ]
	wait_for_text s.err 'open file failed: No such file or directory'
	mkfifo file
	try sc 127.0.0.1 "$port"
	[ ! -s out ]
	wait_for_text s.err 'open file failed: it is no regular file any more'
	rm file
	echo again >file
	try sc 127.0.0.1 "$port"
	expect_text out $'again\n'
}

@test "--idle-timeout ends a client that takes nothing, and only that one" {
	random_bytes 20000000 >file
	listen_sockcat s -k --idle-timeout 300ms --reply file 127.0.0.1 0
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$port" hold 1
	wait_for_text h.out connected
	wait_for_text s.err 'takes nothing for the --idle-timeout'
	sc -d 127.0.0.1 "$port" >got
	expect_same file got
}

@test "--max-time ends it all: status 5" {
	random_bytes 20000000 >file
	listen_sockcat s -k --max-time 500ms --reply file 127.0.0.1 0
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$port" hold 2
	finish s
	expect_error 5 '--max-time ran out with 2 clients connected'
}

@test "what --reply does not go with" {
	try sc -l -u --reply file 0
	expect_error 2 '--reply needs a stream'
	try sc --reply file 127.0.0.1 1
	expect_error 2 '--reply is for listening'
	try sc -l --reply file -e cat 0
	expect_error 2 'excludes'
	try sc -l --reply file --to 127.0.0.1:1 0
	expect_error 2 'excludes'
	try sc -l --reply file -d 0
	expect_error 2 'excludes'
}

@test "an answer that is cut off ends with a reset" {
	need python3
	head -c 20000000 /dev/zero >page
	listen_sockcat s --reply page --idle-timeout 1 127.0.0.1 0
	puppet_connects "$port"
	finish s
	expect_status 5
	say p read
	finish p
	[ "$status" -ne 0 ]
	expect_match err 'ConnectionResetError'
}

@test "-w ends quietly once the client has everything" {
	need python3
	echo hello >file
	listen_sockcat s -w 100ms --reply file 127.0.0.1 0
	puppet_connects "$port"
	finish s
	expect_status 0
	[ ! -s err ]
	order read
	expect_text p.out $'hello\n'
}
