"""``salt-live`` when something is wrong: one clear line, the right exit code, and never a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("salt")
pytest.importorskip("websockets")

from websocket_api.contract.digest import digest

from tests.functional.running import CHECKOUT, VERSION, Engine
from tests.support.buses import Publisher, stamp
from tests.support.cutting_proxy import CuttingProxy
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-m", "salt_live.cli"]
SECONDS = 90
RunEngine = Callable[..., Engine]
Ran = subprocess.CompletedProcess[str]


def environment(home: Path, url: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH",) if name in os.environ},
        "HOME": str(home),
        "TERM": "xterm",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
        "SALTAPI_URL": url,
        "SALTAPI_USER": "demo",
        "SALTAPI_PASS": "demo",
    }


def run(env: dict[str, str], *words: str) -> Ran:
    command = [*COMMAND, *words]
    ran = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in ran.stderr
    return ran


def subscribed(engine: Engine) -> bool:
    """Return whether somebody is subscribed."""
    return engine.metric("subscriptions") > 0


@contextlib.contextmanager
def following(engine: Engine, env: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command with pipes, from its subscription on; it is killed at the end, if it still runs."""
    wait_until(lambda: not subscribed(engine), "the end of earlier subscriptions")
    with subprocess.Popen(
        [*COMMAND, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as ran:
        try:
            wait_until(lambda: subscribed(engine) or ran.poll() is not None, "the subscription")
            yield ran
        finally:
            ran.kill()


class FakeBus:
    """An engine with the bus that it hears."""

    def __init__(self, engine: Engine, bus: Publisher) -> None:
        self.engine, self.url, self.port = engine, engine.url, engine.port
        self.send = bus.send


@contextlib.contextmanager
def with_bus(engine: Engine) -> Iterator[FakeBus]:
    """Open the bus of an engine."""
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield FakeBus(engine, bus)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    crt, key = folder / "own.crt", folder / "own.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(crt), "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    return crt, key


@pytest.fixture(scope="module")
def secure(run_engine: RunEngine, certificate: tuple[Path, Path]) -> Engine:
    """An engine with TLS."""
    return run_engine({"ssl_crt": str(certificate[0]), "ssl_key": str(certificate[1])})


@pytest.mark.parametrize("program", ["whoami", "logout"])
def test_a_certificate_that_is_not_trusted_ends_it(secure: Engine, tmp_path: Path, program: str) -> None:
    """Nothing was sent. The error names the option that helps."""
    env = environment(tmp_path, secure.url)
    if program == "logout":
        assert run(env, "--insecure", "login").returncode == 0
    ran = run(env, program)
    assert (ran.returncode, ran.stdout) == (69, "")
    assert len(ran.stderr.splitlines()) == 1
    assert "its certificate is not trusted (self-signed certificate)" in ran.stderr
    assert "--ca" in ran.stderr


def test_ca_trusts_a_file(secure: Engine, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    ran = run(environment(tmp_path, secure.url), "--ca", str(certificate[0]), "whoami")
    assert (ran.returncode, ran.stderr) == (0, "")
    folder = tmp_path / ".config" / "salt-live"
    (folder / "config.toml").write_text(f'[main]\nca = "{certificate[0]}"\n')
    assert run(environment(tmp_path, secure.url), "whoami").returncode == 0


def test_insecure_is_said_loudly(secure: Engine, tmp_path: Path) -> None:
    ran = run(environment(tmp_path, secure.url), "--insecure", "whoami")
    assert ran.returncode == 0
    assert ran.stderr.startswith("WARNING: --insecure: the server's certificate is NOT checked")


@pytest.mark.parametrize("content", [None, "no certificate\n"])
def test_a_useless_file_of_certificates_is_named(secure: Engine, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "own.pem"
    if content is not None:
        path.write_text(content)
    ran = run(environment(tmp_path, secure.url), "--ca", str(path), "whoami")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (69, 1)
    assert str(path) in ran.stderr


def test_a_port_with_tls_needs_its_scheme(secure: Engine, tmp_path: Path) -> None:
    """ws:// does not reach it."""
    ran = run(environment(tmp_path, secure.url.replace("wss:", "ws:")), "whoami")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (69, 1)
    assert "cannot connect" in ran.stderr


# Other versions


OLD_VERSION = "0.0.1"


@pytest.fixture(scope="module")
def older(engine_root: Path, names: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeBus]:
    """The real engine, as if its release had neither the operation `match` nor the field `bundle`."""
    folder = tmp_path_factory.mktemp("older")
    shutil.copytree(CHECKOUT / "_engines", folder / "_engines")
    shutil.copytree(CHECKOUT / "schemas", folder / "schemas")
    package, schemas = folder / "_engines" / "websocket_api", folder / "schemas"
    change(package / "operations" / "minions.py", '@operation("match")\n', "")
    change(package / "__init__.py", f'"{VERSION}"', f'"{OLD_VERSION}"')
    (schemas / "VERSION").write_text(f"{OLD_VERSION}\n")
    (schemas / "operations" / "match.json").unlink()
    subscribe = json.loads((schemas / "operations" / "subscribe.json").read_text())
    del subscribe["properties"]["bundle"]
    (schemas / "operations" / "subscribe.json").write_text(json.dumps(subscribe))
    files = [path for path in schemas.rglob("*") if path.is_file()]
    digests = {path.relative_to(schemas).as_posix(): digest(path.read_bytes()) for path in files}
    (package / "contract" / "manifest.py").write_text(f"FILES = {digests!r}\n")
    engine = Engine(engine_root / str(next(names)), {}, master={"engines_dirs": [str(folder / "_engines")]})
    (engine.files / "websocket_api").mkdir()
    (engine.files / "websocket_api" / "schemas").symlink_to(schemas)
    engine.start()
    engine.wait()
    try:
        with with_bus(engine) as made:
            yield made
    finally:
        engine.stop()


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_engine_of_another_version_says_what_it_lacks(older: FakeBus, tmp_path: Path) -> None:
    """What does not need it works."""
    env = environment(tmp_path, older.url)
    ran = run(env, "--preview-target", "*")
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (64, "", 1)
    assert f"the engine has version {OLD_VERSION}, this client {VERSION}: it lacks the operation match" in ran.stderr
    assert run(env, "whoami").returncode == 0
    assert run(env, "jobs").returncode == 0


def test_an_engine_of_another_version_sends_events_without_bundles(older: FakeBus, tmp_path: Path) -> None:
    """The field only saves work, so the client goes on without it."""
    with following(older.engine, environment(tmp_path, older.url), "events", "old/", "--count", "2") as ran:
        older.send(("old/1", {"a": 1}), ("old/2", {"a": 2}))
        assert ran.communicate(timeout=SECONDS) == ('old/1\t{"a": 1}\nold/2\t{"a": 2}\n', "")
        assert ran.returncode == 0


# Lost connections and several masters


@pytest.fixture(scope="module")
def plain(run_engine: RunEngine) -> Iterator[FakeBus]:
    """An engine with a bus."""
    with with_bus(run_engine({})) as made:
        yield made


def test_a_command_whose_answer_is_lost_is_unknown(plain: FakeBus, tmp_path: Path) -> None:
    """It is not sent again. The answers before it are those to the handshake and to the login."""
    with CuttingProxy(plain.port) as proxy:
        proxy.cut_at_answer(3)
        ran = run(environment(tmp_path, proxy.url), "run", "test.arg")
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (69, "", 1)
    assert "whether the command started is unknown: see salt-live jobs" in ran.stderr


def test_the_first_address_that_answers_is_used(plain: FakeBus, tmp_path: Path) -> None:
    env = environment(tmp_path, f"ws://127.0.0.1:9,{plain.url}")
    for _ in range(2):  # with the password, then with the token
        assert run(env, "whoami").returncode == 0
    ran = run(environment(tmp_path, "ws://127.0.0.1:9,ws://127.0.0.1:1"), "whoami")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (69, 1)
    assert "cannot connect to ws://127.0.0.1:1/ws: connection refused" in ran.stderr


def test_events_go_on_at_the_other_engine(make_engine: RunEngine, plain: FakeBus, tmp_path: Path) -> None:
    """The gap is reported, and both engines' events are printed."""
    engine = make_engine({})
    engine.start()
    engine.wait()
    with with_bus(engine) as first:
        env = environment(tmp_path, f"{first.url},{plain.url}")
        with following(engine, env, "events", "n/", "--count", "2") as ran:
            assert ran.stdout
            assert ran.stderr
            first.send(("n/1", {}))
            assert ran.stdout.readline() == "n/1\t{}\n"
            os.kill(engine.pid, signal.SIGKILL)
            engine.stop()
            while not (line := ran.stderr.readline()).startswith("WARNING: events missing"):
                assert line.startswith(("connection lost; connecting again", "connected again"))
            plain.send(("n/2", {}))
            assert ran.stdout.readline() == "n/2\t{}\n"
            assert ran.wait(SECONDS) == 0


def test_a_job_is_followed_across_a_lost_connection(plain: FakeBus, tmp_path: Path) -> None:
    """What returned in between is printed once."""
    job = Job(plain, "20260101000000000002", ["web1", "web2", "web3"])
    job.returned("web1")
    with CuttingProxy(plain.port) as proxy:
        env = environment(tmp_path, proxy.url)
        with following(plain.engine, env, "job", job.jid, "-w", "--out=txt") as ran:
            assert ran.stdout
            assert ran.stdout.readline() == "web1: web1\n"
            proxy.cut()
            job.returned("web2", "web3")
            out, _ = ran.communicate(timeout=SECONDS)
            assert sorted(out.splitlines()) == ["web2: web2", "web3: web3"]
            assert ran.returncode == 0


# Output


class Job:
    """A running job of the user `demo` on the fake bus."""

    def __init__(self, plain: FakeBus, jid: str, minions: list[str]) -> None:
        self.jid = jid
        self._send = plain.send
        self._common = {"jid": jid, "fun": "test.echo", "user": "demo"}
        announced = {**self._common, "arg": [], "tgt": "*", "tgt_type": "glob", "minions": minions, "missing": []}
        self._send((f"salt/job/{jid}/new", {**announced, "_stamp": stamp(jid)}))
        with plain.engine.client("demo") as client:
            wait_until(lambda: jid in [job["jid"] for job in client.ask("list_jobs")], "the job")

    def returned(self, *minions: str, value: str | None = None) -> None:
        """Send returns, each the name of its minion by default."""
        common = {**self._common, "cmd": "_return", "retcode": 0, "success": True, "fun_args": []}
        for name in minions:
            self._send((f"salt/job/{self.jid}/ret/{name}", {**common, "id": name, "return": value or name}))


FLEET = [f"web{number:04}" for number in range(5000)]


def test_5000_returns_fit_a_terminal_and_a_pipe(plain: FakeBus, tmp_path: Path) -> None:
    """Each is printed once; the bar keeps one line of 80 columns and counts to the end."""
    job = Job(plain, "20260101000000000003", FLEET)
    env = environment(tmp_path, plain.url)
    with Terminal([*COMMAND, "job", job.jid, "-w", "--no-color"], env) as terminal:
        terminal.expect("0 of 5,000 returned")
        for first in range(0, 5000, 50):
            job.returned(*FLEET[first : first + 50])
        assert terminal.end() == 0
    lines = [line for line in re.split(r"[\r\n]+|\x1b\[[0-9;]*[A-Za-z]", terminal.text) if line]
    assert sorted(line for line in lines if line.startswith("web")) == [f"{name}:" for name in FLEET]
    assert max(map(len, lines)) < 80
    assert 0 < sum(" of 5,000 returned" in line for line in lines) < 2000
    ran = run(env, "job", job.jid, "--out=txt")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [f"{name}: {name}" for name in FLEET]


def test_an_id_with_control_characters_cannot_command_the_terminal(plain: FakeBus, tmp_path: Path) -> None:
    """Neither in returns nor in lists, nor in what is drawn below them."""
    evil = "evil\x1b]0;title\x07\x1b[2J\u202e"
    job = Job(plain, "20260101000000000004", [evil, "web1"])
    env = environment(tmp_path, plain.url)
    with Terminal([*COMMAND, "job", job.jid, "-w", "--no-color"], env, columns=200) as terminal:
        terminal.expect("waiting for evil\\x1b]0;title\\x07\\x1b[2J\\u202e")
        job.returned(evil, "web1")
        terminal.expect("evil\\x1b]0;title\\x07\\x1b[2J\\u202e:")
        assert terminal.end() == 0
    assert not {"\x07", "\u202e"} & set(terminal.text)
    assert "\x1b]" not in terminal.text
    assert "\x1b[2J" not in terminal.text


def test_a_closed_pipe_ends_a_stream_of_events(plain: FakeBus, tmp_path: Path) -> None:
    """`salt-live events | head -1`: quiet, and the exit code of a closed pipe."""
    with following(plain.engine, environment(tmp_path, plain.url), "events", "pipe/") as ran:
        assert ran.stdout
        assert ran.stderr
        plain.send(("pipe/1", {}))
        assert ran.stdout.readline() == "pipe/1\t{}\n"
        ran.stdout.close()

        def ended() -> bool:
            plain.send(("pipe/2", {}))
            return ran.poll() is not None

        wait_until(ended, "the end of the command")
        assert (ran.returncode, ran.stderr.read()) == (141, "")


def test_a_return_of_50_mb_is_printed_whole(plain: FakeBus, tmp_path: Path) -> None:
    size = 50 * 1024 * 1024
    job = Job(plain, "20260101000000000005", ["web1"])
    job.returned("web1", value="x" * size)
    ran = run(environment(tmp_path, plain.url), "job", job.jid, "-w", "--out=txt")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout) == size + len("web1: \n")
