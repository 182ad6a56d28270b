"""The engine of a master of masters: every operation and protocol on minions that only a master below knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.client import Client, Refused
from tests.integration.conftest import wait_until
from tests.integration.test_digital_rebar import Rebar, of_job
from tests.integration.test_hostile_minion import Hostile
from tests.integration.tiers import ADDRESSES, BELOW, DIRECT, LOW, PYTHON_BELOW, TOP, Tiers, tiered
from tests.integration.web import Web
from tests.support.reloading import request_reload
from tests.support.running import wait_running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.both_lines,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PYTHON_BELOW.exists(), reason="the level below needs .venv-3007: make test-3007 builds it"),
]
costly = pytest.mark.costly

ALL = {DIRECT, *BELOW}
RETURNED, MISSING = "returned", "missing"


@pytest.fixture(scope="module")
def tiers() -> Iterator[Tiers]:
    """Both levels, with the modules of the tests on all minions."""
    with tiered() as made:
        with made.client() as client:
            synced = run(client, "*", "saltutil.sync_modules")
            assert set(synced["minions"]) == ALL
        yield made


@pytest.fixture
def demo(tiers: Tiers) -> Client:
    """A client of the user who may do everything."""
    return tiers.client()


@pytest.fixture
def web(tiers: Tiers) -> Web:
    """The same over HTTP."""
    return Web(tiers.port).login("demo")


def run(client: Client, tgt: Any, fun: str = "test.ping", **fields: Any) -> Any:
    """Run a function and wait for its end."""
    return client.ask("cmd", fun=fun, tgt=tgt, mode="sync", timeout=60, patience=70, **fields)


def states(job: Any) -> dict[str, str]:
    return {name: part["state"] for name, part in job["minions"].items()}


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "expected", "state"),
    [
        ("m1", "glob", {"m1": RETURNED}, "complete"),
        ("*", "glob", dict.fromkeys(ALL, RETURNED), "complete"),
        (["near", "m1", "x"], "list", {"near": RETURNED, "m1": RETURNED, "x": MISSING}, "partial"),
        ("L@m1,m2 or near", "compound", dict.fromkeys(ALL, RETURNED), "complete"),
        ("G@id:m2", "compound", {"m2": RETURNED}, "complete"),
        ("zz*", "glob", {}, "complete"),
    ],
)
def test_a_job_reaches_minions_below_and_ends(
    tiers: Tiers, demo: Client, tgt: Any, tgt_type: str, expected: dict[str, str], state: str
) -> None:
    """With and without direct minions; the syndic itself is not waited for."""
    job = run(demo, tgt, tgt_type=tgt_type)
    assert (states(job), job["state"]) == (expected, state)
    assert demo.ask("get_job", jid=job["jid"]) == job


def test_minions_below_are_listed_with_their_syndic(tiers: Tiers, demo: Client) -> None:
    """They were seen in a job; the master has no keys and no grains of them."""
    listed = {one["id"]: one for one in demo.ask("list_minions", grains=["id"])}
    assert set(listed) == {*ALL, LOW}
    assert {name: one.get("syndic") for name, one in listed.items()} == {DIRECT: None, LOW: None, "m1": LOW, "m2": LOW}
    assert [(listed[name]["key"], listed[name]["connected"]) for name in ("m1", DIRECT)] == [
        (None, True),
        ("accepted", True),
    ]
    assert demo.ask("match", tgt="m*") == list(BELOW)


@costly
def test_progress_from_below_shows_in_the_job(demo: Client) -> None:
    """A syndic passes on events that a minion sends."""
    jid = demo.ask("cmd", fun="steps.walk", tgt="m1", args=[10, 55, 90], kwargs={"pause": 1.0})["jid"]
    number = demo.ask("subscribe", subscription="job", jid=jid)["subscription"]

    def ended(frame: dict[str, Any]) -> bool:
        return bool(frame["type"] == "job" and frame["job"]["state"] != "running")

    frames = [one for one in demo.frames(subscription=number, until=ended, timeout=60) if one["type"] == "job"]
    messages = [frame["minions"]["m1"]["message"] for frame in frames if "m1" in frame["minions"]]
    assert {"at 10", "at 55", "at 90"} <= set(messages)
    assert (frames[-1]["job"]["state"], frames[-1]["job"]["total"]) == ("complete", 1)


@costly
def test_the_owner_cancels_a_job_below(demo: Client) -> None:
    """``cancel`` and ``get_job`` tell the same before and after the minions are named."""
    jid = demo.ask("cmd", fun="test.sleep", arg=[100], tgt="*")["jid"]
    wait_until(lambda: set(demo.ask("get_job", jid=jid)["minions"]) == ALL, "the names of all minions")
    wait_running(demo, jid, ALL)
    assert set(demo.ask("cancel", jid=jid)["minions"]) == ALL
    ended = wait_until(lambda: _ended(demo, jid), "the end of the job", timeout=60)
    assert (ended["state"], set(states(ended).values())) == ("canceled", {"canceled"})
    with pytest.raises(Refused, match="has ended"):
        demo.ask("cancel", jid=jid)


def _ended(client: Client, jid: str) -> Any:
    job = client.ask("get_job", jid=jid)
    return None if job["state"] == "running" else job


@costly
def test_a_silent_minion_below_is_missing(demo: Client) -> None:
    """Minions are asked through the syndic whether they still run the job, as long as one does."""
    job = run(demo, ["m1", "x"], "test.sleep", arg=[12])
    assert states(job) == {"m1": RETURNED, "x": MISSING}


@costly
def test_batches_reach_minions_below(demo: Client) -> None:
    """An id that no master knows is an error, and holds up nobody."""
    made = demo.ask(
        "batch", batch=[{"fun": "test.ping", "tgt": ["near", "m1", "x"]}, {"fun": "test.ping", "tgt": "m*"}]
    )

    def ended() -> Any:
        batch = demo.ask("get_batch", batch=made["id"], collection=True)
        return batch if batch["finished_at"] else None

    batch = wait_until(ended, "the end of the batch", timeout=60, every=0.3)
    assert [(one["minion"], one["status"]) for one in batch["requests"]] == [
        *(("near", "resolved"), ("m1", "resolved"), ("x", "error")),
        *(("m1", "resolved"), ("m2", "resolved")),
    ]


@costly
def test_the_paths_of_the_puppetmaster_reach_minions_below(web: Web) -> None:
    """A destination is a list of ids."""
    item = {"method": "post", "resource": "/test/ping", "data": {}, "__request": {"destination": "m2"}}
    made = web.post("/batches", {"batch": [item], "timeout": 60}).value

    def ended() -> Any:
        batch = web.get(f"/batches/{made['id']}?collection=true").value
        return batch if batch["finishedAt"] else None

    batch = wait_until(ended, "the end of the batch", timeout=60, every=0.3)
    assert batch["status"] == "resolved"


@costly
def test_functions_and_signatures_of_a_minion_below(demo: Client) -> None:
    """The minion is asked through the syndic."""
    assert "test.ping" in demo.ask("functions", tgt="m1", patience=60)
    assert demo.ask("signature", tgt="m1", module="test.echo", patience=60)["args"] == ["text"]


@costly
@pytest.mark.parametrize(
    ("low", "expected"),
    [
        ({"client": "local", "tgt": "m1"}, {"m1": True}),
        ({"client": "local", "tgt": "*"}, dict.fromkeys(ALL, True)),
        ({"client": "local", "tgt": "zz*"}, {}),
        ({"client": "local_subset", "tgt": "m*", "sub": 2}, dict.fromkeys(BELOW, True)),
    ],
)
def test_salt_api_answers_for_minions_below(web: Web, low: dict[str, Any], expected: dict[str, Any]) -> None:
    """As rest_cherrypy does on a master of masters; a target that nobody matches ends too."""
    assert web.low(fun="test.ping", **low) == expected


@costly
def test_the_other_clients_of_salt_api(web: Web) -> None:
    """``local_batch`` runs on minions below in batches; a job of ``local_async`` stands under its link."""
    answers = web.post("/", {"client": "local_batch", "fun": "test.ping", "tgt": "*", "batch": "2"}).value["return"]
    assert {name: value for one in answers for name, value in one.items()} == dict.fromkeys(ALL, True)
    started = web.post("/minions/m1", {"fun": "test.ping"}).value
    path = started["_links"]["jobs"][0]["href"]
    wait_until(lambda: web.get(path).value["return"] == [{"m1": True}], "the return")
    assert web.get(path).value["info"][0]["Minions"] == ["m1"]
    assert set(web.get("/minions").value["return"][0]) == {DIRECT, LOW}, "no grains of others are here"


@costly
def test_digital_rebars_clients_get_jobs_below(tiers: Tiers, demo: Client) -> None:
    """Created, updated by each return, saved once."""
    watcher = Rebar(tiers.url, "demo").register("jobs.*.*")
    with contextlib.closing(watcher.client):
        jid = demo.ask("cmd", fun="test.ping", tgt="m*")["jid"]
        seen = watcher.until(lambda frame: (frame["Action"], frame["Key"]) == ("save", jid), timeout=60)
        frames = of_job(seen, jid)
        assert [frame["Action"] for frame in frames] == ["create", "update", "update", "save"]
        assert sorted(frame["Object"]["id"] for frame in frames[1:3]) == list(BELOW)
        assert set(frames[-1]["Object"]["minions"]) == set(BELOW)


@costly
@pytest.mark.parametrize(
    ("user", "sees", "runs", "refused"),
    [
        ("pinger", ALL, ["m1", "*", ["near", "m2"]], []),
        ("one", {"m1"}, ["m1", ["m1"]], ["m2", "m*", "*", "near", ["m1", "m2"]]),
        ("near", {"near"}, ["near"], ["m1", "*", ["near", "m1"]]),
        ("grain", set(), [], ["m1", ["m1"], "m*"]),
        ("nobody", set(), [], ["m1", "*"]),
    ],
)
def test_users_see_and_reach_the_minions_below_that_their_entries_match(
    tiers: Tiers, demo: Client, user: str, sees: set[str], runs: list[Any], refused: list[Any]
) -> None:
    """By id: what grains an entry means is known to the lower master alone."""
    watcher = tiers.client(user)
    number = watcher.ask("subscribe", subscription="event", tag=["salt/job/", "end/"])["subscription"]
    assert {one["id"] for one in watcher.ask("list_minions", grains=False)} - {LOW} == sees
    assert set(watcher.ask("match", tgt="*")) == sees
    for tgt in refused:
        with pytest.raises(Refused, match="forbidden"):
            run(watcher, tgt)
    for tgt in runs:
        job = run(watcher, tgt)
        assert set(states(job).values()) == {RETURNED}
    job = run(demo, "*")
    wait_until(lambda: demo.ask("get_job", jid=job["jid"])["state"] == "complete", "the end of the job")
    seen = _shown(watcher, job["jid"])
    assert set(seen["minions"] if seen else ()) == sees
    demo.ask("event", tag="end/of-this", body={})
    frames = watcher.frames(subscription=number, until=lambda frame: frame["tag"] == "end/of-this")
    tags = [frame["tag"].split("/") for frame in frames]
    assert {tag[4] for tag in tags if tag[2:4] == [job["jid"], "ret"]} == sees


def _shown(client: Client, jid: str) -> Any:
    with contextlib.suppress(Refused):
        return client.ask("get_job", jid=jid)
    return None


@costly
def test_salt_lets_a_restricted_user_through_the_top_and_the_lower_master_refuses(tiers: Tiers, demo: Client) -> None:
    """Salt's upper master permits any target without a direct minion; the lower one checks the same auth list."""
    one = ("-a", "sharedsecret", "--username=one", "--password=demo", "--out=json", "--static", "-t", "5")
    assert '"m1": true' in tiers.salt(*one, "m1", "test.ping")
    assert '"m2": true' not in tiers.salt(*one, "m2", "test.ping")
    assert '"m2": true' not in tiers.salt(*one, "m*", "test.ping")


@costly
def test_a_minion_cannot_return_in_the_name_of_a_direct_minion(tiers: Tiers, demo: Client) -> None:
    """``_syndic_return`` counts for minions below, of jobs whose target can match them."""
    jid = demo.ask("cmd", fun="test.sleep", arg=[100], tgt=["near", "m1"])["jid"]
    wait_until(lambda: set(demo.ask("get_job", jid=jid)["minions"]) == {"near", "m1"}, "the job")
    hostile = Hostile(_syndics_opts(tiers), tiers.config["ret_port"])
    back = {name: {"return": "forged", "retcode": 0, "success": True} for name in ("near", "m2", "m1")}
    load = {"id": LOW, "jid": jid, "fun": "test.sleep", "return": back}
    hostile.send(cmd="_syndic_return", load=[load])
    shown = wait_until(lambda: _if_returned(demo, jid, "m1"), "the return that may be a syndic's")
    assert states(shown) == {"near": "pending", "m1": RETURNED} or states(shown) == {"near": "running", "m1": RETURNED}
    demo.ask("cancel", jid=jid, signal="kill")


def _if_returned(client: Client, jid: str, minion: str) -> Any:
    job = client.ask("get_job", jid=jid)
    return job if job["minions"][minion]["state"] == RETURNED else None


def _syndics_opts(tiers: Tiers) -> dict[str, Any]:
    import salt.config

    opts = salt.config.minion_config(str(tiers.root / LOW / "etc" / "minion"), minion_id=LOW)
    return {**opts, "master": ADDRESSES[TOP], "master_port": tiers.config["ret_port"]}


@costly
def test_a_lower_masters_presence_list_changes_no_direct_minion(tiers: Tiers, demo: Client) -> None:
    """A syndic passes it on under the same tag."""
    number = demo.ask("subscribe", subscription="event", tag="salt/presence/present")["subscription"]
    seen: set[str] = set()

    def both(frame: dict[str, Any]) -> bool:
        seen.update(frame["data"]["present"])
        return seen >= {DIRECT, "m1"}

    demo.frames(subscription=number, until=both, timeout=60)
    run(demo, "near")
    for _ in range(2):
        demo.frames(subscription=number, until=lambda frame: "m1" in frame["data"]["present"], timeout=60)
        listed = {one["id"]: one["connected"] for one in demo.ask("list_minions", grains=False)}
        assert (listed[DIRECT], listed["m1"]) == (True, True)


@costly
def test_a_reload_keeps_jobs_and_minions_below(tiers: Tiers, demo: Client) -> None:
    """A command in flight is answered, its returns are events without a gap, and each minion keeps its syndic."""
    run(demo, "*")  # events have named the minions below
    place = demo.ask("subscribe", subscription="event", tag="salt/job/")
    since = {"epoch": place["epoch"], "seq": place["seq"]}
    before = {one["id"]: one.get("syndic") for one in demo.ask("list_minions", grains=False)}
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(run, tiers.client(), ["near", "m1"], "test.sleep", arg=[15])
        jid = wait_until(lambda: _sleeping(demo, {"near", "m1"}), "the command")
        answer = request_reload(tiers.sock_dir, tiers.port)
        assert "error" not in answer
        again = tiers.client()
        assert {one["id"]: one.get("syndic") for one in again.ask("list_minions", grains=False)} == before
        shown = again.ask("get_job", jid=jid)
        assert (shown["user"], set(shown["minions"])) == ("demo", {"near", "m1"})
        assert states(waiting.result(120)) == {"near": RETURNED, "m1": RETURNED}
    number = again.ask("subscribe", subscription="event", tag="salt/job/", since=since)["subscription"]
    returned = {f"salt/job/{jid}/ret/{name}" for name in ("near", "m1")}
    left = set(returned)

    def came(frame: dict[str, Any]) -> bool:
        assert frame["type"] == "event", frame
        left.discard(frame["tag"])
        return not left

    tags = [frame["tag"] for frame in again.frames(subscription=number, until=came, timeout=60)]
    assert [tag for tag in tags if tag in returned] == sorted(returned, key=tags.index)
    assert states(wait_until(lambda: _complete(again, jid), "the end of the job")) == {"near": RETURNED, "m1": RETURNED}


def _sleeping(client: Client, minions: set[str]) -> str | None:
    """Return the newest command that sleeps on these minions."""
    for job in client.ask("list_jobs", fun="test.sleep", state="running", limit=1):
        if set(client.ask("get_job", jid=job["jid"])["minions"]) == minions:
            return str(job["jid"])
    return None


@costly
def test_a_job_keeps_its_owner_and_its_returns_over_a_restart(tiers: Tiers) -> None:
    """The syndic's load has overwritten that of the upper master; it names the user there too."""
    with tiers.client("pinger") as pinger, tiers.client() as client:
        ended = run(pinger, "m1")["jid"]
        running = client.ask("cmd", fun="test.sleep", arg=[45], tgt=["m1", "near"])["jid"]
        wait_until(lambda: set(client.ask("get_job", jid=running)["minions"]) == {"m1", "near"}, "the job")
    tiers.restart_top()
    pinger, demo = tiers.client("pinger"), tiers.client()
    job = pinger.ask("get_job", jid=ended)
    assert (job["user"], states(job)) == ("pinger", {"m1": RETURNED})
    assert ended in [one["jid"] for one in pinger.ask("list_jobs", user="pinger")]
    done = wait_until(lambda: _complete(demo, running), "the end of the job", timeout=120, every=1.0)
    assert (done["user"], states(done)) == ("demo", {"m1": RETURNED, "near": RETURNED})


def _complete(client: Client, jid: str) -> Any:
    job = client.ask("get_job", jid=jid)
    return job if job["state"] == "complete" else None
