"""Freed memory is returned to the system, although memory above it is still used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from websocket_api import heap

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from websocket_api.heap import trim
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
dropped, kept = [], []
for number in range(20_000):
    dropped.append("x" * 4000 + str(number))
    if number % 100 == 0:
        kept.append("y" * 600 + str(number))
full = resident()
dropped.clear()
freed = resident()
trim()
print(full - before, freed - before, resident() - before)
"""
DROPPED = 20_000 * 4000


def test_freed_memory_is_returned_to_the_system() -> None:
    """Without the call the process keeps it, because of a few objects above it."""
    if heap._find_trim() is None:
        pytest.skip("not glibc")
    source = str(Path(heap.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", PROGRAM, source], capture_output=True, text=True, check=True)
    full, freed, left = map(int, done.stdout.split())
    assert full > DROPPED
    assert freed > DROPPED / 2
    assert left < DROPPED / 4


def test_another_c_library_has_no_such_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done then."""
    monkeypatch.setattr("websocket_api.heap.ctypes.CDLL", lambda name: object())
    assert heap._find_trim() is None
    monkeypatch.setattr("websocket_api.heap._TRIM", None)
    assert heap.trim() is False
