"""What an event may concern is found without asking every filter, and none that fits is left out."""

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


def test_what_fits_is_found() -> None:
    """The same filters want an event whether they are asked one by one or found first; each is found once."""
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
def test_filters_are_found_by_what_they_name(message: dict[str, object], keys: list[tuple[str, str]]) -> None:
    """By the beginning or end of a tag, by job or function; only the rest is tried at every event."""
    assert list(filter_of(message).keys) == keys


def test_thousands_of_filters_that_do_not_fit_are_not_asked() -> None:
    """An event finds only those that name it."""
    index: FilterIndex[int] = FilterIndex()
    filters = [filter_of({"tag": f"my/{number}/"}) for number in range(5000)]
    for number, filter_ in enumerate(filters):
        index.add(number, filter_.keys)
    assert index.candidates(make(1, "my/17/x", {}, 0.0)[0]) == [17]


def test_nothing_is_kept_of_what_was_removed() -> None:
    """Removing twice, or what shares a key with another one, does no harm."""
    index: FilterIndex[int] = FilterIndex()
    filters = [filter_of(message) for message in MESSAGES]
    for number, filter_ in enumerate(filters):
        index.add(number, filter_.keys)
    for number, filter_ in [*enumerate(filters), (0, filters[0])]:
        index.remove(number, filter_.keys)
    assert (index._any, index._lengths) == ({}, {"prefix": {}, "suffix": {}})
    assert not any(index._items.values())
    assert all(index.candidates(event) == [] for event in events())
