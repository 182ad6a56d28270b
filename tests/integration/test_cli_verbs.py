"""The verbs of ``salt-live`` against a real master: keys, batches, jobs, events, logins, and pepper's programs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client
from tests.integration.forked import SaltCommands
from tests.support.gates import Gate
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "salt_live.cli"]
SECONDS = 90
Ran = subprocess.CompletedProcess[str]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a user who has never run the command."""
    return tmp_path / "home"


@pytest.fixture
def env(engine_url: str, home: Path) -> dict[str, str]:
    """The environment of a user who is not logged in."""
    home.mkdir()
    return {
        **{name: os.environ[name] for name in ("PATH",) if name in os.environ},
        "HOME": str(home),
        "TERM": "xterm",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
        "SALTAPI_URL": engine_url,
    }


@pytest.fixture
def user(env: dict[str, str]) -> dict[str, str]:
    """The environment of a user whose name and password are in it."""
    return env | {"SALTAPI_USER": "demo", "SALTAPI_PASS": "demo"}


def run(env: dict[str, str], *words: str, code: int = 0) -> Ran:
    """Run the command without a terminal."""
    ran = subprocess.run(
        [*COMMAND, *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == code, (ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stderr
    return ran


@pytest.fixture
def started(user: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command with pipes; what still runs at the end is killed."""
    made: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        made.append(
            subprocess.Popen([*COMMAND, *words], env=user, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.communicate()


# Keys


@pytest.fixture
def keys(salt_master: Any, demo: Client) -> Iterator[Callable[[str], None]]:
    """Put the key of the minion ``web1`` into a state, as its only one."""
    folder = Path(salt_master.config["pki_dir"])

    def put(state: str) -> None:
        for name in ("minions", "minions_pre", "minions_rejected", "minions_denied"):
            (folder / name / "web1").unlink(missing_ok=True)
        shutil.copy(folder / "minions" / "minion-1", folder / state / "web1")

    yield put
    demo.ask("wheel", fun="key.delete", kwarg={"match": "web1"}, mode="sync")


@pytest.fixture(scope="module")
def salt_commands(salt_master: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaltCommands]:
    """Run Salt's own commands on the master."""
    with contextlib.closing(SaltCommands(salt_master.config_dir, tmp_path_factory.mktemp("theirs"))) as commands:
        yield commands


def state_of(salt_master: Any) -> list[str]:
    """Return in which states the key of ``web1`` is."""
    folder = Path(salt_master.config["pki_dir"])
    names = ("minions", "minions_pre", "minions_rejected", "minions_denied")
    return [name for name in names if (folder / name / "web1").exists()]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("minions_pre", "-y -a web1"),
        ("minions_pre", "-y -a web*"),
        ("minions_pre", "-y -r web1"),
        ("minions", "-y -r web1"),
        ("minions", "-y -r web1 --include-accepted"),
        ("minions_rejected", "-y -a web1"),
        ("minions_rejected", "-y -a web1 --include-rejected"),
        ("minions_denied", "-y -a web1 --include-all"),
        ("minions_denied", "-y -a web1 --include-denied"),
        ("minions_rejected", "-y -d web1"),
        ("minions", "-y -d web1"),
        ("minions", "-y -d nobody"),
        ("minions", "-y -a nobody --include-rejected"),
        ("minions", "-y -r nobody --include-all"),
        ("minions", "-f web1"),
        ("minions_pre", "-f web1"),
        ("minions_pre", "-l un"),
        ("minions", "--print web1"),
        ("minions", "-P"),
    ],
)
def test_keys_are_changed_and_shown_as_salt_key_does(
    user: dict[str, str],
    salt_master: Any,
    salt_commands: SaltCommands,
    keys: Callable[[str], None],
    before: str,
    words: str,
) -> None:
    """The same text, the same exit code, and the key is in the same state after it."""
    keys(before)
    theirs = salt_commands.run(["salt-key", *words.split()])
    expected = state_of(salt_master)
    keys(before)
    ours = run(user, "key", *words.split(), code=theirs.returncode)
    assert ours.stdout == theirs.stdout
    assert state_of(salt_master) == expected


def test_the_fingerprint_is_shown_before_the_question(
    user: dict[str, str], salt_master: Any, keys: Callable[[str], None]
) -> None:
    """The words say it as the options do. No is the answer that changes nothing."""
    keys("minions_pre")
    finger = re.search(r"([0-9a-f]{2}:){15,}[0-9a-f]{2}", run(user, "key", "finger", "web1").stdout)
    assert finger
    for words, verb, answer, after in (
        (["accept", "web1"], "accepted", "n", "minions_pre"),
        (["accept", "web1"], "accepted", "y", "minions"),
        (["reject", "web1", "--include-accepted"], "rejected", "y", "minions_rejected"),
        (["delete", "web1"], "deleted", "", "minions_rejected"),
    ):
        with Terminal([*COMMAND, "key", *words], user, columns=200) as terminal:
            terminal.expect(f"The following keys are going to be {verb}:")
            terminal.expect(finger[0])
            terminal.expect("Proceed?")
            terminal.type(f"{answer}\n")
            if answer == "y":
                terminal.expect(f"Key for minion web1 {verb}.")
            assert terminal.end() == 0
        assert state_of(salt_master) == [after]


def test_a_key_with_control_characters_cannot_command_the_terminal(user: dict[str, str], salt_master: Any) -> None:
    """A minion chooses its own id. Salt refuses some, so the file is made here."""
    path = Path(salt_master.config["pki_dir"]) / "minions_pre" / "evil\x1b[31m"
    shutil.copy(path.parents[1] / "minions" / "minion-1", path)
    try:
        for words in (["key"], ["key", "list", "pending"], ["key", "accept", "evil*"], ["wheel", "key.list_all"]):
            with Terminal([*COMMAND, *words, "--no-color"], user) as terminal:
                if "accept" in words:
                    terminal.expect("?" if "evil" in run(user, "key").stdout else "not match")
                    terminal.type("n\n")
                assert terminal.end() == 0
            assert "\x1b[31m" not in terminal.text
    finally:
        path.unlink(missing_ok=True)


# Batches


@pytest.mark.parametrize("words", [["-b", "1"], ["--batch-size", "50%"], ["--batch", "2"], ["batch", "-b", "1"]])
def test_a_batch_prints_every_return(user: dict[str, str], words: list[str]) -> None:
    ran = run(user, *words, "minion-*", "test.echo", "hello", "--out=txt")
    assert sorted(ran.stdout.splitlines()) == ["minion-1: hello", "minion-2: hello"]


def test_batches_are_listed_read_and_watched(user: dict[str, str]) -> None:
    made = run(user, "batch", "--async", "minion-*", "test.echo", "again")
    number = re.search(r"batch command with ID: (\d+)", made.stdout)
    assert number
    watched = run(user, "batch", number[1], "-w", "--out=txt")
    assert sorted(watched.stdout.splitlines()) == ["minion-1: again", "minion-2: again"]
    assert json.loads(run(user, "batch", number[1], "--out=json").stdout)["status"] == "resolved"
    row = next(line for line in run(user, "batch", "list").stdout.splitlines() if line.startswith(number[1]))
    assert row.split()[1:5] == ["resolved", "2", "of", "2"]


def test_a_batch_is_canceled(user: dict[str, str], gate: Gate) -> None:
    made = run(user, "batch", "--async", "-b", "1", "minion-*", "cmd.run", gate.script())
    number = made.stdout.split()[-1]
    assert "is canceled" in run(user, "batch", "cancel", number).stdout
    gate.open()
    wait_until(
        lambda: json.loads(run(user, "batch", number, "--out=json").stdout)["status"] == "canceled",
        "the canceled batch",
    )


def test_a_batch_has_a_name_and_is_paused_and_resumed(user: dict[str, str], gate: Gate) -> None:
    """What runs goes on; the list shows the name and the pause."""
    made = run(user, "batch", "--async", "-b", "1", "--name", "two by one", "minion-*", "cmd.run", gate.script())
    number = made.stdout.split()[-1]
    assert "is paused" in run(user, "batch", "pause", number).stdout

    def row() -> str:
        lines = run(user, "batch", "list").stdout.splitlines()
        return next(line for line in lines if line.startswith(number))

    assert " paused " in row()
    assert row().endswith("two by one")
    gate.open()
    assert "is resumed" in run(user, "batch", "resume", number).stdout
    assert run(user, "batch", number, "-w", "--out=txt").returncode == 0
    assert json.loads(run(user, "batch", number, "--out=json").stdout)["status"] == "resolved"


def test_failhard_stops_a_batch_at_the_first_failure(user: dict[str, str]) -> None:
    ran = run(user, "-b", "1", "--failhard", "minion-*", "cmd.run", "exit 3", "--out=txt", code=1)
    assert ran.stdout.count("Minion did not return") == 1


# Jobs


def test_jobs_are_killed_and_read(user: dict[str, str], demo: Client, gate: Gate, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/runs; {gate.script()}"
    jid = run(user, "--async", "minion-1", "cmd.run", script).stdout.split()[-1]
    wait_until((tmp_path / "runs").exists, "the running job")
    assert run(user, "job", jid).stderr.startswith("the job still runs on 1 minions")
    assert run(user, "job", "kill", jid).stdout == "sent to minion-1\n"
    wait_until(lambda: demo.ask("get_job", jid=jid)["state"] != "running", "the end of the killed job")
    assert json.loads(run(user, "jobs", "--out=json").stdout)[jid]["fun"] == "cmd.run"
    row = next(line for line in run(user, "jobs", "--fun", "cmd.run").stdout.splitlines() if line.startswith(jid))
    assert "cmd.run" in row


def test_a_finished_job_is_printed_as_when_it_ran(user: dict[str, str]) -> None:
    jid = run(user, "--async", "minion-*", "cmd.run", "exit 3").stdout.split()[-1]
    watched = run(user, "job", jid, "-w", code=1)
    again = run(user, "job", jid, code=1)
    assert sorted(again.stdout.splitlines()) == sorted(watched.stdout.splitlines())
    assert run(user, "job", jid, "--retcode-passthrough", code=3).stdout == again.stdout


def test_a_runner_is_awaited_by_its_job_id(user: dict[str, str], gate: Gate) -> None:
    """`run --async`, then `job JID -w`: the return and the exit code of `run`."""
    direct = run(user, "run", "test.arg", "1", "a=b")
    jid = run(user, "run", "--async", "test.arg", "1", "a=b").stderr.split()[-1]
    assert run(user, "job", jid, "-w").stdout == direct.stdout
    assert run(user, "job", jid).stdout == direct.stdout
    script = gate.script("echo done")
    slow = run(user, "run", "salt.cmd", "cmd.run", script, "python_shell=True", "-t", "0.3", code=75)
    resume = re.search(r"salt-live (job \d+ -w)", slow.stderr)
    assert resume
    gate.open()
    assert run(user, *resume[1].split()).stdout == "done\n"


def test_ctrl_c_leaves_a_runner_and_says_how_to_come_back(user: dict[str, str], gate: Gate, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/runs; {gate.script('echo done')}"
    with Terminal([*COMMAND, "run", "salt.cmd", "cmd.run", script, "python_shell=True"], user) as terminal:
        wait_until((tmp_path / "runs").exists, "the running runner")
        terminal.type("\x03")
        note = terminal.expect("-w")
        assert terminal.end() == 130
    resume = re.search(r"come back with: salt-live (job \d+ -w)", note)
    assert resume
    gate.open()
    assert run(user, *resume[1].split()).stdout == "done\n"


def test_jobs_are_watched_as_they_start_and_end(user: dict[str, str], started: Any) -> None:
    earlier = run(user, "--async", "minion-1", "test.retcode", "0").stdout.split()[-1]
    process = started("jobs", "-w", "--fun", "test.retcode", "-n", "1")
    assert process.stdout.readline().startswith(earlier)
    jid = run(user, "--async", "minion-1", "test.retcode", "0").stdout.split()[-1]
    seen: list[str] = []
    while not any(jid in line and "complete" in line for line in seen):
        seen.append(process.stdout.readline())
        assert seen[-1], process.stderr.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 130


# Events


def test_events_are_followed_and_replayed_from_a_position(user: dict[str, str], started: Any, demo: Client) -> None:
    """What `--json` prints names the position; `--since` continues after it."""
    begin = f"verbs-{time.time_ns()}"
    process = started("events", f"{begin}/*", "--json", "--count", "3")
    lines: list[dict[str, Any]] = []
    number = 0
    while not lines:  # until the subscription is there
        demo.ask("event", tag=f"{begin}/0", body={"n": number})
        number += 1
        if wait_for_output(process, 0.5):
            lines.append(json.loads(process.stdout.readline()))
    for name in "12":
        demo.ask("event", tag=f"{begin}/{name}", body={"name": name})
    lines += [json.loads(line) for line in process.stdout.read().splitlines()]
    assert process.wait(SECONDS) == 0
    assert len(lines) == 3
    assert all(set(line) == {"epoch", "seq", "tag", "data"} for line in lines)
    since = f"{lines[0]['epoch']}:{lines[0]['seq']}"
    ran = run(user, "events", f"{begin}/*", "--since", since, "--json", "--count", "2")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == lines[1:]
    plain = run(user, "events", f"{begin}/*", "--since", since, "count=2")
    assert [line.partition("\t")[0] for line in plain.stdout.splitlines()] == [line["tag"] for line in lines[1:]]
    assert json.loads(plain.stdout.splitlines()[0].partition("\t")[2]) == lines[1]["data"]


def wait_for_output(process: subprocess.Popen[str], seconds: float) -> bool:
    """Return whether a process writes something within some seconds."""
    import select

    return bool(select.select([process.stdout], [], [], seconds)[0])


def test_a_position_that_is_gone_is_reported_as_a_gap(user: dict[str, str], started: Any, demo: Client) -> None:
    tag = f"verbs-{time.time_ns()}/after"
    process = started("events", tag, "--since", "nosuchrun:5", "--count", "1")
    assert process.stderr.readline().startswith("WARNING: events missing")
    demo.ask("event", tag=tag, body={})
    assert process.stdout.readline().startswith(f"{tag}\t")
    assert process.wait(SECONDS) == 0


# Minions


def test_minions_are_listed_with_their_connection(user: dict[str, str], demo: Client) -> None:
    wait_until(
        lambda: all(row["connected"] for row in demo.ask("list_minions", minions=["minion-1", "minion-2"])),
        "both minions connected",
    )
    rows = [line.split() for line in run(user, "minions", "minion-*").stdout.splitlines()]
    assert [row[:3] for row in rows] == [["minion-1", "accepted", "connected"], ["minion-2", "accepted", "connected"]]
    found = json.loads(run(user, "minions", "--up", "--grains", "--out=json").stdout)
    assert found["minion-1"]["grains"]["id"] == "minion-1"
    assert run(user, "minions", "-L", "minion-1", "--down", code=2).stdout == ""


# Logins


def tokens(home: Path) -> dict[str, dict[str, Any]]:
    """Return the kept tokens."""
    found: dict[str, dict[str, Any]] = json.loads((home / ".config" / "salt-live" / "tokens.json").read_text())
    return found


def test_a_login_is_kept_used_and_revoked(env: dict[str, str], home: Path) -> None:
    """The password is asked for without an echo; the file belongs to its owner alone."""
    with Terminal([*COMMAND, "login", "--username", "demo"], env) as terminal:
        terminal.expect("Password of demo: ")
        terminal.type("demo\n")
        terminal.expect("logged in as demo (sharedsecret) until ")
        assert terminal.end() == 0
    assert "demo\r\ndemo" not in terminal.text
    path = home / ".config" / "salt-live" / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "demo" not in json.dumps([entry["token"] for entry in tokens(home).values()])
    assert run(env, "minion-1", "test.ping", "--out=txt").stdout == "minion-1: True\n"
    who = run(env, "whoami")
    assert who.stdout.startswith("demo (sharedsecret), until ")
    assert json.loads(run(env, "whoami", "--out=json").stdout)["user"] == "demo"
    (token,) = (entry["token"] for entry in tokens(home).values())
    assert run(env, "logout").stdout == "logged out demo\n"
    assert tokens(home) == {}
    assert run(env, "logout").stdout == "not logged in\n"
    ran = run(env | {"SALTAPI_TOKEN": token}, "minion-1", "test.ping", code=2)
    assert ran.stderr == "salt-live: no login: run `salt-live login`, or set SALTAPI_USER and SALTAPI_PASS\n"


def test_a_revoked_token_does_not_trap_the_user(user: dict[str, str], env: dict[str, str], home: Path) -> None:
    """With a password it is replaced; without one it is dropped, and the error says what to do."""
    run(user, "minion-1", "test.ping")
    (first,) = (entry["token"] for entry in tokens(home).values())
    run(env | {"HOME": str(home / "other"), "SALTAPI_TOKEN": first}, "whoami")
    revoke(env, first)
    assert run(user, "minion-1", "test.ping", "--out=txt").stdout == "minion-1: True\n"
    (second,) = (entry["token"] for entry in tokens(home).values())
    assert second != first
    revoke(env, second)
    ran = run(env, "minion-1", "test.ping", code=2)
    assert ran.stderr == "salt-live: no login: run `salt-live login`, or set SALTAPI_USER and SALTAPI_PASS\n"
    assert tokens(home) == {}


def revoke(env: dict[str, str], token: str) -> None:
    """Revoke a token as another client."""
    from salt_live import Client as LiveClient

    with LiveClient(env["SALTAPI_URL"], token=token) as client:
        client.request("logout")


def test_a_token_is_renewed_before_it_ends(user: dict[str, str], home: Path) -> None:
    run(user, "minion-1", "test.ping")
    path = home / ".config" / "salt-live" / "tokens.json"
    ((key, entry),) = tokens(home).items()
    path.write_text(json.dumps({key: {**entry, "expire": time.time() + 30}}))
    run(user, "minion-1", "test.ping")
    (renewed,) = tokens(home).values()
    assert renewed["token"] != entry["token"]
    assert renewed["expire"] > time.time() + 60


def test_a_login_that_ends_during_a_command_is_renewed(
    user: dict[str, str], home: Path, started: Any, gate: Gate, tmp_path: Path
) -> None:
    """The command goes on, and the new token is kept."""
    run(user, "minion-1", "test.ping")
    (first,) = (entry["token"] for entry in tokens(home).values())
    script = f"touch {tmp_path}/runs; {gate.script('echo done')}"
    process = started("minion-1", "cmd.run", script, "--out=txt")
    wait_until((tmp_path / "runs").exists, "the running job")
    revoke(user, first)
    while process.stderr.readline() != "connected again\n":
        assert process.poll() is None
    gate.open()
    assert process.communicate(timeout=SECONDS)[0] == "minion-1: done\n"
    assert process.returncode == 0
    (second,) = (entry["token"] for entry in tokens(home).values())
    assert second != first


def test_a_password_on_the_command_line_is_kept_only_with_t(env: dict[str, str], home: Path) -> None:
    words = ["--username", "demo", "--password", "demo", "-a", "sharedsecret", "minion-1", "test.ping", "--out=txt"]
    assert run(env, *words).stdout == "minion-1: True\n"
    assert not (home / ".config").exists()
    assert run(env, "-T", *words).stdout == "minion-1: True\n"
    assert [entry["user"] for entry in tokens(home).values()] == ["demo"]
    ran = run(env, "-a", "pam", "--username", "demo", "--password", "demo", "minion-1", "test.ping", code=2)
    assert "cannot log in" in ran.stderr


def test_a_keyring_that_is_not_installed_is_no_obstacle(user: dict[str, str], home: Path) -> None:
    (home / ".config" / "salt-live").mkdir(parents=True)
    (home / ".config" / "salt-live" / "config.toml").write_text("[main]\nkeyring = true\n")
    assert run(user, "minion-1", "test.ping", "--out=txt").stdout == "minion-1: True\n"


# Pepper's README: its programs, with another name of the command

PEPPERRC = """\
[main]
SALTAPI_URL={url}
SALTAPI_USER=demo
SALTAPI_PASS=demo
SALTAPI_EAUTH=sharedsecret
"""
PEPPER = """\
'*' test.ping
'*' test.kwarg hello=dolly
--client runner reactor.list
--client runner reactor.add event='test/provision/*' reactors='/srv/salt/state/reactor/test-provision.sls'
"""


@pytest.mark.parametrize("line", PEPPER.splitlines())
@pytest.mark.parametrize("place", ["environment", "file"])
def test_the_programs_of_peppers_readme_run(env: dict[str, str], home: Path, line: str, place: str) -> None:
    """Their settings are in the environment or in ~/.pepperrc."""
    url = env.pop("SALTAPI_URL")
    if place == "file":
        (home / ".pepperrc").write_text(PEPPERRC.format(url=url.replace("ws:", "http:")))
    else:
        env |= {"SALTAPI_URL": url, "SALTAPI_USER": "demo", "SALTAPI_PASS": "demo", "SALTAPI_EAUTH": "sharedsecret"}
    script = home / "salt-live"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m salt_live.cli "$@"\n')
    script.chmod(0o755)
    env["PATH"] = f"{home}:{env.get('PATH', '/usr/bin:/bin')}"
    ran = subprocess.run(
        ["/bin/sh", "-c", f"salt-live {line}"], env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if "test.kwarg" in line:
        assert len(re.findall(r"^    hello:\n        dolly$", ran.stdout, re.MULTILINE)) == 2
    elif "test.ping" in line:
        assert sorted(ran.stdout.split()) == ["True", "True", "minion-1:", "minion-2:"]
    else:  # as `salt-run` says on this master
        assert "Reactor system is not running" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_an_event_is_fired_on_a_minion_as_on_salts_event_page(user: dict[str, str]) -> None:
    """`salt minionname event.fire ... 'tag'`, with another name of the command."""
    ran = run(user, "minion-1", "event.fire", '{"data": "message for the minion"}', "tag", "--out=txt")
    assert ran.stdout == "minion-1: True\n"


# Large returns


def test_a_return_that_the_bus_cuts_is_printed_as_salt_does(user: dict[str, str], salt_master: Any) -> None:
    """Salt replaces values over `max_event_size`; tests/functional has returns of 50 MB that fit it."""
    program = str(Path(sys.executable).with_name("salt"))
    words = ["minion-1", "cmd.run", "head -c 3000000 /dev/zero | tr '\\0' x", "--out=txt"]
    command = [sys.executable, program, "-c", str(salt_master.config_dir), *words]
    theirs = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert theirs.stdout == "minion-1: VALUE_TRIMMED\n"
    assert run(user, *words, code=theirs.returncode).stdout == theirs.stdout
