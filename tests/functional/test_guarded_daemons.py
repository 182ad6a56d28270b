"""Daemons that `make demo` and the benchmarks start end with it, whichever of its processes is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.functional.running import CHECKOUT
from tests.support.waiting import wait_until

# Two daemons in sessions of their own; the second leaves an orphan in another session.
PROGRAM = """\
import os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from children import Children, Signals, run_guarded

def work(signals: Signals) -> int:
    children = Children()
    children.start("one", ["sleep", "600"], Path(os.devnull))
    children.start("two", ["sh", "-c", "setsid sleep 601 & sleep 602"], Path(os.devnull))
    print(os.getpid(), flush=True)
    while not signals.wait(60):
        pass
    return 7 if children.stop() else 8

os._exit(run_guarded(work))
"""

# A benchmark with two such daemons and a folder, which is anywhere in its work when a signal arrives.
BENCHMARK = """\
import os, subprocess, tempfile, time
from tests.benchmarks.guarded import guarded

def main() -> int:
    folder = tempfile.mkdtemp()
    daemons = [subprocess.Popen(["sleep", "600"]), subprocess.Popen(["sh", "-c", "setsid sleep 601 & sleep 602"])]
    try:
        print(os.getpid(), folder, flush=True)
        time.sleep(600)
        return 0
    finally:
        daemons[0].kill()
        print("cleaned", flush=True)

guarded(main)
"""


class Guarded:
    """The program with its daemons."""

    def __init__(self, program: str = PROGRAM, *around: str) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [*around, sys.executable, "-c", program, str(CHECKOUT / "tools")], cwd=CHECKOUT,
            env={**os.environ, "DAEMON_MARK": self.mark}, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        worker, *self._folder = self.process.stdout.readline().split()
        self.worker = int(worker)
        wait_until(lambda: {"600", "601", "602"} <= self.arguments(), "the daemons")

    def arguments(self) -> set[str]:
        """Return the last argument of each process of this program."""
        found = set()
        for pid in self.pids():
            with contextlib.suppress(psutil.Error):
                found.update(psutil.Process(pid).cmdline()[-1:])
        return found

    def pids(self) -> list[int]:
        """Return all processes with the mark of this program, wherever they are in the tree."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    marked = self.mark.encode() in (folder / "environ").read_bytes()
                except OSError:
                    continue
                if marked:
                    found.append(int(folder.name))
        return found

    def folders(self) -> list[Path]:
        """Return the folder of a benchmark and the one above it, if they are still there."""
        (name,) = self._folder
        return [folder for folder in (Path(name), Path(name).parent) if folder.exists()]

    def is_gone(self) -> bool:
        """Return whether no process is left; one that nobody has reaped has an empty environment."""
        return not self.pids()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    """A program whose daemons run."""
    made = Guarded()
    yield made
    for pid in made.pids():
        os.kill(pid, signal.SIGKILL)
    made.process.wait(20)


def test_a_signal_to_the_program_ends_all_and_returns_the_exit_code_of_the_work(guarded: Guarded) -> None:
    """Sixteen signals have the effect of one."""
    for _ in range(16):
        guarded.process.send_signal(signal.SIGTERM)
    assert guarded.process.wait(60) == 7
    assert guarded.is_gone()


@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_a_killed_program_leaves_no_process(guarded: Guarded, group: bool) -> None:
    """The process that works gets SIGTERM from the kernel, also if a whole process group is killed."""
    (os.killpg if group else os.kill)(guarded.process.pid, signal.SIGKILL)
    assert guarded.process.wait(20) == -signal.SIGKILL
    wait_until(guarded.is_gone, "the end of every process", timeout=60)


def test_a_killed_worker_leaves_no_process(guarded: Guarded) -> None:
    """The program itself kills what its other process leaves, and ends with 1."""
    os.kill(guarded.worker, signal.SIGKILL)
    assert guarded.process.wait(60) == 1
    assert guarded.is_gone()


@pytest.fixture
def benchmark() -> Iterator[Guarded]:
    """A benchmark whose daemons run."""
    made = Guarded(BENCHMARK)
    yield made
    for pid in made.pids():
        os.kill(pid, signal.SIGKILL)
    made.process.wait(20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_a_benchmark_which_cleans_up(benchmark: Guarded, number: signal.Signals) -> None:
    """Ctrl-C comes more than once, because make passes it on; none interrupts the cleanup."""
    for _ in range(3):
        benchmark.process.send_signal(number)
    assert benchmark.process.stdout is not None
    assert benchmark.process.stdout.read() == "cleaned\n"
    assert benchmark.process.wait(60) == 130
    assert benchmark.is_gone()
    assert not benchmark.folders()


@pytest.mark.parametrize("killed", ["program", "worker"])
def test_a_killed_benchmark_leaves_neither_a_process_nor_a_folder(benchmark: Guarded, killed: str) -> None:
    """The process that is left cleans up."""
    os.kill(benchmark.process.pid if killed == "program" else benchmark.worker, signal.SIGKILL)
    benchmark.process.wait(60)
    wait_until(benchmark.is_gone, "the end of every process", timeout=60)
    assert not benchmark.folders()


def test_a_benchmark_ends_with_the_make_that_is_killed() -> None:
    """make cannot pass on SIGKILL."""
    made = Guarded(BENCHMARK, "env", "MAKELEVEL=1", "sh", "-c", '"$@"; true', "sh")
    made.process.kill()
    wait_until(made.is_gone, "the end of every process", timeout=60)
    assert not made.folders()


def test_wrong_arguments_end_with_their_message_only() -> None:
    """No traceback of the process that works hides it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.soak", "--minutes", "1"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("error: --minutes must be from 5 to 120")
