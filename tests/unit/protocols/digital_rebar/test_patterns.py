"""Filters of Digital Rebar's clients, and the errors for invalid ones."""

from __future__ import annotations

import pytest
from websocket_api.errors import ApiError
from websocket_api.protocols.digital_rebar.patterns import MAX_CHARACTERS, Pattern, parse_pattern, parse_request


def of(*fields: str | None) -> Pattern:
    """Return a pattern of values that are separated by spaces; None matches any."""
    return Pattern(*[None if field is None else frozenset(field.split(" ")) for field in fields])


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("*.*.*", of(None, None, None)),
        ("jobs.*.*", of("jobs", None, None)),
        ("jobs,runs.save.*", of("jobs runs", "save", None)),
        ("jobs.create,save.1", of("jobs", "create save", "1")),
        ("jobs.create,*.1", of("jobs", None, "1")),
        ("minions.*.web1.example.com", of("minions", None, "web1.example.com")),
        ("minions.*.a.b,c.d", of("minions", None, "a.b c.d")),
        (r"events.v1\12.app/v1\12", of("events", "v1.2", "app/v1.2")),
        (r"events.*.a\2b,c", of("events", None, "a,b c")),
        (r"events.*.a\3", of("events", None, "a*")),
        (r"events.*.\3", of("events", None, "*")),
        (r"events.*.c:\dir\4", of("events", None, r"c:\dir\4")),
        ("events.*.my/tag/", of("events", None, "my/tag/")),
        ("profiles.*.*", of("profiles", None, None)),
    ],
)
def test_a_filter_is_parsed(text: str, pattern: Pattern) -> None:
    """Each field is a star, a value, or several; a dot, comma or star in a value has a backslash."""
    assert parse_pattern(text) == pattern


def test_equal_filters_are_equal() -> None:
    """However they are written, so that a filter can be deregistered in another form."""
    assert parse_pattern("jobs.save,create.*") == parse_pattern("jobs.create,save,save.*")
    assert hash(parse_pattern("jobs.save,create.*")) == hash(parse_pattern("jobs.create,save.*"))


@pytest.mark.parametrize(
    ("pattern", "fields", "fits"),
    [
        ("*.*.*", ("jobs", "save", "1"), True),
        ("jobs.*.*", ("jobs", "save", "1"), True),
        ("jobs.*.*", ("runs", "save", "1"), False),
        ("jobs.create,save.*", ("jobs", "save", "1"), True),
        ("jobs.create,save.*", ("jobs", "update", "1"), False),
        ("minions.*.a.b", ("minions", "create", "a.b"), True),
        ("minions.*.a.b", ("minions", "create", "a"), False),
        (r"events.*.my/\3", ("events", "*", "my/*"), True),
        (r"events.*.my/\3", ("events", "x", "my/x"), False),
    ],
)
def test_an_event_must_match_all_three_fields(pattern: str, fields: tuple[str, str, str], fits: bool) -> None:
    """A star inside a value is no wildcard."""
    assert parse_pattern(pattern).fits(*fields) is fits


@pytest.mark.parametrize(
    ("frame", "code", "says"),
    [
        ("", "bad_message", "register or deregister"),
        ("   ", "bad_message", "register or deregister"),
        ("hello", "bad_message", "register or deregister"),
        ('{"type": "ping"}', "bad_message", "register or deregister"),
        ("Register *.*.*", "bad_message", "register or deregister"),
        ("register", "bad_message", "one filter"),
        ("deregister ", "bad_message", "one filter"),
        ("register jobs.*.* runs.*.*", "bad_message", "one filter"),
        ("register jobs", "bad_message", "three fields"),
        ("register jobs.create", "bad_message", "three fields"),
        ("register ..", "bad_message", "type is empty"),
        ("register jobs..*", "bad_message", "action is empty"),
        ("register jobs.*.", "bad_message", "key is empty"),
        ("register jobs.create,.*", "bad_message", "action is empty"),
        ("register minions.*.web*", "bad_message", "beside other text"),
        ("register jobs.*." + "1" * 10_000, "too_large", "characters"),
        ("register " + "x" * 1_000_000, "too_large", "characters"),
        (b"register *.*.*", "bad_message", "text frames"),
        (b"\xff", "bad_message", "text frames"),
    ],
)
def test_the_error_for_a_malformed_frame_names_the_fault(frame: str | bytes, code: str, says: str) -> None:
    """In one sentence that tells the author of the client what to fix."""
    with pytest.raises(ApiError) as fault:
        parse_request(frame)
    assert (fault.value.code, says in fault.value.message) == (code, True), fault.value.message


def test_a_filter_may_have_the_maximum_length() -> None:
    """And no more."""
    text = "jobs.*." + "1" * (MAX_CHARACTERS - 7)
    request = parse_request(f"deregister {text}")
    assert (request.verb, request.text, request.pattern) == ("deregister", text, of("jobs", None, text[7:]))
