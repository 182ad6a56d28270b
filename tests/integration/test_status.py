"""``salt-run websocket_api.status``, the look from the command line."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import CHECKOUT

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
