"""Run the demo: a throwaway Salt master with the engine, and minions, under .demo/ until Ctrl-C.

Everything listens on 127.0.0.1 only. Keys and .demo/states/ are kept from one start to the next. Ports but PORT are
chosen at each start.

Environment: PORT (default 8000) for the engine, MINIONS (default 2) for how many minions.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websocket
from children import Children, Signals
from demo_root import DEMO, PASSWORD, USERS, DemoError, lay_out, only_one, short_root, tail, visible

WATCH_SECONDS = 0.3  # between two looks at the daemons
READY_SECONDS = 120  # a master takes about 10 s; after this long it has failed
PING_SECONDS = 5  # how long one test.ping waits; later minions get the next one


def say(text: str) -> None:
    """Print text at once, also into a pipe, with hidden characters as escapes: logs hold text of minions."""
    print(visible(text), flush=True)


def number(name: str, default: int, lowest: int, highest: int) -> int:
    """Return an environment variable as a number.

    :raises DemoError: it is not a number in this range
    """
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise DemoError(f"{name}={text} is not a number from {lowest} to {highest}")
    return int(text)


def check_port(port: int) -> None:
    """Raise DemoError if the port is in use. After the start only the master's log would say so."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            why = str(fault.strerror).lower()
            raise DemoError(f"port {port} cannot be used ({why}); choose another: make demo PORT=8001") from None


def ask(url: str, message: dict[str, Any], token: str | None = None) -> Any:
    """Send one message over a new websocket and return its result."""
    with contextlib.closing(websocket.create_connection(url, timeout=3 * PING_SECONDS)) as connection:
        connection.send(json.dumps({"id": 1, **message, **({"token": token} if token else {})}))
        reply = json.loads(connection.recv())
    if reply.get("type") != "result":
        raise ConnectionError(f"{message['type']}: {reply.get('error', reply)}")
    return reply["result"]


class Demo:
    """The daemons of one run.

    Only the main thread waits for signals, so no signal can interrupt the end: another thread starts the daemons.

    :param root: the path of .demo/ for the daemons
    :param port: where the engine listens
    :param minions: ids of the minions
    """

    def __init__(self, root: Path, port: int, minions: list[str]) -> None:
        self.root = root
        self.url = f"ws://127.0.0.1:{port}/"
        self.minions = minions
        self.children = Children()
        self.started = time.monotonic()
        self._failure: BaseException | None = None

    def run(self, signals: Signals) -> None:
        """Start everything, watch the daemons until a signal arrives or the master ends, then stop all processes."""
        threading.Thread(target=self._bring_up, daemon=True).start()
        while not signals.wait(WATCH_SECONDS) and self._failure is None:
            for name in self.children.ended():
                if name == "master":
                    self._failure = DemoError(f"the master ended\n{tail(name)}")
                else:
                    say(f"{name} ended\n{tail(name)}")
        say("stopping")
        say("stopped, no process is left" if self.children.stop() else "stopped, but some processes would not end")
        if self._failure is not None and not signals.received:
            raise self._failure

    def _bring_up(self) -> None:
        try:
            self._start("master", "salt-master", self.root / "etc")
            for name in self.minions:
                self._start(name, "salt-minion", self.root / "etc" / name)
            token = self._until(self._log_in, "a login")
            say(f"the engine answers ({self._seconds()} s)")
            for name in self.minions:
                self._until(functools.partial(self._ping, token, name), f"an answer of {name}")
                say(f"{name} answers ({self._seconds()} s)")
            say(
                f"ready: {self.url} users {' and '.join(USERS)}, password {PASSWORD}; "
                f"console: {self.url.replace('ws', 'http', 1)}console/; "
                f"now type in a second terminal: {self._first_command()}"
            )
        except BaseException as failure:  # noqa: BLE001 - the main thread raises it when all processes have ended
            self._failure = failure

    def _first_command(self) -> str:
        """Return what to try first: the command line where it is installed, else one message."""
        if Path(sys.executable).with_name("salt-live").exists():
            return f".venv/bin/salt-live -u {self.url} --username demo --password {PASSWORD} '*' test.ping"
        login = json.dumps({"type": "auth", "username": "demo", "password": PASSWORD})
        return f".venv/bin/wsdump {self.url} -t '{login}'"

    def _start(self, name: str, program: str, config: Path) -> None:
        command = [sys.executable, str(Path(sys.executable).with_name(program)), "-c", str(config)]
        self.children.start(name, command, DEMO / "log" / f"{name}.out")

    def _seconds(self) -> int:
        return round(time.monotonic() - self.started)

    def _until(self, attempt: Callable[[], Any], what: str) -> Any:
        """Return the first true result of `attempt`.

        :param what: names the result in the error
        :raises DemoError: there is none in time
        """
        deadline = time.monotonic() + READY_SECONDS
        last: object = "no answer"
        while time.monotonic() < deadline:
            try:
                if answer := attempt():
                    return answer
            except (OSError, ValueError, websocket.WebSocketException) as fault:
                last = fault
            time.sleep(WATCH_SECONDS)
        raise DemoError(f"{what} did not come within {READY_SECONDS} s (last: {last})\n{tail('master')}")

    def _log_in(self) -> str:
        token: str = ask(self.url, {"type": "auth", "username": "demo", "password": PASSWORD})["token"]
        return token

    def _ping(self, token: str, name: str) -> bool:
        call = {"type": "cmd", "method": "test.ping", "pattern": name, "mode": "sync", "timeout": PING_SECONDS}
        minion = ask(self.url, call, token)["minions"].get(name) or {}
        return minion.get("return") is True


def main(signals: Signals) -> int:
    """Run the demo and return its exit code."""
    try:
        port = number("PORT", 8000, 1, 65535)
        minions = [f"minion{count}" for count in range(1, number("MINIONS", 2, 0, 100) + 1)]
        with only_one(), short_root() as root:
            check_port(port)
            lay_out(root, port, minions)
            say(f"starting a Salt master with the engine on port {port}; minions: {len(minions)}; logs: .demo/log/")
            Demo(root, port, minions).run(signals)
    except DemoError as fault:
        print(visible(f"demo: {fault}"), file=sys.stderr, flush=True)
        return 1
    return 0
