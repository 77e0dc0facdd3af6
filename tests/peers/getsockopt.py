#!/usr/bin/env python3
"""getsockopt.py PID STATE [LEVEL OPTION KIND]...: a process' socket options

Prints what the kernel has for each option of the socket of PID that is in
STATE: "listening" or "connected". LEVEL and OPTION are Linux' numbers. A KIND
of int shows a number, long a wide one, pair two of them with a colon (a linger
or a timeval), text a name. Exits with 1 where there is no such socket (yet).
"""
import ctypes
import os
import socket
import struct
import sys

SYS_PIDFD_GETFD = 438
LIBC = ctypes.CDLL(None, use_errno=True)

KINDS = {
    "int": (4, lambda data: struct.unpack("i", data)[0]),
    "long": (8, lambda data: struct.unpack("L", data)[0]),
    "pair": (16, lambda data: "%d:%d" % struct.unpack(
        "ii" if len(data) == 8 else "ll", data)),
    "text": (16, lambda data: data.split(b"\0")[0].decode()),
}


def is_connected(sock):
    try:
        sock.getpeername()
        return True
    except OSError:
        return False


def is_listening(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def find(pid, wanted):
    pidfd = os.pidfd_open(pid)
    for name in os.listdir("/proc/%d/fd" % pid):
        copy = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, int(name), 0)
        if copy == -1:
            continue
        try:
            sock = socket.socket(fileno=copy)
        except OSError:  # not a socket
            os.close(copy)
            continue
        if wanted(sock):
            return sock
        sock.close()
    sys.exit(1)


def main():
    wanted = {"listening": is_listening, "connected": is_connected}
    sock = find(int(sys.argv[1]), wanted[sys.argv[2]])
    rest = sys.argv[3:]
    while rest:
        level, option, kind = rest[:3]
        rest = rest[3:]
        size, show = KINDS[kind]
        print(show(sock.getsockopt(int(level), int(option), size)))


main()
