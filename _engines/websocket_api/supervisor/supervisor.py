"""Runs one serving process at a time."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

from .restart import MAX_WAIT_SECONDS, RestartPolicy
from .serving import Listeners, Serving
from .system import die_with, own_files, signal_name

log = logging.getLogger(__name__)

MASTER_SECONDS = 1.0  # between two checks whether the master still runs
STOP_SECONDS = 4.5  # after SIGTERM: Salt kills the supervisor at 5
MESSAGE_BYTES = 65_536  # maximum of a message from the serving process
MAX_SOCKETS = 64  # listening sockets: one per address that the name in `address` has
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass
class Child:
    """A serving process."""

    pid: int
    channel: socket.socket
    started: float
    """Seconds, monotonic."""
    ready: bool = False
    """Whether it has ever served."""
    connected: bool = True
    """Whether its side of the channel is open."""


class Supervisor:
    """Runs one serving process at a time."""

    def __init__(self) -> None:
        self._policy = RestartPolicy()
        self._child: Child | None = None
        self._start_at = time.monotonic()
        self._kept = Listeners()
        self._stopping = False
        self._master = os.getppid()
        self._own_files = own_files()
        self._changed_logged = False
        self._wake, self._woken = socket.socketpair()
        for one in (self._wake, self._woken):
            one.setblocking(False)
        self._handlers: dict[int, Any] = {}
        self._mask: set[int] = set()

    def run(self) -> Serving | None:
        """Run until the master stops this process or is gone.

        :return: in each serving process, its connection to the supervisor; in the supervisor None, at its end
        """
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        gc.disable()  # a collection would copy pages that are shared with the master
        while not self._stopping:
            if self._child is None and time.monotonic() >= self._start_at:
                serving = self._start()
                if serving is not None:
                    return serving
            self._wait()
        self._stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.SIG_IGN  # one more must not interrupt the end of this process
        self._restore()
        return None

    def _on_signal(self, number: int, _frame: object) -> None:
        self._stopping = self._stopping or number != signal.SIGCHLD

    def _start(self) -> Serving | None:
        """Fork a serving process. Return its connection in that process, None in this one."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        supervisor = os.getpid()
        # A signal between the fork and the end of this process's handlers would be noted for the wrong process.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            die_with(supervisor)
            ours.close()
            self._restore()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            return Serving(theirs, self._kept)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        ours.setblocking(False)
        self._child = Child(pid, ours, time.monotonic())
        return None

    def _restore(self) -> None:
        """Undo what this process changed for itself."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._wake.close()
        self._woken.close()
        gc.enable()

    def _wait(self, seconds: float = MASTER_SECONDS) -> None:
        """Wait for a signal, a message or the time of the next start, and handle it."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._child is None:
            seconds = min(seconds, max(0.0, self._start_at - time.monotonic()))
        elif self._child.connected:
            poll.register(self._child.channel, select.POLLIN)
        poll.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(4096):
                pass
        if self._child is not None:
            self._receive(self._child)
            self._reap(self._child)
        if os.getppid() != self._master and not self._stopping:
            # A killed master does not end its engines. Without this, they would keep the port.
            log.critical("the master is gone: websocket_api stops")
            self._stopping = True

    def _receive(self, child: Child) -> None:
        """Read what the serving process reports."""
        with contextlib.suppress(OSError):
            while True:
                body, files, _, _ = socket.recv_fds(child.channel, MESSAGE_BYTES, MAX_SOCKETS)
                if not body:
                    child.connected = False
                    return
                self._kept.close()
                message = json.loads(body)
                if message["state"] == "ready":
                    child.ready = True
                    sockets = [socket.socket(fileno=number) for number in files]
                    self._kept = Listeners(message["address"], message["port"], sockets)

    def _reap(self, child: Child) -> None:
        """Notice the end of the serving process, and plan the next start."""
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            return
        child.channel.close()
        self._child = None
        if self._stopping:
            return
        code = os.waitstatus_to_exitcode(status)
        if code:
            reason = f"exit status {code}" if code > 0 else signal_name(-code)
            log.error("the serving process %d of websocket_api has ended (%s): another one is started", pid, reason)
        else:
            log.info("the serving process %d of websocket_api has ended: another one is started", pid)
        wait = self._policy.ended(time.monotonic() - child.started)
        self._start_at = time.monotonic() + wait
        if wait:
            self._kept.close()
        if self._policy.quick_ends == 2:
            log.error(
                "the serving process of websocket_api ends at once: it is started every %.0f s at least; "
                "the lines above name the cause",
                MAX_WAIT_SECONDS,
            )
        self._look_at_own_files(child.ready)

    def _look_at_own_files(self, served: bool) -> None:
        """Notice that this code is another one on disk, which may not fit to the next serving process."""
        if own_files() == self._own_files:
            return
        if not served:
            log.info("the supervisor of websocket_api has changed: Salt starts it again within 10 s")
            self._stopping = True
        elif not self._changed_logged:
            self._changed_logged = True
            log.warning("the supervisor of websocket_api has changed on disk: restart the master to use it")

    def _stop(self) -> None:
        """Stop the serving process; kill it if that takes too long."""
        self._kept.close()
        deadline, killed = time.monotonic() + STOP_SECONDS, False
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGTERM)
        while self._child is not None:
            left = deadline - time.monotonic()
            if left <= 0 and not killed:
                log.error("the serving process %d of websocket_api does not stop: it is killed", self._child.pid)
                os.kill(self._child.pid, signal.SIGKILL)
                killed = True
            self._wait(MASTER_SECONDS if killed else max(0.0, min(left, MASTER_SECONDS)))
