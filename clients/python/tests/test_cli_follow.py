"""What a followed job or batch prints, and how it ends; the server is a list of what it sends."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from salt_live.cli.parser import UsageError, parse
from salt_live.cli.screen import Screen
from salt_live.cli.verbs import batch, cmd, jobs, master, minions
from salt_live.cli.verbs.context import Context
from salt_live.error_codes import Timeout, TooLarge
from salt_live.errors import ConnectionFailed
from salt_live.models import BatchProgress, Progress

JID = "20141103073312975821"


def part(state: str, value: Any = None, retcode: int | None = 0, **more: Any) -> dict[str, Any]:
    return {"state": state, "return": value, "retcode": retcode, "progress": 0, "message": None, **more}


def request(number: int, minion: str, status: str, result: Any = None, retcode: int | None = 0) -> dict[str, Any]:
    common = {"id": number, "minion": minion, "status": status, "progress": 0, "message": None}
    return {**common, "result": result, "retcode": retcode, "fun": "test.echo", "jid": JID}


class Server:
    """A client that was told what happens."""

    state = "open"
    address = "ws://master:8000"

    def __init__(self, *news: Any) -> None:
        self.news = news
        self.requests: list[dict[str, Any]] = []

    async def follow(self, _jid: str, **_less: bool) -> AsyncIterator[Any]:
        for item in self.news:
            yield item

    async def follow_batch(self, _number: int) -> AsyncIterator[Any]:
        for item in self.news:
            yield item

    async def request(self, type: str, **fields: Any) -> Any:
        self.requests.append({"type": type, **fields})
        return [{"id": "gone", "connected": False}]

    async def get_job(self, _jid: str) -> dict[str, Any]:
        return {"minions": {"web1": part("returned", "long" * 10)}}


def job(total: int, **parts: dict[str, Any]) -> Progress:
    failed = sum(item["state"] == "failed" for item in parts.values())
    return Progress({"jid": JID, "state": "running", "total": total, "failed": failed}, parts)


def context(*words: str) -> tuple[Context, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    options = parse([*words, "*", "test.echo"])
    return Context(options, Screen(options, {}, out, err), None), out, err  # type: ignore[arg-type]


async def test_each_return_is_printed_once_as_it_comes() -> None:
    here, out, _ = context("--out=txt")
    news = (
        job(2, web1=part("pending"), web2=part("pending")),
        job(2, web2=part("returned", "two")),
        job(2, web2=part("returned", "two"), web1=part("returned", "one")),
    )
    assert await cmd.follow(here, Server(*news), JID, "test.echo") == 0  # type: ignore[arg-type]
    assert out.getvalue() == "web2: two\nweb1: one\n"


async def test_a_failed_minion_is_exit_code_1() -> None:
    here, _, err = context()
    code = await cmd.follow(here, Server(job(1, web1=part("failed", "no", 3))), JID, "cmd.run")  # type: ignore[arg-type]
    assert code == 1
    assert err.getvalue() == "ERROR: Minions returned with non-zero exit code\n"


async def test_missing_minions_are_named_with_the_way_back() -> None:
    here, out, _ = context()
    news = job(3, web1=part("returned", True), gone=part("missing"), slow=part("missing"))
    assert await cmd.follow(here, Server(news), JID, "test.ping") == 1  # type: ignore[arg-type]
    assert "gone:\n    Minion did not return. [Not connected]\n" in out.getvalue()
    assert "slow:\n    Minion did not return. [No response]\n" in out.getvalue()
    assert f"salt-live job {JID}\n" in out.getvalue()


async def test_states_end_with_one_table_unless_a_program_reads() -> None:
    state = {"test_|-x_|-x_|-nop": {"result": False, "changes": {}, "comment": "bad", "__run_num__": 0}}
    news = job(2, web1=part("failed", state, 2, out="highstate"), web2=part("failed", state, 2, out="highstate"))
    here, out, _ = context()
    await cmd.follow(here, Server(news), JID, "state.apply")  # type: ignore[arg-type]
    assert "failed on 2 minions: test.nop: x\n    bad\n    web1, web2\n" in out.getvalue()
    here, out, _ = context("--out=json", "--static")
    await cmd.follow(here, Server(news), JID, "state.apply")  # type: ignore[arg-type]
    assert json.loads(out.getvalue()) == {"web1": state, "web2": state}


@pytest.mark.parametrize(
    ("requests", "code", "text"),
    [
        ([request(1, "web1", "sent", None, None), request(1, "web1", "resolved", "x")], 0, "web1: x\n"),
        ([request(1, "web1", "error", "x", 1)], 1, "web1: x\n"),
        ([request(1, "web1", "resolved", {"jid": JID, "bytes": 9, "message": "m"})], 0, f"web1: {'long' * 10}\n"),
        ([request(1, "web1", "resolved", "x"), request(2, "web1", "resolved", "y")], 0, "web1: x\nweb1: y\n"),
    ],
)
async def test_a_batch_prints_the_end_of_each_request(requests: list[dict[str, Any]], code: int, text: str) -> None:
    here, out, _ = context("--out=txt")
    head = {"done_count": 0, "total_count": 1, "error_count": 0}
    server = Server(*(BatchProgress(head, [item]) for item in requests))
    assert await batch.follow(here, server, 7) == code  # type: ignore[arg-type]
    assert out.getvalue() == text


async def test_a_request_that_ended_without_a_return_is_missing() -> None:
    here, out, _ = context("--out=txt")
    head = {"done_count": 1, "total_count": 1, "error_count": 1}
    server = Server(BatchProgress(head, [request(1, "web1", "timeout", None, None)]))
    assert await batch.follow(here, server, 7) == 1  # type: ignore[arg-type]
    assert out.getvalue().startswith("web1: Minion did not return")
    assert "salt-live batch 7 -w" in out.getvalue()


class Login:
    """A login with a client that answers from a function."""

    def __init__(self, answer: Any, rows: Any = None) -> None:
        self.request, self._rows = answer, rows

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        yield self

    async def minions(self, *, grains: bool, master: str | None) -> Any:
        assert grains
        rows = self._rows.items()
        return {name: row for name, row in rows if master in (None, row.get("master"))}


async def test_a_large_batch_is_read_in_parts() -> None:
    everything = [{"id": number} for number in range(batch.PAGE + 7)]
    calls = []

    async def answer(_type: str, **fields: Any) -> dict[str, Any]:
        calls.append(fields)
        first = fields["offset"]
        return {"id": 7, "requests": everything[first : first + fields["limit"]]}

    here, out, _ = context("--out=json")
    here.options, here.login = parse(["batch", "7"]), Login(answer)  # type: ignore[assignment]
    assert await batch.run(here) == 0
    assert json.loads(out.getvalue()) == {"id": 7, "requests": everything}
    assert [call["offset"] for call in calls] == [0, batch.PAGE]


async def test_minions_that_one_answer_cannot_hold_are_read_in_parts() -> None:
    async def answer(_type: str, **fields: Any) -> Any:
        if fields["grains"]:
            raise TooLarge("the answer is larger")
        return [{"id": "web1"}] if fields.get("tgt") else [{"id": "web1"}, {"id": "web2"}]

    rows = {name: {"id": name, "connected": True, "grains": {"a": 1}} for name in ("web1", "web2")}
    for words, names in ((["*"], ["web1"]), ([], ["web1", "web2"])):
        here, out, _ = context("--out=json")
        here.options, here.login = parse(["minions", "--grains", *words]), Login(answer, rows)  # type: ignore[assignment]
        assert await minions.run(here) == 0
        assert list(json.loads(out.getvalue())) == names


async def test_minions_are_filtered_by_master() -> None:
    """By the server; in parts, here. Each line names the master."""
    fields: list[dict[str, Any]] = []

    async def answer(_type: str, **more: Any) -> Any:
        fields.append(more)
        if more["grains"]:
            raise TooLarge("the answer is larger")
        return [row("web2", "m2")]

    def row(name: str, of: str) -> dict[str, Any]:
        return {"id": name, "key": "accepted", "connected": True, "seen": None, "master": of}

    rows = {name: row(name, of) for name, of in (("web1", "m1"), ("web2", "m2"))}
    for words, shown in (([], "web2  accepted  connected m2"), (["--grains", "--out=json"], "web2")):
        options, out = parse(["minions", "--master", "m2", *words]), io.StringIO()
        here = Context(options, Screen(options, {}, out, out), Login(answer, rows))  # type: ignore[arg-type]
        assert await minions.run(here) == 0
        text = out.getvalue()
        assert (" ".join(json.loads(text)) if "--grains" in words else " ".join(text.split())) == " ".join(
            shown.split()
        )
    assert [more["master"] for more in fields] == ["m2"] * 3


@pytest.mark.parametrize(
    ("words", "tgt"),
    [
        (["web*"], {"tgt": "web*", "tgt_type": "glob"}),
        (["-L", "a, b"], {"tgt": ["a", "b"], "tgt_type": "list"}),
        (["-G", "os|Debian", "--delimiter", "|"], {"tgt": "os|Debian", "tgt_type": "grain", "delimiter": "|"}),
        ([], {}),
    ],
)
async def test_a_target_and_a_master_are_sent_together(words: list[str], tgt: dict[str, Any]) -> None:
    """The server matches minions of other masters too."""
    asked: list[dict[str, Any]] = []

    async def answer(type: str, **fields: Any) -> Any:
        asked.append({"type": type, **fields})
        return []

    options, out = parse(["minions", "--master", "m2", *words]), io.StringIO()
    here = Context(options, Screen(options, {}, out, out), Login(answer))  # type: ignore[arg-type]
    assert await minions.run(here) == 2
    assert asked == [{"type": "list_minions", "grains": False, "master": "m2", **tgt}]


async def test_jobs_are_filtered_by_master() -> None:
    """Also those that start later. Each line names the master."""

    def row(jid: str, of: str) -> dict[str, Any]:
        counts = {"done": 1, "total": 1, "failed": 0}
        common = {"kind": "job", "state": "complete", "fun": "test.ping", "tgt": "*", "user": "ann", "start_time": None}
        return {"jid": jid, "master": of, **common, **counts}

    asked: list[dict[str, Any]] = []

    async def list_jobs(**fields: Any) -> list[dict[str, Any]]:
        asked.append(fields)
        return [row(JID, "m2")]

    login, out = Login(None), io.StringIO()
    login.list_jobs = list_jobs  # type: ignore[attr-defined]
    options = parse(["jobs", "--master", "m2"])
    here = Context(options, Screen(options, {}, out, out), login)  # type: ignore[arg-type]
    assert await jobs.run(here) == 0
    assert asked == [{"master": "m2", "limit": 20}]
    assert out.getvalue().rstrip().endswith("ann  m2")
    assert [jobs._wanted(here.options, row(JID, of)) for of in ("m1", "m2")] == [False, True]


async def test_batches_are_filtered_by_master() -> None:
    """By the server, for the list only. Each line ends with the master, without characters that act on a terminal."""
    asked: list[dict[str, Any]] = []
    row = {"id": 7, "status": "resolved", "done_count": 1, "total_count": 1, "error_count": 0, "user": "ann"}

    async def answer(type: str, **fields: Any) -> Any:
        asked.append({"type": type, **fields})
        return [{**row, "name": None, "master": "m2\n"}, row]

    def context_of(*words: str) -> tuple[Context, io.StringIO]:
        options, out = parse(["batch", *words]), io.StringIO()
        return Context(options, Screen(options, {}, out, out), Login(answer)), out  # type: ignore[arg-type]

    here, out = context_of("list", "--master", "m2")
    assert await batch.run(here) == 0
    assert asked == [{"type": "list_batches", "limit": 20, "master": "m2"}]
    first, second = out.getvalue().splitlines()
    assert ("m2" in first.split("ann")[1], second.endswith("ann")) == (True, True)
    for words in (["7"], ["pause", "7"], ["web*", "test.ping"]):
        with pytest.raises(UsageError, match="--master goes with"):
            await batch.run(context_of(*words, "--master", "m2")[0])


def test_a_listed_job_says_how_long_its_cut_target_is() -> None:
    """A target that the server did not cut has no such note."""
    job = {"jid": JID, "kind": "job", "state": "complete", "fun": "test.ping", "user": "ann", "start_time": None}
    job = {**job, "done": 1, "total": 1, "failed": 0}
    assert "['a', 'b'] … (5000 names in all)  ann" in jobs._row({**job, "tgt": ["a", "b"], "tgt_length": 5000})
    assert "a or b … (5000 characters in all)  ann" in jobs._row({**job, "tgt": "a or b", "tgt_length": 5000})
    assert "test.ping  web*  ann" in jobs._row({**job, "tgt": "web*"})


def run_of(state: str, **more: Any) -> Progress:
    return Progress({"jid": JID, "kind": "runner", "state": state, "fun": "test.arg", **more}, {})


@pytest.mark.parametrize(
    ("job", "code", "text"),
    [
        (run_of("complete", success=True, **{"return": {"a": 1}}), 0, '{"a": 1}'),
        (run_of("complete", success=True, **{"return": {"outputter": "txt", "data": {"retcode": 3}}}), 3, '"retcode"'),
        (run_of("failed", success=False, **{"return": "broken"}), 1, '"broken"'),
    ],
)
async def test_a_runner_is_followed_to_its_end(job: Progress, code: int, text: str) -> None:
    here, out, _ = context("--out=json", "--out-indent=-1")
    assert await master.follow(here, Server(run_of("running"), job), JID, None) == code  # type: ignore[arg-type]
    assert text in out.getvalue()


async def test_a_runner_whose_end_is_unknown_is_an_error() -> None:
    here, out, _ = context()
    with pytest.raises(ConnectionFailed, match="does not know how"):
        await master.follow(here, Server(run_of("unknown")), JID, None)  # type: ignore[arg-type]
    assert out.getvalue() == ""


async def test_a_runner_that_takes_too_long_is_named_with_the_way_back() -> None:
    here, _, _ = context()
    with pytest.raises(Timeout, match=f"salt-live job {JID} -w"):
        await master.follow(here, Server(run_of("running"), run_of("running")), JID, -1)  # type: ignore[arg-type]
