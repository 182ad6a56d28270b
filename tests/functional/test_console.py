"""`/console/`: the page's files are public, and no other file of this machine is served."""

from __future__ import annotations

import gzip
import http.client
import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("salt")

from tests.functional.running import CHECKOUT, Engine
from tests.functional.test_self_description import ask

CONSOLE = CHECKOUT / "websocket_api" / "console"
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "txt": "text/plain"}
FILES = sorted(path.relative_to(CONSOLE).as_posix() for path in CONSOLE.rglob("*.*") if path.suffix[1:] in TYPES)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Engine:
    """An engine that serves this checkout's console."""
    return run_engine({"console": str(CONSOLE)})


@pytest.fixture(scope="module")
def without(run_engine: Callable[..., Engine]) -> Engine:
    """An engine that does not find its console."""
    return run_engine({})


def vary(response: http.client.HTTPResponse) -> str:
    """Return the request headers that the answer depends on."""
    return response.getheader("Vary") or ""


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_console_is_served_with_its_type(engine: Engine, name: str) -> None:
    """Browsers run only scripts of the right type, and `nosniff` keeps them from guessing types."""
    response, body = ask(engine, f"/console/{name}")
    assert response.status == 200
    assert (response.getheader("Content-Type") or "").partition(";")[0] == TYPES[name.rpartition(".")[2]]
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert name == "index.html" or body == (CONSOLE / name).read_bytes()


def test_the_page_names_its_files_below_a_folder_that_browsers_keep(engine: Engine) -> None:
    """So a browser that has them asks for the page only."""
    page = ask(engine, "/console/")[1].decode()
    named = re.findall(r'(?:href|src)="([^"]+)"', page)
    folders = {name.partition("/")[0] for name in named}
    assert len(folders) == 1
    folder = folders.pop()
    assert page.replace(f"{folder}/", "") == (CONSOLE / "index.html").read_text()
    for name in FILES:
        response, body = ask(engine, f"/console/{folder}/{name}")
        if name == "index.html":
            assert response.status == 404
            continue
        assert (response.status, body) == (200, (CONSOLE / name).read_bytes())
        assert response.getheader("Cache-Control") == "public, max-age=31536000, immutable"
    assert ask(engine, f"/console/{folder}/")[0].status == 404
    assert ask(engine, f"/console/{'0' * len(folder)}/app.js")[0].status == 404


def test_a_file_that_only_tools_read_is_not_served(engine: Engine) -> None:
    """The type checker's declarations are not part of the page."""
    response, _ = ask(engine, "/console/vendor/htm-preact.d.ts")
    assert response.status == 404


def test_the_page_may_load_and_reach_its_own_server_only(engine: Engine) -> None:
    """The Content-Security-Policy says so, and an invalid Host does not get into it."""
    policy = ask(engine, "/console/")[0].getheader("Content-Security-Policy") or ""
    own = f"127.0.0.1:{engine.port}"
    assert policy == (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws://{own} wss://{own}; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    forged, _ = ask(engine, "/console/", headers={"Host": "x; script-src *"})
    assert "script-src *" not in (forged.getheader("Content-Security-Policy") or "")


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_what_a_browser_has_already_is_not_sent_again(engine: Engine, coding: str | None) -> None:
    """Outside the folder of a release browsers must revalidate each time."""
    accept = {} if coding is None else {"Accept-Encoding": coding}
    first, body = ask(engine, "/console/app.js", headers=accept)
    assert first.getheader("Cache-Control") == "no-cache"
    tag = first.getheader("ETag") or ""
    again, nothing = ask(engine, "/console/app.js", headers={**accept, "If-None-Match": tag})
    assert (again.status, nothing) == (304, b"")
    assert (again.getheader("ETag"), again.getheader("Cache-Control")) == (tag, "no-cache")
    assert "Accept-Encoding" in vary(again)
    head, nothing = ask(engine, "/console/app.js", "HEAD", headers=accept)
    assert (head.getheader("Content-Length"), nothing) == (str(len(body)), b"")
    assert (head.getheader("ETag"), head.getheader("Content-Encoding")) == (tag, coding)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_sent_compressed_where_that_is_smaller(engine: Engine, name: str) -> None:
    """Both forms have the same type and tell caches what they depend on; their entity tags differ."""
    plain, body = ask(engine, f"/console/{name}")
    packed, smaller = ask(engine, f"/console/{name}", headers={"Accept-Encoding": "gzip, deflate, br"})
    assert plain.getheader("Content-Encoding") is None
    assert packed.getheader("Content-Type") == plain.getheader("Content-Type")
    if packed.getheader("Content-Encoding") is None:
        assert (smaller, vary(packed), len(gzip.compress(body)) >= len(body)) == (body, vary(plain), True)
        return
    assert packed.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(smaller) == body
    assert len(smaller) < len(body)
    assert "Accept-Encoding" in vary(plain)
    assert vary(packed) == vary(plain)
    assert packed.getheader("ETag") != plain.getheader("ETag")


def test_a_stale_tag_of_the_other_form_gets_the_file(engine: Engine) -> None:
    """A strong entity tag stands for bytes: a plain file does not replace a compressed one."""
    tag = ask(engine, "/console/app.js")[0].getheader("ETag") or ""
    packed, _ = ask(engine, "/console/app.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert (packed.status, packed.getheader("Content-Encoding")) == (200, "gzip")


@pytest.mark.parametrize("header", ["identity", "gzip;q=0", "gzip;q=0, *", "br", "*;q=0", ""])
def test_a_client_without_gzip_gets_the_plain_file(engine: Engine, header: str) -> None:
    """A weight of 0 means that it is not accepted (RFC 9110, 12.4.2)."""
    response, body = ask(engine, "/console/app.js", headers={"Accept-Encoding": header})
    assert response.getheader("Content-Encoding") is None
    assert body == (CONSOLE / "app.js").read_bytes()


def test_answers_with_secrets_are_never_compressed(engine: Engine) -> None:
    """The length of a compressed answer tells about its content."""
    accept = {"Accept-Encoding": "gzip"}
    for path in ("/", "/schemas/", "/console/missing.js", "/run", "/token"):
        assert ask(engine, path, headers=accept)[0].getheader("Content-Encoding") is None, path


@pytest.mark.parametrize(
    "path",
    [
        "../init.sls",
        "..%2finit.sls",
        "%2e%2e/%2e%2e/LICENSE",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "lib",
        "lib/",
        "lib/../../../LICENSE",
        "main.js%00.html",
        "nothing.js",
    ],
)
def test_nothing_but_the_consoles_files_is_served(engine: Engine, path: str) -> None:
    """This holds for paths of any form."""
    assert ask(engine, f"/console/{path}")[0].status == 404


def test_a_browser_is_led_to_the_console_and_a_program_is_not(engine: Engine) -> None:
    """Browsers are redirected from the root, and from the address without the slash at its end."""
    response, _ = ask(engine, "/", headers=BROWSER)
    assert (response.status, response.getheader("Location")) == (302, "/console/")
    response, _ = ask(engine, "/console")
    assert (response.status, response.getheader("Location")) == (302, "/console/")
    assert ask(engine, "/", headers={"Accept": "application/json"})[0].status == 200


def test_a_missing_console_is_logged_once_and_everything_else_runs(without: Engine) -> None:
    """The log names the place. Its address is 404, and browsers get the welcome message at the root."""
    lines = [line for line in without.log.splitlines() if "no console" in line]
    assert len(lines) == 1
    assert lines[0].startswith("WARNING ")
    assert "salt://websocket_api/console (saltenv base)" in lines[0]
    response, body = ask(without, "/console/")
    assert response.status == 404
    assert b"no console on this master" in body
    assert ask(without, "/", headers=BROWSER)[0].status == 200


def test_a_closed_address_gets_no_page(run_engine: Callable[..., Engine]) -> None:
    """`allow_from` applies to the console as to every protocol."""
    closed = run_engine({"console": str(CONSOLE), "allow_from": ["192.0.2.0/24"]})
    assert ask(closed, "/console/")[0].status == 403


def test_the_page_is_of_own_scripts_and_styles_only() -> None:
    """Nothing is inline or from another server, and no text becomes code: data of minions is never run."""
    for path in map(Path, (CONSOLE / name for name in FILES)):
        if path.suffix not in (".js", ".html", ".css") or "vendor" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\beval\(|new Function\b|innerHTML|document\.write|insertAdjacentHTML", text), path
        assert not re.search(r"(?:from|import|src=|href=)\s*\(?[\"'](?:https?:)?//", text), path
        assert not re.search(r"<script(?![^>]*src)|\sstyle=\"|\son\w+=\"", text), path


def test_all_that_is_drawn_passes_the_function_that_shows_hidden_characters() -> None:
    """Only one module writes text to the page, and the clipboard gets the text that it shows."""
    sinks = re.compile(r"vendor/htm-preact|document\.title|textContent|innerText|setAttribute|writeText|\.value = ")
    found = {
        (name, sink)
        for name in FILES
        if name.endswith(".js") and "vendor" not in name
        for sink in sinks.findall((CONSOLE / name).read_text(encoding="utf-8"))
    }
    assert found == {
        ("lib/html.js", "vendor/htm-preact"),
        ("app.js", "document.title"),  # the name of a view and of the master, with hidden characters escaped
        ("parts/copy.js", "writeText"),
        ("parts/copy.js", ".value = "),
        ("parts/login.js", ".value = "),  # to empty the password
        ("views/commands.js", ".value = "),  # to empty the field of a file
    }
    assert "toClipboard(visible(text()))" in (CONSOLE / "parts/copy.js").read_text(encoding="utf-8")
