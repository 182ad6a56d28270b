"""What a subscription asks for, before anybody's permission is looked at."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from websocket_api.core.events.event import Event, make
from websocket_api.core.subscriptions import filters
from websocket_api.core.subscriptions import regex as expressions
from websocket_api.core.subscriptions.regex import Allowance
from websocket_api.errors import ApiError

from tests.unit.core.support import JID, Time, filter_of

TAG = f"salt/job/{JID}/ret/web1"


def event(tag: str = TAG, **data: Any) -> Event:
    return make(1, tag, {"fun": "test.ping", **data}, 0.0)[0]


def asked(filter_: filters.Filter, tried: Event) -> bool:
    """Tell whether a filter asks for an event that may be seen: expressions are tried on nothing else."""
    return filter_.wants(tried) and filter_.select(tried, tried.body) is not None


def expression(*patterns: str, allowance: Allowance | None = None) -> filters.Filter:
    return filter_of({"tag": list(patterns), "match_type": "regex"}, allowance)


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
    assert asked(filters.make(message, Allowance("ann", Time())), event()) is wanted


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
    assert filter_of(message).wants(event()) is wanted


def test_a_new_job_is_about_each_of_its_minions() -> None:
    """A filter on a minion finds the jobs that are published to it, and those that miss it."""
    new = event(f"salt/job/{JID}/new", minions=["web1"], missing=["web2"])
    assert [filter_of({"minions": [name]}).wants(new) for name in ("web1", "web2", "db")] == [True, True, False]


def test_an_event_without_a_function_fits_no_function() -> None:
    """Who asks for functions is not sent what has none."""
    assert not filter_of({"fun": "*"}).wants(make(1, "my/tag", {}, 0.0)[0])


def test_equal_messages_make_equal_filters() -> None:
    """Equal filters are equal values, so that their subscribers share one decision."""
    one, other = filter_of({"minions": ["a", "b"]}), filter_of({"minions": ["b", "a"], "tag": ""})
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("tag", "path"), [("(", "/tag"), (["a", "("], "/tag/1"), ("x" * 257, "/tag"), (["x" * 257], "/tag/0")]
)
def test_a_wrong_regular_expression_is_refused_with_its_place(tag: Any, path: str) -> None:
    """The sender is told which expression is wrong."""
    with pytest.raises(ApiError) as caught:
        filters.make({"tag": tag, "match_type": "regex"}, Allowance("ann", Time()))
    assert (caught.value.code, caught.value.details[0]["path"]) == ("bad_message", path)


def test_without_the_package_regular_expressions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own re knows no time-out: it is never used for what a client sends."""
    monkeypatch.setattr(expressions, "regex", None)
    with pytest.raises(ApiError, match="regex"):
        expression("a")


SLOW = "(a|a)*(a|a)*(a|a)*$|b"
LITTLE_SLOW = "(?:.|..)+[!?]{1,%d}"
SALTS = r"^salt/job/\d{20}/ret/web\d+$"


def takes(filter_: filters.Filter, tag: str) -> str:
    """Try an event; return whether it fits, or how it ended where it took too long."""
    try:
        return str(asked(filter_, event(tag)))
    except ApiError as error:
        return f"{error.code} {error.details['limit']} retry={error.retryable}"


TOO_SLOW = "too_many regular_expressions retry=False"


def test_a_slow_regular_expression_is_given_up_at_once() -> None:
    """An expression that runs out of time says so: each further try would hold everybody up."""
    slow = expression(SLOW)
    began = time.thread_time()
    assert takes(slow, "b") == "True"
    assert takes(slow, "a" * 2000 + "c") == TOO_SLOW
    assert time.thread_time() - began < 0.05


def test_several_expressions_share_the_time_of_one_tag() -> None:
    """Else 64 of them would take 64 times as much."""
    slow = expression(*(LITTLE_SLOW % n for n in range(1, 65)))
    began = time.thread_time()
    assert takes(slow, "a" * 40) == TOO_SLOW
    assert time.thread_time() - began < 0.05


def test_all_that_a_user_asks_shares_the_time() -> None:
    """Another filter, connection or login has no time of its own; other users have theirs."""
    allowance = Allowance("ann", Time())
    began = time.thread_time()
    told = [takes(expression(LITTLE_SLOW % n, allowance=allowance), "a" * 60) for n in range(1, 12)]
    while allowance._credit > 0:
        told.append(takes(expression(LITTLE_SLOW % 1, allowance=allowance), "a" * 60))
    assert set(told) == {TOO_SLOW}
    with pytest.raises(ApiError) as caught:
        expression("b", allowance=allowance)
    assert caught.value.retryable
    assert 2 < caught.value.details["retry_after"] < 10
    assert time.thread_time() - began < 1
    assert takes(expression("b"), "b") == "True"


def test_the_time_comes_back_slowly() -> None:
    """Two hundredths of what passes: that is the most that a user takes from everybody."""
    clock = Time()
    allowance = Allowance("ann", clock)
    began, seconds = time.thread_time(), 30
    for _ in range(seconds * 10):
        clock.now += 0.1
        with contextlib.suppress(ApiError):
            for n in range(1, 20):
                takes(expression(LITTLE_SLOW % n, allowance=allowance), "a" * 14)
    taken = time.thread_time() - began
    assert 0.3 < taken < 0.1 + 0.02 * seconds + 0.5  # Python's own time around the expressions included


def test_a_debt_is_waited_for() -> None:
    """One match that took long is paid for as many short ones are."""
    clock = Time()
    allowance = Allowance("ann", clock)
    allowance.charge(1.1)
    clock.now += 50
    with pytest.raises(ApiError) as caught:
        allowance.check()
    assert caught.value.details["retry_after"] == 2.5
    clock.now += 2.6
    allowance.check()


def test_usual_regular_expressions_are_never_given_up() -> None:
    """A flood of events, and a handful of filters: all within one instant, so that no time comes back."""
    allowance = Allowance("ann", Time())
    usual = [expression(SALTS, allowance=allowance), expression("myco/", r"/ret/.*\d$", allowance=allowance)]
    tried = event()
    assert all(asked(one, tried) for _ in range(10_000) for one in usual)


def test_the_log_tells_who_it_is_but_not_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """One line a minute for each user."""
    clock = Time()
    allowance = Allowance("ann", clock)
    for _ in range(3):
        takes(expression(SLOW, allowance=allowance), "a" * 2000 + "c")
    assert [record.getMessage() for record in caplog.records] == [
        "regular expressions of 'ann' take too long; their subscriptions and requests end"
    ]
    clock.now += 61
    takes(expression(SLOW, allowance=allowance), "a" * 2000 + "c")
    assert len(caplog.records) == 2


def test_allowances_are_bounded_and_outlive_logins() -> None:
    """Who has used some time up is not forgotten for others' sake."""
    clock = Time()
    allowances = expressions.Allowances(clock)
    allowances.of("ann", "pam").charge(0.05)
    for number in range(2 * expressions.MAX_ALLOWANCES):
        allowances.of(f"user{number}", "pam")
    assert len(allowances) <= expressions.MAX_ALLOWANCES + 1
    assert not allowances.of("ann", "pam").full
    assert allowances.of("ann", "ldap").full


def test_expressions_are_tried_on_what_may_be_seen_only() -> None:
    """What is slow for some tags only would tell by its end that there are such events."""
    slow = expression(LITTLE_SLOW % 1)
    assert slow.wants(event("a" * 60))
    hidden = make(1, f"salt/job/{JID}/new" + "a" * 60, {"minions": ["web1"]}, 0.0)[0]
    for_hidden = filters.make(
        {"tag": LITTLE_SLOW % 1, "match_type": "regex", "minions": ["web1"]}, Allowance("ann", Time())
    )
    assert for_hidden.wants(hidden)
    assert for_hidden.select(hidden, b'"seq":1,"tag":"x","data":{"minions":[]}') is None


def test_many_globs_are_compiled_once() -> None:
    """More patterns than the standard library keeps compiled must not be compiled at every event."""
    wanted = [filter_of({"tag": [f"[ab]*{n}/{m}*?x" for m in range(64)], "match_type": "fnmatch"}) for n in range(40)]
    tried = event()
    began = time.thread_time()
    for _ in range(20):
        assert not any(one.wants(tried) for one in wanted)
    assert time.thread_time() - began < 1
