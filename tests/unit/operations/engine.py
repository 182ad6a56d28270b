"""The whole engine between protocols and Salt: the real parts, with a fake master made of a few lists.

Every reply and every frame is checked against the schemas of this checkout.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from websocket_api import wiring
from websocket_api.core.access.loop_time import LoopTime
from websocket_api.core.journal.journal import Batch
from websocket_api.errors import ApiError
from websocket_api.fair_share import RecentUsers
from websocket_api.hand_over import state as hand_over
from websocket_api.journaling import Opened, open_journal
from websocket_api.master import Master
from websocket_api.operations.dispatcher import Dispatcher
from websocket_api.operations.services import About
from websocket_api.salt_master.journal_file import JournalFile, Write
from websocket_api.settings import CLIENTS, History, Limits, Settings
from websocket_api.tracing import NoTracing, Tracing

from tests.support.schemas import SCHEMAS
from tests.unit.core.batches import support as batching
from tests.unit.core.support import Client, Time, World

MINIONS = ("web1", "web2", "db")
ALL = [".*", "@runner", "@wheel"]


class Refused(Exception):
    """An error reply."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code: str = error["code"]


class Accounts:
    """Salt's accounts; the password of each is ``right``."""

    def __init__(self, clock: Time) -> None:
        self.fault: str | None = None
        self.time = clock
        self.users: dict[str, list[Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    def give(self, user: str, eauth: str = "pam") -> str:
        """Create a token of a user, and return it."""
        token = f"{next(self._numbers):064x}"
        times = {"start": self.time.now, "expire": self.time.now + 1000}
        self.tokens[token] = {"token": token, "name": user, "eauth": eauth, "perms": self.users[user], **times}
        return token

    async def check_store(self) -> None:
        pass

    async def login(self, username: str, password: str, eauth: str) -> dict[str, Any] | None:
        if username not in self.users or password != "right":
            return None
        return self.tokens[self.give(username, eauth)]

    async def token(self, token: str) -> dict[str, Any] | None:
        return self.tokens.get(token)

    async def revoke(self, token: str) -> None:
        self.tokens.pop(token, None)


class Commands:
    """A master that starts every command and records it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.published: list[dict[str, Any]] = []
        self.as_master: list[tuple[str, list[Any], list[str]]] = []
        self.called: list[tuple[str, str, list[Any], dict[str, Any]]] = []
        self.fault: Exception | None = None
        self.unknown: set[str] = set()
        """Runners that there are not."""
        self.answers: dict[str, Any] = {}
        """What minions, runners and wheels return, by function; without one they do not answer."""
        self._numbers = itertools.count(1)

    def check_arguments(self, arg: list[Any], kwarg: dict[str, Any]) -> None:
        wrong = [number for number, value in enumerate(arg) if isinstance(value, str) and "=" in value]
        if wrong:
            faults = [{"path": f"/args/{number}", "message": "looks like a keyword argument"} for number in wrong]
            raise ApiError("bad_message", "no", faults)

    def _jid(self) -> str:
        if self.fault is not None:
            raise self.fault
        return f"20261123150000{next(self._numbers):06}"

    def _start(self, fun: str, arg: list[Any], minions: list[str], user: str, target: Any = None) -> str:
        jid, fire = self._jid(), self.engine.world.fire
        tgt, tgt_type = target or (minions, "list")
        fire(f"salt/job/{jid}/new", fun=fun, arg=arg, minions=minions, tgt=tgt, tgt_type=tgt_type, user=user)
        if fun in self.answers:
            for minion in minions:
                asyncio.get_running_loop().call_soon(self.engine.returns, jid, minion, self.answers[fun])
        return jid

    async def publish(
        self,
        token: str,
        user: str,
        fun: str,
        arg: list[Any],
        kwarg: dict[str, Any],
        tgt: Any,
        tgt_type: str,
        extra: dict[str, Any] | None = None,
        *,
        parse: bool = False,
    ) -> dict[str, Any]:
        minions = await self.engine.match(tgt, tgt_type)
        if not minions and not self.engine.syndics:
            raise ApiError("no_minions", "the target matches no minion")
        target = (tgt, tgt_type) if self.engine.syndics else None
        jid = self._start(fun, [*arg, {"__kwarg__": True, **kwarg}] if kwarg else arg, minions, user, target)
        load = {"token": token, "user": user, "fun": fun, "arg": arg, "kwarg": kwarg, "tgt": tgt, "tgt_type": tgt_type}
        self.published.append({**load, "extra": extra or {}, "parse": parse, "jid": jid})
        return {"jid": jid, "minions": minions, "missing": []}

    async def publish_as_master(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any], minions: list[str]
    ) -> dict[str, Any]:
        self.as_master.append((fun, arg, minions))
        return {"jid": self._start(fun, arg, minions, "root"), "minions": minions}

    async def read_for_runner(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        if fun in self.unknown:
            raise ApiError("unknown_function", f"there is no runner function {fun}")
        return [f"read {value}" for value in arg], kwarg

    async def runner(self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
        jid, fire = self._jid(), self.engine.world.fire
        self.called.append(("runner", fun, arg, kwarg))
        fun_args = [*arg, kwarg] if kwarg else arg
        fire(f"salt/run/{jid}/new", fun=f"runner.{fun}", user="ann", jid=jid, fun_args=fun_args)
        if fun in self.answers:
            done = {"fun": f"runner.{fun}", "user": "ann", "jid": jid, "return": self.answers[fun], "success": True}
            asyncio.get_running_loop().call_soon(lambda: fire(f"salt/run/{jid}/ret", **done))
        return {"jid": jid, "tag": f"salt/run/{jid}"}

    async def wheel(
        self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any], *, parse: bool = False
    ) -> dict[str, Any]:
        jid = self._jid()
        self.called.append(("wheel", fun, arg, {**kwarg, "parse": True} if parse else kwarg))
        return {"jid": jid, "tag": f"salt/wheel/{jid}", "return": self.answers.get(fun), "success": True}


class Functions:
    """The runners and wheel functions of this master."""

    async def names(self, client: str) -> list[str]:
        return {"runner": ["jobs.list_jobs", "manage.up"], "wheel": ["key.accept", "key.list_all"]}[client]

    async def signature(self, client: str, fun: str) -> dict[str, Any] | None:
        if fun != "manage.up":
            return None
        spec = {"args": ["tgt", "timeout"], "defaults": ["*", None], "varargs": None, "keywords": None}
        return {**spec, "doc": "Print a list of all of the minions that are up."}


class Store:
    """The master's job cache."""

    is_own = True

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}

    async def job(self, jid: str) -> dict[str, Any] | None:
        return self.jobs.get(jid)

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        return None

    async def search(
        self, matches: Callable[[Mapping[str, Any]], bool], since: str | None, before: str | None, limit: int
    ) -> list[str]:
        newest_first = [jid for jid in sorted(self.jobs, reverse=True) if (since or "") < jid < (before or "~")]
        return [jid for jid in newest_first if matches({"jid": jid, **self.jobs[jid]["load"]})][:limit]

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        return []


class Minions:
    """The minions that the master knows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def match(
        self,
        tgt: str | list[str],
        tgt_type: str,
        delimiter: str = ":",
        *,
        trusted: bool = False,
        below: Collection[str] = (),
    ) -> list[str]:
        found = await self._engine.match(tgt, tgt_type, delimiter)
        return [*found, *(name for name in below if name == tgt or (tgt_type == "list" and name in tgt))]

    async def resources(self) -> dict[str, Any]:
        return {}

    async def syndics(self) -> list[str]:
        return []

    async def keys(self) -> dict[str, str]:
        return dict.fromkeys(MINIONS, "accepted")

    async def grains(self, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        return {}


class Disk:
    """The disk of the master's caches, which works."""

    async def fault(self) -> str | None:
        return None


class Bus:
    """The event bus; ``engine.bus`` tells whether it is connected."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def connected(self) -> bool:
        return self._engine.bus

    async def read(self, *callbacks: Callable[..., None]) -> None:
        await asyncio.Event().wait()

    async def fire(self, tag: str, data: dict[str, Any]) -> None:
        await self._engine.fire(tag, data)

    async def open_second(self) -> None:
        pass


class AtOnce:
    """A journal file that is written without a thread."""

    def __init__(self, file: JournalFile) -> None:
        self.file = file

    @property
    def size(self) -> int:
        return self.file.size

    def write(self, batch: Batch) -> Write:
        return Write(True, self.file.apply(batch))


class Engine:
    """The engine.

    :param users: auth lists by name
    :param clock: the time; by default a clock that a test moves
    :param syndics: whether there are masters below
    :param cluster_id: this master's id in its cluster
    :param master_id: this master's id
    :param log: what it shares with other masters
    :param epoch: names this run
    :param store: the job cache; by default an empty one
    :param batches: the store of batches, which other masters may share; by default an own one
    :param tracing: records spans
    :param received: what another engine hands over
    :param cachedir: a folder for the journal; another engine with the same one continues its history
    """

    def __init__(
        self,
        *,
        cachedir: Path | None = None,
        received: hand_over.Received | None = None,
        limits: dict[str, Any] | None = None,
        clock: Time | None = None,
        syndics: bool = False,
        cluster_id: str | None = None,
        master_id: str = "master-one",
        log: Any = None,
        epoch: str = "epoch1",
        store: Store | None = None,
        batches: batching.Store | None = None,
        tracing: Tracing | None = None,
        **users: list[Any],
    ) -> None:
        self.syndics = syndics
        self.cluster_id = cluster_id
        self.master_id = master_id
        self.log = log
        self.tracing = tracing or NoTracing()
        self.time = clock or Time()
        self.accounts = Accounts(self.time)
        self.accounts.users = users or {"ann": ALL}
        self.sets = {"*": list(MINIONS), "web*": ["web1", "web2"], "nobody*": []}
        self.commands = Commands(self)
        self.store = store or Store()
        self.fired: list[tuple[str, dict[str, Any]]] = []
        self.delimiters: list[str] = []
        """The delimiters that targets were matched with."""
        self.bus = True
        self.batches = batches or batching.Store(shared=False)
        settings = Settings(
            clients=CLIENTS,
            history=History("memory" if cachedir is None else "disk", events=1000, bytes=1 << 20, seconds=300),
            limits=Limits(**{"jobs": 100, "login_failures_per_minute": 3, **(limits or {})}),
        )
        clock_ = wiring.Clock(self.time, self.time, self.time.later)
        self.journal_file: AtOnce | None = None
        opened = self._open_journal(cachedir, settings)
        restored = received.restored if received else opened and opened.restored
        self.parts = wiring.build(settings, SCHEMAS, self._master(), clock_, epoch=epoch, restored=restored)
        self.services = self.parts.services
        if opened is not None:
            opened.begin(self.parts)
        self.rebar = self.parts.rebar
        if received:
            hand_over.apply(received, self.parts)
        self.world = World.of(self.parts, self.time)
        self.services.minions.read_keys(dict.fromkeys(MINIONS, "accepted"))
        self.dispatcher = Dispatcher(self.services)

    def _open_journal(self, cachedir: Path | None, settings: Settings) -> Opened | None:
        if cachedir is None:
            return None
        opened = open_journal({"cachedir": str(cachedir), "id": "master"}, settings.history, self.time())
        if opened.file is None:
            return opened
        self.journal_file = AtOnce(opened.file)
        return dataclasses.replace(opened, file=self.journal_file)

    def kill(self) -> None:
        """End as after ``kill -9``: what is not in the journal is lost."""
        assert self.journal_file is not None
        self.journal_file.file.close()

    def _master(self) -> Master:
        return Master(
            about=About(self.master_id, "3008.3", "blue"),
            event_log=self.log,
            cluster_id=self.cluster_id,
            presence_seconds=60,
            user="root",
            has_syndics=self.syndics,
            syndic_seconds=5,
            job_seconds=10,
            auth=self.accounts,
            commands=lambda user_of: self.commands,
            functions=Functions(),
            minions=Minions(self),
            job_cache=self.store,
            batch_store=batching.Access(self.batches, f"identity of {self.master_id}"),
            disk=Disk(),
            bus=Bus(self),
            recent_users=RecentUsers(self.time),
            loop_time=LoopTime(time.perf_counter),
            tracing=self.tracing,
            fair_shares={},
            close=lambda: None,
        )

    def set(self, **options: Any) -> None:
        """Change options of the engine."""
        settings = dataclasses.replace(self.services.settings, **options)
        self.services = dataclasses.replace(self.services, settings=settings, prepared={})
        self.dispatcher = Dispatcher(self.services)

    async def match(self, tgt: Any, tgt_type: str, delimiter: str = ":") -> list[str]:
        self.delimiters.append(delimiter)
        if tgt_type == "list":
            known = {*MINIONS, *(name for names in self.sets.values() for name in names)}
            return [name for name in tgt if name in known]
        return list(self.sets.get(tgt, [tgt] if tgt in MINIONS else []))

    async def fire(self, tag: str, data: dict[str, Any]) -> None:
        self.fired.append((tag, data))
        self.world.fire(tag, **data)

    def returns(self, jid: str, minion: str, value: Any, retcode: int = 0) -> None:
        """Put a minion's return on the bus."""
        data = {"cmd": "_return", "id": minion, "jid": jid, "fun": "x.y", "retcode": retcode, "success": retcode == 0}
        self.world.fire(f"salt/job/{jid}/ret/{minion}", **data, **{"return": value})

    async def user(self, name: str = "ann", eauth: str = "pam") -> Talker:
        """Return a client that is logged in."""
        talker = Talker(self)
        await talker.ask("auth", token=self.accounts.give(name, eauth))
        return talker


class Talker:
    """A client with one connection."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.client = Client()
        self.connection = self.client.connection
        self._frames: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)

    def send(self, message: Any) -> asyncio.Task[None] | None:
        """Send a message, or any text; return the task that runs it."""
        text = message if isinstance(message, (str, bytes)) else json.dumps(message)
        started = self.engine.dispatcher.handle(self.connection, text)
        return None if started is None else started.task

    async def raw(self, message: Any) -> Any:
        """Send a message and return its raw reply."""
        running = self.send(message)
        if running is not None:
            await running
        first, *rest = self.client.got
        self._frames += [checked(frame) for frame in rest]
        return first

    def start(self, kind: str, /, **fields: Any) -> Callable[[], Any]:
        """Send a request; return a coroutine function that waits for its result."""
        number = next(self._numbers)
        running = self.send({"type": kind, "id": number, **fields})

        async def result() -> Any:
            if running is not None:
                await running
            return self._result(kind, number)

        return result

    async def ask(self, kind: str, /, **fields: Any) -> Any:
        """Send a request and return its result, after a check against its schema.

        :raises Refused: the reply is an error
        """
        return await self.start(kind, **fields)()

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Return and remove the received frames, after a check against their schemas."""
        self._frames += [checked(frame) for frame in self.client.got]
        frames, self._frames = self._frames, []
        return frames

    def _result(self, kind: str, number: int) -> Any:
        found: list[dict[str, Any]] = []
        for message in self.client.got:
            (found if message.get("id") == number else self._frames).append(checked(message))
        (reply,) = found
        if reply["type"] == "error":
            raise Refused(reply["error"])
        SCHEMAS.validate_result(kind, reply["result"])
        return reply["result"]


def checked(message: dict[str, Any]) -> dict[str, Any]:
    """Return a frame or a reply with an id, after a check against its schema."""
    name = message["type"] if "subscription" in message else f"reply_{message['type']}"
    SCHEMAS.validate_frame(name, message)
    return message
