"""Compare sockcat with other netcats on the same work.

usage: tests/bench/run [--list | --help | --write | ROW...]

Every row is measured in rounds, the programs in turn within a round (A B C
A B C ...), after one round to warm up; figures are medians, ratios are
medians of the rounds' own ratios. --write (or WRITE=1) puts the table in
RESULTS. It exits 1 if sockcat did not do its work somewhere, not because a
goal was missed.

Environment: SIZE of a transfer (384M), ROUNDS (5), TIMEOUT in seconds for
one transfer (60), SOCKCAT and SOCKCAT_STATIC (./sockcat, ./sockcat-static),
BENCH_TMP (/dev/shm), BUILD (build), CC.
"""

import contextlib
import datetime
import os
import platform
import re
import resource
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Callable, Optional

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BANNER = b"220 ready\r\n"    # driver.c's
STARTS = 200                 # runs of a program in one start-up sample ...
TRIPS = 10000                # ... round trips in one ping-pong sample ...
BUDGET_MS = 1000             # ... or as many as this allows
DATAGRAM = 1200              # bytes in a datagram, and in a short one, or a
LINE = 200                   # line with its newline
VISITS = 400                 # connections to a server in one sample, or as
REQUEST, ECHO = 78, 20       # many as BUDGET_MS allows; bytes each sends
IDLE = 1000                  # clients that say nothing
MANY = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100)
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n" \
    b"Content-Length: 64\r\n\r\n" + b"x" * 63 + b"\n"
QUIET = 0.3                  # seconds in which nothing more arrives: the end
DRIVER = ROOT / os.environ.get("BUILD", "build") / "bench" / "driver"


def size_of(text):
    """'512M' -> bytes; the factors are 1024s."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        sys.exit(f"run: SIZE={text}: a number, with K, M or G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


SIZE = size_of(os.environ.get("SIZE", "384M"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
TIMEOUT = float(os.environ.get("TIMEOUT", "60"))


# ---------------------------------------------------------------- programs

@dataclass
class Tool:
    """A program: where it is and how it is told to do each thing.

    A command is one string, quoted as in the shell; {tool}, {port}, {path},
    {portfile}, {answer} (a file) and {back} or {backpath} (where a relay
    goes) are filled in. A program without a command for what a row needs
    shows '-' there. A command with {portfile} listens on port 0 and tells
    the port there.
    """
    name: str
    program: str
    version: str             # arguments that make it print that
    commands: dict[str, str]
    kind: str = "peer"       # "ours", "peer", "tuned" peer, "floor"; "sized":
                             # a peer made for rows of datagrams that long;
                             # "server": a peer that does nothing else
    holds: bool = False      # as a listener it ends with its input

    def can(self, *tasks):
        return all(task in self.commands for task in tasks)


SOCKCAT = {
    "tcp-listen": "{tool} -l 127.0.0.1 0 --port-file {portfile}",
    "tcp-send": "{tool} 127.0.0.1 {port}",
    "tcp-talk": "{tool} 127.0.0.1 {port}",
    "tcp-read": "{tool} 127.0.0.1 {port}",
    "unix-listen": "{tool} -lU {path}",
    "unix-send": "{tool} -U {path}",
    "unix-talk": "{tool} -U {path}",
    "udp-talk": "{tool} -u -q 0 127.0.0.1 {port}",
    "udp-listen": "{tool} -lu 127.0.0.1 {port}",
    "udp-send-1200": "{tool} -u -w0 --block-size 1200 127.0.0.1 {port}",
    "udp-send-200": "{tool} -u -w0 --block-size 200 127.0.0.1 {port}",
    "udp-send-lines": "{tool} -u -w0 --lines 127.0.0.1 {port}",
    "exec-listen": "{tool} -lk 127.0.0.1 0 --port-file {portfile} -e cat",
    "reply-listen": "{tool} -lk 127.0.0.1 0 --port-file {portfile} "
                    "--reply {answer}",
    "tcp-relay-listen": "{tool} -lk 127.0.0.1 0 --port-file {portfile} "
                        "--to 127.0.0.1:{back}",
    "unix-relay-listen": "{tool} -lkU {path} --to unix:{backpath}",
    "hub-listen": "{tool} -lk 127.0.0.1 0 --port-file {portfile} "
                  "--max-conns 20000",
    "broker-listen": "{tool} -lk 127.0.0.1 0 --port-file {portfile} "
                     "--max-conns 20000 --broker",
}


def socat_cut(length):
    """What makes its datagrams LENGTH bytes long is the size of its reads."""
    send = "{tool} -u -b%d STDIN UDP:127.0.0.1:{port}" % length
    return Tool(f"socat -b{length}", "socat", "-V", {
        f"udp-send-{length}": send,
        **({"udp-send-lines": send} if length == LINE else {}),
        "udp-listen": "{tool} -u -b%d UDP-RECV:{port},bind=127.0.0.1 STDOUT"
                      % length,
    }, "sized")


def socat(options):
    return {
        "tcp-listen": "{tool} -u" + options +
                      " TCP-LISTEN:{port},bind=127.0.0.1 STDOUT",
        "tcp-send": "{tool} -u" + options + " STDIN TCP:127.0.0.1:{port}",
        "tcp-talk": "{tool}" + options + " STDIO TCP:127.0.0.1:{port}",
        "tcp-read": "{tool} -u" + options + " TCP:127.0.0.1:{port} STDOUT",
        "unix-listen": "{tool} -u" + options + " UNIX-LISTEN:{path} STDOUT",
        "unix-send": "{tool} -u" + options + " STDIN UNIX-CONNECT:{path}",
        "unix-talk": "{tool}" + options + " STDIO UNIX-CONNECT:{path}",
        "udp-talk": "{tool}" + options + " STDIO UDP:127.0.0.1:{port}",
        "exec-listen": "{tool}" + options +
                       " TCP-LISTEN:{port},bind=127.0.0.1,"
                       "backlog=128,fork EXEC:cat",
        "reply-listen": "{tool}" + options + " TCP-LISTEN:{port},"
                        "bind=127.0.0.1,backlog=128,fork "
                        "OPEN:{answer},rdonly!!/dev/null",
        "tcp-relay-listen": "{tool}" + options + " TCP-LISTEN:{port},"
                            "bind=127.0.0.1,fork TCP:127.0.0.1:{back}",
        "unix-relay-listen": "{tool}" + options + " UNIX-LISTEN:{path},fork "
                             "UNIX-CONNECT:{backpath}",
    }


TOOLS = [
    Tool("sockcat", os.environ.get("SOCKCAT", str(ROOT / "sockcat")),
         "--version", SOCKCAT, "ours"),
    Tool("sockcat-static",
         os.environ.get("SOCKCAT_STATIC", str(ROOT / "sockcat-static")),
         "--version", {"tcp-read": SOCKCAT["tcp-read"]}, "ours"),
    Tool("nc.openbsd", "nc.openbsd", "-h", {
        "tcp-listen": "{tool} -d -l 127.0.0.1 {port}",
        "tcp-send": "{tool} -N 127.0.0.1 {port}",
        "tcp-talk": "{tool} -N 127.0.0.1 {port}",
        "tcp-read": "{tool} 127.0.0.1 {port}",
        "unix-listen": "{tool} -d -lU {path}",
        "unix-send": "{tool} -N -U {path}",
        "unix-talk": "{tool} -N -U {path}",
        "udp-talk": "{tool} -u -q 0 127.0.0.1 {port}",
    }),
    Tool("nc.traditional", "nc.traditional", "-h", {
        "tcp-listen": "{tool} -l -s 127.0.0.1 -p {port}",
        "tcp-send": "{tool} -q 0 127.0.0.1 {port}",
        "tcp-talk": "{tool} -q 0 127.0.0.1 {port}",
        "tcp-read": "{tool} 127.0.0.1 {port}",
        "udp-talk": "{tool} -u -q 0 127.0.0.1 {port}",
    }),
    Tool("ncat", "ncat", "--version", {
        "tcp-listen": "{tool} --recv-only -l 127.0.0.1 {port}",
        "tcp-send": "{tool} --send-only 127.0.0.1 {port}",
        "tcp-talk": "{tool} 127.0.0.1 {port}",
        "tcp-read": "{tool} --recv-only 127.0.0.1 {port}",
        "unix-listen": "{tool} --recv-only -lU {path}",
        "unix-send": "{tool} --send-only -U {path}",
        "unix-talk": "{tool} -U {path}",
        "udp-talk": "{tool} -u 127.0.0.1 {port}",
        "exec-listen": "{tool} -lk 127.0.0.1 {port} -e /bin/cat",
        "reply-listen": "{tool} -lk 127.0.0.1 {port} "
                        "-e '/bin/cat {answer}'",
        "tcp-relay-listen": "{tool} -lk 127.0.0.1 {port} "
                            "-e '{tool} 127.0.0.1 {back}'",
    }),
    Tool("socat", "socat", "-V", socat("")),
    Tool("socat -b1048576", "socat", "-V", socat(" -b1048576"), "tuned"),
    socat_cut(DATAGRAM),
    socat_cut(LINE),
    Tool("busybox", "busybox", "nc --help", {
        "tcp-listen": "{tool} nc -l -p {port} 127.0.0.1",
        "tcp-send": "{tool} nc 127.0.0.1 {port}",
        "tcp-talk": "{tool} nc 127.0.0.1 {port}",
        "tcp-read": "{tool} nc 127.0.0.1 {port}",
        "exec-listen": "{tool} nc -ll -p {port} 127.0.0.1 -e cat",
        "reply-listen": "{tool} nc -ll -p {port} 127.0.0.1 "
                        "-e cat {answer}",
    }, holds=True),
    # Not a netcat either, but what programs are served with.
    Tool("tcpserver", "tcpserver", "", {
        "exec-listen": "{tool} -HRl0 -b128 127.0.0.1 {port} cat",
        "reply-listen": "{tool} -HRl0 -b128 127.0.0.1 {port} cat {answer}",
    }, "server"),
    # Not a netcat: the least that a program can do, to show what bounds us.
    Tool("(floor)", str(DRIVER), "", {
        "tcp-read": "{tool} read {port}",
        "tcp-talk": "{tool} talk {port}",
        "udp-talk": "{tool} talk {port} udp",
        "unix-talk": "{tool} talk {path}",
        "unix-listen": "{tool} splice {path}",
        "unix-send": "{tool} sendfile {path}",
        "exec-listen": "{tool} exec {portfile} cat",
    }, "floor"),
]


def tool_version(tool):
    """The version in the first line that has one."""
    out = subprocess.run([shutil.which(tool.program), *tool.version.split()],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=10, check=False)
    for line in out.stdout.decode(errors="replace").splitlines():
        match = re.search(r"\bv?(\d+\.\d[\w.+-]*)", line)
        if match:
            return match[1]
    return "?"


# ------------------------------------------------------------- measurement

class Wrong(Exception):
    """A transfer that did not do its work; says what was wrong."""


@dataclass
class Report:
    """What the launcher measured; times in seconds, memory in KiB."""
    start: float
    end: float
    runs: int
    cpu: float
    rss: int

    @property
    def wall(self):
        return self.end - self.start


@dataclass
class Sample:
    """One measurement: seconds of one operation, peak KiB of each end."""
    wall: float
    cpu: float
    rss: tuple[int, ...]
    share: Optional[float] = None    # of what was sent, what arrived
    growth: Optional[float] = None   # of the CPU time, by idle clients


class Job:
    """A program under the launcher, in a process group of its own."""

    def __init__(self, bench, argv, verb, stdin, stdout):
        report, theirs = os.pipe()
        self.name = argv[0]
        self.report = os.fdopen(report)
        self.process = subprocess.Popen(
            [DRIVER, verb[0], str(theirs), *map(str, verb[1:]), *argv],
            stdin=stdin, stdout=stdout, stderr=bench.log,
            pass_fds=[theirs], start_new_session=True)
        os.close(theirs)

    def finish(self, deadline):
        """Wait, and return the report of a program that did its work."""
        process_wait(self.process, deadline, self.name)
        fields = [int(field) for field in self.report.read().split()]
        if len(fields) != 6:
            raise Wrong(f"{self.name} ended too early")
        start, end, runs, cpu, rss, status = fields
        if status:
            raise Wrong(f"{self.name} exited {status}")
        return Report(start / 1e9, end / 1e9, runs, cpu / 1e9, rss)

    def kill(self):
        process_kill(self.process)
        self.report.close()


def process_wait(process, deadline, name):
    try:
        process.wait(max(deadline - time.monotonic(), 0.001))
    except subprocess.TimeoutExpired:
        raise Wrong(f"{name} was not done in {TIMEOUT:.0f} s") from None


def process_kill(process):
    """Ends the whole group; the leader is ours and not yet reaped, or gone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()


def port_free(family):
    kind = socket.SOCK_DGRAM if family == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def inet_listening(table, state):
    """Whether the kernel's table has our address in that state."""
    def listening(where):
        wanted = [f"0100007F:{where['port']:04X}", state]
        with open(table, encoding="ascii") as lines:
            return any(line.split()[1:4:2] == wanted for line in lines)
    return listening


def unix_listening(where):
    """Flag 10000 of /proc/net/unix: it accepts connections."""
    with open("/proc/net/unix", encoding="utf-8") as table:
        return any(line.split()[3] == "00010000" and
                   line.split()[-1] == str(where["path"]) for line in table)


LISTENING = {"tcp": inet_listening("/proc/net/tcp", "0A"),
             "udp": inet_listening("/proc/net/udp", "07"),
             "unix": unix_listening}


class Bench:
    """The files, time limit and leftovers of one measurement at a time."""

    def __init__(self, directory):
        self.dir = directory
        self.stack = contextlib.ExitStack()  # what a measurement must undo
        self.input = directory / "input"
        self.output = directory / "output"
        self.answer = directory / "answer"
        self.log = open(directory / "log", "ab+")
        self.deadline = 0.0

    def begin(self):
        """Begin a measurement; at the end of the context all is undone."""
        self.deadline = time.monotonic() + TIMEOUT
        self.log.truncate(0)
        return self.stack

    def pin(self):
        """All on one CPU: for work that takes turns, where the figure would
        else be how long the other CPU takes to wake up."""
        allowed = os.sched_getaffinity(0)
        self.stack.callback(os.sched_setaffinity, 0, allowed)
        os.sched_setaffinity(0, {min(allowed)})

    def open(self, path, mode):
        if mode == "wb":
            path.unlink(missing_ok=True)
        return self.stack.enter_context(open(path, mode))

    def run(self, tool, task, where, *, verb=("run", 1, 0),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        argv = [word.format(tool=shutil.which(tool.program), **where)
                for word in shlex.split(tool.commands[task])]
        job = Job(self, argv, verb, stdin, stdout)
        self.stack.callback(job.kill)
        return job

    def helper(self, *args, **streams):
        """One of the driver's own verbs."""
        process = subprocess.Popen([DRIVER, *args], stderr=self.log,
                                   start_new_session=True, **streams)
        self.stack.callback(process_kill, process)
        return process

    def server(self, family, verb):
        """A server of the driver's; returns where it listens."""
        path = self.dir / "socket"
        path.unlink(missing_ok=True)
        args = [str(path)] if family == "unix" else []
        server = self.helper(verb, *args, stdout=subprocess.PIPE)
        return {"port": int(server.stdout.readline()), "path": path}

    def listen(self, tool, family, stdout, verb=("run", 1, 0), *,
               task=None, **more):
        """A listener that is ready; returns it and where it listens.

        'more' goes into its command, which is that for 'task'.
        """
        task = task or family + "-listen"
        for _ in range(5):
            where = {"port": port_free(family), "path": self.dir / "socket",
                     "portfile": self.dir / "port", **more}
            for name in "path", "portfile":
                where[name].unlink(missing_ok=True)
            job = self.run(tool, task, where, stdout=stdout,
                           stdin=self.input_for(tool), verb=verb)
            if self.ready(tool, family, where, job,
                          "{portfile}" in tool.commands[task]):
                return job, where
        raise Wrong(f"{tool.name} does not listen")

    def serve(self, tool, task, family="tcp", stdout=subprocess.DEVNULL,
              **more):
        """The same for one that serves until it is told to end."""
        return self.listen(tool, family, stdout, ("serve",), task=task,
                           **more)

    def stop(self, job):
        """Ends what serve() began."""
        os.kill(job.process.pid, signal.SIGTERM)
        return job.finish(self.deadline)

    def tell(self, helper):
        """The numbers in the line that one of the driver's verbs tells."""
        left = max(self.deadline - time.monotonic(), 0)
        if not select.select([helper.stdout], [], [], left)[0]:
            raise Wrong(f"was not done in {TIMEOUT:.0f} s")
        line = helper.stdout.readline()
        if not line:
            raise Wrong("the driver ended too early")
        return [int(field) for field in line.split()]

    def input_for(self, listener):
        """Nothing to say; or not even that, until all is over."""
        if not listener.holds:
            return subprocess.DEVNULL
        ends = os.pipe()
        for end in ends:
            self.stack.callback(os.close, end)
        return ends[0]

    def ready(self, tool, family, where, job, told):
        """Whether the job came to listen; False if it ended instead.

        'told': it tells its port.
        """
        while job.process.poll() is None:
            if told and where["portfile"].exists():
                where["port"] = int(where["portfile"].read_text())
                told = False
            if not told and LISTENING[family](where):
                return True
            if time.monotonic() > self.deadline:
                break
            time.sleep(0.001)
        return False


def transfer(bench, tool, family, source, sink, warm):
    """SIZE bytes from one end to the other; both ends the same program.

    What a program writes to /dev/null cannot be counted: there the round
    that warms up goes into a file, and the others show by the offset of the
    input, and by both statuses, that all was taken.
    """
    if sink == "null":
        sink = "file" if warm else "null"
    drain = feed = None
    if sink == "pipe":
        drain = bench.helper("drain", stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        out = drain.stdin
    else:
        path = bench.output if sink == "file" else Path(os.devnull)
        out = bench.open(path, "wb" if sink == "file" else "r+b")
    listener, where = bench.listen(tool, family, out)
    out.close()
    if source == "pipe":
        feed = bench.helper("fill", str(SIZE), stdout=subprocess.PIPE)
        data = feed.stdout
    else:
        data = bench.open(bench.input, "rb")
    sender = bench.run(tool, family + "-send", where, stdin=data)
    if feed:
        data.close()
    ends = [job.finish(bench.deadline) for job in (sender, listener)]
    end = max(report.end for report in ends)
    if drain:
        process_wait(drain, bench.deadline, "drain")
        arrived, drained = map(int, drain.stdout.read().split())
        end = max(end, drained / 1e9)
    elif sink == "file":
        arrived = bench.output.stat().st_size
    else:
        arrived = os.lseek(data.fileno(), 0, os.SEEK_CUR)
    if arrived != SIZE:
        raise Wrong(f"{arrived} of {SIZE} bytes")
    if source == sink == "file" and not same(bench.input, bench.output):
        raise Wrong("the bytes that arrived are not those that were sent")
    return Sample(end - ends[0].start, sum(report.cpu for report in ends),
                  tuple(report.rss for report in ends))


def same(one, other):
    return subprocess.run(["cmp", "-s", one, other], check=False
                          ).returncode == 0


def datagrams_send(bench, tool, task, source, length, warm):
    """Datagrams to a reader that is faster than any sender.

    The sender's time is what counts; what a datagram socket lost is nobody's
    fault. That it cut them as it was told shows in what came.
    """
    drain = bench.helper("udp-drain", str(length - (task == "lines")),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    where = {"port": int(drain.stdout.readline())}
    size = cut_size(length) // (8 if warm else 1) // length * length
    if source == "pipe":
        feed = bench.helper("fill", str(size), str(length),
                            stdout=subprocess.PIPE)
        data = feed.stdout
    else:
        data = bench.open(bench.input, "rb")
        size = SIZE
    report = bench.run(tool, f"udp-send-{task}", where,
                       stdin=data).finish(bench.deadline)
    data.close()
    drain.stdin.close()
    process_wait(drain, bench.deadline, "udp-drain")
    arrived, _, odd = map(int, drain.stdout.read().split())
    # A peer's short read is a short datagram: only ours must have none.
    if arrived == 0 or tool.kind == "ours" and odd > (size % length > 0):
        raise Wrong(f"{odd} of {arrived} datagrams are not {length} bytes")
    count = -(-size // length)
    return Sample(report.wall / count, report.cpu / count, (report.rss,))


def cut_size(length):
    """As many bytes as make as many datagrams whatever their length."""
    return SIZE * length // DATAGRAM


def datagrams_deliver(bench, tool, warm):
    """From file to file, by two programs: what arrives, and by when."""
    out = bench.open(bench.output, "wb")
    listener, where = bench.listen(tool, "udp", out, ("serve",))
    sender = bench.run(tool, f"udp-send-{DATAGRAM}", where,
                       stdin=bench.open(bench.input, "rb"))
    size, end, now = 0, 0.0, time.monotonic()
    while sender.process.poll() is None or now < end + QUIET:
        time.sleep(0.001)
        now = time.monotonic()
        if os.fstat(out.fileno()).st_size != size:
            size, end = os.fstat(out.fileno()).st_size, now
        if now > bench.deadline:
            raise Wrong(f"was not done in {TIMEOUT:.0f} s")
    os.kill(listener.process.pid, signal.SIGTERM)
    ends = [job.finish(bench.deadline) for job in (sender, listener)]
    if warm and not datagrams_whole(bench):
        raise Wrong("what arrived is not what was sent, in order")
    count = -(-size // DATAGRAM)
    if count == 0:
        raise Wrong("nothing arrived")
    return Sample((end - ends[0].start) / count,
                  sum(report.cpu for report in ends) / count,
                  tuple(report.rss for report in ends), size / SIZE)


def datagrams_whole(bench):
    """Whether each datagram that came was sent, and none came too early."""
    with open(bench.input, "rb") as sent, open(bench.output, "rb") as came:
        return all(any(datagram == other for other in blocks(sent))
                   for datagram in blocks(came))


def blocks(file):
    return iter(lambda: file.read(DATAGRAM), b"")


def startup(bench, tool, warm):
    """Connect, read a banner, exit; one after the other."""
    bench.pin()
    where = bench.server("tcp", "banner")
    out = bench.open(bench.output, "wb")
    verb = ("run", 5 if warm else STARTS, BUDGET_MS)
    report = bench.run(tool, "tcp-read", where, verb=verb,
                       stdout=out).finish(bench.deadline)
    if bench.output.read_bytes() != BANNER * report.runs:
        raise Wrong("not every banner arrived")
    return Sample(report.wall / report.runs, report.cpu / report.runs,
                  (report.rss,))


def pingpong(bench, tool, family, warm):
    """64 bytes there and back through the program's standard streams."""
    bench.pin()
    where = bench.server(family, "udp-echo" if family == "udp" else "echo")
    verb = ("pingpong", TRIPS // 10 if warm else TRIPS, BUDGET_MS)
    report = bench.run(tool, family + "-talk", where,
                       verb=verb).finish(bench.deadline)
    return Sample(report.wall / report.runs, report.cpu / report.runs,
                  (report.rss,))


def visit(bench, tool, task, atonce, send, get, half, warm):
    """Connections to a server, so many at once; each read to its end."""
    if atonce == 1:
        bench.pin()
    bench.answer.write_bytes(ANSWER)
    job, where = bench.serve(tool, task, answer=bench.answer)
    driver = bench.helper(
        "visit", str(where["port"]), str(VISITS // 10 if warm else VISITS),
        str(BUDGET_MS), str(atonce), str(send), str(get), str(int(half)),
        stdout=subprocess.PIPE)
    start, end, visits, resets = bench.tell(driver)
    # A peer's reset came after the answer; ours must not come at all.
    if resets and tool.kind == "ours":
        raise Wrong(f"{resets} of {visits} visits ended in a reset")
    report = bench.stop(job)
    return Sample((end - start) / 1e9 / visits, report.cpu / visits,
                  (report.rss,))


def relay(bench, tool, family, warm):
    """SIZE bytes through a relay; its own CPU alone."""
    size = SIZE // 8 if warm else SIZE
    back = bench.dir / "back"
    back.unlink(missing_ok=True)
    sink = bench.helper("sink", *([str(back)] if family == "unix" else []),
                        stdout=subprocess.PIPE)
    job, where = bench.serve(tool, family + "-relay-listen", family,
                             back=bench.tell(sink)[0], backpath=back)
    source = bench.helper("pour", str(where["path"] if family == "unix" else
                                      where["port"]), str(size),
                          stdout=subprocess.PIPE)
    arrived, end = bench.tell(sink)
    if arrived != size:
        raise Wrong(f"{arrived} of {size} bytes")
    start, = bench.tell(source)
    report = bench.stop(job)
    return Sample((end - start) / 1e9, report.cpu, (report.rss,))


class Server:
    """A server's process, looked at from outside."""

    def __init__(self, job):
        self.pid = int(subprocess.run(
            ["pgrep", "-P", str(job.process.pid)], check=True,
            stdout=subprocess.PIPE).stdout)

    def cpu(self):
        """Seconds on a CPU until now."""
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e9

    def resident(self):
        """KiB, now."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def crowd(bench, server, where, clients):
    """So many clients that say nothing, all accepted."""
    before = server.descriptors()
    helper = bench.helper("crowd", str(where["port"]), str(clients),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    bench.stack.callback(helper.stdin.close)
    bench.tell(helper)
    while server.descriptors() < before + clients:
        if time.monotonic() > bench.deadline:
            raise Wrong("did not accept all clients")
        time.sleep(0.01)


def idle(bench, tool, clients, warm):
    """What a client costs that says nothing: KiB, and CPU to accept it."""
    del warm
    job, where = bench.serve(tool, "broker-listen")
    server = Server(job)
    resident, cpu = server.resident(), server.cpu()
    crowd(bench, server, where, clients)
    return Sample((server.resident() - resident) / clients,
                  (server.cpu() - cpu) / clients, (server.resident(),))


def broadcast(bench, tool, clients, warm):
    """A message of one client until it has reached all the others."""
    job, where = bench.serve(tool, "broker-listen")
    count = 1 if warm else 10
    helper = bench.helper("crowd", str(where["port"]), str(clients),
                          str(count), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
    bench.stack.callback(helper.stdin.close)
    start, end = bench.tell(helper)
    server = Server(job)
    return Sample((end - start) / 1e9 / count, server.cpu() / (count + 1),
                  (server.resident(),))


def say(bench, tool, clients, warm):
    """A client's messages to standard output, past clients that are idle."""
    bench.pin()
    count = TRIPS // 10 if warm else TRIPS
    costs = []
    for others in 0, clients:
        ends = os.pipe()
        with open(ends[0], "rb") as out:
            with open(ends[1], "wb") as theirs:
                job, where = bench.serve(tool, "hub-listen", stdout=theirs)
            server = Server(job)
            if others:
                crowd(bench, server, where, others)
            cpu = server.cpu()
            start, end = bench.tell(bench.helper(
                "say", str(where["port"]), str(count), stdin=out,
                stdout=subprocess.PIPE))
            costs.append((server.cpu() - cpu) / count)
    return Sample((end - start) / 1e9 / count, costs[1],
                  (server.resident(),), growth=costs[1] / costs[0])


# -------------------------------------------------------------------- rows

@dataclass
class Unit:
    """How a row shows seconds of one operation."""
    wall: str
    cpu: str
    show_wall: Callable[[float], str]
    show_cpu: Callable[[float], str]


SECONDS = Unit("wall s", "CPU s", "{:.3f}".format, "{:.3f}".format)
STARTING = Unit("ms/run", "CPU ms", lambda s: f"{s * 1e3:.2f}",
                lambda s: f"{s * 1e3:.2f}")
SENDING = Unit("dgrams/s", "CPU us", lambda s: f"{1 / s:.0f}",
               lambda s: f"{s * 1e6:.2f}")
EACH = Unit("KiB each", "CPU us", "{:.1f}".format,
            lambda s: f"{s * 1e6:.1f}")
SPREADING = Unit("ms/msg", "CPU ms", lambda s: f"{s * 1e3:.2f}",
                 lambda s: f"{s * 1e3:.2f}")
VISITING = Unit("ms/visit", "CPU ms", lambda s: f"{s * 1e3:.3f}",
                lambda s: f"{s * 1e3:.3f}")
TRIPPING = Unit("trips/s", "CPU us", lambda s: f"{1 / s:.0f}",
                lambda s: f"{s * 1e6:.1f}")


@dataclass
class Goal:
    """What a row is to reach.

    'wall' and 'cpu': at least BOUND times as fast as the best of AGAINST:
    'any' peer, the 'plain' ones (as they come), or one by its name.
    'share': at least BOUND times as much of what was sent arrives.
    'memory' (of each end), 'each' (client) and 'binary': at most BOUND KiB.
    'growth': at most BOUND times as much CPU time with idle clients.
    """
    what: str
    bound: float
    against: str = "any"
    tool: str = "sockcat"


@dataclass
class Row:
    """One kind of work: what measures it, with what, and its goals."""
    name: str
    title: str
    measure: Callable
    args: tuple
    tasks: tuple[str, ...]   # commands a program needs for it
    unit: Unit
    goals: list[Goal]
    bound: str = ""          # what bounds it: told where a goal is missed


MEMORY = Goal("memory", 4096)
DEEP = Goal("memory", 8192)


def transfer_row(family, source, sink, goals, bound):
    sinks = {"null": "/dev/null"}
    return Row(f"{family}-{source}-{sink}",
               f"{family.upper() if family == 'tcp' else 'Unix'}, "
               f"{source} to {sinks.get(sink, sink)}, {SIZE >> 20} MiB",
               transfer, (family, source, sink),
               (family + "-listen", family + "-send"), SECONDS,
               goals + [MEMORY], bound)


def datagrams_row(task, source, length, goal):
    what = f"{length - 1}-byte lines" if task == "lines" else \
        f"{length}-byte datagrams"
    return Row(f"udp-{source}-{task}",
               f"UDP, {what} from a {source}, {cut_size(length) >> 20} MiB",
               datagrams_send, (task, source, length), (f"udp-send-{task}",),
               SENDING, [Goal("wall", goal, f"socat -b{length}"), DEEP])


def serving_row(task, title, atonce, what, goal, bound):
    send, get, half = what
    return Row(f"{task}-{atonce}",
               f"TCP, {title} for each of {VISITS} clients, "
               f"{atonce} at a time", visit,
               (task + "-listen", atonce, send, get, half),
               (task + "-listen",), VISITING, [Goal("wall", goal), MEMORY],
               bound)


COPYING = "perf: a third of the time is the kernel's copying between pipe " \
    "and socket, the rest its allocating and freeing of pages"
PAGES = "perf: nothing is copied on sending; what is left is the kernel's " \
    "handling of the files' pages, one by one, on both sides"
SWITCHING = "wake-ups: perf has 60 % of the time in changing between " \
    "processes; (floor) makes the least calls that a trip needs"
EXECUTING = "the program's own start and end; (floor) makes the least " \
    "calls that a server of programs needs: accept, vfork, exec, wait"
LEVEL = [Goal("wall", 1.0), Goal("cpu", 1.0), Goal("wall", 1.8, "plain")]

ROWS = [
    transfer_row("tcp", "file", "null", LEVEL, PAGES),
    transfer_row("tcp", "file", "file", LEVEL, PAGES),
    transfer_row("tcp", "pipe", "pipe", [Goal("wall", 1.15)], COPYING),
    transfer_row("unix", "file", "null", [Goal("wall", 5.0)],
                 "sendfile(2) and splice(2): (floor) calls nothing else. "
                 "perf: the page cache, page by page, and wake-ups"),
    transfer_row("unix", "pipe", "pipe", [Goal("wall", 1.5)], PAGES),
    Row("startup", "TCP, connect, read a banner, exit", startup, (),
        ("tcp-read",), STARTING, [
            Goal("wall", 1.3, "nc.openbsd"),
            Goal("wall", 3.0, "nc.openbsd", "sockcat-static"),
            Goal("wall", 2.0, "busybox", "sockcat-static"),
            Goal("memory", 1024, tool="sockcat-static"),
            Goal("binary", 200, tool="sockcat-static")],
        "exec, the dynamic linker and exit; (floor) is the least there is. "
        "The static program had 169 KiB before it could serve (hub, relays, "
        "programs, flows, access lists); 70 KiB of it are the C library's"),
    Row("tcp-pingpong", "TCP, 64 bytes there and back", pingpong, ("tcp",),
        ("tcp-talk",), TRIPPING, [Goal("wall", 1.0), MEMORY], SWITCHING),
    Row("unix-pingpong", "Unix, 64 bytes there and back", pingpong,
        ("unix",), ("unix-talk",), TRIPPING, [Goal("wall", 1.0), MEMORY],
        SWITCHING),
    datagrams_row("1200", "file", DATAGRAM, 8.0),
    Row("udp-file-file", f"UDP, {DATAGRAM}-byte datagrams, file to file, "
        f"{SIZE >> 20} MiB: those that arrive", datagrams_deliver, (),
        ("udp-listen", f"udp-send-{DATAGRAM}"), SENDING, [
            Goal("wall", 2.5, f"socat -b{DATAGRAM}"),
            Goal("share", 1.0, f"socat -b{DATAGRAM}"), DEEP],
        "the length of the receiver's queue (net.core.rmem_max), where the "
        "kernel does not tell the sender how full it is (udp_diag)"),
    datagrams_row("200", "pipe", LINE, 5.0),
    datagrams_row("lines", "pipe", LINE, 5.0),
    Row("udp-pingpong", "UDP, 64 bytes there and back", pingpong, ("udp",),
        ("udp-talk",), TRIPPING, [Goal("wall", 1.0), DEEP], SWITCHING),
    serving_row("exec", "a program (cat)", 1, (ECHO, ECHO, True), 0.95,
                EXECUTING),
    serving_row("exec", "a program (cat)", 8, (ECHO, ECHO, True), 1.2,
                EXECUTING),
    serving_row("reply", f"an answer of {len(ANSWER)} bytes", 1,
                (REQUEST, len(ANSWER), False), 2.5, SWITCHING),
    serving_row("reply", f"an answer of {len(ANSWER)} bytes", 8,
                (REQUEST, len(ANSWER), False), 2.5, SWITCHING),
    Row("tcp-relay", f"TCP to TCP, a relay, {SIZE >> 20} MiB; its CPU alone",
        relay, ("tcp",), ("tcp-relay-listen",), SECONDS, [
            Goal("wall", 1.8, "socat"), Goal("cpu", 3.0, "socat"),
            Goal("wall", 1.0, "socat -b1048576"), MEMORY],
        "the ends' own copying, on as many CPUs as there are. Reads and "
        "writes of 1 MiB instead of splice(2) came to 0.8 to 1.0, for 1.7 "
        "times the CPU (store.c); strace: no call moves less than it could"),
    Row("unix-relay", f"Unix to Unix, a relay, {SIZE >> 20} MiB; its CPU "
        "alone", relay, ("unix",), ("unix-relay-listen",), SECONDS,
        [MEMORY]),
    Row("broker-idle", f"--broker, {IDLE} clients that say nothing", idle,
        (IDLE,), ("broker-listen",), EACH, [Goal("each", 16)]),
    Row("broker-many", f"--broker, a message of one of {MANY} clients to "
        "the others", broadcast, (MANY,), ("broker-listen",), SPREADING, []),
    Row("hub-message", f"-k, 64 bytes of a client to standard output, "
        f"{IDLE} others idle", say, (IDLE,), ("hub-listen",), TRIPPING,
        [Goal("growth", 1.1)], "noise: strace shows the same calls"),
]


# ----------------------------------------------------------------- results

@dataclass
class Cell:
    """A program in a row: its rounds, or why there are none."""
    tool: Tool
    samples: list[Sample]
    wrong: Optional[str] = None
    able: bool = True

    def figure(self, what):
        return median(getattr(sample, what) for sample in self.samples)

    def rss(self):
        """Peak of each end, over all rounds."""
        return [max(end) for end in zip(*(s.rss for s in self.samples))]

    def spread(self):
        walls = [sample.wall for sample in self.samples]
        return (max(walls) - min(walls)) / median(walls)

    def good(self):
        return self.able and self.wrong is None


def ratio(what, ours, theirs):
    """How many times as much the other takes, round by round."""
    return median(getattr(b, what) / max(getattr(a, what), 1e-9)
                  for a, b in zip(ours.samples, theirs.samples))


def row_measure(bench, row, tools):
    cells = [Cell(tool, [], able=tool.can(*row.tasks)) for tool in tools
             if tool.can(*row.tasks) or tool.kind in ("peer", "tuned")]
    for number in range(ROUNDS + 1):
        for cell in filter(Cell.good, cells):
            progress(f"{row.name}: round {number} of {ROUNDS}, "
                     f"{cell.tool.name}")
            try:
                with bench.begin():
                    sample = row.measure(bench, cell.tool, *row.args,
                                         warm=number == 0)
            except Wrong as wrong:
                cell.wrong = complaint(bench, wrong)
            else:
                if number > 0:
                    cell.samples.append(sample)
    progress("")
    return cells


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def complaint(bench, wrong):
    """What was wrong, and the last line that a program said about it."""
    bench.log.seek(0)
    lines = bench.log.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f"{wrong}: {said[-1]}" if said else str(wrong)


def goal_asked(goal):
    whom = {"any": "the best peer", "plain": "the best peer as it comes"}
    if goal.what == "growth":
        text = f"CPU at most {goal.bound:g} x that without them"
    elif goal.what in ("wall", "cpu", "share"):
        text = f"{goal.what} {goal.bound:g} x " \
               f"{whom.get(goal.against, goal.against)}"
    else:
        text = f"{goal.what} at most {goal.bound:g} KiB"
    return f"{goal.tool}: {text}"


def goal_peers(goal, cells):
    kinds = {"any": ("peer", "tuned", "server"), "plain": ("peer", "server")}
    return [cell for cell in cells if cell.good() and
            (cell.tool.kind in kinds.get(goal.against, ()) or
             cell.tool.name == goal.against)]


def goal_reached(goal, cells):
    """What came of it, and whether that is enough; None: cannot be said."""
    ours = next((c for c in cells if c.tool.name == goal.tool), None)
    if ours is None:
        return f"no {goal.tool}", None
    if not ours.good():
        return "no figure", False
    if goal.what == "memory":
        return f"{max(ours.rss())} KiB", max(ours.rss()) <= goal.bound
    if goal.what == "each":
        return f"{ours.figure('wall'):.1f} KiB", \
            ours.figure("wall") <= goal.bound
    if goal.what == "growth":
        return f"{ours.figure('growth'):.2f}", \
            ours.figure("growth") <= goal.bound
    if goal.what == "binary":
        size = os.path.getsize(shutil.which(ours.tool.program)) / 1024
        return f"{size:.0f} KiB", size <= goal.bound
    ratios = [(1 / ratio("share", ours, peer) if goal.what == "share" else
               ratio(goal.what, ours, peer), peer.tool.name)
              for peer in goal_peers(goal, cells)]
    if not ratios:
        return "no such peer", None
    least, best = min(ratios)
    return f"{least:.2f} ({best})", least >= goal.bound


def goal_line(goal, cells):
    came, met = goal_reached(goal, cells)
    verdict = {True: "met", False: "missed", None: "-"}[met]
    return f"  goal  {goal_asked(goal):<47} {came:<22} {verdict}"


def cell_line(row, cell, ours):
    if not cell.able:
        return f"  {cell.tool.name:<16}" + f"{'-':>9}" * 2
    if cell.wrong:
        return f"  {cell.tool.name:<16}    wrong: {cell.wrong}"
    line = (f"  {cell.tool.name:<16}"
            f"{row.unit.show_wall(cell.figure('wall')):>9}"
            f"{row.unit.show_cpu(cell.figure('cpu')):>9}"
            f"{cell.spread() * 100:>8.0f}%"
            f"{'/'.join(str(kib) for kib in cell.rss()):>14}")
    if ours and ours is not cell:
        line += (f"{ratio('wall', ours, cell):>9.2f}"
                 f"{ratio('cpu', ours, cell):>8.2f}")
    if cell.samples[0].share is not None:
        line += f"  {cell.figure('share'):.0%} arrived"
    if cell.samples[0].growth is not None:
        line += f"  CPU {cell.figure('growth'):.2f} x that without them"
    return line


def row_table(row, cells):
    ours = next((c for c in cells if c.tool.name == "sockcat" and c.good()),
                None)
    head = (f"  {'':<16}{row.unit.wall:>9}{row.unit.cpu:>9}{'spread':>9}"
            f"{'peak KiB':>14}{'x wall':>9}{'x CPU':>8}")
    return "\n".join([f"{row.name}: {row.title}", head,
                      *(cell_line(row, cell, ours) for cell in cells),
                      *(goal_line(goal, cells) for goal in row.goals),
                      *bound_lines(row, cells)])


def bound_lines(row, cells):
    """What stands between us and a goal that was missed."""
    if all(goal_reached(goal, cells)[1] is not False for goal in row.goals):
        return []
    lines = textwrap.wrap(row.bound or "not known", 68)
    floor = next((cell for cell in cells if cell.tool.kind == "floor" and
                  cell.good()), None)
    peers = [cell for cell in cells if cell.good() and
             cell.tool.kind in ("peer", "tuned", "server")]
    if floor and peers:
        least, best = min((ratio("wall", floor, peer), peer.tool.name)
                          for peer in peers)
        lines.append(f"(floor) itself: {least:.2f} x the best peer ({best})")
    return [f"  {'bound' if i == 0 else '':<6}{line}"
            for i, line in enumerate(lines)]


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (f"{model[1] if model else platform.machine()}, "
            f"{os.cpu_count()} CPUs, {pages / 2**30:.0f} GiB; "
            f"{platform.system()} {platform.release()}")


def heading(tools, missing, directory):
    versions = {t.name.split()[0]: tool_version(t) for t in tools
                if t.version}
    lines = [
        "sockcat and other netcats on the same work (tests/bench/run)",
        "",
        f"date      {datetime.date.today()}",
        f"machine   {machine()}",
        "programs  " + ", ".join(f"{n} {v}" for n, v in versions.items()),
        "skipped   " + (", ".join(missing) or "none"),
        f"method    {ROUNDS} rounds in turn after one to warm up; files in "
        f"{filesystem(directory)};",
        "          start-up and round trips with all processes on one CPU",
        "",
        "Figures are medians, CPU is user and system of both ends, spread is",
        "(slowest - fastest) / median of the wall time. Peak memory is that",
        "of the sender/receiver; the kernel counts it in steps: read it as",
        "+-256 KiB. \"x\" is how many times sockcat's time the peer takes, the",
        "median of the rounds' own ratios: above 1, sockcat is ahead.",
    ]
    return "\n".join(lines)


def filesystem(directory):
    out = subprocess.run(["stat", "-f", "-c", "%T", directory], check=False,
                         stdout=subprocess.PIPE)
    return out.stdout.decode().strip() or "?"


# -------------------------------------------------------------------- main

def driver_build():
    """Compile the driver, as small as it can be had."""
    source = HERE / "driver.c"
    if DRIVER.exists() and DRIVER.stat().st_mtime > source.stat().st_mtime:
        return
    DRIVER.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", str(source),
             "-o", str(DRIVER)]
    cc = os.environ.get("CC", "cc").split()
    for compiler in ["musl-gcc", "-static"], [*cc, "-static"], cc:
        if shutil.which(compiler[0]) and subprocess.run(
                compiler + flags, check=False,
                stderr=None if compiler is cc else subprocess.DEVNULL,
                ).returncode == 0:
            return
    sys.exit("run: driver.c does not compile")


def input_make(path):
    space = shutil.disk_usage(path.parent).free
    if space < 2 * SIZE + (1 << 20):
        sys.exit(f"run: {path.parent} has no room for two files of "
                 f"{SIZE} bytes: set SIZE or BENCH_TMP")
    with open(path, "wb") as out:
        left = SIZE
        while left:
            block = os.urandom(min(left, 1 << 20))
            left -= out.write(block)


def arguments(argv):
    known = {row.name: row for row in ROWS}
    write = "--write" in argv or bool(os.environ.get("WRITE"))
    names = [arg for arg in argv if arg != "--write"]
    if names == ["--help"]:
        print(__doc__.strip())
        sys.exit(0)
    if names == ["--list"]:
        for row in ROWS:
            print(f"{row.name:<16}{row.title}")
        sys.exit(0)
    for name in names:
        if name not in known:
            sys.stderr.write(f"run: {name}: no such row, see --list\n")
            sys.exit(2)
    if write and names:
        sys.stderr.write("run: --write goes with all rows\n")
        sys.exit(2)
    return [known[name] for name in names] or ROWS, write


def main():
    rows, write = arguments(sys.argv[1:])
    driver_build()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tools = [tool for tool in TOOLS if shutil.which(tool.program)]
    missing = [tool.name for tool in TOOLS if tool not in tools]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    base = os.environ.get("BENCH_TMP", "/dev/shm")
    parts, failed = [], False
    with tempfile.TemporaryDirectory(
            prefix="sockcat-bench.",
            dir=base if os.path.isdir(base) else None) as directory:
        bench = Bench(Path(directory))
        input_make(bench.input)
        parts.append(heading(tools, missing, directory))
        print(parts[0], flush=True)
        for row in rows:
            cells = row_measure(bench, row, tools)
            failed |= any(c.wrong and c.tool.kind == "ours" for c in cells)
            parts.append(row_table(row, cells))
            print("\n" + parts[-1], flush=True)
    if write:
        (HERE / "RESULTS").write_text("\n\n".join(parts) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
