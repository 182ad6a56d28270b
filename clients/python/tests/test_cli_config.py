"""Settings and kept tokens."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from salt_live.cli.config import ConfigError, load
from salt_live.cli.parser import parse
from salt_live.cli.token_file import TokenStore

PEPPERRC = """\
[main]
SALTAPI_URL=https://pepper:8000/
SALTAPI_USER=saltdev
SALTAPI_PASS=100%right
SALTAPI_EAUTH=pam
[other]
SALTAPI_USER=other
"""
TOML = '[main]\nurl = "wss://toml:8000"\nuser = "alice"\neauth = "auto"\n'


def settings(home: Path, line: str = "", env: dict[str, str] | None = None) -> Any:
    return load(parse([*line.split(), "*", "test.ping"]), env or {}, home)


def test_without_any_file_the_local_server_is_used(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.url, found.user, found.eauth) == ("ws://127.0.0.1:8000/ws", None, None)


def test_pepperrc_is_read(tmp_path: Path) -> None:
    (tmp_path / ".pepperrc").write_text(PEPPERRC)
    found = settings(tmp_path)
    assert (found.url, found.user, found.password, found.eauth) == (
        "wss://pepper:8000/ws",
        "saltdev",
        "100%right",
        "pam",
    )
    assert settings(tmp_path, "-p other").user == "other"
    with pytest.raises(ConfigError, match="there is no profile gone"):
        settings(tmp_path, "-p gone")


def test_own_file_then_environment_then_options_win(tmp_path: Path) -> None:
    (tmp_path / ".pepperrc").write_text(PEPPERRC)
    own = tmp_path / ".config" / "salt-live" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(TOML)
    found = settings(tmp_path)
    assert (found.url, found.user, found.password, found.eauth) == ("wss://toml:8000/ws", "alice", None, None)
    env = {"SALTAPI_USER": "env", "SALTAPI_PASS": "secret"}
    assert settings(tmp_path, "", env).user == "env"
    assert settings(tmp_path, "--username bob -u host:1", env).user == "bob"
    assert settings(tmp_path, "-u host:1", env).url == "ws://host:1/ws"


def test_several_addresses_are_separated_by_commas(tmp_path: Path) -> None:
    """On the command line and in a file."""
    both = ["wss://m1/ws", "ws://m2:80/ws"]
    assert settings(tmp_path, "-u https://m1,m2:80").urls == both
    own = tmp_path / ".config" / "salt-live" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[main]\nurl = "https://m1, m2:80"\n')
    assert settings(tmp_path).urls == both


@pytest.mark.parametrize("url", ["ftp://x", "http://", "a b", "ws://:80", "m1,,m2", "m1,ftp://x", [1]])
def test_an_invalid_address_is_refused(tmp_path: Path, url: Any) -> None:
    options = parse(["*", "test.ping"])
    options.url = url
    with pytest.raises(ConfigError, match="invalid address"):
        load(options, {}, tmp_path)


@pytest.mark.parametrize("name", [".pepperrc", ".config/salt-live/config.toml"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not = [ a file\n[")
    with pytest.raises(ConfigError, match=path.name):
        settings(tmp_path)


def token(name: str = "alice", seconds: float = 3600) -> dict[str, Any]:
    return {"token": f"t-{name}", "user": name, "eauth": "pam", "expire": time.time() + seconds}


def test_tokens_are_kept_in_a_file_of_the_owner_alone(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "new" / "tokens.json")
    store.put("ws://a", token())
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert store.get("ws://a", None, None)["token"] == "t-alice"  # type: ignore[index]
    assert store.get("ws://b", None, None) is None
    assert store.get("ws://a", "bob", None) is None
    assert store.get("ws://a", "alice", "ldap") is None


def test_a_token_that_soon_ends_is_not_used(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    store.put("ws://a", token(seconds=30))
    assert store.get("ws://a", None, None) is None


def test_the_last_login_of_a_server_is_used(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    store.put("ws://a", token("alice"))
    store.put("ws://a", token("bob"))
    assert store.get("ws://a", None, None)["user"] == "bob"  # type: ignore[index]
    store.drop("t-bob")
    assert store.get("ws://a", None, None)["user"] == "alice"  # type: ignore[index]


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", '{"a": 1}', "\x00"),
        '{"a": {"url": "ws://a", "expire": "x", "saved": 1, "token": "t"}}',
        '{"a": {"url": "ws://a", "expire": 9e99, "saved": 1}}',
        '{"a": {"url": "ws://a", "expire": 9e99, "saved": null, "token": "t"}}',
    ],
)
def test_a_damaged_file_of_tokens_counts_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    path.chmod(0o600)
    store = TokenStore(path)
    assert store.get("ws://a", None, None) is None
    store.drop("t")
    store.put("ws://a", token())
    assert store.get("ws://a", None, None)["token"] == "t-alice"  # type: ignore[index]


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    store.put("ws://a", token())
    store.path.chmod(0o644)
    assert store.get("ws://a", None, None) is None


class Keyring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.text: str | None = None

    def get_password(self, _service: str, _name: str) -> str | None:
        return self.text

    def set_password(self, _service: str, _name: str, text: str) -> None:
        self.text = text


def test_a_keyring_is_used_instead_of_the_file(tmp_path: Path) -> None:
    keyring = Keyring()
    store = TokenStore(tmp_path / "tokens.json", keyring)
    store.put("ws://a", token())
    assert not store.path.exists()
    assert "t-alice" in json.dumps(store.get("ws://a", None, None))
