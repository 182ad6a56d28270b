"""Every example of the document that this API was first described in works as it is printed there.

The examples stand here as the document prints them (most as Python, as its snippet sends them); names, tokens and jids
of the document are replaced by those of the test, and nothing else. None has an `id`: each reply is the bare result.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client
from tests.support.gates import MINION, Gate

pytestmark = pytest.mark.slow

SNIPPET = """
import json
from websocket import create_connection
ws = create_connection("ws://127.0.0.1:8000/")
m = {'type': 'auth', 'username': 'vagrant', 'password': 'vagrant'}
ws.send(json.dumps(m))
ws.recv()
"""

AUTH = """
{
\t'type': 'auth',
\t'username': 'vagrant',
\t'password': 'vagrant'
}
"""

AUTH_RESPONSE = """
{
\t"username": "vagrant",
\t"name": "vagrant",
\t"perms": [".*", "@runner", "@wheel"],
\t"start": 1414873954.974579,
\t"token": "de7f428a61a8ab799d44e764067b0efd",
\t"expire": 1414917154.974582,
\t"user": "vagrant",
\t"eauth": "pam"
}
"""

CMD = """
{
\t'type': 'cmd',
\t'method': 'test.ping',
\t'pattern': '*',
\t'pattern_type': 'glob',
\t'token': 'a2822c3247c15755c7e17fa5686d40c7'
}
"""

SUBSCRIBE = """
{
\t"type": "subscribe",
\t"subscription": "event"
}
"""

GET_JOB = """
{
\t"type": "get_job",
\t"jid": "20141103073312975821"
}
"""

SIGNATURE = """
{
\t"type": "signature",
\t"tgt": "vagrant",
\t"token": "9d15eef4b4465bd352a32fc8eed22444",
\t"module": "test.ping"
}
"""

EVENT = """
{
\t"type": "event",
\t"body": {"test": true},
\t"tag": "/test/noise"
}
"""


def example(text: str, **names: str) -> dict[str, Any]:
    """Return an example as the message it stands for, with the test's own names put in."""
    try:
        message: dict[str, Any] = json.loads(text)
    except ValueError:
        message = ast.literal_eval(text.strip())
    assert set(names) <= set(message)
    return {**message, **names}


def event_of(client: Client, tag: str) -> dict[str, Any]:
    """Return the first event frame whose tag contains this."""
    return client.frames(until=lambda frame: tag in frame["tag"])[-1]


@pytest.fixture
def token(connect: Callable[..., Client]) -> str:
    """A token, as the document's reader has one from `auth`."""
    return str(connect().login("demo")["token"])


def test_the_snippet_runs(engine_port: int, engine_url: str) -> None:
    """The Python snippet, line by line with the test's names, ends with the token's description."""
    text = SNIPPET.replace("8000", str(engine_port)).replace("vagrant", "demo")
    *lines, last = text.strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    reply = json.loads(eval(last, names))
    names["ws"].close()
    assert set(reply) == set(json.loads(AUTH_RESPONSE))


def test_auth_answers_with_the_fields_of_the_document(connect: Callable[..., Client]) -> None:
    """The reply has the fields of the example response, each of its type."""
    client = connect()
    client.send(example(AUTH, username="demo", password="demo"))
    reply, printed = client.recv(), json.loads(AUTH_RESPONSE)
    assert {name: type(value) for name, value in reply.items()} == {n: type(v) for n, v in printed.items()}
    assert (reply["username"], reply["name"], reply["user"]) == ("demo", "demo", "demo")
    assert reply["eauth"] == "sharedsecret"
    assert set(printed["perms"]) <= set(reply["perms"])
    assert int(reply["token"], 16)
    assert reply["expire"] > reply["start"]


def test_auth_takes_an_eauth(connect: Callable[..., Client]) -> None:
    """The optional `eauth` names the backend; without it the engine's default counts."""
    client = connect()
    client.send({**example(AUTH, username="demo", password="demo"), "eauth": "sharedsecret"})
    assert client.recv()["user"] == "demo"
    client.send({**example(AUTH, username="demo", password="demo"), "eauth": "pam"})
    assert client.recv()["error"] == "unauthenticated"


def test_cmd_answers_with_the_jid_by_its_token_alone(connect: Callable[..., Client], token: str) -> None:
    """`cmd` needs no login on this connection; it answers with the jid and the minions at once."""
    client = connect()
    client.send(example(CMD, token=token))
    reply = client.recv()
    assert set(reply) == {"jid", "minions"}
    assert len(reply["jid"]) == 20
    assert reply["minions"] == ["minion-1", "minion-2"]


def test_cmd_takes_args_and_kwargs_and_no_pattern_type(connect: Callable[..., Client], token: str) -> None:
    """`pattern_type` is glob when left out; `args` is a list, `kwargs` an object, both may be left out."""
    client = connect("demo")
    message = example(CMD, token=token, method="steps.echo", pattern="minion-1")
    del message["pattern_type"]
    client.send({**message, "args": [1, "two"], "kwargs": {"three": 3}})
    jid = client.recv()["jid"]
    client.ask("subscribe", subscription="job", jid=jid)
    job = client.frames(until=lambda frame: frame["type"] == "job" and frame["job"]["state"] != "running")[-1]
    assert job["minions"]["minion-1"]["return"] == {"args": [1, "two"], "kwargs": {"three": 3}}


def test_the_jid_comes_while_the_minions_still_work(demo: Client, gate: Gate) -> None:
    """`cmd` does not wait for returns: the job runs when its jid is there, and completes later."""
    demo.send({"type": "cmd", "method": "cmd.run", "pattern": "*", "args": [gate.script()]})
    jid = demo.recv()["jid"]
    assert demo.ask("get_job", jid=jid)["state"] == "running"
    demo.ask("subscribe", subscription="job", jid=jid)
    gate.open()
    frames = demo.frames(until=lambda frame: frame["type"] == "job" and frame["job"]["state"] == "complete")
    assert frames[-1]["job"]["done"] == frames[-1]["job"]["total"] == 2


def test_subscribe_brings_the_events_of_the_master(demo: Client) -> None:
    """After the subscription's reply, everything that happens on the bus comes as frames."""
    demo.send(example(SUBSCRIBE))
    reply = demo.recv()
    assert set(reply) == {"subscription", "epoch", "seq", "recovered"}
    jid = demo.ask("cmd", fun="test.ping", tgt="*")["jid"]
    # The master's processes fire these; events of two processes have no order.
    awaited = {f"salt/job/{jid}/new", f"salt/job/{jid}/ret/minion-1", f"salt/job/{jid}/ret/minion-2"}
    seen: dict[str, Any] = {}

    def all_came(frame: dict[str, Any]) -> bool:
        seen[frame["tag"]] = frame["data"]
        return awaited <= seen.keys()

    frames = demo.frames(until=all_came)
    assert seen[f"salt/job/{jid}/ret/minion-2"]["return"] is True
    numbers = [frame["seq"] for frame in frames]
    assert numbers == sorted(set(numbers))


def test_get_job_answers_with_the_job(demo: Client) -> None:
    """A job can be asked for by its jid, with every minion's return."""
    jid = demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")["jid"]
    demo.send(example(GET_JOB, jid=jid))
    job = demo.recv()
    assert (job["jid"], job["fun"], job["state"]) == (jid, "test.ping", "complete")
    assert {name: part["return"] for name, part in job["minions"].items()} == {"minion-1": True, "minion-2": True}


def test_signature_answers_by_its_token_alone(connect: Callable[..., Client], token: str) -> None:
    """The signature of a function is asked of the minion that the target names."""
    client = connect()
    client.send(example(SIGNATURE, tgt="minion-1", token=token))
    reply = client.recv()
    assert (reply["args"], reply["defaults"]) == ([], None)
    assert "ping" in reply["doc"].lower()


def test_event_fires_on_the_bus(connect: Callable[..., Client]) -> None:
    """A fired event reaches all listeners of the bus, with its unchanged body."""
    watcher, client = connect("demo"), connect("demo")
    watcher.ask("subscribe", subscription="event", tag="/test/")
    client.send(example(EVENT))
    assert client.recv() is True
    frame = event_of(watcher, "/test/noise")
    assert frame["tag"] == "/test/noise"
    assert frame["data"]["test"] is True


@pytest.mark.parametrize("text", [SUBSCRIBE, GET_JOB, EVENT])
def test_what_once_needed_no_login_needs_one_now(connect: Callable[..., Client], text: str) -> None:
    """The document's examples without a token are for those who are logged in."""
    client = connect()
    client.send(example(text))
    assert client.recv()["error"] == "unauthenticated"


@pytest.mark.parametrize("text", [SUBSCRIBE, GET_JOB, EVENT])
def test_they_work_with_a_token_too(connect: Callable[..., Client], demo: Client, token: str, text: str) -> None:
    """The same examples with a token in the message need no login."""
    jid = demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")["jid"]
    message = {**example(text), "token": token}
    if "jid" in message:
        message["jid"] = jid
    client = connect()
    client.send(message)
    assert "error" not in str(client.recv())


def test_a_job_subscription_shows_each_return_as_it_comes(demo: Client, gate: Gate) -> None:
    """Snapshot, `live`, a frame for the return that comes first, one for the other: 2 of 2, complete."""
    script, options = gate.script(f"echo {MINION}", MINION), {"template": "jinja", "python_shell": True}
    jid = demo.ask("cmd", fun="cmd.run", tgt="*", arg=[script], kwarg=options)["jid"]
    number = demo.ask("subscribe", subscription="job", jid=jid)["subscription"]
    frames = demo.frames(subscription=number, until=lambda frame: frame["type"] == "live")
    gate.open("minion-1")
    frames += demo.frames(subscription=number, until=lambda frame: frame.get("job", {}).get("done") == 1)
    gate.open("minion-2")
    frames += demo.frames(subscription=number, until=lambda frame: frame.get("job", {}).get("state") == "complete")
    kinds = [frame["type"] for frame in frames]
    assert kinds.index("live") < len(kinds) - 1
    done = [frame["job"]["done"] for frame in frames if frame["type"] == "job"]
    assert done == sorted(done)
    assert {1, 2} <= set(done)
    first = next(frame for frame in frames if frame["type"] == "job" and frame["job"]["done"] == 1)
    assert first["minions"]["minion-1"]["return"] == "minion-1"
    assert "minion-2" not in first["minions"] or first["minions"]["minion-2"]["state"] in ("pending", "running")
    last = frames[-1]
    assert (last["job"]["total"], last["job"]["failed"], last["job"]["progress"]) == (2, 0, 100)
    assert last["minions"]["minion-2"]["return"] == "minion-2"
