"""An engine of all protocols in this process, and clients that leave at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tornado.netutil import bind_sockets
from websocket_api.protocols import http_server as listening
from websocket_api.protocols.connections import Connections
from websocket_api.protocols.http.console import Console

from tests.support.handshakes import UPGRADE_LINES
from tests.unit.core.support import Time
from tests.unit.operations.engine import MINIONS, Engine

RECEIVE_BYTES = 4096  # buffers of a client that does not read, and of the engine's side
SECONDS = 30.0  # deadline for what comes at once, on a loaded machine


class LoopTime(Time):
    """The clock of the running loop."""

    def __init__(self) -> None:
        super().__init__()
        del self.now
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> float:
        return self._loop.time()

    def __getattr__(self, name: str) -> float:
        if name == "now":
            return self()
        raise AttributeError(name)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._loop.call_later(seconds, call)


class RunningEngine:
    """An engine that listens."""

    def __init__(
        self, engine: Engine, clients: Connections, server: listening.Server, port: int, user: str = "ann"
    ) -> None:
        self.engine = engine
        self.clients = clients
        self.server = server
        self.port = port
        self.token = engine.accounts.give(user)
        self.batch = 0
        """The batch that :meth:`make_batch` made."""
        self._gate = asyncio.Event()
        self._gate.set()
        self._held: set[object] = set()
        for owner, name in (
            *((engine.accounts, "login"), (engine.accounts, "token"), (engine.store, "job")),
            *((engine.commands, "publish"), (engine.commands, "runner")),
        ):
            self._behind_gate(owner, name)

    async def peer(self, **options: Any) -> Peer:
        """Connect."""
        peer = Peer(**options)
        await asyncio.get_running_loop().sock_connect(peer.socket, ("127.0.0.1", self.port))
        return peer

    async def websocket(self, path: str = "/", *, login: bool = True, **options: Any) -> Peer:
        """Connect by a websocket, as a user who may do everything unless ``login`` is false."""
        peer = await self.peer(**options)
        await peer.request("GET", path, token=self.token if login else None, head=UPGRADE_LINES)
        answer = await peer.head()
        assert " 101 " in answer, answer
        return peer

    async def make_batch(self) -> None:
        """Create a batch with many requests, of which one is sent and never answered."""
        self.engine.sets["many*"] = [f"many{number:03}" for number in range(200)]
        await self.engine.services.batches.maintenance.tick()
        with contextlib.closing(await self.websocket()) as peer:
            one = {"fun": "x.y", "tgt": "many*", "arg": ["f" * 1000]}
            await peer.say({"type": "batch", "id": 1, "batch": [one] * 2, "concurrency": 1})
            reply = json.loads(await peer.read())
            assert "result" in reply, reply
            self.batch = reply["result"]["id"]

    def fill(self, minions: int, size: int) -> None:
        """Add minions with grains, and a job that all of them answer.

        :param size: bytes of each minion's grains and return
        """
        world, names = self.engine.world, [f"minion{number:05}" for number in range(minions)]
        world.minions.read_keys(dict.fromkeys([*MINIONS, *names], "accepted"))
        world.minions.read_grains({name: {"fill": "g" * size} for name in names})
        world.publish(*names)
        self.answers = [(name, "r" * size) for name in names]
        self.answer_again()

    def answer_again(self) -> None:
        """Make all minions answer the job again."""
        for answer in self.answers:
            self.engine.world.answer(*answer)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition()`` is true."""

        async def wait() -> None:
            while not condition():  # noqa: ASYNC110 - the condition sets no event
                await asyncio.sleep(0.001)

        try:
            await asyncio.wait_for(wait(), SECONDS)
        except asyncio.TimeoutError:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            raise AssertionError(f"{len(self.clients)} connections and {tasks} are left") from None

    async def alone(self) -> None:
        """Wait until the server has noticed that all clients have left."""
        waiting = asyncio.current_task()
        server: Any = self.server
        await self.until(
            lambda: (
                not any(map(len, (server._connections, server._silent, self.clients, self.clients.pings)))
                # Before Python 3.12 a task of its own checks this.
                and asyncio.all_tasks() <= {waiting, asyncio.current_task()}
            )
        )
        await turns(5)  # callbacks of what has just ended

    @property
    def held(self) -> int:
        """The number of requests that wait behind the gate for an answer of the master."""
        return len(self._held)

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Delay all answers of the master until the block ends."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def _behind_gate(self, owner: Any, name: str) -> None:
        call = getattr(owner, name)

        async def wait(*args: Any, **kwargs: Any) -> Any:
            if not self._gate.is_set():
                mark = object()
                self._held.add(mark)
                await self._gate.wait()
                self._held.discard(mark)
            return await call(*args, **kwargs)

        setattr(owner, name, wait)


async def turns(number: int) -> None:
    """Let the event loop run its ready callbacks, this many times."""
    for _ in range(number):
        await asyncio.sleep(0)


class Peer:
    """One client's end of a connection."""

    def __init__(self, *, receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._got = b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def request(
        self, method: str, path: str, *, token: str | None = None, head: list[str] | None = None, body: bytes = b""
    ) -> None:
        """Send a request, with its Content-Length unless ``head`` has one."""
        lines = [f"{method} {path} HTTP/1.1", "Host: master", *(head or ())]
        if token is not None:
            lines.append(f"X-Auth-Token: {token}")
        if body and not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines):
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self) -> str:
        """Return the head of an answer."""
        return (await self._until(b"\r\n\r\n")).decode()

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        head = await self.head()
        size = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
        return int(head.split()[1]), await self._exactly(size)

    async def say(self, message: Any) -> None:
        """Send a message by the websocket."""
        text = message if isinstance(message, str) else json.dumps(message)
        await self.frame(0x1, text.encode())

    async def frame(self, opcode: int, payload: bytes, final: bool = True) -> None:
        """Send a frame."""
        await self.send(frame(opcode, payload, final))

    async def read(self) -> bytes:
        """Return the payload of the next frame."""
        first = await self._exactly(2)
        size = first[1]
        if size == 126:
            size = struct.unpack("!H", await self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", await self._exactly(8))[0]
        return await self._exactly(size)

    async def gone(self) -> None:
        """Read until the server has closed the connection."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(loop.sock_recv(self.socket, 1 << 16), SECONDS):
                pass

    def close(self) -> None:
        """Close; with unread data the system resets the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Make the system reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._got:
            await self._more()
        found, _, self._got = self._got.partition(mark)
        return found + mark

    async def _exactly(self, size: int) -> bytes:
        while len(self._got) < size:
            await self._more()
        found, self._got = self._got[:size], self._got[size:]
        return found

    async def _more(self) -> None:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 1 << 16), SECONDS)
        assert data, "the server has closed"
        self._got += data


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """Return a frame as clients send it, with a mask that changes nothing."""
    first, size = (0x80 if final else 0) | opcode, len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + payload


@contextlib.asynccontextmanager
async def running_engine(
    context: ssl.SSLContext | None = None, *, engine: Engine | None = None, user: str = "ann", **limits: Any
) -> AsyncIterator[RunningEngine]:
    """Serve all protocols.

    :param engine: without it, a new one
    :param user: whose token the clients have
    """
    engine = engine or Engine(limits=limits, clock=LoopTime())
    clients = Connections(engine.services, engine.dispatcher, 1000)
    server = listening.serve(clients, engine.rebar, engine.services.settings, Console(None), context)
    (sock,) = bind_sockets(0, "127.0.0.1")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BYTES)
    server.add_sockets([sock])
    try:
        yield RunningEngine(engine, clients, server, sock.getsockname()[1], user)
    finally:
        server.stop()
        await engine.services.batches.stop()
