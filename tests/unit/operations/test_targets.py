"""One reading of targets, whatever they are the target of."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.operations.targets import MOST_NAMES, target

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
    ],
)
def test_a_string_of_the_kind_list_holds_ids_with_commas(message: dict[str, Any], read: tuple[Any, str]) -> None:
    """As in Salt."""
    assert target(message) == read


@pytest.mark.parametrize("text", [",", " , ", "web1,a/b", "x" * 256, ",".join(f"m{n}" for n in range(MOST_NAMES + 1))])
def test_what_could_be_no_list_of_ids_is_no_string_of_them(text: str) -> None:
    """No more than the schema lets a list be."""
    with pytest.raises(ApiError) as refused:
        target({"tgt": text, "tgt_type": "list"})
    assert (refused.value.code, refused.value.details[0]["path"]) == ("bad_message", "/tgt")


async def test_a_batch_reads_it_so() -> None:
    """And not letter by letter."""
    engine = await started()
    ann = await engine.user()
    item = {"fun": "test.ping", "tgt": "web1, db,gone", "tgt_type": "list"}
    made = await ann.ask("batch", batch=[item])
    await run(engine)
    assert (made["totalCount"], made["errorCount"]) == (3, 1)
    assert [sent["tgt"] for sent in engine.commands.published] == [["web1", "db"]]


async def test_a_batch_tells_where_a_wrong_one_stands() -> None:
    """Among the other faults."""
    engine = await started()
    ann = await engine.user()
    items = [{"fun": "test.ping", "tgt": "db"}, {"fun": "test.ping", "tgt": "a/b", "tgt_type": "list"}]
    with pytest.raises(Refused) as refused:
        await ann.ask("batch", batch=items)
    assert [fault["path"] for fault in refused.value.error["details"]] == ["/batch/1/tgt"]


async def test_cmd_match_and_event_read_it_so() -> None:
    """Each by the same helper."""
    engine = Engine()
    ann = await engine.user()
    named = {"tgt": "web1, db", "tgt_type": "list"}
    await ann.ask("cmd", fun="test.ping", **named)
    await ann.ask("event", tag="a/b", body={}, **named)
    assert [sent["tgt"] for sent in engine.commands.published] == [["web1", "db"], ["web1", "db"]]
    assert sorted(await ann.ask("match", **named)) == ["db", "web1"]
