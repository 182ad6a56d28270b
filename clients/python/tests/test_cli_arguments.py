"""The command reads arguments as Salt's own command line does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import salt_live
from salt_live.cli import arguments
from salt_live.cli.arguments import parse, value

WORDS = [
    *("1", "-1", "1.5", "1e3", "1_000", "0", "007", "0o17", "0x1f", "0b11", "1:30", "012345678901234567890"),
    *("true", "True", "yes", "no", "off", "None", "null", "~", "", "   ", "---", "...", "|", "!", "#", "# a", "a # b"),
    *("[1, 2]", "{a: 1}", "{a: 1, a: 2}", "- a", "a: b", "a:b", "[1, 2", "{", "'quoted'", '"double"', "'", "@x", "%x"),
    *(
        "2014-11-03",
        "2014-11-03 10:00:00",
        "ls -l /tmp",
        "a\tb",
        "a\nb",
        "*",
        "&a",
        "?",
        "`x`",
        "!!binary aGk=",
        "=",
        "<<",
    ),
    *("é", "日本", ".5", ".inf", ".nan", "+1", "1.", "1,2", "a,b", "{'a': [1, {b: c}]}", "[a, b] # c", "5 # c"),
]


@pytest.mark.parametrize(
    ("words", "arg", "kwarg"),
    [
        (["1", "a b"], [1, "a b"], {}),
        (["name=value"], [], {"name": "value"}),
        (["n=1", "x"], ["x"], {"n": 1}),
        (["a==b"], ["a==b"], {}),
        (["1a=b"], ["1a=b"], {}),
        (["a=b=c"], [], {"a": "b=c"}),
        (["pillar={a: {b: 1}}"], [], {"pillar": {"a": {"b": 1}}}),
        (["a.b-c=true"], [], {"a.b-c": True}),
        (["a="], [], {"a": ""}),
    ],
)
def test_words_become_positional_and_keyword_arguments(words: list[str], arg: list[Any], kwarg: dict[str, Any]) -> None:
    assert parse(words) == (arg, kwarg)


def test_named_values_can_stay_text() -> None:
    assert parse(["a=1", "b=1"], no_parse=["a"]) == ([], {"a": "1", "b": 1})


@pytest.mark.with_salt
@pytest.mark.parametrize("word", WORDS)
def test_values_equal_those_of_salt(word: str) -> None:
    args = pytest.importorskip("salt.utils.args")
    assert repr(value(word)) == repr(args.yamlify_arg(word))
    assert repr(parse([f"name={word}"])) == repr(args.parse_input([f"name={word}"], condition=False))


def test_without_pyyaml_plain_values_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, booleans and JSON need no package."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.setattr(arguments, "_yaml_loader", arguments._yaml_loader.__wrapped__)
    words = {"1": 1, "1.5": 1.5, "true": True, "None": None, '{"a": [1]}': {"a": [1]}, "[a]": "[a]", "x y": "x y"}
    assert {word: value(word) for word in words} == words


def test_pyyaml_is_imported_for_the_first_argument_only() -> None:
    """It takes longer to import than the rest of the command line."""
    program = """if True:
        import sys
        from salt_live.cli.verbs import cmd
        from salt_live.cli import arguments, login, screen
        assert arguments.parse([]) == ([], {})
        assert "yaml" not in sys.modules
    """
    # The client need not be installed where its tests run.
    environment = {**os.environ, "PYTHONPATH": str(Path(salt_live.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
