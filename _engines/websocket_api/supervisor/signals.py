"""The signals that the supervisor handles: each wakes its poll."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*STOPPING, signal.SIGCHLD)


class Signals:
    """Handlers for :data:`SIGNALS`, from :meth:`install` to :meth:`restore`."""

    def __init__(self) -> None:
        self.wake, self._woken = socket.socketpair()
        """Becomes readable when a signal has arrived."""
        for one in (self.wake, self._woken):
            one.setblocking(False)
        self._before: dict[int, Any] = {}
        """The handlers of this process before."""

    def install(self, handle: Callable[[int, object], None]) -> None:
        """Call ``handle(number, frame)`` for each signal."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, handle)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)

    def drain(self) -> None:
        """Make :attr:`wake` wait for the next signal."""
        with contextlib.suppress(BlockingIOError):
            while self.wake.recv(4096):
                pass

    def ignore_stopping(self) -> None:
        """Have :meth:`restore` ignore the signals that stop a process: one more must not interrupt its end."""
        for number in STOPPING:
            self._before[number] = signal.SIG_IGN

    def restore(self) -> None:
        """Install the handlers of this process from before."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.wake.close()
        self._woken.close()
