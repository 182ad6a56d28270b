"""Clients that follow numbered events whatever happens: by the Python client, by bare websockets, and of saltnado.

Each counts into an :class:`Account`. The bare ones know the protocol from its page only, and nothing of the Python
client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from salt_live import AsyncClient, Gap, Unknown
from salt_live.errors import ApiError, SaltLiveError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.benchmarks.accounts import Account, Claim, Place
from tests.benchmarks.stage import SECRET, USER
from tests.benchmarks.steady_sender import TAG

OPEN_SECONDS = 10.0
PING_SECONDS = 5.0
WAIT_SECONDS = (0.1, 0.8)
"""Between two attempts to connect, at random."""
LOST = (OSError, WebSocketException, asyncio.TimeoutError)
AUTH, SUBSCRIBE = 1, 2
"""The ids of two requests; commands have further ones."""


class Refused(Exception):
    """The engine answered with an error; nothing was started."""


class Vanished(Exception):
    """The connection was lost before the answer: the outcome is not known."""


def may_run(details: Any) -> bool:
    """Return whether an error tells that the command may run all the same."""
    return isinstance(details, dict) and bool(details.get("sent"))


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[ClientConnection]:
    """Open a websocket that notices a server that hangs."""
    options: dict[str, Any] = {"compression": None, "max_size": None, "open_timeout": OPEN_SECONDS}
    options |= {"ping_interval": PING_SECONDS, "ping_timeout": PING_SECONDS, "close_timeout": 1}
    async with connect(url, proxy=None, **options) as socket:
        yield socket


@dataclass(frozen=True)
class World:
    """What the clients know in common.

    :param urls: of the masters' engines
    :param alone: the only master, if there is one
    """

    urls: list[str]
    alone: str | None
    epochs: dict[str, str] = field(default_factory=dict)
    """The master of each numbering that a bare client saw."""


class PythonFollower:
    """A client of the project's Python library."""

    def __init__(self, account: Account, world: World) -> None:
        self.account = account
        self.ready = False
        self.connections = 0
        self._world = world
        self._client = AsyncClient(world.urls, username=USER, password=SECRET)

    async def run(self) -> None:
        """Follow until this is canceled."""
        async with self._client as client, await client.events(TAG) as events:
            self.ready = True
            async for item in events:
                self.connections = client.session.connections
                if isinstance(item, Gap):
                    self.account.gap(self._claims(item))
                    continue
                # Where masters share a stream, an event does not name its position at its own master.
                place = Place(item.epoch, item.seq) if self._world.alone else None
                self.account.event(item.data["from"], item.data["number"], place)

    def _master(self, epoch: str) -> str | None:
        """Return the master of a numbering."""
        return self._world.alone or self._world.epochs.get(epoch)

    def _claims(self, gap: Gap) -> Iterator[Claim]:
        if gap.masters:
            yield from map(Claim, gap.masters)
            return
        after, until = (Place(at.epoch, at.seq) if at else None for at in (gap.after, gap.until))
        source = self._master(until.epoch) if until else None
        if source is not None:
            yield Claim(source, after, until)

    async def command(self, target: str, fun: str, args: list[Any]) -> None:
        """Start a command.

        :raises Refused: it was not started
        :raises Vanished: the outcome is not known
        """
        try:
            await self._client.cmd_async(target, fun, args)
        except Unknown as error:
            raise Vanished(str(error)) from error
        except ApiError as error:
            raise (Vanished if error.may_run else Refused)(str(error)) from error
        except SaltLiveError as error:
            raise Refused(str(error)) from error


class BareFollower:
    """A client that keeps its position as docs/protocol.md says, and subscribes with it again.

    :param bundle: ask for several events in a frame
    :param turn: the index of the master where it starts
    """

    def __init__(self, account: Account, world: World, *, bundle: bool, turn: int = 0) -> None:
        self.account = account
        self.ready = False
        self.connections = 0
        self._world = world
        self._alone = world.alone
        self._bundle = bundle
        self._turn = turn
        self._since: dict[str, Any] | None = None
        """``{"epoch", "seq"}`` if there is one master, else such a position at each."""
        self._epoch = ""
        self._own = world.alone or ""
        """The epoch of the present engine, and its master."""
        self._socket: ClientConnection | None = None
        self._requests: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count(SUBSCRIBE + 1)

    async def run(self) -> None:
        """Follow until this is canceled."""
        while True:
            url = self._world.urls[self._turn % len(self._world.urls)]
            with contextlib.suppress(*LOST, Refused):
                async with opened(url) as socket:
                    await self._serve(socket)
            self._turn += 1
            for future in self._requests.values():
                if not future.done():
                    future.set_exception(Vanished("the connection was lost"))
            self._socket = None
            await asyncio.sleep(random.uniform(*WAIT_SECONDS))

    async def _serve(self, socket: ClientConnection) -> None:
        wanted: dict[str, Any] = {"id": SUBSCRIBE, "type": "subscribe", "subscription": "event", "tag": TAG}
        wanted |= {"bundle": self._bundle, **({"since": self._since} if self._since else {})}
        for message in ({"id": AUTH, "type": "auth", "username": USER, "password": SECRET}, wanted):
            await socket.send(json.dumps(message))
        async for text in socket:
            message = json.loads(text)
            kind = message["type"]
            if kind == "events":
                for event in message["events"]:
                    self._event(event)
            elif kind == "event":
                self._event(message)
            elif kind in ("result", "error"):
                self._reply(socket, message)
            elif kind == "bookmark":
                self._since = message.get("since") or {"epoch": message["epoch"], "seq": message["seq"]}
            elif kind == "gap":
                self._gap(message)
            elif kind == "ended":
                return

    def _reply(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        if message["id"] in (AUTH, SUBSCRIBE):
            if message["type"] == "error":
                raise Refused(message["error"]["message"])
            if message["id"] == SUBSCRIBE:
                self._subscribed(message["result"])
                self._socket = socket
            return
        future = self._requests.pop(message["id"], None)
        if future is None or future.done():
            return
        if message["type"] == "result":
            future.set_result(message["result"])
        elif may_run(message["error"]["details"]):
            future.set_exception(Vanished(message["error"]["message"]))
        else:
            future.set_exception(Refused(message["error"]["message"]))

    def _subscribed(self, result: dict[str, Any]) -> None:
        here = {"epoch": result["epoch"], "seq": result["seq"]}
        newest = result.get("since")
        self._epoch = result["epoch"]
        self.connections += 1
        self.ready = True
        if self._alone:
            if self._since is None:
                self._since = here
            return
        assert newest, "the engine has no common log yet"
        self._world.epochs.update((place["epoch"], name) for name, place in newest.items())
        self._own = self._world.epochs[self._epoch]
        if self._since is None:
            self._since = newest

    def _event(self, event: dict[str, Any]) -> None:
        position = event.get("origin") or {"epoch": self._epoch, "seq": event["seq"]}
        data = event["data"]
        if self._alone:
            self._since = position
        else:
            assert event["master"] == data["from"], "the event names another master"
            assert self._since is not None
            if not self._is_passed(event["master"], position["epoch"]):
                self._since[event["master"]] = position
        self.account.event(data["from"], data["number"], Place(**position))

    def _gap(self, frame: dict[str, Any]) -> None:
        assert self._since is not None
        if self._alone:
            after = self._since
            if frame["reason"] == "epoch":  # another numbering: the reply named its position
                self._since = None
                self.account.gap([Claim(self._alone, Place(**after))])
                return
            until = {"epoch": self._epoch, "seq": max(frame["to"] or 0, after["seq"])}
            self._since = until
            self.account.gap([Claim(self._alone, Place(**after), Place(**until))])
            return
        claims = []
        lost = frame.get("masters") or {self._own: {"epoch": self._epoch, "seq": frame["to"]}}
        for master, position in lost.items():
            if self._is_passed(master, position.get("epoch", self._epoch)):
                claims.append(Claim(master))
                continue
            before = self._since.pop(master, None)
            until = {"epoch": position["epoch"], "seq": position["seq"]} if "epoch" in position else None
            if until is not None:
                self._since[master] = until
            claims.append(Claim(master, Place(**before) if before else None, Place(**until) if until else None))
        self.account.gap(claims)

    def _is_passed(self, master: str, epoch: str) -> bool:
        """Return whether something is from before a restart of the engine that the position has passed."""
        place = (self._since or {}).get(master, {})
        return master == self._own and epoch != self._epoch and place.get("epoch") == self._epoch

    async def command(self, target: str, fun: str, args: list[Any]) -> None:
        """Start a command.

        :raises Refused: it was not started
        :raises Vanished: the outcome is not known
        """
        socket = self._socket
        if socket is None:
            raise Refused("not connected")
        number = next(self._numbers)
        future = self._requests[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "type": "cmd", "fun": fun, "tgt": target, "arg": args}
        with contextlib.suppress(*LOST):  # whether it was read is not known
            await socket.send(json.dumps(request))
        await future


class SaltnadoFollower:
    """A client of saltnado's ``/all_events`` at each master, which connects again.

    :param urls: with a token
    """

    def __init__(self, account: Account, urls: list[str]) -> None:
        self.account = account
        self.connections = 0
        self._urls = urls
        self._ready: set[str] = set()

    @property
    def ready(self) -> bool:
        """Whether it is connected to each master."""
        return len(self._ready) == len(self._urls)

    async def run(self) -> None:
        """Follow until this is canceled."""
        await asyncio.gather(*(self._follow(url) for url in self._urls))

    async def _follow(self, url: str) -> None:
        while True:
            with contextlib.suppress(*LOST):
                await asyncio.to_thread(_warm_up, url)
                async with opened(url) as socket:
                    await socket.send("websocket client ready")
                    self.connections += 1
                    async for text in socket:
                        self._ready.add(url)
                        self._event(json.loads(text))
            await asyncio.sleep(random.uniform(*WAIT_SECONDS))

    def _event(self, event: dict[str, Any]) -> None:
        if event["tag"].startswith(TAG):
            self.account.event(event["data"]["from"], event["data"]["number"])


def _warm_up(url: str) -> None:
    """Send saltnado a request: its websockets fail on a server that has not answered any other one before."""
    place, _, token = url.removeprefix("ws://").partition("/all_events/")
    request = urllib.request.Request(f"http://{place}/", headers={"X-Auth-Token": token})
    urllib.request.urlopen(request, timeout=OPEN_SECONDS).close()
