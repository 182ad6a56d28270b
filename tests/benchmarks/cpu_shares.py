"""CPU time by role while something was measured: the engine, the parts of Salt's master, the benchmark itself."""

from __future__ import annotations

import contextlib
import time

import psutil

from tests.benchmarks.process_roles import ENGINE, ROLES, role_of
from tests.benchmarks.stage import Stage


class Shares:
    """Measures from its creation on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._began = time.monotonic()
        self._before = self._seconds()

    def of_one_core(self) -> dict[str, float]:
        """Return the CPU time of each role since the start, as a share of one core."""
        passed = time.monotonic() - self._began
        return {role: (now - self._before[role]) / passed for role, now in self._seconds().items()}

    def _seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each role so far, with those of its processes that have ended."""
        mine, master = psutil.Process(), psutil.Process(self._stage.master.pid)
        engine = self._stage.engine_process().parent() or self._stage.engine_process()
        of_engine, of_master = _family(engine), _family(master)
        found = dict.fromkeys(ROLES, 0.0)
        for pid, process in {**_family(mine), **of_master}.items():
            with contextlib.suppress(psutil.Error):
                salts, title = pid in of_master, process.cmdline()
                role = ENGINE if pid in of_engine else role_of(title, salts=salts)
                found[role] += sum(process.cpu_times()[:4])
        return found


def _family(process: psutil.Process) -> dict[int, psutil.Process]:
    return {one.pid: one for one in (process, *process.children(recursive=True))}
