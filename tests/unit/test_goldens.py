"""The recorded answers of Salt's own servers, and how they become comparable."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.goldens import files
from tests.goldens.differences import TORNADO
from tests.goldens.frames import kind_of
from tests.goldens.request import Request, as_yaml, form
from tests.goldens.requests import REQUESTS
from tests.goldens.sending import Answer
from tests.goldens.shape import shape

pytestmark = pytest.mark.any_python

PEERS = ("rest_cherrypy", "rest_tornado")
JID = "20260102030405678901"
KNOWN = {"<known jid>": JID}

DOCUMENT = Path(__file__).parents[2] / "docs" / "salt-api.md"

UNWANTED = (
    r"/(?:tmp|home|root|usr|opt|var|work)/",
    r"(?<![0-9a-f])(?!0{40})[0-9a-f]{40}",  # a token or session; the requests hold ones of noughts
    r"(?<!\d)20(?!200101000000)\d{18}(?!\d)",  # a jid; the requests hold an unknown one
    r"PRIVATE KEY|PUBLIC KEY",
    r"\d+\.\d+\.\d+\.\d+:\d",
    r"\b(?!127\.0\.0\.1\b)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
    r"\d{4}-\d\d-\d\dT",
    r'"(?:password|sharedsecret)\\?": \\?"(?!<password>|wrong)',
)


@pytest.mark.parametrize("peer", PEERS)
def test_every_request_has_one_recorded_answer(peer: str) -> None:
    """After a change of the table, record again."""
    recorded = {name: one["request"] for name, one in files.load(peer).items()}
    wanted = {request.name: json.loads(json.dumps(request.record())) for request in REQUESTS}
    assert recorded == wanted, "run make goldens"


@pytest.mark.parametrize("peer", PEERS)
def test_every_answer_has_a_status_or_a_reason(peer: str) -> None:
    """A server may never answer a request; the recording says so."""
    for name, one in files.load(peer).items():
        assert isinstance(one["answer"]["status"], int) or one["answer"]["fault"], name


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", ["local", "local as a list", "local as YAML", "a form", "YAML", "JSON as plain text"])
def test_the_minions_answered_in_time_when_it_was_recorded(peer: str, name: str) -> None:
    """On a busy machine rest_tornado gives up; such a recording is no reference."""
    answers = files.load(peer)
    (body,) = answers[name]["answer"]["body"].values()
    assert body == {"return": [{"minion-1": True, "minion-2": True}]}
    # The slowest of all: the minion looks through everything that it can load.
    assert answers["local of an unknown function"]["answer"]["body"]["json"]["return"][0]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("pattern", UNWANTED)
def test_golden_files_have_no_secret_and_no_machine_data(peer: str, pattern: str) -> None:
    """Tokens, keys, jids, times, addresses and paths are replaced when recording."""
    found = re.search(rf".{{0,60}}(?:{pattern}).{{0,60}}", files.path(peer).read_text(encoding="utf-8"))
    assert found is None, found


def test_names_of_requests_are_unique() -> None:
    """An answer is found by the name of its request."""
    assert [name for name, count in Counter(request.name for request in REQUESTS).items() if count > 1] == []


def test_placeholders_are_replaced_everywhere() -> None:
    """In path, headers and every kind of body."""
    request = Request(
        "x", "POST", "/jobs/<known jid>", '"<known jid>"', headers={"Cookie": "session_id=<session demo>"}
    )
    values = {**KNOWN, "<session demo>": "abc"}
    assert request.filled(values) == (
        "POST",
        f"/jobs/{JID}",
        {"Content-Type": "application/json", "X-Auth-Token": "abc", "Cookie": "session_id=abc"},
        f'"{JID}"'.encode(),
    )
    assert (
        form("x", "/", [("jid", "<known jid>"), ("arg", "a=1&b")]).filled(KNOWN)[3]
        == f"jid={JID}&arg=a%3D1%26b".encode()
    )
    assert (
        as_yaml("x", "/", [{"jid": "<known jid>", "a": [1]}]).filled(KNOWN)[3] == f'- jid: "{JID}"\n  a: [1]\n'.encode()
    )


def _shape(value: Any, content: str = "application/json", **more: Any) -> dict[str, Any]:
    headers = [("Content-Type", content), *more.pop("headers", [])]
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return shape(Answer(200, headers, body, **more), KNOWN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"jid": "20260102030405000000"}, {"jid": "<jid>"}),
        ({"jid": JID, "_stamp": "2026-01-02T03:04:05.6"}, {"jid": "<known jid>", "_stamp": "<time>"}),
        ({"token": "ab" * 32, "expire": 1.5}, {"token": "<token>", "expire": "<time>"}),
        ({"minions": ["minion-2", "minion-1"]}, {"minions": ["minion-1", "minion-2"]}),
        ({"minions": {"minion-1": ":".join(["ab"] * 32)}}, {"minions": {"minion-1": "<fingerprint>"}}),
        ({JID: {"a": 1}, "20260102030405000000": {"a": 2}}, {"<known jid>": {"a": 1}}),
        ([{"minion-2": 1}, {"minion-1": 2}], [{"minion-1": 2}, {"minion-2": 1}]),
        ([{"minion-2": 1}, {"away": 2}], [{"minion-2": 1}, {"away": 2}]),
        ({"kernel": "Linux", "saltversion": "1", "odd": 1}, {"<grains>": ["kernel", "saltversion"]}),
        (["Traceback (most recent call last):\n  File x\n    y\nKeyError: 1"], ["<traceback> KeyError: 1"]),
    ],
)
def test_values_that_change_with_each_run_become_placeholders(value: Any, expected: Any) -> None:
    """Everything else stays as the server sent it."""
    assert _shape(value)["body"] == {"json": expected}


def test_a_cookie_keeps_its_attributes_and_loses_its_value() -> None:
    """Browsers act on attributes; a date among them changes each time."""
    text = f"session_id={'ab' * 20}; expires=Sat, 02 Jan 2027 03:04:05 GMT; HttpOnly; Path=/; SameSite=Strict"
    cookie = {"value": "<token>", "expires": "<time>", "httponly": True, "path": "/", "samesite": "Strict"}
    assert _shape({}, headers=[("Set-Cookie", text)])["headers"]["set-cookie"] == {"session_id": cookie}


def test_an_error_page_becomes_its_title_and_sentence() -> None:
    """For both servers; the rest of a page is decoration."""
    cherrypy = "<html><title>400 Bad Request</title><body><h2>400</h2><p>It&#x27;s</p></body></html>"
    tornado = "<html><title>400: Bad</title><body>400: Bad</body></html>"
    assert _shape(cherrypy, "text/html;charset=utf-8")["body"] == {
        "html": {"title": "400 Bad Request", "sentence": "It's"}
    }
    assert _shape(tornado, "text/html")["body"] == {"html": {"title": "400: Bad", "sentence": "400: Bad"}}


def test_a_frame_keeps_the_text_around_its_json() -> None:
    """Clients parse blank lines and prefixes."""
    job = {"fun": "test.ping", "tgt": "minion-1", "state": "running"}
    text = json.dumps({"jobs": {"20260102030405000000": {}, "20260102030405000001": job}}) + "\n\n"
    assert kind_of(text) == "job running"
    found = _shape("", frames=[("job running", text)])["frames"]["job running"]
    assert found == {"text": "<json>\n\n", "json": {"jobs": {"<jid>": job}}}


def test_a_missing_answer_is_recorded_as_missing() -> None:
    """There is nothing else to compare."""
    assert shape(Answer(None, fault="no answer"), KNOWN) == {"status": None, "fault": "no answer"}


def test_differences_from_rest_tornado_are_documented() -> None:
    """Each difference from rest_cherrypy's answers has a row, and each row has a difference."""
    theirs, ours = files.load("rest_tornado"), files.load("rest_cherrypy")

    def seen(answer: dict[str, Any]) -> Any:
        status = answer["status"]
        return status, None if status is None or status >= 400 else answer.get("body")

    differ = {name for name in ours if seen(ours[name]["answer"]) != seen(theirs[name]["answer"])}
    rows = {row: {name for name in differ if re.fullmatch(names, name)} for row, names in TORNADO.items()}
    assert sorted(differ.difference(*rows.values())) == []
    assert [row for row, names in rows.items() if not names] == []
    told = {line.split("|")[1].strip() for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if "|" in line[1:]}
    assert sorted(set(TORNADO) - told) == []
