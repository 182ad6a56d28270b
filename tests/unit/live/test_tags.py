"""What a tag says, and what it cannot make anybody believe."""

from __future__ import annotations

import pytest
from websocket_api.live.tags import Kind, is_reserved, topic

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
    "salt/presence/change": (Kind.PRESENCE, None, None),
    "salt/beacon/web/load/x": (Kind.BEACON, None, "web"),
    "my/job": (Kind.OTHER, None, None),
    "": (Kind.OTHER, None, None),
    "x": (Kind.OTHER, None, None),
    "salt": (Kind.OTHER, None, None),
    "salt/": (Kind.OTHER, None, None),
    "///": (Kind.OTHER, None, None),
    "ä" * 10000: (Kind.OTHER, None, None),
}


@pytest.mark.parametrize("tag", MASTERS, ids=lambda tag: tag[:40])
def test_the_masters_tags(tag: str) -> None:
    """Every tag has a kind, whatever its shape."""
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
def test_a_minion_is_taken_at_its_word_about_itself_only(tag: str, kind: Kind) -> None:
    """A wrapped event keeps its tag's kind only where the minion speaks of itself; it is never believed."""
    about = topic(tag, {"cmd": "_minion_event", "id": "web", "data": {}})
    assert (about.kind, about.minion, about.believed) == (kind, "web", False)


RESERVED = ["salt/x", "salt", "cluster/a", "syndic/b", "minion/refresh/a", "key", "rotate_aes_key", "minion_start",
            "syndic_start", "stats", "stats/x", "20261123120000", JID]  # fmt: skip


@pytest.mark.parametrize("tag", RESERVED)
def test_reserved_tags(tag: str) -> None:
    """What the master acts on, and what this engine believes, is never fired from outside."""
    assert is_reserved(tag)


@pytest.mark.parametrize("tag", ["/test/noise", "my/salt/x", "saltx", "keys", "minions/x", "2026/x", "x" * 100])
def test_other_tags_are_free(tag: str) -> None:
    """A tag that only looks similar may be fired."""
    assert not is_reserved(tag)
