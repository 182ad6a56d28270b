"""``salt-live`` prints what `salt`, `salt-run` and `salt-key` print on the master, and ends with their exit codes.

Each line runs twice: with Salt's own command as root on the master, and with ``salt-live`` over the network. Only the
order of minions may differ, and what differs between two runs of one command: times and job ids.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.client import Client
from tests.integration.forked import SaltCommands
from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 90

SALT = """\
'*' test.ping
~ '*' test.ping --out=json
~ '*' test.ping --out=yaml
~ '*' test.ping --out=txt
~ '*' test.ping --static
'*' test.ping --static --out=json
~ '*' test.ping --static --out=yaml
~ '*' test.ping --static --out=txt
~ '*' test.ping --out=json --out-indent=-1
'*' test.ping --summary
~ -L minion-1,minion-2 test.ping
-L 'minion-1 minion-2' test.ping
~ -E 'minion-(1|2)' test.ping
~ -G 'os:*' test.ping
-C 'minion-* and not minion-2' test.ping
~ -S 127.0.0.1 test.ping
nobody test.ping
~ nobody test.ping --out=json
~ nobody test.ping --static
~ -G os:Nothing test.ping
minion-1 test.false
~ minion-1 test.false --out=json
minion-1 test.arg 1 two 3.5 true none None
minion-1 test.arg a=1 b=true c=[1,2] d='{x: y}'
~ minion-1 test.arg a=1 b=true --out=json
minion-1 test.arg '{a: [1, {b: c}]}' --out=yaml
minion-1 test.arg 'ls -l' '' '#x' 'a # b' 007 1_000
minion-1 test.arg 'text with = sign' é=日本 --out=json
~ minion-1 test.kwarg a=1 b='[1, 2]'
~ minion-1 test.echo 'two words'
~ minion-1 test.outputter '{a: 1}'
minion-1 cmd.run 'printf "one\\ntwo\\n"'
~ minion-1 cmd.run 'printf "one\\ntwo\\n"' --out=txt
minion-1 cmd.run 'exit 3'
~ minion-1 cmd.run 'exit 3' --out=json
~ minion-1 cmd.run_all 'echo out; exit 2' --out=nested
'*' cmd.run 'exit 1' --static
minion-1 no.function
minion-1 test.exception message=broken --out=txt
~ minion-1 test.not_loaded
~ minion-1 grains.item id os
~ minion-1 grains.item id os --out=yaml
~ minion-1 config.get id
minion-1 test.retcode 4
~ minion-1 test.conf_test
~ minion-1 test.cross_test test.ping
minion-1 state.single test.succeed_with_changes name=x --state-output=terse
minion-1 state.single test.fail_without_changes name=x --out=highstate
~ minion-1 state.single test.nop name=x --out=json
~ minion-1 sys.doc test.ping
-d minion-1 test.ping
--preview-target '*'
~ --preview-target '*' --out=json
"""

RUN = """\
test.arg 1 two a=b
~ test.arg 1 two a=b --out=json
~ test.arg 1 two a=b --out=yaml
~ manage.up --out=txt
manage.status --out=json
~ manage.status --out=yaml
~ manage.down
error.error message=broken
manage.up
jobs.active
"""

KEY = """\
-L
~ -l acc
~ -l un
~ -L --out=json
~ -L --out=yaml
-l acc --out=json
"""

VARIES = (
    (re.compile(r"\d\d:\d\d:\d\d\.\d+"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? m?s\b"), "DURATION"),
    (re.compile(r'"?duration"?: [\d.]+'), "DURATION"),
    (re.compile(r"\b\d{20}\b"), "JID"),
    (re.compile(r'"?(pid|__pid)"?:\s+\d+'), "PID"),
    (re.compile(r" +DURATION"), " DURATION"),
    (re.compile(r"\b(root|demo)\b"), "USER"),
    (re.compile(r"\n\nminion +succeeded .*", re.DOTALL), "\n"),
)


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def cases() -> Iterator[Any]:
    """Yield each line with its program.

    A line with ``~`` differs from others in what unit tests compare with Salt's own code: the form of the output, and
    how targets and arguments are read.
    """
    for program, text in {"salt": SALT, "salt-run": RUN, "salt-key": KEY}.items():
        for line in lines_of(text):
            words = line.removeprefix("~ ")
            name = f"{program.removeprefix('salt').removeprefix('-')} {words}".strip()
            yield pytest.param(program, words, id=name, marks=[pytest.mark.costly] if words != line else [])


VERB = {"salt": [], "salt-run": ["run"], "salt-key": ["key"]}


def plain(text: str) -> str:
    """Return text without what differs between two runs, and without the table that only ``salt-live`` has."""
    for pattern, name in VARIES:
        text = pattern.sub(name, text)
    return text


def without_order(text: str) -> Any:
    """Return the parts of an output so that the order of minions makes no difference.

    The lines of a JSON object are sorted; other text is compared as blocks that begin at the left margin.
    """
    blocks: list[list[str]] = []
    for line in plain(text).splitlines():
        if not blocks or (line and not line.startswith((" ", "-", "}"))) or not any(blocks[-1]):
            blocks.append([])
        if line:
            blocks[-1].append(line.rstrip(","))
        else:
            blocks.append([])
    return sorted("\n".join(sorted(block) if block[0] == "{" else block) for block in blocks if block)


Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def theirs(salt_master: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run one of Salt's commands on the master."""
    with contextlib.closing(SaltCommands(salt_master.config_dir, tmp_path_factory.mktemp("theirs"))) as commands:
        yield commands.run


@pytest.fixture
def ours(engine_port: int, salt_minions: Any, tmp_path: Path) -> Run:
    """Run ``salt-live``."""
    env = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(tmp_path),
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
        "PYTHONUTF8": "1",
        "SALTAPI_URL": f"ws://127.0.0.1:{engine_port}",
        "SALTAPI_USER": "demo",
        "SALTAPI_PASS": "demo",
    }

    def run(words: list[str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "salt_live.cli", *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, env=env, stdin=subprocess.DEVNULL
        )

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("program", "line"), cases())
def test_output_and_exit_code_equal_those_of_salt(
    program: str, line: str, theirs: Run, ours: Run, request: pytest.FixtureRequest
) -> None:
    words = shlex.split(line)
    if "jobs.active" in words:  # what an earlier test has started must not end between the two
        demo: Client = request.getfixturevalue("demo")
        wait_until(lambda: demo.ask("runner", fun="jobs.active", mode="sync") == {}, "the end of all jobs")
    expected = theirs([program, *words])
    found = ours([*VERB[program], *words])
    assert without_order(found.stdout) == without_order(expected.stdout), found.stderr
    assert found.returncode == expected.returncode, (found.stderr, expected.stderr)
    assert "Traceback" not in found.stderr


@pytest.mark.slow
def test_json_and_yaml_are_documents(ours: Run) -> None:
    """What another program reads is one valid document."""
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        found = ours(["*", "test.ping", "--static", f"--out={form}"])
        assert read(found.stdout) == {"minion-1": True, "minion-2": True}
