"""Processes of a benchmark. Each gets a JSON argument, writes lines of JSON, and is stopped by its id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
Result = TypeVar("Result")
STOPPED = "stopped before the end: nothing was measured"


def with_bytecode(folder: Path) -> dict[str, str]:
    """Return the environment of processes that keep Python's bytecode in a folder, as installed ones do.

    Without it each start compiles the engine, which takes half of its time.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


class Child:
    """A module of this folder, run as a script; a context manager."""

    def __init__(self, module: str, **asked: Any) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", json.dumps(asked)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._got = b""

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return the next line that it prints."""
        out = self._process.stdout
        assert out is not None
        while b"\n" not in self._got:
            if not select.select([out], [], [], seconds)[0]:
                raise TimeoutError(f"{self._module} said nothing for {seconds:.0f} s")
            chunk = out.read(1 << 20)
            if not chunk:
                raise RuntimeError(f"{self._module} ended with {self._process.wait(5)}")
            self._got += chunk
        line, _, self._got = self._got.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def listening_on(port: int) -> psutil.Process:
    """Return our process that serves a port: its parent, the engine's supervisor, has the listening socket too."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(it.status == psutil.CONN_LISTEN and it.laddr.port == port for it in process.net_connections("inet")):
                found.append(process)
    for process in found:
        if process.pid not in {other.ppid() for other in found}:
            return process
    raise RuntimeError(f"no process of this benchmark listens on port {port}")


class Machine:
    """CPU use of the whole machine, as a share of all its cores."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def busy(self) -> float:
        """Return the share since the start."""
        now, before = psutil.cpu_times(), self._before
        passed = sum(now) - sum(before)
        return 1 - (now.idle - before.idle) / passed if passed > 0 else 0.0


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def until_stopped(work: Coroutine[Any, Any, Result], is_stopped: Callable[[], bool]) -> Result:
    """Do some work, and cancel it when ``is_stopped()`` is true.

    :raises SystemExit: it was cancelled
    """
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.wait([task], timeout=0.2)
        if is_stopped():
            task.cancel()
    if task.cancelled():
        raise SystemExit(STOPPED)
    return await task
