"""Jobs from the master's job cache, where Salt stores secrets unencrypted."""

from __future__ import annotations

from typing import Any

from websocket_api.operations.jobs import from_store

from tests.unit.core.support import JID

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"


def stored(fun: str, arg: list[Any], value: Any, reported_by: str | None = None) -> dict[str, Any]:
    load = {"jid": JID, "fun": fun, "arg": arg, "tgt": "*", "user": "ann", "minions": ["a"]}
    kind = fun.partition(".")[0] if fun.startswith(("runner.", "wheel.")) and reported_by is None else "job"
    returns = {"a": {"return": value, "retcode": 0, "success": True}}
    return {"kind": kind, "reported_by": reported_by, "load": load, "returns": returns}


def test_a_private_key_in_a_stored_return_is_hidden() -> None:
    """The return of ``key.gen`` is as redacted from the job cache as it was on the bus."""
    job = from_store(JID, stored("wheel.key.gen", [], {"pub": "x", "priv": PEM}))
    assert (job.kind, job.fun, job.value) == ("wheel", "key.gen", {"pub": "x", "priv": "(redacted)\n"})


def test_secrets_among_stored_arguments_are_hidden() -> None:
    """Of a published job, and of a runner, whose keyword arguments have no mark."""
    job = from_store(JID, stored("x.y", [1, {"__kwarg__": True, "password": "geheim"}], True))
    assert job.arg == [1, {"__kwarg__": True, "password": "(redacted)"}]
    runner = from_store(JID, stored("runner.x.y", [1, {"password": "geheim"}], True))
    assert runner.arg == [1, {"password": "(redacted)"}]


def test_secrets_of_another_masters_runner_are_hidden() -> None:
    """In a shared job cache the return of another master's runner is its whole event."""
    arguments = [1, {"password": "geheim"}]
    event = {"fun": "runner.x.y", "fun_args": arguments, "return": True}
    job = from_store(JID, stored("runner.x.y", arguments, event, reported_by="a"))
    assert (job.kind, job.arg) == ("job", [1, {"password": "(redacted)"}])
    assert job.parts["a"].value["fun_args"] == [1, {"password": "(redacted)"}]


def test_stored_returns_count_for_the_memory_of_the_registry() -> None:
    """Reading many large old jobs must not fill the memory."""
    assert from_store(JID, stored("x.y", [], "x" * 1000)).size > 1000
    assert from_store(JID, stored("runner.x.y", [], "x" * 1000)).size > 1000
