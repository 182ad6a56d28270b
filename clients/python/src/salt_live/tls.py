"""TLS, and why an attempt to connect failed."""

from __future__ import annotations

import asyncio
import os
import ssl

from salt_live.errors import ConnectionFailed


def tls_context(ca: str | None = None, insecure: bool = False) -> ssl.SSLContext | None:
    """Return a context that trusts the authorities in the file ``ca``, or any certificate; None is Python's default.

    :raises ConnectionFailed: the file cannot be read, or has no certificate
    """
    if insecure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=ca) if ca else None
    except ssl.SSLError:
        raise ConnectionFailed(f"there is no certificate in {ca}; pass a file in the format PEM as ca") from None
    except OSError as error:
        raise ConnectionFailed(f"cannot read the certificates in {ca}: {_cause(error)}") from None


def failure_of(address: str, error: Exception, seconds: float) -> ConnectionFailed:
    """Return what to tell the user about a failed attempt.

    :param seconds: how long it was allowed to take
    """
    if isinstance(error, ConnectionFailed):
        return error
    start = f"cannot connect to {address}: "
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionFailed(
            f"{start}its certificate is not trusted ({error.verify_message}); pass the file of its authority as ca"
        )
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return ConnectionFailed(f"{start}it does not speak TLS; write ws:// instead of wss://, or the port of TLS")
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return ConnectionFailed(f"{start}no answer within {seconds:.0f} s")
    return ConnectionFailed(start + _cause(error))


def _cause(error: Exception) -> str:
    """Return what happened; the number of an error of TLS or of names is none of the operating system."""
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return os.strerror(number).lower() if number is not None and number > 0 else str(error)
