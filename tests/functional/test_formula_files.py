"""The formula's certificate: what is refused of the pillar's, and when a self-signed one is renewed."""

from __future__ import annotations

import importlib.util
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("salt")

from cryptography import x509
from cryptography.hazmat.primitives import serialization

MODULE = Path(__file__).resolve().parents[2] / "_modules" / "websocket_api_files.py"


@pytest.fixture
def module(tmp_path: Path, pillar: dict[str, Any]) -> ModuleType:
    """The execution module on a host whose master runs as the user who runs the tests."""
    spec = importlib.util.spec_from_file_location("formula_files", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__salt__ = {  # type: ignore[attr-defined]
        "pillar.get": lambda key, default, **_: pillar,
        "websocket_api_config.folder": lambda settings: str(tmp_path / "websocket_api"),
        "websocket_api_master.user": lambda settings: pwd.getpwuid(os.getuid()),
    }
    return module


@pytest.fixture
def pillar() -> dict[str, Any]:
    """What the pillar says of ``tls``."""
    return {}


def settings(**tls: Any) -> dict[str, Any]:
    """Return the formula's settings with the defaults of ``tls``."""
    return {"tls": {"source": "self_signed", "names": [], "days": 397, **tls}, "options": {}}


@pytest.fixture
def pairs(module: ModuleType) -> list[list[str]]:
    """Two certificates with their keys, in PEM."""
    return [[part.decode() for part in module._self_signed([name], 31)] for name in ("one", "two")]


def test_a_pair_of_the_pillar_is_taken(module: ModuleType, pillar: dict[str, Any], pairs: list[list[str]]) -> None:
    """A chain with the server's certificate first, and its key."""
    pillar.update(crt=pairs[0][0] + pairs[1][0], key=pairs[0][1])
    assert module.faults(settings(source="pillar")) == []


def test_certificates_that_no_server_can_use_are_refused(
    module: ModuleType, pillar: dict[str, Any], pairs: list[list[str]]
) -> None:
    """What is no PEM, what is locked, and a key of another certificate; nothing of a key is said."""
    key = serialization.load_pem_private_key(pairs[0][1].encode(), None)
    locking = serialization.BestAvailableEncryption(b"x")
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locking).decode()
    broken = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----"
    no_crt, no_key = "tls:crt must be a certificate in PEM", "tls:key must be a private key in PEM, without a password"
    table: list[tuple[Any, Any, list[str]]] = [
        (None, None, [no_crt, no_key]),
        (5, ["x"], [no_crt, no_key]),
        ("-----BEGIN CERTIFICATE-----\nnone", broken, [no_crt, no_key]),
        (pairs[0][1], pairs[0][0], [no_crt, no_key]),
        (pairs[0][0], locked, [no_key]),
        (pairs[1][0] + pairs[0][0], pairs[0][1], ["tls:key is not the key of the first certificate"]),
    ]
    for crt, private, expected in table:
        pillar.update(crt=crt, key=private)
        found = module.faults(settings(source="pillar"))
        assert [fault.startswith(start) for fault, start in zip(found, expected, strict=True)] == [True] * len(expected)
        assert not any("Y2FuYXJ5" in fault for fault in found)


@pytest.mark.parametrize(
    ("wish", "fault"),
    [
        ({"days": 30}, "tls:days must be more than 30"),
        ({"days": -1}, "tls:days must be more than 30"),
        ({"days": 10**9}, "tls:days must be more than 30, when it is renewed, and at most 36500"),
        ({"names": ["fine", "münchen.example"]}, "tls:names:1 must be a name or an address"),
        ({"names": [5]}, "tls:names:0 must be"),
        ({"names": [""]}, "tls:names:0 must be"),
        ({"names": ["two names"]}, "tls:names:0 must be"),
        ({"source": "acme"}, "tls:source must be"),
    ],
)
def test_wishes_that_no_certificate_can_meet_are_refused(module: ModuleType, wish: dict[str, Any], fault: str) -> None:
    """Days after which it would be made again at once, and names that no certificate can hold."""
    (found,) = module.faults(settings(**wish))
    assert found.startswith(fault)


def test_a_certificate_is_made_once(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept while it covers all names, and while a name server is down; a further name renews it."""
    monkeypatch.setattr(socket, "gethostname", lambda: "salt")
    monkeypatch.setattr(socket, "getfqdn", lambda: "salt.example.com")
    wanted = settings(names=["api.example.com", "192.0.2.1", "*.example.net", "xn--mnchen-3ya.example"], days=31)
    assert set(module.certificate(wanted).values()) == {"new"}
    assert module.certificate(wanted) == {}
    monkeypatch.setattr(socket, "getfqdn", lambda: "salt")
    wanted["tls"]["names"].pop()
    assert module.certificate(wanted) == {}, "one that is for more names is as good"
    wanted["tls"]["names"].append("further.example.com")
    assert set(module.certificate(wanted, test=True).values()) == {"to be created"}
    assert set(module.certificate(wanted).values()) == {"changed"}


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """A shell of a person who lets nobody else read anything."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_the_masters_user_can_read_it_whatever_the_umask(module: ModuleType, tmp_path: Path) -> None:
    """Everybody may read the folder and the certificate, only the master's user the key; changed modes are fixed."""
    folder = tmp_path / "websocket_api"

    def modes() -> list[int]:
        return [path.stat().st_mode & 0o777 for path in (folder, folder / "server.crt", folder / "server.key")]

    assert module.certificate(settings())
    assert modes() == [0o755, 0o444, 0o400]
    folder.chmod(0o700)
    (folder / "server.key").chmod(0o444)
    assert module.certificate(settings())
    assert modes() == [0o755, 0o444, 0o400]
    assert module.certificate(settings()) == {}


def test_a_certificate_names_all_that_it_is_for(module: ModuleType, tmp_path: Path) -> None:
    """The pillar's names and addresses, the host's own and the loopback ones."""
    module.certificate(settings(names=["api.example.com", "192.0.2.1", "2001:db8::1"]))
    made = x509.load_pem_x509_certificate((tmp_path / "websocket_api" / "server.crt").read_bytes())
    found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"api.example.com", "localhost", socket.gethostname()} <= set(found.get_values_for_type(x509.DNSName))
    addresses = {str(one) for one in found.get_values_for_type(x509.IPAddress)}
    assert {"192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"} <= addresses
