"""The ways to run a function through a master, each as a callable that returns the jid.

All use the same token, so that the master checks the same for each.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from tests.benchmarks.stage import USER, Stage
from tests.client import Client

FUN = "test.ping"

Publish = Callable[[], str]
Open = Callable[[ExitStack], Publish]
"""Opens one client, which the stack closes."""


def engine(stage: Stage, token: str, tgt: str) -> Open:
    """This engine: `cmd` over a websocket that stays open."""

    def open_one(stack: ExitStack) -> Publish:
        client = stack.enter_context(Client(stage.url))
        client.ask("auth", token=token)
        return lambda: str(client.ask("cmd", fun=FUN, tgt=tgt)["jid"])

    return open_one


def saltnado(stage: Stage, token: str, tgt: str) -> Open:
    """saltnado's `local_async` over one HTTP connection that is kept alive."""
    body = json.dumps([{"client": "local_async", "tgt": tgt, "fun": FUN}])
    headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Auth-Token": token}

    def open_one(stack: ExitStack) -> Publish:
        connection = http.client.HTTPConnection("127.0.0.1", stage.saltnado_port, timeout=60)
        stack.callback(connection.close)

        def publish() -> str:
            connection.request("POST", "/", body, headers)
            answer = json.load(connection.getresponse())
            return str(answer["return"][0]["jid"])

        return publish

    return open_one


def local_client(stage: Stage, token: str, tgt: str) -> Open:
    """Salt's Python client, which opens a channel for each command."""
    import salt.client

    def open_one(stack: ExitStack) -> Publish:
        local = stack.enter_context(salt.client.LocalClient(mopts=stage.salt_opts()))
        return lambda: str(local.run_job(tgt, FUN, token=token)["jid"])

    return open_one


def one_channel(stage: Stage, token: str, tgt: str) -> Open:
    """One shared request channel that stays open, with one request at a time."""
    import salt.channel.client

    opts = stage.salt_opts()
    uri = f"tcp://127.0.0.1:{opts['ret_port']}"
    load = {"cmd": "publish", "tgt": tgt, "fun": FUN, "arg": [], "tgt_type": "glob", "ret": "", "user": USER}
    load["kwargs"] = {"token": token}
    shared: list[Any] = []

    def open_one(stack: ExitStack) -> Publish:
        if not shared:
            # The channel belongs to one thread; all others wait for it.
            thread = ThreadPoolExecutor(max_workers=1)
            make = salt.channel.client.ReqChannel.factory
            channel = thread.submit(make, opts, crypt="clear", master_uri=uri).result()
            shared.extend([thread, channel])

            def close() -> None:
                thread.submit(channel.close).result()
                thread.shutdown()
                shared.clear()

            stack.callback(close)
        thread, channel = shared
        return lambda: str(thread.submit(channel.send, dict(load), timeout=60).result()["load"]["jid"])

    return open_one
