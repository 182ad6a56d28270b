"""Arguments of functions as Salt's command line reads them: ``name=value``, and values as YAML.

Equal to ``salt.utils.args.parse_input``, by a table test. Without PyYAML values are read as JSON or plain text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

KEYWORD = re.compile(r"^([^\d\W][\w.-]*)=(?!=)(.*)$", re.UNICODE)


def parse(words: Iterable[str], no_parse: Iterable[str] = ()) -> tuple[list[Any], dict[str, Any]]:
    """Return positional and keyword arguments.

    :param words: the words after the function's name
    :param no_parse: names of keyword arguments whose values stay text
    """
    arg: list[Any] = []
    kwarg: dict[str, Any] = {}
    for word in words:
        found = KEYWORD.match(word)
        if found:
            name, text = found.groups()
            kwarg[name] = text if name in no_parse else value(text)
        else:
            arg.append(value(word))
    return arg, kwarg


def value(text: str) -> Any:
    """Return one word as the value that Salt's command line makes of it."""
    if text.strip() in ("", "---", "...") or any(mark in text for mark in "\t\r\n"):
        return text
    if "_" in text and all(letter in "0123456789_" for letter in text.strip()):
        return text  # YAML would read 1_000 as a number
    if text == "None":
        return None
    try:
        loaded = _load(text)
    except Exception:  # noqa: BLE001 - what is no YAML is text, whatever the reason
        return text
    if "#" in text:  # it may be a comment for YAML
        return text if isinstance(loaded, str) or loaded is None else loaded
    if isinstance(loaded, dict):
        return loaded if text.startswith("{") else text
    if isinstance(loaded, list):
        return loaded if text.startswith("[") else text
    if loaded is None or isinstance(loaded, float | int | str):
        return text if text in ("|", "!") and loaded in ("", None) else loaded
    return text


def _load(text: str) -> Any:
    """Return YAML text as a value; plain scalars and JSON without PyYAML."""
    load = _yaml_loader()
    if load is not None:
        return load(text)
    words = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "null": None, "~": None}
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d+\.\d*([eE][-+]\d+)?", text):
        return float(text)
    return json.loads(text) if text[0] in '[{"' else text


@functools.cache
def _yaml_loader() -> Callable[[str], Any] | None:
    """Return the function that loads YAML as Salt does, or None without PyYAML.

    Most commands have no arguments; PyYAML takes 20 ms to import.
    """
    try:
        import yaml
    except ImportError:  # the extra [cli] brings it
        return None

    class Loader(yaml.SafeLoader):
        """Reads YAML as Salt does: no times, no octal numbers, no duplicate keys."""

        def construct_scalar(self, node: Any) -> Any:
            if node.tag == "tag:yaml.org,2002:int" and node.value.startswith("0") and node.value[1:2] not in ("b", "x"):
                node.value = node.value.lstrip("0") or "0"
            return super().construct_scalar(node)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            names = [self.construct_object(key, deep=True) for key, _ in node.value]
            if len(set(names)) < len(names):
                raise ValueError("duplicate keys")
            return super().construct_mapping(node, deep)

    Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.construct_scalar)
    Loader.add_constructor("tag:yaml.org,2002:python/unicode", Loader.construct_scalar)
    return functools.partial(yaml.load, Loader=Loader)
