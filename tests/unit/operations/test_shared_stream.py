"""Several masters, one stream: each engine shows the events of all, and a client goes on at another one."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable
from typing import Any

import pytest
from salt_live.models import Event, Position
from salt_live.streams import EventStream
from websocket_api.core.events.event import Event as Recorded
from websocket_api.core.sharing import origin

from tests.unit.operations.engine import Engine, Refused, Talker
from tests.unit.operations.test_hand_over import handed_over


class Log:
    """What one master writes into the common log."""

    def __init__(self) -> None:
        self.chunks: list[Any] = []
        self.stale: set[str] = set()
        self.seen: dict[str, float] = {}
        self.gone: set[str] = set()

    def put(self, chunk: Any) -> None:
        self.chunks.append(chunk)

    def is_stale(self, master: str) -> bool:
        return master in self.stale

    def last_seen(self, master: str) -> float | None:
        return self.seen.get(master)

    def is_gone(self, master: str) -> bool:
        return master in self.gone


class Masters:
    """Engines that share a log, which a test carries from one to the other.

    :param clustered: whether their masters are one cluster
    """

    def __init__(self, *names: str, clustered: bool = False) -> None:
        self.logs = {name: Log() for name in names}
        self.own_first = True
        """Whether a new engine reads what the log has of its own master, before it reads the bus."""
        self.engines = {
            name: Engine(
                master_id=name,
                cluster_id=name if clustered else None,
                log=self.logs[name],
                epoch=f"epoch-{name}",
            )
            for name in names
        }
        self._read: dict[tuple[str, str], int] = {}
        for name in names:
            self.begin(name)
            share = self[name].parts.share
            assert share is not None
            share.start(0)  # it started long ago: the history does not have that gap any more
            self.note_end(name)

    def __getitem__(self, name: str) -> Engine:
        return self.engines[name]

    def begin(self, name: str) -> None:
        """Let an engine write, after what the log has of it."""
        share = self[name].parts.share
        assert share is not None
        chunks = self.logs[name].chunks
        share.writer.begin(*((chunks[-1][0], chunks[-1][2]) if chunks else (None, 0)))

    def start(self, name: str) -> None:
        """Let an engine read its bus."""
        following = self[name].parts.following
        assert following is not None
        following.start()

    def note_end(self, name: str, times: int = 1) -> None:
        """Tell an engine that it has read all that the log had."""
        following = self[name].parts.following
        assert following is not None
        for _ in range(times):
            following.note_end()

    async def carry(self) -> None:
        """Write everything, and let each engine read what the others wrote."""
        for engine in self.engines.values():
            engine.time.pass_(1)
        for writer, reader in itertools.permutations(self.engines, 2):
            await self.read(reader, writer)
        for name, engine in self.engines.items():
            self.note_end(name)
            engine.time.pass_(1)

    async def read(self, reader: str, writer: str, chunks: int | None = None) -> None:
        """Let an engine read what one other wrote, or some chunks of it."""
        following = self[reader].parts.following
        assert following is not None
        start = self._read.get((reader, writer), 0)
        new = self.logs[writer].chunks[start:][:chunks]
        self._read[reader, writer] = start + len(new)
        for chunk in new:
            await following.deliver(writer, tuple(chunk))

    def read_again(self, reader: str, writer: str) -> None:
        """Let an engine read another one's stream from its start."""
        self._read[reader, writer] = 0

    async def restart(self, name: str, epoch: str, *, read: bool = True) -> None:
        """Start a master's engine again, with a log that goes on.

        :param read: let it read the log at once
        """
        self.engines[name] = Engine(master_id=name, log=self.logs[name], epoch=epoch)
        await self._start(name, read=read)

    async def reload(self, name: str, *, read: bool = True) -> None:
        """Let another process of a master's engine take over.

        :param read: let it read the log at once
        """
        one = self[name]
        assert one.parts.following is not None
        one.parts.following.stop()
        received = await handed_over(one)
        self.engines[name] = Engine(master_id=name, log=self.logs[name], received=received, clock=one.time)
        await self._start(name, read=read)

    async def replace(self, name: str, epoch: str, rng: random.Random, *, reload: bool) -> None:
        """Reload or restart a master's engine, which reads the log at once or later."""
        if reload:
            await self.reload(name, read=rng.random() < 0.5)
        else:
            await self.restart(name, epoch, read=rng.random() < 0.5)

    async def _start(self, name: str, *, read: bool) -> None:
        for writer in self.logs:
            self.read_again(name, writer)
        if self.own_first:
            await self.read(name, name)
        self.start(name)
        if read:
            for writer in self.logs:
                await self.read(name, writer)
            self.note_end(name)
        self.begin(name)


class Follower:
    """A client of this project that moves between masters: it keeps its position at each of them."""

    def __init__(self) -> None:
        self.stream = EventStream({"tag": "t/"})
        self.tags: list[str] = []
        self.gaps: list[dict[str, Any]] = []
        self.seen: list[Any] = []
        """Tags, and for each gap the reasons by master."""
        self._talker: Talker | None = None

    @property
    def since(self) -> dict[str, Any]:
        """Where it goes on."""
        return self.stream.vector.message

    async def follow(self, engine: Engine) -> dict[str, Any]:
        """Go on at a master."""
        self.stream.lost()
        self._talker = await engine.user()
        fields = {name: value for name, value in self.stream.message.items() if name != "bundle"}
        result: dict[str, Any] = await self._talker.ask("subscribe", **fields)
        self.stream.subscribed(result)
        self.read()
        return result

    def is_in_order(self, names: Iterable[str]) -> bool:
        """Return whether the events of each master, ``t/NAME-NUMBER``, came in the order of their numbers."""
        of_each = ([int(tag.split("-")[1]) for tag in self.tags if tag.startswith(f"t/{name}-")] for name in names)
        return all(numbers == sorted(numbers) for numbers in of_each)

    def read(self) -> list[str]:
        """Take what was sent; return the tags of the events."""
        assert self._talker is not None
        for frame in self._talker.frames:
            self.stream.apply(frame, 100)
            if frame["type"] == "gap":
                self.gaps.append(frame)
                masters = frame.get("masters") or {}
                self.seen.append({name: lost["reason"] for name, lost in masters.items()} or frame["reason"])
            elif "tag" in frame:
                self.seen.append(frame["tag"])
        new = []
        while (item := self.stream.pop()) is not None:
            new += [item.tag] if isinstance(item, Event) else []
        self.tags += new
        return new


async def test_each_engine_shows_the_events_of_all_masters() -> None:
    """With the master's id, and for events of others with their position there."""
    masters = Masters("m1", "m2")
    await masters.carry()
    client = Follower()
    result = await client.follow(masters["m1"])
    assert result["since"]["m1"] == {"epoch": "epoch-m1", "seq": result["seq"]}
    masters["m1"].world.fire("t/1", free=17)
    masters["m2"].world.fire("t/2", free=18)
    masters["m2"].world.fire("t/3", cmd="_minion_event", id="web1", data={"free": 19})
    await masters.carry()
    assert client.read() == ["t/1", "t/2", "t/3"]
    assert client.since == {"m1": {"epoch": "epoch-m1", "seq": 1}, "m2": {"epoch": "epoch-m2", "seq": 2}}


async def test_a_client_goes_on_at_another_master_with_everything_once() -> None:
    """What the first one had sent is left out, what it had not comes."""
    masters = Masters("m1", "m2")
    client = Follower()
    await client.follow(masters["m1"])
    for number in range(4):
        masters["m1"].world.fire(f"t/a{number}")
        masters["m2"].world.fire(f"t/b{number}")
    await masters.carry()
    client.read()
    for number in range(4, 8):
        masters["m1"].world.fire(f"t/a{number}")
        masters["m2"].world.fire(f"t/b{number}")
    await masters.carry()  # the client has lost its connection, and reads nothing of this
    result = await client.follow(masters["m2"])
    masters["m1"].world.fire("t/a8")
    masters["m2"].world.fire("t/b8")
    await masters.carry()
    client.read()
    assert result["recovered"] is True
    assert client.gaps == []
    assert sorted(client.tags) == sorted(f"t/{name}{number}" for name in "ab" for number in range(9))


async def test_nothing_is_repeated_if_the_log_is_behind_the_former_master() -> None:
    """The client has events of its former master that the new one has not read yet."""
    masters = Masters("m1", "m2")
    await masters.carry()
    masters["m1"].world.fire("t/0")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m1"])
    for number in range(1, 5):
        masters["m1"].world.fire(f"t/{number}")
    masters["m1"].time.pass_(1)
    assert client.read() == ["t/1", "t/2", "t/3", "t/4"]
    result = await client.follow(masters["m2"])
    masters["m2"].services.hub.bookmark()
    client.read()
    assert client.since["m1"]["seq"] == 5, "a bookmark does not go back behind the client"
    masters["m1"].world.fire("t/5")
    await masters.carry()
    assert (client.read(), result["recovered"], client.gaps) == (["t/5"], True, [])


async def test_a_master_that_starts_again_leaves_a_gap_that_names_it() -> None:
    """Its events up to the end and after the start are there; what happened in between is nowhere."""
    masters = Masters("m1", "m2")
    masters["m1"].world.fire("t/1")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m2"])
    masters["m1"].world.fire("t/2")
    await masters.carry()
    await masters.restart("m1", "epoch-again")
    masters["m1"].world.fire("t/3")
    await masters.carry()
    assert client.read() == ["t/2", "t/3"]
    (gap,) = client.gaps
    assert (gap["reason"], gap["masters"]) == (
        "restart",
        {"m1": {"reason": "restart", "epoch": "epoch-again", "seq": gap["masters"]["m1"]["seq"]}},
    )


async def test_a_position_of_an_earlier_epoch_is_replayed_at_the_master_itself() -> None:
    """The log outlives the engine: only what happened while it was away is missing."""
    masters = Masters("m1", "m2")
    client = Follower()
    await client.follow(masters["m1"])
    for number in range(3):
        masters["m1"].world.fire(f"t/{number}")
    await masters.carry()
    client.read()
    masters["m1"].world.fire("t/3")
    await masters.carry()
    await masters.restart("m1", "epoch-again")
    result = await client.follow(masters["m1"])
    masters["m1"].world.fire("t/4")
    masters["m1"].time.pass_(1)
    client.read()
    assert (result["recovered"], client.tags) == (False, [f"t/{number}" for number in range(5)])
    assert {name: one["reason"] for name, one in client.gaps[0]["masters"].items()} == {"m1": "restart"}


async def test_a_chunk_that_is_missing_leaves_a_gap() -> None:
    """A Redis that lost data, or a queue that was full."""
    masters = Masters("m1", "m2")
    masters["m1"].world.fire("t/1")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m2"])
    masters["m1"].world.fire("t/2")
    masters["m1"].time.pass_(1)
    masters.logs["m1"].chunks.pop()
    masters["m1"].world.fire("t/3")
    await masters.carry()
    assert client.read() == ["t/3"]
    assert client.gaps[0]["masters"] == {"m1": {"reason": "history", "epoch": "epoch-m1", "seq": 2}}


async def test_a_chunk_that_was_written_twice_counts_once() -> None:
    """Redis answered too late, and the writer tried again."""
    masters = Masters("m1", "m2")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m2"])
    masters["m1"].world.fire("t/1")
    masters["m1"].time.pass_(1)
    masters.logs["m1"].chunks *= 2
    await masters.carry()
    assert (client.read(), client.gaps) == (["t/1"], [])


@pytest.mark.parametrize(
    ("since", "lost"),
    [
        ({"m9": {"epoch": "x", "seq": 1}}, {"m9"}),
        ({"m1": {"epoch": "other", "seq": 1}}, {"m1"}),
        ({"m1": {"epoch": "epoch-m1", "seq": 10**9}}, {"m1"}),
        ({"m2": {"epoch": "other", "seq": 1}}, {"m2"}),
        ({f"m{number}": {"epoch": "x", "seq": 1} for number in range(10, 74)}, {f"m{n}" for n in range(10, 74)}),
        ({}, set()),
        ({"m1": {"epoch": "epoch-m1", "seq": 1}, "m2": {"epoch": "epoch-m2", "seq": 1}}, None),
    ],
)
async def test_positions_that_are_unknown_leave_a_gap_that_names_them(
    since: dict[str, Any], lost: set[str] | None
) -> None:
    """And the stream goes on from now, for these masters. A master that is not named is among them."""
    masters = Masters("m1", "m2")
    masters["m1"].world.fire("t/1")
    masters["m2"].world.fire("t/1")
    await masters.carry()
    talker = await masters["m1"].user()
    result = await talker.ask("subscribe", subscription="event", tag="t/", since=since)
    frames = [frame for frame in talker.frames if frame["type"] != "bookmark"]
    named = {name for frame in frames for name in frame.get("masters", ())}
    assert result["recovered"] is (lost is None)
    assert named == (set() if lost is None else lost | {"m1", "m2"} - (since.keys() - lost))
    assert [frame["type"] for frame in frames] == ([] if lost is None else ["gap"])


@pytest.mark.parametrize(
    "since",
    [
        {f"m{number}": {"epoch": "x", "seq": 1} for number in range(1000)},
        {"": {"epoch": "x", "seq": 1}},
        {"m1": {"epoch": "x"}},
        {"m1": {"epoch": "x", "seq": -1}},
        {"m1": {"epoch": "x", "seq": 1, "more": 1}},
        {"m1": 1},
        {"m1": None},
        {"epoch": "x"},
        {"epoch": "x", "seq": 1, "m1": {"epoch": "x", "seq": 1}},
        {"x" * 300: {"epoch": "x", "seq": 1}},
        [],
        "x",
    ],
)
async def test_odd_positions_are_refused(since: Any) -> None:
    """With an error for their sender, and nothing else."""
    talker = await Masters("m1", "m2")["m1"].user()
    with pytest.raises(Refused, match="bad_message"):
        await talker.ask("subscribe", subscription="event", since=since)


async def test_positions_work_without_a_common_log() -> None:
    """A client that was at two masters comes to one that shares nothing: the others are named as missing."""
    engine = Engine(master_id="m1")
    engine.world.fire("t/1")
    engine.world.fire("t/2")
    talker = await engine.user()
    since = {"m1": {"epoch": "epoch1", "seq": 1}, "m2": {"epoch": "x", "seq": 5}}
    result = await talker.ask("subscribe", subscription="event", tag="t/", since=since)
    frames = talker.frames
    assert (result["recovered"], "since" in result) == (False, False)
    assert [frame["type"] for frame in frames] == ["gap", "event"]
    assert frames[0]["masters"] == {"m2": {"reason": "epoch"}}


async def test_a_job_of_another_master_is_shown_with_its_returns() -> None:
    """As if it had been on the own bus."""
    masters = Masters("m1", "m2")
    await masters.carry()
    started = await (await masters["m1"].user()).ask("cmd", fun="test.ping", tgt="web*")
    masters["m1"].returns(started["jid"], "web1", True)
    masters["m1"].returns(started["jid"], "web2", True)
    await masters.carry()
    job = await (await masters["m2"].user()).ask("get_job", jid=started["jid"])
    assert (job["state"], job["done"], job["master"]) == ("complete", 2, "m1")


async def test_events_and_jobs_are_filtered_by_master() -> None:
    """One, or several."""
    masters = Masters("m1", "m2", "m3")
    await masters.carry()
    talker = await masters["m1"].user()
    one = await talker.ask("subscribe", subscription="event", tag="t/", master="m2")
    two = await talker.ask("subscribe", subscription="event", tag="t/", master=["m1", "m3"])
    for number, name in enumerate(("m1", "m2", "m3")):
        masters[name].world.fire(f"t/{name}")
        jid = f"2026112315000000000{number}"
        masters[name].world.fire(f"salt/job/{jid}/new", fun="test.ping", minions=["web1"], user="root")
    await masters.carry()
    found: dict[int, set[str]] = {}
    for frame in talker.frames:
        found.setdefault(frame["subscription"], set()).update({frame["tag"]} if frame["type"] == "event" else ())
    assert found == {one["subscription"]: {"t/m2"}, two["subscription"]: {"t/m1", "t/m3"}}
    for name in ("m1", "m2", "m3"):
        jobs = await talker.ask("list_jobs", master=name)
        assert [job["master"] for job in jobs] == [name]
    assert len(await talker.ask("list_jobs")) == 3


async def test_a_job_of_another_master_is_canceled_there() -> None:
    """Its minions may have no key here; the error names the master. Nor are they asked whether they run it."""
    masters = Masters("m1", "m2")
    await masters.carry()
    started = await (await masters["m1"].user()).ask("cmd", fun="test.sleep", arg=[600], tgt="web*")
    await masters.carry()
    talker = await masters["m2"].user()
    await talker.ask("subscribe", subscription="job", jid=started["jid"])
    with pytest.raises(Refused, match="the job runs at the master m1"):
        await talker.ask("cancel", jid=started["jid"])
    for _ in range(10):
        masters["m2"].time.pass_(5)
        await masters["m2"].services.job_watcher.tick()
    assert masters["m2"].commands.as_master == []
    assert (await talker.ask("get_job", jid=started["jid"]))["state"] == "running"


async def test_minions_of_another_master_do_not_make_this_one_read_its_keys() -> None:
    """They may be many, and are unknown here. Those with a key here are seen."""
    masters = Masters("m1", "m2")
    await masters.carry()
    registry = masters["m2"].services.minions
    masters["m1"].world.fire("salt/presence/present", present=["web1", "elsewhere"])
    masters["m1"].world.fire("salt/auth", id="elsewhere", act="accept", result=True)
    masters["m1"].world.fire("salt/minion/other/start", cmd="_minion_event", id="other", data="")
    await masters.carry()
    assert registry.keys_stale is False
    assert (registry.all()["web1"].connected, "elsewhere" in registry.all()) == (True, False)


async def test_secrets_in_the_log_are_hidden_again() -> None:
    """Another program may write into it: what an engine reads is treated as if it came from the bus."""
    masters = Masters("m1", "m2")
    await masters.carry()
    following = masters["m2"].parts.following
    assert following is not None
    client = Follower()
    await client.follow(masters["m2"])
    line = b'{"t":1,"seq":1,"tag":"t/1","data":{"password":"secret"}}'
    await following.deliver("m1", ("foreign", 0, 1, line, b""))
    masters["m2"].time.pass_(1)
    assert client.read() == ["t/1"]
    (entry,) = (one for one in masters["m2"].services.history.after(0) if isinstance(one, Recorded))
    assert b"secret" not in entry.body


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"x",
        b"[]",
        b'{"t":1,"seq":1}',
        b'{"t":1,"seq":9,"tag":"t/1","data":{}}',
        b'{"seq":"1","t":1,"gap":"bus"}',
        b'{"seq":2,"t":1%b,"tag":"t/1","data":{}}' % (b"0" * 400),
    ],
)
async def test_what_is_not_understood_in_the_log_is_a_gap(lines: bytes) -> None:
    """Written by another program, or by an engine of another release."""
    masters = Masters("m1", "m2")
    masters["m1"].world.fire("t/0")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m2"])
    following = masters["m2"].parts.following
    assert following is not None
    await following.deliver("m1", ("epoch-m1", 1, 2, lines, b""))
    masters["m2"].time.pass_(1)
    client.read()
    assert [gap["masters"]["m1"]["reason"] for gap in client.gaps] == ["history"]
    masters["m1"].world.fire("t/1")
    masters["m1"].world.fire("t/2")
    await masters.carry()
    assert client.read() == ["t/2"]


async def test_what_is_known_of_a_master_does_not_grow_without_clients() -> None:
    """Nobody resumes: chunks are forgotten with their events."""
    masters = Masters("m1", "m2")
    history, following = masters["m2"].services.history, masters["m2"].parts.following
    assert following is not None
    for number in range(1, 101):
        line = b'{"t":1,"seq":%d,"tag":"t/1","data":{}}' % number
        await following.deliver("m1", ("epoch-m1", number - 1, number, line, b""))
        if number == 50:
            masters["m2"].time.pass_(masters["m2"].services.settings.history.seconds + 1)
            history.drop_old(masters["m2"].services.wall())
    share = masters["m2"].parts.share
    assert share is not None
    assert len(share.origins["m1"]._marks) == 50


async def test_a_simple_position_counts_at_the_same_engine() -> None:
    """Clients that know nothing of several masters resume there as before, with the events of all masters."""
    masters = Masters("m1", "m2")
    await masters.carry()
    talker = await masters["m1"].user()
    begun = await talker.ask("subscribe", subscription="event", tag="t/")
    masters["m1"].world.fire("t/a")
    masters["m2"].world.fire("t/b")
    await masters.carry()
    since = {"epoch": begun["epoch"], "seq": begun["seq"]}
    again = await masters["m1"].user()
    result = await again.ask("subscribe", subscription="event", tag="t/", since=since)
    frames = again.frames
    assert (result["recovered"], [frame["tag"] for frame in frames[:-1]]) == (True, ["t/a", "t/b"])
    assert (frames[-1]["type"], frames[-1]["since"]) == ("bookmark", result["since"])
    assert [frame["seq"] for frame in frames[:-1]] == [begun["seq"] + 1, begun["seq"] + 2]


@pytest.mark.parametrize("comes", ["before the log is read", "while it is read", "when it is read", "later"])
async def test_the_gap_of_a_restart_is_between_the_events_before_and_after_it(comes: str) -> None:
    """Also for a client that leaves in between, and at once comes again: it gets nothing twice."""
    masters = Masters("m1", "m2")
    await masters.carry()
    client, newcomer = Follower(), Follower()
    await client.follow(masters["m1"])
    for number in range(3):
        masters["m1"].world.fire(f"t/m1-{number}")
        masters["m1"].time.pass_(1)  # a chunk for each
        client.read() if number == 0 else None
    masters.engines["m1"] = Engine(master_id="m1", log=masters.logs["m1"], epoch="again")
    masters.begin("m1")

    async def both_come(when: str) -> None:
        if comes == when:
            await client.follow(masters["m1"])
            await newcomer.follow(masters["m1"])

    await both_come("before the log is read")
    await masters.read("m1", "m1", 3)  # one is empty
    await both_come("while it is read")
    masters["m1"].services.hub.bookmark_all()
    client.read()
    assert client.since["m1"]["epoch"] == "epoch-m1"
    if not comes.startswith("before"):
        await client.follow(masters["m1"])
    await masters.read("m1", "m1")
    masters.start("m1")
    await both_come("when it is read")
    masters["m1"].world.fire("t/m1-3")
    masters.read_again("m1", "m2")
    await masters.read("m1", "m2")
    masters.note_end("m1")
    await both_come("later")
    masters["m1"].world.fire("t/m1-4")
    masters["m1"].time.pass_(1)
    client.read()
    assert client.seen == ["t/m1-0", "t/m1-1", "t/m1-2", {"m1": "restart"}, "t/m1-3", "t/m1-4"]
    assert client.since["m1"]["epoch"] == "again"
    newcomer.read()
    assert newcomer.seen == (["t/m1-3"] if comes != "later" else []) + ["t/m1-4"]


@pytest.mark.parametrize("is_reloaded", [False, True])
async def test_a_gap_in_the_history_is_sent_once_and_where_it_is(is_reloaded: bool) -> None:
    """What the history has dropped is reported at once, because no gap in the history stands for it."""
    masters = Masters("m1", "m2")
    await masters.carry()
    client = Follower()
    await client.follow(masters["m1"])
    client.read()
    since = client.since
    for part in range(2):
        for name in ("m1", "m2"):
            masters[name].world.fire(f"t/{name}-{part}")
            if part == 0:
                masters[name].services.hub.append_gap()
        await masters.carry()
    if is_reloaded:
        await masters.reload("m1")
    talker = await masters["m1"].user()

    async def resumed() -> list[Any]:
        result = await talker.ask("subscribe", subscription="event", tag="t/", since=since)
        assert result["recovered"] is False
        return [frame.get("tag") or frame.get("masters") or frame["reason"] for frame in talker.frames[:-1]]

    elsewhere = {"m2": {"reason": "bus", "epoch": "epoch-m2", "seq": 2}}
    assert await resumed() == ["t/m1-0", "bus", "t/m2-0", elsewhere, "t/m1-1", "t/m2-1"]
    history = masters["m1"].services.history
    history.drop_old(masters["m1"].time() + 10_000)
    assert len(history) == 0
    (found,) = await resumed()
    assert {name: lost["reason"] for name, lost in found.items()} == dict.fromkeys(["m1", "m2"], "history")


async def test_a_process_that_takes_over_goes_on_with_a_log_that_was_not_read_to_its_end() -> None:
    """What it reads was written before the start, so a client without a position does not get it."""
    masters = Masters("m1", "m2")
    await masters.carry()
    masters["m1"].world.fire("t/1")
    masters["m2"].world.fire("t/2")
    await masters.carry()
    masters.own_first = False
    shares = []
    for read in (False, True, True):
        await (masters.reload if shares else masters.restart)("m1", *([] if shares else ["again"]), read=False)
        client = Follower()
        await client.follow(masters["m1"])
        share = masters["m1"].parts.share
        assert share is not None
        shares.append(share.is_behind)
        if read:
            await masters.read("m1", "m1")
            await masters.read("m1", "m2")
            masters.note_end("m1")
        assert client.read() == []
    assert shares == [True, True, False]


async def test_clients_that_move_at_random_get_every_event_once() -> None:
    """Whatever the log lags, and whichever master they go to."""
    names = ("m1", "m2", "m3")
    for seed in range(20):
        rng = random.Random(seed)
        masters = Masters(*names)
        await masters.carry()
        client, fired = Follower(), list[str]()
        await client.follow(masters["m1"])
        for number in range(60):
            name = rng.choice(names)
            masters[name].world.fire(f"t/{name}-{number}")
            fired.append(f"t/{name}-{number}")
            action = rng.random()
            if action < 0.3:
                masters[rng.choice(names)].time.pass_(1)
            elif action < 0.6:
                reader, writer = rng.sample(names, 2)
                await masters.read(reader, writer)
            elif action < 0.75:
                client.read()
            elif action < 0.85:
                await client.follow(masters[rng.choice(names)])
        await masters.carry()
        client.read()
        assert sorted(client.tags) == sorted(fired), f"seed {seed}"
        assert client.gaps == []


@pytest.mark.parametrize("own_first", [True, False])
@pytest.mark.parametrize("epochs", [origin.MAX_EPOCHS, 3])
async def test_clients_that_move_while_masters_restart_get_no_event_twice(
    epochs: int, own_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they do not get is of a master that a gap names. A new engine has read the log, or will read it soon.

    The history has events of epochs that are no longer known. The events of each master are in order, unless its engine
    cannot read the log in time.
    """
    monkeypatch.setattr(origin, "MAX_EPOCHS", epochs)
    names = ("m1", "m2", "m3")
    for seed in [*range(40 if epochs > 3 else 10), 134]:
        rng = random.Random(seed)
        masters = Masters(*names)
        masters.own_first = own_first
        await masters.carry()
        client, fired = Follower(), list[str]()
        await client.follow(masters["m1"])
        where = "m1"
        for number in range(200):
            name = rng.choice(names)
            masters[name].world.fire(f"t/{name}-{number}")
            fired.append(f"t/{name}-{number}")
            action = rng.random()
            if action < 0.3:
                masters[rng.choice(names)].time.pass_(1)
            elif action < 0.5:
                await masters.read(rng.choice(names), rng.choice(names), rng.choice([None, 1, 3]))
            elif action < 0.65:
                client.read()
            elif action < 0.75:
                client.read()
                where = rng.choice(names)
                await client.follow(masters[where])
            elif action < 0.85:
                name = rng.choice(names)
                client.read()
                # A process that takes over must know all epochs that the log has.
                await masters.replace(name, f"{name}-{number}", rng, reload=epochs > 3 and rng.random() < 0.3)
                if name == where:
                    where = rng.choice(names)
                    await client.follow(masters[where])
            elif action < 0.95:
                reader = rng.choice(names)
                for writer in names:
                    await masters.read(reader, writer)
                masters.note_end(reader)
        for _ in range(10):
            await masters.carry()
        client.read()
        assert len(client.tags) == len(set(client.tags)), f"seed {seed}"
        named = {name for gap in client.gaps for name in gap["masters"]}
        assert {tag[2:4] for tag in set(fired) - set(client.tags)} <= named, f"seed {seed}"
        assert client.is_in_order(names) or not own_first, f"seed {seed}"


async def test_a_job_of_another_master_ends_as_that_master_found_out() -> None:
    """A client here follows it; its master asks the minions, and one of them does not run it any more."""
    masters = Masters("m1", "m2")
    await masters.carry()
    started = await (await masters["m1"].user()).ask("cmd", fun="test.sleep", arg=[600], tgt="web*")
    await masters.carry()
    talker = await masters["m2"].user()
    await talker.ask("subscribe", subscription="job", jid=started["jid"])
    for _ in range(8):
        for engine in masters.engines.values():
            engine.time.pass_(5)
            await engine.services.job_watcher.tick()
        await masters.carry()
    assert [fun for fun, *_ in masters["m1"].commands.as_master][:1] == ["saltutil.find_job"]
    assert masters["m2"].commands.as_master == []
    for name in ("m1", "m2"):
        job = await (await masters[name].user()).ask("get_job", jid=started["jid"])
        assert (job["missing"], job["done"], job["master"]) == (2, 2, "m1"), name
        assert job["end_time"] is not None


async def test_a_job_that_is_canceled_at_its_master_is_canceled_everywhere() -> None:
    """And a note that is read twice, or comes from a third master, changes nothing."""
    masters = Masters("m1", "m2", "m3")
    await masters.carry()
    started = await (await masters["m1"].user()).ask("cmd", fun="test.sleep", arg=[600], tgt="web*")
    await masters.carry()
    jid = started["jid"]
    following = masters["m2"].parts.following
    assert following is not None
    for master, notes in {
        "m3": b'{"ended":[["%b","missing",["web1"]]],"asked":[]}' % jid.encode(),
        "m1": b'{"ended":[["%b","returned",["web1"]],[1,2,3]],"asked":[["m2",7],7]}' % jid.encode(),
        "m9": b"x",
    }.items():
        await following.deliver(master, (f"epoch-{master}", 0, 0, b"", notes))
    job = masters["m2"].services.jobs.get(jid)
    assert job is not None
    assert job.waiting == ["web1", "web2"]
    own = masters["m1"].services.jobs
    own.give_up(own.get(jid), ["web1"], "canceled")  # type: ignore[arg-type]
    masters["m1"].returns(jid, "web2", True)
    await masters.carry()
    masters.read_again("m2", "m1")
    await masters.read("m2", "m1")
    assert {name: part.state for name, part in job.parts.items()} == {"web1": "canceled", "web2": "returned"}
    assert job.ended


async def test_describe_tells_which_masters_are_stale() -> None:
    """Without a common log there are no others."""
    masters = Masters("m1", "m2")
    await masters.carry()
    talker = await masters["m1"].user()
    assert (await talker.ask("describe"))["masters"] == {"m2": {"stale": False}}
    masters.logs["m1"].stale.add("m2")
    assert (await talker.ask("describe"))["masters"] == {"m2": {"stale": True}}
    assert len(masters["m1"].services.prepared) == 1
    assert (await (await Engine().user()).ask("describe"))["masters"] == {}


async def test_nothing_is_repeated_to_a_client_that_comes_before_the_log_is_read() -> None:
    """An engine that has just started reads what the other master wrote before: the client has some of it."""
    masters = Masters("m1", "m2")
    client = Follower()
    await client.follow(masters["m1"])
    for number in range(3):
        masters["m2"].world.fire(f"t/{number}")
    await masters.carry()
    assert client.read() == ["t/0", "t/1", "t/2"]
    masters["m2"].world.fire("t/3")
    await masters.restart("m1", "another", read=False)
    result = await client.follow(masters["m1"])
    assert client.since["m2"] == {"epoch": "epoch-m2", "seq": 3}
    masters["m1"].world.fire("t/own")
    await masters.carry()
    masters["m2"].world.fire("t/4")
    await masters.carry()
    assert client.read() == ["t/own", "t/3", "t/4"]
    assert result["recovered"] is False
    assert [list(gap["masters"]) for gap in client.gaps] == [["m1"]]
    assert client.since["m1"] == {"epoch": "another", "seq": 2}, "1 is the gap"


async def test_what_was_before_the_start_of_an_engine_is_not_sent_as_new() -> None:
    """To clients without a position, and to those that wait for an event; it is in the history for others."""
    masters = Masters("m1", "m2")
    for number in range(3):
        masters["m2"].world.fire(f"t/{number}")
    await masters.carry()
    await masters.restart("m1", "another", read=False)
    new, waiting = Follower(), await masters["m1"].user()
    await new.follow(masters["m1"])
    answer = waiting.start("get_event", tag="t/", wait=60, full=True)
    await asyncio.sleep(0)
    await masters.carry()
    masters["m2"].world.fire("t/3")
    await masters.carry()
    assert new.read() == ["t/3"]
    assert (await answer())["tag"] == "t/3"
    since = {"m1": {"epoch": "another", "seq": 0}, "m2": {"epoch": "epoch-m2", "seq": 1}}
    other = await masters["m1"].user()
    assert (await other.ask("subscribe", subscription="event", tag="t/", since=since))["recovered"] is True
    assert [frame["tag"] for frame in other.frames if frame["type"] == "event"] == ["t/1", "t/2", "t/3"]


async def test_a_wait_from_an_earlier_position_ends_with_what_was_before_the_start() -> None:
    """The engine reads the stream of the other master later than the client came."""
    masters = Masters("m1", "m2")
    masters["m2"].world.fire("t/0")
    await masters.carry()
    masters["m2"].world.fire("t/1")
    await masters.restart("m1", "another", read=False)
    talker = await masters["m1"].user()
    since = {"m1": {"epoch": "another", "seq": 0}, "m2": {"epoch": "epoch-m2", "seq": 1}}
    answer = talker.start("get_event", tag="t/", wait=60, full=True, since=since)
    await asyncio.sleep(0)
    await masters.carry()
    assert (await answer())["tag"] == "t/1"


async def test_a_wait_is_not_ended_by_a_gap_before_its_position() -> None:
    """The look back starts where the client lacks events of any master, and passes what it has of the others."""
    masters = Masters("m1", "m2", "m3")
    masters["m3"].world.fire("t/0")
    await masters.carry()
    for number in range(2):
        masters["m2"].world.fire(f"t/lost{number}")
        masters["m2"].time.pass_(1)
    del masters.logs["m2"].chunks[-2]
    await masters.carry()
    masters["m2"].world.fire("t/1")
    await masters.carry()
    talker = await masters["m1"].user()
    vector = (await talker.ask("subscribe", subscription="event"))["since"]
    since = {**vector, "m3": {"epoch": "epoch-m3", "seq": 0}}
    assert (await talker.ask("get_event", tag="t/", wait=0, full=True, since=since))["tag"] == "t/0"
    since["m3"] = vector["m3"]
    assert await talker.ask("get_event", tag="t/", wait=0, since=since) is None
    with pytest.raises(Refused, match="gap"):
        await talker.ask("get_event", tag="t/x", wait=0, since={**since, "m2": {"epoch": "epoch-m2", "seq": 0}})


async def test_a_position_never_names_more_masters_than_a_client_may_send() -> None:
    """Whatever is written into the log, and whatever the client names."""
    masters = Masters("m1")
    following = masters["m1"].parts.following
    assert following is not None
    for number in range(100):
        await following.deliver(f"x{number}", ("e", 0, 0, b"", b""))
    masters.note_end("m1")
    talker = await masters["m1"].user()
    since = {f"y{number}": {"epoch": "e", "seq": 1} for number in range(64)}
    result = await talker.ask("subscribe", subscription="event", since=since)
    masters["m1"].services.hub.bookmark_all()
    vectors = [result["since"], *(frame["since"] for frame in talker.frames if "since" in frame)]
    assert len(vectors) > 1
    for vector in vectors:
        assert "m1" in vector
        assert len(vector) == 64
        await talker.ask("subscribe", subscription="event", since=vector)


async def test_nothing_is_repeated_if_the_log_does_not_have_the_epoch_yet() -> None:
    """A client comes from a master that started again, and whose first events are not in the log yet."""
    masters = Masters("m1", "m2")
    client = Follower()
    await client.follow(masters["m2"])
    masters["m2"].world.fire("t/0")
    await masters.carry()
    assert client.read() == ["t/0"]
    await masters.restart("m2", "another")
    await client.follow(masters["m2"])
    masters["m2"].world.fire("t/1")
    assert client.read() == ["t/1"]
    result = await client.follow(masters["m1"])
    assert result["recovered"] is False  # it cannot be known yet
    masters["m2"].world.fire("t/2")
    await masters.carry()
    assert client.read() == ["t/2"]
    masters.note_end("m1", 10)
    masters["m2"].world.fire("t/3")
    await masters.carry()
    assert client.read() == ["t/3"]


async def test_a_position_that_the_log_never_has_ends_in_a_gap() -> None:
    """The stream of that master then goes on from what was read."""
    masters = Masters("m1", "m2")
    masters["m2"].world.fire("t/0")
    await masters.carry()
    await masters.restart("m1", "another", read=False)
    client = Follower()
    client.stream.vector.positions.update(m1=Position("another", 0), m2=Position("lost", 7))
    result = await client.follow(masters["m1"])
    assert (result["recovered"], client.gaps) == (True, [])  # the log was not read yet
    await masters.carry()
    assert (client.read(), client.gaps) == ([], [])
    masters.note_end("m1", 10)
    masters["m2"].world.fire("t/1")
    await masters.carry()
    assert client.read() == ["t/1"]
    assert [gap["masters"] for gap in client.gaps] == [{"m2": {"reason": "epoch", "epoch": "epoch-m2", "seq": 1}}]


async def test_a_master_that_lost_its_own_events_reports_its_restart_once() -> None:
    """The log was emptied before the engine started again. The client's position stays in the present epoch."""
    masters = Masters("m1", "m2")
    client = Follower()
    await client.follow(masters["m1"])
    masters["m1"].world.fire("t/0")
    assert client.read() == ["t/0"]
    await masters.restart("m1", "another", read=False)
    await client.follow(masters["m1"])
    masters["m1"].world.fire("t/1")
    masters.note_end("m1", 10)
    masters["m1"].time.pass_(1)
    assert client.read() == ["t/1"]
    assert [list(gap["masters"].items()) for gap in client.gaps] == [
        [("m1", {"reason": "restart", "epoch": "another", "seq": 0})]
    ]
    assert client.since["m1"] == {"epoch": "another", "seq": 2}, "1 is the gap"


async def test_clients_that_resumed_share_the_work_again() -> None:
    """When the log is past their positions, they are one group with those that did not resume."""
    masters = Masters("m1", "m2")
    clients = [Follower() for _ in range(3)]
    for number, client in enumerate(clients):
        await client.follow(masters["m2"])
        masters["m2"].world.fire(f"t/{number}")
    await masters.carry()
    await masters.restart("m1", "another", read=False)
    for client in clients:
        client.read()
        await client.follow(masters["m1"])
    await masters.carry()
    masters["m2"].world.fire("t/last")
    await masters.carry()
    assert [client.read()[-1] for client in clients] == ["t/last"] * 3
    assert len(masters["m1"].parts.services.hub._groups) == 1


def test_a_process_goes_on_with_a_history_that_has_epochs_which_it_no_longer_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The marks of those are left out: no position that is asked for is there."""
    monkeypatch.setattr(origin, "MAX_EPOCHS", 2)
    before, after = origin.Origin("m1"), origin.Origin("m1")
    for number, epoch in enumerate(["one", "two", "three"]):
        for one in (before, after):
            if one is after:
                monkeypatch.setattr(origin, "MAX_EPOCHS", 3)  # the history is read before the state is
            one.begin_epoch(epoch)
            one.advance(5)
            one.mark(number * 5 + 1, number * 5 + 5)
            monkeypatch.setattr(origin, "MAX_EPOCHS", 2)
    after.restore(before.state)
    for one in (before, after):
        assert one.place_before(origin.Position("two", 3)) == 5
        assert one.place_before(origin.Position("three", 5)) is None
        assert one.is_before("one", "two")
        one.drop_before(100)
        assert (one.is_whole_after(origin.Position("two", 5)), one.is_whole_after(origin.Position("three", 5))) == (
            False,
            True,
        )


async def test_a_master_that_is_gone_is_forgotten_with_its_last_events() -> None:
    """Not before: clients may resume among them. A position at it is unknown then, and it may come back."""
    masters = Masters("m1", "m2", "m3")
    own = masters["m2"].services.minions
    own.read_keys({"db9": "accepted"})
    masters["m2"].world.fire("t/1")
    await masters.carry()
    engine, log = masters["m1"], masters.logs["m1"]
    log.stale.add("m2")
    log.seen["m2"] = 1_400_000_000.0
    talker = await engine.user()
    seen = {"stale": True, "seen": "2014-05-13T16:53:20+00:00"}
    assert (await talker.ask("describe"))["masters"] == {"m2": seen, "m3": {"stale": False}}
    log.gone.add("m2")
    masters.note_end("m1")
    assert set((await talker.ask("describe"))["masters"]) == {"m2", "m3"}
    engine.time.pass_(engine.services.settings.history.seconds + 1)
    engine.services.history.drop_old(engine.services.wall())
    masters.note_end("m1")
    assert set((await talker.ask("describe"))["masters"]) == {"m3"}
    assert await talker.ask("list_minions", minions=["db9"]) == []
    client = Follower()
    client.stream.vector.positions.update(m1=Position("epoch-m1", 0), m2=Position("epoch-m2", 1))
    await client.follow(engine)
    log.gone.clear()
    masters["m2"].world.fire("t/2")
    await masters.carry()
    assert client.read() == ["t/2"]
    assert "m2" in (await talker.ask("describe"))["masters"]


async def test_a_client_that_waits_for_a_master_that_is_gone_gets_the_others() -> None:
    """Its position was never read: nothing fails at an event of another master, nor when it is settled."""
    masters = Masters("m1", "m2", "m3")
    masters["m2"].world.fire("t/1")
    await masters.carry()
    client = Follower()
    client.stream.vector.positions.update(
        m1=Position("epoch-m1", 0), m2=Position("epoch-m2", 50), m3=Position("epoch-m3", 0)
    )
    await client.follow(masters["m1"])
    masters["m1"].time.pass_(masters["m1"].services.settings.history.seconds + 1)
    masters["m1"].services.history.drop_old(masters["m1"].services.wall())
    masters.logs["m1"].gone.add("m2")
    masters.note_end("m1", 10)
    masters["m3"].world.fire("t/2")
    masters["m1"].time.pass_(1)
    await masters.read("m1", "m3")
    masters["m3"].time.pass_(1)
    await masters.carry()
    assert client.read() == ["t/2"]
