#!/usr/bin/env python3
"""terminal.py CMD...: runs CMD in the foreground of a terminal of its own.

Standard input is typed there as it comes, and its end changes nothing: the
terminal stays open, as one does when nobody types. What CMD shows goes to
standard output, and CMD's status is ours, 128 + N where signal N ended it.
"""
import os
import pty
import select
import sys


def main():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[1], sys.argv[1:])
    typed = [0]
    while True:
        ready, _, _ = select.select([terminal] + typed, [], [])
        if 0 in ready:
            data = os.read(0, 4096)
            if data:
                os.write(terminal, data)
            else:
                typed = []
        if terminal in ready:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # EIO: nobody has it open any more
                break
            os.write(1, data)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.exit(status if status >= 0 else 128 - status)


main()
