"""Jobs from the master's job cache, where Salt stores secrets unencrypted."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.operations.stored_jobs import apply_cancels, from_store

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


CANCEL = "20261123130000000001"
SIGNALED = f"Signal 15 sent to job {JID} at pid 7"


def canceled_job(answers: dict[str, Any], returned: tuple[str, ...] = (), **cancel: Any) -> dict[str, Any]:
    """Return how a cached job of the minions a and b looks beside the cached answers to a cancel of it."""
    load = {"jid": JID, "fun": "test.sleep", "arg": [60], "tgt": "*", "user": "ann", "minions": ["a", "b"]}
    done = {"return": True, "retcode": 0, "success": True}
    job = from_store(JID, {"kind": "job", "reported_by": None, "load": load, "returns": dict.fromkeys(returned, done)})
    stop = {"jid": CANCEL, "fun": "saltutil.term_job", "arg": [JID], "tgt": ["a", "b"], "minions": ["a", "b"]}
    returns = {name: {**done, "return": value} for name, value in answers.items()}
    stored = {"kind": "job", "reported_by": cancel.pop("reported_by", None), "load": {**stop, **cancel}}
    apply_cancels(job, [from_store(CANCEL, {**stored, "returns": returns})])
    return {"state": job.state, **{name: part.state for name, part in job.parts.items()}}


@pytest.mark.parametrize("fun", ["saltutil.term_job", "saltutil.kill_job"])
def test_a_canceled_job_is_canceled_after_a_restart(fun: str) -> None:
    """Salt's job cache holds no return of it, but the minions' answers to the cancel."""
    found = canceled_job({"a": SIGNALED, "b": SIGNALED}, fun=fun)
    assert found == {"state": "canceled", "a": "canceled", "b": "canceled"}


def test_minions_that_returned_before_a_cancel_keep_their_return() -> None:
    """A minion that did not run the job answers the cancel with an empty text."""
    assert canceled_job({"a": "", "b": SIGNALED}, ("a",)) == {"state": "canceled", "a": "returned", "b": "canceled"}


@pytest.mark.parametrize(
    "cancel",
    [
        {"answers": {"a": "", "b": SIGNALED}},
        {"answers": {"a": SIGNALED, "b": SIGNALED}, "arg": [CANCEL]},
        {"answers": {"a": SIGNALED, "b": SIGNALED}, "arg": []},
        {"answers": {"a": SIGNALED, "b": SIGNALED}, "fun": "test.arg"},
        {"answers": {"a": SIGNALED, "b": SIGNALED}, "reported_by": "a"},
    ],
    ids=["one minion did not answer", "another job", "no job", "no cancel", "a minion's own record"],
)
def test_a_cached_job_without_a_complete_cancel_stays_unknown(cancel: dict[str, Any]) -> None:
    """Its minions may still run it, and a minion's own record proves nothing."""
    assert canceled_job(**cancel)["state"] == "unknown"
