#!/usr/bin/env bats
# Unix-domain sockets: their files, whose they are, and when they go; abstract
# names, which have none.

load helpers

# leftover PATH [TYPE]: a socket of nobody.
leftover() {
	"$PYTHON" -c 'import socket, sys
socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2])).bind(sys.argv[1])' \
		"$1" "${2:-SOCK_STREAM}"
}

# living PATH TYPE: somebody's open socket, as `p`. Once its input ends it
# tells whether anybody connected to it.
living() {
	start_open p "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2]))
s.bind(sys.argv[1])
if sys.argv[2] != "SOCK_DGRAM":
    s.listen(0)
print("ready", flush=True)
sys.stdin.readline()
s.setblocking(False)
try:
    s.recv(1) if sys.argv[2] == "SOCK_DGRAM" else s.accept()
    print("disturbed")
except BlockingIOError:
    print("undisturbed")' "$1" "$2"
	wait_for_text p.out ready
}

# The end of a message about what NAME holds.
held_by() {
	echo "\(held by $(cat "/proc/$(pid_of "$1")/comm"), process\
 $(pid_of "$1")\)\$"
}

identity() {
	stat -c '%d %i %f' "$1"
}

@test "paths, relative and absolute" {
	local form
	mkdir d
	for form in '-U path' './path' 'd/path' "$PWD/path" 'unix:path' \
		'-U d/path' 'unix:d/../path' '-f unix path'; do
		# shellcheck disable=SC2086 # words
		listen_sockcat s -v $form
		[ -S path ] || [ -S d/path ]
		# shellcheck disable=SC2086
		echo hello | sc $form
		finish s
		expect_text out $'hello\n'
		expect_match err "^Listening on .*path\$"
		expect_match err "^Connection received on .*path\$"
		[ ! -e path ]
		[ ! -e d/path ]
	done
}

@test "paths with odd characters" {
	local path
	for path in './a b' './a:80' './@name' './-x' $'./a\nb' './a%b,1-2' \
		'./ü'; do
		listen_sockcat s "$path"
		[ -S "$path" ]
		echo hello | sc "$path"
		finish s
		expect_text out $'hello\n'
	done
}

@test "a path with a control character makes one line of a message" {
	try sc $'./a\nsockcat: b'
	expect_error 3 'a\\x0Asockcat: b.*No such file or directory'
}

@test "abstract names leave no file" {
	need_linux_build
	local name=@sockcat-test-$$ form
	for form in "-U $name" "unix:$name" "--family unix $name"; do
		# shellcheck disable=SC2086 # words
		listen_sockcat s -v $form
		grep -q " $name\$" /proc/net/unix
		# shellcheck disable=SC2086
		echo hello | sc $form
		finish s
		expect_text out $'hello\n'
		expect_match err "^Listening on $name\$"
		expect_match err "^Connection received on $name\$"
		[ ! -e "$name" ]
	done
}

@test "an abstract name and a path of the same name are different" {
	need_linux_build
	listen_sockcat abstract -U "@sockcat-test-$$"
	listen_sockcat path -U "./@sockcat-test-$$"
	echo path | sc -U "./@sockcat-test-$$"
	finish path
	expect_text out $'path\n'
	echo abstract | sc -U "@sockcat-test-$$"
	finish abstract
	expect_text out $'abstract\n'
}

@test "an abstract name in use names its holder" {
	need_linux_build
	listen_sockcat s -U "@sockcat-test-$$"
	try sc -l -U "@sockcat-test-$$"
	expect_error 7 "listen on @sockcat-test-$$ failed:\
 Address already in use $(held_by s)"
	stop s
}

@test "the longest path works, and one more byte is told" {
	local path
	path=./$(printf '%0105d' 0)
	listen_sockcat s "$path"
	expect_text s.port "$path"$'\n'
	[ -S "$path" ]
	echo hello | sc "$path"
	finish s
	expect_text out $'hello\n'
	[ ! -e "$path" ]
	try sc -l "${path}1"
	expect_error 2 'too long: 108 bytes, at most 107'
	try sc "${path}1"
	expect_error 2 'too long: 108 bytes, at most 107'
	[ ! -e "$path" ]
	[ ! -e "${path}1" ]
}

@test "the longest abstract name works" {
	need_linux_build
	local name
	name=@$(printf '%0107d' $$)
	listen_sockcat s -U "$name"
	expect_text s.port "$name"$'\n'
	echo hello | sc -U "$name"
	finish s
	expect_text out $'hello\n'
	try sc -l -U "${name}1"
	expect_error 2 'too long: 108 bytes, at most 107'
}

@test "a stale socket of any type is replaced" {
	need python3
	local type
	for type in SOCK_STREAM SOCK_DGRAM SOCK_SEQPACKET; do
		leftover path "$type"
		[ -S path ]
		listen_sockcat s ./path
		echo hello | sc ./path
		finish s
		expect_text out $'hello\n'
		[ ! -e path ]
	done
}

@test "what a killed listener left behind is replaced" {
	listen_sockcat s ./path
	stop s KILL
	[ -S path ]
	listen_sockcat s ./path
	echo hello | sc ./path
	finish s
	expect_text out $'hello\n'
	[ ! -e path ]
}

@test "a living socket is left alone and undisturbed, whatever its type" {
	need python3
	local type before
	for type in SOCK_STREAM SOCK_DGRAM SOCK_SEQPACKET; do
		rm -f path p.in
		living ./path "$type"
		before=$(identity path)
		try sc -l ./path
		expect_status 7
		expect_match err '^sockcat: .*\./path.*Address already in use'
		[ "$(wc -l <err)" = 1 ]
		[ "$(identity path)" = "$before" ]
		end_input p
		finish p
		expect_match out '^undisturbed$'
	done
}

@test "a path in use names its holder" {
	need_linux_build
	mkdir d
	listen_sockcat s ./path
	try sc -l ./path
	expect_error 7 "\./path failed: Address already in use $(held_by s)"
	try sc -l "$PWD/d/../path"
	expect_error 7 "Address already in use $(held_by s)"
	echo hello | sc ./path
	finish s
	expect_text out $'hello\n'
}

@test "another file is left alone" {
	local before file
	echo contents >file
	mkdir directory
	mkfifo pipe
	ln -s nowhere dangling
	ln -s file link
	for file in file directory pipe dangling link; do
		before=$(identity "$file")
		try sc -l -U "./$file"
		expect_error 7 "\./$file .*exists and is not a socket"
		[ "$(identity "$file")" = "$before" ]
	done
	expect_text file $'contents\n'
	[ ! -e nowhere ]
}

@test "a symbolic link is left alone, even to a stale socket" {
	need python3
	leftover stale
	ln -s stale link
	try sc -l ./link
	expect_error 7 '\./link'
	[ -L link ]
	[ -S stale ]
}

@test "a directory that is not there, or is none" {
	try sc -l ./missing/path
	expect_error 3 'missing/path.*No such file or directory'
	echo >file
	try sc -l ./file/path
	expect_error 3 'file/path.*Not a directory'
}

@test "of several that find a stale socket one gets it" {
	need python3
	leftover path
	local name left=0
	for name in a b c d e; do
		start $name sc -l ./path
	done
	one_left() {
		left=0
		for name in a b c d e; do
			! is_running $name || ((left += 1))
		done
		[ $left = 1 ]
	}
	wait_until one_left
	echo hello | sc --retry-for 10 ./path
	for name in a b c d e; do
		finish $name
		if [ "$status" = 0 ]; then
			expect_text out $'hello\n'
			((left += 1))
		else
			expect_error 7 'Address already in use'
		fi
	done
	[ $left = 2 ]
	[ ! -e path ]
}

@test "our path goes when nobody came" {
	try sc -l --accept-timeout 0.1 ./path
	expect_status 5
	[ ! -e path ]
	try sc -l --max-time 0.1 ./path
	expect_status 5
	[ ! -e path ]
}

@test "our path goes at a signal, by which we then die" {
	local signal
	for signal in INT TERM HUP; do
		listen_sockcat s ./path
		[ -S path ]
		stop s "$signal"
		expect_status $((128 + $(kill -l "$signal")))
		expect_text err ''
		[ ! -e path ]
	done
}

@test "our path is gone after a signal in the middle of a connection" {
	local signal
	for signal in INT TERM HUP; do
		rm -f s.in c.in
		listen_open s -v ./path
		start_open c sc ./path
		wait_for_text s.err 'Connection received'
		stop s "$signal"
		expect_status $((128 + $(kill -l "$signal")))
		[ ! -e path ]
		end_input s
		end_input c
		finish c
	done
}

@test "a signal that was ignored at the start stays ignored" {
	listen_sockcat first ./other
	stop first
	local signal
	for signal in INT HUP; do
		rm -f s.port
		start s bash -c 'trap "" "$1"
			exec "$SOCKCAT" -l --port-file s.port ./path' - "$signal"
		wait_for_file s.port
		kill -s "$signal" "$(pid_of s)"
		echo hello | sc ./path
		finish s
		expect_status 0
		expect_text out $'hello\n'
		[ ! -e path ]
	done
}

@test "our path is gone after a connection that broke" {
	listen_sockcat s --max-time 0.3 ./path
	start_open c sc ./path
	finish s
	expect_status 5
	[ ! -e path ]
	end_input c
	finish c
}

@test "what stands there instead of our path stays" {
	need python3
	listen_sockcat s ./path
	mv path aside
	echo contents >path
	stop s
	expect_text path $'contents\n'
	[ -S aside ]

	rm path
	listen_sockcat s ./path
	rm path
	leftover path
	local before
	before=$(identity path)
	stop s
	[ "$(identity path)" = "$before" ]
}

@test "a path that went away meanwhile is no failure" {
	listen_sockcat s ./path
	rm path
	stop s
	expect_status 143
	expect_text err ''
}

@test "a second client is refused, and the path is free for the next" {
	listen_open s -v ./path
	start_open c sc ./path
	wait_for_text s.err 'Connection received'
	try sc ./path
	expect_error 3 '\./path.*No such file'
	listen_sockcat next ./path
	echo next | sc ./path
	finish next
	expect_text out $'next\n'
	end_input c
	end_input s
	finish c
	finish s
	expect_status 0
}

@test "--unix-mode is the mode of the file, whatever the umask" {
	local mode mask
	for mode in 600 666 777 0 0640; do
		for mask in 000 077; do
			umask $mask
			listen_sockcat s --unix-mode "$mode" ./path
			[ "$((8#$(stat -c %a path)))" = $((8#$mode)) ]
			stop s
		done
	done
}

@test "without --unix-mode the umask says it" {
	umask 027
	listen_sockcat s ./path
	[ "$(stat -c %a path)" = 750 ]
	stop s
}

@test "--unix-mode is there from the first moment" {
	need strace
	need_plain_build
	umask 022
	try strace -f -o calls -e trace=umask,bind,chmod,fchmod,fchmodat \
		"$SOCKCAT" -l --accept-timeout 0 --unix-mode 600 ./path
	expect_match calls 'umask\(0?177\)'
	# And what comes after has the umask that it was.
	grep -nE 'umask|bind' calls | sed -n '2s/.*bind.*/&/p' | grep bind
	grep -E 'umask\(022\)' calls
	[ "$(grep -c chmod calls)" = 0 ]
}

@test "--unix-mode decides who may connect" {
	make_public
	chmod 777 "$public"
	cd "$public" || return
	listen_sockcat s --unix-mode 600 "$public/path"
	try as_nobody sc "$public/path"
	expect_error 8 "$public/path.*Permission denied"
	stop s
	listen_sockcat s --unix-mode 666 "$public/path"
	echo hello | as_nobody sc "$public/path"
	finish s
	expect_text out $'hello\n'
	cd "$BATS_TEST_TMPDIR" || return
}

@test "a peer that closes for good is noticed" {
	need python3
	start_open p peer listen -U ./path idle
	wait_until test -S path
	start_open c sc -v --retry-for 10 ./path
	wait_until test -S path
	end_input p
	finish p
	# Its input is still open; a Unix socket tells that nobody reads.
	finish c
	expect_status 0
	end_input c
}
