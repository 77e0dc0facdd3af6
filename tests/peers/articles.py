#!/usr/bin/env python3
"""The programs of introductions to sockets, as they are written there.

usage: articles.py PROGRAM ARGUMENT...

    greeting-server             greets one client and prints what it says
    greeting-client PORT        prints the greeting
    answering-server            answers a line that its client says
    talking-client PORT TEXT    sends TEXT, then prints what comes back
    sendall-client PORT FILE    sends all of FILE
    receiving-server FILE       writes what its client sends to FILE
    silent-server SECONDS       accepts, and says nothing for so long
    unix-server PATH            greets one client and prints what it says
    unix-client PATH TEXT       sends TEXT, then prints what comes back

Servers listen on 127.0.0.1 and a port that the kernel chooses.
"""

import socket
import sys
import time

GREETING = b"Thank you for connecting\n"


def receive_all(connection):
    pieces = []
    while piece := connection.recv(1024):
        pieces.append(piece)
    return b"".join(pieces)


def accept_one(listener):
    with listener:
        connection, _ = listener.accept()
    return connection


def tcp_listener():
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    return listener


def tcp_connection(port):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect(("127.0.0.1", int(port)))
    return connection


def unix_listener(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    return listener


def unix_connection(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    return connection


def greet(listener):
    with accept_one(listener) as connection:
        connection.send(GREETING)
        connection.shutdown(socket.SHUT_WR)
        show(receive_all(connection))


def talk(connection, text):
    with connection:
        connection.sendall(text.encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        show(receive_all(connection))


def show(data):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def greeting_server():
    greet(tcp_listener())


def answering_server():
    with accept_one(tcp_listener()) as connection:
        with connection.makefile("rb") as lines:
            show(lines.readline())
        connection.sendall(GREETING)


def greeting_client(port):
    with tcp_connection(port) as connection:
        show(connection.recv(1024))


def talking_client(port, text):
    talk(tcp_connection(port), text)


def sendall_client(port, file):
    with tcp_connection(port) as connection, open(file, "rb") as source:
        connection.sendall(source.read())


def receiving_server(file):
    with accept_one(tcp_listener()) as connection:
        with open(file, "wb") as copy:
            copy.write(receive_all(connection))


def silent_server(seconds):
    with accept_one(tcp_listener()):
        time.sleep(float(seconds))


def unix_server(path):
    greet(unix_listener(path))


def unix_client(path, text):
    talk(unix_connection(path), text)


def main():
    programs = {
        function.__name__.replace("_", "-"): function
        for function in (
            greeting_server, greeting_client, answering_server,
            talking_client, sendall_client, receiving_server, silent_server,
            unix_server, unix_client,
        )
    }
    if len(sys.argv) < 2 or sys.argv[1] not in programs:
        sys.exit(__doc__)
    programs[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
