"""What tests write their peers of messages with: `from messages import *`."""
import contextlib
import os
import select
import socket
import struct
import sys
import time

from socket import (  # noqa: F401
    AF_INET, AF_INET6, AF_PACKET, AF_UNIX, IPPROTO_ICMP, IPPROTO_IP,
    IPPROTO_IPV6, IPPROTO_UDP, SHUT_WR, SO_BROADCAST, SO_RCVBUF, SO_SNDBUF,
    SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET)

MOST = 1 << 20
HOSTS = {AF_INET: "127.0.0.1", AF_INET6: "::1"}
args = sys.argv[1:]
# A peer that waits in vain ends in the end, too.
socket.setdefaulttimeout(20)


def new(kind=SOCK_DGRAM, family=AF_INET, protocol=0):
    return socket.socket(family, kind, protocol)


def bound(kind=SOCK_DGRAM, family=AF_INET, where=None):
    """A socket with an address of its own."""
    sock = new(kind, family)
    if where is None and family in HOSTS:
        where = (HOSTS[family], 0)
    elif isinstance(where, str) and family != AF_UNIX:
        where = (where, 0)
    elif isinstance(where, str) and where[0] == "@":
        where = "\0" + where[1:]
    sock.bind("" if where is None else where)
    return sock


def to(where, kind=SOCK_DGRAM, family=None):
    """A socket connected to a port of ours, (host, port), a path or @name."""
    if isinstance(where, str) and where.isdigit():
        where = ("127.0.0.1", int(where))
    if family is None:
        family = AF_UNIX if isinstance(where, str) else \
            AF_INET6 if ":" in where[0] else AF_INET
    if isinstance(where, str) and where[0] == "@":
        where = "\0" + where[1:]
    sock = new(kind, family)
    sock.connect(where)
    return sock


def ready(sock=None):
    """Tells that the peer is there, and its port."""
    text = "ready"
    if sock is not None and sock.family in HOSTS:
        text = str(sock.getsockname()[1])
    with open(os.environ["READY"] + ".new", "w") as file:
        print(text, file=file)
    os.rename(os.environ["READY"] + ".new", os.environ["READY"])


def put(*things):
    """Writes what came to standard output, as python shows it."""
    print(*things, flush=True)


def raw(data):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def wait_for(path):
    """Until the test has made the file."""
    end = time.monotonic() + 20
    while not os.path.exists(path):
        if time.monotonic() > end:
            sys.exit("waited in vain for " + path)
        time.sleep(0.01)


def pattern(size, seed=0):
    """Bytes without a period that a boundary could hide behind."""
    period = min(size, 65521)
    block = bytes((i * 7 + i // 251 + seed) % 256 for i in range(period))
    return (block * (size // max(period, 1) + 1))[:size]


def wrapped(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
