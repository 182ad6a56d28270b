"""Decides how soon a serving process that has ended is started again."""

from __future__ import annotations

QUICK_SECONDS = 5.0  # a process that lives for less has died at once
FIRST_WAIT_SECONDS = 1.0  # before the start after two quick ends; doubled after each further one
MAX_WAIT_SECONDS = 10.0  # as Salt itself would wait


class RestartPolicy:
    """Decides how long to wait before the next start."""

    def __init__(self) -> None:
        self.quick_ends = 0
        """How many processes died at once, without one in between that lived longer."""

    def ended(self, seconds: float) -> float:
        """Return the seconds to wait after a process that lived for ``seconds``."""
        self.quick_ends = self.quick_ends + 1 if seconds < QUICK_SECONDS else 0
        if self.quick_ends < 2:
            return 0.0
        return min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self.quick_ends - 2, 16))
