"""Secrets are removed from events before any client sees them."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.events.event import make
from websocket_api.core.events.redaction import REDACTED, SECRET_NAMES, redact, redact_private_keys

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
MARK = {"__kwarg__": True}

PLACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "at the top": ({"token": "s"}, {"token": REDACTED}),
    "what Salt adds to a publish": ({"__pub_ret": "s"}, {"__pub_ret": REDACTED}),
    "in kwargs": ({"kwargs": {"password": "s"}}, {"kwargs": {"password": REDACTED}}),
    "in kwarg": ({"kwarg": {"password": "s"}}, {"kwarg": {"password": REDACTED}}),
    "in a runner's keywords": ({"fun_args": [1, {"token": "s"}]}, {"fun_args": [1, {"token": REDACTED}]}),
    "in a minion's keywords": (
        {"fun_args": ["a", {**MARK, "password": "s"}]},
        {"fun_args": ["a", {**MARK, "password": REDACTED}]},
    ),
    "in a publish load's keywords": ({"arg": [{**MARK, "key": "s"}]}, {"arg": [{**MARK, "key": REDACTED}]}),
    "in the keywords of one function of several": (
        {"arg": [["a", {**MARK, "password": "s"}], []], "fun_args": [[], [{**MARK, "token": "s"}]]},
        {"arg": [["a", {**MARK, "password": REDACTED}], []], "fun_args": [[], [{**MARK, "token": REDACTED}]]},
    ),
    "names that are not text": ({1: "a", "token": "s"}, {1: "a", "token": REDACTED}),
    "a whole object": ({"key": {"deep": ["s"]}}, {"key": REDACTED}),
}
OTHERS: dict[str, dict[str, Any]] = {
    "a name that only contains one": {"tokens": 1, "my_key": 2},
    "deeper inside a return": {"return": {"token": "not ours to know"}},
    "a positional object of a minion's function": {"arg": [{"key": "a value"}]},
    "a list among the arguments": {"arg": [["a", {"key": "a value"}], [[{**MARK, "key": "too deep"}]]], "fun_args": []},
    "a name that has the mark of a publish inside": {"my__pub_user": 1},
    "names that are no text": {1: "a", None: "b"},
    "keywords without secrets": {"kwargs": {"name": "nginx"}, "fun_args": [{"name": "nginx"}]},
}


@pytest.mark.parametrize(("data", "clean"), PLACES.values(), ids=PLACES)
def test_secrets_are_replaced(data: dict[str, Any], clean: dict[str, Any]) -> None:
    """The values of secret names are replaced at the top level and in keywords, and nowhere else."""
    assert redact({**data, "id": "web"}) == {**clean, "id": "web"}


@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_each_secret_name_is_redacted(name: str) -> None:
    """One case for each name."""
    assert redact({name: "s"}) == {name: REDACTED}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_an_event_without_secrets_is_not_copied(data: dict[str, Any]) -> None:
    """It is the same object."""
    assert redact(data) is data


def test_redaction_does_not_change_the_original() -> None:
    """It makes a copy: the data on the bus belong to Salt."""
    data = {"kwargs": {"token": "s"}, "token": "s"}
    redact(data)
    assert data == {"kwargs": {"token": "s"}, "token": "s"}


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (PEM, REDACTED),
        (f"before {PEM} after", f"before {REDACTED} after"),
        (f"{PEM}{PEM}", REDACTED * 2),
        ("-----BEGIN PRIVATE KEY-----\ncut off", REDACTED),
        ("-----BEGIN OPENSSH PRIVATE KEY-----x-----END OPENSSH PRIVATE KEY-----", REDACTED),
        ("-----BEGIN PUBLIC KEY-----x-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----x-----END PUBLIC KEY-----"),
        ({"a": [{"b": (PEM,)}]}, {"a": [{"b": [REDACTED]}]}),
        ({PEM: 1}, {REDACTED: 1}),
        (PEM.encode(), REDACTED),
        (b"plain", b"plain"),
        (17, 17),
    ],
)
def test_private_keys_are_replaced_at_any_depth(value: Any, clean: Any) -> None:
    """Also one that was cut off."""
    assert redact_private_keys(value) == clean


def test_a_private_key_in_a_return_is_removed() -> None:
    """From the body for clients and from the data for the registries."""
    event, data = make(1, "salt/wheel/20261123120000000001/ret", {"return": {"priv": PEM}}, 0.0)
    assert b"MIIE" not in event.body
    assert data == {"return": {"priv": REDACTED}}


def test_a_private_key_in_a_minions_event_is_removed() -> None:
    """Events of minions are searched for private keys too."""
    event, _ = make(1, "my/tag", {"cmd": "_minion_event", "id": "web", "data": {"x": PEM}}, 0.0)
    assert event.decoded() == {"seq": 1, "tag": "my/tag", "data": {"x": REDACTED}, "minion": "web"}


@pytest.mark.parametrize("value", [PEM.encode(), b"\xff\x00" + PEM.encode(), bytearray(b"\xfe" + PEM.encode())])
def test_a_private_key_among_bytes_is_not_hidden_in_base64(value: bytes) -> None:
    """Bytes that are not text are sent as base64, in which a search would not find the key."""
    event, data = make(1, "salt/wheel/20261123120000000001/ret", {"return": value}, 0.0)
    assert event.decoded()["data"]["return"].endswith(REDACTED)
    assert "MIIE" not in str(data)


def test_fields_of_a_minions_event_keep_their_values() -> None:
    """A minion's own field may be called key; it is shown unwrapped."""
    event, _ = make(1, "my/tag", {"cmd": "_minion_event", "id": "web", "data": {"key": "value"}}, 0.0)
    assert event.decoded()["data"] == {"key": "value"}
