"""A real browser (Debian's Chromium), and a master with two minions that serves a web app and the console."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
sync_api = pytest.importorskip("playwright.sync_api")

from tests.browser.profiles import PATIENCE, Profiles  # noqa: E402
from tests.integration import conftest as integration  # noqa: E402
from tests.integration.conftest import (  # noqa: E402
    MINION_OPTIONS,
    USERS,
    file_root,  # noqa: F401
    gate,  # noqa: F401
    running,
    salt_factories_config,  # noqa: F401
    salt_root,  # noqa: F401
)
from tests.integration.staging import Stage, staged  # noqa: E402

FILES = Path(__file__).parent / "files"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
"""Arguments of a browser that runs as root and sends nothing to other servers."""

FIRST, SECOND = "browser-minion", "browser-other"
LARGE = 8 * 1024 * 1024  # bytes of an event, instead of one mebibyte: Salt cuts what is larger
PARTLY: list[Any] = [{FIRST: ["test.*"]}]
"""The permissions of the user ``part``: some functions on one of the two minions."""
NARROW: list[Any] = [{"no-such-minion": ["test.ping"]}]
"""The permissions of the user ``narrow``, who sees nothing."""


@pytest.fixture(scope="session")
def stage(salt_factories: Any, file_root: Path, salt_root: Path) -> Iterator[Stage]:  # noqa: F811
    """Run a master with two minions whose engine serves the console and the web app of these tests."""
    accounts = salt_root / "accounts"
    accounts.write_text("filed:their password\n")
    web_app = {"app": str(FILES / "app.html"), "static": str(FILES / "static")}
    config = {
        "max_event_size": LARGE,
        "external_auth": {
            "sharedsecret": {**USERS, "part": PARTLY, "narrow": NARROW},
            "file": {"^filename": str(accounts), "filed": ["test.*"]},
        },
        "file_roots": {"base": [str(file_root), str(integration.FILES), str(FILES / "states")]},
        "pillar_roots": {"base": [str(FILES / "pillar")]},
        "nodegroups": {"the-first": f"L@{FIRST}", "the-second": f"L@{SECOND}"},
        "saltgui_templates": {"sum": {"description": "Sum up", "target": FIRST, "command": "test.fib num=10"}},
    }
    with staged(salt_factories, file_root, "browser", minion=True, config=config, **web_app) as stage:
        other = stage.master.salt_minion_daemon(SECOND, overrides={**MINION_OPTIONS, "max_event_size": LARGE})
        with running(other):
            yield stage


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Run one browser for all tests of this folder. Asynchronous tests would fail: Playwright keeps a loop running."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profiles(chromium: Any) -> Profiles:
    """The profiles that the tests of this folder share."""
    return Profiles(chromium)


@pytest.fixture
def open_page(profiles: Profiles) -> Iterator[Callable[..., Any]]:
    """Open pages of a server; an error in a script of a page fails the test.

    Their profile is empty but for its cache, or empty with ``fresh=True``.
    """
    faults: list[str] = []
    with contextlib.ExitStack() as stack:
        stack.callback(profiles.empty)

        def open_page(base_url: str, *, fresh: bool = False, **options: Any) -> Any:
            if fresh:
                context = stack.enter_context(profiles.browser.new_context(base_url=base_url, **options))
                context.set_default_timeout(PATIENCE)
                page = context.new_page()
            else:
                page = profiles.open(base_url, options)
            page.on("pageerror", lambda fault: faults.append(str(fault)))
            # Violations of the Content-Security-Policy are reported here only.
            page.on("console", lambda said: "Content Security" in said.text and faults.append(said.text))
            return page

        yield open_page
    assert faults == []


@pytest.fixture
def pages(open_page: Callable[..., Any], stage: Stage) -> Callable[..., Any]:
    """Open such pages of the console of the shared master."""
    return functools.partial(open_page, f"http://127.0.0.1:{stage.port}")


@pytest.fixture
def page(pages: Callable[..., Any]) -> Any:
    """Open one such page."""
    return pages()
