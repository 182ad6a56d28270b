"""The native protocol as TypeScript declarations, for the JavaScript client.

A schema becomes the type that contains every value it accepts; rules between fields are left to the server.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

from websocket_api.contract.schemas import Schemas

Schema = Mapping[str, Any]
ANY = "unknown"
WIDTH = 116  # characters of a comment's line
_TYPES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_REPLIES = ("reply_result", "reply_error", "bare_error")
_NOTE = "// Made by `make docs` from schemas/: change those.\n"


def declarations(schemas: Schemas) -> str:
    """Return ``types.d.ts``: the requests and results of all operations, the frames, and what they share."""
    frames = {name: frame for name, frame in _defs(schemas, "frames.json").items() if name not in _REPLIES}
    parts = [_NOTE]
    parts += [_declare(_camel(name), schema, {}) for name, schema in _defs(schemas, "common.json").items()]
    operations = {name: json.loads(schemas.files[f"operations/{name}.json"]) for name in schemas.operations}
    for name, schema in operations.items():
        parts.append(_declare(f"{_camel(name)}Request", schema, schema["$defs"]))
        parts.append(_declare(f"{_camel(name)}Result", schema["$defs"]["result"], schema["$defs"]))
    parts += [_declare(f"{_camel(name)}Frame", schema, frames) for name, schema in frames.items()]
    parts.append(f"export type Frame = {' | '.join(f'{_camel(name)}Frame' for name in frames)};\n")
    for kind in ("Request", "Result"):
        fields = "".join(f"  {name}: {_camel(name)}{kind};\n" for name in operations)
        parts.append(f"/** The {kind.lower()}s by operation. */\nexport interface {kind}s {{\n{fields}}}\n")
    return "\n".join(parts)


def _defs(schemas: Schemas, name: str) -> dict[str, Schema]:
    found: dict[str, Schema] = json.loads(schemas.files[name])["$defs"]
    return found


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _declare(name: str, schema: Schema, local: Mapping[str, Schema]) -> str:
    return f"{_comment(schema, '')}export type {name} = {_type(schema, local, '')};\n"


def _comment(schema: Schema | bool, indent: str) -> str:
    text = schema.get("description", "") if isinstance(schema, Mapping) else ""
    if not text:
        return ""
    lines = textwrap.wrap(text.replace("*/", "* /"), WIDTH - len(indent))
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}\n" for line in lines) + f"{indent} */\n"


def _type(schema: Schema | bool, local: Mapping[str, Schema], indent: str) -> str:
    """Return the TypeScript type of a schema.

    :param local: definitions of the schema's own file that are written out where they are referred to
    """
    if not isinstance(schema, Mapping):
        return ANY
    parts = [_reference(schema["$ref"], local, indent)] if "$ref" in schema else []
    if "const" in schema or "enum" in schema:
        parts.append(_union([json.dumps(value) for value in schema.get("enum", [schema.get("const")])]))
    elif "type" in schema or "properties" in schema:
        kinds = schema.get("type", "object")
        parts.append(
            _union([_kind(kind, schema, local, indent) for kind in ([kinds] if isinstance(kinds, str) else kinds)])
        )
    parts += [_type(part, local, indent) for part in schema.get("allOf", ()) if "if" not in part]
    for choice in (schema.get("oneOf"), schema.get("anyOf")):
        parts.append(_union([_type(part, local, indent) for part in choice or (True,)]))
    return " & ".join(dict.fromkeys(part for part in parts if part != ANY)) or ANY


def _union(types: list[str]) -> str:
    if ANY in types:
        return ANY
    unique = list(dict.fromkeys(types))
    return unique[0] if len(unique) == 1 else f"({' | '.join(unique)})"


def _reference(target: str, local: Mapping[str, Schema], indent: str) -> str:
    """Return the type of a reference: types of common.json have names, others are written out."""
    file, _, name = target.rpartition("#/$defs/")
    return _camel(name) if file or name not in local else _type(local[name], local, indent)


def _kind(kind: str, schema: Schema, local: Mapping[str, Schema], indent: str) -> str:
    if kind == "array":
        items = _type(schema.get("items", True), local, indent)
        return f"Array<{items}>"
    return _object(schema, local, indent) if kind == "object" else _TYPES[kind]


def _object(schema: Schema, local: Mapping[str, Schema], indent: str) -> str:
    fields, further = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not fields:
        return f"Record<string, {_type(further, local, indent) if further else 'never'}>"
    inner = f"{indent}  "
    lines = []
    for name, field in fields.items():
        key = (json.dumps(name) if "-" in name else name) + ("" if name in schema.get("required", ()) else "?")
        lines.append(f"{_comment(field, inner)}{inner}{key}: {_type(field, local, inner)};\n")
    return "{\n" + "".join(lines) + indent + "}"
