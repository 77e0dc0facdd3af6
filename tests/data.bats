#!/usr/bin/env bats
# What changes bytes on their way: -C and -t; and --block-size

load helpers
load puppet

# IAC and what may follow it, as Python and printf read it.
IAC='\xff' DONT='\xfe' DO='\xfd' WONT='\xfc' WILL='\xfb' SB='\xfa' SE='\xf0'
NOP='\xf1'

@test "-C sends CRLF for LF, to every peer" {
	need nc.openbsd ncat socat
	printf 'one\ntwo\n\nthree' >lines
	printf 'one\r\ntwo\r\n\r\nthree' >expected
	serve p nc.openbsd -N -l 127.0.0.1 0
	try sc -C 127.0.0.1 "$port" <lines
	expect_status 0
	finish p
	expect_same out expected
	serve p ncat -l 127.0.0.1 0
	try sc --crlf 127.0.0.1 "$port" < <(cat lines)
	finish p
	expect_same out expected
	listen_sockcat s -C -U ./path <lines
	socat -u UNIX-CONNECT:path - >got
	expect_same got expected
	finish s
	expect_status 0
}

@test "-C sends what nc.openbsd -C and ncat -C send" {
	need nc.openbsd ncat
	local client
	# What ends in CR in one write and begins with LF in the next is
	# another matter: nc.openbsd doubles the CR there.
	printf 'GET / HTTP/1.0\nHost: here\r\n\n' >request
	for client in "$SOCKCAT" nc.openbsd ncat; do
		listen_sockcat s 127.0.0.1 0
		[ "$client" = nc.openbsd ] && set -- -N || set --
		"$client" "$@" -C 127.0.0.1 "$port" <request
		finish s
		expect_text out $'GET / HTTP/1.0\r\nHost: here\r\n\r\n'
	done
}

@test "-C never doubles a CR, wherever reads are split" {
	need nc.openbsd
	local size
	printf 'a\r\nb\nc\rd\r\r\ne\n\r\n\n\r' >lines
	printf 'a\r\nb\r\nc\rd\r\r\ne\r\n\r\n\r\n\r' >expected
	for size in 1 2 3; do
		serve p nc.openbsd -N -l 127.0.0.1 0
		try sc -C --block-size "$size" 127.0.0.1 "$port" <lines
		expect_status 0
		finish p
		expect_same out expected
	done
}

@test "-C knows a CR that was sent before" {
	need python3
	puppet
	start_open c sc -C 127.0.0.1 "$port"
	printf 'a\r' >&"${INPUTS[c]}"
	order read 2
	printf '\nb\n' >&"${INPUTS[c]}"
	order read 4
	printf '\n' >&"${INPUTS[c]}"
	order read 2
	expect_text p.out $'a\r\nb\r\n\r\n'
}

@test "-C leaves what comes as it is" {
	need nc.openbsd
	printf 'one\ntwo\r\n\n' >back
	serve p nc.openbsd -N -l 127.0.0.1 0 <back
	try sc -C 127.0.0.1 "$port"
	expect_same out back
}

@test "-C on much data, all of it to be changed or none" {
	need nc.openbsd
	head -c 600000 /dev/zero | tr '\0' '\n' >lf
	yes $'\r' | head -c 1200000 >crlf
	local file
	for file in lf crlf; do
		serve p nc.openbsd -N -l 127.0.0.1 0
		try sc -C 127.0.0.1 "$port" <$file
		expect_status 0
		finish p
		expect_same out crlf
	done
}

@test "-C and -i together" {
	need nc.openbsd
	serve p nc.openbsd -N -l 127.0.0.1 0
	try sc -C -i 50ms 127.0.0.1 "$port" < <(printf 'one\ntwo\r\nthree\n')
	expect_status 0
	finish p
	expect_text out $'one\r\ntwo\r\nthree\r\n'
}

# What a telnet server may say, what is left of it, and what we answer: only
# offers and requests, each by a refusal.
said="a${IAC}${DO}\x01b${IAC}${WILL}\x03c${IAC}${IAC}d"
said+="${IAC}${SB}\x18\x01${IAC}${IAC}x${IAC}${SE}e${IAC}${NOP}f"
said+="${IAC}${WONT}\x01${IAC}${DONT}\x03g${IAC}${DO}\xffh"
left='abc\xffdefgh'
answered="${IAC}${WONT}\x01${IAC}${DONT}\x03${IAC}${WONT}\xff"

@test "-t refuses, and takes negotiation out, wherever reads are split" {
	need python3
	local size
	# shellcheck disable=SC2059 # these are formats
	printf "$left" >left
	# shellcheck disable=SC2059
	printf "$answered" >answered
	for size in 1 2 3 5 1000; do
		puppet
		start_open c sc -t --block-size "$size" 127.0.0.1 "$port"
		order send "$said"
		order read 9
		order end
		end_input c
		finish c
		expect_status 0
		expect_same out left
		order read
		expect_same p.out answered
		puppet_gone
		rm c.in
	done
}

@test "-t remembers where what was sent is split" {
	need python3
	# shellcheck disable=SC2059 # this is a format
	printf "$said" >said
	local byte
	puppet
	start_open c sc -t 127.0.0.1 "$port"
	while read -r byte; do
		order send "\\x$byte"
	done < <(od -An -v -tx1 -w1 said | tr -d ' ')
	order read 9
	order end
	end_input c
	finish c
	# shellcheck disable=SC2059
	expect_same out <(printf "$left")
	# shellcheck disable=SC2059
	expect_same p.out <(printf "$answered")
}

@test "-t with an end in the middle of negotiation" {
	need python3
	local text
	for text in "$IAC" "$IAC$DO" "$IAC$SB\\x01" "$IAC$SB\\x01$IAC"; do
		puppet
		start_open c sc -t 127.0.0.1 "$port"
		order send "before$text"
		order close
		end_input c
		finish c
		expect_status 0
		expect_text out before
		puppet_gone
		rm c.in
	done
}

@test "without -t nothing is taken out or answered" {
	need python3
	# shellcheck disable=SC2059 # this is a format
	printf "$said" >said
	puppet
	start c sc 127.0.0.1 "$port"
	order send "$said"
	order end
	order read
	finish c
	expect_same out said
	expect_text p.out ''
}

@test "-t leaves what is sent as it is, between the answers" {
	need python3
	puppet
	start_open c sc -t 127.0.0.1 "$port"
	printf '\xff\xfd\x01' >&"${INPUTS[c]}"
	order read 3
	order send "${IAC}${DO}\\x05"
	order read 3
	expect_same p.out <(printf '\xff\xfd\x01\xff\xfc\x05')
}

# What is to be sent waits meanwhile, and so does what is asked.
@test "-t and a peer that asks without end and never reads" {
	need python3
	puppet -b 4096
	start_open c sc -t -I 4096 -O 4096 127.0.0.1 "$port"
	order flood "${IAC}${DO}\\x01"
	is_running c
	order reset
	finish c
	expect_error 9 'broke'
}

@test "-t answers such a peer once it reads" {
	need python3
	local asked
	puppet -b 4096
	start_open c sc -t -I 4096 -O 4096 127.0.0.1 "$port"
	order flood "${IAC}${DO}\\x01"
	asked=$(sed -n 's/did flood //p' p.err)
	order read $((asked / 3 * 3))
	order end
	end_input c
	finish c
	expect_status 0
	expect_text out ''
	[ "$(od -An -v -tx1 -w3 p.out | sort -u)" = ' ff fc 01' ]
}

@test "--block-size is how much is read at once" {
	need python3
	puppet
	start_open c sc -W 2 --block-size 4 127.0.0.1 "$port"
	order send 0123456789abcdefghij
	finish c
	expect_status 0
	expect_text out 01234567
}

@test "each block size moves the same bytes" {
	need nc.openbsd
	local size
	random_bytes 30000 >there
	for size in 1 7 64k 16M; do
		serve p nc.openbsd -N -l 127.0.0.1 0 <there
		try sc --block-size "$size" 127.0.0.1 "$port" <there
		expect_status 0
		expect_same out there
		finish p
		expect_same out there
	done
}
