"""Messages are read in turns between users, and leave the loop to others in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from websocket_api.fair_share import Share
from websocket_api.live.message_turns import TURN_SECONDS, MessageTurns

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


class Loop:
    """Turns of a loop, one after the other, and a clock that reading a message moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Callable[[], None]] = []
        self.read: list[str] = []
        self.turns = MessageTurns(self.calls.append, lambda: self.now)

    def send(self, share: Share, name: str, seconds: float = 2 * TURN_SECONDS) -> asyncio.Future[None] | None:
        """Let a message of somebody arrive that takes so long to be read."""

        def read() -> None:
            self.now += seconds
            self.read.append(name)

        then = self.turns.take(share, read)
        return None if then is None else asyncio.ensure_future(then)

    async def turn(self) -> list[str]:
        """Go on with the next turn, and return what was read in it."""
        await asyncio.sleep(0)
        before = len(self.read)
        calls, self.calls[:] = list(self.calls), []
        for call in calls:
            call()
        await asyncio.sleep(0)
        return self.read[before:]


async def test_a_small_message_is_read_at_once() -> None:
    """Nothing waits, and nothing is left to be done."""
    loop = Loop()
    assert loop.send(ANN, "a", 0.00001) is None
    assert loop.read == ["a"]
    assert await loop.turn() == []
    assert not loop.calls


async def test_the_next_user_is_served_next_whatever_lies_there() -> None:
    """Ann's twenty connections have sent a large message each; Bob's is read after one of them."""
    loop = Loop()
    waits = [loop.send(ANN, f"a{number}") for number in range(20)]
    assert loop.read == ["a0"]
    assert await loop.turn() == ["a1"]
    bob = loop.send(BOB, "b", 0.0001)
    assert await loop.turn() == ["a2"]
    assert await loop.turn() == ["b", "a3"]
    assert bob is not None
    await bob
    for _ in range(20):
        await loop.turn()
    assert loop.read[-1] == "a19"
    await asyncio.gather(*[one for one in waits if one is not None])
    assert not loop.calls


async def test_small_messages_share_a_turn() -> None:
    """A turn of the loop for each would cost more than reading them."""
    loop = Loop()
    loop.send(ANN, "large")
    for number in range(40):
        loop.send(ANN, f"a{number}", TURN_SECONDS / 20)
    assert 18 <= len(await loop.turn()) <= 22


async def test_what_the_reader_returns_is_waited_for_and_what_it_raises_is_raised() -> None:
    """As if it had been read at once: a login holds up what comes behind it."""
    loop = Loop()
    loop.send(ANN, "large")

    def broken() -> None:
        raise RuntimeError

    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    login = asyncio.ensure_future(loop.turns.take(ANN, lambda: gate))  # type: ignore[arg-type]
    wrong = asyncio.ensure_future(loop.turns.take(ANN, broken))
    await loop.turn()
    assert not login.done()
    gate.set_result(None)
    await login
    with pytest.raises(RuntimeError):
        await wrong


async def test_a_connection_that_goes_takes_its_message_along() -> None:
    """It is not read for nobody."""
    loop = Loop()
    loop.send(ANN, "large")
    gone = loop.send(ANN, "gone")
    await asyncio.sleep(0)
    assert gone is not None
    gone.cancel()
    await asyncio.sleep(0)
    assert await loop.turn() == []
    assert loop.read == ["large"]
