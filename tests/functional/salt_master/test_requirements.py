"""Errors name missing requirements with the fix, and Salt's containers become plain data."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections import OrderedDict, UserDict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

from websocket_api.errors import CannotRun
from websocket_api.salt_master import requirements
from websocket_api.salt_master.salt_compat import plain

pytestmark = pytest.mark.both_lines


def test_the_test_environment_meets_all_requirements() -> None:
    """The check raises nothing."""
    requirements.check({})


def test_salt_3006_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Salt 3006 replaces tornado by its own version."""
    monkeypatch.setattr(requirements, "SALT_LINE", 3006)
    with pytest.raises(CannotRun, match=r"3006.*3007 or newer"):
        requirements.check({})


@pytest.mark.parametrize("package", ["tornado", "jsonschema"])
@pytest.mark.parametrize("version", [None, "3.2.0"])
def test_a_package_that_is_missing_or_too_old_is_named_with_the_fix(
    package: str, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has it once."""
    real = importlib.metadata.version

    def version_of(name: str) -> str:
        if name != package:
            return real(name)
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", version_of)
    with pytest.raises(CannotRun, match=f"{package}.*{re.escape(sys.executable)} -m pip install '{package}>="):
        requirements.check({})


ROOT = Path("/opt/saltstack/salt")
OWN = "extras-{}.{}".format(*sys.version_info)


@pytest.mark.parametrize(
    ("variable", "path", "command"),
    [
        (None, [f"{ROOT}/{OWN}", f"{ROOT}/lib"], "salt-pip install 'x>=1'"),
        (
            "/var/lib/salt/master/e",
            [f"{ROOT}/{OWN}"],
            "SALT_EXTRAS_DIR=/var/lib/salt/master/e salt-pip install 'x>=1'",
        ),
        (
            None,
            [f"/var/lib/salt/master/{OWN}", f"{ROOT}/lib"],
            f"SALT_EXTRAS_DIR=/var/lib/salt/master/{OWN} salt-pip install 'x>=1'",
        ),
    ],
)
def test_the_command_installs_where_this_masters_python_looks(
    variable: str | None, path: list[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salt's hardened packages give each daemon its own folder, with a variable or with their Python's path."""
    monkeypatch.setattr(sys, "RELENV", ROOT, raising=False)
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.delenv("SALT_EXTRAS_DIR", raising=False)
    if variable:
        monkeypatch.setenv("SALT_EXTRAS_DIR", variable)
    assert requirements.install_command("x>=1") == command


@pytest.mark.parametrize(
    ("salts", "ours"),
    [
        (OrderedDict(a=[OrderedDict(b=1)]), {"a": [{"b": 1}]}),
        (UserDict({1: (2, 3)}), {1: [2, 3]}),
        ({"a": {1}, ("t",): None}, {"a": [1], "('t',)": None}),
        ([b"x", 1.5, True, "s"], [b"x", 1.5, True, "s"]),
        (1j, "1j"),
    ],
)
def test_salts_containers_become_plain_data(salts: Any, ours: Any) -> None:
    """Dictionaries and lists have exactly these types, because encoders check for them."""
    result = plain(salts)
    assert result == ours
    assert type(result) in (dict, list, str)
