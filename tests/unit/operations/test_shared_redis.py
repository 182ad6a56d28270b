"""The parts of two engines with a real Redis between them: threads, Redis, the hub and a client of this project."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

redis = pytest.importorskip("redis")

from websocket_api.salt_master.event_log_format import Pace  # noqa: E402
from websocket_api.salt_master.event_log_redis import RedisLog  # noqa: E402

from tests.support.redis_server import RedisServer  # noqa: E402
from tests.support.waiting import until  # noqa: E402
from tests.unit.operations.engine import Engine  # noqa: E402
from tests.unit.operations.test_shared_stream import Follower  # noqa: E402

pytestmark = [
    pytest.mark.with_salt,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

SECONDS = 30


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def engines(server: RedisServer) -> AsyncIterator[dict[str, Engine]]:
    """Two engines that share a Redis."""
    found = {}
    for name in ("m1", "m2"):
        log: Any = RedisLog(server.url, name, 300, Pace(beat=0.2, block=0.2, retry=0.05))
        found[name] = engine = Engine(master_id=name, log=log, epoch=f"epoch-{name}")
        share, following = engine.parts.share, engine.parts.following
        assert share is not None
        assert following is not None
        log.start(following.deliver, share.writer.begin, lambda fault: None)
    await until(lambda: all(engine.services.masters() for engine in found.values()), SECONDS)
    yield found
    for engine in found.values():
        engine.log.close()


async def test_thousands_of_events_of_two_masters_reach_a_client_once(engines: dict[str, Engine]) -> None:
    """In the order of their master, while a client moves between the two."""
    client, number = Follower(), 2000
    await client.follow(engines["m1"])
    for turn in range(10):
        for name, engine in engines.items():
            for count in range(number // 10):
                engine.world.fire(f"t/{name}/{turn * number // 10 + count}")
            engine.time.pass_(1)
        reached = (turn + 1) * number // 10

        def is_read(reached: int = reached) -> bool:
            vectors = [engine.parts.share.vector() for engine in engines.values() if engine.parts.share]
            return all(one["seq"] >= reached for vector in vectors for one in vector.values())

        await until(is_read, SECONDS)
        for engine in engines.values():
            engine.time.pass_(1)
        client.read()
        await client.follow(engines["m1" if turn % 2 else "m2"])
    client.read()
    assert client.gaps == []
    for name in engines:
        own = [tag for tag in client.tags if tag.startswith(f"t/{name}/")]
        assert own == [f"t/{name}/{count}" for count in range(number)]
