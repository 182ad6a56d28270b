"""What the next process gets at a reload: events with their numbers, who may see them, jobs and minions."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from websocket_api.core.events.encoding import encode
from websocket_api.core.minions import answers
from websocket_api.errors import ApiError
from websocket_api.hand_over import state as hand_over
from websocket_api.hand_over.channel import FORMAT, HELLO, Channel, HandOverError, Refused
from websocket_api.hand_over.state import Received

from tests.unit.operations.engine import MINIONS, Engine, Talker
from tests.unit.operations.engine import Refused as RefusedReply
from tests.unit.operations.test_answers import SPEC
from tests.unit.operations.test_restart import USERS, VIEWERS, replayed, varied_events
from tests.unit.operations.test_syndics import passed_on, upper


def channels() -> tuple[Channel, Channel]:
    first, second = socket.socketpair()
    return Channel(first), Channel(second)


async def handed_over(one: Engine, during: Any = None) -> Received:
    """Return what the next process gets; ``during()`` is called when the first part has arrived."""
    last, next_ = channels()
    taking = asyncio.ensure_future(asyncio.to_thread(hand_over.take, next_))
    position = await hand_over.offer(last, one.parts)
    if during is not None:
        during()
    await hand_over.give(last, one.parts, position, None)
    received = await taking
    for channel in (last, next_):
        channel.close()
    return received


def successor(one: Engine, received: Received, **options: Any) -> Engine:
    made = Engine(received=received, clock=one.time, **{**USERS, **options})
    made.store.jobs = one.store.jobs
    return made


async def test_events_and_numbers_go_on_in_the_same_epoch() -> None:
    """Also those that come while the history is sent. There is no gap."""
    one = Engine(**USERS)
    for number in range(1_200):
        one.world.fire("my/event", number=number)
    one.services.hub.append_gap()
    received = await handed_over(one, lambda: [one.world.fire("my/event", number=n) for n in range(1_200, 1_210)])
    two = successor(one, received)
    assert (two.services.history.epoch, two.services.history.seq) == (
        one.services.history.epoch,
        one.services.history.seq,
    )
    assert list(two.services.history.after(0)) == list(one.services.history.after(0))
    for engine in (one, two):
        engine.world.fire("my/event", number=1_210)
    assert list(two.services.history.after(0)) == list(one.services.history.after(0))


async def test_events_that_come_while_the_history_is_sent_are_passed_on_once() -> None:
    """The history changes on the event loop while another thread sends it, and drops its oldest entries."""
    one = Engine(**USERS)
    for number in range(2_000):
        one.world.fire("my/event", number=number)
    busy = True

    async def fire() -> None:
        while busy:
            one.world.fire("my/event", number=0)
            await asyncio.sleep(0.001)

    firing = asyncio.ensure_future(fire())
    last, next_ = channels()
    taking = asyncio.ensure_future(asyncio.to_thread(hand_over.take, next_))
    position = await hand_over.offer(last, one.parts)
    busy = False
    await firing
    await hand_over.give(last, one.parts, position, None)
    received = await taking
    for channel in (last, next_):
        channel.close()
    numbers = [entry.seq for entry in received.entries]
    assert numbers == list(range(numbers[0], one.services.history.seq + 1))
    assert numbers[0] <= position.position
    assert received.entries[-1] == list(one.services.history.after(0))[-1]


async def test_each_user_sees_the_same_events_as_before() -> None:
    """What decides about an event is handed over with it, for jobs too."""
    one = Engine(**USERS)
    await varied_events(one)
    two = successor(one, await handed_over(one))
    for user, eauth in VIEWERS:
        assert await replayed(two, user, eauth=eauth) == await replayed(one, user, eauth=eauth), (user, eauth)


async def test_running_jobs_and_minions_are_known() -> None:
    """Returns come from the job cache, the rest from the last process."""
    one = Engine(**USERS)
    root = await one.user("root")
    jid = (await root.ask("cmd", fun="state.apply", tgt="*"))["jid"]
    one.returns(jid, "web1", {"done": True})
    one.world.fire("salt/presence/present", present=["web1", "db"])
    two = successor(one, await handed_over(one))
    job = two.services.jobs.get(jid)
    assert job is not None
    assert (job.user, job.eauth, job.fun) == ("root", "pam", "state.apply")
    assert job.certain, "it runs: no return was missed"
    assert set(job.parts) == set(one.services.jobs.get(jid).parts)  # type: ignore[union-attr]
    found = {name: (minion.connected, minion.seen) for name, minion in one.services.minions.all().items()}
    assert {name: (minion.connected, minion.seen) for name, minion in two.services.minions.all().items()} == found


KINDS = ("minions", "job", "batch")


async def positions(talker: Talker) -> list[dict[str, Any]]:
    """Subscribe to everything, and return the position of each snapshot."""
    for kind in KINDS:
        await talker.ask("subscribe", subscription=kind)
    found = {frame["subscription"]: frame["position"] for frame in talker.frames if frame["type"] == "live"}
    return [found[number] for number in sorted(found)]


async def test_clients_resume_their_snapshots() -> None:
    """They get what changed before the reload and was not sent, what the next process noticed, and nothing else."""
    one = Engine(**USERS)
    one.services.minions.read_grains({name: {"os": "Debian"} for name in one.services.minions.all()})
    root = await one.user("root")
    jid = (await root.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    since = await positions(root)
    one.services.minions.read_grains({"web1": {"os": "Ubuntu"}})
    received = await handed_over(one, lambda: one.services.minions.read_grains({"web2": {"os": "Arch"}}))
    two = successor(one, received)
    grains = {"web1": {"os": "Ubuntu"}, "web2": {"os": "Arch"}, "db": {"os": "Debian"}}
    assert {name: minion.grains for name, minion in two.services.minions.all().items()} == grains
    two.services.minions.read_grains(grains)  # as the next process does at its start
    again = await two.user("root")
    for kind, position in zip(KINDS, since, strict=True):
        assert (await again.ask("subscribe", subscription=kind, since=position))["recovered"]
    frames = [frame for frame in again.frames if frame["type"] != "live"]
    assert [(frame["type"], set(frame["minions"])) for frame in frames] == [("minions", {"web1", "web2"})]
    two.services.minions.absent(["db"])
    two.returns(jid, "web1", True)
    two.world.time.pass_(1)
    assert {(frame["type"], *frame["minions"]) for frame in again.frames} == {
        ("minions", "db", "web1"),
        ("job", "web1"),
    }


async def test_another_user_does_not_resume_a_snapshot() -> None:
    """Nor does the same user with other permissions."""
    one = Engine(**USERS)
    since = await positions(await one.user("root"))
    received = await handed_over(one)
    two = successor(one, received, root=["test.*"])
    for name in ("root", "alice"):
        talker = await two.user(name)
        for kind, position in zip(KINDS, since, strict=True):
            assert not (await talker.ask("subscribe", subscription=kind, since=position))["recovered"]


async def test_positions_end_with_the_hand_over() -> None:
    """What the last process still sends to its clients is not what the next one counts."""
    one = Engine(**USERS)
    root = await one.user("root")
    await positions(root)
    await handed_over(one)
    one.services.minions.absent(["db"])
    one.world.time.pass_(10)
    assert [frame["type"] for frame in root.frames] == ["minions"]


async def test_minions_below_a_syndic_are_known() -> None:
    """The master has no keys of them: only events named them. A syndic stays one, and no minion becomes one."""
    one = upper()
    one.world.fire("salt/presence/present", present=["web1"])
    one.returns("20261123150000000001", "web2", True)
    two = successor(one, await handed_over(one), syndics=True)
    shown = [
        {name: minion.to_dict(key=True, grains=False) for name, minion in engine.services.minions.all().items()}
        for engine in (one, two)
    ]
    assert shown[1]["m1"] == shown[0]["m1"]
    assert (shown[1]["m1"]["syndic"], two.services.minions.syndics, list(two.services.minions.below)) == (
        "low",
        ["low"],
        ["m1"],
    )
    talker = await two.user("root")
    jid = (await talker.ask("cmd", fun="test.ping", tgt="m1"))["jid"]
    two.world.fire(f"syndic/low/salt/job/{jid}/new", minions=["m1"])
    passed_on(two, jid, "m1")
    assert (await talker.ask("get_job", jid=jid))["state"] == "complete"
    assert not two.services.minions.is_syndic("web2")


async def test_a_reload_gives_nobody_new_tries() -> None:
    """Failed logins count for their minute."""
    one = Engine(**USERS)
    for _ in range(3):
        with pytest.raises(RefusedReply):
            await Talker(one).ask("auth", username="root", password="wrong", eauth="pam")
    two = successor(one, await handed_over(one))
    for password in ("wrong", "right"):
        with pytest.raises(RefusedReply) as error:
            await Talker(two).ask("auth", username="root", password=password, eauth="pam")
        assert error.value.code == "too_many"
    two.time.pass_(60)
    assert (await Talker(two).ask("auth", username="root", password="right", eauth="pam"))["user"] == "root"
    assert two.services.throttle.counted() == []


async def test_a_revoked_token_stays_revoked() -> None:
    """No session is passed on: the next process asks Salt about each token."""
    one = Engine(**USERS)
    token = one.accounts.give("root")
    talker = Talker(one)
    await talker.ask("auth", token=token)
    await talker.ask("logout")
    received = await handed_over(one)
    assert token not in str(received)
    two = successor(one, received)
    two.accounts.tokens = one.accounts.tokens
    with pytest.raises(RefusedReply) as error:
        await Talker(two).ask("auth", token=token)
    assert error.value.code == "unauthenticated"


async def test_a_history_that_lost_its_start_meanwhile_is_handed_over_whole() -> None:
    """Events that were sent and dropped since do not count as missing."""
    one = Engine(**USERS)
    one.world.fire("my/event")

    def much() -> None:
        for _ in range(3_000):
            one.world.fire("my/event")

    received = await handed_over(one, much)
    assert received.entries == list(one.services.history.after(0))
    assert successor(one, received).services.history.seq == one.services.history.seq


async def test_a_process_that_ends_is_noticed_by_the_other() -> None:
    """Whoever it is, and whatever was sent."""
    one = Engine(**USERS)
    last, next_ = channels()
    next_.close()
    with pytest.raises(HandOverError):
        await hand_over.offer(last, one.parts)
    last, next_ = channels()
    last.close()
    with pytest.raises(HandOverError):
        hand_over.take(next_)


async def test_a_release_with_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last process serves on, and the next one says that the master must be restarted."""
    one = Engine(**USERS)
    last, next_ = channels()
    next_.send(HELLO, b"%d" % (FORMAT + 1))
    with pytest.raises(Refused):
        await hand_over.offer(last, one.parts)
    with pytest.raises(Refused, match="restart the master"):
        hand_over.take(next_)


async def test_minions_of_other_masters_of_a_cluster_stay_connected() -> None:
    """The first list after the reload names those of one master only."""
    one = Engine(**USERS, cluster_id="m1")
    one.world.fire("salt/presence/present", present=["web1"])
    one.world.fire("salt/presence/present", present=["web2"], __peer_id="m2")
    two = successor(one, await handed_over(one), cluster_id="m1")
    changes: list[str] = []
    two.services.minions.on_change(changes.append)
    for peer in ({}, {"__peer_id": "m2"}):
        two.world.fire("salt/presence/present", present=["web2" if peer else "web1"], **peer)
    assert changes == []
    two.world.fire("salt/presence/change", new=[], lost=["web2"], __peer_id="m2")
    assert {name: minion.connected for name, minion in two.services.minions.all().items()} == {
        "web1": True,
        "web2": False,
        "db": None,
    }


async def test_an_expired_token_is_still_reported_as_expired() -> None:
    """Salt's store no longer has it, so without this it would be any wrong token."""
    one = Engine(**USERS)
    token = one.accounts.give("root")
    await Talker(one).ask("auth", token=token)
    one.time.pass_(10_000)
    one.services.sessions.expire()
    two = successor(one, await handed_over(one))
    for name, code in ((token, "token_expired"), ("f" * 64, "unauthenticated")):
        with pytest.raises(RefusedReply) as error:
            await Talker(two).ask("auth", token=name)
        assert error.value.code == code


ANSWERS = {"sys.list_functions": ["test.ping"], "sys.argspec": {"test.ping": SPEC}, "sys.doc": {"test.ping": "Answer."}}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("functions", {"tgt": "db"}),
    ("signature", {"tgt": "db", "module": "test.ping"}),
]


async def answered() -> tuple[Engine, list[Any]]:
    """Return an engine that knows the answers of a minion about its functions, and what a user got."""
    one = Engine(**USERS)
    one.services.minions.read_grains({"db": {"saltversion": "3008.3"}})
    one.commands.answers = dict(ANSWERS)
    root = await one.user("root")
    return one, [await root.ask(kind, **fields) for kind, fields in QUESTIONS]


async def test_answers_of_minions_about_their_functions_are_kept() -> None:
    """The minion is busy now. The master is still asked whether it permits the question."""
    one, before = await answered()
    two = successor(one, await handed_over(one))
    two.services.minions.read_keys(dict.fromkeys(MINIONS, "accepted"))  # as the next process does at its start
    two.services.minions.read_grains({"db": {"saltversion": "3008.3"}})
    root = await two.user("root")
    assert [await root.ask(kind, **fields) for kind, fields in QUESTIONS] == before
    assert {load["fun"] for load in two.commands.published} == set(ANSWERS)
    two.commands.fault = ApiError("forbidden", "Salt does not permit this command")
    with pytest.raises(RefusedReply, match="forbidden"):
        await (await two.user("root", "ldap")).ask("functions", tgt="db")


async def test_answers_go_on_to_age_and_changed_minions_are_asked_again() -> None:
    """An hour counts from the answer, not from the reload; a minion with a new key may be another machine."""
    one, before = await answered()
    one.time.pass_(answers.KEEP_SECONDS - 10)
    two = successor(one, await handed_over(one))
    cached = two.services.answers
    key = cached.key("db", "sys.list_functions", "")
    assert cached.get(key) is not None
    two.time.pass_(20)
    assert cached.get(key) is None
    one, before = await answered()
    one.services.minions.read_keys({"web1": "accepted"})
    one.services.minions.read_keys(dict.fromkeys(MINIONS, "accepted"))
    assert (len(before), (await handed_over(one)).answers) == (2, [])


async def test_the_answers_that_were_used_last_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a number of bytes, because events wait meanwhile; they are used and dropped in the same order."""
    one, _ = await answered()
    root = await one.user("root")
    await root.ask("functions", tgt="web1")
    await root.ask("functions", tgt="db")
    size = len(encode(ANSWERS["sys.list_functions"]))
    monkeypatch.setattr(answers, "MAX_PASSED_BYTES", 2 * size + size // 2)
    received = await handed_over(one)
    assert [key[0] for key, _, _ in received.answers] == ["web1", "db"]
    assert list(successor(one, received).services.answers._answers) == [key for key, _, _ in received.answers]
