"""match, functions, signature, list_minions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.operations.engine import Engine, Refused, Talker

WEB = [{"web*": ["test.*", "sys.*"]}]
SPEC = {"args": ["name", "test"], "defaults": [None], "varargs": None, "kwargs": True}


async def fails(talker: Talker, kind: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value


def answering(**users: list[Any]) -> Engine:
    engine = Engine(**users)
    engine.commands.answers = {
        "sys.list_functions": ["test.ping", "cmd.run", "test.echo"],
        "sys.argspec": {"pkg.install": SPEC},
        "sys.doc": {"pkg.install": "Install a package."},
    }
    return engine


@pytest.mark.parametrize(
    ("perms", "tgt", "found"),
    [
        ([".*"], "*", ["web1", "web2", "db"]),
        (WEB, "*", ["web1", "web2"]),
        (["cmd.run"], "*", []),
        ([".*"], ["db", "stranger"], ["db"]),
        ([".*"], "nobody*", []),
    ],
)
async def test_match_returns_the_minions_of_a_target(perms: list[Any], tgt: Any, found: list[str]) -> None:
    """Those that the user may ping. No command is sent."""
    engine = Engine(ann=perms)
    assert await (await engine.user()).ask("match", tgt=tgt) == found
    assert engine.commands.published == []


async def test_match_uses_the_delimiter() -> None:
    """Salt's own delimiter is a colon."""
    engine = Engine()
    ann = await engine.user()
    for delimiter in ({}, {"delimiter": "|"}):
        await ann.ask("match", tgt="os|Debian", tgt_type="grain", **delimiter)
    assert engine.delimiters[-2:] == [":", "|"]


async def test_functions_are_requested_from_one_minion() -> None:
    """From the connected one; sorted, and limited to what the user may run."""
    engine = answering(ann=[".*"], bob=WEB)
    engine.world.fire("salt/presence/present", present=["web2"])
    assert await (await engine.user("ann")).ask("functions", tgt="*") == ["cmd.run", "test.echo", "test.ping"]
    assert engine.commands.published[-1]["tgt"] == ["web2"]
    assert await (await engine.user("bob")).ask("functions", tgt="web*") == ["test.echo", "test.ping"]


@pytest.mark.parametrize(
    ("perms", "client", "names"),
    [
        (["@runner"], "runner", ["jobs.list_jobs", "manage.up"]),
        (["@jobs"], "runner", ["jobs.list_jobs"]),
        (["@runner"], "wheel", []),
        (["@wheel"], "wheel", ["key.accept", "key.list_all"]),
    ],
)
async def test_functions_of_the_master_are_cut_too(perms: list[Any], client: str, names: list[str]) -> None:
    """No minion is asked."""
    engine = Engine(ann=perms)
    assert await (await engine.user()).ask("functions", client=client) == names
    assert engine.commands.published == []


@pytest.mark.parametrize("kind", ["functions", "signature"])
async def test_functions_without_a_minion_is_an_error(kind: str) -> None:
    """The target matches no minion."""
    fields = {"module": "test.ping"} if kind == "signature" else {}
    assert (await fails(await Engine().user(), kind, tgt="nobody*", **fields)).code == "no_minions"


async def test_a_minion_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the jid, because its answer may still come."""
    engine = Engine()

    async def at_once(*_: Any) -> bool:
        return False

    monkeypatch.setattr(engine.services.job_watcher, "wait_for_end", at_once)
    fault = await fails(await engine.user(), "functions", tgt="db", timeout=1)
    assert (fault.code, fault.error["details"]["minion"]) == ("timeout", "db")


async def test_a_signature_has_a_schema_to_build_a_form_from() -> None:
    """Salt's argspec, and a JSON Schema of the arguments by name."""
    engine = answering()
    assert await (await engine.user()).ask("signature", module="pkg.install", tgt="db") == {
        "args": ["name", "test"],
        "defaults": [None],
        "varargs": None,
        "keywords": True,
        "doc": "Install a package.",
        "schema": {
            "type": "object",
            "properties": {"name": {}, "test": {"default": None}},
            "required": ["name"],
            "additionalProperties": True,
        },
    }


async def test_a_signature_of_the_master() -> None:
    """Of a runner or wheel function that the user may run."""
    engine = Engine(ann=["@runner"])
    talker = await engine.user()
    found = await talker.ask("signature", module="manage.up", client="runner")
    assert (found["args"], found["schema"]["required"]) == (["tgt", "timeout"], [])
    assert (await fails(talker, "signature", module="key.accept", client="wheel")).code == "forbidden"


@pytest.mark.parametrize(
    "fields", [{"module": "no.such", "tgt": "db"}, {"module": "manage.nothing", "client": "runner"}]
)
async def test_an_unknown_function_has_no_signature(fields: dict[str, str]) -> None:
    """The error says so."""
    assert (await fails(await answering().user(), "signature", **fields)).code == "unknown_function"


async def test_minions_are_listed_without_asking_them() -> None:
    """With key, connection and grains as the master knows them."""
    engine = Engine(ann=[".*", "@wheel"])
    engine.world.minions.read_grains({"web1": {"os": "Debian"}})
    engine.world.fire("salt/presence/present", present=["web1"])
    found = {minion["id"]: minion for minion in await (await engine.user()).ask("list_minions")}
    assert set(found) == {"web1", "web2", "db"}
    web1 = found["web1"]
    assert (web1["key"], web1["connected"], web1["grains"]) == ("accepted", True, {"os": "Debian"})
    assert engine.commands.published == []


@pytest.mark.parametrize(
    ("wanted", "grains"), [(True, {"os": "Debian", "role": "web"}), (False, None), (["role", "rack"], {"role": "web"})]
)
async def test_only_requested_grains_are_returned(wanted: bool | list[str], grains: Any) -> None:
    """In a list as in a subscription; grains that a minion does not have are omitted."""
    engine = Engine(ann=[".*"])
    engine.world.minions.read_grains({"web1": {"os": "Debian", "role": "web"}})
    talker = await engine.user()
    (found,) = await talker.ask("list_minions", minions=["web1"], grains=wanted)
    assert found["grains"] == grains
    await talker.ask("subscribe", subscription="minions", minions=["web1"], grains=wanted)
    engine.world.time.pass_(0)
    (frame,) = [message for message in talker.frames if message["type"] == "minions"]
    assert frame["minions"]["web1"]["grains"] == grains


async def test_only_visible_minions_are_listed() -> None:
    """Also if they are requested by id."""
    talker = await Engine(ann=WEB).user()
    assert [minion["id"] for minion in await talker.ask("list_minions")] == ["web1", "web2"]
    assert [minion["id"] for minion in await talker.ask("list_minions", minions=["db", "web2", "x"])] == ["web2"]


class Hashed(str):
    """The id of a minion that counts how often it is looked up."""

    __slots__ = ()
    count = 0

    def __hash__(self) -> int:
        Hashed.count += 1
        return super().__hash__()


async def test_a_target_together_with_ids_is_looked_up_once() -> None:
    """Not once for each id: thousands of each would block the event loop."""
    engine = Engine()
    engine.world.minions.read_keys(dict.fromkeys((f"m{number}" for number in range(100)), "accepted"))
    engine.sets["m*"] = [Hashed(f"m{number}") for number in range(100)]
    ann = await engine.user()
    Hashed.count = 0
    found = await ann.ask("list_minions", tgt="m*", minions=[f"m{number}" for number in range(50, 150)])
    assert [one["id"] for one in found] == [f"m{number}" for number in range(50, 100)]
    assert Hashed.count < 20 * 100
