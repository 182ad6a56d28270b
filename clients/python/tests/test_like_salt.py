"""Arguments, defaults and small rules equal those of Salt's own classes."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from salt_live import AsyncClient, Client, event, local, salt

pytestmark = pytest.mark.with_salt

LOCAL_CLIENT = ("cmd", "cmd_async", "cmd_iter", "cmd_batch", "run_job", "get_iter_returns")
SALT_EVENT = (
    *("get_event", "iter_events", "subscribe", "unsubscribe", "set_event_handler", "fire_event", "fire_master"),
    *("get_event_noblock", "get_event_block", "connect_pub", "unpack", "destroy", "__init__"),
)
FUNCTIONS = ("get_event", "get_master_event", "tagify")


def arguments(function: Any, *leave_out: str) -> list[tuple[str, Any, Any]]:
    """Return the name, kind and default of each argument."""
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found if one.name not in leave_out]


@pytest.mark.parametrize("ours", [AsyncClient, Client])
@pytest.mark.parametrize("verb", LOCAL_CLIENT)
def test_localclients_verbs_have_its_arguments(verb: str, ours: type[Any]) -> None:
    theirs = pytest.importorskip("salt.client").LocalClient
    expected = arguments(getattr(theirs, verb))
    if verb == "get_iter_returns":  # ours finds the minions of the job itself
        expected[2] = ("minions", expected[2][1], ())
    assert arguments(getattr(ours, verb)) == expected


@pytest.mark.parametrize("ours", [AsyncClient, Client, event.SaltEvent])
@pytest.mark.parametrize("verb", SALT_EVENT)
def test_saltevents_verbs_have_its_arguments(verb: str, ours: type[Any]) -> None:
    theirs = pytest.importorskip("salt.utils.event").SaltEvent
    if ours is not event.SaltEvent and (verb not in dir(ours) or verb == "__init__"):
        assert SALT_EVENT.index(verb) > SALT_EVENT.index("fire_master")
        return
    assert arguments(getattr(ours, verb)) == arguments(getattr(theirs, verb))


@pytest.mark.parametrize("name", [*FUNCTIONS, "MasterEvent", "LocalClientEvent"])
def test_the_names_of_the_event_module_have_its_arguments(name: str) -> None:
    theirs, ours = getattr(pytest.importorskip("salt.utils.event"), name), getattr(event, name)
    expected = arguments(theirs)
    if inspect.isclass(theirs):  # there is no socket file to find
        expected[0] = ("sock_dir", expected[0][1], None)
    assert arguments(ours) == expected
    assert getattr(salt.utils.event, name) is ours


@pytest.mark.parametrize("kind", ["runner", "wheel"])
@pytest.mark.parametrize("make", [AsyncClient, Client])
def test_runner_and_wheel_have_the_arguments_of_salts_clients(kind: str, make: Any) -> None:
    theirs = {"runner": "RunnerClient", "wheel": "WheelClient"}[kind]
    expected = arguments(getattr(pytest.importorskip(f"salt.{kind}"), theirs).cmd, "self")
    ours = getattr(make("127.0.0.1:9", token="0" * 32), kind)
    assert arguments(ours.cmd, "timeout") == expected


@pytest.mark.parametrize("minions", [1, 3, 9, 10, 15, 19, 50, 999])
@pytest.mark.parametrize("batch", ["10%", "%10", "33%", "0.5%", "100%", "150%", "1", 7, "12"])
def test_batch_sizes_equal_those_of_salt(batch: str | int, minions: int) -> None:
    theirs = pytest.importorskip("salt.cli.batch").Batch
    fake = type("Batch", (), {"opts": {"batch": batch}, "minions": range(minions), "quiet": True})()
    assert local.batch_size(batch, minions) == theirs.get_bnum(fake)
