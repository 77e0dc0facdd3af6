#!/usr/bin/env python3
"""A peer that does one thing on one connection, as everyday programs do.

peer.py listen [-6] [-a ADDRESS] [-U PATH] [-n CLIENTS] ACTION [ARGUMENT]
peer.py connect [-6] [-a ADDRESS] [-U PATH] PORT ACTION [ARGUMENT]

A PATH that starts with @ is an abstract name. The actions:
greet TEXT       send TEXT, then print what comes until the end, and close
echo             send back what comes until the end, and close
sink             print what comes until the end, and close
source           send standard input, then half-close and print what comes
half-close TEXT  send TEXT and half-close at once, then print what comes
reply TEXT       read to the end, and only then send TEXT, and close
late TEXT        the same, a second after the end
close TEXT       send TEXT and close without reading
reset TEXT       send TEXT; once standard input ends, reset the connection
hold             print what comes, but begin only once standard input ends
tick [COUNT]     send a dot every tenth of a second until the end comes, COUNT of
                 them at most, half-close, and say whose end came first
idle             do nothing until standard input ends, and close
"""
import argparse
import select
import socket
import struct
import sys
import time


def chunks(conn):
    while True:
        data = conn.recv(65536)
        if not data:
            return
        yield data


def sink(conn, _text=b""):
    for data in chunks(conn):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def greet(conn, text):
    conn.sendall(text)
    sink(conn)


def echo(conn, _text):
    for data in chunks(conn):
        conn.sendall(data)


def source(conn, _text):
    conn.sendall(sys.stdin.buffer.read())
    conn.shutdown(socket.SHUT_WR)
    sink(conn)


def half_close(conn, text):
    conn.sendall(text)
    conn.shutdown(socket.SHUT_WR)
    sink(conn)


def reply(conn, text):
    sink(conn)
    conn.sendall(text)


def late(conn, text):
    sink(conn)
    time.sleep(1)
    conn.sendall(text)


def close(conn, text):
    conn.sendall(text)


def reset(conn, text):
    conn.sendall(text)
    sys.stdin.read()
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))


def hold(conn, _text):
    sys.stdin.read()
    sink(conn)


def tick(conn, text):
    count = int(text) if text else 1 << 30
    began = time.monotonic()
    while count > 0 and not select.select([conn], [], [], 0.1)[0]:
        silence = time.monotonic() - began
        began += silence
        conn.sendall(b".")
        count -= 1
        if silence > 0.8:   # too slow a machine to tell anything: once more
            count = int(text) if text else count
    print("the end came", "after ours" if count <= 0 else "before ours")
    conn.shutdown(socket.SHUT_WR)
    for _data in chunks(conn):
        pass


def idle(_conn, _text):
    sys.stdin.read()


ACTIONS = {f.__name__.replace("_", "-"): f for f in (
    greet, echo, sink, source, half_close, reply, late, close, reset, hold,
    tick, idle)}


def address(args, port):
    """What to make a socket with: family, address."""
    if args.unix:
        path = args.unix
        return socket.AF_UNIX, "\0" + path[1:] if path[0] == "@" else path
    if args.ipv6:
        return socket.AF_INET6, (args.address or "::1", port)
    return socket.AF_INET, (args.address or "127.0.0.1", port)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=("listen", "connect"))
    parser.add_argument("-6", dest="ipv6", action="store_true")
    parser.add_argument("-a", dest="address")
    parser.add_argument("-U", dest="unix")
    parser.add_argument("-n", dest="clients", type=int, default=1)
    parser.add_argument("rest", nargs="+")
    args = parser.parse_args()
    port = 0
    if args.side == "connect" and not args.unix:
        port = int(args.rest.pop(0))
    action = ACTIONS[args.rest[0]]
    text = " ".join(args.rest[1:]).encode()
    family, where = address(args, port)
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        if args.side == "connect":
            sock.connect(where)
            action(sock, text)
            return
        sock.bind(where)
        sock.listen()
        for _ in range(args.clients):
            conn, _peer = sock.accept()
            with conn:
                action(conn, text)


main()
