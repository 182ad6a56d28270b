"""What a subscription asks for, before anybody's permission is looked at."""

from __future__ import annotations

import time
from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.live import filters
from websocket_api.live.events import Event, make

from tests.unit.live.support import JID

TAG = f"salt/job/{JID}/ret/web1"


def event(tag: str = TAG, **data: Any) -> Event:
    return make(1, tag, {"fun": "test.ping", **data}, 0.0)[0]


TAGS: list[tuple[Any, str | None, bool]] = [
    (None, None, True),
    ("", None, True),
    ("salt/job/", None, True),
    ("job/", None, False),
    ("/web1", "endswith", True),
    ("/ret", "endswith", False),
    ("/ret/", "find", True),
    ("/nowhere/", "find", False),
    ("salt/job/*/ret/web?", "fnmatch", True),
    ("salt/job/*/ret", "fnmatch", False),
    ("SALT/*", "fnmatch", False),
    ("", "fnmatch", False),
    (r"ret/web\d$", "regex", True),  # found anywhere, as Salt's own search does
    (r"^ret", "regex", False),
    ("", "regex", True),
    (["my/", "salt/"], None, True),
    (["my/", "your/"], None, False),
    (["my/", ""], None, True),
]


@pytest.mark.parametrize(("tag", "match_type", "wanted"), TAGS)
def test_tags(tag: Any, match_type: str | None, wanted: bool) -> None:
    """Tags match as Salt matches them; one of several is enough."""
    message = {name: value for name, value in (("tag", tag), ("match_type", match_type)) if value is not None}
    assert filters.make(message).wants(event()) is wanted


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ({"minions": ["web1", "db"]}, True),
        ({"minions": ["db"]}, False),
        ({"fun": "test.*"}, True),
        ({"fun": ["cmd.run", "test.ping"]}, True),
        ({"fun": "test"}, False),
        ({"jid": JID}, True),
        ({"jid": ["20261123120000000009", JID]}, True),
        ({"jid": "20261123120000000009"}, False),
        ({"fun": "test.*", "minions": ["db"]}, False),
    ],
)
def test_the_other_parts(message: dict[str, Any], wanted: bool) -> None:
    """Minions, functions and jobs each narrow what is wanted; all that are given must fit."""
    assert filters.make(message).wants(event()) is wanted


def test_a_new_job_is_about_each_of_its_minions() -> None:
    """A filter on a minion finds the jobs that are published to it, and those that miss it."""
    new = event(f"salt/job/{JID}/new", minions=["web1"], missing=["web2"])
    assert [filters.make({"minions": [name]}).wants(new) for name in ("web1", "web2", "db")] == [True, True, False]


def test_an_event_without_a_function_fits_no_function() -> None:
    """Who asks for functions is not sent what has none."""
    assert not filters.make({"fun": "*"}).wants(make(1, "my/tag", {}, 0.0)[0])


def test_equal_messages_make_equal_filters() -> None:
    """Equal filters are equal values, so that their subscribers share one decision."""
    one, other = filters.make({"minions": ["a", "b"]}), filters.make({"minions": ["b", "a"], "tag": ""})
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("tag", "path"), [("(", "/tag"), (["a", "("], "/tag/1"), ("x" * 257, "/tag"), (["x" * 257], "/tag/0")]
)
def test_a_wrong_regular_expression_is_refused_with_its_place(tag: Any, path: str) -> None:
    """The sender is told which expression is wrong."""
    with pytest.raises(ApiError) as caught:
        filters.make({"tag": tag, "match_type": "regex"})
    assert (caught.value.code, caught.value.details[0]["path"]) == ("bad_message", path)


def test_without_the_package_regular_expressions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own re knows no time-out: it is never used for what a client sends."""
    monkeypatch.setattr(filters, "regex", None)
    with pytest.raises(ApiError, match="regex"):
        filters.make({"tag": "a", "match_type": "regex"})


SLOW = "(a|a)*(a|a)*(a|a)*$|b"


def test_a_slow_regular_expression_is_given_up_at_once_and_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expression that runs out of time is not tried again: each try would hold everybody up."""
    monkeypatch.setattr(filters, "MATCH_SECONDS", 0.001)
    slow = filters.make({"tag": SLOW, "match_type": "regex"})
    assert slow.wants(event("b"))
    assert not slow.wants(event("a" * 2000 + "c"))
    assert not slow.wants(event("b"))
    assert filters.make({"tag": SLOW, "match_type": "regex"}).wants(event("b"))  # others' filters are their own


def test_expressions_that_are_always_a_little_slow_are_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the time that a filter takes from everybody, with all of its expressions and events."""
    monkeypatch.setattr(filters, "MATCH_SECONDS", 10)
    slow = filters.make({"tag": ["a*a*a*!|b", *(f"a*a*a*!{n}" for n in range(9))], "match_type": "regex"})
    assert slow.wants(event("b"))
    began = time.thread_time()
    tried = [slow.wants(event("a" * 60 + "c")) for _ in range(1000)]
    assert not any(tried)
    assert not slow.wants(event("b"))
    assert time.thread_time() - began < 1


def test_a_usual_regular_expression_is_never_given_up() -> None:
    """It takes less than it earns."""
    usual = filters.make({"tag": r"^salt/job/\d{20}/ret/web\d+$", "match_type": "regex"})
    assert all(usual.wants(event()) for _ in range(20_000))


def test_many_globs_are_compiled_once() -> None:
    """More patterns than the standard library keeps compiled must not be compiled at every event."""
    wanted = [
        filters.make({"tag": [f"[ab]*{n}/{m}*?x" for m in range(64)], "match_type": "fnmatch"}) for n in range(40)
    ]
    tried = event()
    began = time.thread_time()
    for _ in range(20):
        assert not any(one.wants(tried) for one in wanted)
    assert time.thread_time() - began < 1
