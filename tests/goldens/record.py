"""Record what Salt's own rest_cherrypy and rest_tornado answer to the requests of requests.py: ``make goldens``.

    python -m tests.goldens.record                 records both and writes the files beside this one
    python -m tests.goldens.record --only PATTERN  sends what has the pattern in its name, and replaces these answers
    python -m tests.goldens.record --print         writes nothing

One master, two minions and one salt-api with both servers run for it, in a temporary folder, on ports of 127.0.0.1.
"""

from __future__ import annotations

import argparse
import re
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from tests.benchmarks.stage import CHECKOUT, Stage
from tests.goldens import files
from tests.goldens.bus import Bus
from tests.goldens.listening import listen
from tests.goldens.request import FILLER, HTTP, Request
from tests.goldens.requests import REQUESTS
from tests.goldens.sending import Answer, log_in, send
from tests.goldens.shape import shape
from tools.demo_root import CLIENTS, USERS

PEERS = {"rest_cherrypy": "CherryPy", "rest_tornado": "tornado"}


def stage(password: str) -> Stage:
    """Return the master, minions and salt-api whose answers are recorded."""
    options = {
        "id": "golden_master",
        "netapi_enable_clients": CLIENTS,
        "sharedsecret": password,
        "external_auth": {"sharedsecret": USERS},
        "presence_events": True,
        "loop_interval": 10,
    }
    return Stage(minions=2, engine=False, saltnado=True, cherrypy=True, master_opts=options)


def values_for(port: int, running: Stage, password: str, known_jid: str) -> dict[str, str]:
    """Return what stands for the words in angle brackets at the server on this port."""
    return {
        "<session demo>": log_in(port, "demo", password),
        "<session viewer>": log_in(port, "viewer", password),
        "<session spare>": log_in(port, "demo", password),
        "<token demo>": running.token("demo"),
        "<token viewer>": running.token("viewer"),
        "<password>": password,
        "<known jid>": known_jid,
        "<filler>": FILLER,
    }


def answer_to(port: int, request: Request, values: Mapping[str, str], bus: Bus) -> Answer:
    """Send one request of any kind and return its answer, with its event if it fires one."""
    if request.kind != HTTP:
        return listen(port, request, values, bus.stir)
    if request.event is None:
        return send(port, request, values)
    with bus.listening() as next_event:
        answer = send(port, request, values)
        if answer.status == 200:
            answer.event = next_event(request.event)
    return answer


def record(port: int, requests: list[Request], values: Mapping[str, str], bus: Bus) -> dict[str, Any]:
    """Return the shapes of the answers by the requests' names."""
    found = {}
    for request in requests:
        began = time.monotonic()
        answer = answer_to(port, request, values, bus)
        found[request.name] = {"request": request.record(), "answer": shape(answer, values)}
        print(f"{time.monotonic() - began:6.1f} s  {answer.status}  {request.name}", file=sys.stderr)
    return found


def secrets_in(text: str, values: Mapping[str, str]) -> list[str]:
    """Return which secrets and names of this machine stand in the text of a golden file."""
    unwanted = {**values, "this host's name": socket.gethostname(), "this checkout": str(CHECKOUT)}
    unwanted = {name: word for name, word in unwanted.items() if len(word.strip()) > 1}
    return [name for name, word in unwanted.items() if re.search(rf"\b{re.escape(word)}\b", text)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", help="send only what has this regular expression in its name")
    parser.add_argument("--print", action="store_true", help="print the answers instead of writing them")
    parser.add_argument("--peer", choices=PEERS, help="ask only this server")
    chosen = parser.parse_args()
    requests = [request for request in REQUESTS if re.search(chosen.only or "", request.name)]
    password = secrets.token_urlsafe(12)
    with stage(password) as running:
        bus = Bus(running.salt_opts(), running.token("demo"))
        known_jid = bus.publish("test.arg", "minion-*", ("one", {"__kwarg__": True, "two": 2}))
        bus.finished(known_jid, minions=2)
        ports = {"rest_cherrypy": running.cherrypy_port, "rest_tornado": running.saltnado_port}
        for peer, port in ports.items():
            if chosen.peer in (None, peer):
                values = values_for(port, running, password, known_jid)
                answers = record(port, requests, values, bus)
                # The key pairs that were asked for belong to minions that would be waited for.
                running.salt("salt-key", "--yes", "--delete", "new-*")
                kept = files.load(peer) if chosen.only and not chosen.print else {}
                finish(peer, {**kept, **answers}, values, write=not chosen.print)
    return 0


def finish(peer: str, answers: dict[str, Any], values: Mapping[str, str], write: bool) -> None:
    """Write the golden file of a server, or print it. Nothing that holds a secret is written."""
    about = {"server": peer, "salt": version("salt"), PEERS[peer].lower(): version(PEERS[peer])}
    in_order = [request.name for request in REQUESTS if request.name in answers]
    text = files.text(about, {name: answers[name] for name in in_order})
    if found := secrets_in(text, values):
        print(text)
        raise SystemExit(f"{peer}: these would be written: {', '.join(found)}")
    if write:
        files.path(peer).write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    sys.exit(main())
