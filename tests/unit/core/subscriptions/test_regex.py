"""Regular expressions of clients: what RE2 accepts, finds and refuses, and their fixed bounds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from websocket_api.core.events.event import make
from websocket_api.core.subscriptions import filters, regex
from websocket_api.core.subscriptions.regex import INSTRUCTIONS_PER_PATTERN, MAX_INSTRUCTIONS, MAX_TAG, Expressions
from websocket_api.errors import ApiError

JOB = "salt/job/20261123120000000001/ret/web1"


def expressions(*patterns: str) -> Expressions:
    return Expressions((f"/tag/{index}", pattern) for index, pattern in enumerate(patterns))


def refusal(tag: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        filters.make({"tag": tag, "match_type": "regex"})
    assert (caught.value.code, caught.value.retryable) == ("bad_message", False)
    return caught.value


@pytest.mark.parametrize(
    "pattern", ["^salt/", r"ret/web\d$", r"\d{20}/(ret|new)", "(?i)SALT/JOB", "(?P<id>web)1", "(?s).", "^$", ""]
)
@pytest.mark.parametrize("tag", [JOB, "salt/auth", "my/web1 ", "x/é", "a\nb", ""])
def test_usual_expressions_find_what_salt_finds(pattern: str, tag: str) -> None:
    """Salt searches tags with ``re.search``. RE2 finds the same for syntax that both have."""
    assert expressions(pattern).match(tag) is (re.search(pattern, tag) is not None)


@pytest.mark.parametrize(
    ("pattern", "tag", "found"),
    [
        (r"^\d$", "\u0663", False),  # an Arabic digit
        (r"^\w$", "é", False),
        (r"\bé", "é", False),
        ("a$", "a\n", False),
        (r"a\z", "a", True),
        (r"^\pL$", "é", True),
        ("(?i)É", "é", True),
        ("^.$", "é", True),  # a character, not a byte
    ],
)
def test_where_re2_differs_from_python(pattern: str, tag: str, found: bool) -> None:
    """docs/protocol.md names the differences."""
    assert expressions(pattern).match(tag) is found


@pytest.mark.parametrize(
    ("tag", "path", "problem"),
    [
        ("(", "/tag", "is not a regular expression of RE2: missing ): ("),
        (["a", "("], "/tag/1", "is not a regular expression of RE2: missing ): ("),
        (r"(a)\1", "/tag", r"is not a regular expression of RE2: invalid escape sequence: \1"),
        ("a(?=b)", "/tag", "is not a regular expression of RE2: invalid perl operator: (?="),
        ("a(?!b)", "/tag", "is not a regular expression of RE2: invalid perl operator: (?!"),
        (r"a\Z", "/tag", r"is not a regular expression of RE2: invalid escape sequence: \Z"),
        ("a{1001}", "/tag", "is not a regular expression of RE2: invalid repetition size: {1001}"),
        (r"\pL{80}", "/tag", "is not a regular expression of RE2: pattern too large - compile failed"),
        ("\ud800", "/tag", "is not valid Unicode"),
        ("x" * 257, "/tag", "must be at most 256 characters"),
        (["x" * 257], "/tag/0", "must be at most 256 characters"),
    ],
)
def test_what_re2_cannot_parse_is_refused_by_name(tag: Any, path: str, problem: str) -> None:
    """The error names the field, and the part of the expression that is wrong."""
    assert refusal(tag).details == [{"path": path, "message": problem}]


def test_the_expressions_of_one_filter_share_the_instructions() -> None:
    """One large expression costs the same as many small ones."""
    half = f"a{{{MAX_INSTRUCTIONS // 2 - 10}}}"
    assert expressions(half, half).instructions <= MAX_INSTRUCTIONS
    error = refusal([half, half, half])
    assert error.details[0]["path"] == "/tag/2"
    assert "too large" in error.message


def test_a_regular_expression_counts_by_its_size() -> None:
    """``patterns_per_user`` bounds the work of all filters, so large expressions count more."""
    made = filters.make({"tag": r"^salt/job/\d{20}/ret/web\d+$", "match_type": "regex", "fun": "test.*"})
    assert made.expressions is not None
    assert made.expressions.instructions == 34  # as docs/configuration.md says
    assert made.weight == 4 + 1
    assert INSTRUCTIONS_PER_PATTERN == 10


@pytest.mark.parametrize(
    "pattern", ["^(a|a)*(a|a)*(a|a)*$", "(a+)+$", "(?:.|..)+[!?]{1,64}", "(a|b)*a(a|b){18}c", "(.*a){20}c"]
)
def test_no_expression_backtracks(pattern: str) -> None:
    """Python's ``re`` would need centuries for these, so the test would time out."""
    assert not expressions(pattern).match("a" * (MAX_TAG - 1) + "d")


def test_long_tags_never_match() -> None:
    """The work for one tag is bounded even if somebody else chooses the tag."""
    assert expressions("a").match("a" * MAX_TAG)
    assert not expressions("a").match("a" * (MAX_TAG + 1))
    assert not expressions("é").match("é" * (MAX_TAG // 2 + 1))


def test_odd_characters_in_a_tag_do_no_harm() -> None:
    """A lone surrogate cannot be encoded; it matches as a question mark."""
    assert expressions("^a.b$").match("a\ud800b")


def test_without_the_package_regular_expressions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own ``re`` may backtrack forever: it is never used for what a client sends."""
    monkeypatch.setattr(regex, "re2", None)
    assert "google-re2" in refusal("a").message


def test_equal_expressions_make_equal_filters() -> None:
    """Subscribers with equal filters share one decision."""
    one, other = (filters.make({"tag": "a+", "match_type": "regex"}) for _ in range(2))
    assert one == other
    event = make(1, "my/aa", {}, 0.0)[0]
    assert one.matches(event)
    assert other.select(event, event.body) == event.body
