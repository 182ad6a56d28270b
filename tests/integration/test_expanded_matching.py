"""With ``auth.enable_expanded_auth_matching`` Salt decides differently on commands; visibility does not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Refused
from tests.integration.staging import Stage, staged

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

MINION = "expanded-minion"
USERS: dict[str, list[Any]] = {
    "demo": [".*", "@runner"],
    "half": [{MINION: ["test.*", "sys.*"]}],
    "echo": ["test.echo"],
}


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """Such a master, with a minion."""
    config = {"external_auth": {"sharedsecret": USERS}, "auth.enable_expanded_auth_matching": True}
    with staged(salt_factories, file_root, "expanded", minion=True, config=config) as stage:
        yield stage


def test_commands_follow_it_and_what_is_shown_follows_the_usual_rules(stage: Stage) -> None:
    """Salt denies what an entry for one minion grants, including the lists of its functions."""
    with stage.client() as demo, stage.client("half") as half:
        jid = demo.ask("cmd", fun="test.ping", tgt=MINION, mode="sync")["jid"]
        asked: dict[str, dict[str, Any]] = {
            "cmd": {"fun": "test.ping"},
            "functions": {},
            "signature": {"module": "test.ping"},
        }
        for operation, fields in asked.items():
            demo.ask(operation, tgt=MINION, **fields)  # its answer is known from here on
            with pytest.raises(Refused) as refused:
                half.ask(operation, tgt=MINION, **fields)
            assert refused.value.code == "forbidden", operation
        assert [minion["id"] for minion in half.ask("list_minions")] == [MINION]
        assert half.ask("match", tgt="*") == [MINION]
        assert set(half.ask("get_job", jid=jid)["minions"]) == {MINION}


def test_an_entry_for_all_minions_still_grants_its_function(stage: Stage) -> None:
    """It grants no other function."""
    with stage.client("echo") as echo:
        assert echo.ask("cmd", fun="test.echo", tgt=MINION, arg=["x"], mode="sync")["state"] == "complete"
        with pytest.raises(Refused, match="forbidden"):
            echo.ask("cmd", fun="test.ping", tgt=MINION)
        assert echo.ask("list_minions") == []
