"""Secrets that Salt itself puts on its bus appear in none of the engine's streams and replies, nor in the log.

These are tokens and passwords of refused commands, passwords that runners get, and the private key of `key.gen_accept`.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.client import Client, MsgpackClient, Refused
from tests.integration.web import Web
from tests.sse import PATIENCE, Stream
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

PASSWORD = "canary-password"
TOKEN = "canary-token"
OWN_JIDS = ["20260101000000000001", "20260101000000000002"]  # of Salt's own client; its refusals have the whole load
MINION = "canary-minion"

Kinds = dict[str, tuple[type[Client], bool]]
KINDS: Kinds = {
    "json": (Client, False),
    "json in bundles": (Client, True),
    "msgpack": (MsgpackClient, False),
    "msgpack in bundles": (MsgpackClient, True),
}


class OtherStreams:
    """The streams and requests of the other protocols, of a user who may see everything."""

    def __init__(self, port: int, token: str, stack: contextlib.ExitStack) -> None:
        self._web = Web(port, token)
        address = f"127.0.0.1:{port}"
        self._sse = Stream(port, headers={"X-Auth-Token": token})
        stack.callback(self._sse.socket.close)
        self._sse.socket.settimeout(PATIENCE)
        self._sockets = {
            "all_events": (f"/all_events/{token}", "websocket client ready"),
            "formatted_events": (f"/formatted_events/{token}", "websocket client ready"),
            "digital rebar": (f"/api/v3/ws?token={token}", "register *.*.*"),
        }
        self._open = {}
        for name, (path, first) in self._sockets.items():
            ws = websocket.create_connection(f"ws://{address}{path}", timeout=PATIENCE)
            stack.callback(ws.close)
            ws.send(first)
            self._open[name] = ws
        # The reply proves that the subscription exists; the other one starts with its first frame.
        self._open["digital rebar"].recv()
        self._open["formatted_events"].recv()

    def shown(self, jids: list[str], last_jid: str) -> dict[str, str]:
        """Return what they showed up to the last event; a stream without events, up to the last job."""
        found = {"events": self._by_sse("canary/end")}
        for name, ws in self._open.items():
            end = last_jid if name == "formatted_events" else "canary/end"
            texts = [str(ws.recv())]
            while end not in texts[-1]:
                texts.append(str(ws.recv()))
            found[f"{name}, live"] = "".join(texts)
        for path in ("/jobs", "/stats", *(f"/jobs/{jid}" for jid in jids)):
            found[f"GET {path}"] = self._web.get(path).body.decode()
        return found

    def _by_sse(self, end: str) -> str:
        got = b""
        while end.encode() not in got:
            chunk = self._sse.socket.recv(65536)
            assert chunk, "the stream ended"
            got += chunk
        return got.decode()


class Watchers:
    """Clients of a user who may see everything: one for each kind of stream, and one that runs commands."""

    def __init__(
        self, clients: dict[str, Client], acting: Client, new_client: Callable[[str], Client], others: OtherStreams
    ) -> None:
        self._clients = clients
        self._connect = new_client
        self._others = others
        self.acting = acting
        self._watched = acting.ask("subscribe", subscription="event", tag="")["subscription"]
        self._started = {name: self._follow(name, client) for name, client in clients.items()}

    def shown(self, jids: list[str], *, after: list[str]) -> dict[str, str]:
        """Return everything shown since the start, as text, by the stream or request that showed it.

        :param after: tags of events of other processes, which the end of the streams must not overtake
        """
        self.acting.tags_arrived(self._watched, after)
        self.acting.ask("event", tag="canary/end", body={})
        found: dict[str, Any] = {}
        for name, client in self._clients.items():
            found[f"{name}, live"] = self._until_end(client, self._started[name])
            with self._connect(name) as new_client:
                since = {key: self._started[name][key] for key in ("epoch", "seq")}
                found[f"{name}, replayed"] = self._until_end(new_client, self._follow(name, new_client, since=since))
                found[f"{name}, snapshots"] = [self._snapshot(new_client, jid) for jid in jids]
        found["get_event"] = self._by_get_event()
        found["get_job"] = [self.acting.ask("get_job", jid=jid) for jid in jids]
        last = self.acting.ask("cmd", fun="test.ping", tgt="minion-1", mode="sync")
        return {name: json.dumps(value) for name, value in found.items()} | self._others.shown(jids, last["jid"])

    def _follow(self, name: str, client: Client, **fields: Any) -> dict[str, Any]:
        subscribed: dict[str, Any] = client.ask(
            "subscribe", subscription="event", tag="", bundle=KINDS[name][1], **fields
        )
        return subscribed

    @staticmethod
    def _until_end(client: Client, subscribed: dict[str, Any]) -> list[Any]:
        def ends(frame: dict[str, Any]) -> bool:
            return any(event.get("tag") == "canary/end" for event in frame.get("events", [frame]))

        return client.frames(until=ends, subscription=subscribed["subscription"])

    @staticmethod
    def _snapshot(client: Client, jid: str) -> list[Any]:
        number = client.ask("subscribe", subscription="job", jid=jid)["subscription"]
        return client.frames(until=lambda frame: frame["type"] == "live", subscription=number)

    def _by_get_event(self) -> list[Any]:
        since = {key: self._started["json"][key] for key in ("epoch", "seq")}
        events = [self.acting.ask("get_event", tag="", full=True, wait=0, since=since)]
        while events[-1]["tag"] != "canary/end":
            since = {**since, "seq": events[-1]["seq"]}
            events.append(self.acting.ask("get_event", tag="", full=True, wait=0, since=since))
        return events


@pytest.fixture
def watchers(engine_url: str, engine_port: int) -> Iterator[Watchers]:
    """Watch all streams from now on."""
    with contextlib.ExitStack() as stack:

        def connect(name: str) -> Client:
            client = stack.enter_context(KINDS[name][0](engine_url))
            client.login("demo")
            return client

        acting = stack.enter_context(Client(engine_url))
        others = OtherStreams(engine_port, acting.login("demo")["token"], stack)
        yield Watchers({name: connect(name) for name in KINDS}, acting, connect, others)


@pytest.fixture
def rest(salt_master: Any, engine_port: int) -> Callable[[], dict[str, str]]:
    """Return the log since the start of the test, and the metrics."""
    path = Path(salt_master.config["log_file"])
    began = path.stat().st_size

    def read() -> dict[str, str]:
        found = {"log": path.read_bytes()[began:].decode(errors="replace")}
        for name in ("metrics", "healthz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{engine_port}/{name}", timeout=30) as response:
                found[name] = response.read().decode()
        return found

    return read


def ended(client: Client, jid: str) -> None:
    """Wait for the end of a runner or wheel."""
    wait_until(lambda: client.ask("get_job", jid=jid)["state"] == "complete", "the end of the call")


def listed_jids(client: Client, fun: str) -> set[str]:
    """Return the listed jobs of a function; earlier tests on the same master may have left some."""
    return {job["jid"] for job in client.ask("list_jobs", fun=fun)}


def assert_hidden(secrets: list[str], shown: dict[str, str], *, in_streams: str) -> None:
    """Fail for each secret that is shown, and for each stream without the event that contained it.

    :param in_streams: part of that event
    """
    for name, text in shown.items():
        for secret in secrets:
            assert secret not in text, f"{name} shows it"
        if name in ("formatted_events, live", "digital rebar, live"):
            continue  # they show only some events, in another form
        if name.endswith(("live", "replayed")) or name in ("get_event", "events"):
            assert in_streams in text, f"{name} is empty: this test shows nothing"


def test_credentials_of_refused_commands(
    watchers: Watchers, salt_master: Any, rest: Callable[[], dict[str, str]]
) -> None:
    """The master fires an event with the whole load of each refused command, even with a valid token or password."""
    import salt.client
    import salt.exceptions

    with Client(watchers.acting.url) as viewer:
        token = str(viewer.login("viewer")["token"])
        with pytest.raises(Refused):
            viewer.ask("cmd", fun="test.echo", tgt="*", arg=["x"])
        with pytest.raises(Refused):
            viewer.ask("runner", fun="test.arg", token=token)
        with pytest.raises(Refused):
            viewer.ask("wheel", fun="key.list_all", token=token)
        with pytest.raises(Refused):
            viewer.login("viewer", PASSWORD)
    ways = [{"token": token}, {"username": "viewer", "password": PASSWORD, "eauth": "sharedsecret"}]
    with salt.client.LocalClient(mopts=dict(salt_master.config)) as local:
        for jid, credentials in zip(OWN_JIDS, ways, strict=True):
            with contextlib.suppress(salt.exceptions.SaltException):
                local.run_job("*", "test.echo", arg=["x"], jid=jid, **credentials)
    shown = watchers.shown([], after=[f"salt/job/{jid}/error" for jid in OWN_JIDS]) | rest()
    assert_hidden([token, PASSWORD], shown, in_streams="/error")
    assert "(redacted)" in shown["json, live"]
    assert "outcome=forbidden" in shown["log"]
    assert "outcome=unauthenticated" in shown["log"]


def test_passwords_that_runners_get(watchers: Watchers, salt_master: Any, rest: Callable[[], dict[str, str]]) -> None:
    """The events of their start and return contain the arguments, also if `salt-run` called them."""
    secrets = {"password": PASSWORD, "token": TOKEN}
    before = listed_jids(watchers.acting, "steps.keep")
    jids = [watchers.acting.ask("runner", fun="steps.keep", kwarg={"user": "ann", **secrets})["jid"]]
    watchers.acting.ask("runner", fun="steps.keep", kwarg={"user": "ann", **secrets}, mode="sync")
    ended(watchers.acting, jids[0])
    done = salt_master.salt_run_cli().run("steps.keep", "user=ann", f"password={PASSWORD}", f"token={TOKEN}")
    assert "kept" in done.stdout
    wait_until(lambda: len(listed_jids(watchers.acting, "steps.keep") - before) == 3, "the third in the list")
    listed = watchers.acting.ask("list_jobs", fun="steps.keep")
    jids = sorted({job["jid"] for job in listed} - before)
    shown = (
        watchers.shown(jids, after=[f"salt/run/{jid}/ret" for jid in jids]) | {"list_jobs": json.dumps(listed)} | rest()
    )
    assert_hidden([PASSWORD, TOKEN], shown, in_streams="runner.steps.keep")
    for name in ("json, live", "get_job", "list_jobs", "json, snapshots"):
        assert "(redacted)" in shown[name], f"{name} does not show the arguments: this test shows nothing"
        assert "ann" in shown[name]


def test_a_generated_private_key(watchers: Watchers, rest: Callable[[], dict[str, str]]) -> None:
    """The caller gets the key, and no other user sees it."""
    before = listed_jids(watchers.acting, "key.gen_accept")
    try:
        made = watchers.acting.ask("wheel", fun="key.gen_accept", kwarg={"id_": MINION}, mode="sync")
        line = made["priv"].splitlines()[5]
        assert len(line) > 40
        wait_until(lambda: listed_jids(watchers.acting, "key.gen_accept") - before, "the call in the list")
        listed = watchers.acting.ask("list_jobs", fun="key.gen_accept")
        jids = sorted({job["jid"] for job in listed} - before)
        shown = (
            watchers.shown(jids, after=[f"salt/wheel/{jid}/ret" for jid in jids])
            | {"list_jobs": json.dumps(listed)}
            | rest()
        )
        assert_hidden([line, "PRIVATE KEY"], shown, in_streams="PUBLIC KEY")
    finally:
        watchers.acting.ask("wheel", fun="key.delete", kwarg={"match": MINION}, mode="sync")
