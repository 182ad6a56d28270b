"""JSON Schema as Markdown: tables of fields, rules between fields, examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_SINGULAR = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
    "null": "null",
}
_PLURAL = {"string": "strings", "integer": "integers", "number": "numbers", "object": "objects", "array": "lists"}
_WIDE = 110  # characters of an example that stays on one line


class Links:
    """Objects with a section of their own: references to them become links instead of tables.

    :param objects: title and schema by the name in common.json
    """

    def __init__(self, objects: Mapping[str, tuple[str, Schema]]) -> None:
        self._objects = [(title, _shape(schema)) for title, schema in objects.values()]

    def to(self, schema: Schema) -> str | None:
        """Return a link to the section of ``schema``, or None."""
        shape = _shape(schema)
        for title, known in self._objects:
            if shape == known:
                return f"[{title[0].lower()}{title[1:]}](#{anchor(title)})"
        return None


def operation(name: str, schema: Schema, common: Mapping[str, Schema], links: Links) -> str:
    """Return the section of one operation."""
    usual = ("type", *(field for field in ("id", "token") if schema["properties"].get(field) == common[field]))
    own = {field: value for field, value in schema["properties"].items() if field not in usual}
    parts = [f"#### {name}", f"*{schema['title']}.* {schema['description']}"]
    if own:
        parts.append(fields(own, schema.get("required", ()), links))
    parts.extend(_rules(schema))
    parts.append("```json\n" + lines(schema["examples"]) + "\n```")
    parts.append(_result(schema["$defs"]["result"], links))
    return "\n\n".join(parts)


def frame(name: str, schema: Schema, links: Links) -> str:
    """Return the section of one frame or reply."""
    own = {field: value for field, value in schema["properties"].items() if field not in ("type", "subscription")}
    heading, _, words = schema["title"].partition(": ")
    parts = [f"### `{name}`: {words}" if heading == "Frame" else f"### {schema['title']}", schema["description"]]
    parts.append(fields(own, schema["required"], links, always=True))
    parts.append("```json\n" + "\n".join(block(example) for example in schema["examples"]) + "\n```")
    return "\n\n".join(parts)


def described(title: str, schema: Schema, links: Links) -> str:
    """Return the section of an object that has one."""
    whole = _merged(schema)
    parts = [f"### {title}", schema["description"]]
    if any("properties" in part for part in schema.get("allOf", ())) and "properties" not in schema:
        parts[1] += " Its fields are those of the job object."
    else:
        parts.append(fields(whole["properties"], whole.get("required", ()), links, always=True))
    if "examples" in schema:
        parts.append("```json\n" + block(schema["examples"][0]) + "\n```")
    return "\n\n".join(parts)


def fields(properties: Mapping[str, Schema], required: Iterable[str], links: Links, *, always: bool = False) -> str:
    """Return a table of fields.

    :param always: the fields are sent by the server, so a column for "required" and defaults is useless
    """
    rows = list(_rows("", properties, set(required), links, always))
    if always:
        return table(("field", "type", "meaning"), [(name, kind, meaning) for name, kind, _, meaning in rows])
    return table(("field", "type", "default", "meaning"), rows)


def options(known: Mapping[str, Schema], links: Links) -> str:
    """Return a table of options."""
    rows = [
        (
            f"`{name}`",
            kind(option, links),
            _amount(option.get("default")),
            option.get("x-unit", ""),
            option["description"],
        )
        for name, option in known.items()
    ]
    return table(("option", "type", "default", "unit", "meaning"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lined = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lined)


def kind(schema: Schema, links: Links) -> str:
    """Return the type of a field in words."""
    link = links.to(schema)
    if link:
        return link
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" if isinstance(value, str) else json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(kind(branch, links) for branch in schema["anyOf"])
    types = schema.get("type", "anything")
    ordered = [types] if isinstance(types, str) else sorted(types, key="array".__eq__)  # lists are long: last
    words = [_type(name, schema, links) for name in ordered]
    return " or ".join(words) + _bounds(schema)


def lines(examples: Iterable[Any]) -> str:
    """Return examples, one per line."""
    return "\n".join(json.dumps(example, ensure_ascii=False) for example in examples)


def block(value: Any) -> str:
    """Return JSON with short lines: long objects and lists have one entry per line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= _WIDE or not isinstance(value, (dict, list)):
        return line
    entries = (
        [f"{json.dumps(key)}: {block(item)}" for key, item in value.items()]
        if isinstance(value, dict)
        else [block(item) for item in value]
    )
    inner = ",\n".join(re.sub("^", "  ", entry, flags=re.MULTILINE) for entry in entries)
    return f"{{\n{inner}\n}}" if isinstance(value, dict) else f"[\n{inner}\n]"


def anchor(title: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _result(schema: Schema, links: Links) -> str:
    link = links.to(schema)
    if link:
        return f"**Result:** {link}."
    parts = [f"**Result:** {kind(schema, links)}. {schema['description']}"]
    for form in schema.get("anyOf", (schema,)):
        entries = form.get("items", form)
        if "properties" in entries and not links.to(entries):
            parts.append(fields(entries["properties"], entries.get("required", ()), links, always=True))
    parts.append("```json\n" + "\n".join(block(example) for example in schema["examples"]) + "\n```")
    return "\n\n".join(parts)


def _rows(
    prefix: str, properties: Mapping[str, Schema], required: set[str], links: Links, always: bool
) -> Iterator[tuple[str, str, str, str]]:
    for name, schema in properties.items():
        default = "required" if name in required else _amount(schema["default"]) if "default" in schema else ""
        yield f"`{prefix}{name}`", kind(schema, links), default, schema["description"]
        entry, mark = schema, "."
        if isinstance(schema.get("additionalProperties"), dict):
            entry, mark = schema["additionalProperties"], ".*."
        elif isinstance(schema.get("items"), dict):
            entry, mark = schema["items"], "[]."
        if "properties" in entry and not links.to(entry):
            yield from _rows(
                f"{prefix}{name}{mark}", entry["properties"], set(entry.get("required", ())), links, always
            )


def _rules(schema: Schema) -> Iterator[str]:
    """Yield a list of the rules between fields."""
    rules = []
    for rule in schema.get("allOf", ()):
        if "description" in rule:
            rules.append(rule["description"])
        elif "oneOf" in rule:
            names = [f"`{branch['required'][0]}`" for branch in rule["oneOf"]]
            rules.append(f"Exactly one of {' and '.join(names)} is required.")
        elif "not" in rule:
            names = [f"`{name}`" for name in rule["not"]["required"]]
            rules.append(f"Not both {' and '.join(names)}.")
    for name, needed in schema.get("dependentRequired", {}).items():
        rules.append(f"`{name}` needs {', '.join(f'`{other}`' for other in needed)}.")
    if rules:
        yield "\n".join(f"* {rule}" for rule in rules)


def _type(name: str, schema: Schema, links: Links) -> str:
    if name == "array" and isinstance(schema.get("items"), dict):
        entries = schema["items"]
        link = links.to(entries)
        if link:
            return f"list, each {link}"
        inner = entries.get("type")
        return f"list of {_PLURAL[inner]}" if isinstance(inner, str) else f"list, each {kind(entries, links)}"
    if name == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object, each value {kind(schema['additionalProperties'], links)}"
    return _SINGULAR.get(name, name)


def _bounds(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema and abs(schema["maximum"]) < 2**53 - 1:
        return f", {schema['minimum']} to {schema['maximum']}"
    if "minimum" in schema and schema["minimum"] > 0:
        return f", at least {schema['minimum']}"
    if "exclusiveMinimum" in schema:
        return f", more than {schema['exclusiveMinimum']}"
    if "maxItems" in schema and "maxLength" not in schema:
        return f", at most {schema['maxItems']}"
    if "maxLength" in schema and "maxItems" not in schema and "minimum" not in schema:
        return f", at most {schema['maxLength']} characters"
    return ""


def _amount(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _merged(schema: Schema) -> dict[str, Any]:
    """Return an object with the properties of all parts of its `allOf`."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in (*schema.get("allOf", ()), schema):
        properties.update(part.get("properties", {}))
        required.extend(part.get("required", ()))
    return {"properties": properties, "required": required}


def _shape(schema: Schema) -> dict[str, Any]:
    return {keyword: value for keyword, value in schema.items() if keyword not in ("description", "examples", "title")}
