"""Secrets that Salt itself puts on its bus: every way in which the engine shows anything, and the log, is searched.

Tokens and passwords of refused commands, passwords that runners get, the private key of `key.gen_accept`.
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
OWN_JIDS = ["20260101000000000001", "20260101000000000002"]  # of Salt's own client, whose refusals carry the whole load
MINION = "canary-minion"

Ways = dict[str, tuple[type[Client], bool]]
WAYS: Ways = {
    "json": (Client, False),
    "json in bundles": (Client, True),
    "msgpack": (MsgpackClient, False),
    "msgpack in bundles": (MsgpackClient, True),
}


class Doors:
    """The streams of the other doors, and their requests, of one user who may see everything."""

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
        # Its answer says that it listens; the others begin with the frame, in order.
        self._open["digital rebar"].recv()
        self._open["formatted_events"].recv()

    def shown(self, jids: list[str], last_jid: str) -> dict[str, str]:
        """Return what they showed up to the last event, and to the last job for who shows jobs only."""
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


class Watch:
    """Clients who may see everything, one for each form of a stream, and one who acts."""

    def __init__(
        self, clients: dict[str, Client], acting: Client, again: Callable[[str], Client], doors: Doors
    ) -> None:
        self._clients = clients
        self._again = again
        self._doors = doors
        self.acting = acting
        self._began = {name: self._follow(name, client) for name, client in clients.items()}

    def shown(self, jids: list[str]) -> dict[str, str]:
        """Return all that was shown since the beginning, as text, by the way in which it was."""
        self.acting.ask("event", tag="canary/end", body={})
        found: dict[str, Any] = {}
        for name, client in self._clients.items():
            found[f"{name}, live"] = self._until_end(client, self._began[name])
            with self._again(name) as again:
                since = {key: self._began[name][key] for key in ("epoch", "seq")}
                found[f"{name}, replayed"] = self._until_end(again, self._follow(name, again, since=since))
                found[f"{name}, pictures"] = [self._picture(again, jid) for jid in jids]
        found["get_event"] = self._by_get_event()
        found["get_job"] = [self.acting.ask("get_job", jid=jid) for jid in jids]
        last = self.acting.ask("cmd", fun="test.ping", tgt="minion-1", mode="sync")
        return {name: json.dumps(value) for name, value in found.items()} | self._doors.shown(jids, last["jid"])

    def _follow(self, name: str, client: Client, **fields: Any) -> dict[str, Any]:
        begun: dict[str, Any] = client.ask("subscribe", subscription="event", tag="", bundle=WAYS[name][1], **fields)
        return begun

    @staticmethod
    def _until_end(client: Client, begun: dict[str, Any]) -> list[Any]:
        def ends(frame: dict[str, Any]) -> bool:
            return any(event.get("tag") == "canary/end" for event in frame.get("events", [frame]))

        return client.frames(until=ends, subscription=begun["subscription"])

    @staticmethod
    def _picture(client: Client, jid: str) -> list[Any]:
        number = client.ask("subscribe", subscription="job", jid=jid)["subscription"]
        return client.frames(until=lambda frame: frame["type"] == "live", subscription=number)

    def _by_get_event(self) -> list[Any]:
        since = {key: self._began["json"][key] for key in ("epoch", "seq")}
        events = [self.acting.ask("get_event", tag="", full=True, wait=0, since=since)]
        while events[-1]["tag"] != "canary/end":
            since = {**since, "seq": events[-1]["seq"]}
            events.append(self.acting.ask("get_event", tag="", full=True, wait=0, since=since))
        return events


@pytest.fixture
def watch(engine_url: str, engine_port: int) -> Iterator[Watch]:
    """Everybody who watches, from now on."""
    with contextlib.ExitStack() as stack:

        def connect(name: str) -> Client:
            client = stack.enter_context(WAYS[name][0](engine_url))
            client.login("demo")
            return client

        acting = stack.enter_context(Client(engine_url))
        doors = Doors(engine_port, acting.login("demo")["token"], stack)
        yield Watch({name: connect(name) for name in WAYS}, acting, connect, doors)


@pytest.fixture
def rest(salt_master: Any, engine_port: int) -> Callable[[], dict[str, str]]:
    """What is told elsewhere: the log since the test began, and what machines read."""
    path = Path(salt_master.config["log_file"])
    began = path.stat().st_size

    def read() -> dict[str, str]:
        found = {"log": path.read_bytes()[began:].decode(errors="replace")}
        for name in ("metrics", "healthz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{engine_port}/{name}", timeout=10) as response:
                found[name] = response.read().decode()
        return found

    return read


def ended(client: Client, jid: str) -> None:
    """Wait for the end of a runner or wheel."""
    wait_until(lambda: client.ask("get_job", jid=jid)["state"] == "complete", "the end of the call")


def assert_hidden(secrets: list[str], shown: dict[str, str], *, in_streams: str) -> None:
    """Fail for each secret that is shown, and where a stream does not show that in which it was."""
    for name, text in shown.items():
        for secret in secrets:
            assert secret not in text, f"{name} shows it"
        if name in ("formatted_events, live", "digital rebar, live"):
            continue  # they show some events only, in words of their own
        if name.endswith(("live", "replayed")) or name in ("get_event", "events"):
            assert in_streams in text, f"{name} is empty: this test shows nothing"


def test_credentials_of_refused_commands(watch: Watch, salt_master: Any, rest: Callable[[], dict[str, str]]) -> None:
    """The master says of each refusal what it got, valid tokens and passwords included."""
    import salt.client
    import salt.exceptions

    with Client(watch.acting.url) as viewer:
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
    shown = watch.shown([]) | rest()
    assert_hidden([token, PASSWORD], shown, in_streams="/error")
    assert "(redacted)" in shown["json, live"]
    assert "outcome=forbidden" in shown["log"]
    assert "outcome=unauthenticated" in shown["log"]


def test_passwords_that_runners_get(watch: Watch, salt_master: Any, rest: Callable[[], dict[str, str]]) -> None:
    """Their start and their return carry the arguments, whoever called: a client of ours, or `salt-run`."""
    secrets = {"password": PASSWORD, "token": TOKEN}
    jids = [watch.acting.ask("runner", fun="steps.keep", kwarg={"user": "ann", **secrets})["jid"]]
    watch.acting.ask("runner", fun="steps.keep", kwarg={"user": "ann", **secrets}, mode="sync")
    ended(watch.acting, jids[0])
    done = salt_master.salt_run_cli().run("steps.keep", "user=ann", f"password={PASSWORD}", f"token={TOKEN}")
    assert "kept" in done.stdout
    listed = watch.acting.ask("list_jobs", fun="steps.keep")
    assert len(listed) >= 3
    jids = [job["jid"] for job in listed[:3]]
    shown = watch.shown(jids) | {"list_jobs": json.dumps(listed)} | rest()
    assert_hidden([PASSWORD, TOKEN], shown, in_streams="runner.steps.keep")
    for name in ("json, live", "get_job", "list_jobs", "json, pictures"):
        assert "(redacted)" in shown[name], f"{name} does not show the arguments: this test shows nothing"
        assert "ann" in shown[name]


def test_a_generated_private_key(watch: Watch, rest: Callable[[], dict[str, str]]) -> None:
    """It is told to who called, and to nobody who looks on."""
    try:
        made = watch.acting.ask("wheel", fun="key.gen_accept", kwarg={"id_": MINION}, mode="sync")
        line = made["priv"].splitlines()[5]
        assert len(line) > 40
        listed = watch.acting.ask("list_jobs", fun="key.gen_accept")
        jids = [job["jid"] for job in listed]
        assert jids
        shown = watch.shown(jids) | {"list_jobs": json.dumps(listed)} | rest()
        assert_hidden([line, "PRIVATE KEY"], shown, in_streams="PUBLIC KEY")
    finally:
        watch.acting.ask("wheel", fun="key.delete", kwarg={"match": MINION}, mode="sync")
