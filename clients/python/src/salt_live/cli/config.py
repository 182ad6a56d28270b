"""Settings: options, then the environment, then the files, as pepper orders them.

``~/.config/salt-live/config.toml`` has a table per profile, with the same names in lower case without ``saltapi_``::

    [main]
    url = "wss://salt.example.com:8000"
    user = "alice"
    eauth = "ldap"

``~/.pepperrc`` is pepper's own file; it is read if the profile is not in config.toml.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salt_live.wire import address

if sys.version_info >= (3, 11):
    import tomllib

DEFAULT_URL = "ws://127.0.0.1:8000"
NAMES = {"url": "SALTAPI_URL", "user": "SALTAPI_USER", "password": "SALTAPI_PASS", "eauth": "SALTAPI_EAUTH"}


class ConfigError(Exception):
    """A file or an address cannot be used."""


@dataclass(frozen=True)
class Config:
    """The settings of one run.

    :param url: the server's websocket; several of one master are separated by commas, and tried in turn
    :param eauth: None for the server's own default
    :param token: an existing token, from ``SALTAPI_TOKEN``
    :param ca: a file of certificates to trust
    """

    url: str = DEFAULT_URL
    user: str | None = None
    password: str | None = None
    eauth: str | None = None
    token: str | None = None
    ca: str | None = None
    insecure: bool = False
    keyring: bool = False
    folder: Path = Path()

    @property
    def urls(self) -> list[str]:
        """The addresses."""
        return self.url.split(",")


def load(options: Any, env: Mapping[str, str], home: Path) -> Config:
    """Return the settings of this run.

    :param options: parsed options: url, username, password, eauth, profile, config, ca, insecure
    :raises ConfigError: a file is damaged, or the address is invalid
    """
    folder = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "salt-live"
    profile = options.profile or env.get("PEPPERPROFILE", "main")
    found = _from_toml(folder / "config.toml", profile)
    if found is None:
        found = _from_pepperrc(Path(options.config or env.get("PEPPERRC") or home / ".pepperrc"), profile)
    if found is None:
        if options.profile and options.profile != "main":
            raise ConfigError(f"there is no profile {profile} in {folder / 'config.toml'} or ~/.pepperrc")
        found = {}
    for name, variable in NAMES.items():
        if variable in env:
            found[name] = env[variable]
    given = {"url": options.url, "user": options.username, "password": options.password, "eauth": options.eauth}
    found.update({name: value for name, value in given.items() if value})
    eauth = found.get("eauth")
    config = Config(
        url=_address(found.get("url") or DEFAULT_URL),
        user=found.get("user"),
        password=found.get("password"),
        eauth=None if eauth in (None, "", "auto") else eauth,
        token=env.get("SALTAPI_TOKEN") or None,
        ca=options.ca or found.get("ca"),
        insecure=options.insecure or bool(found.get("insecure")),
        keyring=bool(found.get("keyring")),
        folder=folder,
    )
    if options.username:  # another user's password from a file is not this user's
        return replace(config, password=options.password or env.get("SALTAPI_PASS"), token=None)
    return config


def _address(url: str | list[str]) -> str:
    """Return addresses as those of the websocket.

    :raises ConfigError: one is no address
    """
    try:
        urls = [item.strip() for item in (url.split(",") if isinstance(url, str) else url)]
        if any(letter.isspace() for letter in "".join(urls)):
            raise ValueError
        return ",".join(map(address, urls))
    except (ValueError, TypeError, AttributeError):
        raise ConfigError(f"invalid address {url!r}: use one such as wss://salt.example.com:8000") from None


def _from_toml(path: Path, profile: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        text = path.read_text("utf-8")
        tables = _load_toml(text)
    except (OSError, ValueError) as fault:
        raise ConfigError(f"cannot read {path}: {fault}") from None
    table = tables.get(profile)
    return dict(table) if isinstance(table, dict) else None


def _load_toml(text: str) -> dict[str, Any]:
    """Return the tables of TOML; on Python 3.10, which has no tomllib, those of text and booleans."""
    if sys.version_info >= (3, 11):
        return tomllib.loads(text)
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    try:
        parser.read_string(text)
    except configparser.Error as fault:
        raise ValueError(str(fault).replace("\n", " ")) from None
    words = {"true": True, "false": False}
    return {
        name: {key: words.get(value, value.strip("\"'")) for key, value in parser[name].items()}
        for name in parser.sections()
    }


def _from_pepperrc(path: Path, profile: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, "utf-8")
    except (configparser.Error, UnicodeDecodeError) as fault:
        raise ConfigError(f"cannot read {path}: {str(fault).splitlines()[0]}") from None
    if not parser.has_section(profile):
        return None
    return {name: parser.get(profile, key) for name, key in NAMES.items() if parser.has_option(profile, key)}


def home() -> Path:
    """Return the user's home, also where no account says it."""
    return Path(os.environ.get("HOME") or "/")
