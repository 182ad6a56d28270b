"""YAML has the meaning that Salt's loader gives it, in time linear in its length."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.utils.yaml
from websocket_api.salt_master import yaml_documents

pytestmark = pytest.mark.with_salt

SCALARS = [
    *("", "~", "null", "None", "yes", "No", "on", "true", "TRUE", "y", "0", "00", "08", "0644", "-010", "0o17", "0x1F"),
    *("0b11", "1_000", "1:30", "1.5", "1.", ".5", "1e3", "1.0e+3", "-.5", "+1", "6.02e23", "=", "<<x", "2026-01-02"),
    *("2026-01-02 03:04:05", "2026-01-02T03:04:05Z", "12:30:45", "1.2.3", "a b", "a#b", "'a'", '"a\\n"', "'1'"),
    *("!!str 1", "!!int '7'", "!!float 1", "!!bool yes", "!!null ''", "!!timestamp x", "!!python/unicode x"),
    *("*", "&a x", "!!int x", "!!bool x", "!x y", "!!python/name:os.system", "|", ">", "@x", "`x", "%x", "- a"),
    *("{a", "[a", "a: b: c"),
    *("[1, [2, {a: 3}]]", "{a: {b: [c]}}", "[a, b,]", "{a, b: 1}", "? a", "'it''s'", '"\\u00e4"', "ä", "\U0001f600"),
]
FORMS = ["{}", "- {}", "k: {}", "k: [{}, 1]", "a: &x {}\nb: *x", "k:\n  - {}\n  - m: {}"]
MERGES = [
    "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}",
    "a: &a {x: 1}\nb: &b {y: 2}\nc: {<<: [*a, *b], z: 3}",
    "a: &a {x: 1}\nb: {<<: [*a, {x: 2}]}",
    "{<<: {a: 1}, <<: {b: 2}, c: 3}",
    "a: &x {<<: {z: 1}, y: 2}\nb: {<<: *x}\nc: *x",
    "a: &a {x: 1}\nb: &b {<<: *a, y: 1}\nc: {<<: *b, x: 9}",
    "a: {<<: 1}",
    "a: {<<: [1]}",
    "a: {<<: []}",
]


def of_salt(text: str) -> Any:
    """Return what Salt's loader returns for a text, or the name of its error."""
    try:
        return salt.utils.yaml.safe_load(text)
    except Exception:  # noqa: BLE001 - PyYAML raises whatever its code runs into
        return "refused"


def ours(text: str) -> Any:
    """Return what the engine returns for a text, or the name of its error."""
    try:
        return yaml_documents.load(text, 1000)
    except ValueError:
        return "refused"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scalar", SCALARS)
def test_a_document_is_read_as_by_salt(form: str, scalar: str) -> None:
    """Values, types and errors."""
    text = form.replace("{}", scalar)
    assert repr(ours(text)) == repr(of_salt(text))


@pytest.mark.parametrize("text", MERGES)
def test_a_merge_is_read_as_by_salt(text: str) -> None:
    """Precedence, order and conflicts."""
    assert repr(ours(text)) == repr(of_salt(text))


COLLIDING = [(2**61 - 1) * number for number in range(10_900)]
"""Integers with the same hash: as keys of one dictionary each is compared with all before it."""


@pytest.mark.parametrize(
    "text",
    [
        "{" + ", ".join(f"{number}: 1" for number in COLLIDING[:5000]) + "}",
        "\n".join(f"? {number}\n: 1" for number in COLLIDING[:5000]),
        "\n".join(f"{number}.0: 1" for number in COLLIDING[:5000]),
    ],
    ids=["flow", "block", "fractions"],
)
def test_keys_that_a_client_chooses_are_text(text: str) -> None:
    """Python's hash of text is random; that of numbers is known."""
    found = yaml_documents.load(text, 1000)
    assert len(found) == 5000
    assert {type(key) for key in found} == {str}


@pytest.mark.parametrize("kind", ["set", "omap", "pairs"])
def test_other_containers_of_keys_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything in them is constructed."""
    made: list[str] = []
    whole = yaml_documents._Loader.construct_yaml_int
    monkeypatch.setitem(
        yaml_documents._Loader.yaml_constructors,
        "tag:yaml.org,2002:int",
        lambda loader, node: made.append(node.value) or whole(loader, node),
    )
    inside = "{" + ", ".join(map(str, COLLIDING)) + "}"
    with pytest.raises(ValueError, match="ConstructorError"):
        yaml_documents.load(f"a: !!{kind} {inside}", 1000)
    assert made == []


def _counted(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    """Return how many keys were examined for a document."""
    counter = itertools.count()
    whole = yaml_documents._name

    def name(key: Any) -> str:
        next(counter)
        return whole(key)

    with monkeypatch.context() as patched:
        patched.setattr(yaml_documents, "_name", name)
        ours(text)
    return next(counter)


def test_the_cost_of_merges_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pair is examined a few times, however many own keys there are; Salt compares it with each of them."""
    pairs = ", ".join(f"m{number}: 1" for number in range(5000))
    own = ", ".join(f"o{number}: 1" for number in range(5000))
    assert _counted(monkeypatch, f"{{<<: {{{pairs}}}, {own}}}") < 5 * 10_000


def test_merges_of_merges_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alias of an alias of an alias."""
    lines = ["a0: &a0 {x: 1}"]
    for number in range(1, 30):
        merged = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} {{<<: [{merged}]}}")
    assert _counted(monkeypatch, "\n".join(lines)) < 10 * yaml_documents.MAX_MERGED


def test_the_number_of_directives_is_limited() -> None:
    """Libyaml compares each with all before it, and holds the interpreter meanwhile."""
    few = "".join(f"%TAG !e{number}! tag:yaml.org,2002:\n" for number in range(yaml_documents.MAX_DIRECTIVES))
    assert yaml_documents.load(f"{few}--- !e1!str 1", 1000) == "1"
    with pytest.raises(ValueError, match=re.escape("too many tag directives")):
        yaml_documents.load(f"{few}%TAG !x! x\n--- 1", 1000)


def test_other_threads_have_their_turn_while_a_document_is_read() -> None:
    """Nodes are made in Python: libyaml's composer holds Python's lock for the whole document."""
    from yaml.composer import Composer

    assert yaml_documents._Loader.get_single_node is Composer.get_single_node
    assert yaml_documents._Loader.compose_node is Composer.compose_node
