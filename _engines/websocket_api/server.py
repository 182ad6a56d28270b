"""Builds the parts, listens, says ready, stops."""

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
from pathlib import Path
from typing import Any

from tornado.netutil import bind_sockets

from .background import BackgroundTasks
from .contract.schemas import Schemas
from .errors import CannotRun
from .gc_tuning import GcTuning
from .operations.dispatcher import Dispatcher
from .protocols import http_server as listening
from .protocols.connections import Connections
from .protocols.http.console import Console
from .protocols.tls import Certificate
from .salt_master import files
from .settings import Settings
from .wiring import build

log = logging.getLogger(__name__)

FILES_SECONDS = 45.0  # a gitfs remote may still be fetched when the engine starts; up to 20 s were measured
LOOK_SECONDS = 1.0  # how soon the end of the master is noticed
SWITCH_SECONDS = 0.0005  # after which a thread that computes lets the event loop go on; Python's own 5 ms add up
CERTIFICATE_SECONDS = 10.0  # how soon a renewed certificate is


def serve(options: dict[str, Any], opts: Any, version: str) -> None:
    """Serve until SIGTERM, or until the master is gone.

    :raises CannotRun: what forbids it, with the mend
    """
    schemas = _schemas(options, opts, version)
    settings = Settings.load(options, opts, schemas)
    asyncio.run(Server(settings, schemas, opts, version).run())


class Server:
    """One engine at work."""

    def __init__(self, settings: Settings, schemas: Schemas, opts: Any, version: str) -> None:
        self._settings = settings
        self._schemas = schemas
        self._opts = opts
        self._version = version
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Listen and work until told to stop."""
        settings = self._settings
        certificate = Certificate(settings.ssl_crt, settings.ssl_key) if settings.ssl_crt else None
        sockets = self._bind()
        sys.setswitchinterval(SWITCH_SECONDS)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        most = self._most_connections()
        # Half of what there may be, whatever the option says: the others must be able to come.
        per_user = min(settings.limits.connections_per_user, max(1, most // 2))
        limits = dataclasses.replace(settings.limits, connections_per_user=per_user)
        parts = build(dataclasses.replace(settings, limits=limits), self._schemas, self._opts, self._version)
        clients = Connections(parts.services, Dispatcher(parts.services), most)
        collector = GcTuning()
        upkeep = BackgroundTasks(parts, clients.all)
        console = _console(settings, self._opts)
        server = listening.serve(clients, parts.rebar, settings, console, certificate.context if certificate else None)
        upkeep.start()
        collector.start()
        server.add_sockets(sockets)
        self._say_ready(certificate is not None, sockets[0].getsockname()[1])
        await self._until_stopped(certificate)
        log.info("websocket_api stops: %d connections are asked to come again", len(clients))
        server.stop()
        upkeep.leave()
        await clients.close()
        await upkeep.stop()
        collector.stop()
        parts.close()

    def _bind(self) -> list[socket.socket]:
        settings = self._settings
        try:
            return bind_sockets(settings.port, settings.address)
        except OSError as error:
            reason = f"{settings.address}:{settings.port} cannot be listened on: {error.strerror or error}"
            raise CannotRun(f"{reason}; free it, or set another port or address") from None

    def _most_connections(self) -> int:
        wanted, files_allowed = self._settings.limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = min(wanted, max(1, files_allowed - listening.SPARE_FILES))
        if most < wanted:
            log.warning("at most %d connections instead of %d: the file limit is %d", most, wanted, files_allowed)
        return most

    def _say_ready(self, tls: bool, port: int) -> None:
        settings = self._settings
        scheme = "wss" if tls else "ws"
        log.info("websocket_api %s listens on %s://%s:%d", self._version, scheme, settings.address, port)
        if not tls and settings.disable_ssl:
            log.warning("websocket_api serves without TLS on %s: passwords travel in the clear", settings.address)

    async def _until_stopped(self, certificate: Certificate | None) -> None:
        parent, looked = os.getppid(), time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK_SECONDS)
            if os.getppid() != parent:
                # A master that was killed takes nobody with it; an engine that lived on would hold its port.
                log.critical("the master is gone: websocket_api stops")
                return
            if certificate is not None and time.monotonic() - looked > CERTIFICATE_SECONDS:
                looked = time.monotonic()
                certificate.reload_if_changed()


def _schemas(options: dict[str, Any], opts: Any, version: str) -> Schemas:
    """Return the schemas, from the master's file server or a directory; wait a while for what is still coming."""
    source, saltenv = options.get("schemas", "salt://schemas"), options.get("saltenv", "base")
    if not isinstance(source, str) or not isinstance(saltenv, str):
        raise CannotRun("the options schemas and saltenv must be strings")
    deadline = time.monotonic() + FILES_SECONDS
    directory: Path | None = None
    while directory is None:
        directory = files.fetch(opts, source, saltenv)
        if directory is None:
            if time.monotonic() > deadline:
                raise CannotRun(
                    f"the schemas are not at {source} (saltenv {saltenv}): "
                    "add this repository to file_roots or gitfs_remotes, or name their directory in the option schemas"
                )
            log.info("websocket_api waits for %s", source)
            time.sleep(1)
    schemas = Schemas(directory)
    schemas.check_version(version)
    return schemas


def _console(settings: Settings, opts: Any) -> Console:
    """Return the web console, or an empty one: the engine runs without it.

    It is not waited for. It comes from where the schemas came from, which are there by now.
    """
    try:
        console = Console(files.fetch(opts, settings.console, settings.saltenv))
    except OSError as fault:
        log.warning("websocket_api serves no console: %s cannot be read: %s", settings.console, fault.strerror)
        return Console(None)
    if not console:
        log.warning("websocket_api serves no console: it is not at %s (saltenv %s)", settings.console, settings.saltenv)
    return console
