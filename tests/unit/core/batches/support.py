"""Several masters without Salt: a shared store in memory, and minions that return when a test says so."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Mapping
from typing import Any

from websocket_api.core.access.in_flight import JobsInFlight
from websocket_api.core.access.session import Session
from websocket_api.core.batches import build
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.request import Call, Request
from websocket_api.core.jobs.job import Job
from websocket_api.errors import ApiError
from websocket_api.fair_share import RecentUsers

from tests.unit.core.support import Time, World

PING = Call("test.ping", [], {})


class Store:
    """The store that masters share. It copies everything that is written or read, like a disk."""

    def __init__(self, shared: bool = True) -> None:
        self.shared = shared
        self.batches: dict[int, dict[str, Any]] = {}
        self.chunks: dict[tuple[int, int], list[Any]] = {}
        self.calls: dict[int, list[dict[str, Any]]] = {}
        self.cancels: dict[int, dict[str, Any]] = {}
        self.pauses: dict[int, dict[str, Any]] = {}
        self.masters: dict[int, tuple[str, int]] = {}
        self.fails = False
        self.writes = 0
        self.written_chunks = 0


class Access:
    """The store as one master uses it."""

    def __init__(self, store: Store, identity: str) -> None:
        self._store = store
        self._identity = identity
        self.stuck: asyncio.Event | None = None
        """If set, a write waits for it."""

    @property
    def shared(self) -> bool:
        return self._store.shared

    async def _open(self) -> Store:
        await asyncio.sleep(0)
        if self._store.fails:
            raise ApiError("master_unavailable", "the batch store of the master fails (OSError); try again later")
        return self._store

    async def identity(self) -> str:
        return self._identity

    async def ids(self) -> list[int]:
        return list((await self._open()).batches)

    async def record(self, id_: int) -> dict[str, Any] | None:
        return copy.deepcopy((await self._open()).batches.get(id_))

    async def records(self, ids: list[int]) -> dict[int, dict[str, Any]]:
        store = await self._open()
        return {id_: copy.deepcopy(store.batches[id_]) for id_ in ids if id_ in store.batches}

    async def requests(self, id_: int, numbers: list[int]) -> list[list[Any]]:
        store = await self._open()
        return [copy.deepcopy(store.chunks.get((id_, number), [])) for number in numbers]

    async def calls(self, id_: int) -> list[dict[str, Any]]:
        return copy.deepcopy((await self._open()).calls.get(id_, []))

    async def write(
        self,
        id_: int,
        record: Mapping[str, Any],
        chunks: Mapping[int, list[Any]],
        calls: list[dict[str, Any]] | None = None,
    ) -> None:
        record, chunks = copy.deepcopy(dict(record)), copy.deepcopy(dict(chunks))
        if self.stuck is not None:
            await self.stuck.wait()
        store = await self._open()
        store.writes += 1
        store.written_chunks += len(chunks)
        if calls is not None:
            store.calls[id_] = copy.deepcopy(calls)
        store.chunks.update({(id_, number): rows for number, rows in chunks.items()})
        store.batches[id_] = record

    async def remove(self, id_: int) -> None:
        store = await self._open()
        store.batches.pop(id_, None)
        store.calls.pop(id_, None)
        for key in [key for key in store.chunks if key[0] == id_]:
            del store.chunks[key]

    async def write_cancel(self, id_: int, fields: Mapping[str, Any]) -> None:
        (await self._open()).cancels[id_] = dict(fields)

    async def cancels(self) -> dict[int, dict[str, Any]]:
        return dict((await self._open()).cancels)

    async def cancel(self, id_: int) -> dict[str, Any] | None:
        return (await self._open()).cancels.get(id_)

    async def remove_cancel(self, id_: int) -> None:
        (await self._open()).cancels.pop(id_, None)

    async def write_pause(self, id_: int, fields: Mapping[str, Any]) -> None:
        (await self._open()).pauses[id_] = dict(fields)

    async def pauses(self) -> dict[int, dict[str, Any]]:
        return dict((await self._open()).pauses)

    async def pause(self, id_: int) -> dict[str, Any] | None:
        return (await self._open()).pauses.get(id_)

    async def remove_pause(self, id_: int) -> None:
        (await self._open()).pauses.pop(id_, None)

    async def claim_number(self, identity: str, maximum: int) -> tuple[int, int]:
        masters = (await self._open()).masters
        for number, (known, last) in masters.items():
            if known == identity:
                return number, last
        masters[len(masters)] = identity, 0
        return len(masters) - 1, 0

    async def write_last(self, identity: str, number: int, last: int) -> None:
        (await self._open()).masters[number] = identity, last


class Salt:
    """A master that publishes jobs. Its job cache has the jobs and what minions returned."""

    jids = itertools.count(1)

    def __init__(self, master: Master) -> None:
        self.master = master
        self.published: list[tuple[str, list[str], dict[str, Any]]] = []
        self.stopped: list[tuple[str, list[str]]] = []
        self.cache: dict[str, Job] = {}
        self.fault: ApiError | None = None
        self.published_before_fault = False
        self.cache_fault: ApiError | None = None

    async def publish(
        self, session: Session, call: Call, minions: list[str], metadata: dict[str, Any]
    ) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        if self.fault is not None and not self.published_before_fault:
            raise self.fault
        jid = f"20261123150000{next(self.jids):06}"
        self.published.append((jid, minions, metadata))
        job = self.cache[jid] = Job(jid, fun=call.fun, arg=[], metadata=metadata, user=session.user)
        job.expect(minions)
        job.certain = False
        if self.fault is not None:
            raise self.fault
        return {"jid": jid, "minions": minions, "missing": []}

    async def stop(self, job: Job, minions: list[str]) -> None:
        self.stopped.append((job.jid, sorted(minions)))

    async def job(self, jid: str) -> Job | None:
        if self.cache_fault is not None:
            raise self.cache_fault
        return copy.deepcopy(self.cache.get(jid))

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        return next((jid for jid, job in self.cache.items() if job.metadata == metadata), None)


class Accounts:
    """Salt's tokens, which all masters share."""

    def __init__(self) -> None:
        self.fault: ApiError | None = None
        self.sessions: dict[str, Session] = {}
        self.listeners: list[Any] = []

    def on_end(self, call: Any) -> None:
        self.listeners.append(call)

    async def by_token(self, token: str) -> Session:
        if self.fault is not None:
            raise self.fault
        return self.sessions[token]

    def check(self, session: Session) -> None:
        if session.ended is not None:
            raise session.ended

    def end(self, session: Session, why: ApiError) -> None:
        session.ended = self.fault = why
        for call in self.listeners:
            call(session)


class Master:
    """One engine on one master.

    :param time: all masters' clock
    :param slots: for jobs of batches that have not ended
    :param name: the master's id, as batches have it; None without others
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        time: Time,
        identity: str,
        run: str = "1",
        slots: int = 1000,
        max_result_bytes: int | None = None,
        name: str | None = None,
    ) -> None:
        self.world = World(time)
        self.time = time
        self.accounts = accounts
        self.store = store
        self.access = Access(store, identity)
        self.session = self.world.session(".*", user="ann")
        accounts.sessions[self.session.token] = self.session
        self.salt = Salt(self)
        self.in_flight = JobsInFlight(
            slots,
            seconds=60,
            limit="batch_jobs_in_flight",
            recent_users=RecentUsers(time),
            jobs=self.world.jobs,
            clock=time,
            later=time.later,
        )
        self.batches = build(
            store=self.access,
            salt=self.salt,
            jobs=self.world.jobs,
            sessions=accounts,  # type: ignore[arg-type]
            history=self.world.history,
            in_flight=self.in_flight,
            turns=self.world.turns,
            revisions=self.world.job_feed.revisions,
            run=run,
            keep_seconds=7 * 86_400,
            master=name,
            max_result_bytes=max_result_bytes,
            later=time.later,
            clock=time,
            wall=time,
            sleep=self._sleep,
        )
        self.registry, self.lookup, self.feed = self.batches.registry, self.batches.lookup, self.batches.feed
        self.writer, self.runner, self.canceler = self.batches.writer, self.batches.runner, self.batches.canceler
        self.pauser = self.batches.pauser

    async def _sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self.time.later(seconds, lambda: woken.done() or woken.set_result(None))
        await woken

    async def batch(
        self, *minions: str, call: Call = PING, held: bool = True, session: Session | None = None, **more: Any
    ) -> Batch:
        """Create a batch of one call on each minion, and start it.

        :param held: somebody follows it, so that it stays in memory
        """
        owner = session or self.session
        fields = {"created": self.time(), "token": owner.token, **more}
        requests = [Request(minion, 0) for minion in minions]
        made = await self.writer.create(
            lambda id_: Batch(id_, owner.user, "pam", [call], requests, **fields), len(requests)
        )
        if held:
            self.lookup.hold(made)
        self.runner.start(made, owner)
        await settle()
        return made

    def returns(self, jid: str, *minions: str, value: Any = True, retcode: int = 0, on_bus: bool = True) -> None:
        """Let minions return; ``on_bus``: on the bus and in the job cache."""
        for minion in minions:
            data = {"cmd": "_return", "id": minion, "jid": jid, "return": value, "retcode": retcode}
            data["success"] = retcode == 0
            self.salt.cache[jid].apply_return(minion, data, 10, self.time())
            if on_bus:
                self.world.fire(f"salt/job/{jid}/ret/{minion}", **data)

    def silent(self, jid: str, *minions: str) -> None:
        """Report that minions do not run a job."""
        job = self.world.jobs.get(jid)
        assert job is not None
        self.world.jobs.give_up(job, list(minions), "missing")

    @property
    def sent(self) -> list[list[str]]:
        """The minions of each job that was published."""
        return [minions for _, minions, _ in self.salt.published]

    @property
    def last(self) -> str:
        """The jid that was published last."""
        return self.salt.published[-1][0]


class Masters:
    """Several masters, one store, one clock."""

    def __init__(self, *, shared: bool = True) -> None:
        self.time = Time()
        self.store = Store(shared)
        self.accounts = Accounts()
        self.all: dict[Master, asyncio.Task[None] | None] = {}

    async def start(self, identity: str, run: str = "1", slots: int = 1000, **more: Any) -> Master:
        """Start a master's engine."""
        master = Master(self.store, self.accounts, self.time, identity, run, slots, **more)
        self.all[master] = asyncio.ensure_future(ticked(master))
        await settle()
        return master

    def kill(self, master: Master) -> None:
        """Kill an engine in the middle of its work."""
        master.canceler.close()
        master.batches.driven.close()
        ticking = self.all.pop(master)
        if ticking is not None:
            ticking.cancel()

    async def stop(self, master: Master) -> None:
        """Stop an engine gracefully, as background/tasks.py does."""
        ticking = self.all.pop(master)
        if ticking is not None:
            ticking.cancel()
        await asyncio.wait([asyncio.ensure_future(master.batches.stop())], timeout=0.5)

    async def pass_(self, seconds: float) -> None:
        """Advance the clock in steps of a quarter of a second, with the ticks of every engine."""
        for step in range(int(seconds * 4)):
            self.time.pass_(0.25)
            await settle()
            for master, ticking in list(self.all.items()) if step % 4 == 3 else ():
                if ticking is None or ticking.done():
                    self.all[master] = asyncio.ensure_future(ticked(master))
            await settle()
            for ticking in self.all.values():
                if ticking is not None and ticking.done():
                    ticking.result()


async def ticked(master: Master) -> None:
    """Do the periodic work of one engine."""
    await master.batches.maintenance.tick()
    await master.batches.tick()


async def settle() -> None:
    """Let all tasks run that can run now."""
    for _ in range(30):
        await asyncio.sleep(0)


def statuses(batch: Batch) -> list[str]:
    """Return the statuses of a batch's requests."""
    return [batch.at(index).status for index in range(batch.total)]
