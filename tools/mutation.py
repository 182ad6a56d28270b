"""Test the tests: change the engine's code in many small ways, and list the changes that no unit test notices.

``tools/mutation.py access`` mutates one area, ``--list`` shows the areas. The tests near an area run, nothing else.
Results stay in ``.mutation/AREA/`` and are used again for functions that did not change. CONTRIBUTING.md says how to
read them.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).parents[1]
ENGINE = "websocket_api"
KILLED, SURVIVED, UNTESTED = 1, 0, 33
"""Exit codes of mutmut's workers; a mutant that never ends has others, and counts as killed."""
CONFIG = """
[tool.pytest.ini_options]
pythonpath = ["src"]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
markers = ["slow", "costly", "both_lines", "with_salt"]
timeout = 60

[tool.mutmut]
source_paths = ["src"]
also_copy = ["schemas"]
use_git_change_detection = false
only_mutate = {modules}
pytest_add_cli_args_test_selection = {tests}
"""


@dataclass(frozen=True)
class Area:
    """Code to mutate, and the tests to run. Paths are relative to the engine and to ``tests/unit``."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = {
    "access": Area(
        ("core/access/*.py",),
        ("core/access", "operations/test_user_limits.py"),
    ),
    "redaction": Area(
        ("core/events/redaction.py", "core/jobs/call.py"),
        ("core/events/test_redaction.py", "core/jobs", "operations/test_hidden_arguments.py"),
    ),
    "arguments": Area(
        (
            "core/delivery/decoding.py",
            "operations/targets.py",
            "protocols/http/content.py",
            "protocols/salt_api/lo*.py",
            "protocols/digital_rebar/patterns.py",
            "protocols/digital_rebar/translation.py",
            "protocols/puppetmaster/codec.py",
        ),
        (
            "core/delivery/test_decoding.py",
            "protocols/digital_rebar",
            "protocols/http/test_content.py",
            "protocols/http/test_exact_values.py",
            "protocols/puppetmaster",
            "protocols/salt_api",
            "operations/test_targets.py",
            "operations/test_unknown_ids.py",
        ),
    ),
}


def prepare(name: str) -> pathlib.Path:
    """Return a folder with a copy of what the area's tests need.

    mutmut takes ``src/`` for a folder of packages, which ``_engines/`` is not called.
    """
    folder = ROOT / ".mutation" / name
    area = AREAS[name]
    for part in ("schemas", "tests"):
        _copy(ROOT / part, folder / part)
    _copy(ROOT / "_engines" / ENGINE, folder / "src" / ENGINE)
    text = CONFIG.format(
        modules=json.dumps([f"src/{ENGINE}/{module}" for module in area.modules]),
        tests=json.dumps([f"tests/unit/{test}" for test in area.tests]),
    )
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def results(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, int | None]]:
    """Yield each mutant, its module, and the exit code of its tests."""
    mutants = folder / "mutants"
    for file in sorted(mutants.glob(f"src/{ENGINE}/**/*.meta")):
        module = file.relative_to(mutants).with_suffix("")
        for mutant, code in json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            yield mutant, module, code


def is_wording(change: list[str]) -> bool:
    """Return whether only a sentence changed: the text of an error or a log line, or whether there is one."""
    removed = "".join(line[1:] for line in change if line.startswith("-"))
    added = "".join(line[1:] for line in change if line.startswith("+"))
    if not re.search(r"\w+Error\(|log\.\w+\(", removed):
        return False
    sentences = r'f?"[^"]* [^"]*"'
    return re.sub(sentences, "", removed).split() in (
        re.sub(sentences, "", added).split(),
        re.sub(r"\bNone\b", "", re.sub(sentences, "", added)).split(),
    )


def report(folder: pathlib.Path) -> None:
    """Print the survivors and the figures."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    counts = dict.fromkeys(("killed", "survived", "wording", "untested", "not run"), 0)
    os.chdir(folder)
    for mutant, module, code in results(folder):
        if code is None:
            counts["not run"] += 1
        elif code not in (SURVIVED, UNTESTED):
            counts["killed"] += 1
        else:
            lines = get_diff_for_mutant(mutant, path=module).splitlines()
            change = [line for line in lines if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]
            kind = "untested" if code == UNTESTED else "wording" if is_wording(change) else "survived"
            counts[kind] += 1
            if kind != "wording":
                print(f"{kind}: {mutant.removeprefix(ENGINE + '.')}", *change, sep="\n  ")
    print(
        f"{folder.name}: {sum(counts.values())} mutants,", ", ".join(f"{many} {kind}" for kind, many in counts.items())
    )


def main(arguments: list[str]) -> int:
    """Mutate areas and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; by default all")
    parser.add_argument("--minutes", type=float, default=20, help="for each area; what is left then is not run")
    parser.add_argument("--report", action="store_true", help="print the results of the last run only")
    given = parser.parse_args(arguments)
    for name in given.areas or AREAS:
        if name not in AREAS:
            parser.error(f"there is no area {name}")
        folder = ROOT / ".mutation" / name
        if not given.report:
            folder = prepare(name)
            command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
            with open(folder / "mutmut.log", "wb") as log:
                try:
                    subprocess.run(command, cwd=folder, stdout=log, stderr=log, timeout=60 * given.minutes, check=False)
                except subprocess.TimeoutExpired:
                    print(f"{name}: stopped after {given.minutes:g} minutes; run it again to continue")
        report(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
