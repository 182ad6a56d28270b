"""Visits of clients of all protocols to an engine with two minions. Each logs in, does something, and leaves."""

from __future__ import annotations

import contextlib
import json
import random
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import salt_live
import websocket

from tests.benchmarks import leavers
from tests.benchmarks.masters import MINIONS
from tests.benchmarks.stage import SECRET, USER
from tests.client import Client, MsgpackClient
from tests.integration.web import Answer, Web
from tests.sse import Stream

READY = "websocket client ready"
PATIENCE = 60.0  # seconds that anything may take on a loaded machine
LEAVERS = 10  # in one visit
BOTH = dict.fromkeys(MINIONS, True)


class Unavailable(Exception):
    """The engine answered over HTTP that it cannot serve now."""


class Incomplete(Exception):
    """The answer lacks what a lost bus did not bring."""


@dataclass(frozen=True)
class Site:
    """Where the visits go.

    :param port: the engine's, on 127.0.0.1
    """

    port: int
    chance: random.Random

    @property
    def url(self) -> str:
        """The address of its websockets."""
        return f"ws://127.0.0.1:{self.port}/"

    def web(self) -> Web:
        """Log in over HTTP."""
        web = Web(self.port)
        (login,) = ok(web.post("/login", {"username": USER, "password": SECRET, "eauth": "sharedsecret"}))["return"]
        return Web(self.port, login["token"])


def ok(answer: Answer, *, status: int = 200) -> Any:
    """Return the value of an answer that must be of this status.

    :raises Unavailable: the engine could not serve
    """
    if answer.status in (429, 502, 503, 504):
        raise Unavailable(f"{answer.status}: {answer.body[:200]!r}")
    assert answer.status == status, (answer.status, answer.body[:500])
    return json.loads(answer.body) if answer.body else None


def complete(found: Any, wanted: Any) -> None:
    """Check an answer of minions.

    :raises Incomplete: it is another one
    """
    if found != wanted:
        raise Incomplete(f"{found} instead of {wanted}")


def low(web: Web, **fields: Any) -> Any:
    """Run one low."""
    return ok(web.post("/", fields))["return"][0]


def native(site: Site, kind: type[Client]) -> None:
    """Subscribe to all kinds, run functions, and leave with or without a logout."""
    with kind(site.url) as client:
        client.login(USER, SECRET)
        events = client.ask("subscribe", subscription="event", tag="salt/job/", bundle=True)["subscription"]
        for fields in ({"subscription": "job", "jid": "*"}, {"subscription": "minions"}):
            client.ask("subscribe", **fields)
        job = client.ask("cmd", fun="test.ping", tgt="*", mode="sync", timeout=PATIENCE / 2, patience=PATIENCE)
        complete({minion: part["return"] for minion, part in job["minions"].items()}, BOTH)
        assert client.ask("get_job", jid=job["jid"])["fun"] == "test.ping"
        client.ask("list_jobs", limit=50)
        ran = client.ask("runner", fun="test.arg", arg=["soak"], mode="sync", patience=PATIENCE)
        complete(ran["args"], ["soak"])
        client.ask("event", tag="visits/fired", body={"number": 1})
        client.ask("unsubscribe", subscription=events)
        if site.chance.random() < 0.5:
            client.ask("logout")


def python_client(site: Site) -> None:
    """Follow events and run functions by the project's own client."""
    with salt_live.Client(site.url, username=USER, password=SECRET) as client, client.events("salt/job/") as events:
        complete(client.cmd("*", "test.ping", timeout=PATIENCE / 2), BOTH)
        if events.get(PATIENCE) is None:
            raise Incomplete("no event of a job")
        client.runner.cmd("test.arg", ["soak"])


def rest(site: Site) -> None:
    """Use salt-api's resources with JSON, YAML and a form."""
    web = site.web()
    complete(low(web, client="local", tgt="*", fun="test.ping"), BOTH)
    jid = low(web, client="local_async", tgt="*", fun="test.ping")["jid"]
    ok(web.get(f"/jobs/{jid}"))
    for path in ("/minions", "/jobs", "/keys", "/stats"):
        ok(web.get(path))
    answer = web.get("/minions", Accept="application/x-yaml")
    assert answer.status == 503 or answer.body.startswith(b"return:"), answer.body[:200]
    ok(web.form("/", {"client": "runner", "fun": "test.arg", "arg": "soak"}))
    ok(web.post("/logout"))


def run_path(site: Site) -> None:
    """Run one low with a login of its own."""
    login = {"username": USER, "password": SECRET, "eauth": "sharedsecret"}
    lows = [{**login, "client": "local", "tgt": "*", "fun": "test.ping"}]
    complete(ok(Web(site.port).post("/run", lows))["return"][0], BOTH)


def server_sent_events(site: Site) -> None:
    """Read `/events` up to the returns of a job."""
    web = site.web()
    with Stream(site.port, headers={"X-Auth-Token": str(web.token)}) as stream:
        if stream.status != 200:
            raise Unavailable(str(stream.status))
        jid = low(web, client="local_async", tgt="*", fun="test.ping")["jid"]
        left = set(MINIONS)
        while left:
            left.discard(stream.read(PATIENCE).data["tag"].removeprefix(f"salt/job/{jid}/ret/"))


def salt_api_socket(site: Site, path: str) -> None:
    """Read one of salt-api's websockets up to an event of a job."""
    web = site.web()
    url = f"{site.url}{path.format(token=web.token)}"
    with contextlib.closing(websocket.create_connection(url, timeout=PATIENCE)) as ws:
        ws.send(READY)
        jid = low(web, client="local_async", tgt="*", fun="test.ping")["jid"]
        while jid not in _text(ws):
            pass


def digital_rebar(site: Site) -> None:
    """Follow jobs up to the end of one."""
    web = site.web()
    with Client(f"{site.url}api/v3/ws?token={USER}:{SECRET}") as client:
        client.send("register jobs.*.*")
        jid = low(web, client="local_async", tgt="*", fun="test.ping")["jid"]
        while True:
            frame = client.recv(PATIENCE)
            if (frame["Key"], frame["Action"]) == (jid, "save"):
                return


def puppetmaster(site: Site) -> None:
    """Run a batch over HTTP, follow it on its websocket, and forget it."""
    web = site.web()
    item = {"method": "post", "resource": "/test/ping", "__request": {"destination": MINIONS}}
    batch = ok(web.post("/batches", {"batch": [item], "concurrency": 1, "timeout": 60}))
    path = f"batches/{batch['id']}"
    with _socket(site, f"{path}/ws", str(web.token)) as ws:
        while batch["finishedAt"] is None:
            batch = json.loads(_text(ws))
    complete((batch["doneCount"], batch["errorCount"]), (len(MINIONS), 0))
    assert ok(web.get(f"/{path}?collection=true"))["finishedAt"]
    ok(web.request("DELETE", f"/{path}"), status=204)


def _text(ws: Any) -> str:
    text: str = ws.recv()
    if not text:  # so the library says that the server closed
        raise websocket.WebSocketConnectionClosedException("closed by the server")
    return text


@contextlib.contextmanager
def _socket(site: Site, path: str, token: str) -> Iterator[Any]:
    headers = {"X-Auth-Token": token}
    ws = websocket.create_connection(f"{site.url}{path}", timeout=PATIENCE, header=headers)
    with contextlib.closing(ws):
        yield ws


def native_batch(site: Site) -> None:
    """Run a batch of three functions on each minion, followed by a subscription; it is kept."""
    with Client(site.url) as client:
        client.login(USER, SECRET)
        items = [{"fun": "test.arg", "arg": [number], "tgt": MINIONS} for number in range(3)]
        made = client.ask("batch", batch=items, concurrency=2)
        client.ask("subscribe", subscription="batch", batch=made["id"])

        deadline, batch = time.monotonic() + PATIENCE, made
        while not batch["finished_at"]:
            if time.monotonic() > deadline:
                raise Incomplete(f"the batch goes on: {batch}")
            time.sleep(0.2)
            batch = client.ask("get_batch", batch=made["id"])
        complete((batch["done_count"], batch["error_count"]), (3 * len(MINIONS), 0))


def pages(site: Site) -> None:
    """Get what a browser and a monitor get."""
    web = site.web()
    for path in ("/console/", "/console/main.js", "/metrics", "/healthz", "/nowhere"):
        answer = web.get(path)
        assert answer.status in (200, 404, 503), (path, answer.status)


def leaving(site: Site) -> None:
    """Leave in the middle of something, on each protocol."""
    sent = leavers.kinds(urllib.parse.quote(str(site.web().token)))
    for _ in range(LEAVERS):
        leavers.leave(site.port, site.chance.choice(sent), site.chance)


VISITS: dict[str, Callable[[Site], None]] = {
    "websocket, JSON": lambda site: native(site, Client),
    "websocket, msgpack": lambda site: native(site, MsgpackClient),
    "Python client": python_client,
    "salt-api, REST": rest,
    "salt-api, /run": run_path,
    "salt-api, /events": server_sent_events,
    "salt-api, /ws": lambda site: salt_api_socket(site, "ws/{token}"),
    "salt-api, /all_events": lambda site: salt_api_socket(site, "all_events/{token}"),
    "salt-api, /formatted_events": lambda site: salt_api_socket(site, "formatted_events/{token}"),
    "Digital Rebar": digital_rebar,
    "puppetmaster batch": puppetmaster,
    "batch": native_batch,
    "console and metrics": pages,
    "leave in the middle": leaving,
}
