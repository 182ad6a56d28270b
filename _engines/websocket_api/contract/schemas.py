"""Every message and every option is checked against a JSON Schema file (draft 2020-12) of ``schemas/``."""

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
from .dialect import MessageCheck, Schema, Validator
from .faults import Fault

_MEND = "copy the folder schemas of this release to where the option schemas points"
_NEEDED = ("VERSION", "common.json", "frames.json", "http.json", "settings.json")
_WORDS = frozenset({"title", "description", "default", "examples", "x-unit"})
"""Keywords that say something beside a ``$ref`` without checking anything."""


class Schemas:
    """The schemas of one release, read and checked once, with a validator for each.

    :param directory: where ``VERSION``, ``settings.json`` and the others are
    :raises CannotRun: a file is missing, is no JSON or no valid schema
    """

    def __init__(self, directory: pathlib.Path) -> None:
        for name in _NEEDED:
            if not (directory / name).is_file():
                raise CannotRun(f"the schemas lack the file {name}: {_MEND}")
        self.version = (directory / "VERSION").read_text(encoding="utf-8", errors="replace").strip()
        """The release that the files belong to."""
        self.files: dict[str, bytes] = {
            path.relative_to(directory).as_posix(): _read(path) for path in sorted(directory.rglob("*.json"))
        }
        """Each file as it is, by its path below the directory."""
        files = {name: _parsed(name, text) for name, text in self.files.items()}
        whole = _Whole(files)
        self.operations: dict[str, Schema] = {
            pathlib.PurePosixPath(name).stem: whole.schema(name) for name in files if name.startswith("operations/")
        }
        """Each operation's schema by name, complete in itself: references are replaced by what they refer to."""
        if not self.operations:
            raise CannotRun(f"the schemas lack the folder operations: {_MEND}")
        self.common: dict[str, Schema] = whole.schema("common.json").get("$defs", {})
        """What several messages have in common, by name."""
        self.frames: dict[str, Schema] = whole.schema("frames.json").get("$defs", {})
        """The schema of each frame and reply by name, likewise."""
        http = whole.schema("http.json")
        self.http: dict[str, Schema] = http.get("$defs", {})
        """The schema of each body, reply and part of a path of the HTTP door by name, likewise."""
        self.requests: dict[str, dict[str, Any]] = http.get("x-requests", {})
        """What each request of the HTTP door, such as ``GET /jobs/{jid}``, takes and gives, by names of the above."""
        self.settings: Schema = whole.schema("settings.json")
        """The schema of the engine's options, likewise."""
        for name, schema in self.operations.items():
            if "properties" not in schema or "result" not in schema.get("$defs", {}):
                raise CannotRun(f"the schema operations/{name}.json lacks properties or $defs/result: {_MEND}")
        self._messages = {name: MessageCheck(schema) for name, schema in self.operations.items()}
        self._results = {name: Validator(schema["$defs"]["result"]) for name, schema in self.operations.items()}
        self._frames = {name: Validator(schema) for name, schema in self.frames.items()}
        self._http = {name: Validator(schema) for name, schema in self.http.items()}
        self._settings = Validator(self.settings)

    def check_version(self, expected: str) -> None:
        """Raise :class:`CannotRun` unless these schemas are of the release ``expected``."""
        if self.version != expected:
            raise CannotRun(
                f"schemas are {self.version}, the engine {expected}: run salt-run saltutil.sync_engines and restart"
            )

    def validate(self, name: str, message: Any) -> None:
        """Raise ``bad_message`` with all faults of a message to the operation ``name``, its values never shown."""
        check = self._messages.get(name)
        if check is None:
            raise ApiError("unknown_type", "there is no such operation; `describe` names them all")
        if check.passes(message):
            return
        found = faults.found(check.errors(message))
        if found:
            raise ApiError("bad_message", faults.summary(found), found)

    def validate_result(self, name: str, result: Any) -> None:
        """Raise ValueError if a reply is not as the schema of the operation promises; values are shown (for tests)."""
        _check(self._results[name], result)

    def validate_frame(self, name: str, frame: Any) -> None:
        """Raise ValueError if a frame or reply is not as ``frames.json`` promises; values are shown (for tests)."""
        _check(self._frames[name], frame)

    def validate_http(self, name: str, body: Any) -> None:
        """Raise ValueError if a body or reply is not as ``http.json`` promises; values are shown (for tests)."""
        _check(self._http[name], body)

    def validate_settings(self, options: Mapping[str, Any]) -> list[Fault]:
        """Return all faults of the engine's options, without their values."""
        return faults.found(self._settings.iter_errors(dict(options)))

    def defaults(self) -> dict[str, Any]:
        """Return the default of every option, the nested ones nested."""
        return _defaults(self.settings)


class _Whole:
    """Schemas whose references are replaced by what they refer to.

    So ``describe`` can hand each out alone, and a check does not follow a reference at every message.
    """

    def __init__(self, files: dict[str, Schema]) -> None:
        resources = [(name, DRAFT202012.create_resource(file)) for name, file in files.items()]
        registry: Registry[Any] = Registry()
        self._files = files
        self._registry = registry.with_resources(resources)

    def schema(self, name: str) -> Schema:
        """Return the schema of one file, raising :class:`CannotRun` for a reference to nothing or to itself."""
        try:
            return cast("Schema", self._inline(self._files[name], self._registry.resolver(name), ()))
        except (Unresolvable, NoSuchResource) as error:
            raise CannotRun(f"the schema {name} refers to what is not there: {error.ref}: {_MEND}") from error
        except RecursionError as error:
            raise CannotRun(f"the schema {name} refers to itself: {_MEND}") from error

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
        raise CannotRun(f"the schema {name} cannot be read: {error.strerror}: {_MEND}") from error


def _parsed(name: str, text: bytes) -> Schema:
    try:
        schema = json.loads(text.decode("utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
    except ValueError as error:
        raise CannotRun(f"the schema {name} is not JSON: {error}: {_MEND}") from error
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        raise CannotRun(f"the schema {name} is not valid at /{where}: {error.message}: {_MEND}") from error
    if not isinstance(schema, dict):
        raise CannotRun(f"the schema {name} is not an object: {_MEND}")
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
