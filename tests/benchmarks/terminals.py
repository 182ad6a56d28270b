"""Run a command whose output goes to terminals, and measure it: a script of its own.

It is started with ``python -S``, because Linux counts the memory of the process that starts a command as the
command's. Standard output and standard error have a terminal each, so progress does not count as output.

Arguments: one JSON object ``{command, env, shown}``; ``shown`` is a regular expression with one group, which finds what
a person waits for. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys
import time

Found = dict[str, float]  # the first time of each text, in seconds


def run(command: list[str], env: dict[str, str], shown: str) -> dict[str, object]:
    """Run a command to its end.

    :return: ``seconds`` to its exit, ``first`` and ``texts`` (how many) of what it showed, ``cpu`` in seconds,
        ``peak`` memory in bytes, and ``code``
    """
    out, out_side = pty.openpty()
    err, err_side = pty.openpty()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out_side, 1),
        (os.POSIX_SPAWN_DUP2, err_side, 2),
    ]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=actions)
    os.close(out_side)
    os.close(err_side)
    found = _read(out, err, re.compile(shown.encode()), began)
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "first": min(found.values(), default=None),
        "texts": len(found),
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss * 1024,
        "code": os.waitstatus_to_exitcode(status),
    }


def _read(out: int, err: int, shown: re.Pattern[bytes], began: float) -> Found:
    """Read both terminals until the command has left them."""
    found: Found = {}
    rest = b""
    is_open = {out, err}
    while is_open:
        for file in select.select(list(is_open), [], [])[0]:
            try:
                data = os.read(file, 1 << 16)
            except OSError:  # Linux reports the end so
                data = b""
            now = time.perf_counter() - began
            if not data:
                is_open.discard(file)
            elif file == out:
                lines, end, rest = (rest + data).rpartition(b"\n")
                for text in shown.findall(lines + end):
                    found.setdefault(text.decode(), now)
    return found


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))
