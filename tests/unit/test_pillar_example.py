"""pillar.example against the engine's schema and the formula's defaults."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.schemas import SCHEMAS

pytestmark = pytest.mark.any_python

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "pillar.example").read_text(encoding="utf-8")
EXAMPLE: dict[str, Any] = yaml.safe_load(TEXT)["websocket_api"]
DEFAULTS: dict[str, Any] = yaml.safe_load((ROOT / "websocket_api" / "defaults.yaml").read_text())["websocket_api"]


def test_it_shows_every_option_of_the_engine_with_its_default() -> None:
    """As in schemas/settings.json."""
    assert EXAMPLE["options"] == SCHEMAS.defaults()


def test_it_shows_every_key_of_the_formula_with_its_default() -> None:
    """As in websocket_api/defaults.yaml, which has the formula's keys."""
    assert {**EXAMPLE, "options": {}} == DEFAULTS


def keys() -> Iterator[tuple[int, str]]:
    """Yield the number of each line that sets a key, and the key."""
    for number, line in enumerate(TEXT.splitlines()):
        if found := re.match(r" {2,}([a-z_]+):( |$)", line):
            yield number, found[1]


@pytest.mark.parametrize(("number", "key"), list(keys()), ids=str)
def test_every_key_has_a_comment_that_says_what_it_is_for(number: int, key: str) -> None:
    """The line above each key is a comment, and ends a sentence or a list of examples."""
    above = TEXT.splitlines()[number - 1].strip()
    assert above.startswith("# "), key
    assert above.endswith((".", "test.ping")), above


def test_no_secret_is_shown_as_a_default() -> None:
    """A copied example must not contain a certificate that others have too."""
    assert EXAMPLE["tls"]["crt"] is EXAMPLE["tls"]["key"] is None
    assert EXAMPLE["external_auth"] == {}


def test_formula_and_engine_are_of_one_release() -> None:
    """FORMULA names the version of the schemas, and the oldest Salt that the engine runs on."""
    about = yaml.safe_load((ROOT / "FORMULA").read_text(encoding="utf-8"))
    assert about["version"] == (ROOT / "schemas" / "VERSION").read_text(encoding="utf-8").strip()
    assert about["minimum_version"] == "3007"


def test_the_formula_names_only_systems_that_the_tests_run_on() -> None:
    """Others may work; docs/install.md says what is known to differ there."""
    about = yaml.safe_load((ROOT / "FORMULA").read_text(encoding="utf-8"))
    assert about["os"] == about["os_family"] == "Debian"
    assert "\n## Other systems than Debian\n" in (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
