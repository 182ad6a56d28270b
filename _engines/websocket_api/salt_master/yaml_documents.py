"""Read clients' YAML as Salt does, with limits on the work that a few bytes can cause.

Salt's own loader reads the text, with these differences:

* Keys are text, as written: ``1: x`` becomes ``{"1": "x"}``, as in JSON. A client could choose integer keys with equal
  hashes and so stop the interpreter for seconds.
* Sets, ordered maps, pairs, and keys that are lists or objects are refused. Binary data becomes the text that minions
  get, and is refused if it is not UTF-8.
* The number of digits, merges and tag directives is limited.
"""

from __future__ import annotations

import re
from typing import Any

import salt.utils.yaml  # not its yamlloader: imported first, that leaves salt.utils.yaml without safe_load
import yaml
from yaml.composer import Composer
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_MERGED = 20_000  # pairs that all merge keys (<<) add: an alias of an alias of ... would be copied each time
MAX_DIRECTIVES = 8  # libyaml compares each %TAG with all before it
_PREFIX = "tag:yaml.org,2002:"
_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_KEYS = frozenset(_PREFIX + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "value"))
"""Tags of keys that are written as a scalar."""
_ERRORS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""The exceptions of PyYAML for invalid documents, such as ``!!int ""`` or ``!!bool x``."""


def load(text: str, max_digits: int) -> Any:
    """Return the value of a YAML document. Aliases share objects, so the value may contain itself.

    :param max_digits: the maximum of digits of an integer, because reading one takes quadratic time
    :raises ValueError: the document is not YAML, or has a type that is not supported
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


_SALTS: Any = salt.utils.yaml.SaltYamlSafeLoader
_BASES: Any = (_SALTS,) if issubclass(_SALTS, Composer) else (Composer, _SALTS)
"""libyaml's own composer holds Python's lock for the whole document, and the event loop waits. PyYAML's makes the same
nodes from libyaml's events in Python, where other threads have their turn."""


class _Loader(*_BASES):  # type: ignore[misc]
    """Salt's loader with text keys and limits. It constructs plain data only, and refuses tags of Python objects."""

    def __init__(self, text: str, max_digits: int) -> None:
        _SALTS.__init__(self, text)
        Composer.__init__(self)
        self._max_digits = max_digits
        self._merged = 0
        self._flat: set[int] = set()
        """Mappings whose merge keys are already replaced or in progress."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """Return an object.

        :raises ConstructorError: a key is not a scalar, or is duplicate
        """
        if not isinstance(node, MappingNode):
            raise _error("this must be a mapping", node)
        self.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = _name(key)
            if name in found:
                raise _error("a key is duplicate", key)
            found[name] = self.construct_object(value, deep=deep)
        return found

    def flatten_mapping(self, node: Any) -> None:
        """Insert the pairs of merge keys (``<<``) before the mapping's own, as Salt does, in linear time."""
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
        """Return the text that Salt sends to minions for these bytes."""
        return bytes(super().construct_yaml_binary(node)).decode()

    def refuse(self, node: Any) -> Any:
        """Refuse a type that JSON does not have."""
        raise _error("this type is not supported", node)

    def _pairs(self, value: Any) -> list[tuple[Node, Node]]:
        """Return the pairs of the mappings of a merge key. Of several mappings the last is first."""
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
