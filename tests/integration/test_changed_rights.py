"""Permissions that change during subscriptions, by a custom eauth module whose ``acl`` reads a file.

Tests of their own master: it gives such a module, and looks at tokens often.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client, Refused
from tests.integration.checked import CheckedClient
from tests.integration.conftest import FILES
from tests.integration.staging import Stage, staged
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

TOKEN_CHECK = 1  # seconds instead of 30 between two looks at a user's rights
TAKES_EFFECT = 20.0  # seconds on a loaded machine; the check, one look at Salt, and what follows from it
MINION = "rights-minion"
CLIENTS = ["local", "local_async", "runner", "runner_async", "wheel", "wheel_async"]
EVERYTHING = [".*", "@runner", "@wheel"]


class RunningEngine:
    """A master and the file with all users' permissions."""

    def __init__(self, stage: Stage, accounts: Path) -> None:
        self.stage = stage
        self._accounts = accounts
        self._perms: dict[str, list[Any]] = {"root": EVERYTHING}
        self._marks = 0

    def give(self, user: str, perms: list[Any]) -> None:
        """Change a user's permissions."""
        self._perms[user] = perms
        fresh = self._accounts.with_suffix(".new")
        fresh.write_text(json.dumps(self._perms), encoding="utf-8")
        os.replace(fresh, self._accounts)

    def connect(self, user: str) -> Client:
        """Connect and log in."""
        client = CheckedClient(self.stage.url)
        client.login(user, user)
        return client

    def run(self, client: Client, fun: str) -> str:
        """Run a function on the minion and return the jid."""
        job = client.ask("cmd", fun=fun, tgt=MINION, mode="sync", timeout=30)
        assert job["minions"][MINION]["success"], job
        return str(job["jid"])


@pytest.fixture(scope="module")
def running(salt_factories: Any, file_root: Path, salt_root: Path) -> Iterator[RunningEngine]:
    """A master with a minion, whose users are those of a file."""
    accounts = salt_root / "accounts.json"
    config = {
        "auth_dirs": [str(FILES / "_auth")],
        "from_file": str(accounts),
        # Nobody has a right here: what they may do the module alone says.
        "external_auth": {"from_file": {}},
    }
    options = {"eauth": "from_file", "token_check": TOKEN_CHECK, "clients": CLIENTS}
    accounts.write_text(json.dumps({"root": EVERYTHING}))
    with staged(salt_factories, file_root, "rights", minion=True, user="root", config=config, **options) as stage:
        yield RunningEngine(stage, accounts)


@pytest.fixture
def root(running: RunningEngine) -> Iterator[Client]:
    """A client with all permissions."""
    with running.connect("root") as client:
        yield client


def effective(client: Client, perms: list[Any]) -> None:
    """Wait until the engine knows the new permissions."""
    wait_until(lambda: client.ask("whoami")["perms"] == perms, "the new rights", timeout=TAKES_EFFECT)


def may(client: Client, operation: str, **fields: Any) -> bool:
    """Return whether Salt and the engine allow a request."""
    try:
        client.ask(operation, **fields)
    except Refused as refused:
        if refused.code != "forbidden":
            raise
        return False
    return True


def functions_seen(running: RunningEngine, root: Client, client: Client, number: int, *funs: str) -> list[str]:
    """Run functions as another user, then a public event, and return the functions that a stream shows."""
    jids = {running.run(root, fun): fun for fun in funs}
    last = running.run(root, "test.ping")
    tag = f"salt/job/{last}/ret/{MINION}"
    frames = client.frames(until=lambda frame: frame.get("tag") == tag, subscription=number)
    returns = [frame for frame in frames if frame["type"] == "event" and "/ret/" in frame["tag"]]
    return [jids[frame["data"]["jid"]] for frame in returns if frame["data"]["jid"] in jids]


def test_changed_permissions_apply_to_streams_and_commands(running: RunningEngine, root: Client) -> None:
    """Without a new login, permitted functions can be run and seen, and others neither."""
    narrow, wide = ["test.ping"], ["test.*", "@runner"]
    running.give("changing", narrow)
    with running.connect("changing") as client:
        number = client.ask("subscribe", subscription="event", tag="salt/job/")["subscription"]
        version = {"fun": "test.version", "tgt": MINION, "mode": "sync"}
        runner = {"fun": "test.arg", "arg": [1], "mode": "sync"}
        assert (may(client, "cmd", **version), may(client, "runner", **runner)) == (False, False)
        assert functions_seen(running, root, client, number, "test.version") == []

        running.give("changing", wide)
        effective(client, wide)
        assert (may(client, "cmd", **version), may(client, "runner", **runner)) == (True, True)
        assert functions_seen(running, root, client, number, "test.version") == ["test.version"]

        running.give("changing", narrow)
        effective(client, narrow)
        assert (may(client, "cmd", **version), may(client, "runner", **runner)) == (False, False)
        assert functions_seen(running, root, client, number, "test.version") == []


def test_a_replay_follows_the_permissions_of_now(running: RunningEngine, root: Client) -> None:
    """Earlier permissions do not matter."""
    running.give("replaying", ["test.version", "test.ping"])
    with running.connect("replaying") as client:
        since = client.ask("subscribe", subscription="event", tag="none/")
        jids = {fun: running.run(root, fun) for fun in ("test.version", "test.ping")}
        running.give("replaying", ["test.ping"])
        effective(client, ["test.ping"])
        number = client.ask(
            "subscribe", subscription="event", tag="", since={"epoch": since["epoch"], "seq": since["seq"]}
        )["subscription"]
        last = f"salt/job/{jids['test.ping']}/ret/{MINION}"
        frames = client.frames(until=lambda frame: frame.get("tag") == last, subscription=number)
        assert jids["test.version"] not in json.dumps(frames)


def test_a_followed_job_ends_with_the_right_to_see_it(running: RunningEngine, root: Client) -> None:
    """The subscription sends ``ended``."""
    running.give("following", ["test.ping"])
    jid = running.run(root, "test.ping")
    with running.connect("following") as client:
        number = client.ask("subscribe", subscription="job", jid=jid)["subscription"]
        client.frames(until=lambda frame: frame["type"] == "live", subscription=number)
        running.give("following", ["test.version"])
        ended = client.frames(until=lambda frame: frame["type"] == "ended", subscription=number, timeout=TAKES_EFFECT)
        assert ended[-1]["error"]["code"] == "forbidden"
        with pytest.raises(Refused):
            client.ask("get_job", jid=jid)


def test_minions_appear_and_disappear_with_the_permission_to_use_them(running: RunningEngine) -> None:
    """A minions subscription shows a minion while the user may ping it."""
    nothing_here, here = [{"another": ["test.ping"]}], [{"rights-*": ["test.ping"]}]
    running.give("looking", nothing_here)
    with running.connect("looking") as client:
        number = client.ask("subscribe", subscription="minions")["subscription"]
        first = client.frames(until=lambda frame: frame["type"] == "live", subscription=number)
        assert MINION not in json.dumps(first)
        running.give("looking", here)
        client.frames(
            until=lambda frame: (frame.get("minions") or {}).get(MINION), subscription=number, timeout=TAKES_EFFECT
        )
        running.give("looking", nothing_here)
        client.frames(
            until=lambda frame: frame["type"] == "minions" and frame["minions"].get(MINION, 0) is None,
            subscription=number,
            timeout=TAKES_EFFECT,
        )


def test_a_user_without_permissions_is_disconnected(running: RunningEngine) -> None:
    """Subscriptions end with the reason, the connection with 4401, and the token is refused afterwards."""
    running.give("leaving", ["test.ping"])
    with running.connect("leaving") as client:
        token = client.login("leaving", "leaving")["token"]
        number = client.ask("subscribe", subscription="event", tag="")["subscription"]
        running.give("leaving", [])
        ended = client.frames(until=lambda frame: frame["type"] == "ended", subscription=number, timeout=TAKES_EFFECT)
        assert ended[-1]["error"]["code"] == "forbidden"
        assert client.closed(TAKES_EFFECT).code == 4401
    with CheckedClient(running.stage.url) as client, pytest.raises(Refused) as refused:
        client.ask("auth", token=token)
    assert refused.value.code == "forbidden"
