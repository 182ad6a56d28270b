"""check_options: the formula's check of options before it changes anything."""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
from websocket_api import check_options as check

ROOT = pathlib.Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"


def test_valid_options_have_no_faults() -> None:
    """The result is an empty list."""
    assert check.faults({"port": 8000}, SCHEMAS) == []


def test_all_faults_are_named_and_no_value() -> None:
    """Faults of single options and contradictions, as the engine itself reports them."""
    found = check.faults({"port": "canary", "address": "0.0.0.0", "eauth": 5}, SCHEMAS)
    assert {fault["path"] for fault in found} == {"/port", "/address", "/eauth"}
    assert "canary" not in json.dumps(found)


@pytest.mark.parametrize("given", [[], None, "port"])
def test_options_that_are_not_a_mapping_are_one_fault(given: Any) -> None:
    """Any pillar gets an answer."""
    assert check.faults(given, SCHEMAS) == [{"path": "", "message": "must be a mapping of options"}]


def test_schemas_of_another_release_are_a_fault(tmp_path: pathlib.Path) -> None:
    """An incomplete release on the file server is found before a master is restarted with it."""
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (tmp_path / "schemas" / "VERSION").write_text("9.9.9\n")
    (fault,) = check.faults({}, tmp_path / "schemas")
    assert "the folder schemas is release 9.9.9, the engine " in fault["message"]


def test_it_reads_and_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is always JSON."""
    assert check.main([str(SCHEMAS)], io.StringIO('{"port": -1}')) == 0
    (fault,) = json.loads(capsys.readouterr().out)
    assert fault["path"] == "/port"


def test_the_formula_runs_this_module() -> None:
    """``_modules/websocket_api_config.py`` starts it by name, in a process of its own."""
    formula = (ROOT / "_modules" / "websocket_api_config.py").read_text(encoding="utf-8")
    (name,) = re.findall(r'"-m", "([\w.]+)"', formula)
    command = [sys.executable, "-m", name, str(SCHEMAS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "_engines")}
    answer = subprocess.run(command, input="{}", env=environment, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == []
