"""Create the formula's files for the master's user: the certificate with its key, and PAM's helper.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import datetime
import grp
import importlib.util
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

# A certificate with fewer days left is renewed at the next run, so weekly runs are enough.
RENEW_DAYS = 30

# Maximum validity. Much more would end after the last year that a date can have.
MAX_DAYS = 36500

# Mode of the folder with the files.
FOLDER_MODE = 0o755

# Debian's group whose members may check other users' passwords. PAM needs it if the master does not run as root.
SHADOW = "shadow"

# Outside of rendering, Salt 3008 masks values of the pillar; 3007 has no such argument.
UNMASKED = {"unmask": True} if importlib.util.find_spec("salt.utils.secret") else {}

Changes = dict[str, str]


def faults(settings: dict[str, Any]) -> list[str]:
    """Return one sentence for each fault of ``tls`` in the pillar, without its values."""
    source, tls = settings["tls"]["source"], __salt__["pillar.get"]("websocket_api:tls", {}, **UNMASKED)
    found = []
    if source not in ("self_signed", "pillar", "none"):
        found.append("tls:source must be self_signed, pillar or none")
    if source == "pillar" and isinstance(tls, dict):
        found += _pair_faults(tls.get("crt"), tls.get("key"))
    if source == "self_signed":
        found += _request_faults(settings["tls"]["names"], settings["tls"]["days"])
    for name in ("ssl_crt", "ssl_key"):
        if source != "none" and settings["options"].get(name):
            found.append(f"options:{name} names a file of your own: set tls:source to none")
    return found


def certificate(settings: dict[str, Any], test: bool = False) -> Changes:
    """Create or renew ``server.crt`` and ``server.key`` for the engine, and return the changes.

    :param test: change nothing, and return the changes that would be made
    """
    if settings["tls"]["source"] == "none":
        return {}
    crt, key = (_folder(settings) / name for name in ("server.crt", "server.key"))
    if settings["tls"]["source"] == "pillar":
        tls = __salt__["pillar.get"]("websocket_api:tls", {}, **UNMASKED)
        pair = [tls[name].strip().encode() + b"\n" for name in ("crt", "key")]
    elif _serves(crt, key, _names(settings)):
        pair = [crt.read_bytes(), key.read_bytes()]
    else:
        pair = [] if test else _self_signed(_names(settings), settings["tls"]["days"])
    if not pair:
        return {str(crt): "to be created", str(key): "to be created"}
    # Write the key first, because the engine reads both when the certificate changes.
    return {**_put(settings, key, pair[1], 0o400, test), **_put(settings, crt, pair[0], 0o444, test)}


def pam(settings: dict[str, Any], test: bool = False) -> Changes:
    """Set up what PAM logins need on this host, and return the changes. Does nothing without PAM logins."""
    if not settings["pam"] or "pam" not in settings["external_auth"]:
        return {}
    changes = {}
    if helper := __salt__["websocket_api_config.pam_helper"](settings):
        # A script and not a link: Salt resolves links, and so would leave a virtual environment.
        script = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'.encode()
        changes = _put(settings, Path(helper), script, 0o555, test)
    account = __salt__["websocket_api_master.user"](settings)
    groups = [group.gr_name for group in grp.getgrall()]
    if account.pw_uid != 0 and SHADOW in groups and account.pw_name not in grp.getgrnam(SHADOW).gr_mem:
        if not test:
            __salt__["group.adduser"](SHADOW, account.pw_name)
        changes[f"group {SHADOW}"] = f"{account.pw_name} added"
    return changes


def _folder(settings: dict[str, Any]) -> Path:
    return Path(__salt__["websocket_api_config.folder"](settings))


def _put(settings: dict[str, Any], path: Path, content: bytes, mode: int, test: bool) -> Changes:
    account = __salt__["websocket_api_master.user"](settings)
    there = path.stat() if path.is_file() else None
    if there and path.read_bytes() == content:
        modes = (path.parent.stat().st_mode & 0o777, there.st_mode & 0o7777)
        if (there.st_uid, *modes) == (account.pw_uid, FOLDER_MODE, mode):
            return {}
    if not test:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(FOLDER_MODE)  # independent of the umask, because the master's user needs access
        draft = path.with_name(f".{path.name}.draft")
        draft.unlink(missing_ok=True)
        # Other users must never be able to read it, not even briefly.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), account.pw_uid, account.pw_gid)
            os.fchmod(file.fileno(), mode)
        os.replace(draft, path)
    return {str(path): "changed" if there else "new"}


def _names(settings: dict[str, Any]) -> list[str]:
    own = [socket.getfqdn(), socket.gethostname(), "localhost", "127.0.0.1", "::1"]
    return list(dict.fromkeys([*settings["tls"]["names"], *own]))


def _serves(crt: Path, key: Path, names: list[str]) -> bool:
    """Return whether an existing pair covers these names and stays valid for some time."""
    if not (crt.is_file() and key.is_file()):
        return False
    try:
        made = x509.load_pem_x509_certificate(crt.read_bytes())
        found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    left = made.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    # More names are fine: a host without its name server has fewer, and clients already trust this certificate.
    return set(found) >= {_general_name(name) for name in names} and left.days >= RENEW_DAYS


def _pair_faults(crt: Any, key: Any) -> Iterator[str]:
    chain: list[x509.Certificate] = []
    own = None
    try:
        chain = x509.load_pem_x509_certificates(str(crt).encode())
    except ValueError:
        yield "tls:crt must be a certificate in PEM when tls:source is pillar"
    try:
        own = serialization.load_pem_private_key(str(key).encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield "tls:key must be a private key in PEM, without a password, when tls:source is pillar"
    if chain and own and chain[0].public_key() != own.public_key():
        yield "tls:key is not the key of the first certificate in tls:crt"


def _request_faults(names: Any, days: Any) -> Iterator[str]:
    for place, name in enumerate(names if isinstance(names, list) else []):
        # Names of other scripts are written as the DNS has them: xn--...
        if not (isinstance(name, str) and name.isascii() and name and not any(map(str.isspace, name))):
            yield f"tls:names:{place} must be a name or an address, in ASCII and without spaces"
    if isinstance(days, int) and not RENEW_DAYS < days <= MAX_DAYS:
        yield f"tls:days must be more than {RENEW_DAYS}, when it is renewed, and at most {MAX_DAYS}"


def _self_signed(names: list[str], days: int) -> list[bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # a client's clock may be behind
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, locked = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return [made.public_bytes(pem), key.private_bytes(pem, form, locked)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
