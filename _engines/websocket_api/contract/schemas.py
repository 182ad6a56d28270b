"""Checks messages and options against the JSON Schema files (draft 2020-12) in ``schemas/``."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any, cast

import jsonschema
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import NoSuchResource, Unresolvable
from referencing.jsonschema import DRAFT202012

from ..errors import ApiError, CannotRun
from . import faults
from .dialect import MessageCheck, Validator
from .digest import digest
from .faults import Fault
from .manifest import FILES
from .rules import Schema

_REMEDY = "copy the folder schemas of this release to where the option schemas points"
ASYNCAPI, OPENAPI = "asyncapi.json", "openapi.json"
DOCUMENTS = (ASYNCAPI, OPENAPI)
"""Files beside the schemas that describe the whole API. ``make docs`` writes them; the engine only serves them."""
_NEEDED = ("VERSION", "common.json", "frames.json", "http.json", "settings.json")
_WORDS = frozenset({"title", "description", "default", "examples", "x-unit"})
"""Keywords beside a ``$ref`` that do not check anything."""


class Schemas:
    """The schemas of one release, each with a validator. They are read and checked once.

    :param directory: the directory with ``VERSION``, ``settings.json`` and the other files
    :raises CannotRun: a file is missing, or is not JSON or not a valid schema
    """

    def __init__(self, directory: pathlib.Path) -> None:
        for name in _NEEDED:
            if not (directory / name).is_file():
                raise CannotRun(f"the schemas lack the file {name}: {_REMEDY}")
        self.version = (directory / "VERSION").read_text(encoding="utf-8", errors="replace").strip()
        """The release of the files."""
        self.files: dict[str, bytes] = {
            path.relative_to(directory).as_posix(): _read(path)
            for path in sorted(directory.rglob("*.json"))
            if path.relative_to(directory).as_posix() not in DOCUMENTS
        }
        """The content of each schema file, by its path below the directory."""
        self.documents: dict[str, bytes] = {
            name: _read(directory / name) for name in DOCUMENTS if (directory / name).is_file()
        }
        """The content of each document, by its name."""
        files = {name: _parsed(name, text) for name, text in self.files.items()}
        inliner = _Inliner(files)
        self.operations: dict[str, Schema] = {
            pathlib.PurePosixPath(name).stem: inliner.schema(name) for name in files if name.startswith("operations/")
        }
        """The schema of each operation by name. References are replaced by their targets."""
        if not self.operations:
            raise CannotRun(f"the schemas lack the folder operations: {_REMEDY}")
        self.common: dict[str, Schema] = inliner.schema("common.json").get("$defs", {})
        """Definitions that several messages use, by name."""
        self.frames: dict[str, Schema] = inliner.schema("frames.json").get("$defs", {})
        """The schema of each frame and reply, by name."""
        http = inliner.schema("http.json")
        self.http: dict[str, Schema] = http.get("$defs", {})
        """The schema of each body, reply and part of a path over HTTP, by name."""
        self.requests: dict[str, dict[str, Any]] = http.get("x-requests", {})
        """Each request over HTTP, such as ``GET /jobs/{jid}``, with the names of its schemas."""
        self.settings: Schema = inliner.schema("settings.json")
        """The schema of the engine's options."""
        for name, schema in self.operations.items():
            if "properties" not in schema or "result" not in schema.get("$defs", {}):
                raise CannotRun(f"the schema operations/{name}.json lacks properties or $defs/result: {_REMEDY}")
        self._messages = {name: MessageCheck(schema) for name, schema in self.operations.items()}
        self._results = {name: Validator(schema["$defs"]["result"]) for name, schema in self.operations.items()}
        self._frames = {name: Validator(schema) for name, schema in self.frames.items()}
        self._http = {name: Validator(schema) for name, schema in self.http.items()}
        self._settings = Validator(self.settings)

    def validate(self, name: str, message: Any) -> None:
        """Check a message to an operation.

        :raises ApiError: bad_message with all faults, without values
        """
        check = self._messages.get(name)
        if check is None:
            raise ApiError("unknown_type", "there is no such operation; `describe` names them all")
        if check.passes(message):
            return
        found = faults.found(check.errors(message))
        if found:
            raise ApiError("bad_message", faults.summary(found), found)

    def validate_result(self, name: str, result: Any) -> None:
        """Raise ValueError, which shows values, if a result does not match its schema (for tests)."""
        _check(self._results[name], result)

    def validate_frame(self, name: str, frame: Any) -> None:
        """Raise ValueError, which shows values, if a frame or reply does not match ``frames.json`` (for tests)."""
        _check(self._frames[name], frame)

    def validate_http(self, name: str, body: Any) -> None:
        """Raise ValueError, which shows values, if a body or reply does not match ``http.json`` (for tests)."""
        _check(self._http[name], body)

    def validate_settings(self, options: Mapping[str, Any]) -> list[Fault]:
        """Return all faults of the engine's options, without values."""
        return faults.found(self._settings.iter_errors(dict(options)))

    def defaults(self) -> dict[str, Any]:
        """Return the defaults of all options, nested like the options."""
        return _defaults(self.settings)


class _Inliner:
    """Replaces references in schemas by their targets.

    So ``describe`` can send each schema alone, and no check has to follow references.
    """

    def __init__(self, files: dict[str, Schema]) -> None:
        resources = [(name, DRAFT202012.create_resource(file)) for name, file in files.items()]
        registry: Registry[Any] = Registry()
        self._files = files
        self._registry = registry.with_resources(resources)

    def schema(self, name: str) -> Schema:
        """Return the schema of one file.

        :raises CannotRun: a reference leads nowhere or to itself
        """
        try:
            return cast("Schema", self._inline(self._files[name], self._registry.resolver(name), ()))
        except (Unresolvable, NoSuchResource) as error:
            raise CannotRun(f"the schema {name} has a reference that leads nowhere: {error.ref}: {_REMEDY}") from error
        except RecursionError as error:
            raise CannotRun(f"the schema {name} refers to itself: {_REMEDY}") from error

    def _inline(self, value: Any, resolver: Any, inside: tuple[int, ...]) -> Any:
        if isinstance(value, list):
            return [self._inline(item, resolver, inside) for item in value]
        if not isinstance(value, dict):
            return value
        if not isinstance(value.get("$ref"), str):
            return {key: self._inline(item, resolver, inside) for key, item in value.items()}
        found = resolver.lookup(value["$ref"])
        if id(found.contents) in inside:
            raise RecursionError
        target = self._inline(found.contents, found.resolver, (*inside, id(found.contents)))
        beside = self._inline({key: item for key, item in value.items() if key != "$ref"}, resolver, inside)
        return {**target, **beside} if beside.keys() <= _WORDS else {"allOf": [target], **beside}


def _read(path: pathlib.Path) -> bytes:
    name = path.name if path.parent.name != "operations" else f"operations/{path.name}"
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotRun(f"the schema {name} cannot be read: {error.strerror}: {_REMEDY}") from error


def _parsed(name: str, text: bytes) -> Schema:
    try:
        schema = json.loads(text.decode("utf-8"))
        if FILES.get(name) != digest(text):  # tests check those of a release: here it would take 0.25 s
            jsonschema.Draft202012Validator.check_schema(schema)
    except ValueError as error:
        raise CannotRun(f"the schema {name} is not JSON: {error}: {_REMEDY}") from error
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        raise CannotRun(f"the schema {name} is not valid at /{where}: {error.message}: {_REMEDY}") from error
    if not isinstance(schema, dict):
        raise CannotRun(f"the schema {name} is not an object: {_REMEDY}")
    return schema


def _check(validator: Any, value: Any) -> None:
    errors = [best_match([error]) for error in validator.iter_errors(value)]
    if errors:
        raise ValueError("; ".join(f"/{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors))


def _defaults(schema: Schema) -> dict[str, Any]:
    return {
        name: _defaults(option) if "properties" in option else option.get("default")
        for name, option in schema["properties"].items()
    }
