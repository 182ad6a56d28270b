"""The error of a command tells whether the command may run all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websocket_api.errors import ApiError, NotSent
from websocket_api.operations.effect import Effect

from tests.unit.operations.engine import Engine, Refused, Talker

COMMANDS: dict[str, dict[str, Any]] = {
    "cmd": {"fun": "test.ping", "tgt": "*"},
    "runner": {"fun": "manage.up"},
    "wheel": {"fun": "key.list_all"},
    "event": {"tag": "my/x", "body": {}, "tgt": "*"},
}


async def error_of(result: Awaitable[Any]) -> dict[str, Any]:
    """Return the error of a request."""
    with pytest.raises(Refused) as refused:
        await result
    return dict(refused.value.error)


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize(
    ("fault", "may_run"),
    [
        (ApiError("forbidden", "no"), False),
        (ApiError("unauthenticated", "no"), False),
        (ApiError("too_many", "no", {"limit": "channels"}), False),
        (ApiError("master_unavailable", "too busy", {"sent": False}), False),
        (ApiError("master_unavailable", "no answer", {"sent": True}), True),
        (ApiError("timeout", "no end", {"sent": True}), True),
        (RuntimeError("a fault of the engine"), True),
    ],
)
async def test_a_command_that_fails_may_run_only_if_its_error_says_so(
    kind: str, fault: Exception, may_run: bool
) -> None:
    """It then has `since`, a moment before the command was sent: jobs of the command are newer."""
    engine = Engine()
    talker = await engine.user()
    before = (await talker.ask("cmd", fun="test.ping", tgt="*"))["jid"]
    engine.commands.fault = fault
    details = (await error_of(talker.ask(kind, **COMMANDS[kind])))["details"] or {}
    assert bool(details.get("sent")) is may_run
    assert ("since" in details) is may_run
    if may_run:
        assert (len(details["since"]), details["since"].isdigit()) == (len(before), True)


MOMENTS: dict[str, tuple[type[BaseException] | None, bool]] = {
    "it waits for a channel": (NotSent, False),
    "the master has it": (None, True),
}


@pytest.mark.parametrize(("raised", "may_run"), MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_command_that_the_engines_end_cancels_may_run_only_if_it_was_sent(
    kind: str, raised: type[BaseException] | None, may_run: bool
) -> None:
    """Its client may send it again if it was not."""
    engine = Engine()
    talker = await engine.user()

    async def never(*_: Any, **__: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise raised or asyncio.CancelledError from None

    for name in ("publish", "runner", "wheel"):
        setattr(engine.commands, name, never)
    result = talker.start(kind, **COMMANDS[kind])
    await asyncio.sleep(0)
    await engine.dispatcher.stop()
    error = await error_of(result())
    assert (error["code"], error["retryable"]) == ("master_unavailable", True)
    assert bool((error["details"] or {}).get("sent")) is may_run
    assert ("it may run: look for its job" in error["message"]) is may_run


async def test_a_command_that_waits_for_its_place_did_not_run() -> None:
    """It has not reached the master's channels yet."""
    engine = Engine(limits={"jobs_in_flight": 1})
    talker = await engine.user()
    await talker.ask("cmd", fun="test.sleep", tgt="*")
    result = talker.start("cmd", fun="test.ping", tgt="*")
    await asyncio.sleep(0)
    await engine.dispatcher.stop()
    assert (await error_of(result()))["details"] is None
    assert len(engine.commands.published) == 1


async def test_a_command_that_waits_for_its_minions_names_its_job() -> None:
    """The engine stops meanwhile."""
    engine = Engine()
    talker = await engine.user()
    result = talker.start("cmd", fun="test.sleep", tgt="*", mode="sync")
    await asyncio.sleep(0)
    (job,) = engine.services.jobs.newest_first()
    await engine.dispatcher.stop()
    error = await error_of(result())
    assert error["details"] == {"sent": True, "jid": job.jid}
    assert f"it has started the job {job.jid}" in error["message"]


async def test_a_return_that_is_too_large_names_its_job() -> None:
    """The command ran, and its return is in the job cache."""
    engine = Engine(limits={"outbox_bytes": 2000})
    engine.commands.answers["test.echo"] = "x" * 3000
    talker = await engine.user()
    error = await error_of(talker.ask("cmd", fun="test.echo", tgt="db", mode="sync"))
    (job,) = engine.services.jobs.newest_first()
    assert (error["code"], error["details"]) == ("too_large", {"sent": True, "jid": job.jid})


async def test_a_runner_that_takes_too_long_names_its_job() -> None:
    """It goes on."""
    engine = Engine()
    talker = await engine.user()
    result = talker.start("runner", fun="manage.up", mode="sync", timeout=1)
    await asyncio.sleep(0)
    (job,) = engine.services.jobs.newest_first()
    engine.time.pass_(2)
    error = await error_of(result())
    assert (error["code"], error["details"]) == ("timeout", {"sent": True, "jid": job.jid})
    assert error["message"] == "the runner is still running"


async def test_a_read_that_needs_a_job_has_no_effect() -> None:
    """The job of a look-up changes nothing, and nobody has to look for it."""
    engine = Engine()
    talker: Talker = await engine.user()
    result = talker.start("functions", tgt="db")
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(engine.commands.published) == 1
    await engine.dispatcher.stop()
    assert (await error_of(result()))["details"] is None


CHANGES: dict[str, tuple[Callable[[Effect], None], Any, Any]] = {
    "nothing": (lambda effect: None, ["fault"], ["fault"]),
    "faults of a message": (lambda effect: effect.started("1"), ["fault"], {"sent": True, "jid": "1"}),
    "further details": (lambda effect: effect.started("1"), {"limit": 5}, {"limit": 5, "sent": True, "jid": "1"}),
}


@pytest.mark.parametrize(("change", "before", "after"), CHANGES.values(), ids=CHANGES)
def test_an_error_keeps_what_it_says(change: Callable[[Effect], None], before: Any, after: Any) -> None:
    """Code, status and whether to try again stay too."""
    effect = Effect()
    change(effect)
    error = effect.complete(ApiError("too_large", "no", before, retryable=True, status=400))
    assert (error.code, error.details, error.retryable, error.status) == ("too_large", after, True, 400)
