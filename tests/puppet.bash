# tests/puppet.bash: a peer that does what the test says, one step after the
# other (tests/peers/puppet.py), and times
#
#   puppet ARG...           starts it as `p`: it listens, on $port or -U PATH
#   puppet_connects ARG...  the same: it connects to PORT or -U PATH
#   puppet_in_netns         puppet in the host that make_netns made
#   order COMMAND...        and back when it has done it
#   puppet_gone             ends it, for another one in the same test
#   milliseconds            the time
#   expect_elapsed MS FROM  so much has passed since FROM, or more

# shellcheck shell=bash disable=SC2034 # $port is for the tests
puppet_connects() {
	start_open p "$PYTHON" "$TESTS/peers/puppet.py" connect "$@"
}

puppet() {
	start_open p "$PYTHON" "$TESTS/peers/puppet.py" listen "$@"
	if [ "${1:-}" = -U ]; then
		wait_until test -S "$2"
	else
		wait_until listening_or_gone p
		port=$(listens "$(pid_of p)")
	fi
}

puppet_in_netns() {
	start_open p in_netns "$PYTHON" "$TESTS/peers/puppet.py" listen
	wait_until listening_or_gone p
	port=$(listens "$(pid_of p)")
}

order() {
	local before
	before=$(grep -c '^did ' p.err || :)
	say p "$*"
	wait_until done_after "$before"
}

done_after() {
	[ "$(grep -c '^did ' p.err || :)" -gt "$1" ]
}

puppet_gone() {
	end_input p
	finish p
	rm p.in
}

milliseconds() {
	echo $((${EPOCHREALTIME/[^0-9]/} / 1000))
}

expect_elapsed() {
	local elapsed=$(($(milliseconds) - $2))
	[ "$elapsed" -ge "$1" ] && return
	echo "after $elapsed ms, not $1"
	return 1
}
