"""What `key` sends to the master's wheel functions; the master is a table of keys."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from salt_live.cli.parser import UsageError, parse
from salt_live.cli.screen import Screen
from salt_live.cli.verbs import key
from salt_live.cli.verbs.context import Context
from salt_live.errors import ApiError

KEYS = {"minions": ["a1"], "minions_pre": ["p1", "p2"], "minions_rejected": ["r1"], "minions_denied": []}


class Master:
    """A login whose client answers wheel functions from a table."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []
        self.wheel = self

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        yield self

    async def cmd(self, fun: str, arg: Any = None, kwarg: Any = None) -> Any:
        self.calls.append((fun, arg, kwarg))
        if fun == "key.list_all":
            return {**KEYS, "local": ["master.pub"]}
        return {state: {name: f"ff:{name}" for name in names} for state, names in KEYS.items()}


async def run(*words: str) -> tuple[int, str, list[tuple[str, Any, Any]]]:
    out, options, master = io.StringIO(), parse(["key", *words]), Master()
    screen = Screen(options, {}, out, io.StringIO())
    code = await key.run(Context(options, screen, master))  # type: ignore[arg-type]
    return code, out.getvalue(), master.calls


@pytest.mark.parametrize(
    ("words", "fun", "chosen", "kwarg"),
    [
        (["accept", "p1"], "key.accept_dict", {"minions_pre": ["p1"]}, {"rejected": False, "denied": False}),
        (["-A"], "key.accept_dict", {"minions_pre": ["p1", "p2"]}, {"rejected": False, "denied": False}),
        (
            ["-a", "r*", "--include-rejected"],
            "key.accept_dict",
            {"minions_rejected": ["r1"]},
            {"rejected": True, "denied": False},
        ),
        (
            ["reject", "a1", "--include-all"],
            "key.reject_dict",
            {"minions": ["a1"]},
            {"accepted": True, "denied": False},
        ),
        (["-d", "?1"], "key.delete_dict", {"minions": ["a1"], "minions_pre": ["p1"], "minions_rejected": ["r1"]}, {}),
    ],
)
async def test_only_the_keys_that_were_shown_are_changed(
    words: list[str], fun: str, chosen: dict[str, list[str]], kwarg: dict[str, bool]
) -> None:
    code, text, calls = await run(*words, "-y")
    assert code == 0
    assert calls[-1] == (fun, [chosen], {f"include_{name}": value for name, value in kwarg.items()})
    for name in (name for names in chosen.values() for name in names):
        assert f"Key for minion {name} {fun[4:-5].rstrip('e')}ed.\n" in text


async def test_nothing_is_changed_without_a_match() -> None:
    _, text, calls = await run("accept", "a1", "-y")
    assert text == "The key glob 'a1' does not match any unaccepted keys.\n"
    assert [fun for fun, _, _ in calls] == ["key.list_all"]


@pytest.mark.parametrize(
    ("words", "also"),
    [
        (["accept", "x"], []),
        (["accept", "x", "--include-all"], ["rejected"]),
        (["accept", "x", "--include-accepted"], []),
        (["accept", "x", "--include-denied"], ["denied"]),
        (["accept", "x", "--include-all", "--include-denied"], ["rejected", "denied"]),
        (["reject", "x", "--include-all"], ["accepted"]),
        (["reject", "x", "--include-rejected"], []),
        (["delete", "x"], []),
    ],
)
async def test_options_add_states_as_salt_key_does(words: list[str], also: list[str]) -> None:
    """A denied key is only changed if that is said."""
    assert key._also(parse(["key", *words]), words[0]) == also
    _, text, _ = await run(*words, "-y")
    *first, last = "unaccepted", *also
    assert text == f"The key glob 'x' does not match any {', '.join(first)}{' or ' if first else ''}{last} keys.\n"


async def test_fingerprints_are_shown_before_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer nothing is changed."""

    def nobody(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr(key, "prompt", nobody)
    _, text, calls = await run("accept", "p1")
    assert text == "The following keys are going to be accepted:\nUnaccepted Keys:\np1:  ff:p1\n"
    assert calls[-1][0] == "key.finger"


async def test_what_went_wrong_on_the_master_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_master: Master, *_arguments: Any) -> str:
        return "Exception occurred in wheel key.list_all"

    monkeypatch.setattr(Master, "cmd", broken)
    for words in (["list"], ["accept", "p1"], ["finger"]):
        with pytest.raises(ApiError, match="failed on the master: Exception occurred"):
            await run(*words)


@pytest.mark.parametrize("words", [["accept"], ["list", "odd"], ["frobnicate", "x"]])
async def test_other_words_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        await run(*words)
