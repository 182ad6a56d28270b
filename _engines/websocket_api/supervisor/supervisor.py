"""Runs the serving process, and replaces it when it ends or at a reload."""

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
from collections.abc import Iterator
from typing import Any

from .child import Child
from .control import Control, Request
from .restart import MAX_WAIT_SECONDS, RestartPolicy
from .serving import Listeners, Serving
from .signals import SIGNALS, Signals
from .system import die_with, own_files, signal_name

log = logging.getLogger(__name__)

MASTER_SECONDS = 1.0  # between two checks whether the master still runs
STOP_SECONDS = 4.5  # after SIGTERM: Salt kills the supervisor at 5
RELOAD_SECONDS = 90.0  # until the next process must serve: it may wait 45 for its schemas
TAKE_SECONDS = 30.0  # the same from when the running process has stopped accepting connections
RETIRE_SECONDS = 90.0  # until a process that was replaced must have ended: requests in flight get 60
MAX_RETIRING = 3  # such processes at once: with one more the oldest answers its requests with an error, and ends
SLOW = "the new process did not serve in time and was killed: it hangs, or the running one does"
CHANGED = "the supervisor of websocket_api has changed on disk: restart the master to use it"


class Supervisor:
    """Runs one serving process, and at a reload the next one.

    :param control: path of the socket for requests; empty for none
    """

    def __init__(self, control: str = "") -> None:
        self._policy = RestartPolicy()
        self._child: Child | None = None
        self._next: Child | None = None
        """At a reload, the process that will replace it."""
        self._retiring: list[Child] = []
        """Processes that were replaced, and close their connections."""
        self._request: Request | None = None
        """Who waits for a reload."""
        self._control = Control(control)
        self._start_at = time.monotonic()
        self._kept = Listeners()
        self._options: dict[str, Any] | None = None
        """The engine's options since the last reload: Salt's are older then."""
        self._stopping = False
        self._master = os.getppid()
        self._own_files = own_files()
        self._changed_logged = False
        self._signals = Signals()

    def run(self) -> Serving | None:
        """Run until the master stops this process or is gone.

        :return: in each serving process, its connection to the supervisor; in the supervisor None, at its end
        """
        self._signals.install(self._on_signal)
        gc.disable()  # a collection would copy pages that are shared with the master
        while not self._stopping:
            serving = None
            if self._child is None and time.monotonic() >= self._start_at:
                self._child, serving = self._start()
            elif request := self._control.accept():
                serving = self._reload(request)
            if serving is not None:
                return serving
            self._wait()
        self._stop()
        self._signals.ignore_stopping()
        self._control.close(remove=True)
        self._restore()
        return None

    def _on_signal(self, number: int, _frame: object) -> None:
        self._stopping = self._stopping or number != signal.SIGCHLD

    def _children(self) -> Iterator[Child]:
        """Yield all serving processes."""
        yield from [child for child in (self._child, self._next, *self._retiring) if child is not None]

    def _start(self, last: socket.socket | None = None) -> tuple[Child | None, Serving | None]:
        """Fork a serving process. Return the process in this one, its connection in that one.

        :param last: at a reload, its connection to the process that serves
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        supervisor = os.getpid()
        # A signal between the fork and the end of this process's handlers would be noted for the wrong process.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            die_with(supervisor)
            for one in (ours, *(child.channel for child in self._children())):
                one.close()
            self._control.close(remove=False)
            if self._request is not None:
                self._request.close()
            self._restore()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            return None, Serving(theirs, self._kept, last, self._options)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        ours.setblocking(False)
        return Child(pid, ours, time.monotonic()), None

    def _reload(self, request: Request) -> Serving | None:
        """Start the process that will replace the serving one. Return its connection in that process."""
        replaced = self._child is not None and self._child.hands_over
        if self._next is not None or self._request is not None or replaced:
            request.answer(error="another reload is under way")
            return None
        if self._child is None or not self._child.ready:
            request.answer(error="the engine does not serve: look at the master's log", serves=False)
            return None
        self._request = request
        last, next_ = socket.socketpair()
        child, serving = self._start(next_)
        if child is None:
            last.close()
            return serving
        next_.close()
        child.kill_at = time.monotonic() + RELOAD_SECONDS
        self._next = child
        with contextlib.suppress(OSError):  # it has just died
            socket.send_fds(self._child.channel, [b"n"], [last.fileno()])
        last.close()
        return None

    def _restore(self) -> None:
        """Undo what this process changed for itself."""
        self._signals.restore()
        gc.enable()

    def _wait(self, seconds: float = MASTER_SECONDS) -> None:
        """Wait for a signal, a message, a request or the time of the next start; handle all but requests."""
        poll = select.poll()
        poll.register(self._signals.wake, select.POLLIN)
        if self._control.listener is not None and not self._stopping:
            poll.register(self._control.listener, select.POLLIN)
        for child in self._children():
            if child.connected:
                poll.register(child.channel, select.POLLIN)
        if self._child is None:
            seconds = min(seconds, max(0.0, self._start_at - time.monotonic()))
        poll.poll(seconds * 1000)
        self._signals.drain()
        for child in self._children():
            self._receive(child)
            self._reap(child)
        if os.getppid() != self._master and not self._stopping:
            # A killed master does not end its engines. Without this, they would keep the port.
            log.critical("the master is gone: websocket_api stops")
            self._stopping = True

    def _receive(self, child: Child) -> None:
        """Read what a serving process reports."""
        with contextlib.suppress(OSError):
            while (received := child.receive()) is not None:
                message, files = received
                if message["state"] == "failed":
                    child.cause, child.needs_restart = message["cause"], message.get("restart", False)
                    continue
                if message["state"] == "options":
                    child.options += message["part"]
                    continue
                if message["state"] == "hands_over":
                    self._on_hand_over(child)
                    continue
                self._kept.close()
                if message["state"] == "ready":
                    child.ready, child.kill_at, child.details = True, None, message["details"]
                    self._options, child.options = json.loads(child.options), ""
                    sockets = [socket.socket(fileno=number) for number in files]
                    self._kept = Listeners(message["address"], message["port"], sockets)
                    self._promote(child)

    def _on_hand_over(self, child: Child) -> None:
        """Limit the time in which no process accepts connections."""
        child.hands_over = True
        if self._next is None:
            self._hurry(child)  # that one has died meanwhile
        else:
            self._next.kill_at = time.monotonic() + TAKE_SECONDS

    @staticmethod
    def _hurry(child: Child) -> None:
        """End a process that accepts no connections: requests in flight get a retryable error."""
        child.kill_at = time.monotonic() + STOP_SECONDS
        child.send(signal.SIGTERM)

    def _promote(self, child: Child) -> None:
        """Let a process that serves replace the last one."""
        if child is self._next:
            if self._child is not None:
                self._child.kill_at = time.monotonic() + RETIRE_SECONDS
                self._retiring.append(self._child)
                for old in self._retiring[:-MAX_RETIRING]:
                    old.send(signal.SIGTERM)
            self._child, self._next = child, None
        notes = [CHANGED] if own_files() != self._own_files else []
        self._answer(**{**child.details, "restart": [*child.details.get("restart", []), *notes]})

    def _answer(self, **fields: Any) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.answer(**fields)

    def _reap(self, child: Child) -> None:
        """Notice the end of a serving process, and plan the next start."""
        if child.kill_at is not None and time.monotonic() >= child.kill_at:
            if not (child.ready or self._stopping):
                child.cause = child.cause or SLOW
                log.error("the new process %d of websocket_api does not serve in time: it is killed", child.pid)
            else:
                log.error("the serving process %d of websocket_api does not stop: it is killed", child.pid)
            child.kill_at = None
            child.send(signal.SIGKILL)
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            return
        child.channel.close()
        code = os.waitstatus_to_exitcode(status)
        reason = f"exit status {code}" if code >= 0 else signal_name(-code)
        cause = child.cause or f"the new process has ended ({reason}): look at the master's log"
        lost = f"{cause}; the engine has lost its state and starts again"
        if child in self._retiring:
            self._retiring.remove(child)
        elif child is self._next:
            self._next = None
            if self._child is not None and self._child.hands_over:
                self._hurry(self._child)
                self._answer(error=lost, stays=False)
            else:
                self._answer(error=cause, **({"serves": False} if child.needs_restart else {}))
        elif self._next is not None:
            # It has handed over, or died meanwhile: the next one serves soon either way.
            self._child, self._next = self._next, None
        else:
            self._child = None
            if not self._stopping:
                self._answer(error=lost, stays=False)
                self._plan(child, code, reason)

    def _plan(self, child: Child, code: int, reason: str) -> None:
        """Plan the next start, after the end of the process that served."""
        if code:
            log.error(
                "the serving process %d of websocket_api has ended (%s): another one is started", child.pid, reason
            )
        else:
            log.info("the serving process %d of websocket_api has ended: another one is started", child.pid)
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
            log.warning(CHANGED)

    def _stop(self) -> None:
        """Stop all serving processes; kill those that take too long."""
        self._kept.close()
        self._answer(error="the engine stops")
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children():
            child.kill_at = deadline
            child.send(signal.SIGTERM)
        while any(self._children()):
            self._wait(max(0.05, min(deadline - time.monotonic(), MASTER_SECONDS)))
