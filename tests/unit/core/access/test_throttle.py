"""Guessing passwords is slow, and locks no other user out."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.core.access import throttle
from websocket_api.core.access.throttle import LoginThrottle, Rate
from websocket_api.errors import ApiError

from tests.support.waiting import LOOP_SECONDS
from tests.unit.core.support import Time


def failing(time: Time, times: int, *, address: str = "1.1.1.1", name: str = "ann") -> LoginThrottle:
    guard = LoginThrottle(per_name=3, per_address=6, clock=time)
    for _ in range(times):
        guard.failed(address, name)
    return guard


def refused(guard: LoginThrottle, address: str = "1.1.1.1", name: str = "ann") -> ApiError:
    with pytest.raises(ApiError) as caught:
        guard.check(address, name)
    return caught.value


def test_a_few_failures_are_allowed() -> None:
    """Below the limit every login is accepted."""
    failing(Time(), 2).check("1.1.1.1", "ann")


def test_too_many_failures_of_one_name_refuse_it() -> None:
    """The error names the limit and when to try again."""
    fault = refused(failing(Time(), 3))
    assert (fault.code, fault.retryable) == ("too_many", True)
    assert fault.details == {"limit": "login_failures_per_minute", "retry_after": 60.0}


@pytest.mark.parametrize(("address", "name"), [("1.1.1.1", "bob"), ("2.2.2.2", "ann")])
def test_others_are_not_locked_out(address: str, name: str) -> None:
    """Another name from that address, and the same name from elsewhere, may still log in."""
    failing(Time(), 3).check(address, name)


def test_too_many_failures_of_one_address_refuse_every_name() -> None:
    """Another name does not help."""
    guard = failing(Time(), 3)
    for name in ("a", "b", "c"):
        guard.failed("1.1.1.1", name)
    assert refused(guard, name="fresh").details["limit"] == "login_failures_per_address_per_minute"


def test_failures_are_forgotten_after_a_minute() -> None:
    """The limit is per minute, and each failure expires by itself."""
    time = Time()
    guard = failing(time, 2)
    time.pass_(40)
    guard.failed("1.1.1.1", "ann")
    assert refused(guard).details["retry_after"] == 20.0
    time.pass_(20)
    guard.check("1.1.1.1", "ann")


def test_the_memory_for_failures_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither failures nor refused attempts fill the memory."""
    monkeypatch.setattr(throttle, "MAX_KEYS", 10)
    guard = failing(Time(), 6)
    for number in range(100):
        refused(guard, name=f"name{number}")
    assert len(guard._failures) <= 10
    for number in range(100):
        guard.failed(f"10.0.0.{number}", "x")
    assert len(guard._failures) == 10


async def test_guessing_from_one_address_delays_no_other_address() -> None:
    """PAM takes seconds to refuse a password: one address never gets all slots, nor all places in the queue."""
    guard, refused_now = LoginThrottle(per_name=3, per_address=6, clock=Time(), at_once=4), asyncio.Event()

    async def log_in(address: str, until: asyncio.Event | None = None) -> None:
        async with guard.slot(address):
            if until is not None:
                await until.wait()

    guesses = [asyncio.ensure_future(log_in("1.1.1.1", refused_now)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.wait_for(log_in("2.2.2.2"), LOOP_SECONDS)
    refused_now.set()
    await asyncio.gather(*guesses)
    await asyncio.wait_for(log_in("1.1.1.1"), LOOP_SECONDS)


def test_guessing_one_name_from_many_addresses_is_slowed_down() -> None:
    """By 0.1 s for each failure over the limit, at most 3 s; its owner can still log in."""
    time = Time()
    guard = LoginThrottle(per_name=3, per_address=6, clock=time)
    delays = []
    for number in range(40):
        delays.append(guard.delay("ann"))
        guard.failed(f"10.0.0.{number}", "ann")
    assert delays[:6] == pytest.approx([0, 0, 0, 0, 0.1, 0.2])
    assert guard.delay("ann") == 3.0
    assert guard.delay("bob") == 0
    time.pass_(60)
    assert guard.delay("ann") == 0


def test_a_rate_counts_each_address_separately() -> None:
    """The error names the limit and when to try again; a refused action is not counted."""
    time = Time()
    rate = Rate(2, time)
    rate.acquire("1.1.1.1")
    time.pass_(0.25)
    rate.acquire("1.1.1.1")
    for _ in range(3):
        with pytest.raises(ApiError, match="more than 2 a second") as refused_now:
            rate.acquire("1.1.1.1")
    assert refused_now.value.code == "too_many"
    assert refused_now.value.details == {"limit": "hooks", "retry_after": 0.75}
    rate.acquire("2.2.2.2")
    time.pass_(0.75)
    rate.acquire("1.1.1.1")  # the first one is a second old
    with pytest.raises(ApiError):
        rate.acquire("1.1.1.1")


def test_a_rate_keeps_a_limited_number_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest address is dropped, and starts again."""
    monkeypatch.setattr(throttle, "MAX_KEYS", 2)
    rate = Rate(1, Time())
    for address in ("1.1.1.1", "2.2.2.2", "3.3.3.3"):
        rate.acquire(address)
    for address in ("2.2.2.2", "3.3.3.3"):
        with pytest.raises(ApiError):
            rate.acquire(address)
    rate.acquire("1.1.1.1")


def test_the_oldest_failure_says_when_to_try_again() -> None:
    """In tenths of a second; the refusal says what happened."""
    time = Time()
    guard = LoginThrottle(per_name=3, per_address=6, clock=time)
    for seconds in (10, 10, 0.24):
        guard.failed("1.1.1.1", "ann")
        time.pass_(seconds)
    fault = refused(guard)
    assert (fault.message, fault.details["retry_after"]) == ("too many failed logins", 39.8)


@pytest.mark.parametrize(("at_once", "each"), [(1, 1), (2, 1), (4, 2), (6, 3)])
async def test_one_address_has_at_most_half_of_the_logins(at_once: int, each: int) -> None:
    """Of those that Salt checks at the same time."""
    guard, end = LoginThrottle(per_name=3, per_address=6, clock=Time(), at_once=at_once), asyncio.Event()
    running: list[str] = []

    async def log_in(address: str) -> None:
        async with guard.slot(address):
            running.append(address)
            await end.wait()

    logins = [asyncio.ensure_future(log_in(address)) for address in ["1.1.1.1"] * 9 + ["2.2.2.2"] * 9]
    for _ in range(3):
        await asyncio.sleep(0)  # each task goes as far as it can
    assert len(running) == at_once
    assert running.count("1.1.1.1") == each
    end.set()
    await asyncio.gather(*logins)
