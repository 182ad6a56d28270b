"""Random messages from the schemas, sent to a real master with a minion in both formats; memory does not grow."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import websocket
from websocket_api.contract.schemas import Schemas

from tests.fuzzing import Fuzz
from tests.integration.checked import SCHEMAS, check
from tests.integration.staging import Stage, staged
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow]

MINION = "fuzz-minion"
USERS: dict[str, list[Any]] = {
    # May do much, and harm nothing, whatever is made from the schemas and their examples.
    "demo": [
        "test.ping",
        "test.echo",
        "test.arg",
        "sys.*",
        "grains.items",
        {"@runner": ["jobs.*", "test.arg", "manage.up"]},
        {"@wheel": ["key.list_all", "key.finger"]},
        {"@events": ["tag:*"]},
        {"@fire": ["tag:my/*"]},
    ]
}
POOLS: dict[str, list[Any]] = {
    "tgt": ["*", MINION, [MINION], "no-such", "G@os:*", f"L@{MINION}"],
    "pattern": ["*", MINION],
    "fun": ["test.ping", "test.echo", "test.arg", "jobs.active", "key.list_all", "sys.doc"],
    "method": ["test.ping", "test.arg", "manage.up"],
    "module": ["test.ping", "test.arg", "jobs.list_jobs", "no.such"],
    "tag": ["my/tag", "salt/job/*", "*"],
    "timeout": [1, 2],
    "username": ["demo"],
    "eauth": ["sharedsecret", "pam"],
    "mode": ["async", "sync"],
    "jid": ["*"],
}
WAITS = {"timeout", "wait"}  # fields that say how many seconds to wait, for up to an hour
OTHERS_SECONDS = 60  # that a message may wait for a busy minion, and for the master
LEFT_OUT = frozenset({"logout"})  # ends the connection; the tests without a master have it
SUBPROTOCOLS = {"json": "salt.v1.json", "msgpack": "salt.v1.msgpack"}
GROWTH_BYTES = 32 * 1024 * 1024


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master of its own; small registries are full when the memory is measured for the first time."""
    config = {"external_auth": {"sharedsecret": USERS}}
    options = {"history": {"events": 2000, "bytes": 8 * 1024 * 1024, "seconds": 300}, "limits": {"jobs": 200}}
    with staged(salt_factories, file_root, "fuzz", minion=True, config=config, **options) as stage:
        yield stage


class Speaker:
    """A connection in one format."""

    def __init__(self, stage: Stage, form: str) -> None:
        self.form = form
        self._ws = websocket.create_connection(
            stage.url, timeout=OTHERS_SECONDS, subprotocols=[SUBPROTOCOLS[form]], suppress_origin=True
        )
        credentials = {"username": "demo", "password": "demo", "eauth": "sharedsecret"}
        assert self.ask({"type": "auth", "id": "login", **credentials})["type"] == "result"

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return its reply; check every frame before it against its schema."""
        if self.form == "msgpack":
            self._ws.send_binary(msgpack.packb(message))
        else:
            self._ws.send(json.dumps(message))
        while True:
            try:
                data = self._ws.recv()
            except websocket.WebSocketException as fault:
                raise AssertionError(f"{fault!r} for {self.form} {message!r}") from None
            found: dict[str, Any] = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
            if "subscription" not in found or "type" not in found:
                return found
            check(f"frames.json#/$defs/{found['type']}", found)

    def close(self) -> None:
        self._ws.close(timeout=1)


def answered(speaker: Speaker, operation: str, message: dict[str, Any]) -> None:
    """Send a message, and fail unless its answer matches the schema."""
    reply = speaker.ask(message)
    if reply.get("error") == "bad_json":
        return  # a number or text that this format does not let pass: its id was not read
    assert reply["id"] == message["id"], reply
    if reply["type"] == "result":
        check(f"operations/{operation}.json#/$defs/result", reply["result"])
    else:
        check("common.json#/$defs/error", reply["error"])
        assert reply["error"]["code"] != "internal", (message, reply)


def send_all(stage: Stage, seed: int, number: int, until: float) -> int:
    """Send a number of messages to each operation, in both formats; return how many were sent in time."""
    schemas, sent = Schemas(SCHEMAS).operations, 0
    for form in SUBPROTOCOLS:
        fuzz = Fuzz(seed, schemas, POOLS, binary=form == "msgpack")
        for operation in sorted(schemas.keys() - LEFT_OUT):
            with contextlib.closing(Speaker(stage, form)) as speaker:
                for message in fuzz.messages(operation, number):
                    if time.monotonic() > until:
                        return sent
                    message.update(dict.fromkeys(WAITS & schemas[operation]["properties"].keys(), 1))
                    answered(speaker, operation, message)
                    sent += 1
    return sent


def faults(stage: Stage) -> list[str]:
    """The lines of the master's log in which the engine's own loggers report an error."""
    return [line for line in stage.log.splitlines() if "[websocket_api" in line and "[ERROR" in line]


def test_a_real_master_answers_random_messages_as_the_schemas_say(stage: Stage) -> None:
    """Each operation gets a few messages, always the same ones."""
    assert send_all(stage, seed=1, number=6, until=time.monotonic() + 90) > 100
    assert faults(stage) == []
    assert stage.health == 200


@pytest.mark.costly
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_many_messages(stage: Stage) -> None:
    """Each run sends other messages; the output of a failure has the seed."""
    seed = int(os.environ.get("FUZZ_SEED", time.time()))
    print("FUZZ_SEED", seed)
    send_all(stage, seed, number=30, until=time.monotonic() + 60)
    before = stage.engine.memory_info().rss
    send_all(stage, seed + 1, number=200, until=time.monotonic() + 150)
    wait_until(lambda: stage.engine.memory_info().rss - before < GROWTH_BYTES, "the memory coming back", timeout=60)
    assert faults(stage) == []
