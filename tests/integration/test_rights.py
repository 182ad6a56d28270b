"""On a real master: no target tells a user about minions on which the user may run nothing, over any protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import salt.cache
from websocket_api.salt_master.salt_compat import SALT_LINE

from tests.client import Client, Refused
from tests.integration.staging import ended_batch
from tests.integration.web import Web
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

Connect = Callable[..., Client]
TARGETS: list[tuple[Any, Any, str]] = [
    ("minion-2", "nobody", "glob"),
    ("minion-2$", "nobody$", "pcre"),
    (["minion-2"], ["nobody"], "list"),
    ("id:minion-2", "id:nobody", "grain"),
    ("id:minion-2$", "id:nobody$", "grain_pcre"),
    ("topsecret:h*", "topsecret:x*", "pillar"),
    ("topsecret:hello$", "topsecret:xello$", "pillar_pcre"),
    ("topsecret:hello", "topsecret:xello", "pillar_exact"),
    ("I@topsecret:h*", "I@topsecret:x*", "compound"),
    ("L@minion-2", "L@nobody", "compound"),
]
"""A target that means minion-2, one that means nobody, and their kind."""


@pytest.fixture(scope="module")
def pillar(salt_master: Any, salt_minions: list[Any]) -> Iterator[None]:
    """A pillar of minion-2 in the master's cache, where the master looks for targets."""
    cache = salt.cache.factory(dict(salt_master.config))
    bank, name = ("pillar", "minion-2") if SALT_LINE >= 3008 else ("minions/minion-2", "data")
    kept = cache.fetch(bank, name) or {}
    value = {"topsecret": "hello"}
    cache.store(bank, name, {**kept, **value} if SALT_LINE >= 3008 else {**kept, "pillar": value})
    yield
    cache.store(bank, name, kept)


@pytest.fixture
def watched(pillar: None, demo: Client) -> None:
    """The grains and the pillar of the targets are known: else nothing would match, and nothing would be shown here."""
    for hit, miss, kind in TARGETS:
        found = wait_until(lambda hit=hit, kind=kind: demo.ask("match", tgt=hit, tgt_type=kind), f"{hit} matching")
        assert found == ["minion-2"]
        assert demo.ask("match", tgt=miss, tgt_type=kind) == []


def asked(client: Client, hit: Any, kind: str) -> dict[str, Any]:
    """Return what each operation answers about a target, without what differs from time to time."""
    target = {"tgt": hit, "tgt_type": kind}
    questions: dict[str, tuple[str, dict[str, Any]]] = {
        "cmd": ("cmd", {"fun": "test.ping", **target}),
        "find_job": ("cmd", {"fun": "saltutil.find_job", "args": ["20141103073312975821"], **target}),
        "batch": ("batch", {"batch": [{"fun": "test.ping", **target}]}),
        "batch, no such function": ("batch", {"batch": [{"fun": "no.such", **target}]}),
        "match": ("match", target),
        "match, fun": ("match", {"fun": "test.ping", **target}),
        "functions": ("functions", target),
        "signature": ("signature", {"module": "test.ping", **target}),
        "event": ("event", {"tag": "myco/x", "body": {}, **target}),
    }
    answers: dict[str, Any] = {}
    for name, (operation, fields) in questions.items():
        try:
            answers[name] = client.ask(operation, **fields)
        except Refused as refused:
            answers[name] = refused.error
    return answers


@pytest.mark.parametrize("user", ["events", "grains", "half"])
def test_nothing_matches_and_not_yours_are_one_answer(watched: None, connect: Connect, user: str) -> None:
    """For a user without any function, one with another function on another minion, and one with it on that."""
    client = connect(user)
    for hit, miss, kind in TARGETS:
        answers = asked(client, hit, kind)
        assert answers == asked(client, miss, kind), kind
        assert answers["cmd"]["code"] == answers["batch"]["code"] == answers["find_job"]["code"] == "forbidden"
        assert answers["match"] == []


@pytest.mark.parametrize("user", ["events", "grains", "half"])
def test_it_is_one_answer_over_http(watched: None, engine_port: int, user: str) -> None:
    """To salt-api's clients and to the puppetmaster's."""
    web = Web(engine_port).login(user)
    for hit, miss, kind in TARGETS:
        for client in ("local", "local_async", "local_subset", "local_batch"):
            low = {"client": client, "fun": "test.ping", "tgt_type": kind}
            answers = [web.post("/", {**low, "tgt": tgt}) for tgt in (hit, miss)]
            assert answers[0].status == answers[1].status, (client, kind)
            assert answers[0].value == answers[1].value, (client, kind)
        made = [
            web.post("/batches", {"batch": [{"fun": "test.ping", "tgt": tgt, "tgt_type": kind}]}) for tgt in (hit, miss)
        ]
        assert (made[0].status, made[0].value) == (made[1].status, made[1].value), kind
    for path in ("/minions/minion-2", "/keys/minion-2"):
        known, unknown = web.get(path), web.get(path.replace("minion-2", "nobody"))
        assert (known.status, known.value) == (unknown.status, unknown.value)


@pytest.mark.parametrize("other", ["I@topsecret:h*", "I@topsecret:x*", "G@id:minion-2", "minion-2", "nobody"])
def test_a_guess_beside_the_own_minion_is_not_answered(watched: None, connect: Connect, other: str) -> None:
    """A compound target means the own minions, whatever others it would mean."""
    half = connect("half")
    started = half.ask("cmd", fun="test.ping", tgt=f"minion-1 or {other}", tgt_type="compound", mode="sync")
    assert {name: part["return"] for name, part in started["minions"].items()} == {"minion-1": True}
    batch = half.ask("batch", batch=[{"fun": "test.ping", "tgt": f"L@minion-1 or {other}", "tgt_type": "compound"}])
    assert batch["total_count"] == 1
    ended_batch(half, batch["id"])
