"""Logging in with a password."""

from __future__ import annotations

import asyncio
from collections import Counter

from websocket_api.core.access.throttle import LoginThrottle
from websocket_api.errors import ApiError
from websocket_api.operations.session import auth

from tests.unit.core.support import World
from tests.unit.operations.support import Asking


class Accounts:
    """Salt's accounts, with a slow refusal."""

    asked = 0

    async def login(self, username: str, password: str, eauth: str) -> None:
        self.asked += 1
        for _ in range(10):
            await asyncio.sleep(0)
        raise ApiError("unauthenticated", "the login was refused")


async def test_simultaneous_guesses_are_counted() -> None:
    """A hundred guesses on a hundred connections reach Salt no more often than guesses one by one."""
    world, accounts = World(), Accounts()
    throttle = LoginThrottle(per_name=10, per_address=60, clock=world.time, at_once=2)
    asking = Asking(world, throttle=throttle, sessions=accounts)

    async def guess(number: int) -> str:
        try:
            await auth(asking.call(username="ann", password=str(number)))
        except ApiError as fault:
            return fault.code
        return "ok"

    codes = Counter(await asyncio.gather(*(guess(number) for number in range(100))))
    assert accounts.asked <= 11
    assert codes == {"unauthenticated": accounts.asked, "too_many": 100 - accounts.asked}
