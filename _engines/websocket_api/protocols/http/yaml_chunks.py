"""Writes a value as YAML in chunks that take a short time each, since PyYAML needs 20 us for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ...core.delivery.chunked_encoding import grouped, grouped_fields, is_small, with_clean_keys
from ...core.events.encoding import MAX_DEPTH, plain

VALUES = 64
"""Values in one chunk, about: 1.3 ms."""
INDENT = b"  "
_NULL = b"null\n"
_END = b"...\n"
"""PyYAML ends a document that is plain text with it."""
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_chunks(value: Any, depth: int = 0) -> Iterator[bytes]:
    """Yield a YAML document in chunks. It is the value that :func:`plain` returns.

    :param depth: the levels above the value
    """
    if depth >= MAX_DEPTH or not isinstance(value, (Mapping, list, tuple)) or is_small(value, VALUES):
        yield _write(plain(value, depth), depth)
    elif isinstance(value, Mapping):
        fields = with_clean_keys(value)
        for group, small in grouped_fields({name: fields[name] for name in sorted(fields)}, VALUES):
            if small:
                yield _write(plain(group, depth), depth)
                continue
            for name, item in group.items():
                yield _write({name: None}, depth).removesuffix(_NULL) + b"\n"
                yield from yaml_chunks(item, depth + 1)
    else:
        for items, small in grouped(value, VALUES):
            if small:
                yield _write(plain(items, depth), depth)
            else:
                yield INDENT * depth + b"-\n"
                yield from yaml_chunks(items[0], depth + 1)


def _write(value: Any, depth: int) -> bytes:
    """Return a small value, indented."""
    text = bytes(yaml.dump(value, Dumper=_Dumper, default_flow_style=False, encoding="utf-8"))
    text = text.removesuffix(_END)
    before = INDENT * depth
    return before + text[:-1].replace(b"\n", b"\n" + before) + b"\n" if depth else text
