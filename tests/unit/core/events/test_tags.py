"""Topics: what a tag names, and which claims are not believed."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.events.tags import Kind, is_reserved, topic

JID = "20261123120000000001"
MASTERS = {
    f"salt/job/{JID}/new": (Kind.JOB_NEW, JID, None),
    f"salt/job/{JID}/ret/web": (Kind.JOB_MINION, JID, "web"),
    f"salt/job/{JID}_123/ret/web": (Kind.JOB_MINION, f"{JID}_123", "web"),
    f"salt/job/{JID}/prog/web/0": (Kind.JOB_MINION, JID, "web"),
    f"salt/job/{JID}/error": (Kind.CONTROL, None, None),
    f"salt/job/{JID}/publish": (Kind.CONTROL, None, None),
    "salt/job/error": (Kind.CONTROL, None, None),
    "salt/job/../ret/web": (Kind.CONTROL, None, None),
    "salt/job": (Kind.CONTROL, None, None),
    "salt/stats/x": (Kind.CONTROL, None, None),
    "cluster/peer": (Kind.CONTROL, None, None),
    "syndic/a/b": (Kind.CONTROL, None, None),
    f"salt/run/{JID}/ret": (Kind.RUN, JID, None),
    f"salt/wheel/{JID}/new": (Kind.WHEEL, JID, None),
    "salt/auth": (Kind.KEY, None, None),
    "salt/key": (Kind.KEY, None, None),
    "salt/minion/web/start": (Kind.MINION, None, "web"),
    "minion/refresh/web": (Kind.REFRESH, None, "web"),
    "resource/refresh/web": (Kind.REFRESH, None, "web"),
    "resource/new/web": (Kind.OTHER, None, None),
    "salt/presence/change": (Kind.PRESENCE, None, None),
    "salt/beacon/web/load/x": (Kind.BEACON, None, "web"),
    f"salt/batch/{JID}/new": (Kind.CONTROL, None, None),
    f"salt/state_result/{JID}/web/x": (Kind.CONTROL, None, None),
    "__schedule_return": (Kind.CONTROL, None, None),
    JID: (Kind.CONTROL, None, None),
    f"{JID}_123": (Kind.CONTROL, None, None),
    "2026/x": (Kind.OTHER, None, None),
    "my/job": (Kind.OTHER, None, None),
    "": (Kind.OTHER, None, None),
    "x": (Kind.OTHER, None, None),
    "salt": (Kind.OTHER, None, None),
    "salt/": (Kind.OTHER, None, None),
    "///": (Kind.OTHER, None, None),
    "ä" * 10000: (Kind.OTHER, None, None),
}


@pytest.mark.parametrize("tag", MASTERS, ids=lambda tag: tag[:40])
def test_tags_of_the_master_have_a_kind(tag: str) -> None:
    """Tags of any form."""
    about = topic(tag, {})
    assert (about.kind, about.jid, about.minion) == MASTERS[tag]
    assert about.believed


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        (f"salt/job/{JID}/ret/web", Kind.CUSTOM),
        (f"salt/job/{JID}/new", Kind.CUSTOM),
        (f"salt/job/{JID}/prog/web/0", Kind.JOB_MINION),
        (f"salt/job/{JID}/prog/other/0", Kind.CUSTOM),
        ("salt/minion/web/start", Kind.MINION),
        ("salt/minion/other/start", Kind.CUSTOM),
        ("salt/key", Kind.CUSTOM),
        ("salt/presence/change", Kind.CUSTOM),
        ("anything", Kind.CUSTOM),
    ],
)
def test_a_minions_event_keeps_its_kind_only_about_itself(tag: str, kind: Kind) -> None:
    """It is never believed."""
    about = topic(tag, {"cmd": "_minion_event", "id": "web", "data": {}})
    assert (about.kind, about.minion, about.believed) == (kind, "web", False)


FAILED = {"name": "/etc/x", "changes": {"diff": "+secret"}, "comment": "", "result": False, "retcode": 2}


@pytest.mark.parametrize("tag", ["file.managed", "no.None", "a/b.c", "salt.state"])
def test_the_copy_of_a_failed_state_is_internal(tag: str) -> None:
    """It has a job's return, but names no job."""
    assert topic(tag, {**FAILED, "_stamp": "2026-11-23T12:00:00"}).kind is Kind.CONTROL
    assert topic(tag, {"result": False, "retcode": 1}).kind is Kind.CONTROL


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("deploy.done", {}),
        ("deploy.done", {"result": True, "retcode": 0}),
        ("deploy.done", {"result": False, "comment": "no"}),
        ("deploy.done", {"result": None, "retcode": 1}),
        ("deploy.done", {**FAILED, "_user": "ann", "_eauth": "pam", "_via": "websocket_api"}),
        ("myco/deploy", FAILED),
    ],
)
def test_events_that_resemble_a_failed_state_are_not_internal(tag: str, data: dict[str, Any]) -> None:
    """One mark is missing: the dot, the false result, the retcode; or a client fired it."""
    assert topic(tag, data).kind is Kind.OTHER


def test_a_minions_custom_event_stays_custom() -> None:
    """Whatever its tag looks like."""
    assert topic("file.managed", {"cmd": "_minion_event", "id": "web", "data": FAILED, **FAILED}).kind is Kind.CUSTOM
    assert topic(JID, {"cmd": "_minion_event", "id": "web", "data": {"minions": []}}).kind is Kind.CUSTOM


def test_the_copy_of_a_failed_state_with_a_jid_belongs_to_its_job() -> None:
    """Salt fires both copies."""
    about = topic(f"salt/job/{JID}/sub/web/error/state.sls", {**FAILED, "jid": JID, "id": "web", "fun": "state.sls"})
    assert (about.kind, about.jid, about.minion) == (Kind.JOB_MINION, JID, "web")


RESERVED = ["salt/x", "salt", "cluster/a", "syndic/b", "minion/refresh/a", "resource/refresh/a",
            "key", "rotate_aes_key", "minion_start",
            "syndic_start", "stats", "stats/x", "20261123120000", JID]  # fmt: skip


@pytest.mark.parametrize("tag", RESERVED)
def test_clients_cannot_fire_reserved_tags(tag: str) -> None:
    """Tags that the master acts on, or that this engine believes."""
    assert is_reserved(tag)


@pytest.mark.parametrize("tag", ["/test/noise", "my/salt/x", "saltx", "keys", "minions/x", "2026/x", "x" * 100])
def test_similar_tags_can_be_fired(tag: str) -> None:
    """They only look like reserved ones."""
    assert not is_reserved(tag)
