"""A return with a forged ``resource_id``, from Salt's own handler of returns to the job registry.

On Salt 3008 the event on the bus is that of the named minion. Salt 3007 ignores the field.
"""

from __future__ import annotations

import asyncio
import collections
import inspect
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.config
import salt.master
from websocket_api.core.jobs.job import Job
from websocket_api.salt_master.salt_compat import SALT_LINE

from tests.unit.core.support import JID, World

pytestmark = pytest.mark.both_lines

HOSTILE, VICTIM, RESOURCE = "hostile", "victim", "dummy-1"


class Bus:
    """Gives what Salt fires on the master's bus to the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fired: list[str] = []

    def fire_event(self, data: dict[str, Any], tag: str) -> None:
        self.fired.append(tag)
        self.world.fire(tag, **data)

    def fire_ret_load(self, load: dict[str, Any]) -> None:
        """Do nothing: this is for failed states only."""


def forge(world: World, named: str) -> str:
    """Let the master handle a return of the hostile minion that names another id; return the tag of the event."""
    bus = Bus(world)
    funs = salt.master.AESFuncs.__new__(salt.master.AESFuncs)
    funs.opts = {**salt.config.master_config(None), "job_cache": False}
    funs.event = bus
    funs.mminion = SimpleNamespace(returners=collections.defaultdict(lambda: lambda *args, **kwargs: None))
    load = {"cmd": "_return", "id": HOSTILE, "jid": JID, "fun": "test.ping", "fun_args": [], "retcode": 0}
    handled = funs._return({**load, "success": True, "return": "forged", "resource_id": named})
    if inspect.isawaitable(handled):
        asyncio.run(_finish(handled))
    (tag,) = bus.fired
    return tag


async def _finish(handled: Any) -> None:
    await handled


def parts(world: World) -> dict[str, str]:
    """Return the state of each part of the job."""
    job = world.jobs.get(JID)
    assert isinstance(job, Job)
    return {name: part.state for name, part in job.parts.items()}


@pytest.mark.parametrize("named", [VICTIM, RESOURCE, "never-seen"])
def test_it_changes_no_job_that_does_not_target_the_named_id(named: str) -> None:
    """Neither for a minion, nor for a resource, nor for an id that is nothing."""
    world = World()
    world.publish("other")
    changes: list[Any] = []
    world.jobs.on_change(lambda one, minions: changes.append(minions))
    tag = forge(world, named)
    assert tag == f"salt/job/{JID}/ret/{named if SALT_LINE >= 3008 else HOSTILE}"
    assert parts(world) == {"other": "pending"}
    assert changes == []


@pytest.mark.skipif(SALT_LINE < 3008, reason="Salt 3007 takes no resource_id")
def test_it_counts_in_a_job_of_the_named_id_as_the_documents_say() -> None:
    """Nothing on the bus tells it from a true return (docs/security.md); the other parts stay as they are."""
    world = World()
    world.publish(VICTIM, "other")
    forge(world, VICTIM)
    assert parts(world) == {VICTIM: "returned", "other": "pending"}


def test_it_makes_no_minion_or_resource_known() -> None:
    """The named id is neither listed nor seen as connected."""
    world = World()
    world.minions.read_keys({HOSTILE: "accepted"}, (), {})
    world.publish(HOSTILE)
    before = set(world.minions.all())
    forge(world, RESOURCE)
    assert set(world.minions.all()) == before
