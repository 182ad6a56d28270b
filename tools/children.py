"""Child processes that end together: daemons fork, and their children outlive them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # prctl(2): the signal that this process gets when its parent ends, however that is
PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphaned descendants become children of this process, which can reap them
TERM_SECONDS = 7  # Salt gives its own children 5 s
KILL_SECONDS = 5
LOOK_SECONDS = 0.2  # between two looks whether the process that works has ended
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Signals:
    """Waits for the signals that ask to end. No signal raises an exception, so none can interrupt a cleanup.

    `make` passes on a signal that its whole process group got already, so each may come twice.
    """

    def __init__(self) -> None:
        self.received = False
        self._wakes, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in ENDS:
            signal.signal(number, self._note)

    def wait(self, seconds: float) -> bool:
        """Wait for a signal, at most this many seconds. Return whether one was received."""
        if not self.received:
            select.select([self._wakes], [], [], seconds)
        return self.received

    def _note(self, number: int, frame: object) -> None:
        self.received = True


def run_guarded(work: Callable[[Signals], int]) -> int:
    """Do work that starts daemons in another process, and return its exit code, when no process of it is left.

    SIGKILL cannot be handled. If this process gets it, the other one gets SIGTERM and cleans up; if the other one gets
    it, this process kills what it leaves; if `make` gets it, this process gets SIGTERM. The other process has a session
    of its own: a signal to the process group reaches this one only, which sends SIGTERM.

    :param work: does the work until a signal arrives, and returns the exit code
    """
    guard = Children()
    if "MAKELEVEL" in os.environ:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = os.getpid()
    # A signal that arrives between the fork and the handlers would be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    worker = os.fork()
    if worker == 0:
        _work(work, parent)
    signals = _unblocked()
    while (ended := os.waitpid(worker, os.WNOHANG))[0] == 0:
        if signals.wait(LOOK_SECONDS):
            _signal([worker], signal.SIGTERM)
            ended = os.waitpid(worker, 0)
            break
    guard.stop()
    code = os.waitstatus_to_exitcode(ended[1])
    return code if code >= 0 else 1


def _work(work: Callable[[Signals], int], parent: int) -> NoReturn:
    """Be the process that works, and end with its exit code."""
    code = 1
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signals = _unblocked()
        if os.getppid() == parent:  # else it ended before the call above
            code = work(signals)
    except SystemExit as end:  # argparse has printed why
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - the forked process must not run on in its caller
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # at Python's own exit another signal would have its usual effect again


def _unblocked() -> Signals:
    signals = Signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    return signals


class Children:
    """Starts daemons by name, reports those that ended, and stops them with all their descendants. Thread-safe."""

    def __init__(self) -> None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._names: dict[int, str] = {}  # pid of each daemon that runs
        self._lock = threading.Lock()  # held while a daemon starts, and while ended ones are reaped
        self._stopping = False

    def start(self, name: str, command: list[str], output: Path) -> None:
        """Start a daemon in its own session, so that Ctrl-C in the terminal reaches this process only.

        Does nothing after `stop` was called.
        """
        with self._lock, output.open("wb") as stream:
            if self._stopping:
                return
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )
            self._names[process.pid] = name
            process.returncode = 0  # this class reaps it with the orphans; Popen must not

    def ended(self) -> list[str]:
        """Reap ended processes and return the names of the daemons among them."""
        names = []
        with self._lock:
            while True:
                try:
                    pid, _ = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if pid == 0:
                    break
                if pid in self._names:
                    names.append(self._names.pop(pid))
        return names

    def stop(self) -> bool:
        """Stop the daemons with SIGTERM, then kill remaining processes; return whether none is left."""
        with self._lock:
            self._stopping = True
            _signal(list(self._names), signal.SIGTERM)
        self._wait(lambda: not self._names, TERM_SECONDS)
        deadline = time.monotonic() + KILL_SECONDS
        while left := descendants(os.getpid()):
            if time.monotonic() > deadline:
                return False
            _signal(left, signal.SIGKILL)
            self._wait(lambda: not descendants(os.getpid()), 0.5)
        return True

    def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            self.ended()
            time.sleep(0.05)
        self.ended()


def descendants(of: int) -> list[int]:
    """Return the pids of all processes below one, from /proc."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue  # it has just ended
            # The second field, the name in parentheses, may contain anything: split after it.
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found, todo = [], [of]
    while todo:
        parent = todo.pop()
        below = [pid for pid, its_parent in parents.items() if its_parent == parent]
        found += below
        todo += below
    return found


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
