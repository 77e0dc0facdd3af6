#!/usr/bin/env bats
# man.bats: the manual, the README and the completions say what the program does

# shellcheck disable=SC2030,SC2031 # $port: each test has its own
# shellcheck disable=SC2016 # the text of examples

load helpers

setup() {
	test_setup
	ROOT=$TESTS/..
	MAN=$ROOT/man/sockcat.1
	# The examples call it by its name.
	mkdir bin
	ln -s "$SOCKCAT" bin/sockcat
	PATH=$PWD/bin:$PATH
}

article() {
	exec "$PYTHON" "$TESTS/peers/articles.py" "$@"
}

# The options in --help, a line each: "-w, --timeout" or "--wait".
help_options() {
	"$SOCKCAT" --help | sed -nE 's/^  (-.,|   ) --([a-z0-9-]+).*/\1 --\2/p' |
		sed 's/^ *//' | sort
}

# The same from the manual's lists of options.
man_options() {
	sed -nE '/^\.Sh DESCRIPTION/,/^\.Sh CLIENT/ {
		s/ (Ar|Ns|Cm) .*//
		s/^\.It Fl -/--/p
		s/^\.It Fl (.) , -/-\1, --/p
	}' "$MAN" | sort
}

section() {
	sed -n "/^\.Sh $1\$/,/^\.Sh /p" "$MAN"
}

# The commands in the manual, each with the lines that belong to it.
examples() {
	sed -nE '
	s/^\.Dl (\$ )/\1/p
	/^\.Bd -literal/,/^\.Ed/ { /^\.(Bd|Ed)/!p }' "$MAN" |
		sed 's/\\e/\\/g; s/\\&//g'
}

# The first example with the text $1 in it, without its prompt.
example() {
	local line text=
	while IFS= read -r line; do
		if [[ $line == '$ '* ]]; then
			[[ $text != *"$1"* ]] || break
			text=${line#??}
		else
			text+=$'\n'$line
		fi
	done < <(examples)
	[[ $text == *"$1"* ]] || { echo "no example with: $1" >&2; return 1; }
	printf '%s\n' "$text"
}

# Starts the example with $2 in it on a port of the kernel's choice; $port.
start_server() {
	local text
	text=$(example "$2")
	start "$1" bash -c "${text/12345/0 --port-file $1.port}"
	wait_for_file "$1.port"
	port=$(cat "$1.port")
}

# Runs the example with $1 in it, with $port for its port, and $2=$3 replaced.
try_example() {
	local text
	text=$(example "$1")
	text=${text/12345/$port}
	[ $# = 1 ] || text=${text//"$2"/"$3"}
	try bash -c "$text"
}

@test "the manual has each option of --help, and no other" {
	help_options >help
	man_options >documented
	[ "$(wc -l <help)" -gt 30 ]
	diff help documented
}

@test "the manual has each exit status" {
	"$SOCKCAT" --help | sed -n '/^Exit status/,$p' | grep -oE '\b[0-9]+ ' |
		tr -d ' ' >help
	section 'EXIT STATUS' | sed -nE 's/^\.It ([0-9]+)/\1/p' >documented
	diff help documented
}

@test "the manual has each socket option, and no other" {
	need_linux_build
	"$SOCKCAT" --list-sockopts | awk '/^$/ { exit } NR > 1 { print $1 }' >list
	section 'SOCKET OPTIONS BY NAME' | sed -n 's/^\.It Cm //p' >documented
	diff list documented
}

@test "mandoc finds nothing to say of the manual" {
	need mandoc
	# What manuals this system has is no concern of ours.
	try mandoc -Tlint -Wstyle "$MAN"
	run grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' out
	[ -z "$output" ]
}

@test "the options in the manual's examples exist and take their values" {
	need_linux_build
	# --help is answered where all before it was right.
	examples | sed -nE "
		:more
		/\\\\\$/ { N; s/\\\\\n//; b more; }
		s/^\\$ //
		s/ProxyCommand='([^']*)'.*/; \1/
		s/\"[^ ]*\\(cat port\\)\"/1/
		p" | tr '|;&()' '\n' |
		sed -n 's/^ *sockcat \([^<>]*\).*/\1/p' >commands
	[ "$(wc -l <commands)" -gt 40 ]
	while read -r command; do
		eval "try sockcat $command --help"
		[ "$status" = 0 ] || { echo "$command"; cat err; false; }
	done <commands
}

@test "the manual's examples are proper shell" {
	examples | sed 's/^\$ //' >commands
	bash -n commands
}

@test "example: a server that greets and prints what its client says" {
	start_server s 'Thank you for connecting'
	try article talking-client "$port" 'Hello, server'
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_status 0
	expect_text out $'Hello, server\n'
	expect_text err ''
}

@test "example: a server whose client only listens" {
	start_server s 'Thank you for connecting'
	try article greeting-client "$port"
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_status 0
}

@test "example: a client that prints what the server says" {
	serve s article greeting-server
	try_example 'sockcat -d 127.0.0.1 12345'
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_status 0
}

@test "example: a client that says something and prints the answer" {
	serve s article greeting-server
	try_example 'Hello, server'
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_text out $'Hello, server\n'
}

@test "example: all of a large file is sent" {
	random_bytes 8000000 >large.file
	serve s article receiving-server received
	try_example '<large.file'
	expect_status 0
	finish s
	expect_same large.file received
}

@test "example: receiving until the peer ends" {
	random_bytes 8000000 >large.file
	start_server s '>large.copy'
	try article sendall-client "$port" large.file
	expect_status 0
	finish s
	expect_status 0
	expect_same large.file large.copy
}

@test "example: a server that says nothing is left" {
	serve s article silent-server 30
	try_example '--idle-timeout 2' 'timeout 2' 'timeout 0.1'
	expect_error 5 idle-timeout
}

@test "example: a client that does not come is given up" {
	port=0
	try_example '--accept-timeout 10' 'timeout 10' 'timeout 0.1'
	expect_error 5 accept-timeout
}

@test "example: errors are told apart" {
	serve s article receiving-server received
	try_example 'case $?'
	expect_text out $'done\n'
	finish s
	# The port is closed now.
	try_example 'case $?'
	expect_text out $'refused\n'
	try_example 'case $?' '-w 2' '-s 192.0.2.1'
	expect_text out $'address in use\n'
}

@test "example: a server and a client on a Unix-domain socket" {
	start s bash -c "$(example '-l ./server.sock')"
	wait_until test -S server.sock
	# It is bound a moment before it listens.
	try sc --retry-for 10 -q 0 ./server.sock
	expect_status 0
	finish s

	start s bash -c "$(example '-l ./server.sock') --port-file s.port"
	wait_for_file s.port
	try article unix-client server.sock 'Hello, server'
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_text out $'Hello, server\n'
	[ ! -e server.sock ]

	start s article unix-server ./server.sock
	wait_until test -S server.sock
	text=$(example '| sockcat ./server.sock')
	try bash -c "${text/sockcat/sockcat --retry-for 10}"
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_text out $'Hello, server\n'
}

@test "example: a script that waits for its listener" {
	{
		example '--port-file port 127.0.0.1 0'
		example 'until [ -s port ]'
		example '"$(cat port)"'
		echo wait
	} >script
	try bash script
	expect_status 0
	expect_text received $'hello\n'
}

# Starts the datagram server of articles.py; $port.
start_udp_server() {
	start "$1" article udp-server "$1.port"
	wait_for_file "$1.port"
	port=$(cat "$1.port")
}

@test "example: one datagram is sent" {
	start_udp_server s
	try_example 'sockcat -u --send-only'
	expect_status 0
	expect_text out ''
	finish s
	expect_text out $'b\'Hello, server\'\n'
}

@test "example: a datagram gets its answer" {
	start_udp_server s
	try_example '-u -W 1 -w 5 127.0.0.1'
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_text out $'b\'Hello, server\'\n'
}

@test "example: datagrams are shown with their senders" {
	start_server s '--show-peer 127.0.0.1'
	(article udp-sender "$port" 'Hello, server') >senders
	(article udp-sender "$port" 'Hello again') >>senders
	wait_for_text s.out again
	stop s
	expect_same senders out
}

@test "example: a server that answers one datagram" {
	start_server s '-u -l -q 0 127.0.0.1'
	try article udp-client "$port" 'Hello, server'
	expect_text out $'b\'Thank you\\n\'\n'
	finish s
	expect_status 0
	expect_text out 'Hello, server'
}

@test "example: an echo server of datagrams" {
	local text
	text=$(example '-luk -e cat 127.0.0.1 12345')
	start s bash -c "exec ${text/12345/0 --port-file s.port}"
	wait_for_file s.port
	port=$(cat s.port)
	try article udp-client "$port" 'Hello, server' $'two\nlines' last
	expect_status 0
	expect_text out "b'Hello, server'
b'two\\nlines'
b'last'
"
	stop s
}

@test "example: an echo server of streams" {
	local text
	text=$(example 'sockcat -lk -e cat 127.0.0.1 12345')
	start s bash -c "exec ${text/12345/0 --port-file s.port}"
	wait_for_file s.port
	port=$(cat s.port)
	random_bytes 300000 >sent
	try sc 127.0.0.1 "$port" <sent
	expect_status 0
	expect_same sent out
	try sc 127.0.0.1 "$port" <<<again
	expect_text out $'again\n'
	stop s
}

@test "examples: a program, a relay and a canned answer" {
	need curl
	local text
	text=$(example "'tr a-z A-Z'")
	start p bash -c "exec ${text/7000/0 --port-file p.port}"
	wait_for_file p.port
	try sc 127.0.0.1 "$(cat p.port)" <<<hello
	expect_text out $'HELLO\n'

	text=$(example '--to 192.0.2.7:80')
	text=${text/192.0.2.7:80/127.0.0.1:$(cat p.port)}
	start r bash -c "exec ${text/8080/0 --port-file r.port}"
	wait_for_file r.port
	try sc 127.0.0.1 "$(cat r.port)" <<<relayed
	expect_text out $'RELAYED\n'
	stop r
	stop p

	bash -c "$(example 'fine')"
	text=$(example '--reply page 8080 &')
	text=${text%&}
	start a bash -c "exec ${text/8080/0 --port-file a.port}"
	wait_for_file a.port
	text=$(example 'curl http://localhost')
	try bash -c "${text/8080/$(cat a.port)}"
	expect_status 0
	expect_text out $'fine\n'
	stop a
}

@test "example: a program for each datagram" {
	local text
	text=$(example 'dd bs=64k')
	start s bash -c "exec ${text/7000/0 --port-file s.port}"
	wait_for_file s.port
	try article udp-client "$(cat s.port)" one $'two\nlines'
	expect_status 0
	expect_text out "b'one'
b'two\\nlines'
"
	stop s
}

@test "example: recorded datagrams are played again" {
	local text
	text=$(example '>recorded')
	start s bash -c "exec ${text/9000/-4 0 --port-file s.port}"
	wait_for_file s.port
	try article udp-sender "$(cat s.port)" $'two\nlines'
	try article udp-sender "$(cat s.port)" ''
	try article udp-sender "$(cat s.port)" last
	wait_until grep -qs last recorded
	stop s

	start r article udp-server r.port 3
	wait_for_file r.port
	text=$(example '<recorded')
	text=${text/host.example.com 9000/127.0.0.1 $(cat r.port)}
	try bash -c "$text"
	expect_status 0
	finish r
	expect_text out "b'two\\nlines'
b''
b'last'
"
}

@test "example: a pair of Unix-domain datagram sockets" {
	start s bash -c "$(example '-l -q 0 ./server.dgram')"
	wait_until test -S server.dgram
	try article unix-datagram-client ./server.dgram ./own 'Hello, server'
	expect_text out $'b\'Thank you\\n\'\n'
	finish s
	expect_status 0
	expect_text out 'Hello, server'
	[ ! -e server.dgram ]

	start s article unix-datagram-server ./server.dgram
	wait_until test -S server.dgram
	try bash -c "$(example '-s ./client.dgram')"
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	[ ! -e client.dgram ]
	finish s
	expect_text out $'b\'Hello, server\' ./client.dgram\n'
}

@test "example: a seqpacket server and its client" {
	local text
	start s bash -c "$(example '--lines ./server.seq') --port-file s.port"
	wait_for_file s.port
	try article seqpacket-client ./server.seq 'Hello, server'
	expect_text out $'b\'Thank you for connecting\'\n'
	finish s
	expect_status 0
	expect_text out $'Hello, server\n'
	[ ! -e server.seq ]

	start s article seqpacket-server ./server.seq
	wait_until test -S server.seq
	text=$(example 'sockcat --seqpacket --lines ./server.seq')
	try bash -c "${text/sockcat/sockcat --retry-for 10}"
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	finish s
	expect_text out $'b\'Hello, server\'\n'
}

@test "examples: ICMP by hand, out and in" {
	local text
	make_netns
	ip -n "$netns" address add 192.0.2.1/32 dev lo
	start r in_netns "$PYTHON" "$TESTS/peers/articles.py" icmp-receiver ready
	wait_for_file ready
	try in_netns bash -c "$(example '--checksum 2')"
	expect_status 0
	# On loopback the request is heard, too.
	tr -d ' \n' <out >hex
	expect_match hex '0000[0-9a-f]{4}0007000168656c6c6f'
	finish r
	expect_text out $'b\'hello\'\n'

	text=$(example '--ip-header -W 1')
	start r in_netns bash -c "${text/sockcat/sockcat -v}"
	wait_for_text r.err 'Bound on'
	in_netns "$PYTHON" "$TESTS/peers/articles.py" icmp-sender 192.0.2.1 hello
	finish r
	tr -d ' \n' <out >hex
	expect_match hex '^45.{22}c0000201c00002010800.{4}0007000168656c6c6f$'
}

@test "example: a ping socket" {
	local text
	make_netns
	ip -n "$netns" address add 192.0.2.1/32 dev lo
	in_netns sh -c 'echo 0 0 >/proc/sys/net/ipv4/ping_group_range'
	try in_netns bash -c "$(example '-u --protocol icmp')"
	expect_status 0
	tr -d ' \n' <out >hex
	expect_match hex '^0000.{8}000168656c6c6f$'

	in_netns sh -c 'echo 1 0 >/proc/sys/net/ipv4/ping_group_range'
	text=$(example '-u --protocol icmp')
	try in_netns bash -o pipefail -c "$text"
	expect_error 8 ping_group_range
}

# Whether anybody on this host listens on port $1.
is_listening() {
	grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [^ ]+ 0A " \
		/proc/net/tcp /proc/net/tcp6
}

@test "examples: TLS in front of a service that has none, and back again" {
	need openssl
	local plain tls text
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 1 \
		-keyout key.pem -out cert.pem 2>/dev/null
	serve plain article answering-server
	plain=$port
	tls=$("$PYTHON" -c 'import socket
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkfifo back there

	text=$(example 'openssl s_server')
	text=${text/8080/$plain}
	start server bash -c "${text/8443/$tls}"
	wait_until is_listening "$tls"

	text=$(example 'openssl s_client')
	text=${text/8080/0 --port-file client.port}
	text=${text//back/there}
	start client bash -c "${text/www.example.com:443/127.0.0.1:$tls}"
	wait_for_file client.port

	try sc 127.0.0.1 "$(cat client.port)" <<<'Hello, server'
	expect_status 0
	expect_text out $'Thank you for connecting\n'
	finish client
	finish server
	finish plain
	expect_text out $'Hello, server\n'
}

@test "every shell completes each option" {
	local shell letter name
	for shell in bash zsh fish; do
		[ -s "$ROOT/build/completion/$shell" ] || skip 'no completions built'
	done
	help_options | sed -E 's/^(-.), --/\1 /; s/^--/- /' >options
	while read -r letter name; do
		grep -qE -e "(^|[[:blank:]])--$name( |\$)" \
			"$ROOT/build/completion/bash"
		grep -qE -e "'\*--$name(\[|=)" "$ROOT/build/completion/zsh"
		grep -qE -e " -l $name " "$ROOT/build/completion/fish"
		[ "$letter" != - ] || continue
		grep -qE -e "^[[:blank:]]*$letter --$name" \
			"$ROOT/build/completion/bash"
		grep -qE -e "'\*$letter(\[|\+)" "$ROOT/build/completion/zsh"
		grep -qE -e " -s ${letter#-} -l $name " \
			"$ROOT/build/completion/fish"
	done <options
}

@test "bash can read its completion, and it works" {
	[ -s "$ROOT/build/completion/bash" ] || skip 'no completions built'
	bash -n "$ROOT/build/completion/bash"
	compopt() { :; }
	# shellcheck source=/dev/null
	. "$ROOT/build/completion/bash"
	COMP_WORDS=(sockcat --fam) COMP_CWORD=1
	_sockcat sockcat --fam sockcat
	[ "${COMPREPLY[*]}" = --family ]
	COMP_WORDS=(sockcat --family '=' ine) COMP_CWORD=3
	_sockcat sockcat ine =
	[ "${COMPREPLY[*]}" = 'inet inet6' ]
	COMP_WORDS=(sockcat --sockopt nod) COMP_CWORD=2
	_sockcat sockcat nod --sockopt
	[ "${COMPREPLY[*]}" = nodelay ]
}

@test "zsh can read its completion" {
	need zsh
	[ -s "$ROOT/build/completion/zsh" ] || skip 'no completions built'
	zsh -n "$ROOT/build/completion/zsh"
}

@test "fish can read its completion" {
	need fish
	[ -s "$ROOT/build/completion/fish" ] || skip 'no completions built'
	fish -n "$ROOT/build/completion/fish"
}

@test "the README starts with two commands" {
	sed -n 's/^\$ //p' "$ROOT/README" >commands
	[ "$(wc -l <commands)" = 2 ]
	[ "$(sed -n 3,4p "$ROOT/README" | grep -c '^\$ ')" = 2 ]
	[ "$(sed -n 2p commands)" = 'make check' ]
	make -C "$ROOT" -n check
}

@test "the README's first command shows hello crossing a socket" {
	ln -s "$SOCKCAT" sockcat
	mkdir build
	# What it runs after make, with the program that is tested.
	sed -n 's/^\$ make && //p' "$ROOT/README" >script
	try bash script
	expect_status 0
	expect_text out $'hello\n'
	expect_text err ''
}

@test "no line of the README is longer than 80 columns" {
	run awk 'length > 80' "$ROOT/README"
	[ -z "$output" ]
}
