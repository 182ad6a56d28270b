"""Users see nothing of others' secrets over HTTP and on the streams of all protocols.

The operations of the native one have tests of their own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("tornado")

from tests.support.handshakes import UPGRADE_LINES
from tests.unit.operations.test_secrets_of_others import (
    BATCH,
    BATCH_REQUEST,
    JOBS,
    RESTRICTED,
    SECONDS,
    TARGETS,
    act,
    engine_with_secrets,
    shows_secret,
)
from tests.unit.protocols.leaving import LoopTime, Peer, RunningEngine, running_engine, turns

GETS = [
    *("/minions", "/minions/web1", "/minions/*", "/jobs", *(f"/jobs/{jid}" for jid in JOBS)),
    *("/batches", f"/batches/{BATCH}", f"/batches/{BATCH}?collection=1", f"/batches/{BATCH}?collection=1&limit=1"),
    *(f"/jobs/{BATCH}", f"/jobs/{BATCH}?collection=1", f"/requests/{BATCH_REQUEST}", f"/request/{BATCH_REQUEST}"),
    *("/keys", "/keys/web1", "/stats", "/metrics", "/healthz", "/"),
]
MASTERS = [
    ("runner", "secret.run", {}),
    ("runner", "jobs.list_jobs", {}),
    *(("runner", fun, {"jid": JOBS[0]}) for fun in ("jobs.lookup_jid", "jobs.list_job", "jobs.print_job")),
    ("runner", "cache.grains", {"tgt": "*"}),
    ("wheel", "secret.run", {}),
    ("wheel", "key.list_all", {}),
]
FUNCTIONS = ("secret.run", "grains.items", "pillar.items", "no.such")
LOWS: list[dict[str, Any]] = [
    *(
        {"client": client, "fun": fun, **target}
        for client in ("local", "local_async", "local_batch", "local_subset")
        for fun in FUNCTIONS
        for target in TARGETS
    ),
    *({"client": client + later, "fun": fun, **more} for client, fun, more in MASTERS for later in ("", "_async")),
]
POSTS: list[tuple[str, Any]] = [
    *(("/", low) for low in LOWS),
    ("/", LOWS),
    *(("/minions", {"fun": "secret.run", **target}) for target in TARGETS),
    ("/minions/web1", {"fun": "secret.run"}),
    *((path, {"batch": [{"fun": "secret.run", **target}]}) for path in ("/batches", "/jobs") for target in TARGETS),
    ("/hook/secret", {"a": 1}),
    ("/keys", {"mid": "web1"}),
]
STREAMS: dict[str, tuple[str, str | None]] = {
    "events": ("/events", None),
    "all events": ("/all_events/{token}", "websocket client ready"),
    "formatted events": ("/formatted_events/{token}", "websocket client ready"),
    "rest_cherrypy": ("/ws/{token}", "websocket client ready"),
    "rest_cherrypy, formatted": ("/ws/{token}?format_events", "websocket client ready"),
    "Digital Rebar": ("/api/v3/ws?token={token}", "register *.*.*"),
    "Digital Rebar, one job": ("/api/v3/ws?token={token}", f"register jobs.*.{JOBS[0]}"),
    "batches": ("/batches/ws?collection=1", None),
    "one batch": (f"/batches/{BATCH}/ws?collection=1", None),
    "one batch under its first path": (f"/jobs/{BATCH}/ws?collection=1", None),
}

SHOWING = STREAMS.keys() - {"batches"}
"""Streams that show secrets to an administrator; the one of all batches has no requests."""


class Everything:
    """What one user gets over HTTP and on all streams.

    :param token: the user's
    :param ids: the ids that replace those of :data:`BATCH` and :data:`BATCH_REQUEST`
    """

    def __init__(self, engine: RunningEngine, token: str, ids: dict[str, str]) -> None:
        self.engine = engine
        self.token = token
        self._ids = ids
        self.streams: dict[str, Peer] = {}
        self.pushed: dict[str, str] = {}

    async def open(self) -> None:
        """Open all streams; those that are refused have nothing more to show."""
        for name, (path, first) in STREAMS.items():
            peer, upgrade = await self.engine.peer(), [] if name == "events" else UPGRADE_LINES
            where = self._path(path).format(token=self.token)
            await peer.request("GET", where, token=self.token, head=[*upgrade, "Last-Event-ID: epoch1-0"])
            self.pushed[name] = await asyncio.wait_for(peer.head(), SECONDS)
            self.streams[name] = peer
            if first is not None and " 101 " in self.pushed[name]:
                await peer.say(first)

    async def gets(self) -> AsyncIterator[tuple[str, str]]:
        """Yield each path that is read, and its answer."""
        for path in GETS:
            yield path, await self._ask("GET", path)

    async def posts(self) -> AsyncIterator[tuple[str, str]]:
        """Yield each request that may change something, and its answer."""
        for path, value in POSTS:
            sent = json.dumps(value)
            yield f"POST {path} {sent}", await self._ask("POST", path, sent.encode())
        yield "DELETE", await self._ask("DELETE", f"/batches/{BATCH}")

    def read(self) -> dict[str, str]:
        """Return what all streams have sent so far."""
        for name, peer in self.streams.items():
            try:
                while data := peer.socket.recv(1 << 16):
                    self.pushed[name] += data.decode(errors="replace")
            except BlockingIOError:
                pass
            self.pushed[name] += peer._got.decode(errors="replace")
            peer._got = b""
        return self.pushed

    def close(self) -> None:
        for peer in self.streams.values():
            peer.close()

    def _path(self, path: str) -> str:
        for name, value in self._ids.items():
            path = path.replace(name, value)
        return path

    async def _ask(self, method: str, path: str, body: bytes = b"") -> str:
        peer = await self.engine.peer()
        await peer.request(method, self._path(path), token=self.token, body=body)
        status, answer = await asyncio.wait_for(peer.answer(), SECONDS)
        peer.close()
        assert status < 500 or (path, status) == ("/metrics", 501)  # without their library
        return answer.decode()


@asynccontextmanager
async def served(*names: str) -> AsyncIterator[tuple[RunningEngine, list[Everything]]]:
    """Serve an engine with secrets to these users."""
    engine, _, requests = await engine_with_secrets(LoopTime())
    engine.commands.answers |= dict.fromkeys(FUNCTIONS, "an answer of a minion on which the user may run this")
    ids = {"-1": "", "-2": ""}
    for request in requests:
        if request["type"] == "get_batch":
            ids["-1"] = str(request.get("batch", ids["-1"]))
            ids["-2"] = str(request.get("request", ids["-2"]))
    async with running_engine(engine=engine, user="admin") as running:
        users = [Everything(running, engine.accounts.give(name), ids) for name in names]
        try:
            yield running, users
        finally:
            for user in users:
                user.close()
            await running.until(lambda: len(running.clients) == 0)


@pytest.mark.parametrize("name", RESTRICTED)
async def test_a_restricted_user_gets_no_secret_of_others(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """In no answer, and on no stream: neither in a snapshot or replay nor when it happens. Nothing of it is logged."""
    caplog.set_level(logging.DEBUG)
    async with served("admin", name.replace(" ", "_")) as (running, (admin, user)):
        for one in (admin, user):
            await one.open()
        for requests in (user.gets(), user.posts()):
            async for request, answer in requests:
                assert not shows_secret(answer), request
        act(running.engine.world)
        # Both are served in the same turn of the loop: what the administrator has, the user would have too.
        await running.until(lambda: all(shows_secret(admin.read()[name]) for name in SHOWING))
        await turns(10)
        for stream, text in user.read().items():
            assert not shows_secret(text), stream
        logged = [record.getMessage() for record in caplog.records if record.name.startswith("websocket_api")]
        assert not [line for line in logged if shows_secret(line)]


async def test_the_probe_finds_what_an_administrator_may_see() -> None:
    """So each kind of secret is there to be found."""
    async with served("admin") as (_, (admin,)):
        found = {path async for path, answer in admin.gets() if shows_secret(answer)}
        assert {"/minions", "/minions/web1", "/jobs", f"/jobs/{JOBS[0]}", f"/requests/{BATCH_REQUEST}"} <= found
