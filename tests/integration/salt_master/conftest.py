"""The parts that talk to Salt, in this process, on the shared master."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import salt.config
from websocket_api.salt_master.auth import Auth
from websocket_api.salt_master.bus import Bus
from websocket_api.salt_master.channels import Channels
from websocket_api.salt_master.commands import Commands
from websocket_api.salt_master.functions import MasterFunctions
from websocket_api.salt_master.job_cache import JobCache
from websocket_api.salt_master.minions import MinionStore
from websocket_api.salt_master.pool import Pool

from tests.integration.conftest import SECRET


@pytest.fixture(scope="session")
def opts(salt_minions: list[Any], salt_master: Any) -> dict[str, Any]:
    """The master's opts, once its minions are there."""
    opts: dict[str, Any] = salt.config.master_config(salt_master.config["conf_file"])
    opts["nodegroups"] = {"both": "L@minion-1,minion-2", "first": "minion-1"}
    return opts


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """Threads."""
    pool = Pool(4, "test")
    yield pool
    pool.close()


@pytest.fixture
def auth(opts: dict[str, Any], pool: Pool) -> Auth:
    """Logins."""
    return Auth(opts, pool, pool)


@pytest.fixture
def token(auth: Auth) -> Callable[[str], Awaitable[str]]:
    """Log somebody in: ``await token("demo")``."""

    async def token(name: str) -> str:
        login = await auth.login(name, SECRET, "sharedsecret")
        assert login is not None
        return str(login["token"])

    return token


@pytest.fixture
async def commands(opts: dict[str, Any], pool: Pool) -> AsyncIterator[Commands]:
    """Commands, over channels that are closed after the test."""
    channels = Channels(opts, 8, 15)
    yield Commands(opts, channels, pool, MasterFunctions(opts, pool))
    channels.close()


@pytest.fixture
def store(opts: dict[str, Any], pool: Pool) -> JobCache:
    """The job cache."""
    return JobCache(opts, pool)


@pytest.fixture
def minions(opts: dict[str, Any], pool: Pool) -> MinionStore:
    """The keys and grains."""
    return MinionStore(opts, pool)


@pytest.fixture
async def our_bus(opts: dict[str, Any]) -> AsyncIterator[Bus]:
    """The bus."""
    bus = Bus(opts)
    yield bus
    bus.close()
