"""The JavaScript client as a package: packed and installed with npm, run by Node.js against an engine."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
if not (shutil.which("npm") and shutil.which("node")):
    pytest.skip("npm and Node.js are not installed", allow_module_level=True)

from tests.functional.running import CHECKOUT, Engine

CLIENT = CHECKOUT / "clients" / "javascript"
SECONDS = 60  # for a program on a loaded machine
PROGRAM = """
import { createInterface } from "node:readline";
import { Connection, Fault } from "salt-live";
import { jobs, minions } from "salt-live/collections";

const say = (value) => console.log(JSON.stringify(value));
const connection = new Connection(process.argv[2]);
const refused = (fault) => say([fault instanceof Fault, fault.code]);
await connection.logIn({ username: "demo", password: "wrong" }).catch(refused);
const token = await connection.logIn({ username: "demo", password: "demo" });
say([token.user, connection.state]);
await connection.request("get_job", { jid: "1" }).catch((fault) => say([fault.code, fault.retryable]));
const follow = connection.follow({ subscription: "event" }, (frame) => {
    if (frame.type === "begin" || frame.type === "gap") say([frame.type, frame.reason ?? null, connection.reconnects]);
});
for await (const line of createInterface({ input: process.stdin })) {
    if (line === "read") connection.read("whoami").then((user) => say(["read", user.user]));
    if (line === "collections") {
        const users = [minions(connection), minions(connection), jobs(connection)];
        const stops = [];
        const size = (user) => new Promise((resolve) => stops.push(user.subscribe((items) => resolve(items.size))));
        say(await Promise.all(users.map(size)));
        say(["subscriptions", connection.follows.size]);
        for (const stop of stops) stop();
        say(["subscriptions", connection.follows.size]);
    }
    if (line === "end") break;
}
process.stdin.destroy(); // an open pipe keeps Node.js running
follow.stop();
await connection.request("logout").catch(() => {});
connection.logOut();
say(connection.state);
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the client, and install the package into an empty folder."""
    folder = tmp_path_factory.mktemp("npm")
    packed = npm(CLIENT, "pack", "--json", "--pack-destination", str(folder))
    (folder / "package.json").write_text('{"type": "module", "private": true}', encoding="utf-8")
    npm(folder, "install", "--offline", "--no-audit", "--no-fund", str(folder / json.loads(packed)[0]["filename"]))
    (folder / "program.js").write_text(PROGRAM, encoding="utf-8")
    return folder


def npm(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"npm_config_update_notifier": "false"}
    ran = subprocess.run(
        ["npm", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class Program:
    """The program, with its lines as they arrive."""

    def __init__(self, folder: Path, url: str) -> None:
        command = ["node", "--experimental-websocket", "program.js", url]
        self.process = subprocess.Popen(
            command, cwd=folder, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._seen: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    @property
    def line(self) -> Any:
        """Return the next line of the program."""
        try:
            self._seen.append(self._lines.get(timeout=SECONDS))
        except queue.Empty:
            state = f"ended with {code}" if (code := self.process.poll()) is not None else "runs"
            raise AssertionError(f"the program {state}; it printed {self._seen} and nothing more") from None
        return json.loads(self._seen[-1])


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    """Run an engine that the test can restart."""
    engine = make_engine({"history": {"store": "memory"}})
    engine.start()
    engine.wait()
    return engine


@pytest.fixture
def program(installed: Path, engine: Engine) -> Iterator[Program]:
    """Run the program against the engine."""
    program = Program(installed, f"{engine.url}ws")
    yield program
    program.process.kill()
    program.process.wait()


def test_the_package_holds_the_modules_and_their_types(installed: Path) -> None:
    """And nothing else: no test, no tool, no dependency."""
    package = installed / "node_modules" / "salt-live"
    assert {path.name for path in package.iterdir()} == {
        "README.md",
        "package.json",
        "collections.d.ts",
        "collections.js",
        "connection.js",
        "follow.js",
        "index.d.ts",
        "index.js",
        "store.js",
        "types.d.ts",
        "wire.js",
    }
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    assert not {"dependencies", "scripts"} & set(about)
    assert about["version"] == (CHECKOUT / "schemas" / "VERSION").read_text(encoding="utf-8").strip()


def test_a_program_logs_in_asks_follows_and_ends(program: Program) -> None:
    """A wrong password and an invalid request are faults with a code; without a connection Node.js ends."""
    assert program.line == [True, "unauthenticated"]
    assert program.line == ["demo", "open"]
    assert program.line == ["bad_message", False]
    assert program.line == ["begin", None, 0]
    program.tell("end")
    assert program.line == "out"
    assert program.process.wait(SECONDS) == 0


def test_users_of_a_collection_share_one_subscription(program: Program) -> None:
    """Here three users have two collections, beside the subscription to events."""
    for _ in range(4):
        assert program.line
    program.tell("collections")
    assert program.line == [0, 0, 0]
    assert program.line == ["subscriptions", 3]
    assert program.line == ["subscriptions", 1]


def test_a_program_reconnects_to_a_restarted_engine_and_follows_again(program: Program, engine: Engine) -> None:
    """The subscription begins again, the new epoch is shown as a gap, and a waiting read is answered."""
    for _ in range(4):
        assert program.line
    engine.stop()
    program.tell("read")
    engine.start()
    engine.wait()
    lines = [program.line for _ in range(3)]
    assert sorted(lines) == [["begin", None, 1], ["gap", "epoch", 1], ["read", "demo"]]
