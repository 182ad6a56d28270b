"""Salt 3006, whose own old tornado the engine cannot serve with, is refused in so many words, on a real master."""

from __future__ import annotations

import pytest

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.host import host
from tests.support.waiting import is_open, wait_until

PYTHON = CHECKOUT / ".venv-3006" / "bin" / "python"

pytestmark = [
    pytest.mark.costly,
    pytest.mark.skipif(not PYTHON.exists(), reason="`make test-3006` builds .venv-3006"),
]


def test_a_master_of_salt_3006_runs_on_and_says_why_the_engine_does_not() -> None:
    """At CRITICAL stands which Salt this is and which is needed, once; nothing listens, and the master works."""
    with host(PYTHON, engines_dirs=[str(CHECKOUT / "_engines")], loop_interval=1) as old:
        old.write("master.d/websocket_api.conf", {"engines": [{"websocket_api": {"port": old.port}}]})
        old.start("salt-master")

        def lines() -> list[str]:
            log = old.log_file.read_text() if old.log_file.exists() else ""
            return [line for line in log.splitlines() if "[CRITICAL]" in line and "websocket_api" in line]

        (line,) = wait_until(lines, "a line at CRITICAL", timeout=120)
        assert "this master is Salt 3006, but the websocket_api engine needs Salt 3007 or newer; upgrade Salt" in line
        assert old.runs("salt-run", "test.arg", "a")["args"] == ["a"]
        assert len(lines()) == 1, "Salt did not start the engine again and again"
        assert not is_open(old.port)
