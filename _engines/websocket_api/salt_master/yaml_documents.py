"""YAML that clients send, read as Salt reads it, with a bound on the work that a few bytes can make.

Salt's own loader decides what a text means. What differs:

* Keys are text, as written: ``1: x`` is ``{"1": "x"}``, as it is for a client that sends JSON. With integers as keys a
  client could choose keys that fall into one place of Python's dictionary, and stop the interpreter for seconds.
* Sets, ordered maps, pairs, and keys that are lists or objects are refused. Binary data is the text that minions get,
  and is refused if it is not UTF-8.
* Digits, merges and tag directives are bounded.
"""

from __future__ import annotations

import re
from typing import Any

import salt.utils.yaml  # not its yamlloader: imported first, that leaves salt.utils.yaml without safe_load
import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_MERGED = 20_000  # pairs that all merge keys (<<) add: an alias of an alias of ... would be copied each time
MAX_DIRECTIVES = 8  # libyaml compares each %TAG with all before it
_PREFIX = "tag:yaml.org,2002:"
_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_KEYS = frozenset(_PREFIX + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "value"))
"""Tags of keys that are written as a scalar."""
_ERRORS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What PyYAML raises for documents that are invalid: for ``!!int ""`` or ``!!bool x`` whatever its code runs into."""


def load(text: str, max_digits: int) -> Any:
    """Return the value of a YAML document. Aliases make parts of it one object; it may hold itself.

    :param max_digits: of an integer; what a longer one takes grows with the square
    :raises ValueError: it is not YAML, or not of the kind that is read here
    """
    if len(_DIRECTIVE.findall(text)) > MAX_DIRECTIVES:
        raise ValueError("too many tag directives")
    try:
        loader = _Loader(text, max_digits)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except _ERRORS as error:
        raise ValueError(type(error).__name__) from None


class _Loader(salt.utils.yaml.SaltYamlSafeLoader):  # type: ignore[misc]
    """Salt's loader with text as keys, and bounds. It constructs plain data only: an object's tag is an error."""

    def __init__(self, text: str, max_digits: int) -> None:
        super().__init__(text)
        self._max_digits = max_digits
        self._merged = 0
        self._flat: set[int] = set()
        """Mappings whose merge keys are replaced already, or are being replaced."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """Return an object.

        :raises ConstructorError: a key is not a scalar, or is there twice
        """
        if not isinstance(node, MappingNode):
            raise _error("a mapping must be one", node)
        self.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = _name(key)
            if name in found:
                raise _error("a key is there twice", key)
            found[name] = self.construct_object(value, deep=deep)
        return found

    def flatten_mapping(self, node: Any) -> None:
        """Put what the keys ``<<`` name before the mapping's own pairs, as Salt does, in time that grows linearly."""
        if id(node) in self._flat:
            return
        self._flat.add(id(node))
        merged: list[tuple[Node, Node]] = []
        own: list[tuple[Node, Node]] = []
        for key, value in node.value:
            if key.tag == f"{_PREFIX}merge":
                merged += self._pairs(value)
            else:
                own.append((key, value))
        if len(own) < len(node.value):
            names = {_name(key) for key, _ in own}
            node.value = [pair for pair in merged if _name(pair[0]) not in names] + own

    def construct_yaml_int(self, node: Any) -> Any:
        """Return an integer."""
        if len(node.value) > self._max_digits:
            raise _error("a number has too many digits", node)
        return super().construct_yaml_int(node)

    def construct_yaml_binary(self, node: Any) -> str:
        """Return the text that Salt would make of these bytes on their way to a minion."""
        return bytes(super().construct_yaml_binary(node)).decode()

    def refuse(self, node: Any) -> Any:
        """Refuse what JSON has no word for."""
        raise _error("this type is not read here", node)

    def _pairs(self, value: Any) -> list[tuple[Node, Node]]:
        """Return the pairs of what a merge key names: a mapping, or several, of which the last comes first."""
        parts = value.value[::-1] if isinstance(value, SequenceNode) else [value]
        found: list[tuple[Node, Node]] = []
        for part in parts:
            if not isinstance(part, MappingNode):
                raise _error("a merge key must name mappings", part)
            self.flatten_mapping(part)
            self._merged += len(part.value)
            if self._merged > MAX_MERGED:
                raise _error("too much to merge", part)
            found += part.value
        return found


def _name(key: Any) -> str:
    if not isinstance(key, ScalarNode) or key.tag not in _KEYS:
        raise _error("a key must be text", key)
    return str(key.value)


def _error(what: str, node: Any) -> ConstructorError:
    return ConstructorError(None, None, what, node.start_mark)


_Loader.add_constructor(f"{_PREFIX}int", _Loader.construct_yaml_int)
_Loader.add_constructor(f"{_PREFIX}binary", _Loader.construct_yaml_binary)  # which Salt 3007 leaves to PyYAML
for _kind in ("set", "omap", "pairs"):
    _Loader.add_constructor(_PREFIX + _kind, _Loader.refuse)
