"""Builds the parts, listens, serves and stops."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from tornado.netutil import bind_sockets

from . import event_loop, release, wiring
from .background.tasks import BackgroundTasks
from .connect import connect
from .errors import CannotRun, NeedsRestart
from .gc_tuning import GcTuning
from .hand_over import state as hand_over
from .hand_over.channel import Channel, HandOverError, Refused
from .journaling import open_journal
from .operations.dispatcher import Dispatcher
from .protocols import http_server
from .protocols.connections import Connections
from .protocols.http.console import Console
from .protocols.tls import Certificate
from .salt_master import backends
from .settings import Settings
from .supervisor.serving import Serving

log = logging.getLogger(__name__)

PARENT_CHECK_SECONDS = 1.0  # between two checks whether the supervisor still runs
BACKLOG = 1024  # connections that wait while a killed serving process is replaced
SWITCH_SECONDS = 0.0005  # until a computing thread yields to the event loop; Python's default of 5 ms adds up
CERTIFICATE_SECONDS = 10.0  # between two checks for a renewed certificate
LOOK_SECONDS = 10.0  # after the replacement of a killed process, until it looks at the file server


def serve(options: dict[str, Any], opts: Any, version: str, serving: Serving) -> None:
    """Serve until SIGTERM, or until the supervisor is gone.

    :param serving: the connection to the supervisor
    :raises CannotRun: the engine cannot serve; the message names the cause and the remedy
    """
    again = getattr(serving, "again", False)  # a supervisor of an earlier release has no such property
    copy = release.find_copy(options, opts) if again else None
    found = copy or release.find(options, opts, version)
    settings = Settings.load(options, opts, found.schemas)
    if not again:
        backends.warn(opts, settings.eauth)

    def newest_console() -> Console:
        return release.console(release.find(options, opts, version), settings, opts)

    loop = event_loop.choose(settings.uvloop)
    loop.run(Server(settings, found, opts, serving, loop.name, newest_console if copy else None).run())


class Server:
    """One running engine.

    :param newest_console: returns the console of the file server, if the present one is a copy that may be older
    """

    def __init__(
        self,
        settings: Settings,
        found: release.Release,
        opts: Any,
        serving: Serving,
        loop_name: str,
        newest_console: Callable[[], Console] | None = None,
    ) -> None:
        self._settings = settings
        self._loop_name = loop_name
        self._release = found
        self._schemas = found.schemas
        self._opts = opts
        self._serving = serving
        self._newest_console = newest_console
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        """Set by a signal: requests that would go on over a reload are canceled."""
        self._successor: Channel | None = None
        """The process that takes over, once it is ready for that."""
        self._offered = hand_over.Offered(0, {})
        """What it has already."""
        self._offering: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Listen and serve until a signal or the end of the supervisor."""
        settings = self._settings
        certificate = Certificate(settings.ssl_crt, settings.ssl_key) if settings.ssl_crt else None
        sockets = self._bind()
        sys.setswitchinterval(SWITCH_SECONDS)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        max_connections = self._max_connections()
        # At most half of all connections, whatever the option says: other users must be able to connect.
        per_user = min(settings.limits.connections_per_user, max(1, max_connections // 2))
        limits = dataclasses.replace(settings.limits, connections_per_user=per_user)
        settings = dataclasses.replace(settings, limits=limits)
        master = connect(self._opts, settings)
        received = await self._take()
        position = (received.state["epoch"], received.state["seq"]) if received else (None, 0)
        journal = await asyncio.to_thread(open_journal, self._opts, settings.history, time.time(), *position)
        restored = received.restored if received else journal.restored
        parts = wiring.build(settings, self._schemas, master, wiring.Clock.of_loop(), restored=restored)
        if received:
            hand_over.apply(received, parts)  # it knows more of jobs than the journal
        journal.begin(parts)
        clients = Connections(parts.services, Dispatcher(parts.services), max_connections)
        gc_tuning = GcTuning()
        background = BackgroundTasks(parts, clients.all, lambda: len(clients) > 0)
        console = release.console(self._release, settings, self._opts)
        server = http_server.serve(
            clients, parts.rebar, settings, console, certificate.context if certificate else None
        )
        background.start()
        gc_tuning.start()
        server.add_sockets(sockets)
        self._serving.ready(
            settings.address, settings.port, sockets, version=self._schemas.version, restart=self._serving.changed
        )
        self._log_ready(certificate is not None, sockets[0].getsockname()[1])
        self._watch(parts)
        looking = asyncio.create_task(self._look(console))
        await self._until_stopped(certificate)
        looking.cancel()
        log.info("websocket_api stops: %d clients are asked to reconnect", len(clients))
        if self._successor is not None:
            self._report_hand_over()
        server.stop()
        background.begin_shutdown()
        if self._successor is not None:
            await clients.settle()
            await self._give(self._successor, parts, background)
            background.start_finishing()
            server.close_idle()
            await clients.finish(self._hurry)
            if not self._hurry.is_set():  # else requests in flight get their errors first
                await server.finish()
        await clients.close()
        await background.stop()
        gc_tuning.stop()
        master.close()

    async def _look(self, console: Console) -> None:
        """Replace the copy of the console by that of the file server, once clients have connected again."""
        if self._newest_console is not None:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(CannotRun):  # the copy is gone meanwhile too
                console.replace(await asyncio.to_thread(self._newest_console))

    def _on_signal(self) -> None:
        self._stop.set()
        self._hurry.set()

    async def _take(self) -> hand_over.Received | None:
        """Return the state of the process that this one replaces; None at another start, or if that process died."""
        if self._serving.last is None:
            return None
        channel = Channel(self._serving.last)
        try:
            return await asyncio.to_thread(hand_over.take, channel)
        except Refused as error:
            raise NeedsRestart(str(error)) from None
        except HandOverError as error:
            log.warning("websocket_api starts without the state of the last process: %s", error)
            return None
        finally:
            channel.close()

    def _watch(self, parts: wiring.Parts) -> None:
        """Offer the state to the next process as soon as the supervisor has started one."""
        channel, loop = self._serving.channel, asyncio.get_running_loop()
        if channel is None:
            return

        def on_message() -> None:
            stream = self._serving.next()
            if stream is None:
                loop.remove_reader(channel)  # the supervisor is gone
            else:
                self._offering = loop.create_task(self._offer(Channel(stream), parts))

        loop.add_reader(channel, on_message)

    async def _offer(self, channel: Channel, parts: wiring.Parts) -> None:
        try:
            self._offered = await hand_over.offer(channel, parts)
        except HandOverError as error:
            log.info("websocket_api is not replaced: %s", error)
            parts.master.bus.close_second()
            channel.close()
            return
        self._successor = channel
        self._stop.set()

    async def _give(self, channel: Channel, parts: wiring.Parts, background: BackgroundTasks) -> None:
        """Stop reading the bus and driving batches, and pass both on."""
        line = await parts.master.bus.detach()
        await background.stop()
        try:
            await hand_over.give(channel, parts, self._offered, line)
        except HandOverError as error:
            log.warning("websocket_api could not pass on its state: %s", error)
        channel.close()

    def _report_hand_over(self) -> None:
        report = getattr(self._serving, "hands_over", None)  # a supervisor of an earlier release has no such method
        if report is not None:
            report()

    def _bind(self) -> list[socket.socket]:
        settings = self._settings
        if kept := self._serving.take(settings.address, settings.port):
            return kept
        try:
            return bind_sockets(settings.port, settings.address, backlog=BACKLOG)
        except PermissionError as error:
            raise CannotRun(
                f"cannot listen on {settings.address}:{settings.port}: {error.strerror}; ports below 1024 need nginx "
                "in front (docs/operating.md), or the sysctl net.ipv4.ip_unprivileged_port_start set to the port"
            ) from None
        except OSError as error:
            where, reason = f"{settings.address}:{settings.port}", error.strerror or error
            raise CannotRun(f"cannot listen on {where}: {reason}; free it, or set another port or address") from None

    def _max_connections(self) -> int:
        configured, max_files = self._settings.limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        allowed = min(configured, max(1, max_files - http_server.SPARE_FILES))
        if allowed < configured:
            log.warning("at most %d connections instead of %d: the file limit is %d", allowed, configured, max_files)
        return allowed

    def _log_ready(self, tls: bool, port: int) -> None:
        settings = self._settings
        scheme = "wss" if tls else "ws"
        where, version = f"{scheme}://{settings.address}:{port}", self._schemas.version
        log.info("websocket_api %s with %s listens on %s", version, self._loop_name, where)
        if not tls and settings.disable_ssl:
            log.warning("websocket_api serves without TLS on %s: passwords are sent unencrypted", settings.address)

    async def _until_stopped(self, certificate: Certificate | None) -> None:
        parent, checked_at = os.getppid(), time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), PARENT_CHECK_SECONDS)
            if os.getppid() != parent:
                # Only without prctl(2), by which the kernel kills this process. Otherwise it would keep the port.
                log.critical("the supervisor is gone: websocket_api stops")
                return
            if certificate is not None and time.monotonic() - checked_at > CERTIFICATE_SECONDS:
                checked_at = time.monotonic()
                certificate.reload_if_changed()
