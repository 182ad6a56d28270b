"""Entries and jobs as bytes."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.events.event import Event, make
from websocket_api.core.events.history import Gap
from websocket_api.core.jobs.job import Job
from websocket_api.core.journal.records import decode_entry, decode_job, encode_entry, encode_job

JID = "20261123120000000001"
EVENTS: list[tuple[str, dict[str, Any]]] = [
    (f"salt/job/{JID}/new", {"fun": "test.ping", "minions": ["a", "b"], "missing": ["c"], "user": "ann"}),
    (f"salt/job/{JID}/ret/a", {"cmd": "_return", "id": "a", "fun": "test.ping", "return": True}),
    (f"salt/job/{JID}/ret/a", {"cmd": "_return", "id": "a", b"id": "b", "fun": "test.ping", b"cmd": "x", "return": 1}),
    (f"salt/job/{JID}/prog/a/0", {"cmd": "_minion_event", "id": "a", "data": {"ret": {}, "id": "b", "cmd": "_return"}}),
    (f"salt/run/{JID}/ret", {"fun": "runner.x", "fun_args": ["a", {"password": "s"}], "return": {"a": b"\xff"}}),
    ("salt/presence/present", {"present": ["a", "b"]}),
    ("salt/beacon/a/load/", {"id": "a"}),
    ("my/tag", {"cmd": "_minion_event", "id": "m", "tag": "my/tag", "data": "text\twith\ntabs and \x85 lines\u2028"}),
    ("my/tag,1234567890123456789", {"present": [], "id": 7, "n": 2**80, "_stamp": "2026-11-23T12:00:00"}),
    ("", {}),
    ("ü\ud800\t\n", {"fun": "\ud800"}),
]


@pytest.mark.parametrize("master", [None, "m1"])
@pytest.mark.parametrize(("tag", "data"), EVENTS)
def test_an_event_is_read_back_as_it_was(tag: str, data: dict[str, Any], master: str | None) -> None:
    """All that decides who may see it, also where the body alone would tell something else."""
    event = make(7, tag, data, 1234.5678, master)[0]
    line = encode_entry(event)
    back = decode_entry(line)
    assert b"\n" not in line
    assert isinstance(back, Event)
    plain = {name: getattr(event, name) for name in Event.__slots__}
    if "\ud800" in tag:
        plain.update(tag=tag.replace("\ud800", "?"), fun="?")  # as JSON has them
    assert {name: getattr(back, name) for name in Event.__slots__} == plain


@pytest.mark.parametrize("gap", [Gap(7, 3.5), Gap(700, 3.5, "restart", 6, 1.25)])
def test_a_gap_is_read_back_as_it_was(gap: Gap) -> None:
    """Numbers, times and reason."""
    assert decode_entry(encode_entry(gap)) == gap


GOOD = encode_entry(make(7, "t", {}, 1.0)[0])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"{}",
        b"[]",
        b"null",
        b'["gap",9,7,1.0,null,"bus"]',
        b'["gap",7,7,1.0,null,"other"]',
        b'["gap",7]',
        b'["gap","a",{},1.0,null,"bus"]',
        GOOD.partition(b"\t")[0],
        GOOD.replace(b"[7,", b"[8,"),
        GOOD.replace(b'"OTHER"', b'"ELSE"'),
        GOOD.replace(b"[7,", b"[7,7,"),
    ],
)
def test_another_line_is_refused(line: bytes) -> None:
    """A damaged file is noticed; the body itself is under the checksum of its row."""
    with pytest.raises(ValueError, match=r"."):
        decode_entry(line)


def job(**fields: Any) -> Job:
    made = Job(JID, fun="cmd.run", arg=["uptime", {"__kwarg__": True, "a": 1}], tgt=["a"], tgt_type="list", **fields)
    made.expect(["a", "b"])
    return made


def test_a_job_is_read_back_without_its_returns() -> None:
    """What decides who may see it is the same; whether its minions have returned is unknown."""
    known = job(user="ann", eauth="pam", reported_by="a", metadata={"x": [1]})
    known.apply_return("a", {"return": "secret", "retcode": 0}, 10, 1.0)
    record = encode_job(known)
    assert record is not None
    assert b"secret" not in record
    back = decode_job(record)
    for name in ("jid", "kind", "fun", "user", "eauth", "reported_by", "arg", "tgt", "tgt_type", "metadata"):
        assert getattr(back, name) == getattr(known, name)
    assert (back.state, back.restored, list(back.parts)) == ("unknown", True, ["a", "b"])


@pytest.mark.parametrize("value", [b"uptime", {1: "a"}, float("nan")])
def test_a_job_that_would_change_is_not_kept(value: Any) -> None:
    """A pattern for arguments could match the changed ones, and show the job to somebody else."""
    known = job()
    known.arg = [value]
    assert encode_job(known) is None


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b'{"jid": "1"}', b"null"])
def test_another_record_of_a_job_is_refused(record: bytes) -> None:
    """As a damaged file."""
    with pytest.raises(ValueError, match=r"."):
        decode_job(record)
