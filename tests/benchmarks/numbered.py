"""Numbered events of all masters, and clients that follow them whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from tests.benchmarks.accounts import Account, Places
from tests.benchmarks.chaos_clients import BareFollower, PythonFollower, SaltnadoFollower, World
from tests.benchmarks.children import Child
from tests.benchmarks.masters import Masters, start_senders
from tests.support.waiting import until

PATIENCE_SECONDS = 120.0


class Numbered:
    """The senders, and the clients: half of them Python clients, half bare websockets.

    :param rate: events/s of all masters together
    :param clients: how many
    """

    def __init__(self, masters: Masters, rate: float, clients: int) -> None:
        self._masters = masters
        self._rate = rate
        self._senders: dict[str, Child] = {}
        self._following: list[asyncio.Task[None]] = []
        alone = masters.names[0] if len(masters.names) == 1 else None
        world, places = World(masters.urls, alone), {name: Places() for name in masters.names}
        self.accounts = [Account(places) for _ in range(clients)]
        self.clients = [_client(number, account, world) for number, account in enumerate(self.accounts)]
        self.sent: dict[str, int] = {}
        """How many events each sender sent, after :meth:`finish`."""

    async def start(self, stack: contextlib.AsyncExitStack, others: Sequence[SaltnadoFollower] = ()) -> None:
        """Start all; return when the clients follow and the events are sent.

        :param stack: ends all
        :param others: clients that follow too, but are not waited for
        """
        self._following = [asyncio.create_task(client.run()) for client in (*self.clients, *others)]
        for task in self._following:
            stack.callback(task.cancel)
        self._senders = start_senders(self._masters, self._rate, stack)
        for sender in self._senders.values():
            await asyncio.to_thread(sender.answer, PATIENCE_SECONDS)
        await self._wait(lambda: all(client.ready for client in self.clients))
        for sender in self._senders.values():
            sender.tell("go")

    async def finish(self) -> None:
        """Stop the senders, and wait until all clients have the last events, or a while."""
        for name, sender in self._senders.items():
            sender.tell("stop")
            self.sent[name] = (await asyncio.to_thread(sender.answer, PATIENCE_SECONDS))["sent"]
        newest = {name: count - 1 for name, count in self.sent.items()}
        with contextlib.suppress(asyncio.TimeoutError):  # the counts tell what did not come
            await self._wait(lambda: all(one.last == newest for one in self.accounts))

    def check(self) -> None:
        """Raise what a client failed with: one that ends would only look like lost events."""
        for task in self._following:
            if task.done():
                task.result()
                raise RuntimeError("a client has ended")

    async def _wait(self, condition: Callable[[], bool]) -> None:
        def reached() -> bool:
            self.check()
            return condition()

        await until(reached, PATIENCE_SECONDS)


def _client(number: int, account: Account, world: World) -> PythonFollower | BareFollower:
    if number % 2:
        return BareFollower(account, world, bundle=number % 4 == 1, turn=number // 2)
    return PythonFollower(account, world)
