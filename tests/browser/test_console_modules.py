"""What the console makes of what is typed and of what comes in, module by module, as the browser runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def call(chromium: Any, stage: Any) -> Any:
    """Call a function of a module: ``call("lib/text.js", "readable", ...)``."""
    with chromium.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
        page = context.new_page()
        page.goto("/console/")
        expect(page.get_by_label("User name")).to_be_visible()

        def run(module: str, function: str, *args: Any) -> Any:
            script = "async ([module, name, args]) => (await import(`/console/${module}`))[name](...args)"
            return page.evaluate(script, [module, function, args])

        yield run


TYPED: list[tuple[str, Any]] = [
    ("5", 5),
    ('"5"', "5"),
    (" 5 ", 5),
    ("1.50.3", "1.50.3"),
    ("true", True),
    ("True", True),
    ("None", None),
    ("null", None),
    ('["a", {"b": 1}]', ["a", {"b": 1}]),
    ("{not json", "{not json"),
    (" two words ", " two words "),
    ("toString", "toString"),
    ("20261125221427006867", "20261125221427006867"),
    ("9007199254740991", "9007199254740991"),
    ("123456789012345", 123456789012345),
]


@pytest.mark.parametrize(("text", "value"), TYPED)
def test_a_field_is_read_as_json_where_it_is_json_and_as_text_else(call: Any, text: str, value: Any) -> None:
    """And as Python writes it, which is how Salt's own pages show it."""
    assert call("lib/arguments.js", "parsed", text) == value


FIELDS = [{"name": "name"}, {"name": "size", "default": 7}, {"name": "last", "default": None}]


def test_what_is_typed_becomes_named_arguments_and_empty_fields_are_left_out(call: Any) -> None:
    """With further ones by name."""
    made = call("lib/arguments.js", "callOf", FIELDS, {"name": "x", "size": ""}, "", "test=true\nb = a=b\n\n")
    assert made == {"args": [], "kwargs": {"name": "x", "test": True, "b": "a=b"}}


@pytest.mark.parametrize("line", ["name", "=5", "two words=5"])
def test_a_line_that_is_no_named_argument_is_refused(call: Any, line: str) -> None:
    """Instead of being sent as something else."""
    with pytest.raises(Exception, match="is no name=value"):
        call("lib/arguments.js", "callOf", FIELDS, {}, "", line)


def test_whole_numbers_stay_what_they_are(call: Any) -> None:
    """Those that JavaScript would round, too; what is a text stays one."""
    text = '{"a":12345678901234567891,"b":[-9007199254740993, 1.5, 7],"jid":"20261125221427006867"}'
    shown = call("lib/wire.js", "decoded", text)
    assert shown["b"][1:] == [1.5, 7]
    assert shown["jid"] == "20261125221427006867"
    assert [str(shown["a"]), str(shown["b"][0])] == ["12345678901234567891", "-9007199254740993"]


def test_further_positional_arguments_stand_behind_the_fields_in_their_order(call: Any) -> None:
    """Defaults fill the places between, for Salt counts them."""
    made = call("lib/arguments.js", "callOf", FIELDS, {"last": "z"}, "1\ntwo", "")
    assert made == {"args": [None, 7, "z", 1, "two"], "kwargs": {}}


def test_a_value_is_written_up_to_a_length_and_a_depth(call: Any) -> None:
    """And whether that was all of it is told."""
    assert call("lib/text.js", "readable", {"a": [1, "b"], "c": {}}) == [
        '{\n  "a": [\n    1,\n    "b"\n  ],\n  "c": {}\n}',
        True,
    ]
    text, whole = call("lib/text.js", "readable", {"long": ["x" * 1000] * 1000}, 5000)
    assert (len(text) <= 5000, whole) == (True, False)
    nested: Any = 1
    for _ in range(60):
        nested = {"in": nested}
    assert "nested deeper" in call("lib/text.js", "readable", nested)[0]


def test_an_address_leads_back_to_what_it_was_made_from(call: Any) -> None:
    """Whatever the id looks like."""
    for name in ("web-1", "a b/c?d#e%f", "<b>'\"", "ünï", "..", "%zz"):
        address = call("lib/route.js", "to", "fleet", name)
        assert call("lib/route.js", "read", address)["rest"] == name
    assert call("lib/route.js", "read", "#/fleet/%zz")["rest"] == "%zz"


def test_only_a_highstate_is_taken_for_one(call: Any) -> None:
    """A return of another kind, or of a broken one, is shown as it is."""
    state = {"result": False, "comment": ["odd"], "changes": None}
    found = call("stores/job.js", "statesOf", {"test_|-an id_|-a name_|-nop": state})
    assert [(one["id"], one["fun"], one["failed"], one["changed"]) for one in found] == [
        ("an id", "test.nop", True, False)
    ]
    for other in ({}, [], None, "text", ["Rendering SLS failed"], {"a": 1}, {"test_|-a_|-a_|-nop": None, "b": {}}):
        assert call("stores/job.js", "statesOf", other) is None


SHOWN_AS_THEY_ARE = ["plain", "line\nand\ttab", "from Windows\r\n", "äß 漢字 🚀 e\u0301", "a\u00a0b\u3000c", "\\u202e"]
ESCAPED = {
    "bidirectional override": ("a\u202eb", "a\\u202eb"),
    "isolates": ("\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"),
    "marks of direction": ("\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"),
    "zero width": ("\u200b\u200c\u200d\u2060\ufeff", "\\u200b\\u200c\\u200d\\u2060\\ufeff"),
    "escape sequence": ("\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"),
    "C0 and C1": ("\x00\x07\x08\x7f\x9b", "\\u0000\\u0007\\u0008\\u007f\\u009b"),
    "carriage return": ("safe\rrm", "safe\\u000drm"),
    "soft hyphen": ("\u00ad", "\\u00ad"),
    "separators": ("\u2028\u2029", "\\u2028\\u2029"),
    "tags": ("\U000e0041", "\\udb40\\udc41"),
    "variation selectors": ("\ufe0f\U000e0100", "\\ufe0f\\udb40\\udd00"),
    "fillers": ("\u115f\u1160\u3164\uffa0\u034f", "\\u115f\\u1160\\u3164\\uffa0\\u034f"),
}


@pytest.mark.parametrize("text", SHOWN_AS_THEY_ARE, ids=ascii)
def test_what_can_be_seen_is_shown_as_it_is(call: Any, text: str) -> None:
    """Whatever its script."""
    assert call("lib/visible.js", "visible", text) == text


@pytest.mark.parametrize(("text", "shown"), ESCAPED.values(), ids=ESCAPED)
def test_what_cannot_be_seen_is_shown_as_an_escape(call: Any, text: str, shown: str) -> None:
    """One that JSON reads as the same character; and a second pass changes nothing."""
    assert call("lib/visible.js", "visible", text) == shown
    assert call("lib/visible.js", "visible", shown) == shown
    assert json.loads(f'"{shown}"') == text
