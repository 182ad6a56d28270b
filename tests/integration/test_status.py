"""``salt-run websocket_api.status``, the look from the command line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import CHECKOUT, SECRET

pytestmark = [pytest.mark.slow]


def test_a_running_engine_is_found(engine_url: str, engine_port: int, salt_master: Any) -> None:
    """Of a running engine the address, the port and the version are told, and that it is this engine."""
    found = salt_master.salt_run_cli().run("websocket_api.status")
    assert found.data == {
        "address": "127.0.0.1",
        "port": engine_port,
        "tls": False,
        "listening": True,
        "engine": True,
        "error": None,
        "version": (CHECKOUT / "schemas" / "VERSION").read_text().strip(),
    }


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """A file with the right password."""
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    return path


def serves(salt_master: Any, url: str, password_file: Path) -> str:
    """Ask ``websocket_api.serves`` for a login; return what it said."""
    how = {"username": "demo", "password_file": str(password_file), "eauth": "sharedsecret", "seconds": 120}
    return str(salt_master.salt_run_cli().run("websocket_api.serves", url.replace("ws:", "http:"), **how))


def test_an_engine_that_takes_a_login_serves(salt_master: Any, engine_url: str, password_file: Path) -> None:
    """What a rollout asks of each master: its health, and a websocket login with a password from a file."""
    assert "is healthy and takes the login of demo" in serves(salt_master, engine_url, password_file)


def test_a_refused_login_is_not_tried_again(salt_master: Any, engine_url: str, password_file: Path) -> None:
    """A wrong password, or none to be read, ends the look at once: accounts are locked after several wrong ones."""
    began = time.monotonic()
    password_file.write_text("wrong")
    assert "does not serve: the login is refused: unauthenticated" in serves(salt_master, engine_url, password_file)
    password_file.unlink()
    assert "the password cannot be read" in serves(salt_master, engine_url, password_file)
    assert time.monotonic() - began < 90, "the time that it may take was not used up"
