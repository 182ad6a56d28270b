"""The completion of ``salt-live`` in real shells, on terminals, with words from a real master."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
SHELLS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
# Then what is typed is read by the shell's own editor, and `salt-live` shows what the shell made of the line.
PREPARE = {
    "bash": "PS1='READY> '; source <(salt-live completion bash)",
    "zsh": "PS1='READY> '; autoload -Uz compinit; compinit -D -u; source <(salt-live completion zsh)",
    "fish": "function fish_prompt; echo -n 'READY> '; end; salt-live completion fish | source",
}
SHIM = """#!/bin/sh
if [ "$1" = completion ]; then
    if [ -n "$WORDS" ] && [ "$2" != bash ] && [ "$2" != zsh ] && [ "$2" != fish ]; then cat "$WORDS"; exit; fi
    exec {python} -m salt_live.cli "$@"
fi
printf 'RAN'
printf '[%s]' "$@"
printf '.\\n'
"""
pytestmark = pytest.mark.slow


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def env(engine_url: str, tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    programs.mkdir()
    shim = programs / "salt-live"
    shim.write_text(SHIM.format(python=sys.executable), encoding="utf-8")
    shim.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
        "SALTAPI_URL": engine_url,
        "SALTAPI_USER": "demo",
        "SALTAPI_PASS": "demo",
    }


def typed(shell: str, env: dict[str, str], *lines: str) -> list[str]:
    """Type lines into a shell, each with its end, and return what ``salt-live`` got from each."""
    found = []
    command = [shutil.which(shell) or shell, *SHELLS[shell]]
    with Terminal(command, env, columns=200) as terminal:
        terminal.type(f"{PREPARE[shell]}; echo DO''NE\n")
        terminal.expect("DONE")
        for line in lines:
            terminal.expect("READY> ")
            terminal.type(line + "\n")
            terminal.expect("RAN")
            found.append(terminal.expect(".\r\n").removesuffix(".\r\n"))
        terminal.expect("READY> ")
        terminal.type("exit\n")
        terminal.end()
    return found


def keep_words(env: dict[str, str]) -> None:
    """Ask the server for all words before a shell does, which gives up after seconds: a loaded machine takes longer."""
    report = "test.versions_report"
    places = [([], "minion-1"), (["minion-1"], report), (["minion-*"], report), (["run"], "manage.safe_accept")]
    for before, word in [*places, (["-L", "minion-1,minion-2"], report)]:
        command = [sys.executable, "-m", "salt_live.cli", "completion", "words", "--", *before]

        def words(command: list[str] = command) -> list[str]:
            return subprocess.run(
                command, env=env, capture_output=True, text=True, check=True, timeout=60
            ).stdout.split()

        wait_until(lambda word=word, words=words: word in words(), f"the word {word}")


def test_tab_completes_verbs_minions_and_functions(shell: str, env: dict[str, str]) -> None:
    """Also after a quoted target, and without the server, if it was asked a short time ago."""
    keep_words(env)
    lines = [
        "salt-live who\t",
        "salt-live minion-1\ttest.ping",
        "salt-live minion-1 test.versions_r\t",
        "salt-live 'minion-*' test.versions_r\t",
        "salt-live run manage.safe_ac\t",
        "salt-live -L minion-1,minion-2 test.versions_r\t",
    ]
    expected = [
        "[whoami]",
        "[minion-1][test.ping]",
        "[minion-1][test.versions_report]",
        "[minion-*][test.versions_report]",
        "[run][manage.safe_accept]",
        "[-L][minion-1,minion-2][test.versions_report]",
    ]
    kept = json.loads((Path(env["HOME"]) / ".config" / "salt-live" / "completion.json").read_text("utf-8"))
    assert len(kept) == 5
    assert typed(shell, env, *lines) == expected
    assert typed(shell, env | {"SALTAPI_PASS": "wrong"}, *lines) == expected


def test_tab_without_a_login_completes_verbs_and_asks_nothing(shell: str, env: dict[str, str]) -> None:
    """The terminal belongs to the shell: a question for a password would hang it."""
    lines = ["salt-live who\t", "salt-live minion-1 test.versions_r\t"]
    env = {name: value for name, value in env.items() if name not in ("SALTAPI_USER", "SALTAPI_PASS")}
    assert typed(shell, env, *lines) == ["[whoami]", "[minion-1][test.versions_r]"]


def test_a_hostile_id_is_a_word_and_never_a_command(shell: str, env: dict[str, str], tmp_path: Path) -> None:
    """Minions choose their ids, and unaccepted ones are shown, too."""
    hostile = f"web-$(touch {tmp_path}/ran);`touch {tmp_path}/ran`|touch {tmp_path}/ran"
    (tmp_path / "words").write_text(f"{hostile}\n", encoding="utf-8")
    env = env | {"WORDS": str(tmp_path / "words")}
    assert typed(shell, env, "salt-live web-\t test.ping") == [f"[{hostile}][test.ping]"]
    assert not (tmp_path / "ran").exists()
