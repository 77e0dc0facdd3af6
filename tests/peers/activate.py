#!/usr/bin/env python3
"""Starts a program as systemd's socket activation does: sd_listen_fds(3).

activate.py FILE SOCKET... -- PROGRAM ARGUMENT...

Opens the sockets, writes their ports (or paths) to FILE, a line each, and
becomes PROGRAM with the sockets as descriptors 3, 4 ... The kinds:
tcp tcp6 dual udp udp6      on a port that the kernel chooses
unix:PATH seqpacket:PATH unixdgram:PATH
accepted                    a connection: that of the first client to come
file                        no socket

LISTEN_PID and LISTEN_FDS are set unless they are in the environment already,
where "-" means that there is to be none.
"""
import os
import socket
import sys


def internet(kind, family, host, dual=False):
    sock = socket.socket(family, kind)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
    sock.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock, sock.getsockname()[1]


def unix(kind, path):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(path)
    if kind != socket.SOCK_DGRAM:
        sock.listen()
    return sock, path


def make(text):
    name, _, path = text.partition(":")
    if name in ("tcp", "accepted"):
        return internet(socket.SOCK_STREAM, socket.AF_INET, "127.0.0.1")
    if name == "tcp6":
        return internet(socket.SOCK_STREAM, socket.AF_INET6, "::1")
    if name == "dual":
        return internet(socket.SOCK_STREAM, socket.AF_INET6, "::", True)
    if name == "udp":
        return internet(socket.SOCK_DGRAM, socket.AF_INET, "127.0.0.1")
    if name == "udp6":
        return internet(socket.SOCK_DGRAM, socket.AF_INET6, "::1")
    if name == "file":
        return open(os.devnull), os.devnull
    return unix({"unix": socket.SOCK_STREAM,
                 "seqpacket": socket.SOCK_SEQPACKET,
                 "unixdgram": socket.SOCK_DGRAM}[name], path)


def publish(file, lines):
    with open(file + ".new", "w") as new:
        new.write("".join(f"{line}\n" for line in lines))
    os.rename(file + ".new", file)


def setting(name, value):
    text = os.environ.setdefault(name, str(value))
    if text == "-":
        del os.environ[name]


def main():
    file, *rest = sys.argv[1:]
    end = rest.index("--")
    kinds, command = rest[:end], rest[end + 1:]
    made = [make(kind) for kind in kinds]
    publish(file, [where for _, where in made])
    ours = [sock.accept()[0] if kind == "accepted" else sock
            for kind, (sock, _) in zip(kinds, made)]
    # Out of the way first: one may stand where another is to go.
    high = [os.dup(each.fileno()) for each in ours]
    low = 3 + len(high)
    while any(fd < low for fd in high):
        high = [fd if fd >= low else os.dup(fd) for fd in high]
    for index, fd in enumerate(high):
        os.dup2(fd, 3 + index, inheritable=True)
    os.closerange(low, max(high, default=low) + 8)
    setting("LISTEN_PID", os.getpid())
    setting("LISTEN_FDS", len(high))
    os.execvp(command[0], command)


main()
