"""Processes that are not children of the test."""

from __future__ import annotations

from pathlib import Path


def ended(pid: int) -> bool:
    """Return whether a process has ended, also if nobody has waited for it yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
