#!/usr/bin/env bats
# Relays between streams: --to

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

@test "TCP to TCP, both ways at once, and the end of the run" {
	random_bytes 3000000 >there
	random_bytes 5000000 >back
	listen_sockcat b 127.0.0.1 0 <back
	listen_sockcat r --to "127.0.0.1:$port" 127.0.0.1 0
	sc 127.0.0.1 "$port" <there >got
	finish b
	expect_same there out
	expect_same back got
	finish r
	expect_status 0
	[ ! -s err ]
}

@test "the same through memory and through pipes" {
	random_bytes 3000000 >there
	random_bytes 5000000 >back
	local store
	for store in memory pipe; do
		listen_sockcat b 127.0.0.1 0 <back
		listen_sockcat r --store $store --to "127.0.0.1:$port" \
			127.0.0.1 0
		sc 127.0.0.1 "$port" <there >got
		finish b
		expect_same there out
		expect_same back got
		finish r
		expect_status 0
	done
}

@test "TCP to Unix and Unix to TCP, also abstract, also IPv6" {
	need ipv6
	need_linux_build
	random_bytes 1000000 >there
	listen_sockcat b -U "@sockcat-$$-relay" >/dev/null
	listen_sockcat r --to "unix:@sockcat-$$-relay" ::1 0
	listen_sockcat q --to "[::1]:$port" -U ./path
	sc -U ./path <there >got
	finish b
	expect_same there out
	[ ! -s got ]
	finish r
	expect_status 0
	finish q
	expect_status 0
	[ ! -e path ]
}

@test "a half-close is carried through, and the answer comes back" {
	serve b peer listen reply answer
	listen_sockcat r --to "127.0.0.1:$port" 127.0.0.1 0
	echo question | sc 127.0.0.1 "$port" >got
	expect_text got answer
	finish r
	expect_status 0
}

@test "the back-end half-closes first, the client goes on sending" {
	random_bytes 2000000 >there
	serve b peer listen half-close hello
	listen_sockcat r --to "127.0.0.1:$port" 127.0.0.1 0
	sc 127.0.0.1 "$port" <there >got
	expect_text got hello
	finish b
	expect_same there out
}

@test "--no-shutdown: the end of the back-end is not carried through" {
	serve b peer listen half-close hello
	listen_sockcat r --no-shutdown --to "127.0.0.1:$port" 127.0.0.1 0
	puppet_connects "$port"
	order read 5
	order look
	expect_match p.err nothing
}

@test "nobody is at the back-end: told, the client is reset, the server goes on" {
	listen_sockcat b 127.0.0.1 0
	local back=$port
	stop b
	listen_sockcat r -k --to "127.0.0.1:$back" 127.0.0.1 0
	try sc -d 127.0.0.1 "$port"
	expect_error 9 'Connection reset by peer'
	expect_match r.err "^sockcat: connect to 127.0.0.1 port $back \(tcp\) failed: Connection refused$"
	[ "$(wc -l <r.err)" = 1 ]
	is_running r
	listen_sockcat b 127.0.0.1 "$back" <<<hello
	try sc -d 127.0.0.1 "$(cat r.port)"
	expect_text out $'hello\n'
}

@test "one connection, nobody at the back-end: its cause is the status" {
	listen_sockcat r --to unix:./absent 127.0.0.1 0
	try sc -d 127.0.0.1 "$port"
	expect_status 9
	finish r
	expect_error 3 'connect to ./absent failed: No such file or directory'
}

@test "a back-end that vanishes: what it sent arrives, the client is told" {
	puppet
	local back=$port
	listen_sockcat r -k --to "127.0.0.1:$back" 127.0.0.1 0
	start_open c sc 127.0.0.1 "$port"
	order send hello
	wait_for_text c.out hello
	order reset
	finish c
	expect_status 9
	expect_text out hello
	wait_for_text r.err "connection to 127.0.0.1:$back broke: Connection reset by peer"
	is_running r
}

@test "a client that resets: the back-end gets what came before, and a reset" {
	serve b peer listen sink
	listen_sockcat r -k --to "127.0.0.1:$port" 127.0.0.1 0
	before=$(descriptors r)
	puppet_connects "$port"
	order send hello
	wait_for_text b.out hello
	order reset
	finish b
	expect_match b.err 'Connection reset by peer'
	wait_until has_descriptors r "$before"
	expect_match r.err 'connection to 127.0.0.1 [0-9]+ broke: Connection reset by peer'
}

@test "a Unix back-end that answers and closes, while the client sends on" {
	need_plain_build
	random_bytes 4000000 >there
	start b peer listen -U ./path close answer
	wait_until test -S path
	listen_sockcat r -k --to unix:./path 127.0.0.1 0
	before=$(descriptors r)
	start c "$PYTHON" -c 'import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
try:
    c.sendall(open("there", "rb").read())
except OSError:
    pass
print(c.recv(100).decode())' "$port"
	finish c
	expect_text out $'answer\n'
	wait_until has_descriptors r "$before"
}

@test "300 half-closing clients in a row, each with its whole answer" {
	random_bytes 100000 >file
	listen_sockcat b -k --reply file 127.0.0.1 0
	listen_sockcat r -k --to "127.0.0.1:$port" 127.0.0.1 0
	before=$(descriptors r)
	crowd "$port" half-close 300 request >got
	expect_match got '^300 x 100000 '
	[ "$(wc -l <got)" = 1 ]
	wait_until has_descriptors r "$before"
}

@test "many clients at once, each with its own back-end" {
	serve b "$PYTHON" -c 'import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100
Server(("127.0.0.1", 0), Echo).serve_forever()'
	listen_sockcat r -k --to "127.0.0.1:$port" 127.0.0.1 0
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$port" hold 60
	wait_for_text h.out '60 connected'
	for i in {0..59}; do
		say h "say $i client$i" "hear $i"
	done
	wait_for_text h.out client59
	[ "$(sort h.out | uniq | wc -l)" = 61 ]
}

@test "one that takes nothing does not hold up others" {
	random_bytes 30000000 >file
	listen_sockcat b -k --reply file 127.0.0.1 0
	listen_sockcat r -k --to "127.0.0.1:$port" 127.0.0.1 0
	start_open h "$PYTHON" "$TESTS/peers/crowd.py" "$port" hold 5
	wait_for_text h.out '5 connected'
	sc -d 127.0.0.1 "$port" >got
	expect_same file got
}

@test "socat on both sides" {
	need socat
	random_bytes 1000000 >there
	serve b socat -u TCP-LISTEN:0,bind=127.0.0.1 OPEN:got,creat
	listen_sockcat r --to "127.0.0.1:$port" 127.0.0.1 0
	socat -u OPEN:there "TCP:127.0.0.1:$port"
	finish b
	expect_same there got
	finish r
	expect_status 0
}

@test "curl through a relay to nginx, answers and uploads" {
	need nginx curl
	random_bytes 2000000 >page
	mkdir logs
	cat >nginx.conf <<-END
		daemon off; master_process off; pid nginx.pid;
		error_log stderr; user root;
		events { }
		http { access_log off; client_body_temp_path tmp;
		server { listen 127.0.0.1:@PORT@; root .; } }
	END
	nginx_on() {
		sed "s/@PORT@/$1/" nginx.conf >"nginx.$1"
		exec nginx -p . -c "nginx.$1" -e stderr
	}
	serve_on_free b nginx_on @PORT@
	listen_sockcat r -k --to "127.0.0.1:$port" 127.0.0.1 0
	curl -s -o got "http://127.0.0.1:$port/page"
	expect_same page got
	curl -s -o got "http://127.0.0.1:$port/page" \
		-o got2 "http://127.0.0.1:$port/page"
	expect_same page got2
}

@test "redis-cli through a relay to a Unix socket" {
	need redis-server redis-cli
	start b redis-server --port 0 --unixsocket path --save '' \
		--dir "$PWD" --logfile ''
	wait_until test -S path
	listen_sockcat r -k --to unix:./path 127.0.0.1 0
	redis-cli -p "$port" set key value >got
	redis-cli -p "$port" get key >>got
	expect_text got $'OK\nvalue\n'
	seq 5000 | sed 's/.*/RPUSH list &/' | redis-cli -p "$port" --pipe >got
	expect_match got 'errors: 0, replies: 5000'
}

@test "ssh through a relay" {
	need ssh sshd ssh-keygen
	need_root
	[ -d /run/sshd ] || mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f host
	ssh-keygen -q -t ed25519 -N '' -f user
	cp user.pub keys
	sshd_on() {
		exec "$(command -v sshd)" -D -e -f /dev/null -p "$1" \
			-o ListenAddress=127.0.0.1 -h "$PWD/host" \
			-o PidFile=none -o StrictModes=no -o UsePAM=no \
			-o "AuthorizedKeysFile=$PWD/keys"
	}
	serve_on_free b sshd_on @PORT@
	listen_sockcat r -k --to "127.0.0.1:$port" 127.0.0.1 0
	random_bytes 2000000 >there
	ssh -q -F none -i user -p "$port" -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=known -o BatchMode=yes root@127.0.0.1 \
		cat <there >got
	expect_same there got
}

@test "connecting to one endpoint and relaying to another" {
	listen_sockcat a 127.0.0.1 0 <<<from-a
	local one=$port
	listen_sockcat b 127.0.0.1 0 <<<from-b
	try sc --to "127.0.0.1:$port" 127.0.0.1 "$one"
	expect_status 0
	finish a
	expect_text out $'from-b\n'
	finish b
	expect_text out $'from-a\n'
}

@test "-C changes what goes to the client, and only that" {
	printf 'a\nb\n' >back
	listen_sockcat b 127.0.0.1 0 <back
	listen_sockcat r -C --to "127.0.0.1:$port" 127.0.0.1 0
	printf 'c\n' | sc 127.0.0.1 "$port" >got
	expect_text got $'a\r\nb\r\n'
	finish b
	expect_text out $'c\n'
}

@test "-w and --idle-timeout end a relay in which nothing moves" {
	serve b peer listen -n 2 sink
	local back=$port
	listen_sockcat r -w 200ms --to "127.0.0.1:$back" 127.0.0.1 0
	begin=$(milliseconds)
	puppet_connects "$port"
	finish r
	expect_elapsed 200 "$begin"
	expect_status 0
	puppet_gone
	listen_sockcat r --idle-timeout 200ms --to "127.0.0.1:$back" \
		127.0.0.1 0
	puppet_connects "$port"
	finish r
	expect_error 5 'nothing moved between 127.0.0.1 [0-9]+ and 127.0.0.1:[0-9]+ for the --idle-timeout'
}

@test "-q after the back-end's end, --peer-quit after the client's" {
	serve b peer listen half-close hello
	listen_sockcat r -q 100ms --to "127.0.0.1:$port" 127.0.0.1 0
	begin=$(milliseconds)
	puppet_connects "$port"
	finish r
	expect_elapsed 100 "$begin"
	puppet_gone
	puppet
	listen_sockcat r --peer-quit=100ms --to "127.0.0.1:$port" 127.0.0.1 0
	begin=$(milliseconds)
	sc 127.0.0.1 "$port" <<<hello
	finish r
	expect_elapsed 100 "$begin"
}

@test "--connect-timeout holds for the back-end" {
	make_netns
	need nft
	in_netns nft -f - <<-'END'
		table ip t { chain c {
			type filter hook input priority 0
			tcp dport 9 drop
		}
		}
	END
	start r in_netns sc -l --port-file r.port --connect-timeout 200ms \
		--to 127.0.0.1:9 127.0.0.1 0
	wait_for_file r.port
	begin=$(milliseconds)
	try in_netns sc -d 127.0.0.1 "$(cat r.port)"
	expect_elapsed 200 "$begin"
	finish r
	expect_error 5 'connect to 127.0.0.1 port 9 \(tcp\) failed: .*timed out'
}

@test "--retry-for waits for a back-end that is not there yet" {
	listen_sockcat r --retry-for 20 --to unix:./path 127.0.0.1 0
	start_open c sc -d 127.0.0.1 "$port"
	wait_until connections "$(pid_of r)"
	listen_sockcat b -U ./path <<<hello
	finish c
	expect_text out $'hello\n'
}

@test "idle relays and half-closed ones cost no processor time" {
	serve b peer listen half-close hello
	listen_sockcat r --to "127.0.0.1:$port" 127.0.0.1 0
	puppet_connects "$port"
	order read 5
	ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' \
		"/proc/$(pid_of r)/stat"; }
	before=$(ticks)
	for _ in 1 2 3 4; do "$PYTHON" -c pass; done
	(($(ticks) - before <= 1))
}

@test "what --to does not go with" {
	try sc -l --to 0
	expect_error 2 'a port'
	try sc -l --to udp:127.0.0.1:9 0
	expect_error 2 'of another kind'
	try sc -l -u --to tcp:127.0.0.1:9 0
	expect_error 2 'of another kind'
	try sc -l --to 127.0.0.1 0
	expect_error 2 '--to needs a port'
	try sc -l --to ::1:80 0
	expect_error 2 '\[::1\]:80'
	try sc -l -t --to 127.0.0.1:9 0
	expect_error 2 'standard input and output'
	try sc -l --connect-timeout 3 0
	expect_error 2 'for connecting'
}

@test "--to fd:N: a connection that was open already" {
	serve b peer listen reply answer
	on_socket() {
		exec "$PYTHON" -c 'import os, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
os.dup2(s.fileno(), 7)
os.execv(sys.argv[2], sys.argv[2:])' "$@"
	}
	start r on_socket "$port" "$SOCKCAT" -l --port-file r.port \
		--to fd:7 127.0.0.1 0
	wait_for_file r.port
	try sc 127.0.0.1 "$(<r.port)" <<<question
	expect_text out answer
	finish b
	expect_text out $'question\n'
	finish r
	expect_status 0
	try sc -l --to fd:9 127.0.0.1 0
	expect_error 1 '9'
	try sc -l --to fd:0 127.0.0.1 0
	expect_error 1 ''
	try sc -l -k --to fd:7 127.0.0.1 0
	expect_error 2 'one connection'
}

@test "what --peer-quit cuts off is told, and is no clean end" {
	need python3
	# A back-end that sends without end, a client that takes nothing.
	serve b "$PYTHON" -c '
import socket
listener = socket.create_server(("127.0.0.1", 0))
peer = listener.accept()[0]
try:
    while True: peer.sendall(bytes(65536))
except OSError: pass'
	listen_sockcat r --peer-quit=1 --to "127.0.0.1:$port" 127.0.0.1 0
	puppet_connects "$port"
	order end
	finish r
	expect_status 5
	expect_match r.err 'time to quit: not all that .* has reached'
	# The reset makes `read` fail: it does not come back as done.
	say p read
	finish p
	[ "$status" -ne 0 ]
	expect_match err 'ConnectionResetError'
}

@test "--no-shutdown is of the remote side: a back-end hears the client's end" {
	need python3
	serve b peer listen reply bye
	listen_sockcat r --no-shutdown --to "127.0.0.1:$port" 127.0.0.1 0
	try sc 127.0.0.1 "$port" < <(echo hello)
	expect_status 0
	expect_text out bye
	finish b
	expect_text out $'hello\n'
}
