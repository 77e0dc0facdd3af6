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
    udp-server FILE [N]         prints N (1) datagrams and answers each
    udp-client PORT TEXT...     sends each TEXT, and prints the answers
    udp-sender PORT TEXT        sends TEXT, prints where it came from, and TEXT
    unix-datagram-server PATH   prints a datagram and its sender, and answers
    unix-datagram-client PATH OWN TEXT
                                sends TEXT, and prints the answer
    seqpacket-server PATH       greets one client and prints its messages
    seqpacket-client PATH TEXT  sends TEXT, then prints the messages that come
    icmp-receiver FILE          prints the payload of the first echo request
    icmp-sender HOST TEXT       sends an echo request

Servers listen on 127.0.0.1 and a port that the kernel chooses; one that gets
a FILE writes the port to it, or makes it once it is ready.
"""

import os
import socket
import struct
import sys
import time

GREETING = b"Thank you for connecting\n"
ECHO_REQUEST = 8


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


def tell_ready(file, text):
    with open(file + ".new", "w", encoding="ascii") as ready:
        print(text, file=ready)
    os.rename(file + ".new", file)


def datagram_socket(family):
    return socket.socket(family, socket.SOCK_DGRAM)


def udp_server(file, count=1):
    with datagram_socket(socket.AF_INET) as server:
        server.bind(("127.0.0.1", 0))
        tell_ready(file, server.getsockname()[1])
        for _ in range(int(count)):
            data, address = server.recvfrom(65535)
            print(repr(data), flush=True)
            server.sendto(GREETING, address)


def udp_client(port, *texts):
    with datagram_socket(socket.AF_INET) as client:
        for text in texts:
            client.sendto(text.encode(), ("127.0.0.1", int(port)))
            data, _ = client.recvfrom(65535)
            print(repr(data), flush=True)


def udp_sender(port, text):
    with datagram_socket(socket.AF_INET) as client:
        client.bind(("127.0.0.1", 0))
        client.sendto(text.encode(), ("127.0.0.1", int(port)))
        print(*client.getsockname(), end="\t")
        print(text)


def unix_datagram_server(path):
    with datagram_socket(socket.AF_UNIX) as server:
        server.bind(path)
        data, address = server.recvfrom(1024)
        print(repr(data), address)
        server.sendto(GREETING, address)


def unix_datagram_client(path, own, text):
    with datagram_socket(socket.AF_UNIX) as client:
        client.bind(own)
        client.sendto(text.encode(), path)
        data, _ = client.recvfrom(1024)
        print(repr(data))


def show_messages(connection):
    while message := connection.recv(1024):
        print(repr(message))


def seqpacket_server(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(1)
    with accept_one(listener) as connection:
        connection.send(GREETING.rstrip())
        connection.shutdown(socket.SHUT_WR)
        show_messages(connection)


def seqpacket_client(path, text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        connection.send(text.encode())
        connection.shutdown(socket.SHUT_WR)
        show_messages(connection)


def icmp_socket():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW,
                         socket.IPPROTO_ICMP)


def checksum(data):
    """RFC 1071"""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp_receiver(file):
    with icmp_socket() as receiver:
        tell_ready(file, "ready")
        while True:
            packet, _ = receiver.recvfrom(65535)
            message = packet[(packet[0] & 15) * 4:]
            if message[0] == ECHO_REQUEST and checksum(message) == 0:
                break
    print(repr(message[8:]))


def icmp_sender(host, text):
    body = struct.pack("!HH", 7, 1) + text.encode()
    head = struct.pack("!BB", ECHO_REQUEST, 0)
    total = checksum(head + b"\0\0" + body)
    with icmp_socket() as sender:
        sender.sendto(head + struct.pack("!H", total) + body, (host, 0))


def main():
    programs = {
        function.__name__.replace("_", "-"): function
        for function in (
            greeting_server, greeting_client, answering_server,
            talking_client, sendall_client, receiving_server, silent_server,
            unix_server, unix_client, udp_server, udp_client, udp_sender,
            unix_datagram_server, unix_datagram_client, seqpacket_server,
            seqpacket_client, icmp_receiver, icmp_sender,
        )
    }
    if len(sys.argv) < 2 or sys.argv[1] not in programs:
        sys.exit(__doc__)
    programs[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
