"""Jobs of a master of masters: minions below are expected once they are named, and their returns count."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.jobs.job import Job

from tests.unit.core.support import ANSWER_SECONDS, JID, NAME_SECONDS, World

OTHER_JID = "20261123120000000002"


def upper() -> World:
    """A master with the minion ``near`` and the syndic ``low``."""
    world = World(syndics=True)
    world.minions.read_keys({"near": "accepted", "low": "accepted"}, ["low"])
    return world


def job(world: World) -> Job:
    found = world.jobs.get(JID)
    assert found is not None
    return found


def states(world: World) -> dict[str, str]:
    return {name: part.state for name, part in job(world).parts.items()}


def publish(world: World, tgt: Any, tgt_type: str, *minions: str, fun: str = "test.ping", missing: Any = ()) -> None:
    """What the upper master fires: only the minions that it knows itself."""
    new = {"tgt": tgt, "tgt_type": tgt_type, "fun": fun, "arg": [], "user": "ann"}
    world.fire(f"salt/job/{JID}/new", minions=list(minions), missing=list(missing), jid=JID, **new)


def name(world: World, *minions: str, tag: str = f"syndic/low/salt/job/{JID}/new") -> None:
    """What a syndic passes on of the job that the lower master published."""
    world.fire(tag, minions=list(minions), missing=[], jid=JID, fun="test.ping", user="root")


def passed_on(world: World, minion: str, **changed: Any) -> None:
    """The event that Salt's master makes of a syndic's return."""
    data = {"jid": JID, "id": minion, "return": True, "retcode": 0, "success": True, "fun_args": [], "fun": "test.ping"}
    world.fire(f"salt/job/{JID}/ret/{minion}", **{**data, **changed})


def wait(world: World, seconds: float) -> None:
    world.time.pass_(seconds)
    world.jobs.end_gathering()


def test_a_return_from_below_counts() -> None:
    """It has no ``cmd``; Salt's own clients count it too."""
    world = upper()
    publish(world, "*", "glob", "near", "low")
    passed_on(world, "m1", retcode=2, success=False)
    assert states(world) == {"near": "pending", "m1": "failed"}
    assert job(world).parts["m1"].retcode == 2


@pytest.mark.parametrize(
    ("why", "tgt", "tgt_type", "minion", "changed"),
    [
        ("direct minions return by themselves", "*", "glob", "near", {}),
        ("the id is another one than in the tag", "*", "glob", "m1", {"id": "m2"}),
        ("the jid is another one than in the tag", "*", "glob", "m1", {"jid": OTHER_JID}),
        ("a minion's own event cannot be a return", "*", "glob", "m1", {"cmd": "_minion_event"}),
        ("there is no return", "*", "glob", "m1", {"return": None, "drop": "return"}),
        ("the list has other ids", ["m2"], "list", "m1", {}),
        ("the glob matches other ids", "web*", "glob", "m1", {}),
    ],
)
def test_what_no_syndic_passed_on_changes_nothing(
    why: str, tgt: Any, tgt_type: str, minion: str, changed: dict[str, Any]
) -> None:
    """Any minion can send what only a syndic should, but not in the name of these."""
    world = upper()
    publish(world, tgt, tgt_type, "near")
    before = states(world)
    data = {"jid": JID, "id": minion, "return": True, "retcode": 0, "success": True, **changed}
    data.pop(str(data.pop("drop", "")), None)
    world.fire(f"salt/job/{JID}/ret/{minion}", **data)
    assert states(world) == before, why


def test_a_return_from_below_needs_a_job_that_is_announced_here() -> None:
    """A syndic also passes on the returns of jobs that were started at the lower master."""
    world = upper()
    passed_on(world, "m1")
    assert world.jobs.get(JID) is None


def test_without_masters_below_a_return_needs_its_envelope() -> None:
    """Then no syndic exists that could have passed it on."""
    world = World()
    world.publish("web1")
    passed_on(world, "web1")
    passed_on(world, "m1")
    assert states(world) == {"web1": "pending"}


@pytest.mark.parametrize("tag", [f"syndic/low/salt/job/{JID}/new", f"syndic/low/{JID}"])
def test_minions_below_are_expected_once_they_are_named(tag: str) -> None:
    """Salt 3008 passes on ``new``, Salt 3007 the bare jid; without it a job could end with half of its minions."""
    world = upper()
    publish(world, "*", "glob", "near", "low")
    name(world, "m1", "m2", tag=tag)
    assert states(world) == {"near": "pending", "m1": "pending", "m2": "pending"}
    world.answer("near")
    passed_on(world, "m1")
    wait(world, NAME_SECONDS)
    assert job(world).state == "running"
    passed_on(world, "m2")
    assert job(world).state == "complete"


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "named"),
    [("web*", "glob", "m1"), (["m2"], "list", "m1"), ("*", "glob", "near")],
)
def test_a_forged_name_is_not_expected(tgt: Any, tgt_type: str, named: str) -> None:
    """The target excludes it by its id, or it is a minion of this master that the job does not target."""
    world = upper()
    publish(world, tgt, tgt_type)
    before = states(world)
    name(world, named)
    assert states(world) == before


def test_nobody_makes_an_ended_job_run_again_by_naming_minions() -> None:
    """A syndic may be slow, and any minion can send such an event."""
    world = upper()
    publish(world, ["near"], "list", "near")
    world.answer("near")
    name(world, "near", "m1")
    publish(world, "*", "glob", "near")
    assert (job(world).state, states(world)) == ("complete", {"near": "returned"})


def test_a_syndic_is_not_expected_to_return() -> None:
    """It passes jobs on. A minion with the same id may be below it."""
    world = upper()
    publish(world, "*", "glob", "near", "low")
    assert states(world) == {"near": "pending"}
    name(world, "low", "m1")
    passed_on(world, "low")
    assert states(world) == {"near": "pending", "low": "returned", "m1": "pending"}


def test_a_minion_that_returned_is_never_taken_for_a_syndic() -> None:
    """Any minion can send events that look like another one's as a syndic."""
    world = upper()
    publish(world, "*", "glob", "near")
    world.answer("near")
    world.fire("syndic/near/salt/auth", id="x", act="accept", result=True)
    world.minions.read_keys({"near": "accepted", "low": "accepted"}, ["low", "near"])
    name(world, "m1", tag=f"syndic/near/salt/job/{JID}/new")
    assert not world.minions.is_syndic("near")


def test_a_syndic_may_be_a_minion_of_this_master_too() -> None:
    """On one host, with one id. It is expected once it returned by itself."""
    world = upper()
    publish(world, "*", "glob", "near", "low")
    world.answer("low")
    assert states(world) == {"near": "pending", "low": "returned"}
    assert not world.minions.is_syndic("low")
    name(world, "m1")
    assert (states(world)["m1"], list(world.minions.below)) == ("pending", ["m1"])


@pytest.mark.parametrize(
    ("case", "tgt", "tgt_type", "direct", "named", "seconds", "state"),
    [
        ("nobody matches", "zz*", "glob", (), (), NAME_SECONDS + ANSWER_SECONDS, "complete"),
        ("an id that nobody knows", "zz", "glob", (), (), NAME_SECONDS + ANSWER_SECONDS, "complete"),
        ("direct minions only", "*", "glob", ("near",), (), NAME_SECONDS, "complete"),
        ("minions below only", "m*", "glob", (), ("m1",), NAME_SECONDS, "complete"),
        ("all ids of a list", ["near", "m1"], "list", ("near",), ("m1",), 0.0, "complete"),
        ("one id", "m1", "glob", (), ("m1",), 0.0, "complete"),
        ("an unknown id in a list", ["near", "x"], "list", ("near",), (), NAME_SECONDS + ANSWER_SECONDS, "partial"),
        ("a list of unknown ids", ["x"], "list", (), (), NAME_SECONDS + ANSWER_SECONDS, "partial"),
        ("by grain", "os:Debian", "grain", ("near",), ("m1",), NAME_SECONDS, "complete"),
    ],
)
def test_a_job_ends_when_no_further_minion_can_be_named(
    case: str, tgt: Any, tgt_type: str, direct: Any, named: Any, seconds: float, state: str
) -> None:
    """After ``syndic_wait``, and ``gather_job_timeout`` more if a minion is unknown; at once if all ids are known."""
    world = upper()
    ended: list[Job] = []
    world.jobs.on_end(ended.append)
    publish(world, tgt, tgt_type, *direct)
    if named:
        name(world, *named)
    for minion in direct:
        world.answer(minion)
    for minion in named:
        passed_on(world, minion)
    if seconds:
        wait(world, seconds - 0.1)
        assert job(world).state == "running", case
        wait(world, 0.1)
    assert job(world).state == state, case
    assert [one.jid for one in ended] == [JID], "the end is reported once"
    assert world.jobs._gathering is not None
    assert not world.jobs._gathering._since, "nothing stays behind"


def test_unknown_ids_of_a_list_stay_pending_until_the_masters_below_had_their_time() -> None:
    """Salt's upper master calls them missing at once."""
    world = upper()
    publish(world, ["near", "m1", "x"], "list", "near", missing=["m1", "x"])
    assert states(world) == {"near": "pending", "m1": "pending", "x": "pending"}
    name(world, "m1")
    wait(world, NAME_SECONDS + ANSWER_SECONDS)
    assert states(world) == {"near": "pending", "m1": "pending", "x": "missing"}
    passed_on(world, "x")
    assert states(world)["x"] == "returned", "a late return counts"


def test_a_job_that_was_started_here_is_the_same_as_one_on_the_bus() -> None:
    """The reply to the publish may come before its event, or after it."""
    world = upper()
    load = {
        "fun": "test.ping",
        "arg": [],
        "tgt": ["m1", "low"],
        "tgt_type": "list",
        "minions": ["low"],
        "missing": ["m1"],
    }
    world.jobs.add_started(JID, load, "ann", "pam")
    assert states(world) == {"m1": "pending", "low": "pending"}, "a syndic that a list names is shown"
    name(world, "m1")
    publish(world, ["m1", "low"], "list", "low", missing=["m1"])
    passed_on(world, "m1")
    wait(world, NAME_SECONDS + ANSWER_SECONDS)
    assert states(world) == {"m1": "returned", "low": "missing"}
    world.jobs.add_started(JID, load, "ann", "pam")
    assert job(world).state == "partial"


def test_progress_from_below_counts() -> None:
    """A syndic passes on the events of minions with their own tags."""
    world = upper()
    publish(world, "m*", "glob", fun="state.apply")
    name(world, "m1")
    tag = f"salt/job/{JID}/prog/m1/0"
    data = {"data": {"len": 2, "ret": {"name": "nginx", "result": True}}}
    world.fire(tag, cmd="_minion_event", id="m1", tag=tag, data=data)
    assert (states(world), job(world).parts["m1"].progress) == ({"m1": "running"}, 50.0)


def test_a_stored_job_without_minions_ends() -> None:
    """Its time is over when it is read; the syndic is left out of the minions that stand in the job cache."""
    world = upper()
    world.jobs.add_cached(Job(JID, fun="test.ping", tgt="*", tgt_type="glob", user="ann"))
    assert job(world).state == "running"
    world.jobs.end_gathering()
    made = job(world)
    assert (made.state, made.end_reported) == ("running", False), "the clock of this test is before the jid"
    wait(world, 3e9)
    assert job(world).state == "complete"


def test_a_syndic_in_a_stored_job_is_left_out() -> None:
    """Salt stores it among the minions of the job."""
    world = upper()
    stored = Job(JID, fun="test.ping", tgt="*", tgt_type="glob", user="ann")
    stored.expect(["near", "low"])
    stored.apply_return("near", {"return": True, "retcode": 0, "success": True}, 4, 0.0)
    world.jobs.add_cached(stored)
    wait(world, 3e9)
    assert (job(world).state, states(world)) == ("complete", {"near": "returned"})
    assert world.jobs._bytes == job(world).memory
