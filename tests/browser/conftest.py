"""A real browser (Debian's Chromium) on a master of its own, which serves a web app as well."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
sync_api = pytest.importorskip("playwright.sync_api")

from tests.integration.conftest import (  # noqa: E402
    file_root,  # noqa: F401
    salt_factories_config,  # noqa: F401
    salt_root,  # noqa: F401
)
from tests.integration.staging import Stage, staged  # noqa: E402

FILES = Path(__file__).parent / "files"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
"""Arguments of a browser that runs as root and asks nobody else for anything."""


@pytest.fixture(scope="session")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:  # noqa: F811
    """A master with one minion, whose engine serves the web app of these tests."""
    web_app = {"app": str(FILES / "app.html"), "static": str(FILES / "static")}
    with staged(salt_factories, file_root, "browser", minion=True, **web_app) as stage:
        yield stage


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for the tests of a file; Playwright keeps a loop running, beside which no asynchronous test runs."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, stage: Stage) -> Iterator[Any]:
    """A page of a browser that has been nowhere yet; an error in a script of it fails the test."""
    with chromium.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        yield page
        assert faults == []
