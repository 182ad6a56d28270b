"""docs/permissions.md: its three example users see and do exactly what its table says, on the engine's real parts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.operations import engine as parts
from tests.unit.operations.engine import Engine, Refused, Talker

TEXT = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## Three users\n")[2].partition("\n## ")[0]
USERS: dict[str, list[Any]] = yaml.safe_load(SECTION.partition("```yaml\n")[2].partition("```")[0])["external_auth"][
    "pam"
]
MINIONS = ("web1", "web2", "db1")
MEANINGS = {
    "yes": "all",
    "whole": "all",
    "with the part of web1 only": "part",
    "those that": "own",
    "no, unless": "own",
    "her own": "own",
}
"""How a cell begins, and what it means; any other one begins with `no`."""

Check = Callable[[Engine, Talker, str], Awaitable[str]]


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield each row's subject with each user and the cell."""
    head, _, *body = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("|")]
    assert head == list(USERS)
    for subject, *cells in body:
        for user, cell in zip(head, cells, strict=True):
            yield subject, user, cell


def meaning(cell: str) -> str:
    """Return what a cell promises: ``all``, ``part``, ``own`` or ``none``."""
    found = next((word for start, word in MEANINGS.items() if cell.startswith(start)), "none")
    assert found != "none" or cell.startswith("no"), cell
    return found


class Bus:
    """Fires events of jobs, each of a job of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.count = engine, 0

    def job(self, fun: str, *minions: str, user: str = "root") -> str:
        """Start a job, let its minions return, and return its id."""
        self.count += 1
        jid, fire = f"2026112315000000000{self.count}", self.engine.world.fire
        target = {"tgt": "*", "tgt_type": "glob", "missing": [], "minions": list(minions)}
        fire(f"salt/job/{jid}/new", fun=fun, arg=[], jid=jid, user=user, **target)
        for minion in minions:
            self.engine.returns(jid, minion, True)
        return jid

    def runner(self, user: str) -> str:
        """Start a runner and return its id."""
        self.count += 1
        jid = f"2026112315000000000{self.count}"
        self.engine.world.fire(f"salt/run/{jid}/new", fun="runner.manage.up", user=user, jid=jid, fun_args=[])
        return jid


async def tags(talker: Talker, fire: Callable[[], object]) -> list[str]:
    """Subscribe, fire, and return the tags of the events that the user gets."""
    await talker.ask("subscribe", subscription="event")
    fire()
    talker.engine.time.pass_(1.0)
    return [frame["tag"] for frame in talker.frames if frame["type"] == "event"]


async def error(talker: Talker, operation: str, **fields: Any) -> str | None:
    """Return the error code of a request, or None if it succeeds."""
    try:
        await talker.ask(operation, **fields)
    except Refused as refused:
        return refused.code
    return None


async def minion(talker: Talker, name: str) -> dict[str, Any] | None:
    listed = await talker.ask("list_minions", grains=True)
    return next((one for one in listed if one["id"] == name), None)


async def owned(engine: Engine, talker: Talker, user: str, act: Callable[[str], str], tag: str) -> str:
    """Return ``all`` if the user sees the tag of anybody's job, ``own`` if only that of a job with the user's name."""
    jids: list[str] = []
    got = await tags(talker, lambda: jids.extend([act("root"), act(user)]))
    seen = [tag.replace("JID", jid) in got for jid in jids]
    return {(True, True): "all", (False, True): "own", (False, False): "none"}[seen[0], seen[1]]


async def web1_with_grains(engine: Engine, talker: Talker, user: str) -> str:
    found = await minion(talker, "web1")
    return "all" if found and found["grains"] == {"os": "Debian"} else "none" if found is None else "part"


async def db1(engine: Engine, talker: Talker, user: str) -> str:
    return "all" if await minion(talker, "db1") else "none"


async def state_return(engine: Engine, talker: Talker, user: str) -> str:
    bus = Bus(engine)
    return await owned(
        engine, talker, user, lambda who: bus.job("state.apply", "web1", user=who), "salt/job/JID/ret/web1"
    )


async def command_return(engine: Engine, talker: Talker, user: str) -> str:
    bus = Bus(engine)
    return await owned(engine, talker, user, lambda who: bus.job("cmd.run", "web1", user=who), "salt/job/JID/ret/web1")


async def job_of_two(engine: Engine, talker: Talker, user: str) -> str:
    jid = Bus(engine).job("state.apply", "web1", "db1")
    if await error(talker, "get_job", jid=jid) == "not_found":
        return "none"
    job = await talker.ask("get_job", jid=jid)
    return {("db1", "web1"): "all", ("web1",): "part"}[tuple(sorted(job["minions"]))]


async def runner(engine: Engine, talker: Talker, user: str) -> str:
    return await owned(engine, talker, user, Bus(engine).runner, "salt/run/JID/new")


async def key(engine: Engine, talker: Talker, user: str) -> str:
    event = {"id": "db2", "act": "pend", "result": True}
    return "all" if await tags(talker, lambda: engine.world.fire("salt/key", **event)) == ["salt/key"] else "none"


async def custom(engine: Engine, talker: Talker, user: str) -> str:
    return "all" if await tags(talker, lambda: engine.world.fire("myco/deploy/done", of="web")) else "none"


async def permitted(talker: Talker, operation: str, **fields: Any) -> str:
    return {None: "all", "forbidden": "none"}[await error(talker, operation, **fields)]


async def run_on_web(engine: Engine, talker: Talker, user: str) -> str:
    return await permitted(talker, "cmd", fun="state.apply", tgt="web*")


async def run_everywhere(engine: Engine, talker: Talker, user: str) -> str:
    return await permitted(talker, "cmd", fun="state.apply", tgt="*")


async def fire_event(engine: Engine, talker: Talker, user: str) -> str:
    return await permitted(talker, "event", tag="myco/deploy/start", body={})


CHECKS: dict[str, Check] = {
    "the minion `web1` in the fleet, with its grains": web1_with_grains,
    "the minion `db1`": db1,
    "`salt/job/JID/ret/web1` of `state.apply`, started by any user": state_return,
    "`salt/job/JID/ret/web1` of `cmd.run`": command_return,
    "a job of `state.apply` on `web1` and `db1`": job_of_two,
    "runners and wheels": runner,
    "keys of minions": key,
    "a custom event `myco/deploy/done`": custom,
    "run `state.apply` on `web*`": run_on_web,
    "run `state.apply` on `*`": run_everywhere,
    "fire an event `myco/deploy/start`": fire_event,
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine with the page's users, and with minions whose grains are known."""
    monkeypatch.setattr(parts, "MINIONS", MINIONS)
    made = Engine(**USERS)
    made.sets["*"] = list(MINIONS)
    made.services.minions.read_grains({name: {"os": "Debian"} for name in MINIONS})
    return made


def test_every_row_has_a_check() -> None:
    """And no check is for a row that is gone."""
    assert {subject for subject, *_ in rows()} == set(CHECKS)


@pytest.mark.parametrize(("subject", "user", "cell"), list(rows()))
async def test_the_table_tells_what_the_user_gets(engine: Engine, subject: str, user: str, cell: str) -> None:
    """Nothing less and nothing more."""
    assert await CHECKS[subject](engine, await engine.user(user), user) == meaning(cell)


def test_each_entry_of_the_examples_is_explained() -> None:
    """The table of entries below has each kind of entry that the examples use."""
    explained = " ".join(
        re.findall(r"^\| (`[^|]*) \|", TEXT.partition("\n## What each entry gives\n")[2], re.MULTILINE)
    )
    for entries in USERS.values():
        for entry in entries:
            name = entry if isinstance(entry, str) else next(iter(entry))
            assert f"`{name}`" in explained or f"'{name}'" in explained, name
