#!/usr/bin/env bats
# Time limits: what runs out, and with which status. What is asserted of time
# are lower bounds and order alone.

load helpers
load puppet

# timed NAME CMD...: for `start`, where several run at once; expect_lasted MS
# NAME then is expect_elapsed for one of them.
timed() {
	local name=$1 code=0 began
	shift
	began=$(milliseconds)
	(become "$@") || code=$?
	echo $(($(milliseconds) - began)) >"$name.lasted"
	return "$code"
}

expect_lasted() {
	[ "$(cat "$2.lasted")" -ge "$1" ] && return
	echo "$2 lasted $(cat "$2.lasted") ms, not $1"
	return 1
}

# A host with a resolver that never answers: a socket that nobody reads.
make_silent_resolver() {
	need python3
	make_netns
	netns_etc hosts </dev/null
	netns_etc resolv.conf <<<'nameserver 127.0.0.1'
	echo 'hosts: dns' | netns_etc nsswitch.conf
	start_open resolver in_netns "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53)); print("bound", flush=True)
s.recv(512); print("asked", flush=True)
sys.stdin.read()'
	wait_for_text resolver.out bound
}

# A host on which nothing that is sent to port 7 arrives.
make_hole() {
	need nft
	make_netns
	in_netns nft -f - <<-RULES || skip nftables
		add table inet hole
		add chain inet hole input { type filter hook input priority 0; }
		add rule inet hole input tcp dport 7 drop
	RULES
}

@test "-w, --wait and --connect-timeout run out where nothing answers" {
	local option
	make_hole
	for option in -w --wait --connect-timeout; do
		start "c$option" timed "c$option" in_netns \
			sc "$option" 0.6 127.0.0.1 7
	done
	for option in -w --wait --connect-timeout; do
		finish "c$option"
		expect_lasted 600 "c$option"
		expect_error 5 '127.0.0.1.*timed out'
	done
}

@test "limits hold while a name is looked up" {
	local option
	make_silent_resolver
	for option in -w --wait --max-time; do
		start "c$option" timed "c$option" in_netns \
			sc "$option" 600ms nobody 7
	done
	wait_for_text resolver.out asked
	for option in -w --wait --max-time; do
		finish "c$option"
		expect_lasted 600 "c$option"
		expect_status 5
		expect_text out ''
		expect_text <(wc -l <err) $'1\n'
	done
}

@test "SIGINT kills while a name is looked up" {
	make_silent_resolver
	start c in_netns sc --max-time 50 nobody 7
	wait_for_text resolver.out asked
	stop c INT
	expect_status $((128 + $(kill -l INT)))
	expect_text err ''
}

@test "Ctrl-C kills while a name is looked up" {
	make_silent_resolver
	start_open c in_netns terminal sc nobody 7
	wait_for_text resolver.out asked
	printf '\003' >&"${INPUTS[c]}"
	finish c
	expect_status $((128 + $(kill -l INT)))
}

@test "-w ends an idle connection with status 0" {
	need nc.openbsd
	local began
	serve p nc.openbsd -d -l 127.0.0.1 0
	began=$(milliseconds)
	start_open c sc -w 0.6 127.0.0.1 "$port"
	finish c
	expect_elapsed 600 "$began"
	expect_status 0
	expect_text err ''
}

@test "--idle-timeout ends an idle connection with status 5" {
	need nc.openbsd
	local began
	listen_open s --idle-timeout 0.6 127.0.0.1 0
	began=$(milliseconds)
	start_open c nc.openbsd 127.0.0.1 "$port"
	finish s
	expect_elapsed 600 "$began"
	expect_error 5 'idle-timeout'
}

@test "idle time begins anew with what comes, and with what is sent" {
	need python3
	local how began
	for how in sent came; do
		puppet
		start_open "$how" sc -w 1.5 127.0.0.1 "$port"
		wait_for_text p.err connected
		sleep 0.3
		began=$(milliseconds)
		if [ "$how" = sent ]; then
			say sent hello
			order read 6
		else
			order send hello
			wait_for_text came.out hello
		fi
		finish "$how"
		expect_elapsed 1500 "$began"
		expect_status 0
		puppet_gone
	done
}

@test "-w with something unsent is status 5, and told" {
	need python3
	puppet -b 4096
	try sc -w 0.3 -O 4096 127.0.0.1 "$port" < <(head -c 300000 /dev/zero)
	expect_error 5 '-w.*[1-9][0-9]* bytes .*not acknowledged'
}

@test "--idle-timeout counts what the peer does not acknowledge" {
	need python3
	make_hole
	puppet_in_netns
	start_open c in_netns sc --idle-timeout 0.5 127.0.0.1 "$port"
	order send hello
	wait_for_text c.out hello
	in_netns nft add rule inet hole input tcp dport "$port" drop
	say c 12345
	finish c
	expect_status 5
	expect_text out hello
	expect_match err '^sockcat: .*idle-timeout.* 6 bytes .*not acknowledged'
	in_netns nft flush ruleset
}

@test "-w 0 quits as soon as all is sent" {
	need python3
	random_bytes 3000000 >there
	puppet -b 4096
	start c sc -w0 127.0.0.1 "$port" <there
	order read 3000000
	finish c
	expect_status 0
	expect_same p.out there
}

to_null() {
	exec "$SOCKCAT" "$@" >/dev/null
}

@test "--max-time ends a connection though data flows" {
	need socat
	local began
	serve p socat -u OPEN:/dev/zero TCP4-LISTEN:0,bind=127.0.0.1
	began=$(milliseconds)
	try to_null --max-time 0.6 127.0.0.1 "$port"
	expect_elapsed 600 "$began"
	expect_match err '^sockcat: --max-time'
	expect_status 5
}

@test "--max-time tells what was not delivered" {
	need python3
	puppet -b 4096
	try sc --max-time 0.5 -O 4096 127.0.0.1 "$port" \
		< <(head -c 300000 /dev/zero)
	expect_error 5 'max-time.* [1-9][0-9]* bytes .*not acknowledged'
}

@test "units and fractions" {
	local time
	declare -A least=([1100ms]=1100 [1.1]=1100 [1.1s]=1100 [0.02m]=1200
		[0.0003h]=1080 [1]=1000)
	for time in "${!least[@]}"; do
		start "s$time" timed "s$time" sc -l --max-time "$time" 127.0.0.1 0
	done
	for time in "${!least[@]}"; do
		finish "s$time"
		expect_lasted "${least[$time]}" "s$time"
		expect_error 5 max-time
	done
}

@test "limits that are long do not end anything" {
	need python3
	serve p peer listen late hello
	try sc -w 24h --max-time 100000000 --idle-timeout 1000000m \
		127.0.0.1 "$port"
	expect_status 0
	expect_text out hello
}

@test "the shorter of two limits decides" {
	try sc -l --max-time 300 --accept-timeout 0.2 127.0.0.1 0
	expect_error 5 accept-timeout
	try sc -l --max-time 0.2 --accept-timeout 300 127.0.0.1 0
	expect_error 5 max-time
}

@test "-i pauses between lines, and sends the last part too" {
	need nc.openbsd
	local began
	serve p nc.openbsd -N -l 127.0.0.1 0
	began=$(milliseconds)
	try sc -i 0.4 127.0.0.1 "$port" < <(printf 'one\ntwo\nthree')
	expect_elapsed 800 "$began"
	expect_status 0
	finish p
	expect_text out $'one\ntwo\nthree'
}

@test "-i sends the first line at once, and receives during the pause" {
	need python3
	puppet
	start c sc -i 1h 127.0.0.1 "$port" < <(printf 'one\ntwo\n')
	order read 4
	expect_text p.out $'one\n'
	order send hello
	wait_for_text c.out hello
	order look
	expect_match p.err 'look: nothing'
}
