"""Engines that are forked from a process with Salt imported, as Salt's own master forks its engines.

To import Salt takes longer than everything else at the start of an engine.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

PROGRAM = Path(__file__).parent / "engine_process.py"


class ForkedEngine:
    """An engine's process, with what tests use of ``subprocess.Popen``.

    :param pid: not a child of this process
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()  # some tests wait in several threads
        self._file: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it may have ended
            self._file = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return None while it runs."""
        return 0 if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended.

        :raises subprocess.TimeoutExpired: it still runs
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("engine", timeout or 0)
        return 0

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._file is not None:
                signal.pidfd_send_signal(self._file, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        file = self._file
        ended = file is None or bool(select.select([file], [], [], timeout)[0])
        with self._lock:
            if ended and self._file is not None:
                os.close(self._file)
                self._file = None
        return ended


class Forker:
    """The process with Salt imported. It ends with this one, and so do its engines."""

    def __init__(self) -> None:
        self.environment = _environment()
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._process.kill)

    def start(self, config: Path, log: Path) -> ForkedEngine:
        """Fork an engine with this configuration; it runs in the folder of its log."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"config": str(config), "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return ForkedEngine(int(self._process.stdout.readline()))


def _environment() -> dict[str, str]:
    """Return the environment, without what pytest changes for each test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


_forkers: list[Forker] = []


def fork_engine(config: Path, log: Path) -> ForkedEngine | None:
    """Start an engine, or return None if a test has changed the environment, or coverage is measured."""
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        return None
    if not _forkers:
        _forkers.append(Forker())
    return _forkers[0].start(config, log) if _forkers[0].environment == _environment() else None
