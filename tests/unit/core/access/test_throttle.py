"""Guessing passwords is slow, and locks nobody else out."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.core.access import throttle
from websocket_api.core.access.throttle import LoginThrottle
from websocket_api.errors import ApiError

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


def test_a_few_failures_are_forgiven() -> None:
    """Below the bound nobody is refused."""
    failing(Time(), 2).check("1.1.1.1", "ann")


def test_too_many_failures_of_one_name_refuse_it() -> None:
    """The refusal names the limit and when to come again."""
    fault = refused(failing(Time(), 3))
    assert (fault.code, fault.retryable) == ("too_many", True)
    assert fault.details == {"limit": "login_failures_per_minute", "retry_after": 60.0}


@pytest.mark.parametrize(("address", "name"), [("1.1.1.1", "bob"), ("2.2.2.2", "ann")])
def test_others_are_not_locked_out(address: str, name: str) -> None:
    """Another name from there, and the same name from elsewhere, may still log in."""
    failing(Time(), 3).check(address, name)


def test_too_many_failures_of_one_address_refuse_every_name() -> None:
    """Changing the name does not help."""
    guard = failing(Time(), 3)
    for name in ("a", "b", "c"):
        guard.failed("1.1.1.1", name)
    assert refused(guard, name="fresh").details["limit"] == "login_failures_per_address_per_minute"


def test_failures_are_forgotten_after_a_minute() -> None:
    """The bound is per minute, each failure counted for itself."""
    time = Time()
    guard = failing(time, 2)
    time.pass_(40)
    guard.failed("1.1.1.1", "ann")
    assert refused(guard).details["retry_after"] == 20.0
    time.pass_(20)
    guard.check("1.1.1.1", "ann")


def test_memory_is_bounded_however_many_names_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither failures nor refused attempts fill the memory."""
    monkeypatch.setattr(throttle, "MAX_KEYS", 10)
    guard = failing(Time(), 6)
    for number in range(100):
        refused(guard, name=f"name{number}")
    assert len(guard._failures) <= 10
    for number in range(100):
        guard.failed(f"10.0.0.{number}", "x")
    assert len(guard._failures) <= 10


async def test_who_goes_on_guessing_holds_up_nobody_elsewhere() -> None:
    """PAM takes seconds to refuse a password: one address never has all the turns, nor all the places before them."""
    guard, refused_now = LoginThrottle(per_name=3, per_address=6, clock=Time(), at_once=4), asyncio.Event()

    async def log_in(address: str, until: asyncio.Event | None = None) -> None:
        async with guard.slot(address):
            if until is not None:
                await until.wait()

    guesses = [asyncio.ensure_future(log_in("1.1.1.1", refused_now)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.wait_for(log_in("2.2.2.2"), 10)
    refused_now.set()
    await asyncio.gather(*guesses)
    await asyncio.wait_for(log_in("1.1.1.1"), 10)
