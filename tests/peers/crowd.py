#!/usr/bin/env python3
"""Many clients at once, for servers: crowd.py PORT|PATH DOING COUNT [TEXT]

half-close  COUNT in a row: send TEXT, half-close at once, read to the end
reset       COUNT in a row: send TEXT, then reset the connection
overflow    COUNT in a row: send until no more is taken, then reset
visit       COUNT in a row: read to the end, then close
hold        COUNT at once: a line once all are connected; read lines of
            standard input: `say N TEXT` sends from client N, `hear N` prints
            what it has got, `close N`; ends with standard input
Prints what each of all but the last got, a line of its length and a checksum
for each different answer: "300 x 6 1234567".
"""
import collections
import socket
import struct
import sys
import zlib


def connect(where):
    if where.isdigit():
        return socket.create_connection(("127.0.0.1", int(where)))
    conn = socket.socket(socket.AF_UNIX)
    conn.connect(where)
    return conn


def read_all(conn):
    data = b""
    while True:
        got = conn.recv(65536)
        if not got:
            return data
        data += got


def half_close(conn, text):
    conn.sendall(text)
    conn.shutdown(socket.SHUT_WR)
    return read_all(conn)


def reset_at_close(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))


def reset(conn, text):
    conn.sendall(text)
    reset_at_close(conn)
    return b""


def overflow(conn, _text):
    conn.settimeout(0.2)
    try:
        while True:
            conn.sendall(bytes(65536))
    except socket.timeout:
        reset_at_close(conn)
        return b""


def visit(conn, _text):
    return read_all(conn)


def in_a_row(where, doing, count, text):
    answers = collections.Counter()
    for _ in range(count):
        with connect(where) as conn:
            answer = doing(conn, text)
        answers[len(answer), zlib.crc32(answer)] += 1
    for (length, checksum), times in sorted(answers.items()):
        print(times, "x", length, checksum)


def hold(where, count):
    conns = [connect(where) for _ in range(count)]
    print(count, "connected", flush=True)
    for line in sys.stdin:
        what, index, *text = line.rstrip("\n").split(" ", 2)
        conn = conns[int(index)]
        if what == "say":
            conn.sendall((text[0] + "\n").encode())
        elif what == "hear":
            print(conn.recv(65536).decode(), end="", flush=True)
        else:
            conn.close()


def main():
    where, doing, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    text = sys.argv[4].encode() if len(sys.argv) > 4 else b""
    if doing == "hold":
        hold(where, count)
    else:
        in_a_row(where, {"half-close": half_close, "reset": reset,
                         "overflow": overflow,
                         "visit": visit}[doing], count, text)


main()
