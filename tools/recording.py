"""`make recording`: record `salt-live` on a demo, as docs/images/salt-live.cast (asciicast 2) and salt-live.svg.

It starts a demo on a free port, types what a person would type, and stops the demo. Times are the real ones, but for
the typing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator

from demo_root import CHECKOUT, DEMO, PASSWORD, free_ports
from recording_svg import draw

IMAGES = CHECKOUT / "docs" / "images"
TITLE = "salt-live: a job's progress, Ctrl-C and coming back, and the table after a highstate"
COLUMNS, ROWS = 80, 24
MINIONS = 4
READY_SECONDS = 180
PATIENCE_SECONDS = 60
LETTER_SECONDS = 0.04
PAUSE_SECONDS = 1.2  # between two commands
STATES = """\
web_config:
  file.managed:
    - name: {{ opts.cachedir }}/web.conf
    - contents: "port: 8080"

web_service:
  cmd.run:
{% if grains.id == "minion3" %}
    - name: echo port 8080 is already in use >&2; sleep 2; exit 1
{% else %}
    - name: sleep {{ grains.id[-1] }}
{% endif %}
    - require:
        - file: web_config
"""


class Recording:
    """What a terminal shows, with its times."""

    def __init__(self) -> None:
        self._events: list[tuple[float, str]] = []
        self._now = 0.0  # the time in the recording, which typing does not take from the real one
        self.text = ""

    @property
    def cast(self) -> str:
        """The recording as asciicast 2."""
        head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": TITLE}
        rows = [json.dumps(head), *(json.dumps([round(at, 3), "o", text]) for at, text in self._events)]
        return "\n".join(rows) + "\n"

    def show(self, text: str, seconds: float = 0.0) -> None:
        """Show text, after a while; the folder of this checkout is shown as ~."""
        self._now += seconds
        self._events.append((self._now, text.replace(str(CHECKOUT), "~")))

    def type(self, command: str) -> None:
        """Show a prompt and a command that is typed."""
        self.show("\x1b[1;32m$\x1b[0m ", PAUSE_SECONDS if self._events else 0.0)
        for letter in command:
            self.show(letter, LETTER_SECONDS)
        self.show("\r\n", 5 * LETTER_SECONDS)

    def run(self, command: str, env: dict[str, str], until: str = "", keys: str = "") -> str:
        """Type a command, run it on a terminal, and return what it wrote.

        :param until: a regular expression; what it describes is waited for, before the keys are pressed
        """
        self.type(command)
        pid, terminal = pty.fork()
        if pid == 0:
            words = [sys.executable, "-m", "salt_live.cli", *shlex.split(command)[1:]]
            with contextlib.suppress(OSError):
                os.execve(words[0], words, env)  # noqa: S606 - on the terminal that Ctrl-C is typed on
            os._exit(127)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        written, last, deadline = "", time.monotonic(), time.monotonic() + PATIENCE_SECONDS
        try:
            while text := _read(terminal, deadline):
                now = time.monotonic()
                self.show(text, now - last)
                written, last = written + text, now
                if keys and re.search(until, written):
                    os.write(terminal, keys.encode())
                    keys = ""
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)
        if keys:
            raise SystemExit(f"{command}: {until} was not shown:\n{written}")
        return written


def _read(terminal: int, deadline: float) -> str:
    """Return what a program writes next; nothing when it has ended.

    :raises SystemExit: it writes nothing more, and does not end
    """
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise SystemExit("the program does not end")
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # Linux reports the end of the program so
        return ""


@contextlib.contextmanager
def demo(port: int) -> Iterator[None]:
    """Run a demo with a highstate that fails on one minion."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, str(CHECKOUT / "tools" / "demo.py")],
            env={**os.environ, "PORT": str(port), "MINIONS": str(MINIONS)},
            stdout=log,
            stderr=log,
        )
        states = DEMO / "files" / "web.sls"
        try:
            deadline = time.monotonic() + READY_SECONDS
            while "ready: " not in _content(log.fileno()):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the demo does not start:\n{_content(log.fileno())}")
                time.sleep(0.3)
            states.write_text(STATES, "utf-8")
            yield
        finally:
            states.unlink(missing_ok=True)
            process.send_signal(signal.SIGINT)
            process.wait()


def _content(file: int) -> str:
    return os.pread(file, 1 << 20, 0).decode(errors="replace")


def scenes(recording: Recording, env: dict[str, str]) -> None:
    """Record a command with progress, a detached job, and a highstate."""
    job = "salt-live '*' cmd.run 'sleep {{ 2 * grains.id[-1] | int }}' template=jinja"
    written = recording.run(job, env, r"2 of 4 returned, 00:0[4-9]", "\x03")
    found = re.search(r"come back with: (salt-live job \d+ -w)", written)
    if not found:
        raise SystemExit(f"the command did not detach:\n{written}")
    recording.run(found[1], env)
    recording.run("salt-live '*' state.apply web --state-output=terse", env)
    recording.show("\x1b[1;32m$\x1b[0m ", PAUSE_SECONDS)


def main() -> None:
    """Record, and write both files."""
    (port,) = free_ports(1)
    with demo(port), tempfile.TemporaryDirectory() as home:
        env = {
            "HOME": home,
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
            "PYTHONUTF8": "1",
            "TERM": "xterm",
            "SALTAPI_URL": f"ws://127.0.0.1:{port}",
            "SALTAPI_USER": "demo",
            "SALTAPI_PASS": PASSWORD,
        }
        recording = Recording()
        scenes(recording, env)
    (IMAGES / "salt-live.cast").write_text(recording.cast, "utf-8")
    (IMAGES / "salt-live.svg").write_text(draw(recording.cast), "utf-8")


if __name__ == "__main__":
    main()
