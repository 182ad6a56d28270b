"""Messages are read in turns between users, with pauses for the rest of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from websocket_api.core.access.loop_time import AT_ONCE_SECONDS, PART, LoopTime
from websocket_api.core.access.message_turns import TURN_SECONDS, MessageTurns
from websocket_api.fair_share import Share

from tests.unit.core.support import Time

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


class Loop:
    """Turns of a loop, one after the other, and a clock that advances while a message is read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.read: list[str] = []
        self.loop_time = LoopTime(lambda: self.now)
        self.turns = MessageTurns(self.later, self.loop_time)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now + seconds, call))

    def send(self, share: Share, name: str, seconds: float = 2 * TURN_SECONDS) -> asyncio.Future[None] | None:
        """Submit a message of a user that takes this long to read."""

        def read() -> None:
            self.now += seconds
            self.read.append(name)

        then = self.turns.submit(share, read)
        return None if then is None else asyncio.ensure_future(then)

    async def turn(self) -> list[str]:
        """Run the next turn, and return what was read in it."""
        await asyncio.sleep(0)
        before = len(self.read)
        due = [call for call in self.calls if call[0] <= self.now]
        for one in due:
            self.calls.remove(one)
            one[1]()
        await asyncio.sleep(0)
        return self.read[before:]


async def test_a_small_message_is_read_at_once() -> None:
    """Nothing waits, and no work is left."""
    loop = Loop()
    assert loop.send(ANN, "a", 0.00001) is None
    assert loop.read == ["a"]
    assert await loop.turn() == []


async def test_a_call_is_planned_only_when_half_of_a_turn_is_used() -> None:
    """A call for each message would cost more than reading some. The next turn is a whole one."""
    loop = Loop()
    for number in range(4):
        loop.send(ANN, f"a{number}", TURN_SECONDS / 8)
    assert loop.calls == []
    loop.send(ANN, "a4", TURN_SECONDS / 8)
    loop.send(ANN, "a5", TURN_SECONDS)
    assert (len(loop.calls), len(loop.read)) == (1, 6)
    waits = loop.send(ANN, "a6", TURN_SECONDS / 8)
    assert (waits is not None, len(loop.read)) == (True, 6)
    assert await loop.turn() == ["a6"]
    assert waits is not None
    await waits


async def test_the_next_user_is_served_next_however_many_messages_wait() -> None:
    """Ann's twenty connections have sent a large message each; Bob's is read after one of them."""
    loop = Loop()
    waits = [loop.send(ANN, f"a{number}") for number in range(20)]
    assert loop.read == ["a0"]
    assert await loop.turn() == ["a1"]
    bob = loop.send(BOB, "b", 0.0001)
    assert await loop.turn() == ["a2"]
    assert await loop.turn() == ["b"]
    assert bob is not None
    await bob
    for _ in range(200):
        loop.now += TURN_SECONDS
        await loop.turn()
    assert loop.read[-1] == "a19"
    await asyncio.gather(*[one for one in waits if one is not None])


async def test_small_messages_share_a_turn() -> None:
    """A turn of the loop for each would cost more than reading them."""
    loop = Loop()
    loop.send(ANN, "large")
    for number in range(40):
        loop.send(ANN, f"a{number}", TURN_SECONDS / 20)
    assert 18 <= len(await loop.turn()) <= 22


async def test_the_result_of_a_reader_is_awaited_and_its_error_is_raised() -> None:
    """As if it had been read at once: a login delays the next messages of its connection."""
    loop = Loop()
    loop.send(ANN, "large")

    def broken() -> None:
        raise RuntimeError

    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    login = asyncio.ensure_future(loop.turns.submit(ANN, lambda: gate))  # type: ignore[arg-type]
    wrong = asyncio.ensure_future(loop.turns.submit(ANN, broken))
    await loop.turn()
    assert not login.done()
    gate.set_result(None)
    await login
    with pytest.raises(RuntimeError):
        await wrong


async def test_a_waiting_message_of_a_closed_connection_is_dropped() -> None:
    """It is not read any more."""
    loop = Loop()
    loop.send(ANN, "large")
    gone = loop.send(ANN, "gone")
    await asyncio.sleep(0)
    assert gone is not None
    gone.cancel()
    await asyncio.sleep(0)
    assert await loop.turn() == []
    assert loop.read == ["large"]


async def test_all_clients_without_a_login_count_as_one_user() -> None:
    """Addresses cost nothing: a hundred of them get one part of the loop's time, and Bob is read among the first."""
    loop = Loop()
    for number in range(100):
        loop.send(Share.unauthenticated(f"10.0.0.{number}"), f"s{number}", TURN_SECONDS)
    for _ in range(10):
        await loop.turn()
    loop.send(BOB, "b", 0.0001)
    assert "b" in await loop.turn()
    before, began = len(loop.read), loop.now
    for _ in range(400):
        loop.now += TURN_SECONDS
        loop.loop_time.note(BOB)
        await loop.turn()
    assert (len(loop.read) - before) * TURN_SECONDS <= PART * (loop.now - began)


async def test_a_user_over_the_share_waits_while_others_have_requests() -> None:
    """Ann alone may use all of it; once Bob sends requests, she has her part."""
    loop = Loop()
    for number in range(40):
        loop.send(ANN, f"a{number}", AT_ONCE_SECONDS)
    for _ in range(10):
        assert len(await loop.turn()) == 1
    loop.send(BOB, "b", 0.0001)
    assert "b" in await loop.turn()
    before, began = len(loop.read), loop.now
    for _ in range(1000):
        loop.now += TURN_SECONDS
        loop.send(BOB, "b", 0.0001)
        await loop.turn()
    hers = [name for name in loop.read[before:] if name != "b"]
    assert 0 < len(hers) * AT_ONCE_SECONDS <= PART * (loop.now - began)
    assert len(loop.read) - before - len(hers) == 1000


async def test_steps_of_an_operation_are_charged_and_its_waiting_is_not() -> None:
    """Results, errors and cancellation pass through unchanged."""
    time = Time()
    loop_time = LoopTime(time)
    gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        time.now += AT_ONCE_SECONDS / 2
        try:
            said = await gate
        except asyncio.CancelledError:
            said = "canceled"
        time.now += AT_ONCE_SECONDS / 2
        await asyncio.sleep(0)
        if said == "fail":
            raise KeyError(said)
        return said

    loop_time.note(BOB)
    task = asyncio.ensure_future(loop_time.charged(ANN, work()))
    await asyncio.sleep(0)
    time.now += 10
    loop_time.note(BOB)
    task.cancel()
    assert await task == "canceled"
    assert loop_time.may_run(ANN)
    loop_time.charge(ANN, AT_ONCE_SECONDS / 2 + 0.001)
    assert not loop_time.may_run(ANN)
    gate = asyncio.get_running_loop().create_future()
    gate.set_result("fail")
    with pytest.raises(KeyError):
        await loop_time.charged(ANN, work())
