"""`local` and `local_async` over HTTP: this engine against salt-api's two servers on the same master."""

from __future__ import annotations

import argparse
import http.client
import json
from contextlib import ExitStack
from typing import Any

from tests.benchmarks.report import Section, table
from tests.benchmarks.stage import AWAY, SECRET, USER, Stage
from tests.benchmarks.timing import Times, at_once, interleaved
from tests.benchmarks.ways import FUN, Open, Publish

NAME = "lows"

ENGINE, SALTNADO, CHERRYPY = "this engine", "saltnado", "rest_cherrypy"
# The goal of the project: of the better peer's median.
OF_THE_BETTER_PEER = 0.5


def way(port: int, low: dict[str, Any], missed: list[Any]) -> Open:
    """POST this low over one HTTP connection that is kept alive, after a login there.

    :param missed: collects answers that are neither a jid nor the minion's return: some servers give up a busy minion
    """
    login = json.dumps({"username": USER, "password": SECRET, "eauth": "sharedsecret"})
    body = json.dumps([low])
    headers = {"Content-Type": "application/json", "Accept": "application/json"}

    def open_one(stack: ExitStack) -> Publish:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        stack.callback(connection.close)
        connection.request("POST", "/login", login, headers)
        token = json.load(connection.getresponse())["return"][0]["token"]

        def ask() -> http.client.HTTPResponse:
            connection.request("POST", "/", body, {**headers, "X-Auth-Token": token})
            return connection.getresponse()

        def publish() -> str:
            try:
                response = ask()
            except ConnectionError:
                # A server may close a connection that rests while the others have their turns: it was seen once.
                connection.close()
                response = ask()
            answer = json.load(response)["return"][0]
            if "jid" in answer:
                return str(answer["jid"])
            if answer != {low["tgt"]: True}:
                missed.append(answer)
            return "x" * 20  # what a jid has, for who counts on one

        return publish

    return open_one


def measure(stage: Stage, options: argparse.Namespace) -> Section:
    """Measure one client and many at once."""
    ports = {ENGINE: stage.port, SALTNADO: stage.saltnado_port, CHERRYPY: stage.cherrypy_port}
    section = Section(NAME, "salt-api's lows")
    section.say(
        "A low by `POST /` over one HTTP connection from one client; the servers take turns. Times are from the "
        "request to the answer. `local_async`, to a minion elsewhere, is answered when the job has started. `local`, "
        "to a minion on the same cores, is answered when the minion has returned, or when the server gives up "
        "(*missed*)."
    )
    rows, many_rows = [], []
    for client in ("local_async", "local"):
        low = {"client": client, "tgt": AWAY if client == "local_async" else stage.minion_ids[0], "fun": FUN}
        missed: dict[str, list[Any]] = {name: [] for name in ports}
        ways = {name: way(port, low, missed[name]) for name, port in ports.items()}
        samples = max(20, options.samples // (1 if client == "local_async" else 3))
        found = interleaved(ways, samples)
        rows += [[client, name, *_row(times), _of_better(times, found)] for name, times in found.items()]
        _goal(section, f"{client}, one client", found)
        crowd = at_once(ways, options.clients, options.seconds, max(1, options.rounds - 1))
        many_rows += [
            [client, name, f"{times.per_second:.1f}", *_row(times), _of_better(times, crowd), str(len(missed[name]))]
            for name, times in crowd.items()
        ]
        _goal(section, f"{client}, {options.clients} at once", crowd)
    section.add(table(["client", "server", "p50 ms", "p99 ms", "of the better peer's p50"], rows))
    section.say(f"{options.clients} clients at once, each with one request after the other.")
    section.add(
        table(["client", "server", "answers/s", "p50 ms", "p99 ms", "of the better peer's p50", "missed"], many_rows)
    )
    return section


def _better(found: dict[str, Times]) -> float:
    return min(times.median for name, times in found.items() if name != ENGINE)


def _of_better(times: Times, found: dict[str, Times]) -> str:
    return f"{times.median / _better(found):.2f}"


def _goal(section: Section, what: str, found: dict[str, Times]) -> None:
    ratio = found[ENGINE].median / _better(found)
    section.goal(
        f"{what}: median, as a part of the better peer's", ratio, OF_THE_BETTER_PEER, ratio <= OF_THE_BETTER_PEER
    )


def _row(times: Times) -> list[str]:
    return [f"{times.median:.1f}", f"{times.percentile(99):.1f}"]
