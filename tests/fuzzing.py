"""Messages made from the schemas of the operations: most fit, many nearly fit, and some are nothing of the kind.

The same seed makes the same messages. Whatever they are, a server answers each with a result as its schema promises, or
with an error that is not ``internal``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgpack

Schema = dict[str, Any]

DEEPEST = 4  # levels of a value that fits no schema
TEXTS = (
    *(
        "",
        " ",
        "a",
        "*",
        "test.ping",
        "test.*",
        "no.such",
        ".",
        "..",
        "../../etc/passwd",
        "\x00",
        "\x1b[31m",
        "\u202eabc",
    ),
    *(
        "\U0001f680",
        "\u2028",
        "a" * 300,
        "a\nb",
        "{{ 7*7 }}",
        "G@os:*",
        "E@(a+)+$",
        "L@a,b,,",
        "not",
        "and and",
        "((((",
        "N@x",
    ),
    *(
        "S@10.0.0.0/33",
        "I@a:b:*",
        "%00",
        "name=value",
        "__kwarg__",
        "__proto__",
        "20261123150000000001",
        "9" * 20,
        "0" * 64,
    ),
    *(
        "f" * 64,
        "-1",
        "1e400",
        "NaN",
        "null",
        "true",
        "minion1",
        "minion1,minion2",
        "-----BEGIN PRIVATE KEY-----",
        "é" * 50,
    ),
)
NUMBERS = (
    0,
    -0.0,
    1,
    -1,
    2,
    10,
    0.5,
    60,
    255,
    3600,
    3601,
    10**6,
    2**31,
    2**53,
    2**53 + 1,
    2**63,
    -(2**63),
    2**64 - 1,
    1e308,
)
BEYOND = (2**64, -(2**63) - 1, 10**40)
"""Numbers for JSON only: msgpack has no place for them."""
ODD = (float("nan"), float("inf"))
"""Numbers for msgpack only: JSON has no word for them."""
NAMES = ("__kwarg__", "__proto__", "", "id", "type", "token", "tgt", "a", "kwarg", "pillar", "\u202e", "x" * 100, "0")
JUNK = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b'"x"',
    b"{}{}",
    b'{"type":1}',
    b"\xff\xfe",
    b'{"type":"ping","type":"whoami"}',
    b"[" * 5000,
)


class Fuzz:
    """Makes values by a seed.

    :param schemas: each operation's schema by name, complete in itself
    :param pools: what fields of these names hold in every second message, so that something happens
    :param binary: whether the messages travel as msgpack
    """

    def __init__(
        self, seed: int | str, schemas: dict[str, Schema], pools: dict[str, list[Any]], *, binary: bool
    ) -> None:
        self.random = random.Random(seed)
        self._schemas = schemas
        self._pools = pools
        self._binary = binary

    def messages(self, operation: str, number: int) -> Iterator[dict[str, Any]]:
        """Yield messages to one operation, each with an id of its own."""
        for count in range(1, number + 1):
            message = self.fitting(self._schemas[operation])
            for _ in range(self.random.choice((0, 0, 1, 1, 2, 4))):
                self._spoil(message)
            message.update(type=operation, id=count)
            yield message

    def fitting(self, schema: Schema, name: str = "", depth: int = 0) -> Any:
        """Return a value that fits a schema in most cases: rules between fields are left to chance."""
        if name in self._pools and self.random.random() < 0.6:
            return _copy(self.random.choice(self._pools[name]))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if schema.get("examples") and self.random.random() < 0.3:
            return _copy(self.random.choice(schema["examples"]))
        for word in ("oneOf", "anyOf"):
            parts = [part for part in schema.get(word, ()) if "type" in part or "enum" in part or "allOf" in part]
            if parts:
                return self.fitting(self.random.choice(parts), name, depth)
        if "properties" in schema:
            return self._object(schema, depth)
        if "type" not in schema and schema.get("allOf"):
            return self.fitting(schema["allOf"][0], name, depth)
        kinds = schema.get("type")
        kind = self.random.choice(kinds) if isinstance(kinds, list) else kinds
        return self._of_kind(kind, schema, name, depth)

    def anything(self, depth: int = 0) -> Any:
        """Return a value of any kind."""
        kind = self.random.randrange(9 if depth < DEEPEST else 6)
        if kind < 3:
            return self.random.choice(TEXTS)
        if kind < 5:
            return self.random.choice((*NUMBERS, *(ODD if self._binary else BEYOND)))
        if kind == 5:
            return self.random.choice((None, True, False, *([b"\xff\x00"] if self._binary else [])))
        if kind == 6:
            return {self.random.choice(NAMES): self.anything(depth + 1) for _ in range(self.random.randrange(4))}
        return [self.anything(depth + 1) for _ in range(self.random.randrange(5))]

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        chosen = set(schema.get("required", ()))
        for rule in schema.get("allOf", ()):
            options = [option["required"] for option in rule.get("oneOf", ()) if option.keys() == {"required"}]
            chosen.update(self.random.choice(options) if options else ())
        chosen.update(name for name in schema["properties"] if self.random.random() < 0.25)
        chosen.discard("token")
        return {
            name: self.fitting(schema["properties"][name], name, depth + 1)
            for name in schema["properties"]
            if name in chosen
        }

    def _of_kind(self, kind: str | None, schema: Schema, name: str, depth: int) -> Any:
        if kind == "string":
            return self.random.choice(TEXTS)
        if kind in ("integer", "number"):
            low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31)
            value = self.random.choice((low, high, self.random.randint(int(low), int(high))))
            return int(value) if kind == "integer" else value
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "array":
            most = min(schema.get("maxItems", 3), 3)
            return [
                self.fitting(schema.get("items", {}), "", depth + 1)
                for _ in range(self.random.randint(min(1, most), most))
            ]
        if kind == "object":
            return {self.random.choice(NAMES): self.anything(depth + 1) for _ in range(self.random.randrange(3))}
        return None if kind == "null" else self.anything(depth)

    def _spoil(self, message: dict[str, Any]) -> None:
        """Change one field: to anything, to nothing, or add one."""
        name = self.random.choice((*message, self.random.choice(NAMES)))
        if name in message and self.random.random() < 0.2:
            del message[name]
        elif name != "token":
            message[name] = self.anything()


def _copy(value: Any) -> Any:
    """Return a value of its own."""
    return msgpack.unpackb(msgpack.packb(value))
