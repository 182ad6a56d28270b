"""The Python client on a real master: LocalClient's and SaltEvent's verbs give what Salt's own classes give.

Each test runs twice, with the blocking client and with the asyncio client.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")

from salt_live import AsyncClient, Client, Event, LiveMapping, Unknown

from tests.support.cutting_proxy import CuttingProxy
from tests.support.gates import MINION, Gate
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECONDS = 60.0  # limit for an event or a change on a loaded machine
BOTH = {"minion-1", "minion-2"}
NUMBERS = itertools.count(1)


class Awaited:
    """An object of the asyncio client that is used as the blocking one: its coroutines run on a loop in a thread.

    :param found: the object
    :param loop: runs in another thread
    """

    def __init__(self, found: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._found, self._loop = found, loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._found, name)
        if name in ("runner", "wheel"):
            return Awaited(found, self._loop)
        return self._call(found) if callable(found) else found

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def _call(self, method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            made = method(*arguments, **named)
            if inspect.isasyncgen(made):
                return self._iterate(made)
            if not inspect.isawaitable(made):
                return made
            result = self._wait(made)
            return Awaited(result, self._loop) if isinstance(result, LiveMapping) else result

        return call

    def _wait(self, made: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(made, self._loop).result(SECONDS)

    def _iterate(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._wait(items.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            self._wait(items.aclose())


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in another thread."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


@pytest.fixture(params=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two clients."""
    return str(request.param)


def opened(kind: str, url: str, loop: asyncio.AbstractEventLoop) -> Any:
    if kind == "blocking":
        return Client(url, username="demo", password="demo")
    return Awaited(AsyncClient(url, username="demo", password="demo"), loop)


@pytest.fixture
def client(kind: str, engine_url: str, loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    """A client of the user with all permissions."""
    made = opened(kind, engine_url, loop)
    made.connect()
    yield made
    made.close()


@pytest.fixture
def proxy(engine_url: str, engine_port: int) -> Iterator[CuttingProxy]:
    """A network between client and engine."""
    with CuttingProxy(engine_port) as made:
        yield made


@pytest.fixture
def far(kind: str, proxy: CuttingProxy, loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    """A client behind the proxy."""
    made = opened(kind, proxy.url, loop)
    made.connect()
    yield made
    made.close()


@pytest.fixture
def theirs(salt_master: Any, salt_minions: Any) -> Any:
    """Salt's own LocalClient."""
    import salt.client

    return salt.client.LocalClient(mopts=dict(salt_master.config))


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What LocalClient returned for a call."""
    return {}


@pytest.fixture
def tag() -> str:
    """The start of tags that no other test uses."""
    return f"verbs/{next(NUMBERS)}/"


# LocalClient


CALLS: list[dict[str, Any]] = [
    {"tgt": "*", "fun": "test.ping"},
    {"tgt": ["minion-1", "minion-2"], "fun": "test.ping", "tgt_type": "list"},
    {"tgt": "minion-1,minion-2", "fun": "test.ping", "tgt_type": "list"},
    {"tgt": "os:*", "fun": "test.ping", "tgt_type": "grain"},
    {"tgt": "minion-1 or minion-2", "fun": "test.ping", "tgt_type": "compound"},
    {"tgt": "minion-1", "fun": "test.arg", "arg": [1, "two", "a=3", {"b": [None, True]}]},
    {"tgt": "minion-1", "fun": "test.kwarg", "kwarg": {"a": 1, "b": "2"}},
    {"tgt": "minion-1", "fun": "test.arg", "arg": ["x=1"], "kwarg": {"y": 2}},
    {"tgt": "minion-1", "fun": "test.echo", "arg": ["é \u2028 日本"]},
    {"tgt": "minion-1", "fun": "cmd.run", "arg": ["exit 3"], "full_return": True},
    {"tgt": "minion-1", "fun": "test.retcode", "arg": [4], "full_return": True},
    {"tgt": "minion-1", "fun": "no.function", "full_return": True},
    {"tgt": "minion-1", "fun": "test.exception"},
    {"tgt": "*", "fun": "test.ping", "timeout": 30},
]


PUBLISHED = ("__pub_jid", "__pub_pid", "__pub_user", "__pub_metadata", "metadata")
"""What a function sees of its job: ours has another user, and a mark in its metadata."""


def plain(returns: Any) -> Any:
    """Return returns as JSON holds them, without what differs between two jobs or users, and our `success`."""
    if isinstance(returns, dict):
        return {key: plain(value) for key, value in returns.items() if key not in ("jid", "success", *PUBLISHED)}
    if isinstance(returns, list | tuple):
        return [plain(item) for item in returns]
    if isinstance(returns, str) and returns.startswith("The minion function caused an exception"):
        return returns.splitlines()[0]
    return returns


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call['fun']}-{len(call)}-{call['tgt']}")
def test_cmd_returns_what_localclient_returns(
    client: Any, theirs: Any, expected: dict[str, Any], call: dict[str, Any]
) -> None:
    key = repr(call)
    if key not in expected:  # once for both clients
        expected[key] = plain(theirs.cmd(**call))
    assert plain(client.cmd(**call)) == expected[key]


def test_cmd_is_false_for_a_minion_without_a_return(engine_url: str, away: str) -> None:
    """LocalClient has a sentence for people in its place."""
    with Client(engine_url, username="demo", password="demo") as client:
        found = client.cmd(["minion-1", away], "test.ping", tgt_type="list", timeout=20)
    assert found == {"minion-1": True, away: False}


def test_run_job_and_cmd_async_return_as_localclient_does(client: Any, theirs: Any) -> None:
    ours, salts = client.run_job("*", "test.ping"), theirs.run_job("*", "test.ping")
    assert set(ours) == set(salts) == {"jid", "minions"}
    assert set(ours["minions"]) == set(salts["minions"]) == BOTH
    jid = client.cmd_async("*", "test.ping")
    assert len(jid) == len(theirs.cmd_async("*", "test.ping")) == 20
    assert set(itertools.chain(*client.get_iter_returns(jid))) == BOTH


def test_cmd_iter_yields_each_return_as_it_comes(client: Any, gate: Gate) -> None:
    """The minions return in an order that the test chooses, the second one only after the first was yielded."""
    script = gate.script(f"echo {MINION}", MINION)
    kwarg = {"template": "jinja", "python_shell": True}
    returns = client.cmd_iter("minion-*", "cmd.run", [script], kwarg=kwarg, yield_pub_data=True)
    assert set(next(returns)["minions"]) == BOTH
    for minion in ("minion-2", "minion-1"):
        gate.open(minion)
        (found,) = next(returns).items()
        assert (found[0], found[1]["ret"], found[1]["retcode"]) == (minion, minion, 0)
    assert list(returns) == []


def test_cmd_iter_has_the_fields_of_localclient(client: Any, theirs: Any) -> None:
    ours = {key: value for item in client.cmd_iter("*", "test.ping") for key, value in item.items()}
    salts = {key: value for item in theirs.cmd_iter("*", "test.ping") for key, value in item.items()}
    assert set(ours) == set(salts) == BOTH
    for minion, part in salts.items():
        assert {name: ours[minion].get(name) for name in ("ret", "retcode")} == {
            name: part[name] for name in ("ret", "retcode")
        }
        assert set(part) <= {*ours[minion], "out", "_stamp"}


@pytest.mark.parametrize("size", [1, "50%", "100%"])
def test_cmd_batch_yields_what_localclient_yields(client: Any, theirs: Any, size: str | int) -> None:
    ours = list(client.cmd_batch("*", "test.echo", ["x"], batch=size))
    salts = list(theirs.cmd_batch("*", "test.echo", ["x"], batch=size))
    assert sorted(map(repr, ours)) == sorted(map(repr, salts))


def test_runners_and_wheels_return_as_salts_clients_do(client: Any, salt_master: Any) -> None:
    import salt.runner
    import salt.wheel

    runners = salt.runner.RunnerClient(dict(salt_master.config))
    call: dict[str, Any] = {"fun": "test.arg", "arg": [1, "two"], "kwarg": {"a": 3}, "print_event": False}
    assert plain(client.runner.cmd(**call)) == plain(runners.cmd(**call))
    full, salts = client.runner.cmd(**call, full_return=True), runners.cmd(**call, full_return=True)
    assert (plain(full["return"]), full["success"]) == (plain(salts["return"]), salts["success"])
    wheels = salt.wheel.WheelClient(dict(salt_master.config))
    assert client.wheel.cmd("key.list_all") == wheels.cmd("key.list_all", print_event=False)
    started = client.runner.cmd_async("test.arg")
    assert started["tag"] == f"salt/run/{started['jid']}"


# Live data, progress, batches


def test_the_mapping_of_jobs_shows_a_job_from_start_to_end(client: Any, gate: Gate) -> None:
    jobs = client.jobs()
    with pytest.raises(TypeError):
        jobs["1"] = {}
    jid = client.cmd_async("minion-1", "cmd.run", [gate.script()])
    wait_until(lambda: jid in jobs and jobs[jid]["state"] == "running", "the job in the mapping", SECONDS)
    version = jobs.version
    gate.open()
    while jobs[jid]["state"] == "running":
        version = jobs.changed(version)
    assert (jobs[jid]["state"], jobs[jid]["done"], jobs[jid]["total"]) == ("complete", 1, 1)
    assert jobs.live
    jobs.close()
    assert jid in jobs


def test_the_mapping_of_minions_follows_keys(client: Any, salt_master: Any) -> None:
    """A key that is accepted appears, and disappears when it is deleted."""
    keys = Path(salt_master.config["pki_dir"])
    minions = client.minions(grains=["os"])
    assert set(minions) >= BOTH
    wait_until(lambda: minions["minion-1"]["connected"], "the connected minion", SECONDS)
    assert set(minions["minion-1"]["grains"]) == {"os"}
    shutil.copy(keys / "minions" / "minion-1", keys / "minions_pre" / "fresh")
    try:
        client.wheel.cmd("key.accept", ["fresh"])
        wait_until(lambda: "fresh" in minions, "the accepted key in the mapping", SECONDS)
    finally:
        client.wheel.cmd("key.delete", ["fresh"])
    wait_until(lambda: "fresh" not in minions, "the deleted key gone from the mapping", SECONDS)
    minions.close()
    connected = client.minions(connected=True)
    wait_until(lambda: set(connected) == BOTH, "both minions connected", SECONDS)


def test_follow_yields_progress_until_the_end(client: Any, gate: Gate) -> None:
    jid = client.cmd_async("*", "cmd.run", [gate.script("echo x")])
    progress = client.follow(jid)
    first = next(progress)
    assert (first.jid, first.state, first.ended) == (jid, "running", False)
    gate.open()
    last = list(progress)[-1]
    assert (last.state, last.ended, last.job["done"]) == ("complete", True, 2)
    again = list(client.follow(jid))
    assert {minion: part["return"] for minion, part in again[-1].minions.items()} == dict.fromkeys(BOTH, "x")
    (without,) = client.follow(jid, without_return=True)
    assert all("return" not in part for part in without.minions.values())


def test_follow_ends_after_seconds_without_news(client: Any, gate: Gate) -> None:
    jid = client.cmd_async("minion-1", "cmd.run", [gate.script()])
    assert [progress.ended for progress in client.follow(jid, timeout=3)][-1] is False


def test_a_batch_runs_and_is_followed(client: Any) -> None:
    created = client.batch(
        [{"fun": "test.echo", "arg": ["x"], "tgt": "minion-*"}, {"fun": "test.ping", "tgt": "minion-1"}], concurrency=1
    )
    ended = {}
    for progress in client.follow_batch(created["id"]):
        ended.update({part["id"]: part for part in progress.requests})
    assert progress.ended
    assert progress.batch["status"] == "resolved"
    assert sorted((part["minion"], part["fun"], part["result"]) for part in ended.values()) == [
        ("minion-1", "test.echo", "x"),
        ("minion-1", "test.ping", True),
        ("minion-2", "test.echo", "x"),
    ]


@pytest.mark.parametrize("operation", ["cmd", "runner", "wheel", "batch"])
def test_a_command_of_unknown_outcome_is_looked_up(far: Any, client: Any, proxy: CuttingProxy, operation: str) -> None:
    """The engine has run it; only its reply was lost. It was run once."""
    word = f"once-{time.time_ns()}"
    call: Any = {
        "cmd": lambda: far.run_job("minion-1", "test.echo", [word]),
        "runner": lambda: far.runner.cmd_async("test.arg", [word]),
        "wheel": lambda: far.wheel.cmd_async("key.name_match", [word]),
        "batch": lambda: far.batch([{"fun": "test.echo", "arg": [word], "tgt": "minion-1"}]),
    }[operation]
    proxy.cut_at_answer()
    with pytest.raises(Unknown) as caught:
        call()
    assert caught.value.request["type"] == operation
    found = far.look_up(caught.value)
    if operation == "batch":
        with_word = [
            item for item in found if word in str(client.request("get_batch", batch=item["id"], collection=True))
        ]
        assert len(with_word) == 1
        return
    jid = found[0]["jid"]
    wait_until(lambda: client.get_job(jid)["state"] != "running", "the end of the command", SECONDS)
    same = client.list_jobs(fun=client.get_job(jid)["fun"])
    assert [item["jid"] for item in same if word in str(client.get_job(item["jid"]))] == [jid]
    assert far.state == "open"


def test_look_up_of_what_was_never_received_finds_nothing(far: Any) -> None:
    request = {"type": "cmd", "fun": "test.ping", "tgt": "*", "metadata": {"salt_live_request": "0" * 32}}
    assert far.look_up(Unknown(request, time.time())) == []


# SaltEvent


@pytest.mark.parametrize("verb", ["fire_event", "fire_master"])
def test_a_fired_event_reaches_salts_own_bus(client: Any, bus: Any, tag: str, verb: str) -> None:
    client.get_event(no_block=True)  # it listens from here on
    bus.get_event(no_block=True)
    data = {"a": [1, {"b": None}], "text": "é"}
    assert getattr(client, verb)(data, tag + verb) is True
    salts = bus.get_event(wait=SECONDS, tag=tag, full=True)
    ours = client.get_event(wait=SECONDS, tag=tag, full=True)
    assert ours == salts
    assert (ours["tag"], ours["data"]["a"], ours["data"]["text"]) == (tag + verb, data["a"], "é")


def test_data_that_is_no_dict_is_refused_as_salt_does(client: Any, bus: Any) -> None:
    with pytest.raises(ValueError, match="Dict object expected") as ours:
        client.fire_event("Message to be sent", "tag")
    with pytest.raises(ValueError, match="Dict object expected") as salts:
        bus.fire_event("Message to be sent", "tag")
    assert str(ours.value) == str(salts.value)


@pytest.mark.parametrize(
    ("match_type", "search", "other"),
    [
        (None, "{}one", "x/{}one"),
        ("startswith", "{}one", "x/{}one"),
        ("endswith", "{}one", "{}one/x"),
        ("find", "{}on", "{}two"),
        ("regex", r"{}\w+$", "{}one/x"),
        ("fnmatch", "{}*e", "{}two"),
    ],
)
def test_get_event_matches_as_salt_does(
    client: Any, bus: Any, tag: str, match_type: str | None, search: str, other: str
) -> None:
    """An event that does not match is passed over."""
    client.get_event(no_block=True)
    bus.get_event(no_block=True)
    bus.fire_event({"n": 1}, other.format(tag))
    bus.fire_event({"n": 2}, f"{tag}one")
    options: dict[str, Any] = {"wait": SECONDS, "tag": search.format(tag), "full": True, "match_type": match_type}
    ours = client.get_event(**options)
    assert (ours["tag"], ours["data"]["n"]) == (f"{tag}one", 2)
    assert ours == bus.get_event(**options)


def test_get_event_returns_none_when_the_time_is_over(client: Any, tag: str) -> None:
    assert client.get_event(wait=0.2, tag=tag) is None
    assert client.get_event(tag=tag, no_block=True) is None


def test_subscribe_keeps_events_for_later_as_salt_does(client: Any, bus: Any, tag: str) -> None:
    seen = []
    for side in (client, bus):
        side.subscribe(f"{tag}kept/")
        side.subscribe(f"{tag}dropped/")
        side.get_event(no_block=True)
    for name in ("kept/1", "dropped/1", "lost/1", "wanted/1", "kept/2", "wanted/2"):
        bus.fire_event({}, tag + name)
    for side in (client, bus):
        found = [side.get_event(wait=SECONDS, tag=f"{tag}wanted/2", full=True)["tag"]]
        side.unsubscribe(f"{tag}dropped/")
        for name in ("kept/", "dropped/", "lost/", "kept/"):
            event = side.get_event(wait=0.5, tag=tag + name, full=True)
            found.append(event and event["tag"])
        seen.append(found)
    assert seen[0] == [f"{tag}wanted/2", f"{tag}kept/1", None, None, f"{tag}kept/2"]
    assert seen[0] == seen[1]


def test_an_event_handler_is_called_with_each_event(client: Any, bus: Any, tag: str) -> None:
    found: list[Event] = []
    client.set_event_handler(found.append)
    for number in range(5):
        bus.fire_event({"n": number}, f"{tag}{number}")
    wait_until(lambda: sum(event.tag.startswith(tag) for event in found) == 5, "five calls", SECONDS)
    tags_and_data = [tuple(event) for event in found if event.tag.startswith(tag)]
    assert [(name, data["n"]) for name, data in tags_and_data] == [(f"{tag}{number}", number) for number in range(5)]


@pytest.mark.parametrize("auto_reconnect", [False, True])
def test_iter_events_goes_on_after_a_lost_connection(
    far: Any, bus: Any, proxy: CuttingProxy, tag: str, auto_reconnect: bool
) -> None:
    """No event is lost, whatever ``auto_reconnect`` says."""
    far.get_event(no_block=True)
    events = far.iter_events(tag=tag, full=True, auto_reconnect=auto_reconnect)
    bus.fire_event({"n": 0}, f"{tag}0")
    assert next(events)["tag"] == f"{tag}0"
    proxy.cut()
    for number in range(1, 4):
        bus.fire_event({"n": number}, f"{tag}{number}")
    assert [next(events)["data"]["n"] for _ in range(3)] == [1, 2, 3]
    events.close()
