#!/usr/bin/env bats
# Standard input and output on a terminal, in the foreground and behind

load helpers
load puppet

# type_at NAME TEXT: keys, without a newline
type_at() {
	# shellcheck disable=SC2059 # for \004
	printf "$2" >&"${INPUTS[$1]}"
}

@test "what is typed is sent line by line, what comes is shown" {
	need python3
	puppet
	start_open t terminal sc 127.0.0.1 "$port"
	say t hello
	order read 6
	expect_text p.out $'hello\n'
	order send 'good day'
	wait_for_text t.out 'good day'
	order close
	finish t
	expect_status 0
}

@test "the peer's end is the end, though nobody has typed Ctrl-D" {
	need python3 nc.openbsd ncat
	puppet
	start_open t terminal sc 127.0.0.1 "$port"
	order send bye
	order end
	finish t
	expect_status 0
	expect_text out bye
	rm t.in
	serve p1 nc.openbsd -N -l 127.0.0.1 0
	start_open t terminal sc 127.0.0.1 "$port"
	finish t
	expect_status 0
	rm t.in
	serve p2 ncat --send-only -l 127.0.0.1 0 < <(echo bye)
	start_open t terminal sc 127.0.0.1 "$port"
	finish t
	expect_status 0
	rm t.in
	start_open t terminal sc -l --port-file port 127.0.0.1 0
	wait_for_file port
	peer connect "$(cat port)" close bye
	finish t
	expect_status 0
	expect_match out bye
}

@test "what was typed before the peer's end is still sent" {
	need python3
	puppet
	start_open t terminal sc 127.0.0.1 "$port"
	say t one two three
	order read 14
	order end
	finish t
	expect_status 0
	order read
	expect_text p.out $'one\ntwo\nthree\n'
}

@test "Ctrl-D half-closes, and the answer is still shown" {
	need python3
	puppet
	start_open t terminal sc 127.0.0.1 "$port"
	say t question
	type_at t '\004'
	order read
	expect_text p.out $'question\n'
	order send 'the answer'
	order close
	finish t
	expect_status 0
	expect_match out 'the answer'
}

@test "Ctrl-C kills by the signal" {
	need python3
	puppet
	start_open t terminal sc 127.0.0.1 "$port"
	order send hello
	wait_for_text t.out hello
	type_at t '\003'
	finish t
	expect_status $((128 + $(kill -l INT)))
	rm t.in
	# One with a path to remove does not die of it at once.
	start_open t terminal sc -v -l -U ./path
	wait_for_text t.out Listening
	type_at t '\003'
	finish t
	expect_status $((128 + $(kill -l INT)))
	[ ! -e path ]
}

@test "signals that were ignored at the start stay ignored" {
	need python3
	local option
	for option in '-U path' '-4 0'; do
		# shellcheck disable=SC2086 # an option and its value
		start_open t terminal bash -c "trap '' INT QUIT HUP
			exec \"\$SOCKCAT\" -v -l --port-file port $option"
		wait_for_file port
		type_at t '\003\034'
		if [ "$option" = '-U path' ]; then
			peer connect -U path greet hello </dev/null >got &
		else
			peer connect "$(cat port)" greet hello >got &
		fi
		wait_for_text t.out hello
		type_at t '\003\034'
		say t answer
		wait_for_text got answer
		type_at t '\004'
		finish t
		expect_status 0
		wait $!
		rm t.in port
	done
}

@test "a job in the background goes on, and reads again in the foreground" {
	need python3
	puppet
	start_open t terminal bash -mc '"$SOCKCAT" 127.0.0.1 "$1" &
		read -r line
		echo "the shell has $line"
		fg >/dev/null' bash "$port"
	order send pi
	wait_for_text t.out pi
	say t mine
	wait_for_text t.out 'shell has mine'
	say t yours
	order read 6
	expect_text p.out $'yours\n'
	order send bye
	order close
	finish t
	expect_status 0
	expect_match out bye
}

@test "a job in the background sees its peer's end" {
	need python3
	puppet
	start_open t terminal bash -mc '"$SOCKCAT" 127.0.0.1 "$1" &
		wait $!
		echo "ended with $?"
		read -r line' bash "$port"
	order send hello
	wait_for_text t.out hello
	say t 'not for it'
	order close
	wait_for_text t.out 'ended with 0'
	finish t
	expect_text p.out ''
}

@test "what is typed while nobody reads is not for a job behind" {
	need python3
	puppet
	start_open t terminal bash -mc '"$SOCKCAT" 127.0.0.1 "$1" &
		until [ -e go ]; do sleep 0.05; done
		fg >/dev/null' bash "$port"
	order send one
	wait_for_text t.out one
	say t hello
	order send two
	wait_for_text t.out two
	order look
	expect_match p.err 'look: nothing'
	touch go
	order read 6
	expect_text p.out $'hello\n'
	order close
	finish t
	expect_status 0
}

@test "a job that is stopped and put behind leaves the terminal to the shell" {
	need python3
	puppet
	start_open t terminal bash -mc '"$SOCKCAT" 127.0.0.1 "$1"
		bg
		echo put behind
		until [ -e go ]; do sleep 0.05; done
		read -r line
		echo "the shell has $line"
		wait' bash "$port"
	say t one
	order read 4
	type_at t '\032'
	wait_for_text t.out 'put behind'
	say t two
	order send hello
	wait_for_text t.out hello
	touch go
	wait_for_text t.out 'shell has two'
	order close
	finish t
	expect_text p.out $'one\n'
}

@test "the terminal's settings are left alone" {
	need python3 stty
	puppet
	start_open t terminal sh -c 'stty -g >before; "$SOCKCAT" 127.0.0.1 "$1"
		stty -g >after' sh "$port"
	order send hello
	wait_for_text t.out hello
	order close
	finish t
	expect_status 0
	expect_same before after
}

@test "much output to a terminal arrives whole, while what is typed is sent" {
	need python3
	seq 20000 >lines
	serve p peer listen source <lines
	start_open t terminal sc 127.0.0.1 "$port"
	say t hello
	wait_for_text t.out '^20000'
	type_at t '\004'
	finish t
	tr -d '\r' <out | grep -v '^hello' >got
	tail -n 1000 got | cmp - <(tail -n 1000 lines)
	finish p
	expect_text out $'hello\n'
}

@test "a terminal that is stopped by Ctrl-S does not stall what is typed" {
	need python3
	puppet
	start_open t terminal sc 127.0.0.1 "$port"
	order send begin
	wait_for_text t.out begin
	type_at t '\023'
	order noise 300000
	order send 'the end'
	say t hello
	order read 6
	expect_text p.out $'hello\n'
	type_at t '\021'
	wait_for_text t.out 'the end'
	order close
	finish t
	expect_status 0
}
