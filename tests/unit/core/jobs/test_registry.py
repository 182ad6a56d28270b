"""The job registry: events of the master are applied, forged ones change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.events.event import make
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.registry import JobRegistry
from websocket_api.core.jobs.retention import QUIET_SECONDS
from websocket_api.jids import start_time

from tests.unit.core.support import JID, World

RUN = f"salt/run/{JID}"
DONE = {"cmd": "_return", "jid": JID, "fun": "test.ping", "return": True, "retcode": 0, "success": True}


def job(world: World, jid: str = JID) -> Job:
    found = world.jobs.get(jid)
    assert found is not None
    return found


def states(world: World) -> dict[str, str]:
    return {name: part.state for name, part in job(world).parts.items()}


def progress(world: World, minion: str, percent: Any, *, sender: str | None = None, message: Any = "") -> None:
    """Fire a progress report, as ``websocket_api.progress`` does on a minion."""
    tag = f"salt/job/{JID}/prog/{minion}/websocket_api"
    data = {"percent": percent, "message": message}
    world.fire(tag, cmd="_minion_event", id=sender or minion, tag=tag, data=data)


def state_event(world: World, minion: str, number: Any, length: Any) -> None:
    """Fire a state event, as Salt does with ``state_events``: counted from 0, and wrapped twice."""
    tag = f"salt/job/{JID}/prog/{minion}/{number}"
    data = {"data": {"len": length, "ret": {"name": "nginx", "result": True}}}
    world.fire(tag, cmd="_minion_event", id=minion, tag=tag, data=data)


def test_a_published_job_is_known_with_its_minions() -> None:
    """``new`` has the function, the user and the expected minions."""
    world = World()
    world.publish("a", "b", fun="state.apply", arg=("nginx", {"__kwarg__": True, "test": True}), user="ann")
    one = job(world)
    assert (one.kind, one.fun, one.user, one.tgt, one.state) == ("job", "state.apply", "ann", "*", "running")
    assert one.arg == ["nginx", {"__kwarg__": True, "test": True}]
    assert states(world) == {"a": "pending", "b": "pending"}


def test_a_minion_without_a_key_is_missing() -> None:
    """``new`` lists named minions without a key."""
    world = World()
    world.fire(f"salt/job/{JID}/new", fun="test.ping", arg=[], minions=["a"], missing=["gone"], user="root")
    assert states(world) == {"a": "pending", "gone": "missing"}


def test_metadata_is_kept() -> None:
    """The job object has it."""
    world = World()
    world.fire(f"salt/job/{JID}/new", fun="test.ping", arg=[], minions=["a"], metadata={"ticket": "OPS-17"})
    assert job(world).metadata == {"ticket": "OPS-17"}


def test_returns_end_the_job() -> None:
    """After the last return the job is complete, with an end time."""
    world = World()
    world.publish("a", "b")
    world.answer("a")
    world.answer("b", "broken", retcode=1)
    assert states(world) == {"a": "returned", "b": "failed"}
    assert (job(world).state, job(world).end_time is None) == ("failed", False)


@pytest.mark.parametrize(
    ("success", "retcode", "state"),
    [
        ({"test.ping": True, "cmd.run": True}, {"test.ping": 0, "cmd.run": 0}, "complete"),
        ({"test.ping": True, "cmd.run": False}, {"test.ping": 0, "cmd.run": 3}, "failed"),
        ({"test.ping": True, "cmd.run": False}, {"test.ping": 0}, "failed"),  # it raised
        ([True, False], [0, None], "failed"),  # with multifunc_ordered
        ([True, True], [0, 0], "complete"),
    ],
)
def test_a_compound_command_is_one_job(success: Any, retcode: Any, state: str) -> None:
    """Named as on Salt's command line; it failed if one of its functions did."""
    world = World()
    new = {"fun": ["test.ping", "cmd.run"], "arg": [[], ["id"]], "tgt": "*", "tgt_type": "glob", "user": "root"}
    world.fire(f"salt/job/{JID}/new", minions=["a"], missing=[], **new)
    assert (job(world).fun, job(world).arg, job(world).state) == ("test.ping,cmd.run", [[], ["id"]], "running")
    world.answer("a", {"test.ping": True, "cmd.run": "x"}, success=success, retcode=retcode, fun=new["fun"])
    assert (job(world).state, job(world).ended) == (state, True)


def test_a_list_of_one_function_is_that_function() -> None:
    """With its own arguments."""
    world = World()
    world.fire(f"salt/job/{JID}/new", minions=["a"], fun=["cmd.run"], arg=[["id"]], tgt="*", tgt_type="glob")
    assert (job(world).fun, job(world).arg) == ("cmd.run", ["id"])


@pytest.mark.parametrize("fun", [[], [5], {}, None, ["test.ping", None]])
def test_a_malformed_function_is_unknown(fun: Any) -> None:
    """In the event of any sender."""
    world = World()
    world.fire(f"salt/job/{JID}/new", minions=["a"], fun=fun, arg=[[]], tgt="*", tgt_type="glob")
    assert (job(world).fun, job(world).state) == (None, "unknown")


def test_a_return_before_new_is_kept() -> None:
    """A fast minion may answer before the announcement is read."""
    world = World()
    world.answer("a")
    assert job(world).state == "unknown"
    world.publish("a", "b")
    assert states(world) == {"a": "returned", "b": "pending"}
    assert job(world).state == "running"


def test_the_function_of_a_return_is_not_believed() -> None:
    """Only the master names the function: a minion could name any."""
    world = World()
    world.answer("a", fun="test.ping")
    assert job(world).fun is None
    world.publish("a", fun="cmd.run")
    world.answer("a", fun="test.ping")
    assert job(world).fun == "cmd.run"


FORGED: dict[str, tuple[str, dict[str, Any]]] = {
    "a return in another's name": (f"salt/job/{JID}/ret/b", {**DONE, "id": "a"}),
    "a return that a minion fired as an event": (
        f"salt/job/{JID}/ret/a",
        {"cmd": "_minion_event", "id": "a", "data": DONE},
    ),
    "a return that nobody checked": (f"salt/job/{JID}/ret/a", {**DONE, "id": "a", "cmd": "other"}),
    "a job that a minion announces": (
        f"salt/job/{JID}/new",
        {"cmd": "_minion_event", "id": "a", "data": {"fun": "cmd.run", "minions": ["a"], "user": "root"}},
    ),
    "progress in another's name": (
        f"salt/job/{JID}/prog/b/websocket_api",
        {"cmd": "_minion_event", "id": "a", "data": {"percent": 50}},
    ),
    "progress of a minion that the job does not target": (
        f"salt/job/{JID}/prog/stranger/websocket_api",
        {"cmd": "_minion_event", "id": "stranger", "data": {"percent": 50}},
    ),
}


@pytest.mark.parametrize(("tag", "data"), FORGED.values(), ids=FORGED)
def test_forged_events_change_nothing(tag: str, data: dict[str, Any]) -> None:
    """A minion can fire any tag, but cannot change other minions' parts or act as the master."""
    world = World()
    world.publish("a", "b")
    changes: list[Any] = []
    world.jobs.on_change(lambda one, minions: changes.append(minions))
    world.fire(tag, **data)
    assert states(world) == {"a": "pending", "b": "pending"}
    assert (job(world).fun, job(world).user, changes) == ("test.ping", "root", [])


def test_forged_runners_change_nothing() -> None:
    """A minion can neither announce nor end a runner."""
    world = World()
    world.fire(f"{RUN}/new", fun="runner.manage.up", user="ann", jid=JID)
    world.fire(f"{RUN}/ret", cmd="_minion_event", id="a", data={"fun": "runner.x.y", "return": 1, "success": True})
    assert (job(world).fun, job(world).state) == ("manage.up", "running")


def test_a_minion_reports_the_progress_of_its_part() -> None:
    """With a percentage and a message."""
    world = World()
    world.publish("a", "b")
    progress(world, "a", 40, message="unpacking")
    part = job(world).parts["a"]
    assert (part.state, part.progress, part.message) == ("running", 40.0, "unpacking")


def test_progress_by_state_events() -> None:
    """States are counted from 0; the name of the last one is the message."""
    world = World()
    world.publish("a")
    state_event(world, "a", 2, 4)
    part = job(world).parts["a"]
    assert (part.progress, part.message) == (75.0, "nginx")


@pytest.mark.parametrize(
    ("number", "length"),
    [("x", 4), ("", 4), (1, 0), (1, "4"), (1, None), ("²", 4), ("9" * 5000, 4), ("9" * 400, 4), (1, True)],
)
def test_malformed_state_events_are_ignored(number: Any, length: Any) -> None:
    """The next event is applied as usual."""
    world = World()
    world.publish("a")
    state_event(world, "a", number, length)
    assert job(world).parts["a"].progress in (0.0, 100.0)
    world.answer("a")
    assert job(world).state == "complete"


@pytest.mark.parametrize("percent", [None, "50", [50], {}, float("nan"), True])
def test_malformed_progress_is_ignored(percent: Any) -> None:
    """Only numbers count."""
    world = World()
    world.publish("a")
    progress(world, "a", percent, message=17)
    assert job(world).parts["a"].progress in (0.0, 1.0)
    assert job(world).parts["a"].message is None


def test_a_runner_is_followed_from_start_to_end() -> None:
    """A runner is a job without minions; its function is shown without the client's name."""
    world = World()
    world.fire(f"{RUN}/new", fun="runner.manage.up", fun_args=["x", {"timeout": 5}], user="ann", jid=JID)
    one = job(world)
    assert (one.kind, one.fun, one.user, one.state) == ("runner", "manage.up", "ann", "running")
    assert one.arg == ["x", {"timeout": 5}]
    world.fire(f"{RUN}/ret", fun="runner.manage.up", user="ann", **{"return": ["a"]}, success=True, jid=JID)
    assert (one.state, one.value) == ("complete", ["a"])


def test_a_wheel_fails_by_its_success_field() -> None:
    """Its own ``success`` counts."""
    world = World()
    world.fire(f"salt/wheel/{JID}/ret", fun="wheel.key.accept", user="ann", **{"return": "no"}, success=False, jid=JID)
    assert (job(world).kind, job(world).fun, job(world).state) == ("wheel", "key.accept", "failed")


def test_listeners_get_each_change_once() -> None:
    """With the minions whose parts changed."""
    world = World()
    changed: list[tuple[str, ...]] = []
    world.jobs.on_change(lambda one, minions: changed.append(minions))
    world.publish("a", "b")
    world.answer("a")
    progress(world, "b", 10)
    world.jobs.give_up(job(world), ["a", "b"], "missing")
    world.jobs.give_up(job(world), ["a", "b"], "missing")
    assert changed == [(), ("a",), ("b",), ("b",)]


@pytest.mark.parametrize("first", ["bus", "reply"])
def test_a_job_started_here_belongs_to_its_session(first: str) -> None:
    """User and eauth are those of the session, whether the event or the reply comes first."""
    world = World()
    load = {"fun": "test.ping", "arg": [], "tgt": "*", "tgt_type": "glob", "minions": ["a"], "missing": ["gone"]}
    if first == "bus":
        world.publish("a", user="somebody")
        world.answer("a")
    world.jobs.add_started(JID, load, "ann", "ldap")
    if first == "reply":
        world.publish("a", user="somebody")
        world.answer("a")
    assert (job(world).user, job(world).eauth) == ("ann", "ldap")
    assert states(world) == {"a": "returned", "gone": "missing"}
    assert job(world).ended


def test_a_cached_job_is_kept_in_memory() -> None:
    """For the next request."""
    world = World()
    old = Job(JID, fun="test.ping")
    assert world.jobs.add_cached(old) is old
    assert world.jobs.get(JID) is old


def test_a_job_from_the_bus_is_not_replaced_from_the_cache() -> None:
    """It is newer than the record."""
    world = World()
    world.publish("a")
    assert world.jobs.add_cached(Job(JID, fun="test.ping")) is job(world)
    assert states(world) == {"a": "pending"}


def test_returns_without_a_job_are_completed_from_the_cache() -> None:
    """Of a job from before the start only returns were read: the record replaces them, also in the counts."""
    world = World()
    world.answer("a")
    known = Job(JID, fun="test.ping", size=7)
    assert world.jobs.add_cached(known) is known
    assert world.jobs._bytes == world.jobs.get(JID).memory >= 7  # type: ignore[union-attr]


def test_jobs_are_listed_newest_first_without_internal_ones() -> None:
    """Salt's ``find_job`` is not a job that users look for."""
    world = World()
    jids = [f"2026112312000000000{number}" for number in (2, 1, 3)]
    for jid, fun in zip(jids, ("test.ping", "saltutil.find_job", "cmd.run"), strict=True):
        world.fire(f"salt/job/{jid}/new", fun=fun, arg=[], minions=["a"])
    assert [one.fun for one in world.jobs.newest_first()] == ["cmd.run", "test.ping"]


def jid_of(number: int) -> str:
    return f"20261123{number:012d}"


def end(registry: JobRegistry, number: int) -> None:
    """Fire the end of the runner with this number."""
    done = {"fun": "runner.manage.up", "return": None, "success": True}
    registry.apply(*make(1, f"salt/run/{jid_of(number)}/ret", done, 0.0))


def numbers(registry: JobRegistry) -> list[int]:
    """Return the numbers of the known jobs."""
    return [number for number in range(1000) if registry.get(jid_of(number))]


def test_ended_jobs_are_dropped_first() -> None:
    """Over the limit, the oldest ended jobs are dropped; running ones stay."""
    world = World()
    registry = JobRegistry(max_jobs=3, clock=world.time)
    for number in range(6):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
        if number in (1, 3, 4):
            end(registry, number)
    assert [jid for jid in map(jid_of, range(6)) if registry.get(jid)] == [jid_of(number) for number in (0, 2, 5)]


def test_jobs_that_never_end_are_limited_too() -> None:
    """At twice the limit running jobs are dropped too."""
    world = World()
    registry = JobRegistry(max_jobs=3, clock=world.time)
    for number in range(50):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
    assert len(registry) <= 6
    assert registry.get(jid_of(49)) is not None


def test_jobs_that_just_ended_are_kept_among_jobs_that_never_end() -> None:
    """A quarter of the registry is for ended jobs."""
    world = World()
    registry = JobRegistry(max_jobs=40, clock=world.time)
    for number in range(40):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
    for number in range(40, 100):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
        end(registry, number)
    assert numbers(registry) == [*range(40), *range(90, 100)]


def test_quiet_jobs_that_never_end_are_dropped_before_ended_ones() -> None:
    """Running jobs with recent changes stay."""
    world = World()
    registry = JobRegistry(max_jobs=40, clock=world.time)
    for number in range(40):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
    world.time.pass_(QUIET_SECONDS + 1)
    registry.add_called("runner", jid_of(3), "manage.up", "ann", "pam")
    for number in range(40, 70):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
        end(registry, number)
    assert numbers(registry) == [3, *range(11, 40), *range(60, 70)]


def test_a_needed_job_is_not_dropped() -> None:
    """Whether or not it has ended, and however many jobs follow."""
    world = World()
    registry = JobRegistry(max_jobs=3, clock=world.time)
    registry.needed_by(lambda jid: jid in (jid_of(0), jid_of(1)))
    for number in range(200):
        registry.add_called("runner", jid_of(number), "manage.up", "ann", "pam")
        if number % 3:
            end(registry, number)
    assert {0, 1, 199} <= set(numbers(registry))
    assert len(registry) <= 8


def test_find_job_is_dropped_before_running_jobs() -> None:
    """A minion that is gone never answers it."""
    world = World()
    registry = JobRegistry(max_jobs=10, clock=world.time)
    for number in range(100):
        fun = "test.ping" if number < 8 else "saltutil.find_job"
        jid = jid_of(number)
        stamp = start_time(jid)
        registry.apply(
            *make(1, f"salt/job/{jid}/new", {"fun": fun, "arg": [], "minions": ["gone"], "_stamp": stamp}, 0.0)
        )
    assert numbers(registry) == [*range(8), 98, 99]


def test_the_bytes_of_returns_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large returns push out old jobs, also returns of unannounced jobs."""
    monkeypatch.setattr("websocket_api.core.jobs.store.MAX_BYTES", 10_000)
    world = World()
    for number in range(100):
        jid = jid_of(number)
        data = {**DONE, "jid": jid, "id": "a", "return": "x" * 1000}
        world.fire(f"salt/job/{jid}/ret/a", **data)
    assert world.jobs._bytes <= 25_000
    assert world.jobs._bytes == sum(one.memory for one in world.jobs._jobs.values())


@pytest.mark.parametrize(
    "load",
    [
        {"arg": [[{}] * 1000]},
        {"arg": [], "tgt": ["gone"] * 1000},
        {"arg": [], "metadata": {"a": [[]] * 1000}},
        {"arg": [], "missing": [f"gone{number}" for number in range(200)]},
    ],
    ids=["arguments", "target", "metadata", "missing minions"],
)
@pytest.mark.parametrize("here", [True, False], ids=["started here", "announced on the bus"])
def test_the_bytes_of_arguments_are_limited(monkeypatch: pytest.MonkeyPatch, load: dict[str, Any], here: bool) -> None:
    """A user with one function could fill the memory with arguments; small values take far more than their text."""
    monkeypatch.setattr("websocket_api.core.jobs.store.MAX_BYTES", 1_000_000)
    world = World()
    for number in range(100):
        jid = jid_of(number)
        asked = {"fun": "test.arg", "tgt": "a", "minions": ["a"], **load}
        if here:
            world.jobs.add_started(jid, asked, "ann", "pam")
        world.fire(f"salt/job/{jid}/new", **asked)
        world.fire(f"salt/job/{jid}/ret/a", **{**DONE, "jid": jid, "id": "a"})
    assert len(world.jobs) < 40
    assert world.jobs._bytes == sum(one.memory for one in world.jobs._jobs.values())


def test_a_return_of_an_untargeted_minion_is_ignored() -> None:
    """Any minion can return for any jid; only behind a syndic the master does not name all minions."""
    world = World()
    jid = world.publish("web1")
    world.answer("stranger", False, retcode=1)
    job = world.jobs.get(jid)
    assert job is not None
    assert set(job.parts) == {"web1"}


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_returns_that_arrive_while_the_job_cache_is_read_count_for_the_size_of_the_job(again: bool) -> None:
    """Snapshots are cut by it. A minion that returns twice counts once."""
    world = World()
    for _ in range(1 + again):
        world.answer("web1", "x" * 1000)
    cached = Job(JID, fun="test.ping", arg=[])
    cached.expect(["web1", "web2"])
    job = world.jobs.add_cached(cached)
    world.jobs.add_returns(job, {"web2": job.parts["web1"]})
    assert job.size == sum(part.size for part in job.parts.values()) > 2000
