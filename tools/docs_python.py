"""The tables of errors and the schemas as Python modules, for the Python client.

A schema becomes the type that contains every value it accepts; rules between fields are left to the server.
"""

from __future__ import annotations

import json
import keyword
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from websocket_api.contract.schemas import Schemas
from websocket_api.errors import CloseKind, ErrorKind

Schema = Mapping[str, Any]
ANY = "Any"
WIDTH = 118  # characters of a line, without its margin
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_REPLIES = ("reply_result", "reply_error", "bare_error")
_NOTE = "Made by `make docs` from schemas/ and the engine's tables of errors: change those."


def errors(kinds: Iterable[ErrorKind]) -> str:
    """Return ``error_codes.py``: one exception class for each error code."""
    kinds = list(kinds)
    parts = [
        _head("One exception for each error code of the engine.") + "from salt_live.errors import ApiError",
        *(
            f"class {_exception(kind.code)}(ApiError):\n{_docstring(kind.meaning)}\n"
            f'    code = "{kind.code}"\n    retryable = {kind.retryable}'
            for kind in kinds
        ),
    ]
    table = "".join(f'    "{kind.code}": {_exception(kind.code)},\n' for kind in kinds)
    parts.append(f"BY_CODE: dict[str, type[ApiError]] = {{\n{table}}}")
    return "\n\n\n".join(parts) + "\n"


def closes(kinds: Iterable[CloseKind]) -> str:
    """Return ``close_codes.py``: the name and meaning of each close code, and those that end all attempts."""
    kinds = list(kinds)
    names = "".join(f"    {kind.code}: ({json.dumps(kind.name)}, {json.dumps(kind.meaning)}),\n" for kind in kinds)
    final = ", ".join(str(kind.code) for kind in kinds if kind.reconnect.startswith("no"))
    return (
        _head("The close codes of the engine.") + f"MEANINGS: dict[int, tuple[str, str]] = {{\n{names}}}\n"
        '"""The name and the meaning of each code."""\n\n'
        f"FINAL = frozenset({{{final}}})\n"
        '"""Codes after which a new attempt would end the same way."""\n'
    )


def _head(summary: str) -> str:
    return f'"""{summary}\n\n{_NOTE}\n"""\n\nfrom __future__ import annotations\n\n'


def _exception(code: str) -> str:
    """Return the name of a code's exception. A lost event is no exception but the object ``Gap``."""
    return "HistoryGap" if code == "gap" else camel(code)


def camel(name: str) -> str:
    """Return a name in camel case: ``bad_json`` is ``BadJson``."""
    return "".join(word.capitalize() for word in name.split("_"))


def messages(schemas: Schemas) -> str:
    """Return ``messages.py``: the requests and results of all operations, the frames, and what they share."""
    return _Module(schemas).text()


class _Module:
    """The declarations of one module, in order. An object inside another one gets a declaration of its own."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._common = _defs(schemas, "common.json")
        self._parts: list[str] = []

    def text(self) -> str:
        """Return the module."""
        for name, schema in self._common.items():
            self._declare(camel(name), schema, {})
        frames = {name: frame for name, frame in _defs(self._schemas, "frames.json").items() if name not in _REPLIES}
        operations = {
            name: json.loads(self._schemas.files[f"operations/{name}.json"]) for name in self._schemas.operations
        }
        for name, schema in operations.items():
            self._declare(f"{camel(name)}Request", schema, schema["$defs"])
            self._declare(f"{camel(name)}Result", schema["$defs"]["result"], schema["$defs"])
        for name, schema in frames.items():
            self._declare(f"{camel(name)}Frame", schema, frames)
        union = " | ".join(f"{camel(name)}Frame" for name in frames)
        self._parts.append(_alias("Frame", union, "Any frame of a subscription."))
        head = (
            _head("The messages of the engine: requests, results, frames and the objects in them.")
            + "import sys\nfrom typing import Any, Literal, TypedDict\n\n"
            "if sys.version_info >= (3, 11):\n    from typing import NotRequired, TypeAlias\n"
            "else:\n    from typing_extensions import NotRequired, TypeAlias"
        )
        return "\n\n".join([head, *self._parts]) + "\n"

    def _declare(self, name: str, schema: Schema, local: Mapping[str, Schema]) -> None:
        if name.endswith("Rule"):
            return  # between fields, which a type cannot express
        schema = self._merged(schema)
        if schema.get("properties") and schema.get("type", "object") == "object" and "anyOf" not in schema:
            self._object(name, schema, local)
        else:
            self._parts.append(_alias(name, self._type(name, schema, local), schema.get("description", "")))

    def _merged(self, schema: Schema) -> Schema:
        """Return an object with the fields of those that it extends."""
        merged = dict(schema)
        for part in schema.get("allOf", ()):
            base = self._common.get(part.get("$ref", "").rpartition("#/$defs/")[2], {})
            if "properties" not in base or "not" in base or "if" in base or "anyOf" in base:
                continue
            merged["properties"] = {**base["properties"], **merged.get("properties", {})}
            merged["required"] = [*base.get("required", ()), *merged.get("required", ())]
        return merged

    def _object(self, name: str, schema: Schema, local: Mapping[str, Schema]) -> None:
        fields, required = schema["properties"], schema.get("required", ())
        lines = []
        for key, field in fields.items():
            kind = self._type(f"{name}{camel(key.strip('_').replace('-', '_'))}", field, local)
            lines.append((key, kind if key in required else f"NotRequired[{kind}]", _described(field)))
        doc = _docstring(schema.get("description", f"The message {name}."))
        if any(keyword.iskeyword(key) or not key.isidentifier() or key.startswith("__") for key in fields):
            body = "".join(f"{_comment(text)}        {_quoted(key)}: {_quoted(kind)},\n" for key, kind, text in lines)
            text = f"{name} = TypedDict(\n    {_quoted(name)},\n    {{\n{body}    }},\n)\n{textwrap.dedent(doc)}"
        else:
            body = "".join(f"{_comment(text, 4)}    {key}: {kind}\n" for key, kind, text in lines)
            text = f"\nclass {name}(TypedDict):\n{doc}\n{body}"
        self._parts.append(text.rstrip("\n"))

    def _type(self, name: str, schema: Schema | bool, local: Mapping[str, Schema]) -> str:
        """Return the type of a schema; ``name`` is for an object that has to be declared."""
        if not isinstance(schema, Mapping):
            return ANY
        if "$ref" in schema:
            return self._reference(name, schema["$ref"], local)
        if "const" in schema or "enum" in schema:
            return _union([_literal(value) for value in schema.get("enum", [schema.get("const")])])
        choice = schema.get("anyOf") or schema.get("oneOf")
        if choice and "type" not in schema and "properties" not in schema:
            return _union([self._type(f"{name}{i or ''}", part, local) for i, part in enumerate(choice)])
        kinds = schema.get("type", "object" if "properties" in schema else None)
        if kinds is None:
            return ANY
        return _union(
            [self._kind(name, kind, schema, local) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        )

    def _reference(self, name: str, target: str, local: Mapping[str, Schema]) -> str:
        file, _, found = target.rpartition("#/$defs/")
        if file or found not in local:
            return camel(found)
        return self._type(f"{name.removesuffix('1').removesuffix('Result')}{camel(found)}", local[found], local)

    def _kind(self, name: str, kind: str, schema: Schema, local: Mapping[str, Schema]) -> str:
        if kind == "array":
            return f"list[{self._type(f'{name}Item', schema.get('items', True), local)}]"
        if kind != "object":
            return _TYPES[kind]
        if schema.get("properties"):
            self._object(name, self._merged(schema), local)
            return name
        return f"dict[str, {self._type(f'{name}Value', schema.get('additionalProperties', True), local)}]"


def _defs(schemas: Schemas, name: str) -> dict[str, Schema]:
    found: dict[str, Schema] = json.loads(schemas.files[name])["$defs"]
    return found


def _literal(value: Any) -> str:
    return "None" if value is None else f"Literal[{_quoted(value) if isinstance(value, str) else value}]"


def _union(types: list[str]) -> str:
    if ANY in types:
        return ANY
    unique = list(dict.fromkeys(types))
    literals = [kind.removeprefix("Literal[")[:-1] for kind in unique if kind.startswith("Literal[")]
    others = [kind for kind in unique if not kind.startswith("Literal[")]
    return " | ".join(([f"Literal[{', '.join(literals)}]"] if literals else []) + others)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if "'" in text or '"' not in text else f"'{text}'"


def _described(schema: Schema | bool) -> str:
    return schema.get("description", "") if isinstance(schema, Mapping) else ""


def _docstring(text: str) -> str:
    text = text.replace("\\", "\\\\")
    if len(text) <= WIDTH - 8:
        return f'    """{text}"""\n'
    lines = textwrap.wrap(text, WIDTH - 8)
    return '    """' + "\n".join([lines[0], *(f"    {line}" for line in lines[1:])]) + '\n    """\n'


def _comment(text: str, indent: int = 8) -> str:
    margin = " " * indent
    return "".join(f"{margin}# {line}\n" for line in textwrap.wrap(text, WIDTH - indent - 2))


def _alias(name: str, kind: str, text: str) -> str:
    return f"{_comment(text, 0)}{name}: TypeAlias = {_quoted(kind)}"
