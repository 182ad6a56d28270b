"""The engine's options: defaults, faults and values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from websocket_api.errors import CannotRun
from websocket_api.settings import CLIENTS, History, Limits, Settings

from tests.support.schemas import SCHEMAS

TLS = {"ssl_crt": "/etc/tls/a.crt", "ssl_key": "/etc/tls/a.key"}


def load(options: dict[str, Any] | None = None, **opts: Any) -> Settings:
    """Return the settings for these options and this master configuration."""
    return Settings.load(options or {}, opts, SCHEMAS)


def test_the_schema_and_the_types_have_the_same_options_and_defaults() -> None:
    """Operators read settings.json, so the code must have the same defaults."""
    known = dataclasses.asdict(Settings())
    declared = SCHEMAS.defaults()
    assert set(known) == set(declared)
    assert declared["history"] == dataclasses.asdict(History())
    assert declared["limits"] == dataclasses.asdict(Limits())
    # Lists are tuples here, and what null means is decided when the options are read.
    read = {"cors_origin": (), "allowed_hosts": (), "trusted_proxies": (), "clients": ("local", "local_async")}
    for name, value in declared.items():
        if name not in ("history", "limits"):
            assert known[name] == (read[name] if value is None and name in read else value), name


def test_the_schema_and_the_code_know_the_same_clients() -> None:
    """A client that only one of them knows could be enabled and never work, or the other way round."""
    assert tuple(SCHEMAS.settings["properties"]["clients"]["items"]["enum"]) == CLIENTS


def test_without_options_everything_has_its_default() -> None:
    """An engine without configuration serves on loopback only."""
    assert load() == Settings()
    assert load().address == "127.0.0.1"


def test_options_replace_defaults_one_by_one() -> None:
    """A single limit can be changed alone."""
    settings = load({"port": 9000, "limits": {"jobs": 5}, "history": {"seconds": 1.5}})
    assert settings.port == 9000
    assert settings.limits == Limits(jobs=5)
    assert settings.history == History(seconds=1.5)


@pytest.mark.parametrize(
    ("given", "master", "enabled"),
    [
        (None, {}, ("local", "local_async")),
        (None, {"netapi_enable_clients": None}, ("local", "local_async")),
        (None, {"netapi_enable_clients": []}, ("local", "local_async")),
        (None, {"netapi_enable_clients": ["runner", "ssh", "local"]}, ("local", "runner")),
        (None, {"netapi_enable_clients": ["ssh"]}, ()),
        ([], {"netapi_enable_clients": ["runner"]}, ()),
        (["wheel", "local", "wheel"], {"netapi_enable_clients": ["runner"]}, ("wheel", "local")),
    ],
)
def test_clients_are_ours_else_the_masters_else_local(given: Any, master: dict[str, Any], enabled: tuple[str]) -> None:
    """The master's setting for salt-api is also used here; Salt's default is an empty list."""
    assert load({"clients": given}, **master).clients == enabled


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("cors_origin", "https://a.example", ("https://a.example",)),
        ("cors_origin", ["https://a.example", "http://b:8080"], ("https://a.example", "http://b:8080")),
        ("cors_origin", "*", ("*",)),
        ("cors_origin", None, ()),
        ("allow_from", ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"], ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")),
        ("allow_from", None, None),
        ("allowed_hosts", ["salt.example.com"], ("salt.example.com",)),
        ("allowed_hosts", None, ()),
        ("trusted_proxies", ["127.0.0.1"], ("127.0.0.1/32",)),
        ("trusted_proxies", [], ()),
        ("trusted_proxies", None, ()),
    ],
)
def test_lists_become_tuples_in_one_form(name: str, given: Any, value: Any) -> None:
    """So code that reads a setting needs no cases for a string, a list or null."""
    assert getattr(load({name: given}), name) == value


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_tls_may_be_left_out(address: str) -> None:
    """Only this host can connect there."""
    assert load({"address": address}).ssl_crt is None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "salt.example.com"])
def test_other_addresses_need_tls_or_disable_ssl(address: str) -> None:
    """Unencrypted passwords need an explicit option."""
    with pytest.raises(CannotRun, match="address can be reached from other hosts"):
        load({"address": address})
    assert load({"address": address, **TLS}).ssl_crt == TLS["ssl_crt"]
    assert load({"address": address, "disable_ssl": True}).ssl_crt is None


def test_disable_ssl_overrides_a_certificate() -> None:
    """As in salt-api; the server then finds no certificate to use."""
    settings = load({"disable_ssl": True, **TLS})
    assert (settings.ssl_crt, settings.ssl_key) == (None, None)


WRONG = [
    ({"prot": 8000}, "prot is not an option of this engine"),
    ({"limits": {"job": 5}}, "limits.job is not an option of this engine"),
    ({"port": "8000"}, "port must be an integer"),
    ({"port": 70000}, "port must be at most 65535"),
    ({"limits": None}, "limits must be an object"),
    ({"limits": {"threads": 0}}, "limits.threads must be at least 1"),
    ({"limits": {"ping_seconds": 0}}, "limits.ping_seconds must be more than 0"),
    ({"clients": ["local", "ssh"]}, "clients.1 must be one of: local, local_async"),
    ({"ssl_key": "/a.key"}, "ssl_key needs ssl_crt"),
    ({"ssl_crt": "a.crt"}, "ssl_crt must be the absolute path of a file"),
    ({"schemas": "schemas"}, "schemas must be a salt:// address or the absolute path of a directory"),
    ({"cors_origin": "https://a.example/"}, "cors_origin must be origins such as"),
    ({"cors_origin": ["https://A.example"]}, "cors_origin.0 must be an origin such as"),
    ({"cors_origin": ["*", "https://a.example"]}, "cors_origin must be either * for all origins, or a list of some"),
    ({"allow_from": []}, "allow_from must not be empty"),
    ({"allowed_hosts": ["salt.example.com:8000"]}, "allowed_hosts.0 must be a host name without a port"),
    ({"allow_from": ["10.0.0.1/8"]}, "allow_from.0 must be a network such as 10.0.0.0/8"),
    ({"trusted_proxies": ["::1", "proxy"]}, "trusted_proxies.1 must be a network"),
    (
        {"limits": {"message_bytes": 1024}},
        "limits.message_bytes_before_auth must be at most message_bytes",
    ),
    (
        {"limits": {"login_failures_per_minute": 100}},
        "limits.login_failures_per_minute must be at most login_failures_per_address_per_minute",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG)
def test_an_invalid_option_is_named_with_its_allowed_values(options: dict[str, Any], sentence: str) -> None:
    """With the name of the option as in the configuration."""
    with pytest.raises(CannotRun) as caught:
        load(options)
    assert str(caught.value).startswith(f"wrong options: {sentence}")
    assert ";" not in str(caught.value)


def test_all_invalid_options_are_named_at_once() -> None:
    """So one restart of the master is enough. Contradictions are reported together with single faults."""
    with pytest.raises(CannotRun) as caught:
        load({"port": "x", "metrics": 1, "ssl_key": "/a.key", "address": "0.0.0.0", "allow_from": ["x"]})
    for sentence in ("port must", "metrics must", "ssl_key needs", "address can be reached", "allow_from.0 must"):
        assert sentence in str(caught.value)


def test_an_invalid_option_is_not_also_reported_as_missing() -> None:
    """A wrong path of a certificate is one fault, not two."""
    with pytest.raises(CannotRun) as caught:
        load({"address": "0.0.0.0", "ssl_crt": "a.crt", "ssl_key": "/a.key"})
    assert str(caught.value).count(";") == 0


def test_the_value_of_an_option_is_never_repeated() -> None:
    """The message is logged."""
    with pytest.raises(CannotRun) as caught:
        load({"eauth": "hunter 2", "ssl_crt": "hunter2", "allow_from": ["hunter2"], "app_path": "hunter2"})
    assert "hunter" not in str(caught.value)
