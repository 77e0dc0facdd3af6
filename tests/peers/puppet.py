#!/usr/bin/env python3
"""A peer on strings: does on one connection what standard input says.

puppet.py listen [-U PATH] [-b SIZE]
puppet.py connect [-U PATH] [-b SIZE] [PORT]

SIZE is that of the socket's buffers. Once connected, and after each command,
a line on standard error tells so. The commands, one a line:

send TEXT        send TEXT, in which Python's escapes (\\r, \\xff) are read
flood [TEXT]     send TEXT (a nought) again and again until no more is taken
noise COUNT      send that many noughts
read [COUNT]     print what comes: COUNT bytes, or all until the end
look             say on standard error whether data, the end or nothing is there
end              half-close
close            close, as is
reset            reset the connection
"""
import argparse
import select
import socket
import struct
import sys


def say(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def unescape(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


def flood(conn, text):
    """Until the kernel has taken nothing for a while."""
    count = 0
    text *= 65536 // len(text)
    while select.select([], [conn], [], 0.3)[1]:
        rest = text[count % len(text):]
        count += conn.send(rest, socket.MSG_DONTWAIT)
    return count


def look(conn):
    try:
        data = conn.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return "data" if data else "end"
    except BlockingIOError:
        return "nothing"


def read(conn, count):
    while count is None or count > 0:
        data = conn.recv(65536 if count is None else min(count, 65536))
        if not data:
            return
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if count is not None:
            count -= len(data)


def obey(conn, command, text):
    if command == "send":
        conn.sendall(unescape(text))
    elif command == "noise":
        conn.sendall(bytes(int(text)))
    elif command == "flood":
        return " %d" % flood(conn, unescape(text) or b"\0")
    elif command == "read":
        read(conn, int(text) if text else None)
    elif command == "look":
        return ": " + look(conn)
    elif command == "end":
        conn.shutdown(socket.SHUT_WR)
    elif command == "reset":
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        conn.close()
    elif command == "close":
        conn.close()
    else:
        sys.exit("puppet.py: no such command: " + command)
    return ""


def connect(args):
    family = socket.AF_UNIX if args.unix else socket.AF_INET
    where = args.unix or ("127.0.0.1", args.port)
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        if args.size:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, args.size)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, args.size)
        if args.side == "connect":
            sock.connect(where)
            return socket.socket(fileno=sock.detach())
        sock.bind(where)
        sock.listen(1)
        return sock.accept()[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=("listen", "connect"))
    parser.add_argument("-U", dest="unix")
    parser.add_argument("-b", dest="size", type=int)
    parser.add_argument("port", nargs="?", type=int, default=0)
    conn = connect(parser.parse_args())
    say("connected")
    for line in sys.stdin:
        command, _, text = line.rstrip("\n").partition(" ")
        say("did " + command + obey(conn, command, text))


main()
