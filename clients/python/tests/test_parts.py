"""The small parts: addresses, waits, tags, messages, live tables."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from salt_live import AsyncClient, Client, error_codes, features, local, wire
from salt_live.backoff import Backoff, requested_seconds
from salt_live.errors import ConnectionFailed
from salt_live.event import tagify
from salt_live.matching import MATCHES, Pending, match_function
from salt_live.models import Event, Progress
from salt_live.streams_of_changes import TableStream
from salt_live.tls import tls_context

SEARCHES = ("", "salt/", "a*", "[ab]", "job", "/1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("master", "ws://master:8000/ws"),
        ("master:80", "ws://master:80/ws"),
        ("master:80/api", "ws://master:80/api"),
        ("master/api", "ws://master:8000/api"),
        ("ws://master:8000", "ws://master:8000/ws"),
        ("ws://master:8000/", "ws://master:8000/ws"),
        ("https://master", "wss://master/ws"),
        ("http://[::1]:8000", "ws://[::1]:8000/ws"),
        ("wss://master/salt/ws?x=1", "wss://master/salt/ws?x=1"),
    ],
)
def test_addresses_are_completed(given: str, expected: str) -> None:
    """With the scheme, the default port and the path."""
    assert wire.address(given) == expected


@pytest.mark.parametrize("given", ["ftp://master", "ws://", "ws://master:0"])
def test_other_addresses_are_refused(given: str) -> None:
    """With an example of a valid one."""
    with pytest.raises(ValueError, match="write it like wss://master:8000"):
        wire.address(given)


@pytest.mark.parametrize("number", [2**53 + 1, 2**64 + 1, -(10**30), 12345678901234567890])
def test_whole_numbers_stay_exact(number: int) -> None:
    """Also beyond 64 bits, with and without orjson."""
    assert wire.decode(wire.encode({"a": [number], "b": number})) == {"a": [number], "b": number}


def test_waits_double_over_all_addresses_up_to_a_limit() -> None:
    """With jitter: half to all of each step. A lost connection is first tried at its own address."""
    for chance, factor in ((0.0, 0.5), (1.0, 1.0)):
        backoff = Backoff(["a", "b"], lambda chance=chance: chance)  # type: ignore[misc]
        tried = [(backoff.failed() / factor, backoff.address) for _ in range(12)]
        assert [wait for wait, _ in tried] == [0.5, 0.5, 1, 1, 2, 2, 4, 4, 8, 8, 8, 8]
        assert "".join(address for _, address in tried) == "babababababa"
        backoff.succeeded()
        assert (backoff.failed(), backoff.address) == (0.5 * factor, "a")
        assert (backoff.failed(), backoff.address) == (0.5 * factor, "b")


@pytest.mark.parametrize(("requested", "wait"), [(None, 0.25), (3.0, 3.0), (0.1, 0.25), (10_000.0, 60.0)])
def test_the_engine_can_request_a_longer_wait(requested: float | None, wait: float) -> None:
    """A stopping engine names the seconds, within a limit."""
    assert Backoff(["a"], lambda: 0.0).failed(requested) == wait


def test_a_stopping_engine_is_left_for_another_address_at_once() -> None:
    """Its request to wait is about itself. A reloaded one asks for no wait, and is tried first."""
    backoff = Backoff(["a", "b"], lambda: 0.0)
    backoff.succeeded()
    assert (backoff.failed(5.0), backoff.address) == (0.25, "b")
    backoff.succeeded()
    assert (backoff.failed(0.0), backoff.address) == (0.25, "b")


@pytest.mark.parametrize(("reason", "seconds"), [("", None), ("restart, retry in 5 s", 5.0), ("2.5", 2.5)])
def test_the_requested_seconds_are_in_the_reason(reason: str, seconds: float | None) -> None:
    """Of the close."""
    assert requested_seconds(reason) == seconds


@pytest.mark.parametrize(
    ("match_type", "tag", "search", "expected"),
    [
        (None, "salt/auth", "salt/", True),
        (None, "my/salt/", "salt/", False),
        ("endswith", "salt/job/1/ret/web", "/web", True),
        ("find", "salt/job/1", "job", True),
        ("find", "salt/job/1", "jobs", False),
        ("regex", "salt/job/1", r"salt/\w+/\d", True),
        ("regex", "my/salt/job/1", r"salt/\w+/\d", False),
        ("fnmatch", "salt/job/1/ret/web", "salt/job/*/ret/*", True),
        ("fnmatch", "salt/job/1/new", "salt/job/*/ret/*", False),
    ],
)
def test_tags_are_compared_as_salt_does(match_type: str | None, tag: str, search: str, expected: bool) -> None:
    """A regular expression begins at the start of the tag."""
    assert match_function(match_type)(tag, search) is expected


@pytest.mark.with_salt
@pytest.mark.parametrize(("match_type", "search"), list(itertools.product(MATCHES, SEARCHES)))
def test_salt_itself_compares_the_same(match_type: str, search: str) -> None:
    """Over tags and searches with special characters."""
    salt_event = pytest.importorskip("salt.utils.event")
    bus = salt_event.SaltEvent("master", listen=False)
    theirs, ours = bus._get_match_func(match_type), match_function(match_type)
    for tag in ("", "salt/job/1", "a/b", "[ab]", "salt/", "xjob"):
        assert ours(tag, search) == theirs(tag, search)


@pytest.mark.with_salt
@pytest.mark.parametrize(
    "given", [("new", "job"), (["1", "ret", "web"], "job"), ("x", "my"), ("x", "", "base"), ("",), ()]
)
def test_tags_are_built_as_salt_builds_them(given: tuple[Any, ...]) -> None:
    """From suffix, prefix and base."""
    assert tagify(*given) == pytest.importorskip("salt.utils.event").tagify(*given)


def test_an_unknown_match_type_is_an_error() -> None:
    """It names the known ones."""
    with pytest.raises(ValueError, match="use one of startswith"):
        match_function("exact")


def event(tag: str) -> Event:
    return Event(tag, {}, 1, "one")


def test_subscribed_events_are_kept_for_later_calls() -> None:
    """Others are dropped; unsubscribe drops those that no other tag keeps."""
    pending, starts = Pending(10), MATCHES["startswith"]
    pending.subscribe("a", None)
    pending.subscribe("b", None)
    for tag in ("a1", "x", "b1", "a2"):
        assert not pending.keep(event(tag))
    assert pending.take("x", starts) is None
    assert pending.take("a", starts) == event("a1")
    pending.unsubscribe("a", None)
    assert pending.take("a", starts) is None
    assert pending.take("b", starts) == event("b1")
    pending.unsubscribe("never", None)


def test_kept_events_are_bounded() -> None:
    """The oldest is dropped, and the return value says so."""
    pending = Pending(2)
    pending.subscribe("", None)
    assert [pending.keep(event(tag)) for tag in "abc"] == [False, False, True]
    assert pending.take("", MATCHES["startswith"]) == event("b")


def test_a_command_has_localclients_arguments() -> None:
    """A request can be looked up by its metadata."""
    message = local.command("*", "test.arg", ["a=1"], "glob", "", {"b": 2}, {"metadata": {"ticket": 7}})
    mark = message["metadata"].pop(local.REQUEST)
    assert len(mark) == 32
    assert message == {
        "type": "cmd",
        "tgt": "*",
        "tgt_type": "glob",
        "fun": "test.arg",
        "arg": ["a=1"],
        "kwarg": {"b": 2},
        "parse": True,
        "metadata": {"ticket": 7},
    }
    assert "tgt_type" not in local.command(["a"], "test.ping", (), "glob", "", None, {})
    assert local.command(("a",), "test.ping", "one", "list", "redis", None, {})["arg"] == ["one"]


def test_an_unknown_argument_is_an_error() -> None:
    """It would be lost otherwise."""
    with pytest.raises(TypeError, match="unknown argument 'nonsense'"):
        local.command("*", "test.ping", (), "glob", "", None, {"nonsense": 1})


@pytest.mark.parametrize(
    ("batch", "minions", "size"),
    [("10%", 50, 5), ("10%", 3, 1), (7, 50, 7), ("7", 50, 7), ("100%", 9, 9), ("0%", 9, 1)],
)
def test_batch_sizes(batch: str | int, minions: int, size: int) -> None:
    """A number, or a part of all; at least one."""
    assert local.batch_size(batch, minions) == size


def test_an_invalid_batch_size_is_an_error() -> None:
    """It names the valid forms."""
    with pytest.raises(ValueError, match="percentage"):
        local.batch_size("many", 5)


def frames(stream: TableStream, *frames: dict[str, Any]) -> None:
    for frame in frames:
        stream.apply(frame, 1)


def test_a_table_shows_snapshots_and_changes() -> None:
    """A new snapshot replaces the old content at once, when it is complete; None removes a row."""
    stream = TableStream({}, lambda frame: frame["minions"])
    begun = {"subscription": 1, "epoch": "one", "seq": 1}
    stream.subscribed(begun)
    frames(
        stream, {"type": "minions", "minions": {"a": {"id": "a"}}}, {"type": "minions", "minions": {"b": {"id": "b"}}}
    )
    assert stream.data == {}
    frames(stream, {"type": "live"})
    assert (set(stream.data), stream.version) == ({"a", "b"}, 1)
    frames(stream, {"type": "minions", "minions": {"a": None, "c": {"id": "c"}}})
    assert (set(stream.data), stream.version) == ({"b", "c"}, 2)
    stream.lost()
    stream.subscribed(begun)
    frames(stream, {"type": "minions", "minions": {"d": {"id": "d"}}})
    assert set(stream.data) == {"b", "c"}
    frames(stream, {"type": "live"})
    assert set(stream.data) == {"d"}


def test_a_table_resumes_with_its_rows() -> None:
    """What changed since is applied to them at once, when all of it has arrived."""
    stream = TableStream({"subscription": "minions"}, lambda frame: frame["minions"])
    begun = {"subscription": 1, "epoch": "one", "seq": 1, "recovered": None}
    place = {"epoch": "changes", "seq": 1, "view": "v"}
    stream.subscribed(begun)
    frames(
        stream,
        {"type": "minions", "minions": {"a": {"id": "a"}, "b": {"id": "b"}}},
        {"type": "live", "position": place},
    )
    stream.lost()
    assert stream.message == {"subscription": "minions", "since": place}
    stream.subscribed({**begun, "recovered": True})
    frames(stream, {"type": "minions", "minions": {"a": None, "c": {"id": "c"}}})
    assert set(stream.data) == {"a", "b"}
    frames(stream, {"type": "live"})
    assert set(stream.data) == {"b", "c"}
    stream.lost()
    stream.subscribed({**begun, "recovered": False})
    frames(stream, {"type": "minions", "minions": {"d": {"id": "d"}}}, {"type": "live"})
    assert set(stream.data) == {"d"}


def test_a_table_keeps_the_newest_rows() -> None:
    """Job ids sort by time."""
    stream = TableStream({}, lambda frame: {frame["jid"]: {}}, max_rows=2)
    frames(stream, {"type": "live"}, *({"type": "job", "jid": jid} for jid in ("2", "1", "3")))
    assert set(stream.data) == {"2", "3"}


DESCRIPTION = {
    "version": "0.0.9",
    "subscriptions": ["event", "job"],
    "operations": {
        "cmd": {"properties": {"type": {}, "fun": {}}},
        "subscribe": {"properties": {"type": {}, "subscription": {"enum": ["event", "job", "jobs"]}, "tag": {}}},
    },
}


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ({"type": "cmd", "fun": "x"}, []),
        ({"type": "cmd", "fun": "x", "parse": True}, ["the field parse of cmd"]),
        ({"type": "match"}, ["the operation match"]),
        ({"type": "subscribe", "subscription": "jobs", "tag": ""}, []),
        ({"type": "subscribe", "subscription": "minions"}, ["the subscription minions"]),
        ({"type": "subscribe", "subscription": "event", "since": 1}, ["the field since of subscribe"]),
    ],
)
def test_what_another_version_lacks_is_found(message: dict[str, Any], missing: list[str]) -> None:
    """From its own description."""
    assert features.missing(message, DESCRIPTION) == missing


async def test_a_refused_message_is_explained_if_the_engine_does_not_know_it() -> None:
    """Otherwise the error stays, and also if there is no description."""

    async def describe() -> Any:
        return DESCRIPTION

    async def gone() -> Any:
        raise ConnectionFailed("gone")

    error = error_codes.UnknownType("no")
    found = await features.explained(error, {"type": "match"}, describe)
    assert isinstance(found, error_codes.UnknownType)
    assert "version 0.0.9" in str(found)
    assert "lacks the operation match" in str(found)
    assert await features.explained(error, {"type": "cmd"}, describe) is error
    assert await features.explained(error, {"type": "match"}, gone) is error
    assert await features.explained(error, {"type": "describe"}, gone) is error


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    """Also one that is missing."""
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(ConnectionFailed, match=r"no certificate in .*empty\.pem"):
        tls_context(str(tmp_path / "empty.pem"))
    with pytest.raises(ConnectionFailed, match=r"cannot read .*gone\.pem: no such file"):
        tls_context(str(tmp_path / "gone.pem"))


def test_a_deadline_of_the_blocking_client_keeps_the_words_of_what_it_ran() -> None:
    """Its own is Python's TimeoutError on all versions."""
    client = Client("127.0.0.1:9", token="0" * 32)

    async def ends() -> None:
        raise TimeoutError("it did not end in time")

    with pytest.raises(TimeoutError, match="did not end in time"):
        client.run(ends(), 20)
    with pytest.raises(TimeoutError):
        client.run(asyncio.sleep(60), 0.01)
    client.close()


async def test_a_job_that_one_answer_cannot_hold_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a subscription sends it."""
    client = AsyncClient("127.0.0.1:9", token="0" * 32)

    async def refused(_type: str, **_fields: Any) -> Any:
        raise error_codes.TooLarge("the answer is larger")

    async def follow(jid: str) -> AsyncIterator[Progress]:
        yield Progress({"jid": jid, "state": "running"}, {"web1": {"return": "x"}})
        raise AssertionError("one is enough")

    monkeypatch.setattr(client, "request", refused)
    monkeypatch.setattr(client, "follow", follow)
    assert await client.get_job("1") == {"jid": "1", "state": "running", "minions": {"web1": {"return": "x"}}}


def test_every_error_code_of_the_engine_has_an_exception() -> None:
    """With its own retryable."""
    from websocket_api.errors import ERRORS

    assert {code: kind.retryable for code, kind in error_codes.BY_CODE.items()} == {
        code: kind.retryable for code, kind in ERRORS.items()
    }
    assert all(kind.code == code for code, kind in error_codes.BY_CODE.items())
