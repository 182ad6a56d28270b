"""How targets are read, in all operations."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.minions.registry import MinionRegistry
from websocket_api.errors import ApiError
from websocket_api.operations.targets import MAX_IDS, keep_names, target, without_unknown

from tests.unit.operations.engine import Engine, Refused
from tests.unit.operations.test_batches import run, started


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ({"tgt": "web*"}, ("web*", "glob")),
        ({"tgt": "web1,db", "tgt_type": "glob"}, ("web1,db", "glob")),
        ({"tgt": ["web1", "db"]}, (["web1", "db"], "list")),
        ({"tgt": "web1,db", "tgt_type": "list"}, (["web1", "db"], "list")),
        ({"tgt": " web1, db,", "tgt_type": "list"}, (["web1", "db"], "list")),
        ({"tgt": "db", "tgt_type": "list"}, (["db"], "list")),
        ({"tgt": ["db", "web1", "db"]}, (["db", "web1"], "list")),
        ({"tgt": "db,web1,db", "tgt_type": "list"}, (["db", "web1"], "list")),
    ],
)
def test_a_string_of_type_list_has_ids_with_commas(message: dict[str, Any], read: tuple[Any, str]) -> None:
    """As in Salt."""
    assert target(message) == read


@pytest.mark.parametrize("text", [",", " , ", "web1,a/b", "x" * 256, ",".join(f"m{n}" for n in range(MAX_IDS + 1))])
def test_invalid_strings_of_type_list_are_refused(text: str) -> None:
    """A string allows no more than the schema allows a list."""
    with pytest.raises(ApiError) as refused:
        target({"tgt": text, "tgt_type": "list"})
    assert (refused.value.code, refused.value.details[0]["path"]) == ("bad_message", "/tgt")


WITH_TARGET: list[tuple[str, dict[str, Any]]] = [
    ("cmd", {"fun": "test.ping"}),
    ("match", {}),
    ("event", {"tag": "a/b", "body": {}}),
    ("signature", {"module": "test.ping"}),
    ("functions", {}),
    ("batch", {"fun": "test.ping"}),
]
"""Every operation that takes a target, with what else it needs; of a batch an item of its list."""


async def asked(engine: Engine, kind: str, fields: dict[str, Any]) -> Any:
    """Run an operation with a target."""
    ann = await engine.user()
    return await ann.ask(kind, **({"batch": [fields]} if kind == "batch" else fields))


@pytest.mark.parametrize("tgt_type", ["glob", "pcre", "grain", "grain_pcre", "pillar", "nodegroup", "range", "ipcidr"])
@pytest.mark.parametrize(("kind", "fields"), WITH_TARGET, ids=[kind for kind, _ in WITH_TARGET])
async def test_a_list_of_another_type_is_refused(kind: str, fields: dict[str, Any], tgt_type: str) -> None:
    """The client's type is used or refused: in Salt such a list matches no minion."""
    engine = await started()
    with pytest.raises(Refused, match="must be list or compound") as refused:
        await asked(engine, kind, {**fields, "tgt": ["web1", "db"], "tgt_type": tgt_type})
    assert refused.value.code == "bad_message"
    assert engine.commands.published == []


@pytest.mark.parametrize(("kind", "fields"), [pair for pair in WITH_TARGET if pair[0] in ("cmd", "match", "event")])
async def test_a_list_of_type_compound_has_words(kind: str, fields: dict[str, Any]) -> None:
    """With any content; no operation reads them as ids."""
    engine = Engine()
    engine.sets["G@roles:web/a and not db"] = ["web1"]
    words = {"tgt": ["G@roles:web/a", "and", "not", "db"], "tgt_type": "compound"}
    answer = await asked(engine, kind, {**fields, **words})
    if kind == "match":
        assert answer == ["web1"]
    else:
        assert [(sent["tgt"], sent["tgt_type"]) for sent in engine.commands.published] == [
            ("G@roles:web/a and not db", "compound")
        ]


async def test_a_batch_accepts_a_list_of_type_compound() -> None:
    """Each matched minion becomes a request."""
    engine = await started()
    engine.sets["web1 or db"] = ["web1", "db"]
    made = await asked(engine, "batch", {"fun": "test.ping", "tgt": ["web1", "or", "db"], "tgt_type": "compound"})
    assert made["total_count"] == 2


async def test_a_batch_reads_a_string_of_type_list() -> None:
    """Not letter by letter."""
    engine = await started()
    ann = await engine.user()
    item = {"fun": "test.ping", "tgt": "web1, db,gone", "tgt_type": "list"}
    made = await ann.ask("batch", batch=[item])
    await run(engine)
    assert (made["total_count"], made["error_count"]) == (3, 1)
    assert [sent["tgt"] for sent in engine.commands.published] == [["web1", "db"]]


async def test_a_batch_reports_the_path_of_an_invalid_target() -> None:
    """Among the other faults."""
    engine = await started()
    ann = await engine.user()
    items = [{"fun": "test.ping", "tgt": "db"}, {"fun": "test.ping", "tgt": "a/b", "tgt_type": "list"}]
    with pytest.raises(Refused) as refused:
        await ann.ask("batch", batch=items)
    assert [fault["path"] for fault in refused.value.error["details"]] == ["/batch/1/tgt"]


async def test_cmd_match_and_event_read_a_string_of_type_list() -> None:
    """All use the same function."""
    engine = Engine()
    ann = await engine.user()
    named = {"tgt": "web1, db", "tgt_type": "list"}
    await ann.ask("cmd", fun="test.ping", **named)
    await ann.ask("event", tag="a/b", body={}, **named)
    assert [sent["tgt"] for sent in engine.commands.published] == [["web1", "db"], ["web1", "db"]]
    assert sorted(await ann.ask("match", **named)) == ["db", "web1"]


def registry_of(number: int, **others: str) -> MinionRegistry:
    """Return a registry with this number of accepted minions, and others in other states."""
    made = MinionRegistry(lambda: 0.0)
    made.read_keys({f"m{n}": "accepted" for n in range(number)} | others)
    return made


def test_most_unknown_ids_are_not_sent_to_the_master() -> None:
    """Each one costs the master much time; a few may have been accepted a moment ago."""
    named = ["m0", *(f"x{n:05}" for n in range(10_000)), "pending", "m1"]
    asked, dropped = without_unknown(registry_of(2000, pending="pending"), named, "list")
    assert asked == ["m0", "x00000", "x00001", "m1"]
    assert dropped == sorted(["pending", *(f"x{n:05}" for n in range(2, 10_000))])


def test_few_unknown_ids_are_sent_with_few_minions() -> None:
    """A thousand would take the master two seconds, while others wait."""
    asked, dropped = without_unknown(registry_of(2), ["m0", *(f"x{n:05}" for n in range(3000))], "list")
    assert asked == ["m0", *(f"x{n:05}" for n in range(20))]
    assert len(dropped) == 2980


@pytest.mark.parametrize(
    ("minions", "tgt", "tgt_type"),
    [
        (2000, ["m0", "nobody"], "list"),
        (2000, [f"m{n}" for n in range(2000)], "list"),
        (2, [f"x{n}" for n in range(20)], "list"),
        (0, [f"x{n}" for n in range(20)], "list"),
        (2000, "m* and not L@nobody,m1", "compound"),
        (2000, "x" * 300, "glob"),
    ],
)
def test_other_targets_are_sent_unchanged(minions: int, tgt: Any, tgt_type: str) -> None:
    """A few unknown ids are cheap, and so are known ids."""
    assert without_unknown(registry_of(minions), tgt, tgt_type) == (tgt, [])


def test_lists_in_a_compound_target_are_read_too() -> None:
    """All of them together."""
    words = ["L@" + ",".join(f"x{n}" for n in range(15)), "or", "L@" + ",".join(f"y{n}" for n in range(15)) + ",m1"]
    asked, dropped = without_unknown(registry_of(200), " ".join([*words, "and", "L@" + "z1,z2"]), "compound")
    assert asked == f"{words[0]} or L@y0,y1,y2,y3,y4,m1 and L@,"
    assert len(dropped) == 12


async def test_removed_ids_are_reported_as_missing() -> None:
    """Like the other missing ids, which the master reports."""
    engine = Engine()
    engine.world.minions.read_keys({f"m{n}": "accepted" for n in range(20_000)} | {"web1": "accepted"})
    talker = await engine.user()
    unknown = [f"x{n:02}" for n in range(30)]
    engine.sets["*"] = ["web1"]
    job = await talker.ask("cmd", fun="test.ping", tgt=["web1", *unknown])
    assert engine.commands.published[0]["tgt"] == ["web1", *unknown[:2]]
    view = await talker.ask("get_job", jid=job["jid"])
    assert {name for name, part in view["minions"].items() if part["state"] == "missing"} >= set(unknown[2:])


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "kept"),
    [
        (["web1", "db"], "list", ["web1"]),
        (["db"], "list", []),
        ("L@web1,db or G@os:Debian", "compound", "L@web1 or G@os:Debian"),
        (["L@db", "or", "web*"], "compound", "L@, or web*"),
        ("db", "glob", "db"),
    ],
)
def test_a_target_is_cut_to_some_ids(tgt: Any, tgt_type: str, kept: Any) -> None:
    """Only in lists of ids: other expressions are the master's to match."""
    assert keep_names(tgt, tgt_type, lambda name: name == "web1") == kept
