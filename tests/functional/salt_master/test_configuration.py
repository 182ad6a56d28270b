"""The master's configuration on disk, compared with the one that the running master has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

from tests.functional.running import CHECKOUT

pytestmark = [pytest.mark.both_lines]

# What salt-master does with its command line and its file, then what the engine does at a reload. Between both, the
# file may get other settings.
PROGRAM = """
import json, pathlib, sys
from salt.utils.parsers import MasterOptionParser
from websocket_api.salt_master import configuration
folder, later, *arguments = sys.argv[1:]
parser = MasterOptionParser()
parser.parse_args(["-c", folder, *arguments])
if later:
    pathlib.Path(folder, "master").write_text(later)
print(json.dumps(configuration.read_options(parser.config, {})))
"""


def differences(folder: Path, settings: dict[str, Any], *arguments: str, later: dict[str, Any] | None = None) -> Any:
    """Return the engine's options on disk, and the settings that need a restart.

    :param arguments: of salt-master
    :param later: the settings on disk at the reload, if they are others
    """
    base = {"root_dir": str(folder), "user": folder.owner(), "engines": [{"websocket_api": {"port": 1}}]}
    (folder / "master").write_text(json.dumps({**base, **settings}))
    text = json.dumps({**base, **later}) if later is not None else ""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), text, *arguments],
        env={"PYTHONPATH": str(CHECKOUT / "_engines"), "PATH": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({}, []),
        ({"log_level_logfile": "info"}, []),
        ({"log_level": "debug", "log_file": "/tmp/other.log", "log_granular_levels": {"salt": "warning"}}, []),
        ({"external_auth": {"pam": {"ann": [".*"]}}, "file_roots": {"base": ["/srv"]}}, []),
        ({}, ["-l", "info", "--log-file-level=debug", "--log-file=/dev/null", "--pid-file=x.pid"]),
    ],
)
def test_what_salt_itself_fills_in_needs_no_restart(
    tmp_path: Path, settings: dict[str, Any], arguments: list[str]
) -> None:
    """Otherwise each upgrade of a master with an ordinary configuration would restart it."""
    assert differences(tmp_path, settings, *arguments) == [{"port": 1}, []]


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({}, {"timeout": 7}, ["timeout"]),
        ({"token_expire": 7}, {}, ["token_expire"]),
        ({"external_auth": {"pam": {}}}, {"external_auth": {"pam": {"ann": []}}, "token_expire": 1},
         ["external_auth", "token_expire"]),
        ({}, {"engines": [{"websocket_api": {"port": 2}}]}, []),
    ],
)  # fmt: skip
def test_settings_that_differ_are_named(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], names: list[str]
) -> None:
    """Added, removed and changed ones; not the engine's own options, which the reload applies."""
    assert differences(tmp_path, before, later=after)[1] == names
