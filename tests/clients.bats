#!/usr/bin/env bats
# The programs of everyday life at the other end: web servers and clients,
# databases, ssh, and the other netcats in pipelines.

load helpers

# web_file SIZE: ./www/page, to be served.
web_file() {
	mkdir -p www
	random_bytes "$1" >www/page
}

# expect_body FILE: ./out is an answer of a web server with FILE as its body.
expect_body() {
	head -n 1 out >first
	expect_match first '^HTTP/1\.[01] 200 '
	tail -c "$(wc -c <"$1")" out >got
	expect_same got "$1"
}

# nginx as `p` on $port, with ./www.
start_nginx() {
	need nginx
	cat >nginx.conf <<-CONF
		daemon off; master_process off; pid nginx.pid;
		error_log stderr;
		$([ "$(id -u)" != 0 ] || echo 'user root;')
		events { }
		http { access_log off; client_body_temp_path body;
		proxy_temp_path proxy; fastcgi_temp_path fastcgi;
		uwsgi_temp_path uwsgi; scgi_temp_path scgi;
		server { listen 127.0.0.1:PORT; root $PWD/www; } }
	CONF
	serve_on_free p bash -c 'sed "s/PORT/$1/" nginx.conf >used.conf
		exec nginx -e stderr -p "$PWD" -c "$PWD/used.conf"' - @PORT@
}

start_redis() {
	need redis-server
	serve_on_free p redis-server --port @PORT@ --bind 127.0.0.1 \
		--save '' --appendonly no
}

@test "curl gets a canned answer, once" {
	need curl
	random_bytes 100000 >page
	{
		printf 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n'
		printf 'Connection: close\r\n\r\n'
		cat page
	} >answer
	listen_sockcat s 127.0.0.1 0 <answer
	try curl -sS --noproxy '*' "http://127.0.0.1:$port/some/page"
	expect_status 0
	expect_same out page
	finish s
	expect_status 0
	expect_match out '^GET /some/page HTTP/1.1'
	# It was a one-shot.
	try curl -sS --noproxy '*' "http://127.0.0.1:$port/"
	expect_status 7
}

@test "curl gets a canned answer that goes on until the end" {
	need curl
	{
		printf 'HTTP/1.0 200 OK\r\n\r\n'
		seq 20000
	} >answer
	listen_sockcat s 0 <answer
	try curl -sS --noproxy '*' "http://localhost:$port/"
	expect_status 0
	seq 20000 | expect_same out -
	finish s
	expect_status 0
}

@test "curl gets a canned answer from a Unix socket" {
	need curl
	printf 'HTTP/1.0 200 OK\r\n\r\nhello\n' >answer
	listen_sockcat s ./web.sock <answer
	try curl -sS --unix-socket web.sock http://host/page
	expect_status 0
	expect_text out $'hello\n'
	finish s
	expect_match out '^Host: host'
}

ends_with_file() {
	tail -c 500000 s.out | cmp -s - file
}

@test "curl sends a file and gets its answer" {
	need curl
	random_bytes 500000 >file
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nthanks' >answer
	listen_open s 127.0.0.1 0
	start c curl -sS --noproxy '*' -H Expect: -T file \
		"http://127.0.0.1:$port/file"
	# Curl stops sending when it is answered.
	wait_until ends_with_file
	cat answer >&"${INPUTS[s]}"
	end_input s
	finish c
	expect_status 0
	expect_text out thank
	finish s
	expect_status 0
	tail -c 500000 out >got
	expect_same got file
}

@test "curl's telnet" {
	need curl
	curl --version | grep -q telnet || skip 'curl without telnet'
	listen_sockcat s -t 127.0.0.1 0 < <(echo welcome)
	echo hello | curl -sS --noproxy '*' "telnet://127.0.0.1:$port" >got
	expect_match got '^welcome'
	finish s
	expect_match out '^hello'
}

@test "a large page from nginx over TCP, plain and in one connection" {
	web_file 3000000
	start_nginx
	# To nginx a client that half-closes has lost interest.
	try sc --no-shutdown 127.0.0.1 "$port" < <(printf 'GET /page HTTP/1.0\r\n\r\n')
	expect_status 0
	expect_body www/page
	# Two requests at once, answered one after the other.
	{
		printf 'GET /page HTTP/1.1\r\nHost: me\r\n\r\n'
		printf 'GET /page HTTP/1.1\r\nHost: me\r\n'
		printf 'Connection: close\r\n\r\n'
	} >requests
	try sc --no-shutdown 127.0.0.1 "$port" <requests
	expect_status 0
	expect_body www/page
	[ "$(grep -ao 'HTTP/1.1 200 OK' out | wc -l)" = 2 ]
	[ "$(wc -c <out)" -gt 6000000 ]
}

@test "-C makes requests of typed lines" {
	web_file 1000
	start_nginx
	try sc -C 127.0.0.1 "$port" <<-'REQUEST'
		GET /page HTTP/1.1
		Host: me
		Connection: close

	REQUEST
	expect_status 0
	expect_body www/page
}

@test "a large page from Python's http.server" {
	need python3
	web_file 3000000
	serve p "$PYTHON" -m http.server --bind 127.0.0.1 --directory www 0
	try sc 127.0.0.1 "$port" < <(printf 'GET /page HTTP/1.0\r\n\r\n')
	expect_status 0
	expect_body www/page
}

@test "redis: a PING, and its end" {
	start_redis
	try sc 127.0.0.1 "$port" < <(printf 'PING\r\nQUIT\r\n')
	expect_status 0
	expect_text out $'+PONG\r\n+OK\r\n'
	# Without QUIT: our half-close is enough.
	try sc 127.0.0.1 "$port" < <(printf 'PING\r\n')
	expect_status 0
	expect_text out $'+PONG\r\n'
}

# Redis drops what it has not yet answered when it sees an end of data.
@test "redis: as many answers as requests in a long pipeline" {
	start_redis
	yes PING | head -n 100000 >requests
	echo QUIT >>requests
	try sc -C --no-shutdown 127.0.0.1 "$port" <requests
	expect_status 0
	{
		yes $'+PONG\r' | head -n 100000
		printf '+OK\r\n'
	} | expect_same out -
}

@test "redis: a value of 4 MiB there and back" {
	start_redis
	random_bytes 4194304 >value
	{
		printf '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4194304\r\n'
		cat value
		printf '\r\nGET k\r\nQUIT\r\n'
	} >requests
	try sc --no-shutdown 127.0.0.1 "$port" <requests
	expect_status 0
	{
		printf '+OK\r\n$4194304\r\n'
		cat value
		printf '\r\n+OK\r\n'
	} | expect_same out -
}

@test "redis: two that talk in turns" {
	start_redis
	start_open c sc 127.0.0.1 "$port"
	local count
	for count in 1 2 3 4 5; do
		say c 'INCR counter'
		wait_for_text c.out "^:$count"
	done
	end_input c
	finish c
	expect_status 0
	[ "$(wc -l <out)" = 5 ]
}

# A private sshd as `p` on $port, and ssh's options in ./config for `peer`.
private_sshd() {
	need ssh sshd ssh-keygen
	need_root
	ssh-keygen -q -t ed25519 -N '' -f hostkey
	ssh-keygen -q -t ed25519 -N '' -f key
	cp key.pub authorized
	cat >sshd_config <<-CONF
		HostKey $PWD/hostkey
		AuthorizedKeysFile $PWD/authorized
		StrictModes no
		PermitRootLogin prohibit-password
		UsePAM no
		PidFile none
		Subsystem sftp internal-sftp
	CONF
	[ -d /run/sshd ] || mkdir -p /run/sshd
	serve_on_free p "$(command -v sshd)" -D -e -f "$PWD/sshd_config" \
		-o ListenAddress=127.0.0.1 -p @PORT@
	cat >config <<-CONF
		Host peer
		HostName 127.0.0.1
		Port $port
		User root
		IdentityFile $PWD/key
		IdentitiesOnly yes
		BatchMode yes
		StrictHostKeyChecking no
		UserKnownHostsFile $PWD/known
		LogLevel ERROR
		ProxyCommand $SOCKCAT %h %p
	CONF
}

@test "ssh with sockcat as ProxyCommand: a command and its status" {
	private_sshd
	try ssh -F config peer 'echo hello; echo oops >&2; exit 7'
	expect_status 7
	expect_text out $'hello\n'
	expect_text err $'oops\n'
	# It has nobody to give the error to but its own standard error.
	sed -i 's/^Port .*/Port 1/' config
	try ssh -F config peer true
	expect_status 255
	expect_match err '^sockcat: connect to 127.0.0.1 port 1 .*refused'
}

@test "ssh with sockcat as ProxyCommand: 1 MiB there and back" {
	private_sshd
	random_bytes 1048576 >there
	try ssh -F config peer 'cat' <there
	expect_status 0
	expect_same out there
	try ssh -F config peer "cat >'$PWD/copy'" <there
	expect_status 0
	expect_same copy there
}

@test "ssh with sockcat as ProxyCommand: sftp" {
	need sftp
	private_sshd
	random_bytes 1048576 >there
	try sftp -q -F config -b - peer < <(
		echo "put $PWD/there $PWD/put"
		echo "get $PWD/put $PWD/got"
	)
	expect_status 0
	expect_same got there
}

@test "ssh's own connection to sockcat, as a tunnel's end" {
	private_sshd
	listen_open s 127.0.0.1 0
	start_open c ssh -F config -W "127.0.0.1:$port" peer
	say c hello
	wait_for_text s.out hello
	say s 'from the far side'
	wait_for_text c.out 'from the far side'
	# Ssh ends both directions when it sees the end of one.
	end_input c
	end_input s
	finish c
	expect_status 0
	finish s
	expect_status 0
}

# A directory to be sent by tar, and what arrived of it, in other/.
make_tree() {
	mkdir tree other
	random_bytes 300000 >tree/one
	random_bytes 1 >tree/two
	: >tree/three
	ln -s one tree/link
}

expect_tree() {
	diff -r tree other/tree
}

@test "tar through sockcat" {
	make_tree
	start s bash -c '"$SOCKCAT" -l --port-file file 127.0.0.1 0 |
		tar -xf - -C other'
	wait_for_file file
	tar -cf - tree | sc 127.0.0.1 "$(cat file)"
	finish s
	expect_status 0
	expect_tree
}

@test "tar to nc.openbsd, ncat and socat, and from them" {
	need nc.openbsd ncat socat
	local sender receiver
	make_tree
	for receiver in 'nc.openbsd -d -l 127.0.0.1 0' \
		'ncat --recv-only -l 127.0.0.1 0' \
		'socat -u TCP4-LISTEN:0,bind=127.0.0.1 -'; do
		# shellcheck disable=SC2086 # words
		serve p $receiver
		tar -cf - tree | sc 127.0.0.1 "$port"
		finish p
		rm -rf other/tree
		tar -xf p.out -C other
		expect_tree
	done
	for sender in 'nc.openbsd -N 127.0.0.1 @' 'ncat 127.0.0.1 @' \
		'ncat --send-only 127.0.0.1 @' 'socat -u - TCP4:127.0.0.1:@' \
		'busybox nc 127.0.0.1 @'; do
		command -v "${sender%% *}" >/dev/null || continue
		listen_sockcat s 127.0.0.1 0
		# shellcheck disable=SC2086
		tar -cf - tree | ${sender//@/$port}
		finish s
		expect_status 0
		rm -rf other/tree
		tar -xf out -C other
		expect_tree
	done
}

@test "sockcat in the middle of other netcats" {
	need nc.openbsd socat ncat
	random_bytes 1000000 >there
	# there → nc.openbsd → sockcat | sockcat → socat → got
	serve end socat -u TCP4-LISTEN:0,bind=127.0.0.1 OPEN:got,creat
	end=$port
	start middle bash -c '"$SOCKCAT" -l --port-file file 127.0.0.1 0 |
		"$SOCKCAT" 127.0.0.1 "$1"' - "$end"
	wait_for_file file
	nc.openbsd -N 127.0.0.1 "$(cat file)" <there
	finish middle
	expect_status 0
	finish end
	expect_same got there
}

@test "the first lines of what never ends" {
	need ncat
	serve p ncat -l -k 127.0.0.1 0 --sh-exec 'yes'
	sc -d 127.0.0.1 "$port" | head -n 1000 >got
	yes | head -n 1000 | expect_same got -
	stop p
}

@test "a compressor at each side" {
	need gzip
	seq 200000 >there
	start s bash -c '"$SOCKCAT" -l --port-file file 127.0.0.1 0 |
		gzip -dc >got'
	wait_for_file file
	gzip -c there | sc 127.0.0.1 "$(cat file)"
	finish s
	expect_status 0
	expect_same got there
}

@test "a program that talks over sockcat by two pipes" {
	need socat
	echo 'while read -r line; do echo $((line)); done' >calculator
	serve p socat TCP4-LISTEN:0,bind=127.0.0.1 EXEC:'bash calculator'
	cat >script <<-'SCRIPT'
		coproc "$SOCKCAT" 127.0.0.1 "$1"
		echo '6 * 7' >&"${COPROC[1]}"
		read -r answer <&"${COPROC[0]}"
		echo "$answer ** 11" >&"${COPROC[1]}"
		read -r answer <&"${COPROC[0]}"
		echo "$answer"
	SCRIPT
	try bash script "$port"
	expect_text out $'717368321110468608\n'
	finish p
}

@test "Python: asyncio, urllib and http.client" {
	need python3
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n' >answer
	listen_sockcat s 127.0.0.1 0 <answer
	try env no_proxy='*' "$PYTHON" -c 'import sys, urllib.request
u = urllib.request.urlopen("http://127.0.0.1:%s/" % sys.argv[1])
print(u.status, u.read())' "$port"
	expect_text out $'200 b\'hello\\n\'\n'
	finish s
	expect_status 0
	random_bytes 1000000 >back
	random_bytes 1000000 >there
	listen_sockcat s 127.0.0.1 0 <back
	try "$PYTHON" -c 'import asyncio, sys

async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", sys.argv[1])
    async def send():
        writer.write(sys.stdin.buffer.read())
        await writer.drain()
        writer.write_eof()
    _, data = await asyncio.gather(send(), reader.read())
    sys.stdout.buffer.write(data)
    writer.close()

asyncio.run(main())' "$port" <there
	expect_status 0
	expect_same out back
	finish s
	expect_status 0
	expect_same out there
}

@test "Python: a socketserver that serves one line after the other" {
	need python3
	serve p "$PYTHON" -c 'import socketserver

class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())

with socketserver.TCPServer(("127.0.0.1", 0), Upper) as server:
    server.handle_request()'
	start_open c sc 127.0.0.1 "$port"
	say c hello
	wait_for_text c.out '^HELLO$'
	say c again
	wait_for_text c.out '^AGAIN$'
	end_input c
	finish c
	expect_status 0
	expect_text out $'HELLO\nAGAIN\n'
	finish p
}
