"""Resources of Salt 3008 on a real master: devices of type ``dummy`` that one minion manages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from salt.version import __saltstack_version__

from tests.client import Client, Refused
from tests.integration.conftest import wait_until
from tests.integration.staging import Stage, ended_batch, staged

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.timeout(300),
    pytest.mark.skipif(__saltstack_version__.major < 3008, reason="Salt 3007 has no resources"),
]

MINION = "resources-minion"
DUMMIES = ["dummy-1", "dummy-2"]
USERS: dict[str, list[Any]] = {
    "demo": [".*", "@runner", "@wheel", "@jobs"],
    "pinger": ["test.ping"],
    "type": [{"T@dummy": ["test.ping"]}],
    "one": [{"dummy-1": ["test.ping"]}],
    "minion": [{MINION: ["test.ping"]}],
}


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A master whose minion manages two resources."""
    pillar = tmp_path_factory.mktemp("pillar")
    (pillar / "top.sls").write_text("base: {'*': [resources]}\n")
    (pillar / "resources.sls").write_text(f"resources: {{dummy: {{resource_ids: {DUMMIES}}}}}\n")
    config = {"external_auth": {"sharedsecret": USERS}, "pillar_roots": {"base": [str(pillar)]}}
    with staged(salt_factories, file_root, "resources", minion=True, config=config) as made:
        with made.client() as client:
            wait_until(lambda: set(listed(client)) == {MINION, *DUMMIES}, "the resources", timeout=90, every=1.0)
        yield made


def listed(client: Client) -> dict[str, Any]:
    return {one["id"]: one for one in client.ask("list_minions", grains=False)}


def run(client: Client, tgt: Any, **fields: Any) -> Any:
    """Run test.ping, and wait for the end of the job; return the states of its minions."""
    job = client.ask("cmd", fun="test.ping", tgt=tgt, mode="sync", timeout=60, patience=70, **fields)
    return {name: part["state"] for name, part in job["minions"].items()}


def test_resources_are_listed_with_their_type_and_minion(stage: Stage) -> None:
    """They have no keys; a minion is none."""
    with stage.client() as client:
        found = listed(client)
        assert [found[name]["resource"] for name in DUMMIES] == [{"type": "dummy", "minion": MINION}] * 2
        assert "resource" not in found[MINION]
        assert found["dummy-1"]["key"] is None
        read = {one["id"]: one["grains"] for one in client.ask("list_minions", minions=DUMMIES)}
        assert {name: grains["dummy_grain_1"] for name, grains in read.items()} == dict.fromkeys(DUMMIES, "one")
        for tgt, kind in (("T@dummy", "compound"), ("dummy-*", "glob"), (DUMMIES, "list")):
            matched = client.ask("match", tgt=tgt, tgt_type=kind)
            assert matched == (DUMMIES if kind != "glob" else []), "Salt matches no glob of resources"


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "expected"),
    [
        ("T@dummy", "compound", DUMMIES),
        ("T@dummy:dummy-2", "compound", ["dummy-2"]),
        ("dummy-1", "glob", ["dummy-1"]),
        (["dummy-1", MINION], "list", ["dummy-1", MINION]),
        ("*", "glob", [*DUMMIES, MINION]),
    ],
)
def test_jobs_run_on_resources(stage: Stage, tgt: Any, tgt_type: str, expected: list[str]) -> None:
    """Each returns under its own id, and is seen then."""
    with stage.client() as client:
        assert run(client, tgt, tgt_type=tgt_type) == dict.fromkeys(expected, "returned")
        assert all(listed(client)[name]["connected"] for name in expected)


@pytest.mark.parametrize(
    ("user", "sees", "refused"),
    [
        ("pinger", [*DUMMIES, MINION], []),
        ("type", DUMMIES, [MINION, "*"]),
        ("one", ["dummy-1"], ["dummy-2", MINION]),
        ("minion", [MINION], [*DUMMIES, "*"]),
    ],
)
def test_users_see_the_resources_that_salt_lets_them_run_on(
    stage: Stage, user: str, sees: list[str], refused: list[str]
) -> None:
    """An entry for the minion that manages a resource does not include it."""
    with stage.client(user) as client:
        wait_until(lambda: sorted(listed(client)) == sorted(sees), "what the user sees", timeout=40)
        for name in sees:
            assert run(client, name) == {name: "returned"}
        for tgt in refused:
            with pytest.raises(Refused, match="forbidden"):
                run(client, tgt)


def test_batches_run_on_resources(stage: Stage) -> None:
    """As on minions."""
    with stage.client() as client:
        items = [{"fun": "test.ping", "tgt": DUMMIES}, {"fun": "test.ping", "tgt": "T@dummy", "tgt_type": "compound"}]
        batch = ended_batch(client, client.ask("batch", batch=items)["id"])
        assert [(one["minion"], one["status"]) for one in batch["requests"]] == [(n, "resolved") for n in DUMMIES] * 2
