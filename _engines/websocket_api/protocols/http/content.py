"""Content negotiation: parses and encodes JSON, YAML and forms, by Content-Type and Accept."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from ...core.delivery.chunked_encoding import JSON_WRITER, encoded_chunks
from ...core.delivery.decoding import check, read_json
from ...core.events.encoding import MAX_DIGITS
from ...errors import ApiError
from .yaml_chunks import yaml_chunks

JSON, YAML, FORM = "application/json", "application/x-yaml", "application/x-www-form-urlencoded"
MAX_VALUES = 200_000  # in one YAML document: nested aliases can stand for more than fits into memory
MAX_YAML_BEFORE_AUTH = 4096  # bytes of YAML without a login: a quarter of a megabyte takes half a second
LARGE = 1024  # bytes of YAML or a form beyond which it is parsed in a thread
MAX_FIELDS = 1000  # of a form: each argument is parsed as a YAML document
CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
"""Python's codecs by charset. Others are refused, since some, such as idna, need more than linear time."""
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="websocket_api_body")
"""Parses large bodies one after another. Handlers wait for it in turns between users."""


def accepted(header: str | None) -> str:
    """Return the one of our two types that an Accept header prefers (RFC 9110 section 12.5.1); no header means JSON.

    :raises ApiError: with status 406, if it accepts neither
    """
    wanted = _weights(header or "*/*")
    found = {kind: _weight(wanted, kind) for kind in (JSON, YAML)}
    best = max(found, key=lambda kind: found[kind])
    if found[best] <= 0:
        raise ApiError("bad_message", f"the answer can be {JSON} or {YAML}", status=406)
    return best


def prefers_json(header: str | None) -> bool:
    """Return whether an Accept header names JSON, and prefers nothing to it that is plain text."""
    wanted = _weights(header or "")
    return wanted.get(JSON, 0.0) > 0 and wanted[JSON] >= wanted.get("text/plain", 0.0)


def encoded(value: Any, kind: str) -> bytes:
    """Return a value encoded as this type."""
    return b"".join(steps(value, kind))


def steps(value: Any, kind: str) -> Iterator[bytes]:
    """Yield a value encoded as this type, in chunks that take a short time each."""
    return yaml_chunks(value) if kind == YAML else encoded_chunks(value, JSON_WRITER)


def media_type(header: str | None) -> str:
    """Return the type in a Content-Type header, in lower case; no header means JSON."""
    return (header or JSON).partition(";")[0].strip().lower()


async def read(body: bytes, header: str | None, *, known: bool = True) -> Any:
    """Parse a body by its Content-Type; None for an empty body. No type means JSON.

    A form is an object; its ``arg`` is a list and ``kwarg`` an object, both parsed as Salt's command line does. Plain
    text is parsed as JSON if possible, since SaltGUI sends JSON like that.

    :param known: whether the sender has logged in; large YAML of others is refused
    :raises ApiError: bad_json for a body that is not of its type or charset; bad_message with status 406 for an
        unknown type and 415 for an unknown charset; too_large
    """
    kind = media_type(header)
    if kind not in _READERS:
        raise ApiError("bad_message", f"a body can be {JSON}, {YAML} or {FORM}", status=406)
    charset = _charset(header or "")
    if not body:
        return None
    if len(body) > MAX_YAML_BEFORE_AUTH and not known and kind in _YAML_TYPES:
        raise ApiError("too_large", f"YAML of more than {MAX_YAML_BEFORE_AUTH} bytes without a login")
    try:
        text = body.decode(charset)
    except UnicodeDecodeError:
        raise ApiError("bad_json", f"the body is not {charset.upper()}") from None
    reader = _READERS[kind] if kind != FORM else partial(_form, charset=charset)
    if is_slow(body, header):
        return await asyncio.get_running_loop().run_in_executor(_THREAD, _without_collections, reader, text)
    return reader(text)


def is_slow(body: bytes, header: str | None) -> bool:
    """Return whether a body of this type is parsed in a thread, which parses one at a time."""
    return len(body) > LARGE and media_type(header) in (*_YAML_TYPES, FORM)


def _without_collections(reader: Callable[[str], Any], text: str) -> Any:
    """Parse without Python's collector of cycles, which would search the growing document for 4/5 of the time.

    For that time other threads have no collection either.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return reader(text)
    finally:
        if enabled:
            gc.enable()


def _charset(header: str) -> str:
    """Return the codec of the charset in a Content-Type header; none means UTF-8.

    :raises ApiError: with status 415, for an unknown charset
    """
    for parameter in header.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            codec = CHARSETS.get(value.strip().strip('"').lower())
            if codec is None:
                raise ApiError("bad_message", f"the charset can be {', '.join(CHARSETS)}", status=415)
            return codec
    return "utf-8"


def _json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        raise ApiError("bad_json", "the body is not JSON, or cannot be read exactly") from None


def _yaml(text: str) -> Any:
    try:
        # Imported late, as all of Salt's: these modules load without Salt, which unit tests rely on.
        from ...salt_master import yaml_documents

        value = yaml_documents.load(text, MAX_DIGITS)
        check(value, MAX_VALUES)
    except ValueError:
        message = "the body is not YAML, stands for too much, or has keys, tags or numbers that are not read here"
        raise ApiError("bad_json", message) from None
    return value


def _plain_text(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def fields(text: str, charset: str = "utf-8", code: str = "bad_message") -> dict[str, list[str]]:
    """Return the values of each field of a form or query, as sent.

    :raises ApiError: with this code if the text is not in this charset, or has too many fields
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding=charset, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        sentence = f"this is not a form in {charset.upper()}, or has more than {MAX_FIELDS} fields"
        raise ApiError(code, sentence) from None
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return gathered


def _form(text: str, charset: str = "utf-8") -> dict[str, Any]:
    gathered = fields(text, charset, "bad_json")
    arg, kwarg = gathered.pop("arg", None), gathered.pop("kwarg", None)
    form: dict[str, Any] = {name: values[0] if len(values) == 1 else values for name, values in gathered.items()}
    if arg is not None:
        from ...salt_master import arguments

        form["arg"] = [arguments.read(value) for value in arg]
    if kwarg is not None:
        form |= _keywords(kwarg)
    return form


def _keywords(values: list[str]) -> dict[str, Any]:
    """Return the field ``kwarg`` of a form; nothing for an empty field.

    :raises ApiError: bad_message if the field occurs twice, which is ambiguous
    """
    if len(values) > 1:
        fault = {"path": "/kwarg", "message": "must not be there twice"}
        raise ApiError("bad_message", f"kwarg {fault['message']}", [fault])
    if not values[0]:
        return {}
    from ...salt_master import arguments

    return {"kwarg": arguments.read(values[0])}


def _weights(header: str) -> dict[str, float]:
    """Return the weight of each type or coding in an Accept header."""
    wanted: dict[str, float] = {}
    for entry in header.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights = [text[2:] for text in parameters if text.startswith("q=")]
        try:
            wanted[name] = float(weights[0]) if weights else 1.0
        except ValueError:
            wanted[name] = 0.0
    return wanted


def accepts_gzip(header: str) -> bool:
    """Return whether ``Accept-Encoding`` accepts gzip and does not prefer the plain file (RFC 9110, 12.5.3)."""
    wanted = _weights(header)
    gzip = next((wanted[name] for name in ("gzip", "x-gzip", "*") if name in wanted), 0.0)
    return gzip > 0 and gzip >= wanted.get("identity", 0.0)


def _weight(wanted: dict[str, float], kind: str) -> float:
    for name in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if name in wanted:
            return wanted[name]
    return 0.0


_READERS: dict[str, Callable[[str], Any]] = {
    JSON: _json,
    YAML: _yaml,
    "text/yaml": _yaml,
    FORM: _form,
    "text/plain": _plain_text,
}
_YAML_TYPES = frozenset(kind for kind, reader in _READERS.items() if reader is _yaml)
