"""What the supervisor needs of the operating system."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
PACKAGE = Path(__file__).parent
VERSION = b"__version__ = "


def die_with(supervisor: int) -> None:
    """Have the kernel kill this process when the supervisor dies, so that it never keeps the port from the next one."""
    import ctypes  # only in the serving process, which loads much more

    with contextlib.suppress(OSError, AttributeError):  # other systems than Linux: server.py looks for its parent
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != supervisor:
        os.kill(os.getpid(), signal.SIGKILL)  # it died before the kernel knew


def signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def own_files() -> list[int]:
    """Return digests of the code that stays in memory until Salt starts the engine again.

    The number of the release is left out: an upgrade that changes nothing else here needs no restart of the master.
    They are equal for equal content in this process only.
    """
    found = []
    for path in (PACKAGE.with_name("__init__.py"), *sorted(PACKAGE.glob("*.py"))):
        with contextlib.suppress(OSError):
            lines = path.read_bytes().splitlines()
            found.append(hash(tuple(line for line in lines if not line.startswith(VERSION))))
    return found
