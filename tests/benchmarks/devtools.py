"""Drive a Chromium by its DevTools protocol, with those domains only that a benchmark enables.

Playwright always enables the domain Network. Chromium then sends it a copy of each websocket message, which the page's
main thread makes: 16 MB for a job of 5,000 returns. No user's browser does so.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from websocket import WebSocket, create_connection

SECONDS = 60  # that Chromium may take for an answer


class Session:
    """A connection to Chromium, or to one of its pages.

    :param id: of the page's session; None for the browser
    """

    def __init__(self, ws: WebSocket, numbers: Iterator[int], id: str | None = None) -> None:
        self._ws = ws
        self._numbers = numbers
        self._id = id

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command, and return its result. Events are dropped."""
        number = next(self._numbers)
        session = {} if self._id is None else {"sessionId": self._id}
        self._ws.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while True:
            answer: dict[str, Any] = json.loads(self._ws.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    @contextlib.contextmanager
    def page(self, script: str) -> Iterator[Session]:
        """Open an empty page, in which a script runs before those of each document."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        id = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Session(self._ws, self._numbers, id)
        page.send("Page.enable")
        page.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        try:
            yield page
        finally:
            self.send("Target.closeTarget", targetId=target)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


@contextlib.contextmanager
def browser(executable: str, arguments: list[str]) -> Iterator[Session]:
    """Start a headless Chromium with an empty profile."""
    with tempfile.TemporaryDirectory(prefix="devtools-", ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}"]
        command = [executable, *options, *arguments, "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield from _connected(process)
            finally:
                process.terminate()
                process.communicate(timeout=SECONDS)


def _connected(process: subprocess.Popen[str]) -> Iterator[Session]:
    """Yield a connection to a Chromium that starts: it names its address on standard error."""
    assert process.stderr is not None
    mark = "DevTools listening on "
    line = next((line for line in process.stderr if mark in line), None)
    if line is None:
        raise RuntimeError("Chromium did not start")
    ws = create_connection(line.partition(mark)[2].strip(), timeout=SECONDS)
    try:
        yield Session(ws, iter(range(1, 1_000_000)))
    finally:
        ws.close()
