"""Targets of clients: those that could block the master or the engine are refused before Salt reads them."""

from __future__ import annotations

import fnmatch
import itertools
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import salt.utils.data
import salt.utils.minions
from websocket_api.errors import ApiError
from websocket_api.salt_master import targets
from websocket_api.salt_master.commands import Commands
from websocket_api.salt_master.minions import MinionStore
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.target_limits import (
    MAX_EXPRESSIONS,
    MAX_NESTING,
    MAX_TERMS,
    MAX_WORDS,
    TERM_CHARACTERS,
    _well_formed,
)

OPTS: dict[str, Any] = {
    "nodegroups": {"big": " or ".join(f"web{number}*" for number in range(50)), "two": "web* or db*"},
}


def refusal(tgt: str, tgt_type: str, delimiter: str = ":", *, trusted: bool = False) -> str:
    """Return the error for a target, empty if it is accepted."""
    try:
        targets.check(OPTS, tgt, tgt_type, delimiter, trusted=trusted)
    except ApiError as fault:
        return f"{fault.code}: {fault.message}"
    return ""


@pytest.mark.parametrize(
    ("tgt", "tgt_type"),
    [
        ("web-*", "glob"),
        ("web-1,web-2,db-*", "glob"),
        (" or ".join(f"web{number}*" for number in range(MAX_TERMS)), "compound"),
        ("G@os:Debian and not ( db-* or P@osrelease:^(20|22) ) and I@role:web", "compound"),
        ("L@" + ",".join(f"web-{number}" for number in range(500)), "compound"),
        ("G@a:b,c,d or E@web(1,2){1,3}", "compound"),
        ("N@big", "compound"),
        ("N@big and N@two and not web3*", "compound"),
        ("big", "nodegroup"),
        ("( " * MAX_NESTING + "*" + " )" * MAX_NESTING, "compound"),
        (" or ".join(["not web*"] * MAX_TERMS), "compound"),
        ("hwaddr_interfaces:eth0:aa:bb:cc:dd:ee:ff", "grain"),
        ("*:eth0:*", "pillar"),
        ("G@a:* or " * 20 + "I@a:*:b:*", "compound"),
        (r"web\d+", "pcre"),
        ("(?i)web[0-9]+", "pcre"),
        (r"(?:web|db)-\d+\.example\.com", "pcre"),
        (r"osrelease:^(20|22)\.04", "grain_pcre"),
        ("os:(?:Debian|Ubuntu)", "grain_pcre"),
        ("*:(?:a|b)", "pillar_pcre"),
        ("ip6_interfaces:*:fe80::.*", "grain_pcre"),
    ],
)
def test_usual_targets_are_accepted(tgt: str, tgt_type: str) -> None:
    """The table has some of each type."""
    assert refusal(tgt, tgt_type) == ""


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "told"),
    [
        (" or ".join(["*"] * 10_000), "compound", "words"),
        (" or ".join(["*"] * (MAX_TERMS + 1)), "compound", "patterns"),
        (" or ".join(["a,b,c"] * 11), "compound", "patterns"),
        ("M@a," * 40, "compound", "patterns"),
        ("( " * (MAX_WORDS // 2) + "* " + ") " * (MAX_WORDS // 2), "compound", "words"),
        ("( " * (MAX_NESTING + 1) + "* " + ") " * (MAX_NESTING + 1), "compound", "nested"),
        ("not ( " * (MAX_NESTING // 2 + 1) + "*" + " )" * (MAX_NESTING // 2 + 1), "compound", "nested"),
        ("( not " * (MAX_NESTING // 2 + 1) + "a" + " )" * (MAX_NESTING // 2 + 1), "compound", "nested"),
        ("E@a or " * (MAX_EXPRESSIONS + 1) + "a", "compound", "expressions"),
        ("P|@a|b or J@a:b or " * (MAX_EXPRESSIONS // 2) + "P@a:b", "compound", "expressions"),
        ("N@big or N@big", "compound", "patterns"),
        ("N@two or " * 20 + "web*", "compound", "patterns"),
        (",".join(["*"] * (MAX_TERMS + 1)), "glob", "patterns"),
        ("[" * (TERM_CHARACTERS + 1), "glob", "characters"),
        ("G@os:" + "[" * TERM_CHARACTERS, "compound", "characters"),
        ("a:" * 41 + "b", "grain", "parts"),
        ("I@" + "a:" * 41 + "b", "compound", "parts"),
        ("*:*:b", "pillar_exact", "parts"),
        ("G@*:b or I@a:*:b or G|@*|b or " * 2 + "a", "compound", "any key"),
        ("*:" + "a:" * 10 + "b", "pillar", "parts"),
    ],
)
def test_targets_that_take_salt_long_are_refused(tgt: str, tgt_type: str, told: str) -> None:
    """The error has the reason and what to use for many minions. Targets of the operator are not refused."""
    message = refusal(tgt, tgt_type)
    assert message.startswith("bad_message: ")
    assert told in message
    assert told in ("nested", "parts", "expressions", "any key") or "tgt_type list" in message
    assert refusal(tgt, tgt_type, trusted=True) == ""


@pytest.mark.parametrize(
    ("tgt", "delimiter"),
    [
        ("kernelversion:(?:.|..)+!:x", ":"),
        ("os:a:(?:.|..)+!:x:y", ":"),
        ("*:(?:.|..)+!:x", ":"),
        ("os|(?:a|a)*$:x", "|"),
        ("os|a:(?:.|..)+!:x", "|"),
        ("os::(?:a|a)*$|x", "::"),
        ("*:x(?:a|a)*$", ":x"),
    ],
)
def test_every_expression_that_salt_may_read_is_checked(tgt: str, delimiter: str) -> None:
    """Salt tries each place between key and value, and splits again at colons below a key."""
    for tgt_type in ("grain_pcre", "pillar_pcre"):
        assert "too long" in refusal(tgt, tgt_type, delimiter)
    if len(delimiter) == 1:
        assert "too long" in refusal(f"web* and P{delimiter}@{tgt}", "compound")


def test_an_expression_is_checked_as_salt_compiles_it() -> None:
    r"""Salt ignores case: alternatives that begin with `A` and `a` have several ways to match."""
    assert salt.utils.data.subdict_match({"os": " "}, r"os:\S", regex_match=True)
    assert "too long" in refusal("os:(?:A()|a())*!", "grain_pcre")
    assert refusal("(?:A()|a())*!", "pcre") == ""


@pytest.mark.parametrize(
    ("tgt", "delimiter", "told"),
    [
        ("os", ":", "has no ':'"),
        ("os:Debian", "|", "has no '|'"),
        ("os:(", ":", "not a regular expression"),
        ("*:aaa(:x", ":", "not a regular expression"),
        ("*|os", "|", "not a regular expression"),
    ],
)
def test_targets_that_can_match_nothing_are_refused(tgt: str, delimiter: str, told: str) -> None:
    """Salt would log a line for each minion or each of its keys."""
    assert told in refusal(tgt, "grain_pcre", delimiter)


class Minions(salt.utils.minions.CkMinions):  # type: ignore[misc]
    """Salt's own matching, with ids in memory; it counts the ids in the expression that Salt builds."""

    def __init__(self, ids: list[str]) -> None:
        self.opts = {"minion_data_cache": True, **OPTS}
        self.ids = ids
        self.named = 0

    def _pki_minions(self) -> set[str]:
        return set(self.ids)

    def _check_glob_minions(self, expr: str, greedy: bool, minions: Any = None) -> dict[str, list[str]]:
        found = fnmatch.filter(self.ids, expr)
        self.named += len(found)
        return {"minions": found, "missing": []}


def test_salt_expands_no_more_than_the_limit() -> None:
    """Each term counts as often as it occurs, also in nodegroups."""
    minions = Minions([f"web{number}" for number in range(100)])
    tgt = " or ".join([*["*"] * (MAX_TERMS - 1), "N@two"])
    assert refusal(tgt, "compound") == ""
    assert len(minions._check_compound_minions(tgt, ":", True)["minions"]) == 100
    assert minions.named <= (MAX_TERMS + 1) * 100


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_compound_target_is_well_formed_if_salt_accepts_it(caplog: pytest.LogCaptureFixture) -> None:
    """All short targets are tried. Refused ones match no minion, and most are an error in Salt's log."""
    for length in range(1, 6):
        for words in itertools.product(("*", "and", "not", "(", ")"), repeat=length):
            if words.count("(") != words.count(")"):
                continue  # told before
            caplog.clear()
            found = Minions(["web1"])._check_compound_minions(" ".join(words), ":", True)["minions"]
            complaints = [record for record in caplog.records if record.levelname == "ERROR"]
            assert not (complaints if _well_formed(list(words)) else found), words


async def test_a_command_is_checked_with_its_own_delimiter() -> None:
    """The master splits its target the same way."""
    commands = Commands({}, None, Pool(1, "test"))  # type: ignore[arg-type]
    for tgt_type in ("grain_pcre", "pillar_pcre"):
        with pytest.raises(ApiError, match="too long"):
            await commands.publish("t", "ann", "test.ping", [], {}, "os|(?:a|a)*$:x", tgt_type, {"delimiter": "|"})


async def test_a_target_is_matched_with_the_delimiter_it_was_checked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another delimiter it would be another target."""

    class Checker:
        cache = SimpleNamespace(driver="none", modules={})

        def __init__(self, opts: dict[str, Any]) -> None:
            self.data = {"web1": {"os": "Debian"}, "web2": {"os": "Ubuntu"}}

        def check_minions(self, expr: str, tgt_type: str, delimiter: str) -> dict[str, list[str]]:
            fits = salt.utils.data.subdict_match
            return {"minions": [name for name, data in self.data.items() if fits(data, expr, delimiter, True)]}

    monkeypatch.setattr(salt.utils.minions, "CkMinions", Checker)
    store = MinionStore({}, Pool(1, "test"))
    assert await store.match("os|(?:debian|x)", "grain_pcre", "|") == ["web1"]
    assert await store.match("os:(?:debian|ubuntu)", "grain_pcre") == ["web1", "web2"]
    with pytest.raises(ApiError, match="too long"):
        await store.match("os|(?:a|a)*$:x", "grain_pcre", "|")


@pytest.mark.parametrize(("tgt", "tgt_type"), [("E@web.* or P@os:a:b", "compound"), ("os:(a|b):c", "grain_pcre")])
async def test_expressions_are_checked_in_a_thread(monkeypatch: pytest.MonkeyPatch, tgt: str, tgt_type: str) -> None:
    """The check takes up to 0.1 s: the event loop must not wait for it."""
    judged: list[bool] = []

    def judge(*args: Any, **kw: Any) -> None:
        judged.append(threading.current_thread() is threading.main_thread())
        raise ApiError("bad_message", "judged")

    monkeypatch.setattr(targets, "check", judge)
    commands = Commands({}, None, Pool(1, "test"))  # type: ignore[arg-type]
    for asked in (
        commands.publish("0" * 64, "ann", "test.ping", [], {}, tgt, tgt_type),
        MinionStore({}, Pool(1, "test")).match(tgt, tgt_type),
    ):
        with pytest.raises(ApiError, match="judged"):
            await asked
    assert judged == [False, False]
