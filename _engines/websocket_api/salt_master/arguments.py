"""Read arguments as Salt's own clients do: YAML text, and the arguments of a low for ``RunnerClient``.

Salt's functions read them. Before that an equal loader with limits checks the text, because a few bytes of YAML can
cause hours of work.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import salt.runner
import salt.utils.args
import salt.utils.yaml
import yaml

from ..errors import MAX_FAULTS, MAX_NAME, ApiError

#: Characters of a number. Reading one takes quadratic time.
NUMBER_CHARACTERS = 1000
#: Keys of one argument that are not strings. Keys with equal hashes take quadratic time.
MAX_OTHER_KEYS = 1000
#: Comparisons for merge keys (``<<``). Salt searches the list of a mapping's own keys for each merged key.
MERGE_STEPS = 100_000
#: Values in one argument. Values behind an alias count at each use, because a few bytes can expand to any number.
VALUES = 200_000
#: Nesting levels of lists and objects. msgpack's recursion allows more.
LEVELS = 100
TOO_MUCH = "an argument's YAML expands to too much"
_TOO_MANY_DIGITS = "a number has too many digits"


class _TooMuch(Exception):
    """A limit was exceeded."""


class _Bounded(salt.utils.yaml.SaltYamlSafeLoader):  # type: ignore[misc]
    """Salt's loader, which stops if its work grows faster than the text."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.add_constructor("tag:yaml.org,2002:int", type(self).construct_yaml_int)
        self._other_keys = 0
        self._steps = 0

    def construct_yaml_int(self, node: Any) -> Any:
        if len(node.value) > NUMBER_CHARACTERS:
            raise yaml.YAMLError(_TOO_MANY_DIGITS)
        return super().construct_yaml_int(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        self._other_keys += sum(1 for key, _ in getattr(node, "value", ()) if getattr(key, "tag", "") != _STRING)
        if self._other_keys > MAX_OTHER_KEYS:
            raise _TooMuch
        return super().construct_mapping(node, deep=deep)

    def flatten_mapping(self, node: Any) -> None:
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(part, yaml.MappingNode):
                    self.flatten_mapping(part)
                    self._steps += len(part.value) * (1 + len(node.value))
                    if self._steps > MERGE_STEPS:
                        raise _TooMuch
        super().flatten_mapping(node)


_STRING, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def read(text: str) -> Any:
    """Return the result of Salt's ``yamlify_arg``, which reads command lines and form fields.

    A number of more than :data:`NUMBER_CHARACTERS` stays text.

    :raises ApiError: ``bad_message`` if the text expands to more than an argument may have
    """
    if not _check(text):
        return text
    value = salt.utils.args.yamlify_arg(text)
    if isinstance(value, int) and len(text) > NUMBER_CHARACTERS:
        return text
    if isinstance(value, (list, dict)) and not _is_bounded(value):
        raise ApiError("bad_message", TOO_MUCH)
    return value


def read_for_runner(
    function: Callable[..., Any], fun: str, arg: list[Any], kwarg: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that ``RunnerClient`` sends for the arguments of a low.

    Strings are YAML or ``name=value``. Objects with Salt's mark are keyword arguments. Arguments that ``function``
    does not accept are dropped.

    :raises ApiError: ``bad_message``
    """
    check_names(kwarg)
    for value in arg:
        _check_twice(value)
    low = {"fun": fun, "arg": copy.deepcopy(arg), "kwarg": dict(kwarg)}
    client = SimpleNamespace(functions={fun: function})
    try:
        sent = salt.runner.RunnerClient._reformat_low(client, low)["kwarg"]
    except TypeError:  # names of a marked object that are no strings, or the mark itself
        raise ApiError("bad_message", "Salt cannot read these arguments") from None
    return list(sent["arg"]), dict(sent["kwarg"])


def check_names(kwarg: dict[str, Any]) -> None:
    """Check that these are possible names of arguments.

    :raises ApiError: ``bad_message``
    """
    wrong = [name for name in kwarg if not isinstance(name, str) or name == "__kwarg__"]
    if wrong:
        faults = [
            {"path": f"/kwargs/{str(name)[:MAX_NAME]}", "message": "cannot be the name of an argument"}
            for name in wrong[:MAX_FAULTS]
        ]
        raise ApiError("bad_message", "Salt cannot pass these arguments unchanged", faults)


def _check_twice(value: Any) -> None:
    """Check a text, and the text inside its quotes, because ``RunnerClient`` reads both."""
    for _ in range(2):
        if not isinstance(value, str):
            return
        name, text = salt.utils.args.parse_kwarg(value)
        value = read(text if name else value)


def _check(text: str) -> bool:
    """Return whether Salt can read a text quickly. Harmless texts are not parsed.

    :raises ApiError: ``bad_message`` if the text expands to too much
    """
    if ":" not in text and "{" not in text:
        return True  # neither a mapping nor a number of base 60
    try:
        yaml.load(text, Loader=_Bounded)  # noqa: S506 - a safe loader
    except _TooMuch:
        raise ApiError("bad_message", TOO_MUCH) from None
    except yaml.YAMLError as error:
        return str(error) != _TOO_MANY_DIGITS
    except Exception:  # noqa: BLE001 - whatever PyYAML runs into: Salt takes such a text for text
        return True
    return True


def _is_bounded(value: Any) -> bool:
    waiting, seen = [(value, 0)], 0
    while waiting:
        seen += 1
        item, level = waiting.pop()
        if seen + len(waiting) > VALUES or level > LEVELS:
            return False
        if isinstance(item, dict):
            waiting += [(part, level + 1) for part in item.values()]
        elif isinstance(item, (list, tuple, set)):
            waiting += [(part, level + 1) for part in item]
    return True
