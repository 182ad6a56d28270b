"""An answer says whether the connection stays open for the next request."""

from __future__ import annotations

import pytest

pytest.importorskip("tornado")

from tests.support.handshakes import UPGRADE_LINES
from tests.unit.protocols.leaving import Peer, running_engine

KNOWN, STRANGER = True, False
Request = tuple[str, str, bool, list[str]]
REFUSED: dict[str, Request] = {
    "without a token": ("GET", "/stats", STRANGER, []),
    "without a token, with a body": ("POST", "/minions", STRANGER, ["Content-Length: 2"]),
    "a compressed body": ("POST", "/", KNOWN, ["Content-Encoding: gzip", "Content-Length: 2"]),
    "an Accept that nothing fits": ("GET", "/jobs", KNOWN, ["Accept: image/png"]),
    "a redirect of a browser": ("GET", "/stats", STRANGER, ["Accept: text/html"]),
    "an unknown path": ("GET", "/nope", KNOWN, []),
    "a handshake with a body": ("GET", "/", KNOWN, [*UPGRADE_LINES, "Content-Length: 2"]),
    "a handshake with a body in chunks": ("GET", "/", KNOWN, [*UPGRADE_LINES, "Transfer-Encoding: chunked"]),
}
"""Requests that are answered before their body is read. Tornado then closes the connection."""
ANSWERED: dict[str, Request] = {
    "a job list": ("GET", "/jobs", KNOWN, []),
    "an unknown job": ("GET", "/jobs/20200101000000000000", KNOWN, []),
    "a method that is not allowed": ("DELETE", "/stats", KNOWN, []),
    "a handshake without a token": ("GET", "/all_events/", STRANGER, UPGRADE_LINES),
    "a handshake without a key": ("GET", "/", KNOWN, ["Upgrade: websocket", "Connection: Upgrade"]),
    "a handshake of Digital Rebar": ("GET", "/api/v3/ws", STRANGER, UPGRADE_LINES),
    "a handshake by another method": ("DELETE", "/", KNOWN, UPGRADE_LINES),
    "a preflight": ("OPTIONS", "/", STRANGER, []),
    "the welcome message": ("GET", "/", STRANGER, []),
    "a body that is not JSON": ("POST", "/", KNOWN, ["Content-Length: 2"]),
    "health": ("GET", "/healthz", STRANGER, []),
    "metrics": ("GET", "/metrics", KNOWN, []),
}


async def asked(peer: Peer, token: str, request: Request) -> str:
    """Send a request, and return the head of its answer; read the body too."""
    method, path, known, head = request
    await peer.request(method, path, token=token if known else None, head=head)
    if any(line.startswith("Content-Length") for line in head):
        await peer.send(b"{x")
    answer = await peer.head()
    size = next((int(line[15:]) for line in answer.splitlines() if line.lower().startswith("content-length:")), 0)
    await peer._exactly(size)
    return answer


@pytest.mark.parametrize("request_", REFUSED.values(), ids=[*REFUSED])
async def test_an_answer_before_the_body_says_that_the_connection_is_closed(request_: Request) -> None:
    """Else a client that keeps connections sends its next request into a closed one."""
    async with running_engine() as engine:
        peer = await engine.peer()
        assert "\r\nConnection: close\r\n" in await asked(peer, engine.token, request_)
        await peer.gone()
        peer.close()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(request, id=name, marks=[pytest.mark.with_salt] if name == "metrics" else [])
        for name, request in ANSWERED.items()
    ],
)
async def test_other_connections_stay_open(request_: Request) -> None:
    """Also after an error."""
    if request_ is ANSWERED["metrics"]:
        pytest.importorskip("prometheus_client")  # without it they are refused
    async with running_engine() as engine:
        peer = await engine.peer()
        for _ in range(2):
            assert "Connection: close" not in await asked(peer, engine.token, request_)
        peer.close()
