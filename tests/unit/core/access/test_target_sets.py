"""The minions that the targets of auth lists match: cached and renewed."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.core.access.target_sets import FORGET_SECONDS, MAX_REST_SECONDS, RENEW_SECONDS, REST, TargetSets
from websocket_api.errors import ApiError
from websocket_api.fair_share import ENGINE, Share, current_share, on_behalf_of

from tests.unit.core.support import Time


class Matcher:
    """A master that counts the requests to match."""

    def __init__(self, **sets: list[str]) -> None:
        self.sets = sets
        self.asked: list[str] = []
        self.code = "master_unavailable"
        self.gate: asyncio.Event | None = None
        self.shares: list[Share] = []

    async def __call__(self, expression: str) -> list[str]:
        self.asked.append(expression)
        self.shares.append(current_share())
        found = self.sets.get(expression)
        if self.gate is not None:
            await self.gate.wait()
        if found is None:
            raise ApiError(self.code, "the store fails")
        return list(found)

    async def asked_for(self, count: int) -> None:
        """Wait for this number of requests."""
        for _ in range(100):
            if len(self.asked) >= count:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{len(self.asked)} of {count} requests came")


async def test_an_unexpanded_expression_matches_no_minion() -> None:
    """Access is denied until the set is known."""
    targets = TargetSets(Matcher(web=["w1"]), Time())
    assert not targets.matches("web", "w1")
    await targets.ensure(["web"])
    assert targets.matches("web", "w1")
    assert not targets.matches("web", "db")


async def test_the_version_changes_with_each_set() -> None:
    """A set that is equal after a renewal changes nothing; one that is dropped does."""
    match, time = Matcher(web=["w1"], db=["d1"]), Time()
    targets = TargetSets(match, time)
    versions = [targets.version]
    for change in ({}, {"web": ["w1", "w2"]}, {"web": []}):
        match.sets.update(change)
        targets.invalidate()
        time.pass_(1)
        await targets.ensure(["web", "db"])
        versions.append(targets.version)
        targets.invalidate()
        time.pass_(1)
        await targets.ensure(["web", "db"])
        assert targets.version == versions[-1]
    time.pass_(FORGET_SECONDS + 1)
    await targets.renew()
    versions.append(targets.version)
    assert len(set(versions)) == len(versions)


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
    await match.asked_for(1)
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


async def test_clients_that_log_in_at_once_share_an_expansion() -> None:
    """The set serves all users: the engine pays for it, and one who leaves does not end it for the others."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    match.gate = asyncio.Event()
    with on_behalf_of(Share("anna", "pam")):
        waiting = [asyncio.ensure_future(targets.ensure(["web"])) for _ in range(5)]
    await match.asked_for(1)
    waiting[0].cancel()
    await asyncio.sleep(0)
    match.gate.set()
    await asyncio.gather(*waiting[1:])
    assert (match.asked, match.shares) == (["web"], [ENGINE])
    assert targets.matches("web", "w1")


async def test_a_login_after_a_change_does_not_use_an_expansion_from_before_it() -> None:
    """It waits for the one under way, and for one more."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    match.gate = asyncio.Event()
    first = asyncio.ensure_future(targets.ensure(["web"]))
    await match.asked_for(1)
    time.pass_(1)
    match.sets["web"] = ["w2"]
    targets.invalidate()
    time.pass_(1)
    later = [asyncio.ensure_future(targets.ensure(["web"])) for _ in range(5)]
    await asyncio.sleep(0)
    match.gate.set()
    await asyncio.gather(first, *later)
    assert match.asked == ["web", "web"]
    assert (targets.matches("web", "w1"), targets.matches("web", "w2")) == (False, True)


async def test_a_slow_renewal_is_followed_by_a_rest() -> None:
    """With many minions, grains are compared for seconds. A login expands what it needs all the same."""
    match, time = Matcher(web=["w1"], db=["d1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web", "db"])
    time.pass_(RENEW_SECONDS)
    match.gate = asyncio.Event()
    renewing = asyncio.ensure_future(targets.renew())
    await match.asked_for(3)
    time.pass_(2)
    match.gate.set()
    await renewing
    time.pass_(REST * 2 - 0.5)
    targets.invalidate()
    time.pass_(0.1)
    match.asked.clear()
    await targets.renew()
    assert match.asked == []
    await targets.ensure(["db"])
    time.pass_(0.5)
    await targets.renew()
    assert match.asked == ["db", "web"]


async def test_the_rest_after_a_store_that_hung_is_short() -> None:
    """Else what users see would be old for many times as long."""
    match, time = Matcher(web=["w1"]), Time()
    targets = TargetSets(match, time)
    await targets.ensure(["web"])
    time.pass_(RENEW_SECONDS)
    match.gate = asyncio.Event()
    renewing = asyncio.ensure_future(targets.renew())
    await match.asked_for(2)
    time.pass_(300)
    match.gate.set()
    await renewing
    time.pass_(MAX_REST_SECONDS)
    await targets.renew()
    assert match.asked == ["web"] * 3
