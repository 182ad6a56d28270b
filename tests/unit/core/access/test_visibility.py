"""Visibility: each row of the table in docs/security.md, for several viewers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websocket_api.core.access.permissions import Permissions
from websocket_api.core.access.visibility import Viewer, Visibility
from websocket_api.core.events.event import Event, make
from websocket_api.core.jobs.job import Job

from tests.unit.core.support import JID, World, filter_of

OTHER_JID = "20261123120000000009"
KW = {"__kwarg__": True, "name": "nginx"}

VIEWERS: dict[str, tuple[Any, ...]] = {
    "all": (".*",),
    "ping": ("test.ping",),
    "web": ({"web*": ["test.*", "pkg.install", "grains.items"]},),
    "nginx": ({"*": [{"pkg.install": {"kwargs": {"name": "nginx"}}}]},),
    "jobs": ("@jobs",),
    "runner": ("@runner",),
    "manage": ({"@runner": ["manage.*"]},),
    "orchestrate": ({"@runner": [{"state.orch": {"args": ["web", "prod"], "kwargs": {"test": "True"}}}]},),
    "wheel": ("@wheel",),
    "keys": ({"@wheel": ["key.list_all"]},),
    "events": ("@events",),
    "some events": ({"@events": ["tag:myco/*"]},),
    "sender": ("event.send",),
    "web sender": ({"web*": ["event.send"]},),
    "beacons": ("beacons.list",),
    "grains": ("grains.items",),
    "fire": ("@fire",),
}


def world() -> World:
    made = World()
    made.targets.sets["web*"] = {"web1", "web2"}
    return made


def viewer(on: World, name: str, *, user: str = "stranger", eauth: str = "pam") -> Viewer:
    return on.session(*VIEWERS[name], user=user, eauth=eauth).viewer


def newest(on: World) -> Event:
    """Return the event that was fired last."""
    last = list(on.history.after(on.history.seq - 1))[-1]
    assert isinstance(last, Event)
    return last


def who_sees(on: World) -> set[str]:
    return {name for name in VIEWERS if on.visibility.view(viewer(on, name), newest(on)) is not None}


def shown(on: World, name: str, **who: str) -> dict[str, Any] | None:
    """Return what this viewer sees of the last event's data."""
    body = on.visibility.view(viewer(on, name, **who), newest(on))
    if body is None:
        return None
    data: dict[str, Any] = replace(newest(on), body=body).decoded()["data"]
    return data


def job(on: World, *minions: str, fun: str = "test.ping", arg: tuple[Any, ...] = (), user: str = "root") -> None:
    on.publish(*minions, fun=fun, arg=arg, user=user)


def minions_event(tag: str, sender: str, **data: Any) -> Callable[[World], None]:
    return lambda on: on.fire(tag, cmd="_minion_event", id=sender, data=data)


def masters_event(tag: str, **data: Any) -> Callable[[World], None]:
    return lambda on: on.fire(tag, **data)


def a_return(minion: str, **published: Any) -> Callable[[World], None]:
    def act(on: World) -> None:
        job(on, "web1", "web2", "db", **published)
        on.answer(minion)

    return act


def a_failed_state(tag: str) -> Callable[[World], None]:
    def act(on: World) -> None:
        job(on, "web1", "db", fun="state.sls")
        on.fire(tag, name="/etc/x", changes={"diff": "+secret"}, comment="", result=False, retcode=2)

    return act


PRESENT = ("salt/presence/present", {"present": ["web1", "db"]})
RUNNER = {"fun": "runner.manage.up", "user": "ann", "jid": JID}
ORCHESTRATE = {**RUNNER, "fun": "runner.state.orch"}
INSTALL = {"fun": "pkg.install", "arg": (KW,)}
APACHE = {"fun": "pkg.install", "arg": ({**KW, "name": "apache"},)}
SEES_JOBS = {"all", "jobs", "runner"}
SEES_CALLS = {"jobs", "runner"}  # ``.*`` is for functions on minions

ROWS: dict[str, tuple[Callable[[World], None], set[str]]] = {
    "a return of web1": (a_return("web1"), SEES_JOBS | {"ping", "web"}),
    "a return of db": (a_return("db"), SEES_JOBS | {"ping"}),
    "a return of an allowed argument": (a_return("db", **INSTALL), SEES_JOBS | {"nginx"}),
    "a return of another argument": (a_return("web1", **APACHE), SEES_JOBS | {"web"}),
    "a return of a function nobody named": (a_return("web1", fun="cmd.run"), SEES_JOBS),
    "a return of an unknown job": (lambda on: on.answer("web1"), SEES_JOBS),
    "a new job on all": (lambda on: job(on, "web1", "db"), SEES_JOBS | {"ping", "web"}),
    "a new job on db": (lambda on: job(on, "db"), SEES_JOBS | {"ping"}),
    "a new job of another function": (lambda on: job(on, "web1", fun="cmd.run"), SEES_JOBS),
    "a new job of an allowed argument": (lambda on: job(on, "web1", "db", **INSTALL), SEES_JOBS | {"nginx", "web"}),
    "a new job of another argument": (lambda on: job(on, "web1", "db", **APACHE), SEES_JOBS | {"web"}),
    "a new job on nobody": (job, SEES_JOBS),
    "a job's error": (masters_event(f"salt/job/{JID}/error", error="x"), {"all"}),
    "a job's publish": (masters_event(f"salt/job/{JID}/publish", jid=JID), {"all"}),
    "the master's figures": (masters_event("salt/stats/worker"), {"all"}),
    "the cluster": (masters_event("cluster/peer"), {"all"}),
    "a syndic": (masters_event("syndic/a/b"), {"all"}),
    "the key of the cluster": (masters_event("key"), {"all"}),
    "a failed state, and whose it is": (a_failed_state(f"salt/job/{JID}/sub/web1/error/state.sls"), SEES_JOBS),
    "a failed state": (a_failed_state("file.managed"), {"all"}),
    "a state of an orchestration": (masters_event(f"salt/state_result/{JID}/master/x", ret={}), {"all"}),
    "what the master's schedule ran": (masters_event("__schedule_return", fun="test.ping", jid="req"), {"all"}),
    "a batch of Salt's": (masters_event(f"salt/batch/{JID}/new", fun="cmd.run", minions=["db"]), {"all"}),
    "a bare jid": (masters_event(JID, minions=["web1", "db"]), {"all"}),
    "a runner": (masters_event(f"salt/run/{JID}/ret", **RUNNER), SEES_CALLS | {"manage"}),
    "another runner": (masters_event(f"salt/run/{JID}/ret", **{**RUNNER, "fun": "runner.x.y"}), SEES_CALLS),
    "a runner with allowed arguments": (
        masters_event(f"salt/run/{JID}/new", **ORCHESTRATE, fun_args=["web", "prod", {"test": True}]),
        SEES_CALLS | {"orchestrate"},
    ),
    "a runner with other arguments": (
        masters_event(f"salt/run/{JID}/new", **ORCHESTRATE, fun_args=["web", "lab", {"test": True}]),
        SEES_CALLS,
    ),
    "a runner without its keywords": (
        masters_event(f"salt/run/{JID}/new", **ORCHESTRATE, fun_args=["web", "prod"]),
        SEES_CALLS,
    ),
    "a runner that nobody knows": (masters_event("salt/run/no-jid/ret"), {"all"}),
    "a wheel": (masters_event(f"salt/wheel/{JID}/ret", fun="wheel.key.accept", user="ann"), SEES_CALLS | {"wheel"}),
    "a key": (masters_event("salt/key", id="web1", act="accept"), {"wheel", "keys"}),
    "an authentication": (masters_event("salt/auth", id="web1", act="pend"), {"wheel", "keys"}),
    "a minion's start": (minions_event("salt/minion/web1/start", "web1"), {"all", "ping", "web"}),
    "a start on db": (minions_event("salt/minion/db/start", "db"), {"all", "ping"}),
    "who is present": (masters_event("salt/presence/present", present=["web1", "db"]), {"all", "ping", "web"}),
    "that db is present": (masters_event("salt/presence/present", present=["db"]), {"all", "ping"}),
    "that nobody is present": (masters_event("salt/presence/present", present=[]), {"all"}),
    "who came": (masters_event("salt/presence/change", new=["web1"], lost=[]), {"all", "ping", "web"}),
    "a refresh": (masters_event("minion/refresh/web1"), {"all", "web", "grains"}),
    "a refresh of resources": (masters_event("resource/refresh/web1"), {"all", "web", "grains"}),
    "a refresh on db": (masters_event("minion/refresh/db"), {"all", "grains"}),
    "a beacon": (minions_event("salt/beacon/web1/load/", "web1"), {"all", "beacons"}),
    "a minion's own event": (minions_event("disk/full", "web1"), {"all", "sender", "web sender", "events"}),
    "an own event of db": (minions_event("disk/full", "db"), {"all", "sender", "events"}),
    "a minion's event of our tag": (
        minions_event("myco/x", "web1"),
        {"all", "sender", "web sender", "events", "some events"},
    ),
    "another event": (masters_event("some/thing"), {"all", "events"}),
    "another event of such a name": (masters_event("deploy.done", result=True, retcode=0), {"all", "events"}),
    "another event of our tag": (masters_event("myco/deploy"), {"all", "events", "some events"}),
    "a forged return": (minions_event(f"salt/job/{JID}/ret/web1", "web1"), {"all", "sender", "web sender", "events"}),
    "a forged job": (
        minions_event(f"salt/job/{JID}/new", "web1", fun="test.ping"),
        {"all", "sender", "web sender", "events"},
    ),
    "a forged key": (minions_event("salt/key", "web1"), {"all", "sender", "web sender", "events"}),
    "a forged start": (minions_event("salt/minion/db/start", "web1"), {"all", "sender", "web sender", "events"}),
    "forged figures": (minions_event("salt/stats/x", "web1"), {"all", "sender", "web sender", "events"}),
}


@pytest.mark.parametrize(("act", "seen_by"), ROWS.values(), ids=ROWS)
def test_each_kind_of_event_is_visible_to_the_users_of_its_row(act: Callable[[World], None], seen_by: set[str]) -> None:
    """And to no others."""
    on = world()
    act(on)
    assert who_sees(on) == seen_by


# Cut lists


def test_a_new_job_is_reduced_to_its_visible_minions() -> None:
    """Hidden minions, the target and the arguments, which may name others, are left out."""
    on = world()
    new = {"minions": ["web1", "db"], "missing": ["web2", "db2"], "tgt": "web1 or db", "tgt_type": "compound"}
    on.fire(f"salt/job/{JID}/new", fun="test.ping", arg=["x"], user="root", jid=JID, **new)
    assert shown(on, "web") == {
        "_stamp": "2026-11-23T12:00:00.000001+00:00",
        "fun": "test.ping",
        "user": "root",
        "jid": JID,
        "minions": ["web1"],
        "missing": ["web2"],
        "tgt_type": "compound",
    }
    assert shown(on, "ping") == shown(on, "all")


@pytest.mark.parametrize(
    "minions", [["web1", "db"], ["web1", ["db"], {"db": 1}, None, 7, "db"], {"db": ["web1"]}, "db"]
)
@pytest.mark.parametrize("missing", [["web2", "db2"], [["web2"], "web2"], {"db2": 1}, 5])
def test_a_reduced_job_has_nothing_but_visible_minions_in_its_lists(minions: Any, missing: Any) -> None:
    """Events on the bus can have any form there."""
    on = world()
    job(on, "web1", "db")
    on.fire(f"salt/job/{JID}/new", fun="test.ping", user="root", jid=JID, minions=minions, missing=missing)
    seen = shown(on, "web")
    assert seen is not None
    assert set(seen["minions"]) <= {"web1"}
    assert set(seen["missing"]) <= {"web2"}


@pytest.mark.parametrize(
    ("tag", "data"), [(f"salt/job/{JID}/new", {"fun": "test.ping", "minions": ["web1", "db"]}), PRESENT]
)
def test_a_cut_event_keeps_its_number_and_tag(tag: str, data: dict[str, Any]) -> None:
    """Clients resume from the number, and both are needed to know what was cut."""
    on = world()
    on.fire(tag, **data)
    event = newest(on)
    body = on.visibility.view(viewer(on, "web"), event)
    assert body is not None
    cut = replace(event, body=body).decoded()
    assert (cut["seq"], cut["tag"], sorted(cut)) == (event.seq, tag, ["data", "seq", "tag"])


def test_a_new_job_that_is_not_known_is_shown_to_users_who_see_all_jobs() -> None:
    """Nobody can tell what it runs, or whose it is."""
    on = world()
    job(on, "web1")
    unknown = Visibility(lambda jid: None, "root")
    assert {name for name in VIEWERS if unknown.view(viewer(on, name), newest(on)) is not None} == SEES_JOBS


def test_a_job_is_complete_for_viewers_of_all_its_minions() -> None:
    """They may also see the target."""
    on = world()
    job(on, "web1", "web2", arg=("x",))
    seen = shown(on, "web")
    assert seen is not None
    assert (seen["tgt"], seen["arg"]) == ("*", ["x"])


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        ({"present": ["web1", "db"]}, {"present": ["web1"]}),
        ({"new": ["web1"], "lost": ["db"]}, {"new": ["web1"], "lost": []}),
        ({"new": ["db"], "lost": ["web2"]}, {"new": [], "lost": ["web2"]}),
    ],
)
def test_presence_is_reduced_to_visible_minions(data: dict[str, list[str]], cut: dict[str, list[str]]) -> None:
    """Users learn of no minion that they may not ping."""
    on = world()
    on.fire("salt/presence/change", **data)
    assert shown(on, "web") == cut
    assert shown(on, "ping") == data


def test_a_filter_on_hidden_minions_reveals_nothing() -> None:
    """The reduced event does not match the filter, so the user does not learn that the minion exists."""
    on = world()
    session = on.session(*VIEWERS["web"])
    job(on, "web1", "db")
    assert on.hub.view(filter_of({"minions": ["web1"]}), session.viewer, newest(on)) is not None
    assert on.hub.view(filter_of({"minions": ["db"]}), session.viewer, newest(on)) is None


# Owners

OWNERS: list[tuple[str, str | None, str, str, bool]] = [
    # the job's user and eauth (None: not started here), the viewer's, whether it is theirs
    ("ann", None, "ann", "pam", True),
    ("ann", None, "ann", "ldap", True),
    ("ann", None, "bob", "pam", False),
    ("ann", "pam", "ann", "pam", True),
    ("ann", "pam", "ann", "ldap", False),
    ("root", None, "root", "pam", False),
    ("salt", None, "salt", "pam", False),
    ("saltmaster", None, "saltmaster", "pam", False),
    ("sudo_ann", None, "sudo_ann", "pam", False),
    ("root", "pam", "root", "pam", True),
]


@pytest.mark.parametrize(("user", "eauth", "viewer_user", "viewer_eauth", "owner"), OWNERS)
def test_a_job_belongs_to_the_user_who_started_it(
    user: str, eauth: str | None, viewer_user: str, viewer_eauth: str, owner: bool
) -> None:
    """Jobs started here have an eauth; for others the name counts, but Salt's own names own nothing."""
    on = world()
    on.visibility._nobody |= {"saltmaster"}
    if eauth is None:
        job(on, "db", fun="cmd.run", user=user)
    else:
        load = {"fun": "cmd.run", "arg": [], "tgt": "db", "minions": ["db"]}
        on.jobs.add_started(JID, load, user, eauth)
        job(on, "db", fun="cmd.run", user=user)
    who = {"user": viewer_user, "eauth": viewer_eauth}
    assert (shown(on, "grains", **who) is not None) is owner
    on.answer("db")
    assert (shown(on, "grains", **who) is not None) is owner


def test_the_owner_sees_the_whole_job() -> None:
    """Also minions that the user may not ping."""
    on = world()
    job(on, "web1", "db", user="ann")
    seen = shown(on, "web", user="ann")
    assert seen is not None
    assert (seen["minions"], seen["tgt"]) == (["web1", "db"], "*")


def test_the_owner_of_a_runner_sees_it() -> None:
    """From its start to its result."""
    on = world()
    on.fire(f"salt/run/{JID}/ret", **RUNNER)
    assert shown(on, "ping", user="ann") is not None
    assert shown(on, "ping", user="bob") is None


def test_a_runner_with_conditions_needs_its_arguments() -> None:
    """A runner's keywords have no mark of Salt; conditions on them count."""
    on = world()
    wants = {"@runner": [{"state.orch": {"kwargs": {"mods": "web"}}}]}
    for jid, mods, seen in ((JID, "web", True), (OTHER_JID, "db", False)):
        on.fire(f"salt/run/{jid}/new", fun="runner.state.orch", fun_args=[{"mods": mods}], user="ann", jid=jid)
        assert (on.visibility.view(on.session(wants, user="bob").viewer, newest(on)) is not None) is seen


# What minions say


def test_progress_is_visible_to_viewers_of_the_minions_part() -> None:
    """Progress of a minion's own part is shown like its return."""
    on = world()
    job(on, "web1", "db")
    for minion in ("web1", "db"):
        minions_event(f"salt/job/{JID}/prog/{minion}/0", minion, percent=5)(on)
        assert ("web" in who_sees(on)) is (minion == "web1")
        assert "ping" in who_sees(on)


@pytest.mark.parametrize(
    ("jid", "claimed", "sender"), [(JID, "db", "web1"), (JID, "web2", "web2"), (OTHER_JID, "web1", "web1")]
)
def test_forged_progress_counts_as_a_custom_event(jid: str, claimed: str, sender: str) -> None:
    """Of another minion, of a job that does not target it, or of an unknown job."""
    on = world()
    job(on, "web1", "db")
    minions_event(f"salt/job/{jid}/prog/{claimed}/0", sender, percent=5)(on)
    assert who_sees(on) == {"all", "sender", "web sender", "events"}


def test_the_function_is_that_of_the_job_not_of_the_return() -> None:
    """A minion that claims to return a harmless function reveals no return of another one."""
    on = world()
    job(on, "web1", fun="cmd.run")
    on.answer("web1", "secret", fun="test.ping")
    assert who_sees(on) == SEES_JOBS


# Views of jobs


def test_a_function_that_a_minion_reported_shows_its_own_part_only() -> None:
    """The job cache has such jobs: whatever the minion claims to have run, the others' parts stay hidden."""
    on = world()
    reported = Job(JID, fun="test.ping", reported_by="web1")
    reported.expect(["web1", "db"])
    ping = viewer(on, "ping")
    assert on.visibility.sees_job(ping, reported) == {"web1"}
    assert [on.visibility.sees_part(ping, reported, name) for name in ("web1", "db")] == [True, False]


def test_sees_job_and_sees_part_agree() -> None:
    """The minions of a reduced job are those whose part is visible."""
    on = world()
    job(on, "web1", "web2", "db")
    one = on.jobs.get(JID)
    assert one is not None
    for name in VIEWERS:
        who = viewer(on, name)
        seen = on.visibility.sees_job(who, one)
        parts = {minion for minion in one.parts if on.visibility.sees_part(who, one, minion)}
        assert parts == (set(one.parts) if seen is True else set() if seen is False else set(seen))


def test_a_function_on_all_minions_shows_the_whole_job_without_a_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job without minions stays hidden, as if each of them were asked about."""
    on = world()
    asked: list[str] = []
    monkeypatch.setattr(Permissions, "runnable", lambda one, fun, arg, minions: asked.extend(minions) or frozenset())
    known = Job(JID, fun="test.ping")
    assert on.visibility.sees_job(viewer(on, "ping"), known) is False
    known.expect(["web1", "db"])
    assert on.visibility.sees_job(viewer(on, "ping"), known) is True
    assert asked == []


def test_a_job_without_a_function_is_hidden() -> None:
    """If only returns were received, it is unknown what ran."""
    on = world()
    unknown = Job(JID)
    unknown.expect(["web1"])
    seen = {name for name in VIEWERS if on.visibility.sees_job(viewer(on, name), unknown) is not False}
    assert seen == SEES_JOBS


def test_equal_viewers_are_equal() -> None:
    """Same user, eauth and permissions share the decision; another user owns other jobs."""
    on = world()
    assert viewer(on, "web") == viewer(on, "web")
    assert hash(viewer(on, "web")) == hash(viewer(on, "web"))
    assert viewer(on, "web") != viewer(on, "web", user="ann")
    assert viewer(on, "web") != viewer(on, "ping")
    assert viewer(on, "web") != "web"


def test_malformed_events_raise_no_error() -> None:
    """Each viewer gets an answer for events of any form."""
    on = world()
    odd: list[Any] = [None, 17, "text", {"a": 1}, ["a", 1, None], ["web1", ["a"], {"a": 1}], {}]
    for tag in (f"salt/job/{JID}/new", f"salt/job/{JID}/ret/web1", f"salt/run/{JID}/ret", "salt/presence/change"):
        for value in odd:
            names = ("minions", "missing", "present", "new", "lost", "fun", "arg", "fun_args", "user", "id", "tgt")
            event, data = make(on.history.next_seq(), tag, dict.fromkeys(names, value), 0.0)
            on.minions.apply(event, data)
            on.jobs.apply(event, data)
            for name in VIEWERS:
                on.visibility.view(viewer(on, name), event)
