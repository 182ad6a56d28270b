"""Filters of subscriptions, before permissions are checked."""

from __future__ import annotations

import fnmatch
import time
from typing import Any

import pytest
from websocket_api.core.events.event import Event, make
from websocket_api.core.subscriptions import filters, globs
from websocket_api.errors import ApiError

from tests.unit.core.support import JID, filter_of

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


@pytest.mark.parametrize("field", ["tag", "fun"])
@pytest.mark.parametrize(
    ("globs", "fault"),
    [
        (["salt/job/*/ret/web?"] * 64, None),
        (["x" * 255] * 64, None),  # names without a wildcard are not compiled
        (["*a" * 8] * 64, None),
        (["*a" * 8] * 63 + ["*a" * 9], "512 wildcards"),
        (["[" * 256, "[" * 257], "512 wildcards"),
        (["*" + "a" * 255] * 16, None),
        (["*" + "a" * 255] * 17, "4,096 characters"),
    ],
)
def test_globs_that_take_long_to_compile_are_refused(field: str, globs: Any, fault: str | None) -> None:
    """Compiling is done on the loop, before anything else of the message counts."""
    message = {field: globs, "match_type": "fnmatch"}
    if fault is None:
        filters.make(message)
        return
    with pytest.raises(ApiError) as refused:
        filters.make(message)
    assert refused.value.code == "bad_message"
    assert fault in refused.value.message
    assert refused.value.details == [{"path": f"/{field}", "message": refused.value.message.split(" ", 1)[1]}]


@pytest.mark.parametrize("name", ["a.b", "a]b", "a*", "a[b]c", "[!a]", "[a", ""])
@pytest.mark.parametrize("text", ["a.b", "axb", "a]b", "abc", "b", "[a", "", "a.b\n"])
def test_globs_match_as_fnmatch_does(name: str, text: str) -> None:
    """Also names without a wildcard, which are compared as they are."""
    assert globs.matcher((name, "never"))(text) is fnmatch.fnmatchcase(text, name)


@pytest.mark.parametrize(("tag", "match_type", "wanted"), TAGS)
def test_tags_match_as_in_salt(tag: Any, match_type: str | None, wanted: bool) -> None:
    """One of several tags is enough."""
    message = {name: value for name, value in (("tag", tag), ("match_type", match_type)) if value is not None}
    assert filters.make(message).matches(event()) is wanted


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
def test_all_parts_of_a_filter_must_fit(message: dict[str, Any], wanted: bool) -> None:
    """Minions, functions and jobs."""
    assert filter_of(message).matches(event()) is wanted


def test_a_new_job_is_about_each_of_its_minions() -> None:
    """Also those that are missing."""
    new = event(f"salt/job/{JID}/new", minions=["web1"], missing=["web2"])
    assert [filter_of({"minions": [name]}).matches(new) for name in ("web1", "web2", "db")] == [True, True, False]


def test_an_event_without_a_function_fits_no_function() -> None:
    """A filter on functions leaves it out."""
    assert not filter_of({"fun": "*"}).matches(make(1, "my/tag", {}, 0.0)[0])


def test_equal_messages_make_equal_filters() -> None:
    """So their subscribers share one decision."""
    one, other = filter_of({"minions": ["a", "b"]}), filter_of({"minions": ["b", "a"], "tag": ""})
    assert one == other
    assert hash(one) == hash(other)


def test_many_globs_are_compiled_once() -> None:
    """More patterns than the standard library caches must not be compiled for every event."""
    wanted = [filter_of({"tag": [f"[ab]*{n}/{m}*?x" for m in range(64)], "match_type": "fnmatch"}) for n in range(40)]
    tried = event()
    began = time.thread_time()
    for _ in range(20):
        assert not any(one.matches(tried) for one in wanted)
    assert time.thread_time() - began < 1
