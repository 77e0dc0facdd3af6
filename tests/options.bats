#!/usr/bin/env bats
# The command line: what is understood, and mistakes, which are one line that
# names them, nothing on standard output, and status 2.

load helpers

# expect_usage REGEX ARG...: a mistake that the line describes by REGEX.
expect_usage() {
	local regex=$1
	shift
	try sc "$@"
	expect_error 2 "$regex" || { echo "of: sockcat $*"; return 1; }
}

# expect_greeting ARG...: the arguments bring up what the server sends.
expect_greeting() {
	serve p peer listen close hello
	try sc "${@//@PORT@/$port}"
	expect_status 0
	expect_text out hello
	finish p
}

# expect_listening ARG...: they listen so that 127.0.0.1 can be connected to.
expect_listening() {
	listen_sockcat s "$@"
	echo hello | sc 127.0.0.1 "$port"
	finish s
	expect_status 0
	expect_text out $'hello\n'
}

@test "an unknown letter is named" {
	expect_usage '-j' -j 127.0.0.1 1
	expect_usage '-j' -vj 127.0.0.1 1
}

@test "an unknown long name is named, and a near miss is answered" {
	expect_usage '--listne.*--listen' --listne 1
	expect_usage '--idle-time.*--idle-timeout' --idle-time 1 127.0.0.1 1
	expect_usage '--xyzzyxyzzy' --xyzzyxyzzy 127.0.0.1 1
}

@test "long names are not abbreviated" {
	expect_usage '--verb\b' --verb 127.0.0.1 1
}

@test "an option without its value is named" {
	expect_usage '-w' 127.0.0.1 1 -w
	expect_usage '--max-time' 127.0.0.1 1 --max-time
}

@test "a value for an option that takes none is named" {
	expect_usage '--listen' --listen=1 0
}

@test "an empty value is a mistake" {
	expect_usage '--port-file' -l --port-file= 0
	expect_usage '-w' -w '' 127.0.0.1 1
}

@test "no operand at all" {
	expect_usage 'destination'
}

@test "a host without a port" {
	expect_usage 'port' 127.0.0.1
}

@test "a port without a host" {
	expect_usage 'host' :80
}

@test "a listener without a port" {
	expect_usage 'port' -l
	expect_usage 'port' -l 127.0.0.1
	expect_usage 'port' -l ::1
}

@test "two different ports" {
	expect_usage '1.*2|two' 127.0.0.1:1 2
	expect_usage '1.*2|two' -l -p 1 127.0.0.1 2
}

@test "more operands than a listener takes" {
	expect_usage 'extra' -l 127.0.0.1 0 extra
}

@test "a Unix path takes neither a port nor -4, -6, -p, -s" {
	expect_usage 'port' -U ./path 80
	expect_usage '-U|Unix' -4 -U ./path
	expect_usage '-U|Unix' -6 -U ./path
	expect_usage '-p|Unix' -l -p 80 -U ./path
	expect_usage '-s|Unix' -l -s 127.0.0.1 ./path
}

@test "a Unix path that is too long is told with its length" {
	expect_usage "200" -U "$(printf '%0200d' 0)"
}

@test "an IPv6 address before a port shows the brackets" {
	expect_usage '\[::1\]:80' ::1:80
	expect_usage '\[::1\]:80' -l ::1:80
}

@test "brackets that are not closed, or not around an address" {
	expect_usage '\[::1' '[::1'
	expect_usage '\[name\]' '[name]:80'
	expect_usage '\[::1\]x' '[::1]x'
}

@test "numbers are checked whole" {
	local value
	for value in -1 +1 0x10 1x '1 ' 99999999999999999999 ''; do
		expect_usage '--backlog' -l --backlog "$value" 0
	done
	for value in 65536 70000 -1 +80 99999999999999999999; do
		expect_usage "" -n "127.0.0.1:$value"
	done
}

@test "ports that are out of range or turned around are named" {
	expect_usage '65536' 127.0.0.1 65536
	expect_usage '9-8' 127.0.0.1 9-8
	expect_usage '1-65536' 127.0.0.1 1-65536
	expect_usage '65536' -l 65536
}

@test "a port list with nothing between its commas" {
	expect_usage '' 127.0.0.1 1,,2
	expect_usage '' 127.0.0.1 1,
}

@test "a listener takes one port, not several" {
	expect_usage '8001' -l 8000-8001
	expect_usage '8001' -l 127.0.0.1 8000,8001
}

@test "times are checked whole" {
	local value
	for value in x 1x 1.x 1d .s s -1 +1 1e3 '1 s' 99999999999999999999h; do
		expect_usage '-w' -w "$value" 127.0.0.1 1
		expect_usage '--max-time' --max-time "$value" 127.0.0.1 1
	done
}

@test "sizes are checked whole" {
	local value
	for value in x 1x 1kk 1T -1 +1 0 99999999999999999999 9999999999G; do
		expect_usage '--block-size' --block-size "$value" 127.0.0.1 1
	done
}

@test "modes are octal" {
	local value
	for value in 8 rw 1000 -1 07777; do
		expect_usage '--unix-mode' -l --unix-mode "$value" ./path
	done
	[ ! -e path ]
}

@test "options that exclude each other are both named" {
	expect_usage '-4.*-6|-6.*-4' -4 -6 127.0.0.1 1
	expect_usage '-N.*--no-shutdown|--no-shutdown.*-N' \
		-N --no-shutdown 127.0.0.1 1
	expect_usage '-d.*--send-only|--send-only.*-d' \
		-d --send-only 127.0.0.1 1
}

@test "options of the other side say which side they are for" {
	expect_usage '--backlog.*-l' --backlog 5 127.0.0.1 1
	expect_usage '--port-file.*-l' --port-file x 127.0.0.1 1
	expect_usage '--accept-timeout.*-l' --accept-timeout 1 127.0.0.1 1
	expect_usage '--retry-for.*-l' -l --retry-for 1 0
	expect_usage '--connect-timeout.*-l' -l --connect-timeout 1 0
}

@test "an unknown family is named" {
	expect_usage 'appletalk' --family appletalk 127.0.0.1 1
}

@test "an unknown socket option is named, and a near miss is answered" {
	expect_usage 'nodelya.*nodelay' --sockopt nodelya 127.0.0.1 1
	expect_usage 'xyzzy' --sockopt xyzzy=1 127.0.0.1 1
}

@test "a socket option with a value that it does not take" {
	expect_usage 'mss' --sockopt mss=x 127.0.0.1 1
	expect_usage 'linger' --sockopt linger=x 127.0.0.1 1
	expect_usage '-T' -T nonsense 127.0.0.1 1
	expect_usage '-M' -M 256 127.0.0.1 1
}

@test "a message about an argument cannot forge a second line" {
	expect_usage 'x0[aA]' --sockopt $'x\nsockcat: all is well' 127.0.0.1 1
	expect_usage 'x1[bB]' $'--\e[2J' 127.0.0.1 1
}

@test "a mistake is found before anything is touched" {
	expect_usage '-j' -l --port-file port 0 -j
	[ ! -e port ]
	expect_usage '' -lU ./path extra
	[ ! -e path ]
}

@test "options stand before, between and after operands" {
	expect_greeting -d 127.0.0.1 @PORT@
	expect_greeting 127.0.0.1 -d @PORT@
	expect_greeting 127.0.0.1 @PORT@ -d
}

@test "letters are bundled, with a value attached or apart" {
	expect_greeting -4dnw5 127.0.0.1 @PORT@
	expect_greeting -4dnw 5 127.0.0.1 @PORT@
	expect_listening -4lw5 0
	expect_listening -lp0 -n
}

@test "a long name takes its value attached or apart" {
	expect_greeting --max-time=20 127.0.0.1 @PORT@
	expect_greeting --max-time 20 127.0.0.1 @PORT@
}

@test "two dashes end the options" {
	mkdir ./-v
	listen_sockcat s -U -- -v/path
	[ -S ./-v/path ]
	echo hello | sc -- -v/path
	finish s
	expect_text out $'hello\n'
	expect_usage '-d|operand|port' -- 127.0.0.1 1 -d
}

@test "every form of an Internet endpoint is connected to" {
	expect_greeting 127.0.0.1 @PORT@
	expect_greeting 127.0.0.1:@PORT@
	expect_greeting tcp:127.0.0.1:@PORT@
	expect_greeting localhost @PORT@
	expect_greeting -4 localhost:@PORT@
	expect_greeting --family inet 127.0.0.1 @PORT@
}

@test "every form of an IPv6 endpoint is connected to" {
	need ipv6
	local form
	for form in '[::1]:@' 'tcp:[::1]:@' '::1 @' '-6 ::1 @' '[::1%lo]:@' \
		'::1%lo @' '--family inet6 [::1]:@' '[::1] @'; do
		serve p peer listen -6 greet hello
		# shellcheck disable=SC2086 # words
		try sc ${form//@/$port}
		expect_status 0
		expect_text out hello
		finish p
	done
}

@test "every form of a port to listen on" {
	expect_listening 0
	expect_listening :0
	expect_listening -p 0
	expect_listening -p0 127.0.0.1
	expect_listening 127.0.0.1 0
	expect_listening 127.0.0.1:0
	expect_listening tcp:127.0.0.1:0
	expect_listening -s 127.0.0.1 0
	expect_listening -s 127.0.0.1 -p 0
	expect_listening -p 0 127.0.0.1 0
}

@test "every form of a Unix endpoint" {
	local form
	for form in '-U path' './path' 'unix:path' '--unixsock path' \
		'--family unix path' "$PWD/path"; do
		# shellcheck disable=SC2086 # words
		listen_sockcat s $form
		[ -S path ]
		# shellcheck disable=SC2086
		echo hello | sc $form
		finish s
		expect_status 0
		expect_text out $'hello\n'
	done
}

@test "a service's name stands for its port" {
	make_netns
	start s in_netns sc -l --port-file file 127.0.0.1 http
	wait_for_file file
	expect_text file $'80\n'
	echo hello | in_netns sc 127.0.0.1 http
	finish s
	expect_text out $'hello\n'
}

@test "of several ports the first that answers is used" {
	make_netns
	start s in_netns sc -l --port-file file 127.0.0.1 8003
	wait_for_file file
	echo hello | in_netns sc 127.0.0.1 8000,8001-8005 9000
	finish s
	expect_text out $'hello\n'
}

@test "a service that nobody knows is status 3" {
	try sc 127.0.0.1 no-such-service
	expect_error 3 'no-such-service'
}

@test "--help names every option on standard output" {
	try sc --help
	expect_status 0
	expect_text err ''
	expect_match out '--listen'
	expect_match out '--idle-timeout'
	cp out long
	try sc -h
	expect_status 0
	expect_same out long
}

@test "every option that --help shows is understood" {
	local option
	try sc --help
	grep -oE -e '--[a-z][a-z0-9-]+' out | sort -u >options
	[ "$(wc -l <options)" -gt 30 ]
	while read -r option; do
		case $option in --help | --version | --list-sockopts) continue ;;
		esac
		# Whatever is wrong with so little, it is not the name.
		try sc "$option"
		expect_error 2 ''
		! grep 'no such option' err
	done <options
}

@test "--version is one line" {
	try sc --version
	expect_status 0
	expect_match out '^sockcat [0-9]'
	[ "$(wc -l <out)" = 1 ]
}

@test "--list-sockopts prints the table" {
	try sc --list-sockopts
	expect_status 0
	expect_match out '^nodelay\b'
	expect_match out '^linger\b'
}

@test "help that cannot be written is a failure" {
	[ -e /dev/full ] || skip /dev/full
	status=0
	sc --help >/dev/full 2>err || status=$?
	expect_status 1
	expect_match err 'No space left'
}

@test "messages are in English whatever the locale" {
	need localedef
	localedef -i de_DE -f UTF-8 ./de_DE.UTF-8 || skip locales
	export LOCPATH=$PWD LC_ALL=de_DE.UTF-8 LANGUAGE=de
	try cat ./missing
	grep -q 'Datei oder Verzeichnis' err || skip 'German messages'
	try sc -U ./missing
	expect_error 3 'No such file or directory'
}
