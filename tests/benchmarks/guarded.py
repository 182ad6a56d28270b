"""How a benchmark starts: whatever ends it, nothing of it stays behind, neither a process nor a folder."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

from children import ENDS, Children, Signals, run_guarded

from tests.benchmarks.children import STOPPED

STOPPED_CODE = 130
"""The exit code after a signal, as of a program that Ctrl-C ends."""


class Stopped(KeyboardInterrupt):
    """A signal asked this benchmark to end."""


def guarded(main: Callable[[], int | None]) -> NoReturn:
    """Run a benchmark, and exit with its code; None is 0.

    The first SIGINT, SIGTERM, SIGHUP or SIGQUIT interrupts it wherever it is, so that it stops what it started. What it
    leaves then, or after SIGKILL, is killed and removed.
    """
    folder = tempfile.mkdtemp(prefix="wsb-")  # short, because the paths of unix sockets begin with it
    try:
        code = run_guarded(lambda signals: _work(signals, folder, main))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def _work(signals: Signals, folder: str, main: Callable[[], int | None]) -> int:
    tempfile.tempdir = folder
    left = Children()
    try:
        for number in ENDS:
            signal.signal(number, _interrupt)
        if signals.received:
            raise Stopped
        return main() or 0
    except Stopped:
        print(STOPPED, file=sys.stderr, flush=True)
        return STOPPED_CODE
    finally:  # here too, because the process above may have been killed
        left.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _interrupt(number: int, frame: object) -> None:
    for one in ENDS:  # a second signal must not interrupt the cleanup
        signal.signal(one, signal.SIG_IGN)
    raise Stopped
