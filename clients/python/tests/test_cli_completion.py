"""What shells complete: words from the command line itself, and from the server, which is asked once in a while."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt_live.cli.login import NoLogin
from salt_live.cli.parser import parse
from salt_live.cli.screen import Screen
from salt_live.cli.verbs import completion
from salt_live.cli.verbs.context import Context
from salt_live.errors import ConnectionFailed

MINIONS = ["web1", "web2"]
FUNCTIONS = {"runner": ["jobs.active"], "wheel": ["key.list_all"], None: ["test.ping", "test.version"]}


class Server:
    """A login whose client knows two minions.

    :param fault: raised instead of a connection; "hang" to wait
    """

    def __init__(self, folder: Path, fault: Any = None) -> None:
        self.config = SimpleNamespace(folder=folder / "config", url="ws://master", user="demo")
        self.fault = fault
        self.requests: list[tuple[str, dict[str, Any]]] = []

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        if self.fault == "hang":
            await asyncio.sleep(60)
        elif self.fault:
            raise self.fault
        yield self

    async def request(self, type: str, **fields: Any) -> list[Any]:
        self.requests.append((type, fields))
        return [{"id": name} for name in MINIONS] if type == "list_minions" else FUNCTIONS[fields.get("client")]

    async def list_jobs(self, limit: int) -> list[dict[str, str]]:
        self.requests.append(("list_jobs", {"limit": limit}))
        return [{"jid": "20141103073312975821"}]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


async def words(server: Server, *before: str, raw: bool = False) -> list[str]:
    """Return what may follow these words; options are left out."""
    out, options = io.StringIO(), parse(["completion", "quoted-words" if raw else "words", "--", *before])
    code = await completion.run(Context(options, Screen(options, {}, out, io.StringIO()), server))  # type: ignore[arg-type]
    assert code == 0
    return [word for word in out.getvalue().splitlines() if not word.startswith("--")]


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (["*"], ["test.ping", "test.version"]),
        (["--out", "json", "*"], ["test.ping", "test.version"]),
        (["--out=json", "*"], ["test.ping", "test.version"]),
        (["-b", "2", "web1"], ["test.ping", "test.version"]),
        (["*", "test.ping"], []),
        (["run"], ["jobs.active"]),
        (["wheel"], ["key.list_all"]),
        (["batch"], MINIONS),
        (["batch", "web1"], ["test.ping", "test.version"]),
        (["minions"], MINIONS),
        (["key"], ["list", "accept", "reject", "delete", "finger"]),
        (["key", "accept"], MINIONS),
        (["job"], ["20141103073312975821"]),
        (["completion"], ["bash", "zsh", "fish"]),
        (["--username"], []),
    ],
)
async def test_each_place_has_its_words(server: Server, before: list[str], found: list[str]) -> None:
    assert await words(server, *before) == found


async def test_the_first_word_is_a_verb_or_a_minion(server: Server) -> None:
    found = await words(server)
    assert {"run", "jobs", "completion", *MINIONS} <= set(found)


async def test_an_output_form_follows_its_option(server: Server) -> None:
    assert {"json", "yaml", "nested"} <= set(await words(server, "*", "--out"))


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        (["'*'"], {"tgt": "*", "tgt_type": "glob"}),
        (["web\\*"], {"tgt": "web*", "tgt_type": "glob"}),
        (["-G", "'os:Debian'"], {"tgt": "os:Debian", "tgt_type": "grain"}),
        (["-L", "web1,web2"], {"tgt": ["web1", "web2"], "tgt_type": "list"}),
        (["'web"], {"tgt": "'web", "tgt_type": "glob"}),
    ],
)
async def test_the_functions_are_those_of_the_typed_target(
    server: Server, before: list[str], fields: dict[str, Any]
) -> None:
    """bash gives what was typed, with its quotes."""
    await words(server, *before, raw=True)
    assert server.requests == [("functions", {"timeout": 5, **fields})]


async def test_words_of_the_server_are_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TAB in the next ten minutes asks nothing; each target and each user has words of its own."""
    for _ in range(3):
        assert await words(server, "*") == ["test.ping", "test.version"]
    assert len(server.requests) == 1
    await words(server, "web1")
    server.config.user = "viewer"
    await words(server, "*")
    assert len(server.requests) == 3
    now = completion.time.time()
    monkeypatch.setattr(completion.time, "time", lambda: now + completion.CACHE_SECONDS + 1)
    await words(server, "*")
    assert len(server.requests) == 4
    assert len(json.loads((server.config.folder / "completion.json").read_text())) == 1


async def test_no_words_are_not_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minions may not have answered in time."""
    monkeypatch.setitem(FUNCTIONS, None, [])
    assert await words(server, "*") == []
    monkeypatch.setitem(FUNCTIONS, None, ["test.ping"])
    assert await words(server, "*") == ["test.ping"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"ws://master demo minions": [9e99]}', "\0"])
async def test_a_damaged_file_is_replaced(server: Server, content: str) -> None:
    server.config.folder.mkdir()
    (server.config.folder / "completion.json").write_text(content)
    assert await words(server, "minions") == MINIONS
    assert await words(server, "minions") == MINIONS
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [NoLogin("no login"), ConnectionFailed("no connection"), OSError(), "hang"])
async def test_without_a_server_only_the_own_words_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """Neither an error nor a wait ends up in the line that somebody types."""
    monkeypatch.setattr(completion, "WAIT_SECONDS", 0.05)
    found = await words(Server(tmp_path, fault))
    assert "jobs" in found
    assert "web1" not in found


async def test_a_word_with_control_characters_is_left_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "MINIONS", ["a\x1b[2J", "b\nc", "d"])
    assert await words(server, "minions") == ["d"]
