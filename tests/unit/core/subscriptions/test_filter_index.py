"""The index finds every filter that an event fits, without trying all filters."""

from __future__ import annotations

import itertools

import pytest
from websocket_api.core.events.event import Event, make
from websocket_api.core.subscriptions.filter_index import FilterIndex
from websocket_api.core.subscriptions.filters import Filter

from tests.unit.core.support import JID, filter_of

TEXTS = ["", "s", "salt/", "salt/job/", JID, "/ret/", "web1", "ret/web1", "x" * 300]
GLOBS = [
    "*",
    "salt/*",
    "*web1",
    "*/ret/*",
    "salt/job/*/ret/web?",
    "[s]alt/*",
    "*[12]",
    "my/x",
    "*]",
    "]*",
    "*[1",
    "[!a]*1",
]
MESSAGES = [
    *({"tag": text, "match_type": kind} for text in TEXTS for kind in ("startswith", "endswith", "find")),
    *({"tag": glob, "match_type": "fnmatch"} for glob in GLOBS),
    *({"tag": list(pair), "match_type": "fnmatch"} for pair in itertools.combinations(GLOBS, 2)),
    {"tag": ["my/", "salt/"]},
    {"tag": ["my/", "my/x", "m"]},
    {"fun": "test.ping"},
    {"fun": ["test.ping", "cmd.run"]},
    {"fun": "test.*"},
    {"fun": "[t]est.ping"},
    {"jid": JID},
    {"jid": [JID, "20261123120000000002"], "tag": "salt/"},
    {"minions": ["web1"]},
    {"tag": "*", "match_type": "fnmatch", "fun": "test.ping"},
    {},
]
TAGS = ["my/x", "m", f"salt/job/{JID}/ret/web1", f"salt/job/{JID}/new", "salt/minion/web1/start", "x/web1", "a]", "b[1"]


def events() -> list[Event]:
    data = {"fun": "test.ping", "id": "web1", "minions": ["web1", "web2"]}
    return [make(1, tag, one, 0.0)[0] for tag in TAGS for one in (data, {})]


def test_every_matching_filter_is_found_once() -> None:
    """The result is the same as when each filter is tried."""
    filters = [filter_of(message) for message in MESSAGES]
    index: FilterIndex[Filter] = FilterIndex()
    for filter_ in filters:
        index.add(filter_, filter_.keys)
    for event in events():
        found = index.candidates(event)
        assert len(found) == len(set(found))
        assert {one for one in found if one.matches(event)} == {one for one in filters if one.matches(event)}


@pytest.mark.parametrize(
    ("message", "keys"),
    [
        ({"tag": ["my/", "your/"]}, [("prefix", "my/"), ("prefix", "your/")]),
        ({"tag": "/new", "match_type": "endswith"}, [("suffix", "/new")]),
        ({"tag": "my/*/x", "match_type": "fnmatch"}, [("prefix", "my/")]),
        ({"tag": "*/ret/web1", "match_type": "fnmatch"}, [("suffix", "/ret/web1")]),
        ({"tag": ["my/*", "*/*"], "match_type": "fnmatch"}, []),
        ({"tag": "my", "match_type": "find"}, []),
        ({"tag": "salt/", "jid": JID}, [("jid", JID)]),
        ({"fun": "test.ping"}, [("fun", "test.ping")]),
        ({"tag": "x", "match_type": "find", "fun": "test.ping"}, [("fun", "test.ping")]),
        ({"fun": "test.*"}, []),
    ],
)
def test_filters_are_indexed_by_their_keys(message: dict[str, object], keys: list[tuple[str, str]]) -> None:
    """By the start or end of a tag, by job or function; only the rest is tried for every event."""
    assert list(filter_of(message).keys) == keys


def test_filters_with_other_keys_are_not_tried() -> None:
    """However many there are."""
    index: FilterIndex[int] = FilterIndex()
    filters = [filter_of({"tag": f"my/{number}/"}) for number in range(5000)]
    for number, filter_ in enumerate(filters):
        index.add(number, filter_.keys)
    assert index.candidates(make(1, "my/17/x", {}, 0.0)[0]) == [17]


def test_removed_filters_leave_nothing_behind() -> None:
    """Also if removed twice, or if another filter shares a key."""
    index: FilterIndex[int] = FilterIndex()
    filters = [filter_of(message) for message in MESSAGES]
    for number, filter_ in enumerate(filters):
        index.add(number, filter_.keys)
    for number, filter_ in [*enumerate(filters), (0, filters[0])]:
        index.remove(number, filter_.keys)
    assert (index._any, index._lengths) == ({}, {"prefix": {}, "suffix": {}})
    assert not any(index._items.values())
    assert all(index.candidates(event) == [] for event in events())
