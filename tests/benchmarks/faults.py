"""Random faults of masters, for the chaos benchmark and the soak."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import psutil

from tests.benchmarks.masters import Masters
from tests.support.foreign_sockets import shut_down

CALM_SECONDS = (1.0, 9.0)  # between two faults
AWAY_SECONDS = (0.5, 5.0)  # of a master or Redis that was killed
STOPPED_SECONDS = (0.5, 7.0)  # of a process that hangs

HARSH = {
    "kill the serving process": 5,
    "kill the supervisor": 2,
    "kill the master": 2,
    "restart the master": 1,
    "stop the serving process": 3,
    "stop the master": 1,
    "cut": 4,
    "reload": 3,
}
WITH_REDIS = {**HARSH, "kill Redis": 2, "stop Redis": 1}

Kind = Callable[[int, random.Random], Coroutine[Any, Any, None]]
"""Does something to the master with this index."""


class Faults:
    """Kills, stops and cuts.

    :param chance: decides what happens when
    :param weights: what may happen, and how often compared with the others
    """

    def __init__(self, masters: Masters, chance: random.Random, weights: Mapping[str, int]) -> None:
        self.done: Counter[str] = Counter()
        self._masters = masters
        self._chance = chance
        self._began = time.monotonic()
        self._later: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        """Masters, and Redis, that are away: they come back before they are away again."""
        self._kinds: dict[str, Kind] = {
            "kill the serving process": self._kill_serving,
            "kill the supervisor": self._kill_supervisor,
            "kill the master": self._kill_master,
            "restart the master": self._restart_master,
            "stop the serving process": self._stop_serving,
            "stop the master": self._stop_master,
            "stop the publisher": self._stop_publisher,
            "lose the bus": self._lose_bus,
            "cut": self._cut,
            "reload": self._reload,
            "kill Redis": self._kill_redis,
            "stop Redis": self._stop_redis,
        }
        self._names = [name for name, weight in weights.items() for _ in range(weight)]

    async def run(self, seconds: float) -> None:
        """Cause faults for a time; return when all processes are there again."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(self._chance.uniform(*CALM_SECONDS), left))
            kind = self._kinds[self._chance.choice(self._names)]
            number = self._chance.randrange(len(self._masters.addresses))
            # A reload and a stop of the master take seconds: other faults happen meanwhile.
            task = asyncio.create_task(kind(number, random.Random(self._chance.random())))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        await asyncio.gather(*self._later)

    async def do(self, name: str) -> None:
        """Cause one fault at one master now."""
        await self._kinds[name](self._chance.randrange(len(self._masters.addresses)), self._chance)

    def _note(self, number: int | None, what: str) -> None:
        self.done[what] += 1
        where = "" if number is None else f"{self._masters.names[number]}: "
        print(f"{time.monotonic() - self._began:7.1f} s  {where}{what}", flush=True)

    async def _kill_serving(self, number: int, chance: random.Random) -> None:
        engine = await asyncio.to_thread(self._masters.engine, number)
        if engine and _send(engine[-1], signal.SIGKILL):
            self._note(number, "kill -9 of the serving process")
            await self._hit_api(number)

    async def _kill_supervisor(self, number: int, chance: random.Random) -> None:
        engine = await asyncio.to_thread(self._masters.engine, number)
        if len(engine) > 1 and _send(engine[0], signal.SIGKILL):
            self._note(number, "kill -9 of the supervisor")
            await self._hit_api(number)

    async def _hit_api(self, number: int) -> None:
        """Do to saltnado what was done to the engine: kill its server; start salt-api again."""
        name = f"api-{self._masters.addresses[number]}"
        if self._masters.saltnado and name not in self._busy:
            with self._away(name):
                await asyncio.to_thread(self._masters.kill_process, name)
                await asyncio.to_thread(self._masters.start_api, number)

    async def _kill_master(self, number: int, chance: random.Random) -> None:
        name = f"master-{self._masters.addresses[number]}"
        if name in self._busy:
            return
        with self._away(name):
            self._note(number, "kill -9 of the master and its processes")
            await asyncio.to_thread(self._masters.kill_process, name)
            await self._start_master(number, chance)

    async def _restart_master(self, number: int, chance: random.Random) -> None:
        name = f"master-{self._masters.addresses[number]}"
        if name in self._busy:
            return
        with self._away(name):
            self._note(number, "restart of the master")
            await asyncio.to_thread(self._masters.terminate, number)
            await self._start_master(number, chance)

    async def _start_master(self, number: int, chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(*AWAY_SECONDS))
        await asyncio.to_thread(self._masters.restart, number)
        if self._masters.saltnado:  # it would follow the old bus for ever
            await self._hit_api(number)

    async def _stop_serving(self, number: int, chance: random.Random) -> None:
        engine = await asyncio.to_thread(self._masters.engine, number)
        if engine:
            self._note(number, "SIGSTOP, then SIGCONT of the serving process")
            await self._stop(engine[-1:], chance)

    async def _stop_master(self, number: int, chance: random.Random) -> None:
        master = await asyncio.to_thread(self._masters.master, number)
        if master is not None:
            self._note(number, "SIGSTOP, then SIGCONT of the master and its processes")
            with contextlib.suppress(psutil.Error):
                await self._stop([master, *master.children(recursive=True)], chance)

    async def _stop_publisher(self, number: int, chance: random.Random) -> None:
        publisher = await asyncio.to_thread(self._masters.publisher, number)
        if publisher is not None:
            self._note(number, "SIGSTOP, then SIGCONT of the master's event publisher")
            await self._stop([publisher], chance)

    async def _lose_bus(self, number: int, chance: random.Random) -> None:
        """Shut down the engine's connections to the event publisher, as a dying publisher does."""
        engine = await asyncio.to_thread(self._masters.engine, number)
        if engine and await asyncio.to_thread(shut_down, engine[-1].pid, self._masters.bus(number)):
            self._note(number, "the connection to the event bus lost")

    async def _stop(self, processes: list[psutil.Process], chance: random.Random) -> None:
        try:
            for process in processes:
                _send(process, signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(*STOPPED_SECONDS))
        finally:
            for process in processes:
                _send(process, signal.SIGCONT)

    async def _kill_redis(self, number: int, chance: random.Random) -> None:
        if "redis" in self._busy:
            return
        with self._away("redis"):
            self._note(None, "kill -9 of Redis")
            await asyncio.to_thread(self._masters.kill_process, "redis")
            await asyncio.sleep(chance.uniform(*AWAY_SECONDS))
            await asyncio.to_thread(self._masters.start_redis)

    async def _stop_redis(self, number: int, chance: random.Random) -> None:
        redis = self._masters.process("redis")
        if redis is not None:
            self._note(None, "SIGSTOP, then SIGCONT of Redis")
            await self._stop([redis], chance)

    async def _cut(self, number: int, chance: random.Random) -> None:
        """Shut down half of the connections of this process to the engines, as a broken network does."""
        found = [
            it for it in psutil.Process().net_connections("tcp") if it.raddr and it.raddr.port == self._masters.port
        ]
        chosen = chance.sample(found, len(found) // 2)
        for connection in chosen:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fd)) as one:
                one.shutdown(socket.SHUT_RDWR)
        self._note(None, "half of the connections cut")

    async def _reload(self, number: int, chance: random.Random) -> None:
        name = f"reload-{number}"
        if name in self._busy:
            return
        with self._away(name):
            done = await asyncio.to_thread(self._masters.reload, number)
        self._note(number, "reload" if done else "reload that failed")

    @contextlib.contextmanager
    def _away(self, name: str) -> Iterator[None]:
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)


def _send(process: psutil.Process, number: signal.Signals) -> bool:
    """Send a signal; return whether the process was there."""
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
        return True
    return False
