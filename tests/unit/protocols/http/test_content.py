"""Content negotiation: every body is parsed by its type, or refused with an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("yaml")

import yaml
from websocket_api.errors import ApiError
from websocket_api.protocols.http import content

JSON, YAML, FORM = content.JSON, content.YAML, content.FORM
DOUBLED = [
    f"{letter}: &{letter} [{','.join([f'*{before}'] * 8)}]"
    for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
]
BOMB = "\n".join(["a: &a [x]", *DOUBLED]).encode()
"""A few hundred bytes that stand for some twenty million values."""
MERGED = f"a: &a {{{','.join(f'k{i}: 1' for i in range(200))}}}\nb: {{<<: [{','.join(['*a'] * 150)}]}}".encode()
"""A merge of far more pairs than are sent; most PyYAMLs copy them, and those again where this is merged."""


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/x-yaml", YAML),
        ("application/*", JSON),
        ("application/json;q=0.5, application/x-yaml", YAML),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("application/json;q=0, */*;q=0.1", YAML),
        ("Application/JSON; charset=utf-8", JSON),
        ("application/json;q=1, application/x-yaml", JSON),  # 1 is the default
        ("application/json;q=0.5, application/x-yaml;q=1", YAML),
    ],
)
def test_the_answer_has_the_preferred_type(header: str | None, kind: str) -> None:
    """Accept counts as in RFC 9110; without it the answer is JSON."""
    assert content.accepted(header) == kind


@pytest.mark.parametrize("header", ["image/png", "text/html", "application/json;q=0", "application/json;q=x"])
def test_a_client_that_accepts_neither_type_is_refused(header: str) -> None:
    """The status is 406."""
    with pytest.raises(ApiError) as refused:
        content.accepted(header)
    assert refused.value.status == 406


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        ("", False),
        ("gzip", True),
        ("GZip ; q=1", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *;q=1", False),
        ("*;q=0", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0.5, identity;q=0.9", False),
        ("gzip;q=0.9, identity;q=0.5", True),
        ("gzip;q=x", False),
        ("gzip;q=nan", False),
        (",;, ;q=1", False),
    ],
)
def test_a_client_gets_gzip_only_if_it_accepts_it(header: str, accepts: bool) -> None:
    """Accept-Encoding counts as in RFC 9110, 12.5.3; a client that prefers the plain file gets it."""
    assert content.accepts_gzip(header) is accepts


async def test_a_form_has_its_keyword_arguments_once() -> None:
    """Twice is ambiguous, and refused by name; an empty field counts as none."""
    assert await content.read(b"kwarg=&fun=test.ping", FORM) == {"fun": "test.ping"}
    with pytest.raises(ApiError) as refused:
        await content.read(b"kwarg=a&kwarg=b", FORM)
    assert (refused.value.code, refused.value.message) == ("bad_message", "kwarg must not be there twice")
    assert refused.value.details == [{"path": "/kwarg", "message": "must not be there twice"}]


@pytest.mark.with_salt
@pytest.mark.parametrize(
    ("body", "header", "value"),
    [
        (b'{"a": [1, null]}', "application/json; charset=UTF-8", {"a": [1, None]}),
        (b'[{"client": "local"}]', "text/plain;charset=UTF-8", [{"client": "local"}]),
        (b"just text", "text/plain", "just text"),
        (b'{"a": 1}', None, {"a": 1}),
        (b"a: [1, two]\nb: {c: true}\n", YAML, {"a": [1, "two"], "b": {"c": True}}),
        (b"- x\n", "text/yaml", ["x"]),
        (b"", JSON, None),
        (b"client=local&tgt=%2A&fun=test.ping", FORM, {"client": "local", "tgt": "*", "fun": "test.ping"}),
        (b"arg=1&arg=two&arg=true", FORM, {"arg": [1, "two", True]}),
        (b"arg=%5B1%2C2%5D&kwarg=%7Ba%3A%201%7D", FORM, {"arg": [[1, 2]], "kwarg": {"a": 1}}),
        (b"arg=a%3A%20b%3A&x=", FORM, {"arg": ["a: b:"], "x": ""}),
        (b"arg=%23%20no+comment&arg=null&arg=", FORM, {"arg": ["# no comment", None, ""]}),
        (b"mods=a&mods=b", FORM, {"mods": ["a", "b"]}),
        (b"d: 2020-01-02\n1: x\n", YAML, {"d": "2020-01-02", "1": "x"}),
        (b"a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", YAML, {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
        (b"n: 1:30\nh: 0x1F", YAML, {"n": 90, "h": 31}),
        (
            b"arg=!!int+%22%22&arg=!!bool+x&arg=0x" + b"f" * 2000,
            FORM,
            {"arg": ['!!int ""', "!!bool x", "0x" + "f" * 2000]},
        ),
    ],
)
async def test_a_body_is_parsed_by_its_type(body: bytes, header: str | None, value: Any) -> None:
    """JSON, YAML, forms whose arguments are YAML, and plain text that is JSON if possible."""
    assert await content.read(body, header) == value


@pytest.mark.with_salt
@pytest.mark.parametrize(
    ("body", "header"),
    [
        (b'{"a": ', JSON),
        (b"\xff\xfe", JSON),
        (b"NaN", JSON),
        (b"a: [", YAML),
        (b"!!python/object/apply:os.system ['touch /nowhere']", YAML),
        (b"!!python/name:os.system", YAML),
        (b"- " * 5000, YAML),
        (b"[" * 100_000, YAML),
        (b"&a [*a]", YAML),
        (BOMB, YAML),
        (MERGED, YAML),
        (b"&a {<<: *a}", YAML),
        (b'!!int ""', YAML),
        (b'!!float ""', YAML),
        (b"!!bool maybe", YAML),
        (b"1" + b":1" * 500 + b".5", YAML),
        (b"0x" + b"f" * 4000, YAML),
        (b"1" + b":1" * 100_000, YAML),
        (b"a=%ff", FORM),
        (b"&".join(b"a=1" for _ in range(10_001)), FORM),
    ],
)
async def test_an_invalid_body_is_refused(body: bytes, header: str) -> None:
    """Object tags construct nothing, and aliases cannot stand for more values than a document may hold."""
    with pytest.raises(ApiError) as refused:
        await content.read(body, header)
    assert (refused.value.code, refused.value.status) == ("bad_json", 400)


async def test_an_unknown_type_is_refused() -> None:
    """The status is 406, as in rest_cherrypy."""
    with pytest.raises(ApiError) as refused:
        await content.read(b"x", "application/pdf")
    assert refused.value.status == 406


def test_yaml_and_json_answers_have_the_same_content() -> None:
    """Every value of Salt's is encoded, bytes too."""
    value = {"a": [1, None, float("nan")], "b": b"\xff", 3: {"c": "ä"}, "t": (1,)}
    as_json = json.loads(content.encoded(value, JSON))
    assert yaml.safe_load(content.encoded(value, YAML)) == as_json
    assert as_json["b"] == {"base64": "/w=="}


@pytest.mark.parametrize(
    ("header", "json"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/plain, application/json;q=0.5", False),
        ("application/json;q=0", False),
        ("application/json", True),
        ("Application/JSON, text/plain, */*", True),
        ("application/json;q=0.5, */*;q=0.1", True),
    ],
)
def test_json_instead_of_text_is_for_clients_that_name_it(header: str | None, json: bool) -> None:
    """A load balancer accepts everything, and gets one line."""
    assert content.prefers_json(header) is json
