"""Engines for tests that need a running engine, but no master."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.running import Engine


@pytest.fixture(scope="session")
def engine_root() -> Iterator[Path]:
    """A folder with a short path: those of unix sockets have a length limit."""
    root = Path(tempfile.mkdtemp(prefix="wsf-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def names() -> Iterator[int]:
    """Numbers for the folders of engines."""
    return itertools.count(1)


@pytest.fixture(scope="module")
def run_engine(engine_root: Path, names: Iterator[int]) -> Iterator[Callable[..., Engine]]:
    """Run engines that stop with the module: ``run_engine({"option": value})`` returns one that listens."""
    with contextlib.ExitStack() as stack:

        def run(options: dict[str, Any] | None = None, **more: Any) -> Engine:
            engine = Engine(engine_root / str(next(names)), options or {}, **more)
            engine.give_schemas()
            stack.callback(engine.stop)
            engine.start()
            engine.wait()
            return engine

        yield run


@pytest.fixture
def make_engine(engine_root: Path, names: Iterator[int]) -> Iterator[Callable[..., Engine]]:
    """Make engines that the test itself starts: ``make_engine({"option": value}, schemas=False)``."""
    with contextlib.ExitStack() as stack:

        def make(options: dict[str, Any] | None = None, *, schemas: bool = True, **more: Any) -> Engine:
            engine = Engine(engine_root / str(next(names)), options or {}, **more)
            if schemas:
                engine.give_schemas()
            stack.callback(engine.stop)
            return engine

        yield make


@pytest.fixture(scope="session")
def write_certificate() -> Callable[..., int]:
    """Write a new self-signed certificate and its key; return its serial number."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def write(crt: Path, key: Path | None = None, password: bytes | None = None) -> int:
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .sign(private, hashes.SHA256())
        )
        encryption: Any = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        if key is not None:
            form = serialization.PrivateFormat.PKCS8
            key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, encryption))
        crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return int(certificate.serial_number)

    return write
