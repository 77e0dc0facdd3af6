#!/usr/bin/env bats
# fd:N: sockets of each kind that are open already; what they are is found out.

load helpers
load messages

# sockcat(SOCKET, OPTIONS..., input=BYTES): its status and output.
runner='
import subprocess
def sockcat(sock, *options, **more):
    fd = sock.fileno()
    os.set_inheritable(fd, True)
    return subprocess.Popen(
        [os.environ["SOCKCAT"], *options, "fd:%d" % fd], pass_fds=[fd],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)
def talk(sock, *options, input=b""):
    child = sockcat(sock, *options)
    output = child.communicate(input)[0]
    return child.returncode, output
'

@test "a connected stream" {
	python_now "$runner"'
for a, b in socket.socketpair(), socket.socketpair():
    b.sendall(b"hello")
    b.shutdown(SHUT_WR)
    put(talk(a, input=b"answer"))
    a.close()
    put(b.recv(MOST), b.recv(MOST))'
	expect_text got "(0, b'hello')
b'answer' b''
(0, b'hello')
b'answer' b''
"
}

@test "a listening stream" {
	python_now "$runner"'
l = socket.create_server(("127.0.0.1", 0))
child = sockcat(l)
c = socket.create_connection(l.getsockname())
l.close()
c.sendall(b"hello")
c.shutdown(SHUT_WR)
put(child.communicate(b"answer")[0], child.returncode, c.recv(MOST))'
	expect_text got "b'hello' 0 b'answer'"$'\n'
}

@test "a connected UDP socket" {
	python_now "$runner"'
server = bound()
c = to(str(server.getsockname()[1]))
child = sockcat(c, "-W", "1")
child.stdin.write(b"hello")
child.stdin.flush()
data, peer = server.recvfrom(MOST)
put(data, peer == c.getsockname())
server.sendto(b"answer", peer)
put(child.communicate()[0], child.returncode)'
	expect_text got "b'hello' True
b'answer' 0
"
}

@test "a bound UDP socket is a listener" {
	python_now "$runner"'
s = bound()
child = sockcat(s, "-q", "0")
c = to(str(s.getsockname()[1]))
c.send(b"hello")
put(child.stdout.read(5))
child.stdin.write(b"answer")
child.stdin.flush()
put(c.recv(MOST))
child.communicate()
put(child.returncode)'
	expect_text got "b'hello'
b'answer'
0
"
}

@test "the framing of messages holds for what turns out to have them" {
	python_now "$runner"'
server = bound()
c = to(str(server.getsockname()[1]))
put(talk(c, "--lines", "-q", "0", input=b"a\nb\n"))
put(server.recv(MOST), server.recv(MOST))
a, b = socket.socketpair(AF_UNIX, SOCK_SEQPACKET)
b.send(b"one")
b.send(b"two")
b.shutdown(SHUT_WR)
put(talk(a, "--frame", "len16", input=b"\0\3abc"))
put(b.recv(MOST))'
	expect_text got "(0, b'')
b'a' b'b'
(0, b'\\x00\\x03one\\x00\\x03two')
b'abc'
"
}

@test "... and is a usage error for a stream" {
	python_now "$runner"'
a, b = socket.socketpair()
put(talk(a, "--lines"))' 2>err
	expect_text got "(2, b'')"$'\n'
	: >out
	status=2
	expect_error 2 'stream'
}

@test "a seqpacket pair, and a seqpacket listener" {
	python_now "$runner"'
a, b = socket.socketpair(AF_UNIX, SOCK_SEQPACKET)
b.send(b"hello")
b.shutdown(SHUT_WR)
put(talk(a, input=b"answer"))
a.close()
put(b.recv(MOST), b.recv(MOST))
l = bound(SOCK_SEQPACKET, AF_UNIX, "path")
l.listen()
child = sockcat(l)
c = to("path", SOCK_SEQPACKET)
c.send(b"one")
c.shutdown(SHUT_WR)
put(child.communicate(b"two")[0], child.returncode, c.recv(MOST))'
	expect_text got "(0, b'hello')
b'answer' b''
b'one' 0 b'two'
"
}

@test "a Unix datagram socket, connected and bound" {
	python_now "$runner"'
a, b = socket.socketpair(AF_UNIX, SOCK_DGRAM)
put(talk(a, "-q", "0", input=b"hello"))
put(b.recv(MOST))
s = bound(family=AF_UNIX, where="path")
child = sockcat(s, "-q", "0")
c = bound(family=AF_UNIX, where="own")
c.connect("path")
c.send(b"hello")
put(child.stdout.read(5))
child.stdin.write(b"answer")
child.stdin.close()
put(c.recv(MOST), child.wait())
put(os.path.exists("path"))'
	expect_text got "(0, b'')
b'hello'
b'hello'
b'answer' 0
True
"
}

@test "a raw socket" {
	need_root
	python_now "$runner"'
s = new(SOCK_RAW, AF_INET, 253)
s.bind(("127.0.0.1", 0))
child = sockcat(s, "--lines", "-q", "0")
c = new(SOCK_RAW, AF_INET, 253)
c.connect(("127.0.0.1", 0))
c.send(b"hello")
put(child.stdout.read(6))
child.kill()
child.communicate()'
	expect_text got $'b\'hello\\n\'\n'
}

@test "flags that others share are left as they are" {
	python_now "$runner"'
server = bound()
c = to(str(server.getsockname()[1]))
c.setblocking(True)
put(talk(c, "-q", "0", input=b"x")[0], os.get_blocking(c.fileno()))
put(c.getsockopt(IPPROTO_UDP, 104))    # UDP_GRO
a, b = socket.socketpair(AF_UNIX, SOCK_SEQPACKET)
a.setblocking(True)
b.shutdown(SHUT_WR)
put(talk(a)[0], os.get_blocking(a.fileno()))'
	expect_text got $'0 True\n0\n0 True\n'
}

@test "what is no socket, not open, or not connected" {
	python_now "$runner"'
put(talk(open("/dev/null")))' 2>err
	expect_text got $'(1, b\'\')\n'
	expect_match err 'descriptor [0-9]+ is not a socket'
	try sc fd:77
	expect_error 1 'descriptor 77'
	python_now "$runner"'
put(talk(socket.socket()))' 2>err
	expect_text got $'(1, b\'\')\n'
	expect_match err 'neither connected nor listening'
}
