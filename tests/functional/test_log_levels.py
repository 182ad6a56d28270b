"""The log levels of docs/operating.md, by Salt's own logging and loader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("salt")

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "operating.md").read_text(encoding="utf-8")
SETTINGS = "```yaml\nlog_level_logfile:" + PAGE.partition("```yaml\nlog_level_logfile:")[2].partition("```")[0]

LOG = """\
import json, logging, sys
import salt._logging, salt.config, salt.loader
opts = {**salt.config.master_config(None), "__role": "master", **json.loads(sys.argv[1])}
salt._logging.set_logging_options_dict(opts)
salt._logging.setup_logging()
engine = salt.loader.engines(opts, {}, {}, {})["websocket_api.start"].__module__
for name in (f"{engine}.server", "websocket_api.audit", "salt.master"):
    logging.getLogger(name).info("info of %s", name)
    logging.getLogger(name).warning("warning of %s", name)
"""


def test_the_documented_levels_keep_the_audit_log_and_leave_out_salts_own_lines(tmp_path: Path) -> None:
    """Salt's handler has a level of its own, so a lower level of one logger alone keeps nothing."""
    settings = yaml.safe_load(SETTINGS.removeprefix("```yaml\n"))
    log = tmp_path / "master"
    paths = {"log_file": str(log), "cachedir": str(tmp_path), "extension_modules": str(tmp_path / "extmods")}
    opts = {**settings, **paths, "log_fmt_logfile": "%(message)s", "engines_dirs": [str(CHECKOUT / "_engines")]}
    done = subprocess.run(
        [sys.executable, "-c", LOG, json.dumps(opts)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if " of " in line]
    engine = "salt.loaded.ext.engines.websocket_api.server"
    assert lines == [
        f"info of {engine}",
        f"warning of {engine}",
        "info of websocket_api.audit",
        "warning of websocket_api.audit",
        "warning of salt.master",
    ]
