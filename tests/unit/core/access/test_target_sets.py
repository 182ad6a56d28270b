"""The minions that the targets of auth lists match: cached and renewed."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.core.access.target_sets import FORGET_SECONDS, RENEW_SECONDS, TargetSets
from websocket_api.errors import ApiError

from tests.unit.core.support import Time


class Matcher:
    """A master that counts the requests to match."""

    def __init__(self, **sets: list[str]) -> None:
        self.sets = sets
        self.asked: list[str] = []
        self.code = "master_unavailable"
        self.gate: asyncio.Event | None = None

    async def __call__(self, expression: str) -> list[str]:
        self.asked.append(expression)
        found = self.sets.get(expression)
        if self.gate is not None:
            await self.gate.wait()
        if found is None:
            raise ApiError(self.code, "the store fails")
        return list(found)


async def test_an_unexpanded_expression_matches_no_minion() -> None:
    """Access is denied until the set is known."""
    targets = TargetSets(Matcher(web=["w1"]), Time())
    assert not targets.matches("web", "w1")
    await targets.ensure(["web"])
    assert targets.matches("web", "w1")
    assert not targets.matches("web", "db")


async def test_an_expression_is_expanded_once_for_all() -> None:
    """A second request within the time sends nothing."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    for _ in range(3):
        await targets.ensure(["web"])
        await targets.renew()
    time.pass_(RENEW_SECONDS - 1)
    await targets.ensure(["web"])
    assert match.asked == ["web"]


async def test_sets_are_renewed_in_time() -> None:
    """A changed grain counts after the renewal, which reports the change."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web"])
    match.sets["web"] = ["w2"]
    time.pass_(RENEW_SECONDS)
    assert await targets.renew() is True
    assert (targets.matches("web", "w1"), targets.matches("web", "w2")) == (False, True)
    time.pass_(RENEW_SECONDS)
    assert await targets.renew() is False


async def test_a_change_that_a_login_or_a_check_of_a_token_found_is_reported_once() -> None:
    """Else other subscriptions keep what they may no longer see, and lack what they may."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web"])
    assert await targets.renew() is False
    match.sets["web"] = ["w2"]
    time.pass_(1)
    targets.invalidate()
    await targets.ensure(["web"])
    assert [await targets.renew(), await targets.renew()] == [True, False]


async def test_a_changed_key_renews_at_once() -> None:
    """After keys or grains changed, the next renewal expands all expressions again."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web"])
    time.pass_(1)
    targets.invalidate()
    time.pass_(1)
    assert targets.matches("web", "w1")  # the old set counts until the new one is there
    await targets.renew()
    assert match.asked == ["web", "web"]


async def test_a_change_during_an_expansion_is_not_overlooked() -> None:
    """A result that was read before the change is read again, even if it arrives after it."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    match.gate = asyncio.Event()
    reading = asyncio.ensure_future(targets.ensure(["web"]))
    await asyncio.sleep(0)
    time.pass_(1)
    targets.invalidate()
    match.gate.set()
    await reading
    await targets.renew()
    assert match.asked == ["web", "web"]


async def test_an_expression_that_cannot_be_expanded_matches_no_minion() -> None:
    """An invalid expression or a failing store allows nothing."""
    targets = TargetSets(Matcher(), Time())
    await targets.ensure(["web"])
    assert not targets.matches("web", "w1")


async def test_a_store_that_fails_for_a_while_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The last set counts until the store answers again; an expression that became invalid matches nothing."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web"])
    del match.sets["web"]
    time.pass_(RENEW_SECONDS)
    assert await targets.renew() is False
    assert targets.matches("web", "w1")
    assert caplog.messages == ["the target 'web' of an auth list could not be expanded: the store fails"]
    match.code = "bad_message"
    time.pass_(RENEW_SECONDS)
    assert await targets.renew() is True
    assert not targets.matches("web", "w1")


async def test_a_change_of_any_set_is_reported() -> None:
    """Also if the sets after it are unchanged."""
    match, time = Matcher(web=["w1"], db=["d1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web", "db"])
    match.sets["web"] = ["w2"]
    time.pass_(RENEW_SECONDS)
    assert await targets.renew() is True


async def test_an_unused_expression_is_dropped() -> None:
    """An expression of no current permissions is not expanded any more."""
    match, time = Matcher(web=["w1"], db=["d1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web", "db"])
    for _ in range(2):
        time.pass_(FORGET_SECONDS / 2 + 1)
        targets.mark_used(["db"])
    await targets.renew()
    assert (targets.matches("web", "w1"), targets.matches("db", "d1")) == (False, True)


async def test_an_error_in_one_expression_does_not_affect_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Salt's matching can raise anything: that expression matches nothing, the others are renewed."""

    async def match(expression: str) -> list[str]:
        if expression == "bad":
            raise TypeError("nobody foresaw this")
        return ["a"]

    sets = TargetSets(match, Time())
    await sets.ensure(["bad", "good"])
    assert (sets.matches("bad", "a"), sets.matches("good", "a")) == (False, True)
    assert caplog.messages == ["the target 'bad' of an auth list could not be expanded"]
