"""What the formula asks before it writes anything: are these options that the engine would start with?"""

from __future__ import annotations

import io
import json
import pathlib
import shutil
from typing import Any

import pytest
from websocket_api import check_options as check

SCHEMAS = pathlib.Path(__file__).parents[2] / "schemas"


def test_good_options_have_no_faults() -> None:
    """None, and an empty list of them."""
    assert check.faults({"port": 8000}, SCHEMAS) == []


def test_all_faults_are_named_and_no_value() -> None:
    """Those of single options and those between options, as the engine itself would say them."""
    found = check.faults({"port": "canary", "address": "0.0.0.0", "eauth": 5}, SCHEMAS)
    assert {fault["path"] for fault in found} == {"/port", "/address", "/eauth"}
    assert "canary" not in json.dumps(found)


@pytest.mark.parametrize("given", [[], None, "port"])
def test_what_is_no_mapping_is_one_fault(given: Any) -> None:
    """Whatever stands in the pillar, there is an answer."""
    assert check.faults(given, SCHEMAS) == [{"path": "", "message": "must be a mapping of options"}]


def test_schemas_of_another_release_are_a_fault(tmp_path: pathlib.Path) -> None:
    """A file server that has half of a release is found before a master is restarted with it."""
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (tmp_path / "schemas" / "VERSION").write_text("9.9.9\n")
    (fault,) = check.faults({}, tmp_path / "schemas")
    assert "schemas are 9.9.9" in fault["message"]


def test_it_reads_and_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The command's answer is JSON, whatever it found."""
    assert check.main([str(SCHEMAS)], io.StringIO('{"port": -1}')) == 0
    (fault,) = json.loads(capsys.readouterr().out)
    assert fault["path"] == "/port"
