"""What salt-api's clients send and get: JSON, YAML and forms, by Content-Type and Accept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import yaml

from ..errors import ApiError
from ..live.encoding import decode, encode, plain

JSON, YAML, FORM = "application/json", "application/x-yaml", "application/x-www-form-urlencoded"
MOST_NODES = 200_000  # values in one YAML document: an alias of an alias of ... would stand for more than fits anywhere
MOST_MERGED = 20_000  # pairs that merge keys (<<) add up to: most PyYAMLs copy an alias of an alias of ... each time
MOST_DIGITS = 1000  # of a number in YAML: what longer ones take grows with the square, and nobody can send them
LARGE = 4096  # bytes of YAML beyond which it is read in a thread: a quarter of a megabyte takes half a second
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NO_YAML = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What PyYAML raises for documents that are none: for ``!!int ""`` or ``!!bool x`` whatever its code runs into."""


class _Loader(_SafeLoader):  # type: ignore[misc]
    """The safe loader, with bounds on what a few bytes can make it do."""

    _merged = 0

    def flatten_mapping(self, node: Any) -> None:
        """Merge what ``<<`` names, unless it is too much."""
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:merge":
                continue
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(part, yaml.MappingNode):
                    self.flatten_mapping(part)
                    self._merged += len(part.value)
                    if self._merged > MOST_MERGED:
                        raise yaml.constructor.ConstructorError(None, None, "too much to merge", node.start_mark)
        super().flatten_mapping(node)

    def construct_yaml_int(self, node: Any) -> Any:
        """Return an integer of a size that can be sent."""
        if len(node.value) > MOST_DIGITS:
            raise yaml.constructor.ConstructorError(None, None, "a number of so many digits", node.start_mark)
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def accepted(header: str | None) -> str:
    """Return which of our two types an Accept header prefers (RFC 9110 section 12.5.1); none means JSON.

    :raises ApiError: with status 406, where it takes neither
    """
    wanted: dict[str, float] = {}
    for entry in (header or "*/*").split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights = [text[2:] for text in parameters if text.startswith("q=")]
        try:
            wanted[name] = float(weights[0]) if weights else 1.0
        except ValueError:
            wanted[name] = 0.0
    found = {kind: _weight(wanted, kind) for kind in (JSON, YAML)}
    best = max(found, key=lambda kind: found[kind])
    if found[best] <= 0:
        raise ApiError("bad_message", f"the answer can be {JSON} or {YAML}", status=406)
    return best


def written(value: Any, kind: str) -> bytes:
    """Return a value as a document of this type."""
    if kind == YAML:
        return bytes(yaml.dump(plain(value), Dumper=_Dumper, default_flow_style=False, encoding="utf-8"))
    return encode(value)


async def read(body: bytes, header: str | None) -> Any:
    """Return what a body holds, by its Content-Type; None for an empty one. No type means JSON.

    A form is an object; its ``arg`` is a list and ``kwarg`` an object, both read as YAML, as on Salt's command line.
    Plain text is JSON too if it can be: that is how SaltGUI sends it.

    :raises ApiError: bad_json for what is not of its type, with status 406 for an unknown type
    """
    kind = (header or JSON).partition(";")[0].strip().lower()
    if kind not in _READERS:
        raise ApiError("bad_message", f"a body can be {JSON}, {YAML} or {FORM}", status=406)
    if not body:
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ApiError("bad_json", "the body is not UTF-8") from None
    if len(text) > LARGE and kind not in (JSON, "text/plain"):
        return await asyncio.to_thread(_READERS[kind], text)
    return _READERS[kind](text)


def _json(text: str) -> Any:
    try:
        return decode(text)
    except ValueError:
        raise ApiError("bad_json", "the body is not JSON") from None


def _yaml(text: str) -> Any:
    try:
        # Of the safe loader: an object tag constructs nothing.
        value = yaml.load(text, Loader=_Loader)  # noqa: S506
    except _NO_YAML:
        raise ApiError("bad_json", "the body is not YAML, or has tags that are not taken here") from None
    if not _is_bounded(value):
        raise ApiError("bad_json", "the YAML stands for too much, or for itself")
    return plain(value)


def _plain_text(text: str) -> Any:
    try:
        return decode(text)
    except ValueError:
        return text


def _form(text: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError:
        raise ApiError("bad_json", "the body is not a form") from None
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    form: dict[str, Any] = {name: values[0] if len(values) == 1 else values for name, values in gathered.items()}
    if "arg" in gathered:
        form["arg"] = [_argument(value) for value in gathered["arg"]]
    if "kwarg" in gathered:
        form["kwarg"] = _argument(gathered["kwarg"][-1])
    return form


def _argument(text: str) -> Any:
    """Return a form's argument as Salt's command line reads it: what is no YAML, or more than one line, is text."""
    if not text.strip() or "\n" in text:
        return text
    try:
        value = _yaml(text)
    except ApiError:
        return text
    # A comment alone is null for YAML, and text for who typed it; so it is on the command line.
    return text if value is None and text.strip().lower() not in ("null", "~", "none") else value


def _weight(wanted: dict[str, float], kind: str) -> float:
    for name in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if name in wanted:
            return wanted[name]
    return 0.0


def _is_bounded(value: Any) -> bool:
    """Tell whether a value, all its parts counted as often as they stand in it, is of a size that can be written."""
    waiting, seen = [value], 0
    while waiting:
        seen += 1
        if seen + len(waiting) > MOST_NODES:
            return False
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set)):
            waiting += item
    return True


_READERS: dict[str, Callable[[str], Any]] = {
    JSON: _json,
    YAML: _yaml,
    "text/yaml": _yaml,
    FORM: _form,
    "text/plain": _plain_text,
}
